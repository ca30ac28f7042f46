"""A model is asked again while nobody has read a word, then the next one; what was read stands."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vendors.base import (
    BadRequest,
    Delta,
    Denied,
    Event,
    Finished,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    VendorError,
)
from bot import asking
from bot.asking import NoWords, Patience
from tests.bot.actors import (
    END,
    GOOD,
    PATIENCE,
    Actor,
    Clock,
    Hanging,
    Take,
    ask,
    asking_of,
    collect,
    down,
    events,
    prepare,
)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited before each further attempt; nobody really waits."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asking.asyncio, "sleep", sleep)
    return slept


# Again


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_what_fails_before_the_first_word_is_asked_again(failures: int) -> None:
    first, second = Actor("first", (*[(down(),)] * failures, GOOD)), Actor("second")
    assert await ask(asking_of(first, second)) == "Hello there"
    assert (first.calls, second.calls) == (failures + 1, 0)


async def test_after_so_many_attempts_the_next_model_is_asked() -> None:
    first, second = Actor("first", [(down(),)]), Actor("second", [("Here", " I am", END)])
    assert await events(asking_of(first, second)) == [Delta("Here"), Delta(" I am"), END]
    assert (first.calls, second.calls) == (3, 1)


async def test_whoever_waited_long_for_a_model_gets_the_next_one_at_once() -> None:
    clock = Clock()
    first, second = Hanging("first", [(down("time is up"),)], clock=clock), Actor("second")
    assert await ask(asking_of(first, second, now=clock)) == "Hello there"
    assert (first.calls, second.calls) == (1, 1)
    alone = Hanging("first", [(down("time is up"),)], clock=clock)
    with pytest.raises(Unavailable):
        await ask(asking_of(alone, patience=replace(PATIENCE, fallback=()), now=clock))
    assert alone.calls == 3


async def test_each_model_gets_a_request_of_its_own_and_keeps_it() -> None:
    first, second = Actor("first", [(down(),)]), Actor("second")
    await ask(asking_of(first, second))
    assert [each.model for each in (*first.asked, *second.asked)] == ["first/a"] * 3 + ["second/b"]
    assert len({id(each) for each in first.asked}) == 1


async def test_a_vendor_is_given_the_time_that_it_asks_for(waits: list[float]) -> None:
    first = Actor("first", [(down(after=7),), (RateLimited("slow", vendor="first", retry_after=20),), GOOD])
    assert await ask(asking_of(first, patience=PATIENCE)) == "Hello there"
    assert waits == [7, 20]


async def test_the_waits_grow_and_are_never_the_same_for_all(waits: list[float]) -> None:
    patience = replace(PATIENCE, attempts=4, retry_seconds=1, fallback=())
    with pytest.raises(Unavailable):
        await ask(asking_of(Actor("first", [(down(),)]), patience=patience))
    assert len(waits) == 3
    assert all(2**n * 0.5 <= wait <= 2**n * 1.5 for n, wait in enumerate(waits))


async def test_no_wait_is_longer_than_somebody_would_wait(waits: list[float]) -> None:
    patience = replace(PATIENCE, retry_seconds=1000, fallback=())
    with pytest.raises(Unavailable):
        await ask(asking_of(Actor("first", [(down(),)]), patience=patience))
    assert waits == [asking.LONGEST_WAIT] * 2


async def test_who_wants_to_be_waited_for_too_long_is_not_waited_for(waits: list[float]) -> None:
    first, second = Actor("first", [(down(after=20.5),)]), Actor("second")
    assert await ask(asking_of(first, second)) == "Hello there"
    assert (first.calls, second.calls, waits) == (1, 1, [])


# Not again


@pytest.mark.parametrize("error", [down(), BadRequest("bad", vendor="first"), Refused("no", vendor="first")])
async def test_after_the_first_word_nobody_is_asked_again(error: VendorError) -> None:
    first, second = Actor("first", [("Hel", error)]), Actor("second")
    shown: list[Event] = []
    stream = asking_of(first, second).stream("first:a", prepare)
    with pytest.raises(type(error)) as caught:
        await collect(stream, shown)
    assert caught.value is error
    assert (shown, first.calls, second.calls) == ([Delta("Hel")], 1, 0)


@pytest.mark.parametrize(
    "kind", [BadRequest, ModelNotFound, NotConfigured, Denied, QuotaExhausted, VendorError]
)
async def test_what_would_not_help_a_second_time_is_not_tried(kind: type[VendorError]) -> None:
    first, second = Actor("first", [(kind("no use", vendor="first"),)]), Actor("second")
    assert await ask(asking_of(first, second)) == "Hello there"
    assert (first.calls, second.calls) == (1, 1)


async def test_what_one_vendor_must_not_answer_is_not_tried_on_others() -> None:
    first, second = Actor("first", [(Refused("no", vendor="first"),)]), Actor("second")
    with pytest.raises(Refused, match="no"):
        await ask(asking_of(first, second))
    assert (first.calls, second.calls) == (1, 0)


async def test_a_reply_that_is_filtered_whole_is_refused() -> None:
    first, second = Actor("first", [("  ", Finished(reason="filtered"))]), Actor("second")
    with pytest.raises(Refused):
        await ask(asking_of(first, second))
    assert (first.calls, second.calls) == (1, 0)


# The chain


async def test_a_vendor_that_is_not_set_up_is_passed_over() -> None:
    first, third = Actor("first", [(down(),)]), Actor("third", [("Third", END)])
    chain = replace(PATIENCE, fallback=("nobody:b", "unnamed", "third:c"))
    assert await ask(asking_of(first, third, patience=chain)) == "Third"
    assert first.calls == 3


async def test_the_chosen_model_is_not_asked_twice_when_it_is_a_fallback_too() -> None:
    first, second = Actor("first", [(down("one"),)]), Actor("second", [(down("two"),)])
    chain = replace(PATIENCE, fallback=("first:a", "second:b", "second:b"))
    with pytest.raises(Unavailable, match="one"):
        await ask(asking_of(first, second, patience=chain))
    assert (first.calls, second.calls) == (3, 3)


@pytest.mark.parametrize("later", [Denied("two", vendor="second"), Refused("two", vendor="second")])
async def test_when_all_fail_it_is_told_what_the_first_failed_with(later: VendorError) -> None:
    first, second = Actor("first", [(QuotaExhausted("one", vendor="first"),)]), Actor("second", [(later,)])
    with pytest.raises(QuotaExhausted, match="one"):
        await ask(asking_of(first, second))
    assert second.calls == 1


# White space


@pytest.mark.parametrize("take", [(), (END,), ("", END), (" ", "\n\t", END), ("\u00a0\u2003",)])
async def test_white_space_alone_is_no_reply(take: Take) -> None:
    first, second = Actor("first", [take, GOOD]), Actor("second")
    assert await ask(asking_of(first, second)) == "Hello there"
    assert (first.calls, second.calls) == (2, 0)


async def test_a_model_without_words_is_told_apart() -> None:
    with pytest.raises(NoWords, match="without a word") as caught:
        await ask(asking_of(Actor("first", [(" ", END)]), patience=replace(PATIENCE, fallback=())))
    assert caught.value.vendor == "first"


async def test_white_space_before_the_first_word_is_not_lost() -> None:
    first = Actor("first", [("\n", "", "    ", "code", "\n", END)])
    assert await events(asking_of(first)) == [Delta("\n    code"), Delta("\n"), END]


async def test_white_space_of_a_failed_attempt_is_not_shown() -> None:
    assert await ask(asking_of(Actor("first", [("  ", down()), GOOD]))) == "Hello there"


# Closing


async def test_closing_it_closes_the_call_to_the_vendor() -> None:
    first = Actor("first")
    stream = asking_of(first).stream("first:a", prepare)
    assert await anext(stream) == Delta("Hello")
    assert first.ended == 0
    await stream.aclose()
    assert first.ended == 1


async def test_cancelling_it_closes_the_call_to_the_vendor() -> None:
    first, second = Actor("first", gate=asyncio.Event()), Actor("second")
    task = asyncio.create_task(ask(asking_of(first, second)))
    while not first.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (first.calls, first.ended, second.calls) == (1, 1, 0)


# Whatever happens

_errors = st.sampled_from(
    [Unavailable, RateLimited, BadRequest, Denied, ModelNotFound, NotConfigured, QuotaExhausted, Refused]
).map(lambda kind: kind("failed", vendor="any"))
_words = st.lists(st.sampled_from(["", " ", "\n", "one ", "two", " three"]), max_size=4)
_takes = st.tuples(_words, _errors | st.just(END) | st.none()).map(
    lambda take: (*take[0], *([take[1]] if take[1] is not None else []))
)


@given(
    st.lists(st.lists(_takes, min_size=1, max_size=5), min_size=1, max_size=3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
)
async def test_whatever_fails_one_model_is_shown_and_none_is_asked_too_often(
    takes: list[list[Take]], attempts: int, rest_after: int, messages: int
) -> None:
    actors = [Actor(f"actor{number}", each) for number, each in enumerate(takes)]
    names = [f"{actor.vendor}:m" for actor in actors]
    patience = Patience(tuple(names[1:]), attempts, 0, rest_after)
    asked = asking_of(*actors, patience=patience)
    for _ in range(messages):
        before = [actor.calls for actor in actors]
        shown: list[Event] = []
        failure: VendorError | None = None
        try:
            await collect(asked.stream(names[0], prepare), shown)
        except VendorError as error:
            failure = error
        made = [actor.calls - calls for actor, calls in zip(actors, before, strict=True)]
        assert max(made) <= attempts
        assert [actor.ended for actor in actors] == [actor.calls for actor in actors]
        text = "".join(each.text for each in shown if isinstance(each, Delta))
        if shown:
            speaker = max(number for number, calls in enumerate(made) if calls)
            actor = actors[speaker]
            last = actor.takes[min(actor.calls, len(actor.takes)) - 1]
            assert text == "".join(each for each in last if isinstance(each, str))
            assert text.strip()
        else:
            assert failure is not None
