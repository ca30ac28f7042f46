"""Models on this machine: tuned with TRL and PEFT in processes of their own, answering through vLLM or by transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.vendors.local.options import Options

if TYPE_CHECKING:
    from adapters.vendors.local.model import LocalModels
    from adapters.vendors.local.tuner import LocalTuner

__all__ = ["Options", "chat_model", "make_tuner"]


def make_tuner(options: Options) -> LocalTuner:
    """Fine-tuning on this machine. What is missing for it is told when a job is created."""
    from adapters.vendors.local.tuner import LocalTuner

    return LocalTuner(options)


def chat_model(options: Options) -> LocalModels:
    """The models that were tuned here, and the base models. What is missing for them is told when one is asked."""
    from adapters.vendors.local.model import LocalModels

    return LocalModels(options)
