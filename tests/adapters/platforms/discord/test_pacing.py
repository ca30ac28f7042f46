"""Who may redraw when: one budget for a channel, whose last slot is for final texts, and one for everything."""

from __future__ import annotations

import asyncio
import gc
from itertools import pairwise

from adapters.platforms.discord.pacing import Lane, Pacing, Window


class Drawn:
    """Something that wants to be drawn again and again, and notes when it was."""

    def __init__(self, lane: Lane, name: str, log: list[tuple[str, float]], times: int) -> None:
        self.lane = lane
        self.name = name
        self.log = log
        self.left = times

    def draw(self) -> bool:
        if not self.left:
            return False
        self.log.append((self.name, asyncio.get_running_loop().time()))
        self.left -= 1
        if self.left:
            self.lane.want(self)
        return True


async def drained(log: list[tuple[str, float]], count: int) -> None:
    async with asyncio.timeout(30):
        while len(log) < count:
            await asyncio.sleep(0.001)


def test_a_window_keeps_slots_for_others() -> None:
    window = Window(3, 10.0)
    assert window.free_at(1) == 0.0
    window.spend(1.0)
    window.spend(2.0)
    assert window.free_at(0) == 0.0
    assert window.free_at(1) == 11.0
    window.spend(3.0)
    assert window.free_at(0) == 11.0
    assert window.free_at(1) == 12.0


async def test_redrawing_is_spaced_and_turns_are_taken() -> None:
    log: list[tuple[str, float]] = []
    lane = Lane(0.02, 0.0, Window(1000, 1.0))
    for name in "ab":
        lane.want(Drawn(lane, name, log, 3))
    await drained(log, 6)
    assert [name for name, _ in log] == ["a", "b", "a", "b", "a", "b"]
    times = [at for _, at in log]
    assert all(later - earlier >= 0.019 for earlier, later in pairwise(times))


async def test_the_last_slot_is_kept_for_final_texts() -> None:
    log: list[tuple[str, float]] = []
    lane = Lane(0.0, 0.2, Window(1000, 1.0))
    begun = asyncio.get_running_loop().time()
    lane.want(Drawn(lane, "a", log, 6))
    await drained(log, 4)
    assert log[3][1] - begun < 0.15
    # A final text takes the fifth slot at once; what grows waits until the window has moved on.
    lane.spend()
    await drained(log, 6)
    assert log[4][1] - begun >= 0.19


async def test_all_channels_together_keep_to_what_discord_allows() -> None:
    log: list[tuple[str, float]] = []
    everywhere = Window(5, 0.2)
    lanes = [Lane(0.0, 0.0, everywhere) for _ in range(10)]
    begun = asyncio.get_running_loop().time()
    for lane in lanes:
        lane.want(Drawn(lane, "a", log, 1))
    await drained(log, 10)
    assert log[4][1] - begun < 0.15
    assert log[5][1] - begun >= 0.19


async def test_what_has_ended_gives_its_turn_away() -> None:
    log: list[tuple[str, float]] = []
    lane = Lane(10.0, 0.0, Window(1000, 1.0))
    lane.want(Drawn(lane, "ended", log, 0))
    lane.want(Drawn(lane, "alive", log, 1))
    await drained(log, 1)
    assert [name for name, _ in log] == ["alive"]


async def test_typing_is_shown_once_for_all_who_wait_in_a_channel() -> None:
    sent: list[int] = []

    async def send(channel_id: int) -> None:
        sent.append(channel_id)

    pacing = Pacing(1.0, send)
    channel = pacing.channel(1)
    channel.start_typing()
    channel.start_typing()
    await asyncio.sleep(0)
    assert sent == [1]
    channel.stop_typing()
    channel.stop_typing()
    channel.start_typing()
    await asyncio.sleep(0)
    assert sent == [1, 1]
    channel.stop_typing()


async def test_memory_stays_bounded_over_many_channels() -> None:
    async def send(channel_id: int) -> None: ...

    pacing = Pacing(1.0, send)
    kept = pacing.channel(1)
    for number in range(10_000):
        pacing.channel(number)
    gc.collect()
    assert len(pacing) <= 600
    assert pacing.channel(1) is kept
