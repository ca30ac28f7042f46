"""``Options``: where jobs are kept, which models can be tuned, and who serves them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

VENDOR: Final = "local"


@dataclass(frozen=True, slots=True)
class Options:
    """How models on this machine are tuned and asked.

    ``root`` holds a folder for each job. ``models`` are the base models: a name for people, and a folder or a name in the
    cache of Hugging Face. ``python`` is the interpreter that trains; it has what the extra ``train`` installs. ``at_once``
    jobs run at a time, others wait. A process that dies without a word is started again ``restarts`` times. ``job`` holds
    keys of job.json for every job (adapters/vendors/local/train.py lists them under DEFAULTS).

    With ``serve_url`` models answer through the OpenAI-compatible server there (``http://host:8000/v1``), to which
    ``adapters="vllm"`` brings an adapter when it is first asked for; with ``adapters="none"`` it has them already, under our
    names. Without, they answer in this process. ``serve_folder`` is ``root`` as that server sees it, where it is another.
    Lengths are in tokens.
    """

    root: Path
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str = sys.executable
    at_once: int = 1
    restarts: int = 3
    job: Mapping[str, object] = field(default_factory=dict[str, object])
    max_length: int = 2048
    serve_url: str = ""
    serve_key: str = field(default="", repr=False)
    serve_folder: str = ""
    adapters: Literal["vllm", "none"] = "vllm"
    context_tokens: int = 4096
