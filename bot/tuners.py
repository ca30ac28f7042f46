"""Which vendor trains under a name, and the training runs; both are made when they are first needed.

Others join with an entry point of the group ``understudy.tuners``: its name is the vendor's, and what it names is called
with the ``Configuration`` and gives a ``Tuner``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from adapters.vendors.base import NotConfigured
from bot.settings import Configuration

if TYPE_CHECKING:
    from adapters.vendors.tuning import Tuner
    from bot.statuses import Statuses
    from training.desk import Observer
    from training.runs import Runs

GROUP = "understudy.tuners"


class Tuners:
    """The vendors that train, by name. ``ours`` are part of the program; ``set_up`` are those of them that can be used."""

    def __init__(
        self, configuration: Configuration, ours: Mapping[str, Callable[[], Tuner]], set_up: tuple[str, ...]
    ) -> None:
        self._configuration = configuration
        self._factories = dict(ours)
        self._set_up = set_up
        self._open: dict[str, Tuner] = {}

    @property
    def vendors(self) -> tuple[str, ...]:
        """Those that can be asked to train."""
        return (*self._set_up, *(name for name in _others() if name not in self._factories))

    def find(self, vendor: str) -> Tuner:
        """The vendor's tuner. Raises ``NotConfigured`` that says what is missing, an extra too."""
        if vendor not in self._open:
            self._open[vendor] = self._make(vendor)
        return self._open[vendor]

    def _make(self, vendor: str) -> Tuner:
        try:
            if (ours := self._factories.get(vendor)) is not None:
                return ours()
            if (theirs := _others().get(vendor)) is not None:
                return theirs.load()(self._configuration)
        except ImportError as error:
            what = error.name or str(error)
            raise NotConfigured(f"{vendor} needs {what}, which is not installed", vendor=vendor) from error
        raise NotConfigured(
            f"no vendor of that name trains; there are: {', '.join(sorted({*self._factories, *_others()}))}",
            vendor=vendor,
        )

    async def close(self) -> None:
        """Give back connections, whatever one of them fails with. Jobs go on."""
        async with AsyncExitStack() as stack:
            for each in self._open.values():
                stack.push_async_callback(each.close)


@cache
def _others() -> Mapping[str, EntryPoint]:
    """What is installed beside us."""
    return {each.name: each for each in entry_points(group=GROUP)}


class Training:
    """The training runs of all workspaces: loaded when somebody asks for them, which a chat does not wait for.

    ``watch`` gives whoever tells of them where they were launched, ``first`` whoever is told of each change before that.
    """

    def __init__(
        self,
        tuners: Tuners,
        make: Callable[[Tuners], Runs],
        watch: Callable[[], Statuses] | None = None,
        first: Callable[[], Observer] | None = None,
    ) -> None:
        self._tuners = tuners
        self._make = make
        self._watch = watch
        self._first = first
        self._runs: Runs | None = None
        self._statuses: Statuses | None = None

    @property
    def vendors(self) -> tuple[str, ...]:
        """The vendors that can be asked to train."""
        return self._tuners.vendors

    def find(self, vendor: str) -> Tuner:
        """The vendor's tuner. Raises ``NotConfigured``."""
        return self._tuners.find(vendor)

    @property
    def runs(self) -> Runs:
        """The runs."""
        if self._runs is None:
            self._runs = self._make(self._tuners)
            if self._first is not None:
                self._runs.on_change(self._first())
            if self._watch is not None:
                self._statuses = self._watch()
                self._runs.on_change(self._statuses)
        return self._runs

    async def close(self) -> None:
        """Stop what goes on here; it is continued by whoever comes next."""
        async with AsyncExitStack() as stack:  # the last comes first, and the others come though it fails
            stack.push_async_callback(self._tuners.close)
            if self._statuses is not None:
                stack.push_async_callback(self._statuses.close)
            if self._runs is not None:
                stack.push_async_callback(self._runs.close)
