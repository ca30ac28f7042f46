"""A small model that needs no key, no download and no GPU: it answers from examples and from pairs it was trained on."""

from __future__ import annotations

from pathlib import Path

from adapters.vendors.embedded.model import Embedded

__all__ = ["Embedded", "chat_model"]


def chat_model(models_dir: Path | None = None) -> Embedded:
    """The vendor's chat models; trained artefacts are looked for in ``models_dir``."""
    return Embedded(models_dir)
