"""How often Slack is called: budgets, turns, pauses that Slack asks for, and bounded memories."""

from __future__ import annotations

import asyncio

from adapters.platforms.slack.pacing import Lane
from adapters.platforms.slack.sending import Recent


class Drawn:
    """Notes when it was its turn; ``wants`` says whether there is still something to draw."""

    def __init__(
        self, turns: list[tuple[str, float]], name: str, all_drawn: asyncio.Event, wants: bool = True
    ) -> None:
        self.turns = turns
        self.name = name
        self.wants = wants
        self.all_drawn = all_drawn

    def draw(self) -> bool:
        self.turns.append((self.name, asyncio.get_running_loop().time()))
        if self.name == "last":
            self.all_drawn.set()
        return self.wants


async def test_turns_come_in_order_within_the_budget() -> None:
    lane, turns, done = Lane(3, 0.05), list[tuple[str, float]](), asyncio.Event()
    for name in ("a", "b", "c", "d", "last"):
        lane.want(Drawn(turns, name, done))
    await asyncio.wait_for(done.wait(), 30)
    assert [name for name, _ in turns] == ["a", "b", "c", "d", "last"]
    times = [at for _, at in turns]
    # One call of three is kept for final texts.
    assert times[2] - times[0] >= 0.045
    assert times[4] - times[2] >= 0.045


async def test_who_has_nothing_to_draw_any_more_costs_nothing() -> None:
    lane, turns, done = Lane(2, 60.0), list[tuple[str, float]](), asyncio.Event()
    lane.want(Drawn(turns, "gone", done, wants=False))
    lane.want(Drawn(turns, "last", done))
    await asyncio.wait_for(done.wait(), 30)


async def test_a_pause_that_slack_asks_for_is_kept() -> None:
    lane, turns, done = Lane(100, 60.0), list[tuple[str, float]](), asyncio.Event()
    began = asyncio.get_running_loop().time()
    lane.hold(0.05)
    lane.want(Drawn(turns, "last", done))
    await asyncio.wait_for(done.wait(), 30)
    assert turns[0][1] - began >= 0.045


async def test_final_texts_wait_for_nothing_and_count() -> None:
    lane, turns, done = Lane(2, 0.05), list[tuple[str, float]](), asyncio.Event()
    began = asyncio.get_running_loop().time()
    lane.spend()
    lane.want(Drawn(turns, "last", done))
    await asyncio.wait_for(done.wait(), 30)
    assert turns[0][1] - began >= 0.045


def test_a_memory_is_bounded() -> None:
    seen = Recent(3)
    assert all(seen.add(key) for key in "abcd")
    assert not seen.add("d")
    assert len(seen) == 3
    assert "a" not in seen
    seen.drop("d")
    assert seen.add("d")
