"""Tuning jobs as the Agent Platform tells of them, as our own words; all of it only computes.

What a job holds is in Google's reference under projects.locations.tuningJobs, what its curves are called in the guides to
supervised and to preference tuning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from adapters.vendors.tuning import Checkpoint, Job, JobEvent, Method, Plan, Point, Split, Status

if TYPE_CHECKING:
    import datetime

    from google.genai.types import CreateTuningJobConfig, TuningJob

KEY: Final = "understudy_key"  # the name of our key among a job's labels
ADAPTER_SIZES: Final[Mapping[int, str]] = {
    1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO",
}  # fmt: skip
METHODS: Final[Mapping[Method, str]] = {"sft": "SUPERVISED_FINE_TUNING", "dpo": "PREFERENCE_TUNING"}

_NAME: Final = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/tuningJobs/[\w-]+")
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_LONGEST_NAME: Final = 128
_STATUSES: Final[Mapping[str, Status]] = {
    "QUEUED": "queued", "PENDING": "preparing", "UPDATING": "running", "PAUSED": "paused",
    "SUCCEEDED": "succeeded", "PARTIALLY_SUCCEEDED": "succeeded", "FAILED": "failed", "EXPIRED": "failed",
    "CANCELLING": "cancelling", "CANCELLED": "cancelled",
}  # fmt: skip
_STAGES: Final[Mapping[str, Status]] = {  # of a job that runs
    "WAITING_FOR_QUOTA": "queued", "WAITING_FOR_CAPACITY": "queued", "PROCESSING_DATASET": "preparing",
    "TUNING": "running", "POST_PROCESSING": "finishing",
}  # fmt: skip
_LOSSES: Final[Mapping[str, Split]] = {
    "train_total_loss": "train", "preference_optimization_train_loss": "train", "eval_total_loss": "validation",
}  # fmt: skip
_ACCURACIES: Final[Mapping[str, Split]] = {
    "train_fraction_of_correct_next_step_preds": "train",
    "eval_fraction_of_correct_next_step_preds": "validation",
}
_REASONS_SHOWN: Final = 3


def is_name(job_id: str) -> bool:
    """Whether this can be the name of a job."""
    return _NAME.fullmatch(job_id) is not None


def label(key: str) -> str:
    """Our key as the value of a label: small letters, digits, ``_`` and ``-``, 63 at most; a hash where it is none."""
    return key if _LABEL.fullmatch(key) else sha256(key.encode()).hexdigest()[:63]


def object_name(key: str, split: Split) -> str:
    """The name of the object that holds the file of this key, by which it is found again."""
    plain = key if _PLAIN.fullmatch(key) else sha256(key.encode()).hexdigest()
    return f"understudy/{plain}/{split}.jsonl"


def config(plan: Plan, adapter_size: int | None) -> CreateTuningJobConfig:
    """What a job is created with. What is left to the service is left out."""
    from google.genai import types

    given = plan.hyperparameters
    size = ADAPTER_SIZES.get(adapter_size or 0)
    validation = plan.validation
    return types.CreateTuningJobConfig(
        method=types.TuningMethod(METHODS[plan.method]),
        validation_dataset=types.TuningValidationDataset(gcs_uri=validation.id) if validation else None,
        tuned_model_display_name=plan.name[:_LONGEST_NAME] or None,
        epoch_count=given.epochs,
        learning_rate_multiplier=given.learning_rate,
        adapter_size=types.AdapterSize(f"ADAPTER_SIZE_{size}") if size else None,
        beta=given.beta if plan.method == "dpo" else None,
        labels={KEY: label(plan.key)},
    )


def said(row: TuningJob) -> str:
    """The service's word for the job's state: of a job that runs the stage it is in, where that is told."""
    state = _word(row.state, "JOB_STATE_")
    stage = _word(row.tuning_job_state, "TUNING_JOB_STATE_")
    return stage if state == "RUNNING" and stage not in {"", "UNSPECIFIED"} else state


def status(row: TuningJob) -> Status:
    """Ours for it; a word that nobody knows is that of a job that goes on."""
    state = _word(row.state, "JOB_STATE_")
    if state in {"", "UNSPECIFIED"}:
        return "preparing"
    if state == "RUNNING":
        return _STAGES.get(said(row), "running")
    found: Status = _STATUSES.get(state, "running")
    if found == "succeeded" and not _model(row):
        # A part of a success that left no model is none; a whole one will name it.
        return "failed" if state == "PARTIALLY_SUCCEEDED" else "finishing"
    return found


def job(row: TuningJob) -> Job:
    """The job of a row that has a name."""
    now = status(row)
    return Job(
        id=row.name or "",
        status=now,
        said=said(row),
        model=_model(row) if now == "succeeded" else "",
        done=1.0 if now == "succeeded" else _done(row) if now == "running" else None,
        trained_tokens=_tokens(row),
        error=_error(row) if now == "failed" else "",
        checkpoints=_checkpoints(row) if now in {"succeeded", "failed", "cancelled"} else (),
    )


def events(row: TuningJob) -> list[JobEvent]:
    """What a job's times and statistics tell: the service keeps no events. Oldest first, each with an id of its own."""
    made, started, ended = (_milliseconds(at) for at in (row.create_time, row.start_time, row.end_time))
    found: list[JobEvent] = []
    if made is not None:
        found.append(
            JobEvent("1-created", made, f"The job to tune {row.base_model or 'a tuned model'} was created.")
        )
    if started is not None:
        found.append(JobEvent("2-started", started, "The job started."))
        if told := _dataset(row):
            words, complains = told
            found.append(JobEvent("3-dataset", started, words, "warning" if complains else "info"))
    if ended is not None:
        now = status(row)
        words = (
            f"The job failed: {_error(row)}." if now == "failed" else f"The job ended: {said(row).lower()}."
        )
        found.append(JobEvent("4-ended", ended, words, "error" if now == "failed" else "info"))
    return found


def tensorboard(context: object, experiment: str) -> str:
    """What holds the curves in a TensorBoard, by the ``context`` that a job names as its ``experiment``; else empty."""
    metadata = context.get("metadata") if isinstance(context, Mapping) else None
    board = metadata.get("backing_tensorboard_resource") if isinstance(metadata, Mapping) else None
    return f"{board}/experiments/{experiment.rpartition('/')[2]}" if isinstance(board, str) and board else ""


def curves(series: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of the time series of a run those that we show: their resource names, with what they are called."""
    known = {*_LOSSES, *_ACCURACIES}
    called = {str(one.get("name")): str(one.get("displayName") or "").lstrip("/") for one in series}
    return {name: title for name, title in called.items() if title in known}


def points(data: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[Point]:
    """The losses in what was read of time series, by step; ``titles`` has what each, by its last name, is called."""
    losses: dict[tuple[int, Split], float] = {}
    accuracies: dict[tuple[int, Split], float] = {}
    for one in data:
        title = titles.get(str(one.get("tensorboardTimeSeriesId") or "").rpartition("/")[2], "")
        split, found = _LOSSES.get(title), losses
        if split is None:
            split, found = _ACCURACIES.get(title), accuracies
        for value in one.get("values") or () if split is not None else ():
            # A 64-bit number travels as text, and 0 is left out.
            step, number = str(value.get("step") or "0"), (value.get("scalar") or {}).get("value")
            at = int(step) if step.isdecimal() else -1
            if at >= 0 and isinstance(number, int | float) and math.isfinite(number) and split is not None:
                found[at, split] = float(number)
    # Some curves begin with step 0, ours with 1.
    shift = 1 if any(at == 0 for at, _ in losses) else 0
    return [
        Point(at + shift, split, losses[at, split], _share(accuracies.get((at, split))))
        for at, split in sorted(losses)
    ]


def _word(value: Any, prefix: str) -> str:
    """The word of a state, as text: the client knows today's, and makes a new one up for each that it does not."""
    return str(getattr(value, "value", value) or "").upper().removeprefix(prefix)


def _model(row: TuningJob) -> str:
    if row.tuned_model is None:
        return ""
    if row.tuned_model.endpoint:
        return row.tuned_model.endpoint
    checkpoints = _checkpoints(row)
    return checkpoints[-1].model if checkpoints else ""


def _checkpoints(row: TuningJob) -> tuple[Checkpoint, ...]:
    """Those that can answer, in order; the service tells a step, or only an epoch."""
    rows = (row.tuned_model.checkpoints if row.tuned_model else None) or []
    found = {one.step or one.epoch or 0: one.endpoint for one in rows if one.endpoint}
    return tuple(Checkpoint(found[step], step) for step in sorted(found))


def _error(row: TuningJob) -> str:
    message = " ".join(((row.error.message if row.error else "") or "").split()).rstrip(".")
    if message:
        return message
    if _word(row.state, "JOB_STATE_") == "EXPIRED":
        return "it took longer than the service allows"
    if _word(row.state, "JOB_STATE_") == "PARTIALLY_SUCCEEDED":
        return "it succeeded only in part and left no model"
    return "the service gave no reason"


def _statistics(row: TuningJob) -> Any:
    stats = row.tuning_data_stats
    if stats is None:
        return None
    return stats.supervised_tuning_data_stats or stats.preference_optimization_data_stats


def _epochs(row: TuningJob) -> int | None:
    spec = row.supervised_tuning_spec or row.preference_optimization_spec
    given = spec.hyper_parameters if spec else None
    return given.epoch_count if given else None


def _tokens(row: TuningJob) -> int | None:
    """Billed are the tokens of the dataset once for each epoch."""
    stats = _statistics(row)
    counted = stats.total_billable_token_count if stats else None
    return counted * (_epochs(row) or 1) if counted else None


def _done(row: TuningJob) -> float | None:
    told, stats, epochs = row.tuning_job_metadata, _statistics(row), _epochs(row)
    if told is None:
        return None
    steps = stats.tuning_step_count if stats else None
    if told.completed_step_count is not None and steps:
        return min(1.0, told.completed_step_count / steps)
    if told.completed_epoch_count is not None and epochs:
        return min(1.0, told.completed_epoch_count / epochs)
    return None


def _dataset(row: TuningJob) -> tuple[str, bool] | None:
    """What the service found in the training file, and whether it complains."""
    stats = _statistics(row)
    if stats is None or not stats.tuning_dataset_example_count:
        return None
    words = f"The dataset has {stats.tuning_dataset_example_count} examples"
    if stats.total_billable_token_count:
        words += f" with {stats.total_billable_token_count} billable tokens"
    if stats.tuning_step_count:
        words += f", which take {stats.tuning_step_count} steps"
    cut = getattr(stats, "total_truncated_example_count", None) or 0
    reasons = list(dict.fromkeys(stats.dropped_example_reasons or ()))
    if cut:
        words += f"; {cut} were too long and were cut"
    if reasons:
        words += "; some were dropped: " + "; ".join(
            " ".join(one.split()) for one in reasons[:_REASONS_SHOWN]
        )
    return words.rstrip(".") + ".", bool(cut or reasons)


def _milliseconds(at: datetime.datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _share(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 1 else None
