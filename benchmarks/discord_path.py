"""What a reply on Discord costs and how long it takes, beside a bare bot on discord.py and the openai SDK.

    python -m benchmarks.discord_path [--rounds 3] [--exchanges 1] [--no-pin]
    python -m benchmarks.discord_path --memory 100000
    python -m benchmarks.discord_path --profile 64

Two bots, each with a local Discord and a local model of its own, all of them separate processes: ours is ``understudy run``
with durable logging, retrieval over 3,000 examples, history and rating buttons; the floor is
``benchmarks.discord_floor``. Both ask for one reply of 60 chunks with the same 21 messages, ours with its prompt above
them. The model answers at once, so that what is measured is the bots' own; in the last rows it takes its time, so that each
chunk arrives alone and the reply grows by edits. Discord's rate limits are off for both.

Each level is measured in turn, floor, ours, floor, ours; a figure is the median of the rounds, a ratio the median of the
ratios in each round. The bot has one core to itself, its servers the other.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks import discord_profile
from benchmarks.discord_stack import KINDS, MESSAGES, Kind, Stack, seed

# How many people talk at once, and how often each says something in a round.
LEVELS = {1: 100, 16: 10, 64: 4, 256: 2}
SATURATED = 64
# Seconds between chunks, and how many people at once: their reply takes 0.3 and 2.4 seconds.
PACES = {0.005: (16, 4), 0.04: (1, 3)}
CPU_PROMISED = 0.6
TIME_PROMISED = {1: 1.0, 64: 0.8}
LAG_PROMISED = 50.0
RATE_PROMISED = 1.3
GROWTH_PROMISED, IDLE_PROMISED = 1.3, 1.5
WARM = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One level of one kind in one round. Milliseconds, but for ``rate`` and the shares of a core."""

    cpu: float
    p50: float
    p95: float
    rate: float
    bot_share: float
    servers_share: float
    servers_cpu: float
    requests: float
    unanswered: int


def measure(stack: Stack, users: int, exchanges: int) -> Measured:
    """Let them talk and look at what it took."""
    before = stack.spent()
    found = stack.load(exchanges, users)
    after = stack.spent()
    times: list[float] = found["times_ms"]
    wall = (after.at - before.at) * 1000
    servers = after.discord - before.discord + after.model - before.model
    return Measured(
        cpu=(after.bot - before.bot) / len(times),
        p50=median(times),
        p95=quantiles(times, n=20)[-1],
        rate=len(times) / found["wall_s"],
        bot_share=(after.bot - before.bot) / wall,
        servers_share=servers / wall,
        servers_cpu=servers / len(times),
        requests=sum(found["calls"].values()) / len(times),
        unanswered=found["unanswered"],
    )


Found = dict[tuple[Kind, Any], list[Measured]]


class Bench:
    """Both stacks, started and warm."""

    def __init__(self, folder: Path, *, pin: bool, users: int = 256) -> None:
        self._entered = ExitStack()
        self.stacks: dict[Kind, Stack] = {}
        self._folder = folder
        self._pin = pin
        self._users = users

    def __enter__(self) -> Bench:
        with ExitStack() as entering:
            for kind in KINDS:
                stack = Stack(kind, self._folder, users=self._users, rooms=self._users, pin=self._pin)
                self.stacks[kind] = entering.enter_context(stack)
            ours, floor = self.stacks["ours"], self.stacks["floor"]
            ours.data.mkdir()
            asyncio.run(seed(ours.data, ours.guests))
            ours.start_bot()
            ours.load(1, 1)
            asked = ours.asked()["last"]["messages"]
            roles = [each["role"] for each in asked]
            if len(roles) != MESSAGES + 1 or roles[0] != "system":
                raise RuntimeError(f"the request does not hold what it should: {roles}")
            floor.start_bot(asked[1:-1])
            for stack in self.stacks.values():
                stack.load(WARM, 64)
            self._entered = entering.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()


def speed(folder: Path, rounds: int, factor: float, *, pin: bool) -> bool:
    """Processor time, waiting time and throughput; whether what was promised was kept."""
    found: Found = defaultdict(list)
    lags: dict[Kind, list[float]] = defaultdict(list)
    with Bench(folder, pin=pin) as bench:
        for _ in range(rounds):
            for users, exchanges in LEVELS.items():
                for kind, stack in bench.stacks.items():
                    times = max(1, round(exchanges * factor))
                    found[kind, users].append(measure(stack, users, times))
            for pace, (users, exchanges) in PACES.items():
                for kind, stack in bench.stacks.items():
                    stack.pace(pace)
                    if users > 1:
                        found[kind, pace].append(measure(stack, users, exchanges))
                    else:
                        for _ in range(exchanges):
                            stack.load(1, 1)
                            lags[kind].append(stack.lag_ms())
                    stack.pace(0)
        for kind, stack in bench.stacks.items():
            counts = stack.asked()["messages"]
            print(f"messages in a request, {kind}: {counts}")
    return report(found, lags)


def ratios(found: Found, level: Any, what: str) -> float:
    """Ours to the floor, the median of the rounds."""
    pairs = zip(found["ours", level], found["floor", level], strict=True)
    return median(getattr(ours, what) / getattr(floor, what) for ours, floor in pairs)


def named(level: Any) -> str:
    """How many at once, and how fast the model speaks where it takes its time."""
    return str(level) if level in LEVELS else f"{PACES[level][0]}, {level * 1000:g} ms a chunk"


def report(found: Found, lags: dict[Kind, list[float]]) -> bool:
    """Print the tables; whether what was promised was kept."""
    rounds = len(found["ours", 1])
    verdicts: list[tuple[str, float, str, bool]] = []
    print(f"\nMedians of {rounds} rounds; ratios are ours to the floor's, the median of the rounds.\n")
    print(
        "| at once | CPU ms, floor | ours | ratio | p50 ms, floor | ours | ratio | p95 ms, floor | ours | ratio |"
    )
    print("| --- " * 10 + "|")
    for level in dict.fromkeys(level for _, level in found):
        cells: list[str] = []
        for what in ("cpu", "p50", "p95"):
            cells += [
                f"{median(getattr(each, what) for each in found[kind, level]):.1f}"
                for kind in ("floor", "ours")
            ]
            cells.append(f"{ratios(found, level, what):.2f}")
        name = named(level)
        print(f"| {name} | {' | '.join(cells)} |")
        ratio = ratios(found, level, "cpu")
        verdicts.append((f"CPU ratio, {name}", ratio, f"≤ {CPU_PROMISED}", ratio <= CPU_PROMISED))
        if level in TIME_PROMISED:
            wanted, ratio = TIME_PROMISED[level], ratios(found, level, "p50")
            verdicts.append((f"time ratio, {name} at once", ratio, f"≤ {wanted}", ratio <= wanted))
    print(
        "\n| at once | exchanges/s, floor | ours | ratio | core of the bot | of its servers | servers' CPU ms "
        "| requests to Discord |"
    )
    print("| --- " * 8 + "|")
    forms = {"bot_share": ".0%", "servers_share": ".0%", "servers_cpu": ".1f", "requests": ".2f"}
    for level in dict.fromkeys(level for _, level in found):
        floor, ours = (median(each.rate for each in found[kind, level]) for kind in KINDS)
        pairs = [
            " and ".join(
                format(median(getattr(each, what) for each in found[kind, level]), form) for kind in KINDS
            )
            for what, form in forms.items()
        ]
        ratio = ratios(found, level, "rate")
        print(f"| {named(level)} | {floor:.0f} | {ours:.0f} | {ratio:.2f} | {' | '.join(pairs)} |")
    # Where the servers are what is slow, the bot could do more: as much as one core gives.
    ratio = ratios(found, SATURATED, "rate")
    able = 1 / ratios(found, SATURATED, "cpu")
    verdicts.append((f"rate ratio, {SATURATED} at once", ratio, f"≥ {RATE_PROMISED}", ratio >= RATE_PROMISED))
    verdicts.append(
        ("rate ratio by CPU of the bot's core", able, f"≥ {RATE_PROMISED}", able >= RATE_PROMISED)
    )
    for kind, each in lags.items():
        print(f"\nlast token to whole text, {kind}: median {median(each):.1f} ms, most {max(each):.1f} ms")
    lag = median(lags["ours"])
    verdicts.append(
        ("ms from the last token to the whole text", lag, f"≤ {LAG_PROMISED:g}", lag <= LAG_PROMISED)
    )
    lost = sum(each.unanswered for rows in found.values() for each in rows)
    verdicts.append(("unanswered", lost, "0", not lost))
    return _told(verdicts)


def _told(verdicts: list[tuple[str, float, str, bool]]) -> bool:
    print("\n| promised | wanted | seen | |\n| --- | --- | --- | --- |")
    for name, seen, wanted, kept in verdicts:
        print(f"| {name} | {wanted} | {seen:.2f} | {'kept' if kept else 'MISSED'} |")
    return all(kept for *_, kept in verdicts)


def memory(folder: Path, exchanges: int) -> bool:
    """What the bots hold when idle, and ours after 1,000 and after ``exchanges`` over 10,000 channels."""
    walkers, rooms, first = 50, 10_000, 1_000
    idle: dict[Kind, float] = {}
    sent: list[Any] = []
    with Stack("ours", folder, users=walkers, rooms=rooms, pin=False, nice=10) as ours:
        ours.data.mkdir()
        asyncio.run(seed(ours.data, ours.guests, talks=False))
        ours.start_bot()
        time.sleep(5)
        idle["ours"] = ours.bot.rss_mb
        sizes: dict[int, float] = {}
        done = unanswered = 0
        while done < exchanges:
            step = min(first if done < first else 5_000, exchanges - done)
            unanswered += ours.walk(done, step)
            done += step
            sizes[done] = ours.bot.rss_mb
            print(f"after {done:,} exchanges: {sizes[done]:.0f} MB", file=sys.stderr, flush=True)
        sent = ours.asked()["last"]["messages"][1:-1]
    with Stack("floor", folder, users=walkers, rooms=rooms, pin=False, nice=10) as floor:
        floor.start_bot(sent)
        time.sleep(5)
        idle["floor"] = floor.bot.rss_mb
        floor.walk(0, first)
        used = floor.bot.rss_mb
    print("| MB | floor | ours |\n| --- | --- | --- |")
    print(f"| idle | {idle['floor']:.0f} | {idle['ours']:.0f} |")
    print(f"| after {first:,} | {used:.0f} | {sizes[first]:.0f} |")
    print(f"| after {exchanges:,} | | {sizes[exchanges]:.0f} |")
    growth, beside = sizes[exchanges] / sizes[first], idle["ours"] / idle["floor"]
    return _told(
        [
            ("growth from 1,000 on", growth, f"≤ {GROWTH_PROMISED}", growth <= GROWTH_PROMISED),
            ("idle, beside the floor", beside, f"≤ {IDLE_PROMISED}", beside <= IDLE_PROMISED),
            ("unanswered", unanswered, "0", not unanswered),
        ]
    )


def profile(folder: Path, users: int) -> None:
    """Where the time of ours goes."""
    with Stack("ours", folder, users=max(users, 64), rooms=max(users, 64), pin=True) as ours:
        ours.data.mkdir()
        asyncio.run(seed(ours.data, ours.guests))
        ours.start_bot(profile=True)
        ours.load(WARM, 64)
        ours.bot.signal(signal.SIGUSR1)
        time.sleep(0.5)
        found = ours.load(max(1, 400 // users), users)
        ours.bot.signal(signal.SIGUSR2)
        time.sleep(2)
        print(f"{users} at once, {found['answered']} exchanges\n")
        discord_profile.report(folder, found["answered"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--exchanges", type=float, default=1.0, help="so many times what a round has by default"
    )
    parser.add_argument("--no-pin", action="store_true", help="let the processes use any core")
    parser.add_argument(
        "--memory", type=int, metavar="EXCHANGES", help="measure memory instead (100000: half an hour)"
    )
    parser.add_argument(
        "--profile", type=int, metavar="USERS", help="show instead where the time of ours goes"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.profile:
            profile(Path(folder), given.profile)
            good = True
        elif given.memory:
            good = memory(Path(folder), given.memory)
        else:
            good = speed(Path(folder), given.rounds, given.exchanges, pin=not given.no_pin)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
