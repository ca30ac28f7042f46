"""What tuning costs, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adapters.vendors.estimate import count_tokens
from training.cost import (
    BasePrice,
    MonthlyUse,
    Plan,
    TuningPrice,
    estimate,
    money,
    monthly_use,
    readiness,
    usual_epochs,
)

PLAN = Plan(
    rows=200,
    train_tokens=100_000,
    today=date(2026, 11, 21),
    validation_tokens=10_000,
    epochs=3,
    base=BasePrice(1.0, 4.0, "2026-11-01"),
    tuning=TuningPrice(5.0, 1.5, 6.0, 0.0, 1000.0, "2026-11-01"),
    use=MonthlyUse(10_000, 1200, 100, 800),
)


@pytest.mark.parametrize(
    ("dollars", "said"),
    [(None, "unknown"), (0.0, "$0"), (0.004, "under 1 cent"), (0.42, "$0.42"), (1234.5, "$1,234.50"),
     (-3.0, "minus $3.00")],
)  # fmt: skip
def test_money_is_said_as_people_say_it(dollars: float | None, said: str) -> None:
    assert money(dollars) == said


def test_an_estimate_is_the_sum_of_its_parts() -> None:
    found = estimate(PLAN)
    assert (found.billed_tokens, found.training) == (300_000, pytest.approx(1.5))
    assert found.serving_before == pytest.approx(16.0)
    assert found.serving_after == pytest.approx(12.0)
    assert found.few_shot_tokens_saved == 8_000_000
    assert found.saving == pytest.approx(4.0)
    assert found.break_even == pytest.approx(0.375)
    assert found.seconds == pytest.approx(330)
    assert found.warnings == ()


def test_hosting_makes_few_shot_cheaper() -> None:
    found = estimate(replace(PLAN, tuning=replace(PLAN.tuning, hosting=50.0)))
    assert found.saving == pytest.approx(-46.0)
    assert found.break_even is None
    assert "Few-shot examples are cheaper by $46.00 a month" in found.warnings[0]


def test_what_is_unknown_stays_unknown() -> None:
    found = estimate(replace(PLAN, base=None, tuning=TuningPrice()))
    assert (found.training, found.serving_before, found.serving_after, found.saving) == (None,) * 4
    assert (found.break_even, found.seconds) == (None, None)
    assert "training, the base model and the tuned model is unknown" in found.warnings[0]


def test_a_machine_of_ones_own_is_free() -> None:
    found = estimate(replace(PLAN, free=True, base=None, tuning=TuningPrice()))
    assert (found.training, found.saving, found.hosting) == (0.0, 0.0, 0.0)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("day", "said"),
    [("2026-11-21", "was shut down on"), ("2026-11-22", "in 1 day:"), ("2027-02-19", "in 90 days:"),
     ("2027-02-20", None), (None, None), ("soon", None)],
)  # fmt: skip
def test_a_shutdown_is_told_ninety_days_before(day: str | None, said: str | None) -> None:
    warnings = estimate(replace(PLAN, shutdown_date=day)).warnings
    assert (said in warnings[0]) if said else not warnings


def test_an_old_price_is_told_with_its_date() -> None:
    old = replace(PLAN, tuning=replace(PLAN.tuning, date="2026-01-02"))
    assert "from 2026-01-02, more than 180 days ago" in estimate(old).warnings[0]


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        (9, "not yet"),
        (10, "minimum"),
        (49, "minimum"),
        (50, "eligible"),
        (99, "eligible"),
        (100, "recommended"),
    ],
)
def test_readiness_by_rows(rows: int, level: str) -> None:
    assert readiness(rows).level == level
    warned = estimate(replace(PLAN, rows=rows)).warnings
    assert bool(warned) == (level != "recommended")


@pytest.mark.parametrize(
    ("rows", "epochs"), [(0, 25), (1, 25), (10, 10), (33, 3), (100, 3), (8334, 2), (100_000, 1)]
)
def test_the_usual_epochs(rows: int, epochs: int) -> None:
    assert usual_epochs(rows) == epochs


def test_an_avatars_use_is_that_of_the_mean_exchange() -> None:
    assert monthly_use(0, 0, 0, 0, [("hi", "hello", 3)]) == MonthlyUse()
    use = monthly_use(4, 4000, 400, 2, [("What is open?", "The workshop.", 2), ("Hi", "Hello", 1)])
    shown = 2 * (count_tokens("What is open?") + count_tokens("The workshop."))
    few_shot = (shown + count_tokens("Hi") + count_tokens("Hello")) / 2
    assert use == MonthlyUse(4, 1000.0, 100.0, few_shot)
    assert monthly_use(4, 4000, 400, 0, []).few_shot == 0
