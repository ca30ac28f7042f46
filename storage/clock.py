"""The one place that time comes from; settable in tests.

Times are integers everywhere in storage: milliseconds since the epoch, UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def _system() -> int:
    return time.time_ns() // 1_000_000


_source: Callable[[], int] = _system


def now() -> int:
    """Milliseconds since the epoch, UTC."""
    return _source()


def use(source: Callable[[], int] | None) -> None:
    """Take time from ``source`` from now on; ``None`` goes back to the system's clock."""
    global _source
    _source = source or _system
