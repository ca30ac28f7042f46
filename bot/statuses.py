"""One message for each training run, changed in place until the run has ended; then whoever launched it is notified.

Runs tell of each change (``Runs.on_change``), in the process that has them in hand. A change of state waits until it is
told, so that one that was not is told again; how far a run is comes at its leisure, and never delays a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from adapters.platforms.base import Answer, File, Place, Platform, UserError
from bot.finetuning import automatic, standing
from storage import avatars, clock, datasets, moments, people, run_history, runs
from storage.database import Database, Tx
from storage.errors import Missing
from storage.run_history import Loss
from storage.runs import Run
from training.desk import NotTold

log = structlog.get_logger()

EVERY_SECONDS: Final = 15.0
"""A message is changed at most so often while a run stays in one state, and ever more rarely the longer it goes on."""

PATIENCE_SECONDS: Final = 20.0
"""So long a step of a run waits for its audience."""

RARELY_SECONDS: Final = 600.0
"""However long a run goes on, its message may be changed after so long."""

_SHELL: Final = "terminal"  # where nothing is said unasked
_AGEING: Final = 20  # after a twentieth of its age; platforms let old messages be changed less often
_POSTING_SECONDS: Final = 90.0
_POSTING_MS: Final = 120_000  # after that whoever was posting is gone
_ROUNDS: Final = 3

Pause = Callable[[float], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class View:
    """A run and what belongs to it: its losses, its dataset with the version, and by name for whom and by whom.

    ``about`` is what was decided about its model.
    """

    run: Run
    losses: list[Loss]
    dataset: str
    avatar: str
    person: str
    about: standing.About


@dataclass(slots=True)
class _Board:
    """What this process last showed of a run; ``curve`` are the losses that ``picture`` shows."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    said: Answer | None = None
    curve: list[Loss] = field(default_factory=list[Loss])
    picture: File | None = None
    later: asyncio.Task[None] | None = None


class Statuses:
    """Tells of training runs where they were launched.

    ``platform`` gives the platform of a name, once it is served; ``pause`` waits so many seconds.
    """

    def __init__(
        self,
        database: Database,
        platform: Callable[[str], Platform | None],
        *,
        every: float = EVERY_SECONDS,
        patience: float = PATIENCE_SECONDS,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._database = database
        self._platform = platform
        self._every = every
        self._patience = patience
        self._pause = pause
        self._boards: dict[str, _Board] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def __call__(self, run: Run, before: Run | None) -> None:
        """Tell of a change. Raises ``NotTold`` where a state of the run is not to be read there yet."""
        quietly = before is None or run.told == run.state
        if self._reached(run) is None:
            if not quietly and place_of(run) is not None:
                raise NotTold(f"{run.place['platform']} is served by another process.")
            return
        board = self._boards.setdefault(run.id, _Board())
        # A new run goes on at once, and whoever takes it tells of it.
        if quietly:
            if before is not None and before.wanted != run.wanted:
                self._start(self._later(run, board, 0))  # whoever wished for it looks now
            elif board.later is None or board.later.done():
                board.later = self._start(self._later(run, board, self._wait(run, board)))
            return
        showing = self._start(self._show(run.id, board))
        done, _ = await asyncio.wait([showing], timeout=self._patience)
        if not done:
            raise NotTold(f"Run {run.number} is {run.state}, which the platform has not taken yet.")
        if (error := showing.exception()) is not None:
            raise NotTold(f"Run {run.number} is {run.state}, which was not told.") from error

    async def settled(self) -> None:
        """Return once nothing is being told any more."""
        while self._telling:
            await asyncio.wait(self._telling)

    async def close(self) -> None:
        """Give up what is still being told; it is told by whoever has the run next."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="status-of-a-run")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    def _reached(self, run: Run) -> tuple[Platform, Place] | None:
        place = place_of(run)
        platform = self._platform(place.platform) if place is not None else None
        return (platform, place) if platform is not None and place is not None else None

    def _wait(self, run: Run, board: _Board) -> float:
        """Seconds until the message is changed again."""
        if board.said is None:
            return 0
        age = max(0, clock.now() - run.created_at) / 1000
        return max(self._every, min(age / _AGEING, RARELY_SECONDS))

    async def _later(self, run: Run, board: _Board, seconds: float) -> None:
        """Show how far it is, in so many seconds."""
        try:
            if seconds:
                await self._pause(seconds)
            await self._show(run.id, board, leisurely=True)
        except Exception as error:  # noqa: BLE001 (nothing depends on it, and the next change tries again)
            log.warning("a training run is not shown", run=run.number, error=str(error))

    async def _show(self, run_id: str, board: _Board, *, leisurely: bool = False) -> None:
        """Have the message say what is so; again where that has changed meanwhile, whoever wrote last.

        Leisurely nobody is told of an end that those before us have not learnt of yet.
        """
        async with board.lock:
            for _ in range(_ROUNDS):
                view = await self._database.read(lambda tx: view_of(tx, run_id))
                if leisurely and view.run.ended and view.run.told != view.run.state:
                    return
                answer = await self._answer(view, board)
                found = self._reached(view.run)
                if found is None or (answer == board.said and view.run.message):
                    return
                try:
                    await self._put(view.run, answer, *found)
                    board.said = answer
                    if view.run.ended:
                        await self._call(view, *found)
                        self._boards.pop(run_id, None)
                except UserError as error:
                    log.warning("a training run is not shown", run=view.run.number, error=str(error))
                    return

    async def _answer(self, view: View, board: _Board) -> Answer:
        """The message as it should be. A curve of the same losses is the same picture."""
        run, losses = view.run, view.losses
        if not standing.drawable(losses):
            board.picture = None
        elif board.picture is None or board.curve != losses:
            board.picture = await asyncio.to_thread(standing.picture_of, run, losses)
            board.curve = losses
        return standing.answer_of(
            run,
            view.dataset,
            losses,
            clock.now(),
            avatar=view.avatar,
            picture=board.picture,
            about=view.about,
        )

    async def _put(self, run: Run, answer: Answer, platform: Platform, place: Place) -> None:
        name = f"run/{run.id}"
        if run.message:
            key = await platform.tell(place, answer, instead_of=run.message, name=name)
            if key and key != run.message:
                await self._noted(run, key)
            return
        moment = f"posting:{name}"
        if not await self._database.write(
            lambda tx: moments.claim(tx, moment, clock.now(), again_after=_POSTING_MS)
        ):
            raise NotTold(f"Somebody else is posting the message of run {run.number}.")
        try:
            async with asyncio.timeout(_POSTING_SECONDS):
                key = await platform.tell(place, answer, name=name)
            await self._noted(run, key)
        finally:
            await asyncio.shield(self._database.write(lambda tx: moments.forget(tx, moment)))

    async def _noted(self, run: Run, key: str) -> None:
        await self._database.write(lambda tx: runs.changed(tx, run.id, message=key))

    async def _call(self, view: View, platform: Platform, place: Place) -> None:
        """Notify whoever launched it, once: a message that is changed notifies nobody."""
        run, moment = view.run, f"run ended:{view.run.id}"
        if await self._database.read(lambda tx: moments.get(tx, moment)) is not None:
            return
        answer = standing.end_of(run, view.dataset, view.avatar, view.losses, view.about)
        await platform.tell(place, answer, name=f"run/{run.id}/end", pings=view.person)
        await self._database.write(lambda tx: moments.put(tx, moment, clock.now()))


def place_of(run: Run) -> Place | None:
    """Where the run was launched, as far as that is a place on a platform. It is told to all who read there."""
    kept = {name: str(run.place.get(name) or "") for name in ("platform", "workspace", "channel")}
    if not all(kept.values()) or kept["platform"] == _SHELL:
        return None
    # In an ordinary channel of Discord everybody has a conversation of their own; a run is of interest to all.
    conversation = str(run.place.get("conversation") or kept["channel"]).partition("/")[0]
    return Place(**kept, conversation=conversation, private=bool(run.place.get("private")))


def view_of(tx: Tx, run_id: str) -> View:
    """A run as it is kept. Raises ``Missing``."""
    run = runs.get(tx, run_id)
    try:
        dataset = datasets.by_number(tx, run.dataset_number)
        title = f"{dataset.name}:{dataset.version}"
    except Missing:
        title = f"dataset {run.dataset_number}"
    try:
        avatar = avatars.get(tx, run.avatar_id).name if run.avatar_id else ""
    except Missing:
        avatar = ""
    try:
        person = people.get(tx, run.person_id).key if run.person_id else ""
    except Missing:
        person = ""
    about = standing.About(automatic.outcome(tx, run))
    return View(run, run_history.points(tx, run_id), title, avatar, person, about)
