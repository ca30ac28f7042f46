"""How far something is, drawn in characters that every platform shows."""

from __future__ import annotations

STEPS = 12


def bar(share: float) -> str:
    """The finished share, 0..1, as a bar and in percent, in Markdown."""
    share = min(1.0, max(0.0, share))
    full = round(share * STEPS)
    return f"`{'▰' * full}{'▱' * (STEPS - full)}` {share:.0%}"
