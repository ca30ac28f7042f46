"""Quality: what a report says of rows, the same each time; what is warned of and what is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training import quality
from training.quality import (
    LOOK,
    Fact,
    Report,
    look,
    warnings,
)
from training.rows import Row, Turn
from training.summaries import Conflicts, spread
from training.wording import UNKNOWN, is_refusal, languages


def english(texts: Sequence[str]) -> list[str]:
    return ["en"] * len(texts)


def row(question: str, reply: str, label: bool | None = None) -> Row:
    return Row((Turn("user", question),), reply, label=label)


def fact(
    question: str, reply: str, author: str = "", raters: tuple[str, ...] = (), **more: bool | None
) -> Fact:
    return Fact(row(question, reply, more.get("label")), author, raters, 0.8, "chat")


class Facts:
    """Rows as a report sees them, in memory."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = list(facts)
        looks = [look(each) for each in self._facts]
        self._looks = np.array([(*each[:-1], len(each.raters)) for each in looks], dtype=np.dtype([*LOOK]))
        self._raters = [rater for each in looks for rater in each.raters]

    def __len__(self) -> int:
        return len(self._facts)

    def column(self, name: str) -> NDArray[Any]:
        return self._looks[name]

    def raters(self) -> NDArray[np.uint64]:
        return np.array(self._raters, dtype=np.uint64)

    def said(self, rows: NDArray[np.integer]) -> Iterator[tuple[str, str]]:
        return ((self._facts[at].row.question, self._facts[at].row.reply) for at in rows.tolist())

    def source(self, number: int) -> str:
        (name,) = {each.source for each in self._facts if quality.number(each.source) == number}
        return name


def report(
    facts: Iterable[Fact],
    sample: int = 2_000,
    languages_of: Callable[[Sequence[str]], list[str]] = english,
) -> Report:
    seen = Facts(facts)
    every = np.ones(len(seen), dtype=bool)
    return quality.report(seen, every, sample=sample, languages_of=languages_of)


def various(count: int, seed: int = 1) -> list[Fact]:
    chance = random.Random(seed)
    return [
        fact(
            f"question {number} of {chance.randrange(10**9)}",
            " ".join(f"w{chance.randrange(5000)}" for _ in range(chance.randrange(12, 60))),
            f"person {chance.randrange(50)}",
            (f"rater {chance.randrange(50)}",),
        )
        for number in range(count)
    ]


def test_nothing_is_a_report_too() -> None:
    empty = report([])
    assert empty.rows == 0
    assert orjson.loads(orjson.dumps(empty.data()))["characters"] == {"median": 0, "p90": 0, "max": 0}
    assert warnings(empty) == []


def test_various_rows_are_not_warned_of() -> None:
    found = report(various(400))
    assert warnings(found) == []
    assert found.rows == found.sampled == 400
    assert found.distance > 0.9
    assert found.distinct_2 > 0.9
    assert found.sources == {"chat": 1.0}
    assert found.quality == pytest.approx(0.8)


def test_lengths_and_turns() -> None:
    facts = [fact("q", "x" * size) for size in range(1, 101)]
    talk = (Turn("system", "s"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    facts[0] = replace(facts[0], row=Row(talk, "x"))
    found = report(facts)
    assert (found.characters.median, found.characters.p90, found.characters.max) == (50, 90, 100)
    assert (found.turns.median, found.turns.max) == (2, 4)
    assert found.multi_turn == 0.01


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=200))
@settings(max_examples=50, deadline=None)
def test_sizes_are_spread_as_sorting_them_tells(sizes: list[int]) -> None:
    told, ordered = spread(np.array(sizes)), sorted(sizes)
    assert told.median == ordered[(len(sizes) + 1) // 2 - 1]
    assert told.p90 == ordered[-(-9 * len(sizes) // 10) - 1]
    assert told.max == max(sizes)


def test_a_report_is_of_the_rows_that_are_kept_alone() -> None:
    facts = various(300)
    kept = np.array([number % 3 == 0 for number in range(300)])
    some = quality.report(Facts(facts), kept, languages_of=english)
    assert some == report([each for each, there in zip(facts, kept, strict=True) if there])
    assert some.rows == 100


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't do that.",
        "I’m sorry, but I cannot assist with that request.",
        "I am so sorry. I cannot help.",
        "As an AI language model, I do not have feelings.",
        "Well, as an AI I have no opinion on that.",
        "I cannot help with that.",
        "I'm unable to provide medical advice.",
        "Unfortunately, I am not able to answer.",
        "I'm just an AI, I can't taste food.",
        "Tut mir leid, ich kann dir dabei nicht helfen.",
        "Lo siento, pero no puedo ayudarte.",
        "Je suis désolé, mais je ne peux pas répondre.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't wait to see it!",
        "I can't help laughing at this one.",
        "Sorry I'm late, here is the answer.",
        "I'm sorry to hear that. Did you try to switch it off and on?",
        "I am sorry for the trouble, we could not find your order yet.",
        "You cannot help everyone, and that is fine.",
        "AI is a wide field, as an aid to doctors for example.",
        "Ask the AI team.",
    ],
)
def test_what_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)


def test_refusals_are_warned_of() -> None:
    facts = [
        *various(90),
        *(fact(f"q{number}", "I'm sorry, I can't do that, my friend.") for number in range(10)),
    ]
    found = report(facts)
    assert found.refusals == 0.1
    assert any("10 % of the replies refuse" in each for each in warnings(found))


def test_boilerplate_at_both_ends() -> None:
    middle = [each.row.reply for each in various(100)]
    facts = [
        fact(
            f"q{number}",
            f"What a great question, friend! {told}"
            if number % 5 == 0
            else f"{told} Let me know, OK bye then!",
        )
        for number, told in enumerate(middle)
    ]
    found = report(facts)
    assert {(each.text, each.where, each.share) for each in found.boilerplate} == {
        ("what a great question, friend!", "beginning", 0.2),
        ("me know, ok bye then!", "ending", 0.8),
    }
    assert sum("of the replies" in each and "system prompt" in each for each in warnings(found)) == 2


def test_a_beginning_of_few_replies_is_none() -> None:
    assert report([fact("q", "what a great question friend " * 3)] * 3).boilerplate == ()


def test_one_person_is_warned_of_as_author_and_as_rater() -> None:
    facts = [
        replace(each, author="me" if number % 3 else each.author) for number, each in enumerate(various(300))
    ]
    facts = [
        replace(each, raters=("me", *each.raters) if number % 2 else ()) for number, each in enumerate(facts)
    ]
    found = report(facts)
    assert found.author == pytest.approx(0.667, abs=0.001)
    assert found.rater == 1.0
    told = warnings(found)
    assert any("One person asked 67 %" in each for each in told)
    assert any("One person rated 100 %" in each for each in told)
    assert "me" not in str(found.data()).split()  # nobody is named


@pytest.mark.parametrize(
    ("liked", "disliked", "warned"), [(80, 20, False), (81, 19, True), (19, 81, True), (20, 0, True)]
)
def test_classes_out_of_balance(liked: int, disliked: int, warned: bool) -> None:
    facts = [
        replace(each, row=replace(each.row, label=number < liked))
        for number, each in enumerate(various(liked + disliked))
    ]
    found = report(facts)
    assert (found.positive, found.negative) == (liked, disliked)
    assert any("liked" in each for each in warnings(found)) == warned


def test_conflicting_answers() -> None:
    facts = various(50)
    facts += [
        fact("When do you open?", "We open at nine in the morning, each day of the week."),
        fact("when do  YOU open?", "Closed for good, sorry! Try another shop in town."),
        fact("Where is it?", "It is in the main street, next to the church."),
        fact("Where is it?", "It is in the main street, next to the old church."),
        fact("Is it warm?", "Yes, very much so, bring a hat and water.", label=True),
        fact("Is it warm?", "What would I know about weather, leave me alone.", label=False),
    ]
    found = report(facts)
    assert found.conflicts == 1
    assert found.conflict_samples[0].question == "When do you open?"
    assert any("differ widely" in each for each in warnings(found))


def test_the_same_question_later_in_another_talk_is_another_question() -> None:
    def talk(before: str, reply: str) -> Fact:
        turns = (Turn("user", before), Turn("assistant", "ok"), Turn("user", "Why?"))
        return Fact(Row(turns, reply), "", (), None, "chat")

    found = report(
        [
            talk("The sky is blue.", "Light is scattered by air."),
            talk("Eat fish.", "Protein and iodine, mostly."),
        ]
    )
    assert found.conflicts == 0


def test_conflicts_are_estimated_once_there_are_more_questions_than_fit() -> None:
    asked = [(quality.number(f"question {at}"), at % 4 == 0) for at in range(4_000)]
    keys = np.array([key for key, _ in asked], dtype=np.uint64)
    conflicts = Conflicts(keys, 500)
    wanted = conflicts.wants(keys).tolist()
    assert 200 < sum(wanted) <= 500
    for (key, differs), there in zip(asked, wanted, strict=True):
        if there:
            conflicts.see(key, "question", "yes of course we do that every day")
            if differs:
                conflicts.see(key, "question", "never ask me again, unbelievable")
    assert conflicts.found()[0] == pytest.approx(1_000, rel=0.3)


def test_a_sample_follows_from_the_content() -> None:
    facts = various(600)
    again = facts[:]
    random.Random(7).shuffle(again)
    one, other = report(facts, sample=100), report(again, sample=100)
    assert one == other
    assert one.sampled == 100
    more = report([*facts, *various(1, seed=99)], sample=100)
    assert more.vocabulary == pytest.approx(one.vocabulary, rel=0.05)


def test_replies_that_are_all_alike_are_warned_of() -> None:
    facts = [
        fact(f"q{number}", f"Thanks for asking, we are open today from nine to {number}")
        for number in range(50)
    ]
    found = report(facts)
    assert found.distance < 0.3
    assert any("resemble each other" in each for each in warnings(found))


def test_languages_of_chat_messages() -> None:
    told = {
        "Yeah, try turning it off and on again.": "en",
        "Ihr Paket kommt morgen an.": "de",
        "Le chat est sur la table, tu le vois ?": "fr",
        "Você pode tentar de novo mais tarde.": "pt",
        "ok cool": UNKNOWN,
        "": UNKNOWN,
        "```python\nimport this and that and everything else\n```": UNKNOWN,
        "https://example.com/a/very/long/address/that/says/nothing": UNKNOWN,
    }
    assert languages(list(told)) == list(told.values())


def test_another_language_is_warned_of() -> None:
    def half(texts: Sequence[str]) -> list[str]:
        return ["en" if at % 4 else "de" for at in range(len(texts))]

    found = report(various(100), languages_of=half)
    assert found.languages == {"en": 0.75, "de": 0.25}
    assert any("25 % of the replies are not in the main language (en)" in each for each in warnings(found))


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80), st.text(max_size=3)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_rows_give_a_report_that_json_holds(told: list[tuple[str, str, str]]) -> None:
    found = report([fact(question, reply, author) for question, reply, author in told], sample=5)
    orjson.dumps(found.data())
    assert found == report([fact(question, reply, author) for question, reply, author in told], sample=5)
    warnings(found)
