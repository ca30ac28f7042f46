"""What goes to the app: events, commands and interactions, until they are acknowledged or given up."""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.servers.slack.ids import Json

EVENTS, SLASH, INTERACTIVE = "events_api", "slash_commands", "interactive"


@dataclass(eq=False)
class Delivery:
    """Something that the app has to acknowledge; ``answered`` is told with what, or that it was not."""

    kind: str
    payload: Json
    answered: Callable[[bool, Any], None] | None = None
    attempt: int = 0
    reason: str = ""
    copies: int = 0
    ack_lost: bool = False
    sent_at: float = 0.0


class Carrier(Protocol):
    """A way to the app."""

    def carry(self, delivery: Delivery) -> bool:
        """Send it off, or say that there is no way now."""
        ...


@dataclass(slots=True)
class Acks:
    """How it went: times in milliseconds, and what was never acknowledged."""

    times_ms: list[float] = field(default_factory=list[float])
    lost: list[Json] = field(default_factory=list[Json])
    bad: list[Any] = field(default_factory=list[Any])
    redelivered: int = 0


class Deliveries:
    """Sends what the app hears and repeats what is not acknowledged, as Slack does.

    ``twice`` delivers every event two times; ``unacked_every`` lets the acknowledgement of each n-th event get lost;
    ``retries_s`` are the waits before an event is sent again.
    """

    def __init__(self) -> None:
        self.carrier: Carrier | None = None
        self.twice = False
        self.unacked_every = 0
        self.deadline_s = 3.0
        self.retries_s: tuple[float, ...] = (0.01, 0.1, 0.5)
        self.acks = Acks()
        self.sent: list[Json] = []
        self.keep_sent = True
        self.pending: set[Delivery] = set()
        self.on_change: Callable[[], None] = lambda: None
        # What waits for its time to be sent again, and what for the app to connect.
        self._waiting: deque[Delivery] = deque()
        self._unsent: deque[Delivery] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._events = 0

    @property
    def settled(self) -> bool:
        """Whether everything that was sent was acknowledged or given up."""
        return not (self.pending or self._waiting or self._unsent)

    def send(self, delivery: Delivery) -> None:
        """Send something for the first time."""
        if self.keep_sent:
            self.sent.append(delivery.payload)
        if delivery.kind == EVENTS:
            self._events += 1
            delivery.ack_lost = bool(self.unacked_every) and self._events % self.unacked_every == 0
            if self.twice:
                self._go(Delivery(EVENTS, copy.deepcopy(delivery.payload), copies=1))
        self._go(delivery)

    def acked(self, delivery: Delivery, answer: Any = None) -> None:
        """The app acknowledged it."""
        if delivery not in self.pending:
            return
        self.acks.times_ms.append((time.perf_counter() - delivery.sent_at) * 1000)
        if delivery.ack_lost:
            delivery.ack_lost = False
            self.failed(delivery, "timeout")
            return
        self.pending.discard(delivery)
        if delivery.answered is not None:
            delivery.answered(True, answer)
        self.on_change()

    def failed(self, delivery: Delivery, reason: str, *, retry: bool = True) -> None:
        """The app did not acknowledge it: an event is sent again, anything else has failed."""
        if delivery not in self.pending:
            return
        self.pending.discard(delivery)
        if delivery.kind == EVENTS and retry and delivery.attempt < len(self.retries_s):
            delivery.attempt += 1
            delivery.reason = reason
            self.acks.redelivered += 1
            self._waiting.append(delivery)
            self.later(self.retries_s[delivery.attempt - 1], lambda: self._again(delivery))
            return
        self.acks.lost.append(delivery.payload)
        if delivery.answered is not None:
            delivery.answered(False, reason)
        self.on_change()

    def later(self, wait: float, do: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something after a while, unless the server is stopped before."""

        def done() -> None:
            self._timers.discard(timer)
            do()

        timer = asyncio.get_running_loop().call_later(wait, done)
        self._timers.add(timer)
        return timer

    def flush(self) -> None:
        """Send what waited for a way to the app."""
        unsent, self._unsent = self._unsent, deque()
        for one in unsent:
            self._go(one)

    def close(self) -> None:
        """Send nothing more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _again(self, delivery: Delivery) -> None:
        if delivery in self._waiting:
            self._waiting.remove(delivery)
            self._go(delivery)

    def _go(self, delivery: Delivery) -> None:
        self.pending.add(delivery)
        delivery.sent_at = time.perf_counter()
        if self.carrier is not None and self.carrier.carry(delivery):
            return
        self.pending.discard(delivery)
        if delivery.kind == EVENTS:
            delivery.reason = delivery.reason or "no_connection"
            self._unsent.append(delivery)
        elif delivery.answered is not None:
            delivery.answered(False, "no_connection")
