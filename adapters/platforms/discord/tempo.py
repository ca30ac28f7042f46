"""How long the adapter waits for what; a test, or a local server, has less time than Discord."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tempo:
    """Seconds: ``touch`` between two notes of being connected, ``retry`` before the first retry and ``patience`` for all
    of them, ``nonce`` for which Discord surely knows a nonce again, ``ready`` without another server before a session
    counts as begun, ``identify`` between two sessions, ``grace`` for replies that are being given when it closes.
    """

    touch: float = 15.0
    retry: float = 1.0
    patience: float = 600.0
    nonce: float = 120.0
    ready: float = 2.0
    identify: float = 5.0
    grace: float = 120.0
