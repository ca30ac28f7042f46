"""Memory that is not needed any more and that the C library would keep."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Let the system have what is free. Only glibc keeps so much that it is worth asking: arrays of megabytes."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
