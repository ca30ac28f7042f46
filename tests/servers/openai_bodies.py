"""The objects of fine-tuning as OpenAI's contract has them, pages of them, and the forms that files come in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

Object = dict[str, Any]


def created(id: str, body: Object, at: int, *, keeps_metadata: bool) -> Object:
    """The job that comes of ``body`` at a time in seconds."""
    method: Object = body.get("method", {"type": "supervised"})
    given: Object = method.get(method["type"], body).get("hyperparameters", {})
    chosen: Object = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 2.0}
    chosen |= {"beta": 0.1} if method["type"] == "dpo" else {}
    chosen |= {name: value for name, value in given.items() if value != "auto"}
    return {
        "object": "fine_tuning.job",
        "id": id,
        "model": body["model"],
        "created_at": at,
        "finished_at": None,
        "fine_tuned_model": None,
        "organization_id": "org-1",
        "result_files": [],
        "status": "validating_files",
        "validation_file": body.get("validation_file"),
        "training_file": body["training_file"],
        "hyperparameters": {name: value for name, value in chosen.items() if name != "beta"},
        "trained_tokens": None,
        "error": None,
        "seed": body.get("seed") or 0,
        "estimated_finish": None,
        "integrations": [],
        "metadata": body.get("metadata") if keeps_metadata else None,
        "method": {"type": method["type"], method["type"]: {"hyperparameters": chosen}},
    }


def checkpoint(id: str, job: str, model: str, step: int, at: int) -> Object:
    """A checkpoint of a job, with the losses at its step."""
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": id,
        "created_at": at,
        "fine_tuned_model_checkpoint": model,
        "fine_tuning_job_id": job,
        "step_number": step,
        "metrics": {"step": step, "train_loss": 2 / step, "full_valid_loss": 2.3 / step,
                    "full_valid_mean_token_accuracy": 0.4},
    }  # fmt: skip


def page(request: web.Request, found: Sequence[Object], usual: int) -> Object:
    """The page that ``after`` and ``limit`` ask for."""
    after, limit = request.query.get("after"), int(request.query.get("limit", usual))
    ids = [each["id"] for each in found]
    first = ids.index(after) + 1 if after in ids else 0
    return {
        "object": "list",
        "data": list(found[first : first + limit]),
        "has_more": first + limit < len(found),
    }


def form(content_type: str, raw: bytes) -> dict[str, tuple[str, bytes]]:
    """The parts of a form by name, each with its file name and its bytes as they came."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    found: dict[str, tuple[str, bytes]] = {}
    for part in raw.split(b"--" + boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        text = head.decode()
        name = re.search(r'[; ]name="([^"]*)"', text)
        file = re.search(r'filename="([^"]*)"', text)
        found[name.group(1) if name else ""] = (file.group(1) if file else "", data.removesuffix(b"\r\n"))
    return found
