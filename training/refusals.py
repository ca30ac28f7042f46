"""Why a training run is not launched: each reason in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from adapters.vendors.tuning import BaseModel, Hyperparameters
from storage import clock
from storage.datasets import Dataset
from storage.runs import Run, Totals
from training.cost import SHUTDOWN_DAYS, money
from training.handover import Exported, title

_NAMED: Final = 6


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a workspace may launch, and how runs are watched.

    ``spend_per_month`` is in US dollars. A run is asked after every ``poll_seconds`` while it changes, and down to every
    ``poll_most_seconds`` while it does not; without any change for ``stuck_hours`` it is ended. ``minimum`` to
    ``recommended`` are rows to train on.
    """

    runs_per_month: int = 20
    spend_per_month: float = 50.0
    concurrent: int = 2
    poll_seconds: float = 30
    poll_most_seconds: float = 600
    stuck_hours: float = 72
    minimum: int = 10
    eligible: int = 50
    recommended: int = 100


def over_limits(limits: RunLimits, training: float | None, spent: Totals, going: Sequence[Run]) -> list[str]:
    """Why the workspace may not launch one more run now, of which ``training`` costs so much."""
    found: list[str] = []
    if len(going) >= limits.concurrent:
        one = len(going) == 1
        found.append(
            f"{'Run' if one else 'Runs'} {listed([str(run.number) for run in going])} {'is' if one else 'are'} still going, "
            f"and at most {limits.concurrent} may at a time (finetune.concurrent): wait for one to end, or cancel one."
        )
    if spent.runs >= limits.runs_per_month:
        found.append(
            f"This workspace has launched {spent.runs} of its {limits.runs_per_month} runs this month "
            f"(finetune.runs_per_month): wait until {_next_month()}, or have that raised."
        )
    whole, left = money(limits.spend_per_month), limits.spend_per_month - spent.spend
    if training is None and left <= 0:
        found.append(
            f"What this run costs is unknown, and of the {whole} that runs may cost this month (finetune.spend_per_month) "
            f"nothing is left: set the price in [prices], or wait until {_next_month()}."
        )
    elif training and training > left:
        found.append(
            f"This run is estimated at {money(training)}, and of the {whole} that runs may cost this month "
            f"(finetune.spend_per_month) {money(max(left, 0))} is left: train fewer epochs or rows, or wait until "
            f"{_next_month()}."
        )
    return found


def the_same(
    dataset: Dataset, vendor: str, base_model: str, hyperparameters: Mapping[str, Any], going: Sequence[Run]
) -> list[str]:
    """That a run which goes on does just this."""
    asked = (vendor, base_model, dataset.number, dict(hyperparameters))
    return [
        f"Run {run.number} is training {base_model} on {title(dataset)} in just this way: wait for it, or cancel it first."
        for run in going
        if (run.vendor, run.base_model, run.dataset_number, dict(run.hyperparameters)) == asked
    ]


def rows_refused(
    dataset: Dataset, vendor: str, rows: int, minimum: int, least: int, exported: Exported
) -> list[str]:
    """That there are too few rows to train on, for us (``minimum``) or the vendor (``least``), or rows that it refuses."""
    if rows < max(minimum, least):
        wants = f"{vendor} trains on" if least >= minimum else "datasets.minimum asks for"
        have = "1 row" if rows == 1 else f"{rows:,} rows"
        unfit = sum(exported.unfit.values())
        lost = f" ({unfit:,} more do not fit {vendor}'s format)" if unfit else ""
        todo = "collect more ratings and build it again"
        return [
            f"{title(dataset)} has {have} to train on{lost}, and {wants} at least {max(minimum, least):,}: {todo}."
        ]
    if problems := exported.problems:
        count = sum(verdict.errors for verdict in exported.verdicts)
        errors = "an error" if count == 1 else f"{count:,} errors"
        todo = "Build it again, or mend the file that it came from"
        return [
            f"{vendor} would refuse {title(dataset)} for {errors}: {problems[0].strip().rstrip('.')}. {todo}."
        ]
    return []


def too_many(dataset: Dataset, vendor: str, rows: int, most: int | None) -> list[str]:
    """That there are more rows to train on than the vendor takes."""
    if most is None or rows <= most:
        return []
    todo = f"build it again with `max` {most:,}, or train at another vendor"
    return [f"{title(dataset)} has {rows:,} rows to train on, and {vendor} takes at most {most:,}: {todo}."]


def out_of_range(
    chosen: Hyperparameters, vendor: str, ranges: Mapping[str, tuple[float, float]]
) -> list[str]:
    """That the vendor does not train with such numbers."""
    found = chosen.outside(ranges)
    return [f"{vendor} does not train so: {'; '.join(found)}."] if found else []


def wrong_method(dataset: Dataset, vendor: str, methods: Sequence[str], others: Sequence[str]) -> str:
    """That the vendor does not train so; ``others`` do."""
    instead = f"{listed(others)} {'does' if len(others) == 1 else 'do'}" if others else "no vendor here does"
    return (
        f"{title(dataset)} is for {dataset.method}, and {vendor} does not train with that: {instead}. "
        f"{vendor} trains with {listed(methods)}."
    )


def wrong_model(vendor: str, asked: str, method: str, names: Sequence[str]) -> str:
    """That the vendor does not tune this model; ``names`` are those that it does."""
    if not names:
        return f"{vendor} has no model now that can be trained with {method}: choose another vendor."
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{vendor} cannot train {asked} with {method}; it can train {', '.join(names[:_NAMED])}{more}."


def shutdown(base: BaseModel, vendor: str) -> tuple[str, bool]:
    """What is to be said of the model's end, empty while that is far; and whether it has come."""
    try:
        day = date.fromisoformat(base.shutdown_date or "")
    except ValueError:
        return "", False
    left = (day - today()).days
    if left <= 0:
        return f"{vendor} shut {base.name} down on {day}: choose another model.", True
    if left > SHUTDOWN_DAYS:
        return "", False
    days = "tomorrow" if left == 1 else f"in {left} days"
    said = f"{vendor} shuts {base.name} down on {day}, {days}, and what is tuned from it stops with it"
    return f"{said}: confirm once more if that is long enough, or choose another model.", False


def today() -> date:
    """The day, UTC."""
    return datetime.fromtimestamp(clock.now() / 1000, UTC).date()


def month_begin() -> int:
    """When this month began, UTC, in milliseconds since the epoch."""
    begin = datetime.combine(today().replace(day=1), datetime.min.time(), UTC)
    return int(begin.timestamp() * 1000)


def _next_month() -> date:
    day = today()
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"
