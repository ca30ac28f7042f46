"""Training runs that were launched: list them, see how far one is, stop it, hold it, delete what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.platforms.base import Answer, Call, File, Table, UserError
from bot.commands.prompts import day
from bot.finetuning import datasets as of_datasets
from bot.finetuning import standing
from bot.finetuning.datasets import note
from bot.finetuning.tuned import find_tuned, full_name
from bot.scenes import Scene
from bot.services import Services
from bot.statuses import view_of
from storage import avatars, clock, datasets, releases, runs
from storage.database import Tx
from storage.run_history import Told
from storage.runs import Run, Wish
from training.cost import money
from training.handover import title
from training.hosts import Elsewhere

SECONDS = 10.0
"""So long a chat waits for a vendor; what takes longer goes on by itself."""

_FRESH_MS = 1_000
_LOGGED = 30
_LISTED = 25
_OFFERED = 25

_MARKS: Mapping[str, str] = {"warning": "⚠️ ", "error": "❌ "}
_WISHES: Mapping[str, str] = {"cancel": "cancelled", "pause": "paused", "resume": "resumed"}


# -- words


def line(run: Run) -> str:
    """How far a run is, in one line."""
    left = standing.eta_of(run, clock.now())
    return f"Run {run.number}: {standing.state_of(run)}" + (f" {left}" if left else "")


def run_data(run: Run) -> dict[str, Any]:
    """A run for scripts."""
    return {
        "run": run.number,
        "state": run.state,
        "wanted": run.wanted,
        "vendor": run.vendor,
        "base_model": run.base_model,
        "method": run.method,
        "hyperparameters": dict(run.hyperparameters),
        "model": f"{run.vendor}:{run.model}" if run.model else None,
        "checkpoints": [dict(each) for each in run.checkpoints],
        "job_id": run.job_id,
        "host": run.host or None,
        "done": run.done,
        "ends_at": run.ends_at,
        "expected_cost": run.expected,
        "cost": run.cost,
        "memory_bytes": run.memory_bytes,
        "error": run.error,
        "trouble": run.trouble,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
    }


async def told(services: Services, run: Run) -> Answer:
    """How far a run is, with its curve and what can be done with it."""
    events, losses = await services.runs.history(run)
    view = await services.database.read(lambda tx: view_of(tx, run.id))
    picture = None
    if standing.drawable(losses):
        picture = await asyncio.to_thread(standing.picture_of, run, losses)
    unasked = view.about.unasked
    where = (await services.runs.elsewhere([run])).get(run.id)
    rest = [each for each in events if each != unasked]
    about = standing.About(unasked, asked=True, events=rest, elsewhere=where)
    answer = standing.answer_of(
        run, view.dataset, losses, clock.now(), avatar=view.avatar, picture=picture, about=about
    )
    return replace(answer, data=run_data(run) | {"held_out": standing.held_out_data(losses)})


def _stands(run: Run, where: Elsewhere | None) -> str:
    """How far it is, in a few words."""
    done = f", {run.done:.0%}" if run.done is not None and not run.ended else ""
    if where is None:
        return run.state + done
    return f"{run.state}{done}, on {where.host}" + (", which is silent" if where.lost else "")


def _titles(tx: Tx, workspace_id: str) -> dict[int, str]:
    return {each.number: title(each) for each in datasets.listed(tx, workspace_id)}


# -- which run


async def run_numbers(services: Services, call: Call, typed: str) -> Sequence[str]:
    """The numbers of the runs, the newest first."""
    scene = await services.scene(call)
    found = await services.database.read(lambda tx: runs.listed(tx, scene.workspace.id, limit=200))
    return [str(each.number) for each in found if str(each.number).startswith(typed.strip())][:_OFFERED]


async def _named(services: Services, call: Call) -> tuple[Scene, Run]:
    """The run that the call names, else the newest one that goes on, else the newest. Raises ``UserError``."""
    scene = await services.scene(call)
    number = call.integer("run")
    if number is not None:
        return scene, await services.runs.numbered(scene.workspace.id, number)
    found = await services.runs.listed(scene.workspace.id)
    if not found:
        raise UserError("There is no training run yet; `/finetune launch` begins one.")
    return scene, next((each for each in found if not each.ended), found[0])


async def advanced(services: Services, run: Run, seconds: float | None = SECONDS) -> Run:
    """The run after what could be done for it now, in time."""
    try:
        async with asyncio.timeout(seconds):
            return await services.runs.advance(run)
    except TimeoutError:
        return await services.runs.get(run.id)


async def _fresh(services: Services, run: Run) -> Run:
    """The run as its vendor tells of it, unless that was asked just now or has to wait."""
    now = clock.now()
    due = run.next_at is not None and run.next_at <= now
    old = run.polled_at is None or now - run.polled_at >= _FRESH_MS
    # Whoever looks for a job, or meets a vendor that is down, does so with patience.
    settled = run.live and not run.failures and not run.looked
    return await advanced(services, run) if due or (settled and old) else run


# -- jobs, status, logs


async def jobs(services: Services, call: Call) -> Answer:
    """The training runs of the workspace."""
    scene = await services.scene(call)
    if call.local and await services.runs.listed(scene.workspace.id):
        try:
            async with asyncio.timeout(SECONDS):
                await services.runs.tick()  # in a shell nobody else does
        except TimeoutError:
            pass
    found = await services.runs.listed(scene.workspace.id)
    if not found:
        return Answer("There is no training run yet; `/finetune launch` begins one.", data=[])
    names = await services.database.read(lambda tx: _titles(tx, scene.workspace.id))
    elsewhere = await services.runs.elsewhere([each for each in found if not each.ended])
    rows = tuple(
        (
            str(run.number),
            _stands(run, elsewhere.get(run.id)),
            f"{run.vendor}:{run.base_model}",
            names.get(run.dataset_number, "deleted"),
            run.method,
            _cost(run),
            day(run.created_at),
            f"{run.vendor}:{run.model}" if run.model else "",
        )
        for run in found[:_LISTED]
    )
    more = len(found) - len(rows)
    return Answer(
        f"And {more:,} older ones." if more else "",
        table=Table(("run", "state", "trains", "dataset", "method", "cost", "launched", "made"), rows),
        data=[{**run_data(run), "dataset": names.get(run.dataset_number)} for run in found],
    )


def _cost(run: Run) -> str:
    return money(run.cost if run.cost is not None else run.expected)


async def status(services: Services, call: Call) -> Answer:
    """How far a run is."""
    _, run = await _named(services, call)
    return await told(services, await _fresh(services, run))


async def logs(services: Services, call: Call) -> Answer:
    """What was told of a run."""
    _, run = await _named(services, call)
    run = await _fresh(services, run)
    events, _ = await services.runs.history(run)
    data = [{"at": each.at, "level": each.level, "message": each.message} for each in events]
    if not events:
        return Answer(f"Nothing was told of run {run.number} yet.", data=data)
    shown = events[-_LOGGED:]
    files: tuple[File, ...] = ()
    text = _listed(shown)
    if len(shown) < len(events):
        whole = "".join(f"{_logged(each)}\n" for each in events).encode()
        files = (File(f"run-{run.number}.log", whole, "text/plain"),)
        text = f"The last {len(shown)} of {len(events):,} events of run {run.number}:\n\n{text}"
    return Answer(text, files=files, data=data)


def _listed(events: Sequence[Told]) -> str:
    """Events as a list of what was told at which time, each day under its date."""
    days: dict[str, list[str]] = {}
    for event in events:
        at = _at(event)
        mark = _MARKS.get(event.level, "")
        days.setdefault(f"{at.day} {at:%B %Y}", []).append(f"- `{at:%H:%M:%S}` {mark}{event.message}")
    return "\n\n".join(f"**{day}** (UTC)\n" + "\n".join(lines) for day, lines in days.items())


def _at(event: Told) -> datetime:
    return datetime.fromtimestamp(event.at / 1000, UTC)


def _logged(event: Told) -> str:
    at = _at(event)
    level = "" if event.level == "info" else f" {event.level}:"
    return f"{at:%Y-%m-%d %H:%M:%S}{level} {event.message}"


# -- wishes


async def cancel(services: Services, call: Call) -> Answer:
    """Stop a run, or a dataset that is being built."""
    scene = await services.scene(call)
    name = call.text("name").strip()
    building = services.builds.running(scene.workspace.id)
    if of_datasets.NUMBER.fullmatch(name) and name not in building:
        run = await services.runs.numbered(scene.workspace.id, int(name))
        return await _wish(services, call, scene, run, "cancel")
    if not name:
        going = await services.database.read(lambda tx: runs.unended(tx, scene.workspace.id))
        if not building and len(going) == 1:
            return await _wish(services, call, scene, going[0], "cancel")
        if going and len(going) + len(building) > 1:
            numbers = [f"run {each.number}" for each in going]
            raise UserError(f"Say which one: {', '.join([*building, *numbers])}.")
    return await of_datasets.cancel(services, call)


async def pause(services: Services, call: Call) -> Answer:
    """Hold a run."""
    scene, run = await _named(services, call)
    return await _wish(services, call, scene, run, "pause")


async def resume(services: Services, call: Call) -> Answer:
    """Go on with a run that is paused."""
    scene, run = await _named(services, call)
    return await _wish(services, call, scene, run, "resume")


async def _wish(services: Services, call: Call, scene: Scene, run: Run, wish: Wish) -> Answer:
    run = await services.runs.wish(run, wish)
    await note(services, scene, f"finetune {wish}", str(run.number), {"vendor": run.vendor})
    await call.progress(f"Run {run.number} is being {_WISHES[wish]} …")
    answer = await told(services, await advanced(services, run))
    # A shell saves each picture in the folder that somebody is in: only where it was asked for.
    return replace(answer, picture=None) if call.local else answer


# -- what came of a run


async def discard(services: Services, call: Call) -> Answer:
    """Delete a tuned model at its vendor, with its checkpoints, unless somebody answers with one of them."""
    scene, _, tuned = await find_tuned(services, call)
    model = full_name(tuned)
    doomed = [f"{tuned.vendor}:{name}" for name in await services.runs.goes_with(tuned)]

    def speakers(tx: Tx) -> list[tuple[str, str]]:
        every = avatars.listed(tx, scene.workspace.id)
        answers = [(each.name, services.conversations.model(releases.current(tx, each.id))) for each in every]
        return [each for each in answers if each[1] in doomed]

    if who := await services.database.read(speakers):
        said = " and ".join(f"{name} answers with {speaks}" for name, speaks in who)
        raise UserError(f"{said}: `/finetune rollback` first.")
    left = await services.runs.delete_model(tuned)
    deleted = doomed if left is None else []
    told = {"model": model, "deleted": deleted, "left_on": left.host if left else None}
    await note(services, scene, "finetune discard", model, {"run": tuned.run_number, **told})
    more = f", and its {len(doomed) - 1} checkpoints with it" if len(doomed) > 2 else ""
    more = ", and its checkpoint with it" if len(doomed) == 2 else more
    if left is None:
        return Answer(f"{model} was deleted at {tuned.vendor}{more}.", data=told)
    return Answer(
        f"{model} is not listed any more{more}. It was on the host {left.host}, which is out of reach: a copy, which may "
        "hold the rows that it was trained on, lies there until somebody deletes it.",
        data=told,
    )
