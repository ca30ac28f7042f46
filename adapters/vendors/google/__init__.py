"""Google: Gemini and Gemma, with a key of the Gemini API or in a project of the Agent Platform."""

from __future__ import annotations

from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.model import Google

__all__ = ["Endpoint", "Google", "chat_model"]


def chat_model(endpoint: Endpoint) -> Google:
    """The models behind ``endpoint``; nothing is imported or connected before the first question."""
    return Google(endpoint)
