"""A crowd is attended to a few at a time."""

from __future__ import annotations

import asyncio

from adapters.platforms.slack.turnstile import Turnstile


async def test_a_crowd_goes_through_in_order_a_few_in_each_turn_of_the_loop() -> None:
    turnstile, through, turns = Turnstile(), list[int](), list[int]()

    async def go(number: int) -> None:
        await turnstile.through()
        through.append(number)

    crowd = [asyncio.create_task(go(number)) for number in range(100)]
    while len(through) < len(crowd):
        before = len(through)
        await asyncio.sleep(0)
        turns.append(len(through) - before)
    assert through == list(range(100))
    assert max(turns) <= 8


async def test_who_gives_up_waiting_holds_up_nobody_and_the_next_crowd_goes_through_too() -> None:
    turnstile = Turnstile()
    for _ in range(2):
        gone, stays = asyncio.create_task(turnstile.through()), asyncio.create_task(turnstile.through())
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert gone.cancelled() or gone.done()
