"""Training runs: one fine-tuning job of one dataset at one vendor, from estimate to result, written before each step.

A run that has anything left to do has a ``next_at``. Whoever does it *claims* the run first: a lease in the run's row, which
every later write of theirs is checked against, so that several processes do each step once. What the vendor tells meanwhile
is in storage/run_history.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import orjson
from sqlalchemy import and_, bindparam, case, func, not_, null, or_, select, update

from storage import clock, ids, numbering, tuned_models
from storage.database import Row, Statement, Tx, columns_of, first, insert_into, table
from storage.errors import Missing, StorageError
from storage.training_schema import TrainingRunRow

Live = Literal["preparing", "queued", "running", "finishing", "paused", "cancelling"]
End = Literal["succeeded", "failed", "cancelled"]
State = Literal["prepared", "uploading", "creating"] | Live | End
Wish = Literal["", "cancel", "pause", "resume"]

LIVE: Final[frozenset[str]] = frozenset(get_args(Live))
ENDED: Final[frozenset[str]] = frozenset(get_args(End))
LEASE_SKEW_MS: Final = 600_000
"""A lease that reaches further into the future than this was given before the clock went back: it is not believed."""

CLOCK_SKEW_MS: Final = 60_000
"""So far apart the clocks of replicas may be; a run that was written later than that is due, since the clock went back."""

_NEXT: Final[Mapping[str, frozenset[str]]] = {
    "prepared": frozenset({"uploading", "failed", "cancelled"}),
    "uploading": frozenset({"creating", "failed", "cancelled"}),
    "creating": LIVE | ENDED,
    **dict.fromkeys(LIVE, LIVE | ENDED),
    **{state: frozenset[str]() for state in ENDED},
}


class Illegal(StorageError):
    """A run does not go from the one state to the other."""


class LeaseLost(StorageError):
    """Somebody else has the run in hand meanwhile: nothing was written."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training run. Times are in milliseconds since the epoch, money in US dollars.

    ``key`` names it at the vendor. ``wanted`` is what a person wishes and the vendor has not confirmed. ``files`` are those
    to upload ({split, name, rows, tokens, bytes}), ``uploaded`` those that were ({id, split}; without an id those that may
    have been), ``checkpoints`` {model, step, loss}. ``said`` is the vendor's own word, ``error`` why it ended badly,
    ``trouble`` why the vendor cannot be asked now. ``expected`` is what the training was estimated at, ``cost`` what it is
    known to have cost, and ``memory_bytes`` the most memory that it used, where the vendor says that. ``host`` is the only
    host that may take its steps, where the vendor trains on the machine that asks; empty for anyone.

    ``place`` is where it was launched and ``message`` the platform's id of the one message that tells of it; ``told`` is
    the state that was told there last, ``seen`` the id of the last event that the vendor told. ``quiet`` counts the polls
    since anything changed and ``idle_ms`` the time, ``looked`` how often a job was looked for in vain after its creation
    was asked for, ``failures`` the steps in a row that failed. ``forgotten`` rows of
    its dataset were erased since it was prepared, because of whose words they held.
    """

    id: str
    number: int
    workspace_id: str
    avatar_id: str | None
    dataset_number: int
    vendor: str
    method: str
    base_model: str
    hyperparameters: Mapping[str, Any]
    key: str
    state: State
    wanted: Wish
    job_id: str
    files: Sequence[Mapping[str, Any]]
    uploaded: Sequence[Mapping[str, Any]]
    model: str
    checkpoints: Sequence[Mapping[str, Any]]
    done: float | None
    said: str
    error: str
    trouble: str
    estimate: Mapping[str, Any]
    expected: float | None
    cost: float | None
    trained_tokens: int | None
    memory_bytes: int | None
    ends_at: int | None
    person_id: str | None
    host: str
    place: Mapping[str, Any]
    message: str
    told: str
    seen: str
    polls: int
    quiet: int
    looked: int
    failures: int
    forgotten: int
    idle_ms: int
    polled_at: int | None
    next_at: int | None
    lease_by: str
    lease_until: int | None
    created_at: int
    updated_at: int
    ended_at: int | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen at the vendor."""
        return self.state in ENDED

    @property
    def live(self) -> bool:
        """Whether a job of it goes on at the vendor, as far as is known."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to prepare; ``key`` is the caller's own, unique among all runs."""

    workspace_id: str
    avatar_id: str | None
    dataset_number: int
    vendor: str
    method: str
    base_model: str
    key: str
    hyperparameters: Mapping[str, Any]
    estimate: Mapping[str, Any]
    expected: float | None
    files: Sequence[Mapping[str, Any]] = ()
    person_id: str | None = None
    place: Mapping[str, Any] | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a workspace has spent since some day: ``runs`` that came to a job or may yet, and ``spend`` in US dollars.

    What a run costs counts as it was estimated until it is known. ``unpriced`` of the runs have neither.
    """

    runs: int
    spend: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model that a run made; ``step`` is a checkpoint's, ``None`` for the last state. ``at`` is when the run ended.

    ``forgotten`` of the rows that it was made with were erased since: somebody whose words they held asked to be forgotten.
    """

    run_id: str
    run_number: int
    dataset_number: int
    avatar_id: str | None
    vendor: str
    base_model: str
    model: str
    step: int | None
    at: int
    forgotten: int


_JSON: Final = ("hyperparameters", "files", "uploaded", "checkpoints", "estimate", "place")
_NAMES: Final = tuple(field.name for field in fields(Run))
_PARSED: Final = tuple(_NAMES.index(name) for name in _JSON)

_run = table(TrainingRunRow)
_ALL = select(*columns_of(TrainingRunRow, Run))
_ID = _run.c.id == bindparam("of_id")
_WORKSPACE = _run.c.workspace_id == bindparam("of_workspace")
_NOT_ENDED = _run.c.state.not_in(sorted(ENDED))

_INSERT = insert_into(TrainingRunRow)
_GET = Statement(_ALL.where(_ID))
# On Postgres others may change it at the same time: what is checked is what is changed.
_LOCKED = Statement(_ALL.where(_ID), _ALL.where(_ID).with_for_update())
_NUMBERED = Statement(_ALL.where(_WORKSPACE, _run.c.number == bindparam("of_number")))
_BY_KEY = Statement(_ALL.where(_run.c.key == bindparam("of_key")))
_LISTED = Statement(_ALL.where(_WORKSPACE).order_by(_run.c.number.desc()).limit(bindparam("most")))
_UNENDED = Statement(_ALL.where(_WORKSPACE, _NOT_ENDED).order_by(_run.c.number))

_FREE = or_(
    _run.c.lease_until.is_(None),
    _run.c.lease_until < bindparam("now"),
    _run.c.lease_until > bindparam("beyond"),
)
_OURS = or_(_run.c.host == "", _run.c.host == bindparam("of_host"))
_IS_DUE = and_(
    _OURS,
    _run.c.next_at.is_not(None),
    or_(_run.c.next_at <= bindparam("now"), _run.c.updated_at > bindparam("ahead")),
    _FREE,
)
_VENDORS_DUE = Statement(
    select(_run.c.vendor).where(_IS_DUE).group_by(_run.c.vendor).order_by(func.min(_run.c.next_at))
)
_DUE = (
    select(_run.c.id)
    .where(_IS_DUE, _run.c.vendor == bindparam("of_vendor"))
    .order_by(_run.c.next_at, _run.c.id)
    .limit(bindparam("most"))
)
_CLAIMABLE = Statement(_DUE, _DUE.with_for_update(skip_locked=True))
_ONE = select(_run.c.id).where(_ID, _OURS, _run.c.next_at.is_not(None), _FREE)
_ONE_CLAIMABLE = Statement(_ONE, _ONE.with_for_update(skip_locked=True))
_LEASE = Statement(
    update(_run)
    .where(_ID)
    .values(
        lease_by=bindparam("new_holder"),
        lease_until=bindparam("new_until"),
    )
)
_HELD = and_(_ID, _run.c.lease_by == bindparam("of_holder"))
_RENEW = Statement(update(_run).where(_HELD).values(lease_until=bindparam("new_until")))
_RELEASE = Statement(update(_run).where(_HELD).values(lease_by="", lease_until=null()))

_BUSY = Statement(select(_run.c.number).where(_run.c.next_at.is_not(None)))

# Whoever ended while nobody knew whether there was a job has no cost, and may yet have to pay.
_FREE_OF_COST = and_(_run.c.cost.is_not(None), _run.c.cost == 0)
_NEVER = and_(_run.c.job_id == "", _run.c.state.in_(sorted(ENDED)), _FREE_OF_COST)
_PRICE = case(
    (_NOT_ENDED, case((_run.c.cost > _run.c.expected, _run.c.cost), else_=func.coalesce(_run.c.expected, _run.c.cost))),
    else_=func.coalesce(_run.c.cost, _run.c.expected),
)  # fmt: skip
_TOTALS = Statement(
    select(
        func.count(), func.coalesce(func.sum(_PRICE), 0.0), func.sum(case((_PRICE.is_(None), 1), else_=0))
    ).where(_WORKSPACE, _run.c.created_at >= bindparam("since"), not_(_NEVER))
)
# Whoever gave a run up has its checkpoints, and wants to be rid of them perhaps.
_MADE = Statement(
    _ALL.where(
        _WORKSPACE,
        _run.c.state.in_(sorted(ENDED)),
        or_(_run.c.model != "", _run.c.checkpoints != "[]"),
        _run.c.ended_at.is_not(None),
    ).order_by(_run.c.number.desc())
)


def record(row: Row) -> Run:
    """A run from a row of all its columns."""
    values = list(row)
    for at in _PARSED:
        values[at] = orjson.loads(values[at])
    return Run(*values)


def create(tx: Tx, new: NewRun) -> Run:
    """A run with the next number, prepared and due at once. Raises ``Duplicate`` for a key that is there, ``Missing``.

    Whoever prepares a run at the same time waits for the end of this transaction, so that what was counted before stays so.
    """
    now = clock.now()
    values: dict[str, Any] = dict.fromkeys(_NAMES)
    values |= dict.fromkeys(("wanted", "job_id", "model", "said", "error", "trouble", "message", "told"), "")
    values |= dict.fromkeys(("polls", "quiet", "looked", "failures", "forgotten", "idle_ms"), 0)
    values |= {field.name: getattr(new, field.name) for field in fields(NewRun)}
    values |= {"id": ids.new_id(), "number": numbering.fresh(tx, "run")[0], "state": "prepared", "seen": ""}
    values |= {"place": new.place or {}, "uploaded": [], "checkpoints": [], "lease_by": ""}
    values |= {"next_at": now, "created_at": now, "updated_at": now}
    tx.run(_INSERT, _written(values))
    return get(tx, values["id"])


def one_at_a_time(tx: Tx) -> None:
    """Whoever counts runs before ``create`` does so alone: call it first, in the same transaction."""
    numbering.fresh(tx, "run order")


def get(tx: Tx, run_id: str) -> Run:
    """The run with this id. Raises ``Missing``."""
    return _found(first(tx, _GET, {"of_id": run_id}))


def numbered(tx: Tx, workspace_id: str, number: int) -> Run:
    """The workspace's run of this number. Raises ``Missing``."""
    return _found(first(tx, _NUMBERED, {"of_workspace": workspace_id, "of_number": number}))


def by_key(tx: Tx, key: str) -> Run | None:
    """The run of this key."""
    row = first(tx, _BY_KEY, {"of_key": key})
    return record(row) if row else None


def listed(tx: Tx, workspace_id: str, *, limit: int = 1000) -> list[Run]:
    """The workspace's runs, the newest first."""
    return [record(row) for row in tx.rows(_LISTED, {"of_workspace": workspace_id, "most": limit})]


def unended(tx: Tx, workspace_id: str) -> list[Run]:
    """The workspace's runs that have not ended, the oldest first."""
    return [record(row) for row in tx.rows(_UNENDED, {"of_workspace": workspace_id})]


def changed(
    tx: Tx, run_id: str, *, holder: str | None = None, knew: Wish | None = None, **changes: Any
) -> Run:
    """The run after these fields of it were written.

    With ``holder`` only while the run is leased to them, else ``LeaseLost``. ``knew`` is the wish that they knew of: another
    one that came meanwhile stays, and makes the run due. Raises ``Illegal`` for a state that does not follow the one it is
    in, ``Missing`` without the run.
    """
    run = _found(first(tx, _LOCKED, {"of_id": run_id}))
    if holder is not None and run.lease_by != holder:
        raise LeaseLost(f"Training run {run.number} is in other hands.")
    state = changes.get("state", run.state)
    if state != run.state and state not in _NEXT[run.state]:
        raise Illegal(f"Training run {run.number} does not go from {run.state} to {state}.")
    now = clock.now()
    values: dict[str, Any] = {"updated_at": now, **changes}
    if knew is not None and run.wanted != knew:
        values |= {"wanted": run.wanted, "next_at": now}
    if state in ENDED and run.ended_at is None:
        values["ended_at"] = now
    model, checkpoints = values.get("model", run.model), values.get("checkpoints", run.checkpoints)
    before, after = _models(run.model, run.checkpoints), _models(model, checkpoints)
    tuned_models.rename(tx, run.workspace_id, run.vendor, run.id, gone=before - after, new=after - before)
    written = {f"new_{name}": value for name, value in _written(values).items()}
    tx.run(_changing(tuple(sorted(values))), {"of_id": run_id, **written})
    return get(tx, run_id)


def _models(model: str, checkpoints: Sequence[Mapping[str, Any]]) -> set[str]:
    return {model, *(str(each["model"]) for each in checkpoints)} - {""}


def claim(
    tx: Tx,
    now: int,
    holder: str,
    *,
    host: str,
    lease_ms: int,
    limit: int,
    of_a_vendor: int | None = None,
    in_hand: Mapping[str, int] | None = None,
) -> list[Run]:
    """Up to ``limit`` runs that are due, of ``host`` or anyone's, and in nobody's hands, leased to ``holder`` from now on.

    The vendor with the longest due comes first, and of each vendor the longest due; ``of_a_vendor`` at most, those counted
    that the holder has ``in_hand``. After the clock went back a run is due whatever its ``next_at`` says, and a lease of the
    lost time is not believed.
    """
    asked = {
        "of_host": host,
        "now": now,
        "beyond": now + lease_ms + LEASE_SKEW_MS,
        "ahead": now + CLOCK_SKEW_MS,
    }
    found: list[Run] = []
    for (vendor,) in tx.rows(_VENDORS_DUE, asked):
        most = limit - len(found)
        if of_a_vendor is not None:
            most = min(most, of_a_vendor - (in_hand or {}).get(vendor, 0))
        if most > 0:
            due = tx.rows(_CLAIMABLE, {**asked, "of_vendor": vendor, "most": most})
            found += [_leased(tx, row[0], now, holder, lease_ms) for row in due]
    return found


def claim_one(tx: Tx, run_id: str, now: int, holder: str, *, host: str, lease_ms: int) -> Run | None:
    """The run leased to ``holder``, due or not.

    ``None`` while others have it, where it belongs to another host, or when nothing is left to do.
    """
    asked = {"of_id": run_id, "of_host": host, "now": now, "beyond": now + lease_ms + LEASE_SKEW_MS}
    return _leased(tx, run_id, now, holder, lease_ms) if tx.rows(_ONE_CLAIMABLE, asked) else None


def renew(tx: Tx, run_id: str, holder: str, until: int) -> bool:
    """Whether the lease was still the holder's; it then holds until that time."""
    return tx.run(_RENEW, {"of_id": run_id, "of_holder": holder, "new_until": until}) > 0


def release_lease(tx: Tx, run_id: str, holder: str) -> None:
    """Others may take the run; nothing happens where it is not the holder's any more."""
    tx.run(_RELEASE, {"of_id": run_id, "of_holder": holder})


def busy(tx: Tx) -> set[int]:
    """The numbers of all runs that have anything left to do."""
    return {row[0] for row in tx.rows(_BUSY)}


def totals(tx: Tx, workspace_id: str, since: int) -> Totals:
    """What the runs that were prepared since then came to; one that ended before there was a job counts not."""
    row = tx.rows(_TOTALS, {"of_workspace": workspace_id, "since": since})[0]
    return Totals(int(row[0]), float(row[1]), int(row[2] or 0))


def models(tx: Tx, workspace_id: str) -> list[Tuned]:
    """The models that the workspace's runs made, those of the newest run first, each before its checkpoints.

    A run that failed or was cancelled may have left checkpoints too.
    """
    found: list[Tuned] = []
    for row in tx.rows(_MADE, {"of_workspace": workspace_id}):
        run = record(row)
        names: list[tuple[str, int | None]] = [(run.model, None)] if run.model else []
        names += [(str(each["model"]), int(each["step"])) for each in run.checkpoints]
        of = (run.id, run.number, run.dataset_number, run.avatar_id, run.vendor, run.base_model)
        made = (run.ended_at or 0, run.forgotten)
        found += [Tuned(*of, name, step, *made) for name, step in dict(names).items()]
    return found


def _found(row: Row | None) -> Run:
    if row is None:
        raise Missing("There is no such training run.")
    return record(row)


def _leased(tx: Tx, run_id: str, now: int, holder: str, lease_ms: int) -> Run:
    # Not what says that the clock went back: a holder that does not live to take a step leaves the run due.
    tx.run(_LEASE, {"of_id": run_id, "new_holder": holder, "new_until": now + lease_ms})
    return get(tx, run_id)


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: orjson.dumps(value).decode() if name in _JSON else value for name, value in values.items()}


@lru_cache(maxsize=64)
def _changing(names: tuple[str, ...]) -> Statement:
    return Statement(update(_run).where(_ID).values({name: bindparam(f"new_{name}") for name in names}))
