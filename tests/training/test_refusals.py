"""Every reason why a training run is not launched, in the words that people are told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.platforms.base import UserError
from adapters.vendors.base import NotConfigured
from adapters.vendors.tuning import BaseModel, Capabilities, Hyperparameters
from storage import clock, datasets, people
from storage.database import Database
from storage.people import Author
from tests.training.runs_stage import (
    BASE,
    Hands,
    ScriptedTuner,
    Vendor,
    World,
    dataset_of,
    lines,
    silent,
    world,
)
from training.runs import Confirm, RunLimits

Arrange = Callable[[World, pytest.MonkeyPatch], Awaitable[dict[str, object]]]


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def here(database: Database, tmp_path: Path, hands: Hands) -> AsyncIterator[World]:
    made = await world(database, tmp_path, hands)
    yield made
    for runs in made.made:
        await runs.close()


async def _used(here: World, rows: int = 20, validation: int = 3, **other: object) -> None:
    made = lines(rows, validation, **other)  # pyright: ignore[reportArgumentType]
    method = other.get("method", "sft")
    here.dataset = await dataset_of(here.database, here.workspace_id, made, method)  # pyright: ignore[reportArgumentType]


async def few(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:2 has 9 rows to train on, and datasets.minimum asks for at least 10: collect more ratings and build it
    again.
    """
    await _used(here, 9)
    return {}


async def few_for_the_vendor(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:1 has 20 rows to train on, and vendor trains on at least 25: collect more ratings and build it again."""
    here.far.least_rows = 25
    return {}


async def many_for_the_vendor(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:1 has 20 rows to train on, and vendor takes at most 19: build it again with `max` 19, or train at another
    vendor.
    """
    here.far.most_rows = 19
    return {}


async def out_of_range(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor does not train so: epochs 99, which must be from 1 to 50; learning rate 5.0, which must be from 0.1 to 2."""
    here.far.ranges = {"epochs": (1, 50), "batch_size": (1, 256), "learning_rate": (0.1, 2)}
    return {"hyperparameters": Hyperparameters(epochs=99, learning_rate=5.0)}


async def refused_by_the_validator(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor would refuse Counsel:2 for an error: the same example is in the other file: training and validation
    share none. Build it again, or mend the file that it came from.
    """
    made = lines(20, 1)
    made[-1] = replace(made[0], position=20, split="validation")
    here.dataset = await dataset_of(here.database, here.workspace_id, made)
    return {}


async def unconsented(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:1 cannot be used any more: 23 rows hold words of people who no longer agree that they are learnt from.
    Build it again.
    """
    await here.database.write(lambda tx: people.withdraw_consent(tx, here.person_id, at=here.clock.now))
    return {}


async def erased(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:3 is no longer whole: 1 row was deleted at the wish of those who wrote them. Build it again."""
    bob = await here.database.write(lambda tx: people.ensure(tx, here.workspace_id, "bob", "Bob"))
    more = [replace(each, authors=(Author(bob.id, 1),)) for each in lines(1, 0)]
    await _used(here)
    here.dataset = await dataset_of(here.database, here.workspace_id, [*more, *lines(20, 2)[1:]])
    await here.database.write(lambda tx: people.forget(tx, bob.id))
    return {}


async def gone(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """That dataset is not there (any more); `/finetune datasets` lists those that are."""
    number = here.dataset.number
    await here.database.write(lambda tx: datasets.delete(tx, number))
    return {}


async def of_another_workspace(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """That dataset is not there (any more); `/finetune datasets` lists those that are."""
    return {"workspace_id": "another"}


async def method_elsewhere(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:2 is for dpo, and vendor does not train with that: local does. vendor trains with sft."""
    await _used(here, method="dpo")
    here.others = {"local": Vendor("local", ("sft", "dpo")), "other": Vendor("other")}
    return {}


async def method_nowhere(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Counsel:2 is for kto, and vendor does not train with that: no vendor here does. vendor trains with sft."""
    await _used(here, method="kto")
    return {}


async def wrong_model(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor cannot train huge-model with sft; it can train small-model."""
    return {"base_model": "huge-model"}


async def no_model(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor has no model now that can be trained with sft: choose another vendor."""
    here.far.models = ()
    return {}


async def shut_down(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor shut small-model down on 2026-11-18: choose another model."""
    here.far.models = (BaseModel(BASE, ("sft",), shutdown_date="2026-11-18"),)
    return {}


async def shut_down_soon(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor shuts small-model down on 2027-01-14, in 57 days, and what is tuned from it stops with it: confirm once
    more if that is long enough, or choose another model.
    """
    here.far.models = (BaseModel(BASE, ("sft",), shutdown_date="2027-01-14"),)
    return {}


async def not_set_up(here: World, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """vendor cannot train now: the variable VENDOR_KEY is missing"""

    async def capabilities(self: ScriptedTuner) -> Capabilities:
        raise NotConfigured("the variable VENDOR_KEY is missing", vendor=self.vendor)

    patch.setattr(ScriptedTuner, "capabilities", capabilities)
    return {}


async def many_runs(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """This workspace has launched 1 of its 1 runs this month (finetune.runs_per_month): wait until 2026-12-01, or
    have that raised.
    """
    here.limits = RunLimits(runs_per_month=1)
    await here.runs().prepare(here.order(hyperparameters=Hyperparameters(epochs=9)), silent)
    return {}


async def all_spent(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """This run is estimated at $N, and of the $50.00 that runs may cost this month (finetune.spend_per_month) $50.00
    is left: train fewer epochs or rows, or wait until 2026-12-01.
    """
    here.price = 50_000.0
    return {"hyperparameters": Hyperparameters(epochs=3)}


async def nothing_left_and_no_price(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """What this run costs is unknown, and of the $0 that runs may cost this month (finetune.spend_per_month) nothing
    is left: set the price in [prices], or wait until 2026-12-01.
    """
    here.price, here.limits = None, RunLimits(spend_per_month=0)
    return {}


async def many_at_a_time(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Runs 1 and 2 are still going, and at most 2 may at a time (finetune.concurrent): wait for one to end, or
    cancel one.
    """
    runs = here.runs()
    for epochs in (1, 2):
        await runs.prepare(here.order(hyperparameters=Hyperparameters(epochs=epochs)), silent)
    return {}


async def the_same_again(here: World, _: pytest.MonkeyPatch) -> dict[str, object]:
    """Run 1 is training small-model on Counsel:1 in just this way: wait for it, or cancel it first."""
    await here.runs().prepare(here.order(), silent)
    return {}


REASONS: list[Arrange] = [
    few,
    few_for_the_vendor,
    many_for_the_vendor,
    out_of_range,
    refused_by_the_validator,
    unconsented,
    erased,
    gone,
    of_another_workspace,
    method_elsewhere,
    method_nowhere,
    wrong_model,
    no_model,
    shut_down,
    shut_down_soon,
    not_set_up,
    many_runs,
    all_spent,
    nothing_left_and_no_price,
    many_at_a_time,
    the_same_again,
]


@pytest.mark.parametrize("arrange", REASONS, ids=lambda each: each.__name__)
async def test_a_launch_is_refused_in_one_helpful_sentence(
    here: World, monkeypatch: pytest.MonkeyPatch, arrange: Arrange
) -> None:
    """The sentence is that in the docstring of what leads to it."""
    order = here.order(**await arrange(here, monkeypatch))
    order = replace(order, dataset_number=here.dataset.number)
    runs = here.runs()
    before = await runs.listed(here.workspace_id)
    with pytest.raises(UserError) as told:
        await runs.prepare(order, silent)
    words = " ".join((arrange.__doc__ or "").split())
    # How many tokens there are depends on the tokenizer that is installed.
    assert re.sub(r"estimated at \$[\d.]+", "estimated at $N", str(told.value)) == words
    assert await runs.listed(here.workspace_id) == before
    assert not [path for path in here.folder.iterdir() if path.name.startswith("check-")]


async def test_a_model_that_ends_soon_is_launched_once_that_is_confirmed(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shut_down_soon(here, monkeypatch)
    runs = here.runs()
    draft = await runs.check(here.order(), silent)
    assert "2027-01-14" in draft.confirm
    assert draft.refusals == ()
    with pytest.raises(Confirm):
        await runs.prepare(here.order(), silent)
    assert (await runs.prepare(here.order(confirmed_shutdown=True), silent)).state == "prepared"


async def test_a_dry_run_names_all_reasons(here: World) -> None:
    here.limits, here.far.least_rows = RunLimits(runs_per_month=0, concurrent=0), 25
    draft = await here.runs().check(here.order(), silent)
    assert len(draft.refusals) == 3
    assert any("finetune.runs_per_month" in reason for reason in draft.refusals)


async def test_what_is_left_of_the_month_is_checked_with_what_runs_may_still_cost(here: World) -> None:
    here.price = 100_000.0
    runs = here.runs()
    first = await runs.prepare(here.order(hyperparameters=Hyperparameters(epochs=1)), silent)
    with pytest.raises(UserError, match="is estimated at"):
        await runs.prepare(here.order(hyperparameters=Hyperparameters(epochs=1, seed=7)), silent)
    await here.rest(runs, await runs.wish(first, "cancel"))
    second = await runs.prepare(here.order(hyperparameters=Hyperparameters(epochs=1, seed=7)), silent)
    assert second.number == first.number + 1
