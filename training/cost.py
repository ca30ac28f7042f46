"""What tuning costs and how long it takes, what serving costs before and after, and whether there is enough to train on.

Pure: figures go in, an ``Estimate`` comes out. Money is in US dollars, ``None`` where a price is not known; prices are for a
million tokens, and a month is 30 days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from adapters.vendors.estimate import count_tokens
from adapters.vendors.prices import MILLION

Level = Literal["not yet", "minimum", "eligible", "recommended"]

SHUTDOWN_DAYS: Final = 90
"""A model that is shut down within so many days is warned of."""

STALE_DAYS: Final = 180
"""A price that was looked up longer ago is warned of."""

_TARGET_EPOCHS, _MOST_EPOCHS = 3, 25
_LEAST_EXAMPLES, _MOST_EXAMPLES = 100, 25_000


def money(dollars: float | None) -> str:
    """Dollars as people read them: ``$0.42``, ``under 1 cent``, ``unknown`` for ``None``."""
    if dollars is None:
        return "unknown"
    if dollars == 0:
        return "$0"
    if dollars < 0:
        return f"minus {money(-dollars)}"
    return f"${dollars:,.2f}" if dollars >= 0.01 else "under 1 cent"


# -- enough to train on


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether so many rows are enough, in a word and in a sentence."""

    level: Level
    sentence: str


def readiness(rows: int, minimum: int = 10, eligible: int = 50, recommended: int = 100) -> Readiness:
    """How far ``rows`` to train on go; the bounds are settings of ``[datasets]``."""
    have = f"{rows:,} {'row' if rows == 1 else 'rows'} to train on"
    if rows < minimum:
        return Readiness("not yet", f"{have}: too few, {minimum:,} are the minimum.")
    if rows < eligible:
        return Readiness("minimum", f"{have}: it can be tried, but fewer than {eligible:,} seldom help.")
    if rows < recommended:
        return Readiness("eligible", f"{have}: worth a try, {recommended:,} or more are recommended.")
    return Readiness("recommended", f"{have}: enough for tuning to be likely to help.")


# -- estimate


@dataclass(frozen=True, slots=True)
class BasePrice:
    """What the model that is tuned costs untuned, for a million tokens; ``date`` is YYYY-MM-DD or empty."""

    input: float
    output: float
    date: str = ""


@dataclass(frozen=True, slots=True)
class TuningPrice:
    """What tuning costs.

    ``training`` is for a million training tokens, ``input`` and ``output`` for a million of the tuned model, ``hosting`` for
    a month. ``tokens_per_second`` is how fast training goes. ``None``: not known. ``date`` is YYYY-MM-DD or empty.
    """

    training: float | None = None
    input: float | None = None
    output: float | None = None
    hosting: float = 0.0
    tokens_per_second: float | None = None
    date: str = ""


@dataclass(frozen=True, slots=True)
class MonthlyUse:
    """An avatar's traffic in 30 days: ``exchanges``, and the mean tokens of one.

    ``tokens_in`` holds the ``few_shot`` tokens, which are those of the examples that were shown.
    """

    exchanges: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    few_shot: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be estimated.

    ``epochs`` None is the vendor's own choice, see ``usual_epochs``. ``shutdown_date`` is the base model's, YYYY-MM-DD.
    ``free`` says that model and training run on a machine of one's own.
    """

    rows: int
    train_tokens: int
    today: date
    validation_tokens: int = 0
    epochs: int | None = None
    base: BasePrice | None = None
    tuning: TuningPrice = TuningPrice()
    use: MonthlyUse = MonthlyUse()
    shutdown_date: str | None = None
    free: bool = False
    minimum: int = 10
    eligible: int = 50
    recommended: int = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it comes to, in dollars and, where it says so, a month.

    ``serving_after`` is without ``hosting``; ``saving`` is after it, and negative where tuning costs more. ``break_even`` is
    in months, ``None`` when it never comes or is not known. ``seconds`` is how long training takes.
    """

    epochs: int
    billed_tokens: int
    training: float | None
    serving_before: float | None
    serving_after: float | None
    hosting: float
    few_shot_tokens_saved: int
    saving: float | None
    break_even: float | None
    seconds: float | None
    warnings: tuple[str, ...]


def monthly_use(
    exchanges: int, tokens_in: int, tokens_out: int, sampled: int, shown: Iterable[tuple[str, str, int]]
) -> MonthlyUse:
    """The use of 30 days from the fields of ``storage.statistics.Traffic``.

    The few-shot tokens of an exchange are estimated: those of the texts of each example times how often it was shown,
    over the exchanges that were ``sampled``.
    """
    if not exchanges:
        return MonthlyUse()
    tokens = sum((count_tokens(user) + count_tokens(assistant)) * often for user, assistant, often in shown)
    return MonthlyUse(
        exchanges, tokens_in / exchanges, tokens_out / exchanges, tokens / sampled if sampled else 0.0
    )


def usual_epochs(rows: int) -> int:
    """How often a vendor goes over ``rows`` when it is left to choose.

    The rule of OpenAI's cookbook (Data preparation and analysis for chat model fine-tuning): three times, more for fewer
    than 100 examples seen in all (at most 25 times), fewer for more than 25,000 (at least once).
    """
    rows = max(rows, 1)
    if rows * _TARGET_EPOCHS < _LEAST_EXAMPLES:
        return min(_MOST_EPOCHS, _LEAST_EXAMPLES // rows)
    if rows * _TARGET_EPOCHS > _MOST_EXAMPLES:
        return max(1, _MOST_EXAMPLES // rows)
    return _TARGET_EPOCHS


def estimate(plan: Plan) -> Estimate:
    """What ``plan`` comes to.

    Training: tokens of the training split x epochs x price, as OpenAI bills it; validation tokens are not billed but take
    time. A month of serving: exchanges x (input tokens x input price + output tokens x output price), where the tuned model
    is not shown the few-shot examples any more. Break-even: training / (before - after - hosting).
    """
    epochs = usual_epochs(plan.rows) if plan.epochs is None else plan.epochs
    billed = plan.train_tokens * epochs
    price, use = plan.tuning, plan.use
    hosting = 0.0 if plan.free else price.hosting
    training = _of(billed, price.training, plan.free)
    before = _served(use, use.tokens_in, plan.base, plan.free)
    tuned = (
        BasePrice(price.input, price.output) if price.input is not None and price.output is not None else None
    )
    after = _served(use, max(0.0, use.tokens_in - use.few_shot), tuned, plan.free)
    saving = None if before is None or after is None else before - after - hosting
    break_even = training / saving if training is not None and saving is not None and saving > 0 else None
    speed = price.tokens_per_second
    return Estimate(
        epochs,
        billed,
        training,
        before,
        after,
        hosting,
        round(use.exchanges * use.few_shot),
        saving,
        break_even,
        (billed + plan.validation_tokens * epochs) / speed if speed else None,
        tuple(_warnings(plan, training, saving, before, after)),
    )


def _of(tokens: float, price: float | None, free: bool) -> float | None:
    if free:
        return 0.0
    return None if price is None else tokens * price / MILLION


def _served(use: MonthlyUse, tokens_in: float, price: BasePrice | None, free: bool) -> float | None:
    if free or not use.exchanges:
        return 0.0
    if price is None:
        return None
    return use.exchanges * (tokens_in * price.input + use.tokens_out * price.output) / MILLION


def _warnings(
    plan: Plan, training: float | None, saving: float | None, before: float | None, after: float | None
) -> list[str]:
    ready = readiness(plan.rows, plan.minimum, plan.eligible, plan.recommended)
    found = [] if ready.level == "recommended" else [ready.sentence]
    if about := _shutdown(plan.shutdown_date, plan.today):
        found.append(about)
    if plan.free:
        return found
    missing = [
        what
        for what, price in (("training", training), ("the base model", before), ("the tuned model", after))
        if price is None
    ]
    if missing:
        found.append(
            f"The price of {_listed(missing)} is unknown: set it in [prices], or ask the vendor before launching."
        )
    dates = {plan.tuning.date, plan.base.date if plan.base else ""} - {""}
    found += [each for looked_up in sorted(dates) if (each := _stale(looked_up, plan.today))]
    if saving is not None and saving <= 0 and (training or plan.tuning.hosting):
        more = f"by {money(-saving)} a month and " if saving < 0 else ""
        found.append(
            f"Few-shot examples are cheaper {more}by {money(training)} of training: tune for quality, not to save."
        )
    return found


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _shutdown(text: str | None, today: date) -> str:
    day = _day(text)
    if day is None:
        return ""
    left = (day - today).days
    if left <= 0:
        return f"The base model was shut down on {day}: choose another."
    if left <= SHUTDOWN_DAYS:
        days = "1 day" if left == 1 else f"{left} days"
        return f"The base model is shut down on {day}, in {days}: what is tuned goes with it."
    return ""


def _stale(text: str, today: date) -> str:
    day = _day(text)
    if day is None:
        return f"When the price was looked up cannot be read ({text!r}): write it as YYYY-MM-DD."
    if (today - day).days > STALE_DAYS:
        return f"The price is from {day}, more than {STALE_DAYS} days ago: look it up again."
    return ""
