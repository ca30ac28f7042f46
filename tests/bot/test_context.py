"""What a model is shown: which examples, how much history, and never more than the budget."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.context import MESSAGE_TOKENS, Context, Rules, Shown, fit, select
from storage.examples import Example
from storage.exchanges import Line
from storage.search import Hit
from tests.bot.theatre import RULES


def example(number: int, question: str, answer: str, *, conversation: str | None = None) -> Example:
    return Example(
        id=f"example {number}",
        number=number,
        workspace_id="w",
        avatar_id="a",
        audience="",
        user_text=question,
        assistant_text=answer,
        pattern="question",
        quality=1.0,
        status="approved",
        reviewed=True,
        pinned=False,
        source="hand",
        source_key="",
        exchange_id=None,
        conversation_id=conversation,
        created_at=number,
        updated_at=number,
    )


def hit(number: int, question: str, answer: str, share: float, *, conversation: str | None = None) -> Hit:
    return Hit(example(number, question, answer, conversation=conversation), share * 10, share)


def numbers(hits: list[Hit]) -> list[int]:
    return [each.example.number for each in hits]


def varied(diversity: float, most: int = 4) -> Rules:
    return replace(RULES, diversity=diversity, examples=most)


def test_what_resembles_the_question_too_little_is_left_out() -> None:
    hits = [hit(1, "red", "a", 0.9), hit(2, "green", "b", 0.2), hit(3, "blue", "c", 0.19)]
    assert numbers(select(hits, set(), RULES)) == [1, 2]


def test_one_conversation_gives_one_example_and_a_pinned_one_is_not_shown_twice() -> None:
    hits = [
        hit(1, "red", "a", 0.9, conversation="talk"),
        hit(2, "green", "b", 0.8, conversation="talk"),
        hit(3, "blue", "c", 0.7),
        hit(4, "black", "d", 0.6),
    ]
    assert numbers(select(hits, {"example 3"}, RULES)) == [1, 4]


def test_the_same_answer_is_never_shown_twice() -> None:
    hits = [
        hit(1, "when open", "at nine", 0.9),
        hit(2, "opening hours", "at nine", 0.8),
        hit(3, "x", "y", 0.3),
    ]
    assert numbers(select(hits, set(), RULES)) == [1, 3]


def test_another_question_is_worth_more_than_the_same_again() -> None:
    hits = [
        hit(1, "open on sunday morning", "a", 0.9),
        hit(2, "open on sunday evening", "b", 0.85),
        hit(3, "closed holidays", "c", 0.7),
    ]
    assert numbers(select(hits, set(), varied(0.0, 2))) == [1, 2]
    assert numbers(select(hits, set(), varied(0.5, 2))) == [1, 3]


def test_no_examples_when_none_are_wanted() -> None:
    assert select([hit(1, "a", "b", 1.0)], set(), varied(0.3, 0)) == []


words = st.sampled_from("red green blue black white".split())
hits_of = st.lists(
    st.builds(
        lambda question, answer, share, talk: (" ".join(question), answer, share, talk),
        st.lists(words, max_size=3),
        words,
        st.floats(0, 1),
        st.sampled_from([None, "one", "two"]),
    ),
    max_size=12,
)


@given(hits_of, st.floats(0, 1), st.integers(0, 5))
def test_whatever_was_found_the_choice_keeps_its_promises(
    found: list[tuple[str, str, float, str | None]], diversity: float, most: int
) -> None:
    hits = [hit(i, q, a, share, conversation=talk) for i, (q, a, share, talk) in enumerate(found)]
    chosen = select(hits, {"example 0"}, varied(diversity, most))
    assert len(chosen) <= most
    assert all(each in hits and each.share >= RULES.floor for each in chosen)
    assert "example 0" not in {each.example.id for each in chosen}
    answers = [each.example.assistant_text for each in chosen]
    talks = [each.example.conversation_id for each in chosen if each.example.conversation_id]
    assert len(set(answers)) == len(answers)
    assert len(set(talks)) == len(talks)
    assert [each.score for each in chosen] == sorted((each.score for each in chosen), reverse=True)
    able = [each for each in hits if each.share >= RULES.floor and each.example.id != "example 0"]
    assert bool(chosen) == bool(able and most)


def count(text: str) -> int:
    return len(text.split())


def line(number: int, said: str, reply: str) -> Line:
    return Line(f"exchange {number}", "p", said, reply, number)


def fitted(shown: Shown, text: str, budget: int) -> Context:
    return fit(shown, model="one", text=text, unknown="I do not know.", budget=budget, count=count)


def cost(*texts: str) -> int:
    return sum(map(count, texts)) + MESSAGE_TOKENS * len(texts)


SHOWN = Shown(
    prompt="You are Ada.",
    prompt_number=1,
    pinned=(example(1, "who are you", "I am Ada", conversation=None),),
    retrieved=(hit(2, "what is red", "a colour of course", 0.75),),
    history=(line(1, "first thing", "first reply"), line(2, "second thing", "second reply")),
)


def test_there_is_room_for_everything() -> None:
    context = fitted(SHOWN, "and now", 1000)
    assert [shot.id for shot in context.request.shots] == ["example 1", "example 2"]
    assert (context.example_ids, context.example_scores) == (("example 1", "example 2"), (0.0, 0.75))
    assert [turn.text for turn in context.request.turns] == [
        "first thing", "first reply", "second thing", "second reply", "and now"
    ]  # fmt: skip
    assert [turn.role for turn in context.request.turns] == ["user", "assistant"] * 2 + ["user"]
    assert context.history == 2
    assert (context.request.system, context.request.unknown) == ("You are Ada.", "I do not know.")


def test_the_oldest_history_goes_first_then_examples_and_never_the_question() -> None:
    everything = fitted(SHOWN, "and now", 1000).tokens
    less = fitted(SHOWN, "and now", everything - 1)
    assert (len(less.request.shots), less.history) == (2, 1)
    assert less.request.turns[0].text == "second thing"
    none = fitted(SHOWN, "and now", everything - cost("first thing", "first reply") - 1)
    assert (len(none.request.shots), none.history) == (2, 0)
    only = cost("You are Ada.", "and now")
    bare = fitted(SHOWN, "and now", only)
    assert (bare.request.shots, bare.history, bare.tokens) == ((), 0, only)
    over = fitted(SHOWN, "and now", 1)
    assert (over.request.system, [turn.text for turn in over.request.turns]) == ("You are Ada.", ["and now"])
    assert (over.request.shots, over.example_ids) == ((), ())


texts = st.integers(0, 30).map(lambda size: " ".join(["word"] * size))
pairs = st.lists(st.tuples(texts, texts), max_size=6)


@given(texts, texts, pairs, pairs, pairs, st.integers(0, 300))
def test_the_budget_is_never_exceeded_and_history_is_the_end_of_it(
    prompt: str,
    text: str,
    pinned: list[tuple[str, str]],
    found: list[tuple[str, str]],
    past: list[tuple[str, str]],
    budget: int,
) -> None:
    shown = Shown(
        prompt,
        1,
        tuple(example(i, *pair) for i, pair in enumerate(pinned)),
        tuple(hit(100 + i, *pair, 0.5) for i, pair in enumerate(found)),
        tuple(line(i, *pair) for i, pair in enumerate(past)),
    )
    context = fitted(shown, text, budget)
    request = context.request
    least = cost(prompt, text)
    spent = cost(
        request.system,
        *(turn.text for turn in request.turns),
        *(piece for shot in request.shots for piece in (shot.user, shot.assistant)),
    )
    assert context.tokens == spent
    assert spent <= max(budget, least)
    assert (request.system, request.turns[-1].text) == (prompt, text)
    said = [turn.text for turn in request.turns[:-1]]
    assert said == [piece for pair in past[len(past) - context.history :] for piece in pair]
    assert context.example_ids == tuple(shot.id for shot in request.shots)
    assert len(context.example_scores) == len(context.example_ids)


@given(pairs, st.integers(0, 300))
def test_history_takes_nothing_from_examples(past: list[tuple[str, str]], budget: int) -> None:
    assume(past)
    shown = replace(SHOWN, history=tuple(line(i, *pair) for i, pair in enumerate(past)))
    without = fitted(replace(shown, history=()), "and now", budget)
    assert fitted(shown, "and now", budget).request.shots == without.request.shots
