"""Before a training run: what an order comes to, and whether it may be launched."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from adapters.platforms.base import Progress, UserError
from adapters.vendors.base import VendorError
from adapters.vendors.tuning import BaseModel, Capabilities, Hyperparameters, TrainingFile, Tuner
from storage import clock, datasets, ids, runs, statistics
from storage.database import Database, Tx
from storage.datasets import Dataset
from storage.errors import Missing
from storage.runs import NewRun, Run, Totals
from training import refusals
from training.cost import BasePrice, Estimate, MonthlyUse, Plan, TuningPrice, estimate, monthly_use
from training.handover import Exported, export, may_leave
from training.refusals import RunLimits
from training.rows import Method, Split

_MONTH_MS: Final = 30 * 86_400_000
_ASKED_SECONDS: Final = 10.0  # other vendors are only asked to be named in a refusal


class Confirm(UserError):
    """It can be done, but wants to be confirmed once more; ``str()`` says why, and ``base_model`` what is trained."""

    def __init__(self, why: str, base_model: str) -> None:
        super().__init__(why)
        self.base_model = base_model


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model costs before and after tuning, as far as is known."""

    base: BasePrice | None = None
    tuning: TuningPrice = field(default_factory=TuningPrice)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained on what, by whom, from where.

    An empty ``base_model`` is the vendor's first for the dataset's method. ``place`` is kept as it is, for whoever tells of
    the run; it names nobody. Two orders with the same ``once``, such as the id of a click, are one run.
    """

    workspace_id: str
    dataset_number: int
    vendor: str
    base_model: str = ""
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    person_id: str | None = None
    place: Mapping[str, Any] = field(default_factory=dict[str, Any])
    confirmed_shutdown: bool = False
    once: str = ""

    def key(self) -> str:
        """What the run is called at the vendor; another one each time without ``once``."""
        if not self.once:
            return ids.new_id()
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.workspace_id} {self.once}"))


@dataclass(frozen=True, slots=True)
class Draft:
    """What an order comes to. Nothing was launched.

    ``refusals`` are all reasons why it would not be; ``confirm`` is why it would have to be confirmed once more, empty
    without a reason. ``unfit`` counts the rows that the vendor's format cannot carry, by reason. ``spent`` is this month's.
    """

    order: Order
    dataset: Dataset
    base_model: BaseModel
    capabilities: Capabilities
    format: str
    files: tuple[TrainingFile, ...]
    unfit: Mapping[str, int]
    estimate: Estimate
    spent: Totals
    refusals: tuple[str, ...]
    confirm: str


class Orders:
    """Checks orders. ``vendors`` are those that train here; ``prices`` tells what a model of a vendor costs.

    ``host`` has the runs of vendors that train on the machine that asks.
    """

    def __init__(
        self,
        database: Database,
        tuners: Callable[[str], Tuner],
        limits: RunLimits,
        vendors: Sequence[str],
        prices: Callable[[str, str], Prices],
        host: str,
    ) -> None:
        self._database = database
        self._tuners = tuners
        self._limits = limits
        self._vendors = tuple(vendors)
        self._prices = prices
        self._host = host

    async def draft(self, order: Order, folder: Path, progress: Progress) -> Draft:
        """What the order comes to; its files are in ``folder`` then. Raises ``UserError`` where that cannot be told."""
        dataset, spent, going = await self._database.read(lambda tx: _standing(tx, order))
        use = await self._database.read(lambda tx: _use(tx, dataset.avatar_id))
        try:
            tuner = self._tuners(order.vendor)
            can = await tuner.capabilities()
        except VendorError as error:
            raise UserError(f"{order.vendor} cannot train now: {error}") from error
        base, method = await self._base_model(order, dataset, can)
        exported = await export(self._database, dataset, can.formats[method], folder, progress)
        files = training_files(exported)
        reckoned = await self._reckon(order, base, can, files, use, tuner)
        rows = next((file.rows for file in files if file.split == "train"), 0)
        end, ended = refusals.shutdown(base, order.vendor)
        wanted = asdict(order.hyperparameters)
        least = (self._limits.minimum, can.least_rows)
        found = [
            *refusals.rows_refused(dataset, order.vendor, rows, *least, exported),
            *refusals.too_many(dataset, order.vendor, rows, can.most_rows),
            *refusals.out_of_range(order.hyperparameters, order.vendor, can.ranges),
            *([end] if ended else []),
            *refusals.the_same(dataset, order.vendor, base.name, wanted, going),
            *refusals.over_limits(self._limits, reckoned.training, spent, going),
        ]
        return Draft(
            order=order,
            dataset=dataset,
            base_model=base,
            capabilities=can,
            format=can.formats[method],
            files=files,
            unfit=dict(exported.unfit),
            estimate=reckoned,
            spent=spent,
            refusals=tuple(found),
            confirm="" if ended else end,
        )

    def placed(self, tx: Tx, draft: Draft, key: str) -> tuple[Run, bool]:
        """The order as a run, unless that is one too many meanwhile; or the one of this key, and that it is not new.

        Raises ``UserError``. What was counted stays so until the transaction ends.
        """
        runs.one_at_a_time(tx)
        if (there := runs.by_key(tx, key)) is not None:
            return there, False
        order, base = draft.order, draft.base_model.name
        dataset, spent, going = _standing(tx, order)
        wanted = asdict(order.hyperparameters)
        for reason in (
            *refusals.the_same(dataset, order.vendor, base, wanted, going),
            *refusals.over_limits(self._limits, draft.estimate.training, spent, going),
        ):
            raise UserError(reason)
        made = runs.create(
            tx,
            NewRun(
                workspace_id=order.workspace_id,
                avatar_id=dataset.avatar_id,
                dataset_number=dataset.number,
                vendor=order.vendor,
                method=dataset.method,
                base_model=base,
                key=key,
                hyperparameters=wanted,
                estimate=asdict(draft.estimate),
                expected=draft.estimate.training,
                files=[written(file) for file in draft.files],
                person_id=order.person_id,
                host=self._host if draft.capabilities.here else "",
                place=order.place,
            ),
        )
        return made, True

    async def _base_model(
        self, order: Order, dataset: Dataset, can: Capabilities
    ) -> tuple[BaseModel, Method]:
        method = dataset.method
        if method not in can.methods or method not in can.formats:
            others = await self._who_trains(method, order.vendor)
            raise UserError(refusals.wrong_method(dataset, order.vendor, can.methods, others))
        fit = [model for model in can.base_models if method in model.methods]
        for model in fit:
            if order.base_model in ("", model.name):
                return model, method
        names = [model.name for model in fit]
        raise UserError(refusals.wrong_model(order.vendor, order.base_model, method, names))

    async def _who_trains(self, method: str, but: str) -> list[str]:
        async def trains(vendor: str) -> bool:
            try:
                async with asyncio.timeout(_ASKED_SECONDS):
                    return method in (await self._tuners(vendor).capabilities()).methods
            except (VendorError, TimeoutError):
                return False  # whoever cannot be asked is not recommended

        others = [vendor for vendor in self._vendors if vendor != but]
        answers = await asyncio.gather(*(trains(vendor) for vendor in others))
        return [vendor for vendor, yes in zip(others, answers, strict=True) if yes]

    async def _reckon(
        self,
        order: Order,
        base: BaseModel,
        can: Capabilities,
        files: Sequence[TrainingFile],
        use: MonthlyUse,
        tuner: Tuner,
    ) -> Estimate:
        limits, prices = self._limits, self._prices(order.vendor, base.name)
        of: dict[Split, TrainingFile] = {file.split: file for file in files}
        train, check = of.get("train"), of.get("validation")
        reckoned = estimate(
            Plan(
                rows=train.rows if train else 0,
                train_tokens=train.tokens if train else 0,
                validation_tokens=check.tokens if check else 0,
                today=refusals.today(),
                epochs=order.hyperparameters.epochs,
                base=prices.base,
                tuning=prices.tuning,
                use=use,
                shutdown_date=base.shutdown_date,
                free=can.free,
                minimum=limits.minimum,
                eligible=limits.eligible,
                recommended=limits.recommended,
            )
        )
        if train is None:
            return reckoned
        try:
            needed = await tuner.seconds(train, order.hyperparameters, base.name)
        except VendorError:
            needed = None  # an estimate is worth having without it
        return reckoned if needed is None else replace(reckoned, seconds=needed)


def training_files(exported: Exported) -> tuple[TrainingFile, ...]:
    """The written files as a vendor is given them."""
    splits: list[Split] = [split for split in ("train", "validation") if exported.rows[split]]
    return tuple(
        TrainingFile(path, split, verdict.lines, verdict.tokens, path.stat().st_size)
        for split, path, verdict in zip(splits, exported.files, exported.verdicts, strict=False)
    )


def written(file: TrainingFile) -> dict[str, Any]:
    """A file as a run keeps it."""
    kept = {"split": file.split, "name": file.path.name}
    return {**kept, "rows": file.rows, "tokens": file.tokens, "bytes": file.bytes}


def _standing(tx: Tx, order: Order) -> tuple[Dataset, Totals, list[Run]]:
    """The dataset, which may be used; what the workspace has spent this month, and has going."""
    try:
        dataset = datasets.by_number(tx, order.dataset_number)
    except Missing:
        dataset = None
    if dataset is None or dataset.workspace_id != order.workspace_id:
        raise UserError("That dataset is not there (any more); `/finetune datasets` lists those that are.")
    may_leave(tx, dataset)
    spent = runs.totals(tx, order.workspace_id, refusals.month_begin())
    return dataset, spent, runs.unended(tx, order.workspace_id)


def _use(tx: Tx, avatar_id: str | None) -> MonthlyUse:
    """What the avatar is asked in a month."""
    if avatar_id is None:
        return MonthlyUse()
    seen = statistics.traffic(tx, avatar_id, clock.now() - _MONTH_MS)
    return monthly_use(seen.exchanges, seen.tokens_in, seen.tokens_out, seen.sampled, seen.shown)
