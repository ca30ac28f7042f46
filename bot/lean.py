"""Import this before anything that imports structlog, where the time to start counts.

structlog imports rich when it finds it, for tracebacks in colour that our log does not use: a tenth of a second for a
reply that takes hardly longer.
"""

from __future__ import annotations

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # pyright: ignore[reportArgumentType] - Python's own sign for "not to be found"
    try:
        import structlog as structlog
    finally:
        del sys.modules["rich"]
