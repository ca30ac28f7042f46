"""Fine-tuning jobs as OpenAI and its likes tell of them, as our own words; all of it only computes.

What a row holds is in OpenAI's API reference under fine-tuning; others leave fields out or spell states in their own way.
"""

from __future__ import annotations

import base64
import binascii
import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from adapters.vendors.openai.wire import number
from adapters.vendors.tuning import Checkpoint, Job, JobEvent, Method, Plan, Point, Split, Status

Row = Mapping[str, Any]

KEY: Final = "understudy_key"  # the name of our key in a job's metadata
LONGEST_KEY: Final = 512

_SUFFIX: Final = 64
_LOST: Final = {"error", "failed", "deleted", "deleting"}
_SEEDS: Final = 2**31
_TYPES: Final[Mapping[Method, str]] = {"sft": "supervised", "dpo": "dpo"}
_STATUSES: Final[Mapping[str, Status]] = {
    "validating_files": "preparing", "validating": "preparing", "created": "preparing", "preparing": "preparing",
    "initializing": "preparing", "notrunning": "preparing", "not_started": "preparing", "uploading": "preparing",
    "queued": "queued", "pending": "queued", "scheduled": "queued", "provisioning": "queued", "waiting": "queued",
    "running": "running", "training": "running", "processing": "running", "in_progress": "running",
    "resuming": "running",
    "finishing": "finishing", "finalizing": "finishing", "completing": "finishing", "deploying": "finishing",
    "evaluating": "finishing", "compressing": "finishing",
    "paused": "paused", "pausing": "paused", "pause_requested": "paused",
    "cancelling": "cancelling", "canceling": "cancelling", "cancel_requested": "cancelling",
    "cancelled": "cancelled", "canceled": "cancelled", "cancel": "cancelled", "user_cancelled": "cancelled",
    "stopped": "cancelled", "aborted": "cancelled",
    "succeeded": "succeeded", "success": "succeeded", "completed": "succeeded", "complete": "succeeded",
    "failed": "failed", "failure": "failed", "error": "failed", "expired": "failed", "deleted": "failed",
}  # fmt: skip


def method(of: Method) -> str | None:
    """What the vendor calls the method, None for one that it does not know."""
    return _TYPES.get(of)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a vendor takes hyperparameters: within ``method``, or on ``top`` as OpenAI did before it had methods, for sft.

    ``rate`` is what it calls the learning rate, and ``more`` what it has to be told beside.
    """

    top: bool = False
    rate: str = "learning_rate_multiplier"
    more: Mapping[str, object] = field(default_factory=dict[str, object])


METHOD: Final = Shape()
TOP: Final = Shape(top=True)
# Its rate is the rate itself, and without a word it trains all weights, which it does not serve by the token.
# https://docs.tokenfactory.nebius.com/api-reference/fine-tuning/create-a-fine-tuning-job
NEBIUS: Final = Shape(top=True, rate="learning_rate", more={"lora": True})


def shapes(host: str, *, certain: bool) -> tuple[Shape, ...]:
    """Those to try at a server, in this order; ``certain`` says that it takes what OpenAI takes."""
    if certain:
        return (METHOD,)
    return (NEBIUS,) if f".{host}".endswith((".nebius.com", ".nebius.ai")) else (METHOD, TOP)


def body(plan: Plan, shape: Shape = METHOD) -> dict[str, Any]:
    """What a job is created with. What is left to the vendor is left out, which is the same as its ``auto``."""
    kind, given = _TYPES[plan.method], plan.hyperparameters
    asked = {
        "n_epochs": given.epochs,
        "batch_size": given.batch_size,
        shape.rate: given.learning_rate,
        "beta": given.beta if plan.method == "dpo" else None,
        **shape.more,
    }
    chosen = {name: value for name, value in asked.items() if value is not None}
    found: dict[str, Any] = {
        "model": plan.base_model,
        "training_file": plan.train.id,
        "seed": given.seed % _SEEDS,
        "metadata": {KEY: plan.key},
    }
    if not shape.top:
        found["method"] = {"type": kind, kind: {"hyperparameters": chosen}}
    elif chosen:
        found["hyperparameters"] = chosen
    if plan.validation is not None:
        found["validation_file"] = plan.validation.id
    if name := suffix(plan.name):
        found["suffix"] = name
    return found


def suffix(name: str) -> str:
    """The part of a tuned model's name that is ours: letters, digits and dashes, at most 64; empty for none."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_SUFFIX].rstrip("-")


def file_name(key: str, split: Split) -> str:
    """The name under which a file of this key is brought, by which it is found again."""
    plain = key if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", key) else sha256(key.encode()).hexdigest()
    return f"understudy-{plain}-{split}.jsonl"


def named(row: Row, name: str) -> bool:
    """Whether a file of the vendor's has the name, folders aside."""
    return str(row.get("filename") or "").rpartition("/")[2] == name


def same(row: Row, name: str, size: int) -> bool:
    """Whether a file of the vendor's is the one of this name and size (in bytes), and whole."""
    there = row.get("bytes")
    whole = not isinstance(there, int) or there <= 0 or there == size
    return named(row, name) and whole and str(row.get("status") or "").lower() not in _LOST


def key(row: Row) -> str:
    """Our key in a job's metadata, empty when it is not there."""
    metadata = row.get("metadata")
    return str(metadata.get(KEY) or "") if isinstance(metadata, Mapping) else ""


def status(said: object) -> Status:
    """Ours for the vendor's word; one that nobody knows is that of a job that goes on."""
    word = re.sub(r"[\s-]+", "_", str(said or "").strip().lower()).removeprefix("job_state_")
    return _STATUSES.get(word, "running")


def job(row: Row, *, named: bool, done: float | None = None, checkpoints: Sequence[Checkpoint] = ()) -> Job:
    """A job; ``named`` says that the vendor names each tuned model: one that has succeeded without is not quite done."""
    said, now = str(row.get("status") or ""), status(row.get("status"))
    model = str(row.get("fine_tuned_model") or "")
    if now == "succeeded" and not model:
        model = checkpoints[-1].model if checkpoints and not named else ""
        now = "finishing" if named else now
    ended = now in {"succeeded", "failed", "cancelled"}
    ends_at = number(row.get("estimated_finish")) * 1000
    return Job(
        id=str(row["id"]),
        status=now,
        said=said,
        model=model if now == "succeeded" else "",
        done=1.0 if now == "succeeded" else done,
        ends_at=ends_at if ends_at and not ended else None,
        trained_tokens=number(row.get("trained_tokens")) or None,
        error=_error(row.get("error")) if now in {"failed", "cancelled"} else "",
        checkpoints=tuple(checkpoints),
    )


def _error(value: object) -> str:
    if not isinstance(value, Mapping):
        return " ".join(str(value or "").split())
    message = " ".join(str(value.get("message") or "").split())
    about = [str(value[name]) for name in ("code", "param") if value.get(name)]
    return f"{message} ({', '.join(about)})" if message and about else message or ", ".join(about)


def checkpoint(row: Row) -> Checkpoint:
    """A checkpoint; its loss is that on the whole validation set, else the next best that is told."""
    metrics = row.get("metrics")
    told: Row = metrics if isinstance(metrics, Mapping) else {}
    losses = (_real(told.get(name)) for name in ("full_valid_loss", "valid_loss", "train_loss"))
    loss = next((loss for loss in losses if loss is not None), None)
    return Checkpoint(str(row["fine_tuned_model_checkpoint"]), number(row.get("step_number")), loss)


def events(rows: Sequence[Row]) -> list[JobEvent]:
    """Oldest first, of rows in the order of a listing, which is newest first unless its times say otherwise."""
    ordered = list(rows) if ascending(rows) else list(rows)[::-1]
    ordered.sort(key=lambda row: number(row.get("created_at")))
    return [_event(row) for row in ordered]


def ascending(rows: Sequence[Row]) -> bool:
    """Whether a listing begins with what is oldest."""
    return len(rows) > 1 and number(rows[0].get("created_at")) < number(rows[-1].get("created_at"))


def _event(row: Row) -> JobEvent:
    at, message = number(row.get("created_at")) * 1000, str(row.get("message") or "")
    word = str(row.get("level") or "info").lower()
    level = "error" if word == "error" else "warning" if word.startswith("warn") else "info"
    return JobEvent(str(row.get("id") or f"{at}:{message}"), at, message, level)


def done(rows: Sequence[Row]) -> float | None:
    """The finished share by what the events tell of steps, None when none does."""
    shares: list[float] = []
    for row in rows:
        data = row.get("data")
        told: Row = data if isinstance(data, Mapping) else {}
        step, of = _real(told.get("step")), _real(told.get("total_steps"))
        if step is not None and of:
            shares.append(min(1.0, max(0.0, step / of)))
    return max(shares, default=None)


def points_of_events(rows: Sequence[Row]) -> list[Point]:
    """The losses that events tell while a job runs."""
    return _points([row["data"] for row in rows if isinstance(row.get("data"), Mapping)])


def points_of_results(content: bytes) -> list[Point] | None:
    """The losses in a result file, in base64 as it comes at times; None when it is no table of losses."""
    for data in (content, _decoded(content)):
        lines = data.decode("utf-8-sig", "replace").splitlines()
        if lines and "step" in (heads := [head.strip() for head in lines[0].split(",")]) and len(heads) > 1:
            return _points(list(csv.DictReader(lines[1:], heads)))
    return None


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content.strip().strip(b'"'), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _points(rows: Sequence[Row]) -> list[Point]:
    found: dict[tuple[int, Split], Point] = {}
    columns: tuple[tuple[Split, tuple[str, ...], tuple[str, ...]], ...] = (
        ("train", ("train_loss",), ("train_accuracy", "train_mean_token_accuracy")),
        (
            "validation",
            ("valid_loss", "full_valid_loss"),
            ("valid_mean_token_accuracy", "full_valid_mean_token_accuracy", "valid_accuracy"),
        ),
    )
    for row in rows:
        step = _real(row.get("step"))
        if step is None or step < 1:
            continue
        for split, losses, accuracies in columns:
            loss, accuracy = _first(row, losses), _first(row, accuracies)
            if loss is not None:
                fit = accuracy if accuracy is not None and 0 <= accuracy <= 1 else None
                found[int(step), split] = Point(int(step), split, loss, fit, _real(row.get("epoch")))
    return [found[place] for place in sorted(found)]


def _first(row: Row, names: Sequence[str]) -> float | None:
    return next((value for name in names if (value := _real(row.get(name))) is not None), None)


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
