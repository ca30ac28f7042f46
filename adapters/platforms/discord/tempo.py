"""How long the adapter waits for what; a test, or a local server, has less time than Discord."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tempo:
    """Seconds: between notes of being connected, before a retry, altogether, that Discord knows a nonce again, and so on."""

    touch: float = 15.0
    retry: float = 1.0
    patience: float = 600.0
    nonce: float = 120.0
    ready: float = 2.0
    identify: float = 5.0
    grace: float = 120.0
