"""What the first avatar says is onboarding: these tests keep it complete, well formed and free of invented commands."""

import io
import json
import re
from importlib import resources
from typing import Any

import pytest
from PIL import Image

from bot.guide import Guide, GuideError, load_guide, parse_guide

COMMANDS: dict[str, set[str]] = {
    "help": set(),
    "new": set(),
    "stop": set(),
    "regenerate": set(),
    "rate": set(),
    "why": set(),
    "avatar": {"list", "create", "edit", "use"},
    "prompt": {"list", "show", "edit", "activate"},
    "examples": {"list", "add", "edit", "approve", "reject", "remove"},
    "history": set(),
    "stats": set(),
    "model": set(),
    "models": set(),
    "notices": set(),
    "finetune": {"build", "show", "export"},
    "discord": {"invite"},
    "slack": {"manifest"},
    "privacy": {"show", "consent", "withdraw", "delete"},
    "check": set(),
}
ON_THE_COMMAND_LINE = {"chat", "run", "import", "export", *COMMANDS}
SCALES = {"stars5": {1, 2, 3, 4, 5}, "thumbs": {-1, 1}}

SMALL = """
name = "G"
colour = "#102030"
tagline = "T"
prompt = "P"
unknown = "U"
suggestions = ["One?", "Two?", "Three?"]
[[examples]]
question = "One?"
answer = "An answer that is long enough."
pattern = "question"
[[examples]]
question = "Two?"
answer = "An answer that is long enough."
pattern = "question"
[[examples]]
question = "Three?"
also = ["Drei?"]
answer = "An answer that is long enough."
pattern = "question"
pinned = true
"""


@pytest.fixture(scope="module")
def guide() -> Guide:
    return load_guide()


def sample_conversations() -> list[dict[str, Any]]:
    text = resources.files("bot.guide").joinpath("sample.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def quoted(guide: Guide) -> list[str]:
    """Everything the guide says in backticks."""
    said = [guide.prompt, guide.unknown, *(example.answer for example in guide.examples)]
    return [code for text in said for code in re.findall(r"`([^`]+)`", text)]


def test_it_knows_enough_for_a_newcomer_and_a_first_dataset(guide: Guide) -> None:
    assert len(guide.examples) >= 60
    assert {example.pattern for example in guide.examples} == {
        "greeting",
        "question",
        "statement",
        "joke",
        "story",
    }
    assert 2 <= sum(example.pinned for example in guide.examples) <= 4


def test_no_two_examples_ask_the_same(guide: Guide) -> None:
    wordings = [wording.casefold() for example in guide.examples for wording in example.wordings]
    assert len(wordings) == len(set(wordings))
    assert all(len(example.also) <= 4 for example in guide.examples)


def test_each_suggestion_has_its_answer(guide: Guide) -> None:
    questions = {example.question for example in guide.examples}
    assert len(guide.suggestions) == 3
    assert questions.issuperset(guide.suggestions)


def test_answers_are_long_enough_to_learn_from_and_short_enough_to_read(guide: Guide) -> None:
    for example in guide.examples:
        assert 20 < len(example.answer) < 500, example.question


def test_it_says_that_it_is_an_ai_and_how_to_teach_it(guide: Guide) -> None:
    assert "AI" in guide.prompt
    assert "`no, the answer is ...`" in guide.unknown


def test_chat_commands_exist(guide: Guide) -> None:
    spoken = [code[1:].split() for code in quoted(guide) if code.startswith("/")]
    assert spoken
    for name, *rest in (words[1:] if words[0] == "help" and words[1:] else words for words in spoken):
        assert name in COMMANDS, name
        assert not rest or not COMMANDS[name] or rest[0] in COMMANDS[name], [name, *rest]


def test_command_lines_exist(guide: Guide) -> None:
    spoken = [code.split("understudy ", 1)[1].split() for code in quoted(guide) if "understudy " in code]
    assert spoken
    for name, *rest in spoken:
        assert name in ON_THE_COMMAND_LINE, name
        assert not COMMANDS.get(name) or rest[0] in COMMANDS[name], [name, *rest]


def test_the_picture_is_a_square_png(guide: Guide) -> None:
    with Image.open(io.BytesIO(guide.picture)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (256, 256))


def test_a_small_file_of_ones_own_is_read() -> None:
    guide = parse_guide(SMALL, b"png")
    assert guide.examples[2].wordings == ("Three?", "Drei?")
    assert [example.pinned for example in guide.examples] == [False, False, True]
    assert guide.picture == b"png"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "G"', "", "name is missing"),
        ('name = "G"', "name = ", "guide.toml"),
        ('name = "G"', 'name = "G"\nshoe_size = 9', "'shoe_size'"),
        ("#102030", "red", "#RRGGBB"),
        ('["One?", "Two?", "Three?"]', '["One?"]', "three suggestions"),
        ('["One?", "Two?", "Three?"]', '["One?", "Two?", "Four?"]', "'Four?'"),
        ('["One?", "Two?", "Three?"]', '"One?"', "list of texts"),
        ('["Drei?"]', '["ONE?"]', "two examples ask 'ONE?'"),
        ('["Drei?"]', "[3]", "also is missing or not a text"),
        ("pinned = true", 'pinned = "yes"', "pinned is true or false"),
        ("pinned = true", "pined = true", "'pined'"),
        ('pattern = "question"\npinned', 'pattern = "riddle"\npinned', "'riddle'"),
        ('also = ["Drei?"]\nanswer = "An answer that is long enough."', 'answer = "Yes."', "answer has 20"),
        (SMALL[SMALL.index("[[") :], "examples = []", "[[examples]] is missing"),
        (SMALL[SMALL.index("[[") :], "examples = [1]", "example 1: is not a table"),
    ],
)
def test_a_broken_file_is_refused_by_name(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(GuideError) as refusal:
        parse_guide(SMALL.replace(old, new), b"")
    assert says in str(refusal.value)


def test_the_sample_is_in_the_import_format() -> None:
    conversations = sample_conversations()
    assert len(conversations) >= 30
    assert len({conversation["conversation_id"] for conversation in conversations}) == len(conversations)
    for conversation in conversations:
        assert set(conversation) == {"conversation_id", "rating_scale", "turns"}
        turns = conversation["turns"]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert 2 <= len(turns) <= 6
        for turn in turns:
            assert set(turn) == {"role", "content", "rating", "comment"}
            assert turn["content"].strip()
            if turn["role"] == "user":
                assert turn["rating"] is None
            elif turn["rating"] is not None:
                assert turn["rating"] in SCALES[conversation["rating_scale"]]


def test_the_sample_is_mostly_but_not_only_well_rated() -> None:
    ratings = [
        (conversation["rating_scale"], turn["rating"])
        for conversation in sample_conversations()
        for turn in conversation["turns"]
        if turn["role"] == "assistant"
    ]
    good = sum(rating is not None and rating >= (4 if scale == "stars5" else 1) for scale, rating in ratings)
    assert 0.5 <= good / len(ratings) <= 0.7
    assert any(rating is None for _, rating in ratings)
    assert any(rating is not None and rating < 1 for _, rating in ratings)
