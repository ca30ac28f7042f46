"""Google: Gemini and Gemma, with a key of the Gemini API or in a project of the Agent Platform, which also tunes Gemini."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.model import Google

if TYPE_CHECKING:
    from adapters.vendors.google.tuner import GoogleTuner

__all__ = ["Endpoint", "Google", "chat_model", "make_tuner"]


def chat_model(endpoint: Endpoint) -> Google:
    """The models behind ``endpoint``; nothing is imported or connected before the first question."""
    return Google(endpoint)


def make_tuner(endpoint: Endpoint, *, adapter_size: int | None = None) -> GoogleTuner:
    """Fine-tuning in the project of ``endpoint``; nothing is imported or connected before the first request.

    An endpoint without a project, a bucket or a region is told what it lacks by ``capabilities``.
    """
    from adapters.vendors.google.tuner import GoogleTuner

    return GoogleTuner(endpoint, adapter_size=adapter_size)
