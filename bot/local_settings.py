"""What each training job of this machine is given, where ``/finetune launch`` does not say it: keys of its ``job.json``.

adapters/vendors/local/train.py has their meanings and defaults, under DEFAULTS. What is left out stays at these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]

_strict = with_config(ConfigDict(extra="forbid"))


@_strict
class LoraSettings(TypedDict, total=False):
    """The shape of the adapters."""

    r: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: str | list[str]


@_strict
class JobSettings(TypedDict, total=False):
    """How local jobs train. Rates are those of the optimizer, ``batch_size`` counts rows on all devices together."""

    loss: Literal["reply", "assistant"]
    epochs: Count
    batch_size: Count
    micro_batch: Count
    learning_rate: Positive
    beta: Positive
    lora: LoraSettings
    merge: bool
    device: Literal["auto", "cpu"]
    processes: Count
    checkpoints: Count
    save_seconds: Positive
    evaluations: Count
    gradient_checkpointing: bool
