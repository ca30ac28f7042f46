"""A lesson in one line, and what kind of thing a message is."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.teaching import parse_teaching, pattern_of

OPENINGS = [
    "no, the answer is ",
    "No: the right answer is ",
    "NO. The correct answer is: ",
    "nope, the answer is\n",
    "No, that's wrong. The answer should be ",
    "no — the better answer would be ",
    "  no the answer is , ",
]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(
    "answer", ["42", "by the river,\nnext to the mill", "no.", "“Yes”, always", "nothing at all"]
)
def test_a_lesson_is_recognised(opening: str, answer: str) -> None:
    assert parse_teaching(opening + answer + "  \n") == answer


@given(st.sampled_from(["no, the answer is: ", "No! The right answer was: "]), st.text(min_size=1))
def test_whatever_follows_is_the_answer(opening: str, answer: str) -> None:
    assume(answer.strip() and answer.lstrip()[0] not in ":,")
    assert parse_teaching(opening + answer) == answer.strip()


@pytest.mark.parametrize(
    "text",
    [
        "no, I don't think so",
        "no",
        "no, the answer is",
        "no, the answer is   ",
        "no, the answer is not that simple",
        "No. The answer is wrong",
        "No, the answering machine is broken",
        "nothing, the answer is lost",
        "now, the answer is 42",
        "know the answer is 42",
        "the answer is 42",
        "I said no, the answer is 42",
        "no, what is the answer?",
        "no answer is the best answer is what he said",
        "",
    ],
)
def test_an_ordinary_sentence_is_none(text: str) -> None:
    assert parse_teaching(text) is None


@given(st.text())
def test_any_text_without_an_answer_is_none(text: str) -> None:
    assume("answer" not in text.casefold())
    assert parse_teaching(text) is None


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "text", ["no" + " " * 10**6, "no" + ", " * 10**6 + "the", "no, the answer is" + " " * 10**6]
)
def test_no_text_makes_it_slow(text: str) -> None:
    assert parse_teaching(text) is None


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("hello", "greeting"),
        ("Hi there!", "greeting"),
        ("Good morning, Ada", "greeting"),
        ("hi, how do I connect Slack?", "question"),
        ("Who are you", "question"),
        ("What’s the weather like", "question"),
        ("Are we there yet", "question"),
        ("It rains?", "question"),
        ("Tell me a joke", "joke"),
        ("Do you know another joke?", "joke"),
        ("Knock, knock!", "joke"),
        ("Tell me a story about a fox", "story"),
        ("Once upon a time there was a fox", "story"),
        ("I like foxes.", "statement"),
        ("", "statement"),
        ("???", "statement"),
    ],
)
def test_the_kind_of_a_message(text: str, pattern: str) -> None:
    assert pattern_of(text) == pattern


@given(st.text(max_size=2000))
def test_every_text_is_of_some_kind(text: str) -> None:
    assert pattern_of(text) in {"greeting", "question", "statement", "joke", "story"}
