"""How often a reply is redrawn: one budget for each channel and one for all, whose last slots are kept for final texts.

Discord allows about five edits and five posts in five seconds of a channel, and fifty requests in a second altogether.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakValueDictionary

from adapters.platforms.window import Window

_SLOTS = 5
_KEPT = 1
_CHANNELS = 512
_EVERYWHERE = 25
_TYPING_SECONDS = 8.0


class Growing(Protocol):
    """Something that wants to be redrawn."""

    def draw(self) -> bool:
        """It is its turn; False when it has nothing to draw any more."""
        ...


class Lane:
    """The turns of one sort of request in one channel, in the order in which they were wanted."""

    __slots__ = ("__weakref__", "_everywhere", "_last", "_queue", "_spacing", "_timer", "_window")

    def __init__(self, spacing: float, seconds: float, everywhere: Window) -> None:
        self._spacing = spacing
        self._window = Window(_SLOTS, seconds)
        self._everywhere = everywhere
        self._last = float("-inf")
        self._queue: deque[Growing] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def want(self, growing: Growing) -> None:
        """Queue for a turn."""
        self._queue.append(growing)
        self._schedule()

    def spend(self) -> None:
        """A final text goes out: it waits for nothing, and counts."""
        self._window.spend(asyncio.get_running_loop().time())

    def _schedule(self) -> None:
        if self._timer is None and self._queue:
            loop = asyncio.get_running_loop()
            free = max(self._last + self._spacing, self._window.free_at(_KEPT), self._everywhere.free_at(0))
            self._timer = loop.call_at(max(free, loop.time()), self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        if self._window.free_at(_KEPT) <= now and self._everywhere.free_at(0) <= now:
            before, self._last = self._last, now
            while self._queue:
                if self._queue.popleft().draw():
                    self._window.spend(now)
                    self._everywhere.spend(now)
                    break
            else:
                self._last = before
        self._schedule()


class Channel:
    """What is going on in one channel: turns to edit and to post, and whether somebody is shown as typing."""

    __slots__ = ("__weakref__", "_renewal", "_type", "_typing", "edits", "posts")

    def __init__(self, edit_seconds: float, everywhere: Window, type_once: Callable[[], object]) -> None:
        seconds = _SLOTS * edit_seconds
        self.edits = Lane(edit_seconds, seconds, everywhere)
        self.posts = Lane(0.0, seconds, everywhere)
        self._type = type_once
        self._typing = 0
        self._renewal: asyncio.TimerHandle | None = None

    def start_typing(self) -> None:
        """Show that an answer is on its way, until as many have stopped as started."""
        self._typing += 1
        if self._typing == 1:
            self._renew()

    def stop_typing(self) -> None:
        """One answer is there."""
        self._typing -= 1
        if self._typing == 0 and self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None

    def _renew(self) -> None:
        self._type()
        self._renewal = asyncio.get_running_loop().call_later(_TYPING_SECONDS, self._renew)


class Pacing:
    """The budgets of one client: those in use, and the ones used last."""

    def __init__(self, edit_seconds: float, send_typing: Callable[[int], Awaitable[None]]) -> None:
        self._edit_seconds = edit_seconds
        self._send_typing = send_typing
        self._everywhere = Window(_EVERYWHERE, 1.0)
        self._used: WeakValueDictionary[int, Channel] = WeakValueDictionary()
        self._last: OrderedDict[int, Channel] = OrderedDict()
        self._tasks: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._used)

    def channel(self, channel_id: int) -> Channel:
        """The budget of this channel."""
        found = self._used.get(channel_id)
        if found is None:
            found = Channel(self._edit_seconds, self._everywhere, lambda: self._type(channel_id))
            self._used[channel_id] = found
        self._last[channel_id] = found
        self._last.move_to_end(channel_id)
        if len(self._last) > _CHANNELS:
            self._last.popitem(last=False)
        return found

    def _type(self, channel_id: int) -> None:
        # Nothing waits for it: whether it is shown or not, the answer comes.
        task = asyncio.ensure_future(self._send_typing(channel_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
