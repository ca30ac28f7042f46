"""One line of a file: what it holds, or why it cannot be read."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.imported import ImportedConversation, ImportedExample, ImportedPreference, Verdict
from training.lines import parse_line


def line(value: object) -> bytes:
    return json.dumps(value).encode()


def talk(*turns: tuple[str, object], **more: object) -> bytes:
    """A conversation line of (role, content) turns."""
    return line(
        {"conversation_id": "c", "turns": [{"role": role, "content": text} for role, text in turns], **more}
    )


def conversation(raw: bytes) -> ImportedConversation:
    record = parse_line(raw).record
    assert isinstance(record, ImportedConversation)
    return record


@pytest.mark.parametrize(
    ("scale", "rating", "stars"),
    [
        ("thumbs", 1, 5),
        ("thumbs", -1, 1),
        ("thumbs", 0, None),
        ("thumbs", None, None),
        ("stars5", 1, 1),
        ("stars5", 4.0, 4),
        ("stars5", None, None),
        (None, None, None),
    ],
)
def test_ratings_become_stars(scale: str | None, rating: object, stars: int | None) -> None:
    turns = [
        {"role": "user", "content": "hi", "rating": None, "comment": None},
        {"role": "assistant", "content": "hello", "rating": rating, "comment": "so so"},
    ]
    (pair,) = conversation(line({"conversation_id": 7, "rating_scale": scale, "turns": turns})).pairs
    assert (pair.user, pair.assistant) == ("hi", "hello")
    assert pair.verdicts == (Verdict(stars, "so so"),)


def test_every_reply_is_paired_with_the_messages_before_it() -> None:
    record = conversation(
        talk(("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d"), ("assistant", "e"))
    )
    assert [(pair.index, pair.user, pair.assistant) for pair in record.pairs] == [
        (0, "a\nb", "c"),
        (1, "d", "e"),
    ]


def test_what_cannot_be_paired_is_noted() -> None:
    parsed = parse_line(
        talk(
            ("assistant", "hi"),
            ("user", "a"),
            ("assistant", " "),
            ("user", "b"),
            ("assistant", "c"),
            ("user", "d"),
        )
    )
    assert isinstance(parsed.record, ImportedConversation)
    assert [pair.user for pair in parsed.record.pairs] == ["b"]
    assert parsed.notes == (
        "turn 1: a reply without a user's message before it",
        "turn 3: empty content",
        "turn 6: a message without a reply",
    )


def test_a_conversation_without_a_name_is_known_by_what_was_said() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rated = [turns[0], {**turns[1], "rating": 5}]
    one = conversation(line({"turns": turns}))
    other = conversation(line({"turns": rated, "rating_scale": "stars5"}))
    assert one.key == other.key


def test_a_very_long_name_is_shortened_to_a_key_that_a_database_takes() -> None:
    raw = talk(("user", "a"), ("assistant", "b")).replace(b'"c"', b'"' + b"x" * 100_000 + b'"')
    assert len(conversation(raw).key) < 200


def test_openai_chat_lines() -> None:
    messages = [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": "hello", "weight": 0},
    ]
    record = conversation(line({"messages": messages}))
    assert [(pair.user, pair.assistant, pair.verdicts) for pair in record.pairs] == [("hi", "hello", ())]
    assert record == conversation(line({"messages": messages, "other": 1}))


@pytest.mark.parametrize(
    "prompt",
    [
        "hi",
        [{"role": "user", "content": "hi"}],
        [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}],
    ],
)
@pytest.mark.parametrize(
    "chosen", ["good", {"role": "assistant", "content": "good"}, [{"role": "assistant", "content": "good"}]]
)
def test_preferences(prompt: object, chosen: object) -> None:
    record = parse_line(line({"prompt": prompt, "chosen": chosen, "rejected": "bad"})).record
    assert isinstance(record, ImportedPreference)
    assert (record.context, record.chosen, record.rejected) == ((("user", "hi"),), "good", "bad")


def test_an_example_of_its_own() -> None:
    record = parse_line(
        line({"example": {"user": "q", "assistant": "a", "quality": 0.5}, "private": True})
    ).record
    assert isinstance(record, ImportedExample)
    assert (record.user, record.assistant, record.quality, record.private) == ("q", "a", 0.5, True)


RATED = (
    '{"conversation_id": "c", "rating_scale": %s, "turns": '
    '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "rating": %s}]}'
)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "broken JSON at column"),
        (b"\xff{}", "not UTF-8 at byte 1"),
        (b"\xef\xbb\xbf\xff", "not UTF-8 at byte 4"),
        (b"[1]", "a list where an object is needed"),
        (b"null", "missing where an object is needed"),
        (b"{}", "an empty object"),
        (b'{"question": 1, "answer": 2}', "unknown shape with keys 'question', 'answer'"),
        (b'{"turns": 1}', "turns is a number, not a list"),
        (b'{"turns": []}', "turns is empty"),
        (b'{"turns": ["x"]}', "turn 1: text where an object is needed"),
        (b'{"turns": [{"role": "user", "content": 1}]}', "turn 1: content is a number, not text"),
        (b'{"turns": [{"role": "user", "content": "\\u0000"}]}', "turn 1: holds a NUL character"),
        (b'{"turns": [{"role": "user", "content": "\\ud800"}]}', "broken JSON at column"),
        (b'{"turns": [{"role": "robot", "content": "x"}]}', 'turn 1: role is "robot"'),
        (b'{"turns": [{"role": "user", "content": "x"}]}', "no user's message that is followed by a reply"),
        (b'{"conversation_id": [], "turns": [{"role": "user", "content": "x"}]}', "conversation_id is a list, not text"),
        ((RATED % ('"stars5"', "6")).encode(), "turn 2: rating 6 is outside of the scale stars5 (1 to 5)"),
        ((RATED % ('"stars5"', "0")).encode(), "turn 2: rating 0 is outside of the scale"),
        ((RATED % ('"thumbs"', "0.5")).encode(), "turn 2: rating 0.5 is outside of the scale thumbs (-1, 0 or 1)"),
        ((RATED % ('"thumbs"', "true")).encode(), "turn 2: rating is true or false, not a number"),
        ((RATED % ('"stars5"', '"5"')).encode(), "turn 2: rating is text, not a number"),
        ((RATED % ("null", "5")).encode(), "turn 2: a rating without a rating_scale"),
        ((RATED % ('"stars10"', "5")).encode(), 'rating_scale is "stars10"'),
        (b'{"chosen": "a", "rejected": "b"}', "prompt is missing, not a list"),
        (b'{"prompt": "q", "chosen": "a"}', "rejected: content is missing, not text"),
        (b'{"prompt": "q", "chosen": "a", "rejected": "a"}', "chosen and rejected are the same"),
        (b'{"prompt": "q", "chosen": "a", "rejected": " "}', "prompt, chosen or rejected is empty"),
        (b'{"prompt": [{"role": "assistant", "content": "q"}], "chosen": "a", "rejected": "b"}', "prompt does not end with"),
        (b'{"prompt": "q", "chosen": "a", "rejected": "b", "consent": false}', "it must not be learnt from"),
        (b'{"example": {"user": "q", "assistant": "a", "quality": 2}}', "quality is 2, not a number from 0 to 1"),
    ],
)  # fmt: skip
def test_the_reason_names_what_is_wrong(raw: bytes, reason: str) -> None:
    parsed = parse_line(raw)
    assert parsed.record is None
    assert reason in parsed.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
TURN = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool"]) | JSON,
        "content": st.text() | JSON,
        "rating": st.integers(-2, 7) | JSON,
        "comment": st.none() | st.text() | JSON,
        "ratings": JSON,
    },
)
KEYS = {
    "conversation_id": st.text() | JSON,
    "rating_scale": st.sampled_from(["thumbs", "stars5", None]) | JSON,
    "prompt": st.text() | st.lists(TURN, max_size=3) | JSON,
    "chosen": st.text() | JSON,
    "rejected": st.text() | JSON,
    "pair_id": st.text() | JSON,
    "messages": st.lists(TURN, max_size=4) | JSON,
    "turns": st.lists(TURN, max_size=4) | JSON,
    "example": JSON,
    "consent": st.booleans() | JSON,
}
LINES = st.binary() | (JSON | st.fixed_dictionaries({}, optional=KEYS)).map(
    lambda value: json.dumps(value).encode()
)


@given(LINES)
def test_any_line_is_read_or_has_a_reason(raw: bytes) -> None:
    parsed = parse_line(raw)
    assert (parsed.record is None) == bool(parsed.reason)
    orjson.dumps(parsed)  # and what is told of it can be shown
