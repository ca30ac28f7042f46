"""OpenAI, and every server that speaks its chat completions: Azure, Ollama, vLLM, llama.cpp, OpenRouter and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.vendors.openai.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.vendors.openai.model import OpenAIChat
    from adapters.vendors.openai.tuner import OpenAITuner
    from adapters.vendors.tuning import Method

__all__ = ["Endpoint", "chat_model", "make_tuner"]


def chat_model(endpoint: Endpoint) -> OpenAIChat:
    """The chat models behind ``endpoint``. Raises ``NotConfigured`` when its key or its address cannot be used."""
    endpoint.check()
    # The client takes a second to import, which nobody pays who does not use this vendor.
    from adapters.vendors.openai.model import OpenAIChat

    return OpenAIChat(endpoint)


def make_tuner(endpoint: Endpoint, *, methods: Sequence[Method] = ("sft", "dpo")) -> OpenAITuner:
    """Fine-tuning behind ``endpoint``, with the ``methods`` that it knows.

    Raises ``NotConfigured`` when its key or its address cannot be used.
    """
    endpoint.check()
    from adapters.vendors.openai.tuner import OpenAITuner

    return OpenAITuner(endpoint, methods=methods)
