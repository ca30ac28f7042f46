"""How long the adapter waits for what, and how often it calls; a test, or a local server, has less time than Slack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tempo:
    """Seconds: between notes of being connected, before a retry, altogether, that a call may take, and so on.

    ``offer`` is how long a form waits for what it proposes, of the three seconds within which it has to open.
    ``starts``, ``appends`` and ``updates`` are how often Slack lets a workspace begin, continue and redraw in a
    ``minute``; final texts wait for none of them.
    """

    touch: float = 15.0
    retry: float = 1.0
    patience: float = 600.0
    call: float = 30.0
    grace: float = 120.0
    ping: float = 5.0
    offer: float = 0.8
    minute: float = 60.0
    starts: int = 20
    appends: int = 100
    updates: int = 50
