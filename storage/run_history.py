"""What was told of training runs: events in the order of telling, and losses by step. Nothing is kept twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import bindparam, func, select

from storage.database import Statement, Tx, columns_of, first, insert_into, table, upsert_into
from storage.training_schema import RunEventRow, RunPointRow

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was told of a run. ``event_id`` is unique in it; ``at`` is in milliseconds since the epoch."""

    event_id: str
    at: int
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss, and the accuracy where there is one, at a step (from 1) on one split."""

    split: Literal["train", "validation"]
    step: int
    loss: float
    accuracy: float | None
    epoch: float | None


_event, _point = table(RunEventRow), table(RunPointRow)
_OF_RUN = _event.c.run_id == bindparam("of_run")
_LAST = Statement(select(func.max(_event.c.position)).where(_OF_RUN))
_ADD = insert_into(RunEventRow, ignore=["run_id", "event_id"])
_NEWEST = Statement(
    select(*columns_of(RunEventRow, Told))
    .where(_OF_RUN)
    .order_by(_event.c.position.desc())
    .limit(bindparam("most"))
)
_ONE = Statement(
    select(*columns_of(RunEventRow, Told)).where(_OF_RUN, _event.c.event_id == bindparam("of_event"))
)
_PUT = upsert_into(RunPointRow, on=["run_id", "split", "step"], update=["loss", "accuracy", "epoch"])
_POINTS = Statement(
    select(*columns_of(RunPointRow, Loss))
    .where(_point.c.run_id == bindparam("of_run"))
    .order_by(_point.c.split, _point.c.step)
)


def add_events(tx: Tx, run_id: str, told: Sequence[Told]) -> int:
    """Keep those that are not there yet, in this order; how many they were."""
    last: int = tx.rows(_LAST, {"of_run": run_id})[0][0] or 0
    new = 0
    for each in told:
        kept = {"event_id": each.event_id, "at": each.at, "level": each.level, "message": each.message}
        new += tx.run(_ADD, {"run_id": run_id, "position": last + 1 + new, **kept})
    return new


def events(tx: Tx, run_id: str, *, limit: int = 10_000) -> list[Told]:
    """The last ``limit`` of them, the oldest first."""
    return [Told(*row) for row in tx.rows(_NEWEST, {"of_run": run_id, "most": limit})][::-1]


def event(tx: Tx, run_id: str, event_id: str) -> Told | None:
    """The event of this id, if it was told."""
    row = first(tx, _ONE, {"of_run": run_id, "of_event": event_id})
    return Told(*row) if row else None


def add_points(tx: Tx, run_id: str, points: Sequence[Loss]) -> None:
    """Keep losses; what was said of a step before is replaced."""
    tx.run_many(
        _PUT,
        [
            {
                "run_id": run_id,
                "split": each.split,
                "step": each.step,
                "loss": each.loss,
                "accuracy": each.accuracy,
                "epoch": each.epoch,
            }
            for each in points
        ],
    )


def points(tx: Tx, run_id: str) -> list[Loss]:
    """The losses by split and step."""
    return [Loss(*row) for row in tx.rows(_POINTS, {"of_run": run_id})]
