"""What a reply costs and how long it takes, on a chat platform, beside a bare bot on its client and the openai SDK.

``benchmarks.discord_path`` and ``benchmarks.slack_path`` say of which platform. Two bots, each with a local chat server and
a local model of its own, all of them separate processes: ours is ``understudy run`` with durable logging, retrieval over
3,000 examples, history and rating buttons; the floor keeps nothing. Both ask for one reply of 60 chunks with the same 21
messages, ours with its prompt above them. The model answers at once, so that what is measured is the bots' own; in the last
rows it takes its time, so that each chunk arrives alone and the reply grows. The platform's rate limits are off for both.

Each level is measured in turn, floor, ours, floor, ours; a figure is the median of the rounds, a ratio the median of the
ratios in each round. The bot has one core to itself, its servers the other.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks import profiling
from benchmarks.stack import KINDS, MESSAGES, Kind, Stack

# How many people talk at once, and how often each says something in a round.
LEVELS = {1: 100, 16: 10, 64: 4, 256: 2}
SATURATED = 64
CPU_PROMISED = 0.6
TIME_PROMISED = {1: 1.0, 64: 0.8}
RATE_PROMISED = 1.3
GROWTH_PROMISED, IDLE_PROMISED = 1.3, 1.5
WARM = 3

Verdict = tuple[str, float, str, bool]


@dataclass(frozen=True, slots=True)
class Platform:
    """What is to be measured.

    ``paces`` are the seconds between chunks, with how many people talk at once and how often; where it is one, the time
    from the last token to the whole text is looked at. ``rest`` is how long both bots are left alone before such a row.
    """

    stack: type[Stack]
    paces: Mapping[float, tuple[int, int]]
    groups: profiling.Groups
    rest: float = 0.0
    lag_promised: float | None = None
    ack_promised: float | None = None


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
    acks: Sequence[float] = field(default=(), repr=False)


def measure(stack: Stack, users: int, exchanges: int) -> Measured:
    """Let them talk and look at what it took."""
    before = stack.spent()
    found = stack.load(exchanges, users)
    after = stack.spent()
    times: list[float] = found["times_ms"]
    wall = (after.at - before.at) * 1000
    servers = after.chat - before.chat + after.model - before.model
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
        acks=found.get("acks_ms", ()),
    )


Found = dict[tuple[Kind, Any], list[Measured]]


class Bench:
    """Both stacks, started and warm."""

    def __init__(self, platform: Platform, folder: Path, *, pin: bool, users: int = 256) -> None:
        self._platform = platform
        self._entered = ExitStack()
        self.stacks: dict[Kind, Stack] = {}
        self._folder = folder
        self._pin = pin
        self._users = users

    def __enter__(self) -> Bench:
        with ExitStack() as entering:
            for kind in KINDS:
                stack = self._platform.stack(
                    kind, self._folder, users=self._users, rooms=self._users, pin=self._pin
                )
                self.stacks[kind] = entering.enter_context(stack)
            ours, floor = self.stacks["ours"], self.stacks["floor"]
            ours.fill()
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


def speed(platform: Platform, folder: Path, rounds: int, factor: float, *, pin: bool) -> list[Verdict]:
    """Processor time, waiting time and throughput: what was promised, and what was seen."""
    found: Found = defaultdict(list)
    lags: dict[Kind, list[float]] = defaultdict(list)
    with Bench(platform, folder, pin=pin) as bench:
        for _ in range(rounds):
            for users, exchanges in LEVELS.items():
                for kind, stack in bench.stacks.items():
                    times = max(1, round(exchanges * factor))
                    found[kind, users].append(measure(stack, users, times))
            for pace, (users, exchanges) in platform.paces.items():
                time.sleep(platform.rest)
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
    return report(platform, found, lags)


def ratios(found: Found, level: Any, what: str) -> float:
    """Ours to the floor, the median of the rounds."""
    pairs = zip(found["ours", level], found["floor", level], strict=True)
    return median(getattr(ours, what) / getattr(floor, what) for ours, floor in pairs)


def report(platform: Platform, found: Found, lags: dict[Kind, list[float]]) -> list[Verdict]:
    """Print the tables: what was promised, and what was seen."""

    def named(level: Any) -> str:
        """How many at once, and how fast the model speaks where it takes its time."""
        return str(level) if level in LEVELS else f"{platform.paces[level][0]}, {level * 1000:g} ms a chunk"

    rounds = len(found["ours", 1])
    verdicts: list[Verdict] = []
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
        f"| requests to {platform.stack.title} |"
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
    if platform.lag_promised is not None:
        lag, wanted = median(lags["ours"]), platform.lag_promised
        verdicts.append(("ms from the last token to the whole text", lag, f"≤ {wanted:g}", lag <= wanted))
    if platform.ack_promised is not None:
        print("\n| ms until acknowledged, 256 at once | p50 | p99 |\n| --- | --- | --- |")
        for kind in KINDS:
            verdict = acknowledged(kind, found[kind, 256], platform.ack_promised)
            verdicts += [verdict] if kind == "ours" else []
    lost = sum(each.unanswered for rows in found.values() for each in rows)
    verdicts.append(("unanswered", lost, "0", not lost))
    return verdicts


def acknowledged(name: str, rows: Sequence[Measured], promised: float) -> Verdict:
    """Print how long it took until the platform heard that we heard it; the median of the rounds."""
    times = [quantiles(each.acks, n=100) for each in rows]
    half, most = (median(each[at] for each in times) for at in (49, 98))
    print(f"| {name} | {half:.1f} | {most:.1f} |")
    return f"p99 ms until acknowledged, {name}", most, f"< {promised:g}", most < promised


def told(verdicts: Sequence[Verdict]) -> bool:
    """Print what was promised; whether it was kept."""
    if verdicts:
        print("\n| promised | wanted | seen | |\n| --- | --- | --- | --- |")
    for name, seen, wanted, kept in verdicts:
        print(f"| {name} | {wanted} | {seen:.2f} | {'kept' if kept else 'MISSED'} |")
    return all(kept for *_, kept in verdicts)


def memory(platform: Platform, folder: Path, exchanges: int) -> list[Verdict]:
    """What the bots hold when idle, and ours after 1,000 and after ``exchanges`` in ever other places."""
    walkers, rooms, first = 50, 10_000, 1_000
    idle: dict[Kind, float] = {}
    sent: list[Any] = []
    with platform.stack("ours", folder, users=walkers, rooms=rooms, pin=False, nice=10) as ours:
        ours.fill(talks=False)
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
    with platform.stack("floor", folder, users=walkers, rooms=rooms, pin=False, nice=10) as floor:
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
    return [
        ("growth from 1,000 on", growth, f"≤ {GROWTH_PROMISED}", growth <= GROWTH_PROMISED),
        ("idle, beside the floor", beside, f"≤ {IDLE_PROMISED}", beside <= IDLE_PROMISED),
        ("unanswered", unanswered, "0", not unanswered),
    ]


def profile(platform: Platform, folder: Path, users: int) -> None:
    """Where the time of ours goes."""
    with platform.stack("ours", folder, users=max(users, 64), rooms=max(users, 64), pin=True) as ours:
        ours.fill()
        ours.start_bot(profile=True)
        ours.load(WARM, 64)
        ours.bot.signal(signal.SIGUSR1)
        time.sleep(0.5)
        found = ours.load(max(1, 400 // users), users)
        ours.bot.signal(signal.SIGUSR2)
        time.sleep(2)
        print(f"{users} at once, {found['answered']} exchanges\n")
        profiling.report(folder, found["answered"], platform.groups)


def arguments() -> argparse.ArgumentParser:
    """What each of these benchmarks is asked."""
    parser = argparse.ArgumentParser()
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
    return parser


def run(platform: Platform, given: argparse.Namespace, folder: Path) -> list[Verdict]:
    """Measure what is asked and print it: what was promised, and what was seen."""
    if given.profile:
        profile(platform, folder, given.profile)
        return []
    if given.memory:
        return memory(platform, folder, given.memory)
    return speed(platform, folder, given.rounds, given.exchanges, pin=not given.no_pin)


if __name__ == "__main__":
    print("This is run by benchmarks.discord_path and benchmarks.slack_path.")
