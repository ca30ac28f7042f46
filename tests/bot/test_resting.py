"""A vendor that fails again and again is left in peace for a while; then one call may try it again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.vendors.base import (
    BadRequest,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    VendorError,
)
from bot.asking import Asking, Breaker, NoWords
from tests.bot.actors import (
    END,
    GOOD,
    PATIENCE,
    Actor,
    Clock,
    ask,
    asking_of,
    down,
)

RESTING = replace(PATIENCE, attempts=1, rest_after=2, rest_seconds=30)


async def test_a_vendor_that_fails_again_and_again_is_left_in_peace() -> None:
    first, second = Actor("first", [(down(),)]), Actor("second")
    asked = asking_of(first, second, patience=RESTING)
    for _ in range(5):
        assert await ask(asked) == "Hello there"
    assert (first.calls, second.calls) == (2, 5)
    assert await ask(asked, "first:another") == "Hello there"  # the vendor rests, not one model
    assert first.calls == 2


async def test_while_it_rests_that_is_what_is_told() -> None:
    clock, first = Clock(), Actor("first", [(down(),)])
    asked = asking_of(first, patience=replace(RESTING, fallback=()), now=clock)
    for _ in range(2):
        with pytest.raises(Unavailable, match="down"):
            await ask(asked)
    clock.at += 10
    with pytest.raises(
        Unavailable, match="failed 2 times in a row and is left in peace for 20 more seconds: down"
    ):
        await ask(asked)
    assert first.calls == 2


@pytest.mark.parametrize("kind", [Denied, QuotaExhausted, RateLimited])
async def test_what_a_resting_vendor_failed_with_is_still_told(kind: type[VendorError]) -> None:
    first = Actor("first", [(kind("the vendor's words", vendor="first"),)])
    asked = asking_of(first, patience=replace(RESTING, fallback=()))
    for _ in range(4):
        with pytest.raises(kind, match="the vendor's words"):
            await ask(asked)
    assert first.calls == 2


async def test_the_attempts_of_one_message_count_too() -> None:
    first, second = Actor("first", [(down(),)]), Actor("second")
    asked = asking_of(first, second, patience=replace(RESTING, attempts=5))
    assert await ask(asked) == "Hello there"
    assert first.calls == 2


async def test_failures_count_only_in_a_row() -> None:
    first = Actor("first", [(down(),), GOOD, (down(),), GOOD, (down(),), GOOD])
    second = Actor("second", [("Second", END)])
    asked = asking_of(first, second, patience=RESTING)
    assert [await ask(asked) for _ in range(6)] == ["Second", "Hello there"] * 3
    assert first.calls == 6


@pytest.mark.parametrize("kind", [BadRequest, Refused, ModelNotFound, NotConfigured, NoWords])
async def test_what_says_nothing_about_the_vendor_does_not_count(kind: type[VendorError]) -> None:
    error = NoWords("first") if kind is NoWords else kind("no", vendor="first")
    first = Actor("first", [(error,)] * 5 + [GOOD])
    asked = asking_of(first, patience=replace(RESTING, fallback=()))
    for _ in range(5):
        with pytest.raises(kind):
            await ask(asked)
    assert await ask(asked) == "Hello there"


async def test_replies_that_break_off_count_as_failures() -> None:
    first, second = Actor("first", [("Hel", down())]), Actor("second")
    asked = asking_of(first, second, patience=RESTING)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await ask(asked)
    assert await ask(asked) == "Hello there"
    assert (first.calls, second.calls) == (2, 1)


async def rested(first: Actor, clock: Clock) -> Asking:
    """An asking whose first vendor has failed twice and may just be tried again."""
    asked = asking_of(first, Actor("second", [("Second", END)]), patience=RESTING, now=clock)
    for _ in range(2):
        assert await ask(asked) == "Second"
    clock.at += 29.9
    assert await ask(asked) == "Second"
    assert first.calls == 2
    clock.at += 0.1
    return asked


async def test_after_the_rest_exactly_one_may_try() -> None:
    clock, first = Clock(), Actor("first", [(down(),), (down(),), GOOD])
    asked = await rested(first, clock)
    first.gate = asyncio.Event()
    tasks = [asyncio.create_task(ask(asked)) for _ in range(4)]
    while sum(task.done() for task in tasks) < 3:
        await asyncio.sleep(0)
    assert first.calls == 3
    first.gate.set()
    assert sorted(await asyncio.gather(*tasks)) == ["Hello there", "Second", "Second", "Second"]
    first.gate = None
    assert [await ask(asked) for _ in range(3)] == ["Hello there"] * 3  # it is well again


async def test_one_that_fails_again_rests_again() -> None:
    clock, first = Clock(), Actor("first", [(down(),)])
    asked = await rested(first, clock)
    assert [await ask(asked) for _ in range(3)] == ["Second"] * 3
    assert first.calls == 3
    clock.at += 30
    assert await ask(asked) == "Second"
    assert first.calls == 4


@pytest.mark.parametrize("kind", [BadRequest, Refused, ModelNotFound])
async def test_one_that_answers_with_an_objection_is_well_again(kind: type[VendorError]) -> None:
    clock, first = Clock(), Actor("first", [(down(),), (down(),), (kind("no", vendor="first"),), GOOD])
    asked = await rested(first, clock)
    try:
        await ask(asked)
    except Refused:
        assert kind is Refused
    assert await ask(asked) == "Hello there"
    assert first.calls == 4


async def test_a_trial_that_is_given_up_is_made_again_after_another_rest() -> None:
    clock, first = Clock(), Actor("first", [(down(),), (down(),), GOOD])
    asked = await rested(first, clock)
    first.gate = asyncio.Event()
    task = asyncio.create_task(ask(asked))
    while first.calls < 3:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    first.gate = None
    assert await ask(asked) == "Second"
    clock.at += 30
    assert await ask(asked) == "Hello there"


async def test_vendors_rest_each_on_their_own() -> None:
    first, second = Actor("first", [(down(),)]), Actor("second", [(down(),), GOOD])
    asked = asking_of(first, second, patience=RESTING)
    with pytest.raises(Unavailable):
        await ask(asked)
    assert [await ask(asked) for _ in range(4)] == ["Hello there"] * 4
    assert (first.calls, second.calls) == (2, 5)


def test_a_breaker_rests_for_as_long_as_is_said() -> None:
    clock = Clock()
    breaker = Breaker(1, 30, clock)
    assert breaker.resting == 0
    breaker.bad(down())
    assert breaker.resting == 30
    clock.at += 12
    assert breaker.resting == 18
    clock.at += 100
    assert breaker.resting == 0
    breaker.ask()
    assert breaker.resting == 30
    breaker.good()
    assert breaker.resting == 0
