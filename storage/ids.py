"""The one place that ids come from; settable in tests.

Ids are UUIDv7 (RFC 9562) as text of 36 characters: they sort by the time they were made.
"""

from __future__ import annotations

from collections.abc import Callable

import uuid_utils


def _uuid7() -> str:
    return str(uuid_utils.uuid7())


_source: Callable[[], str] = _uuid7


def new_id() -> str:
    """A fresh id."""
    return _source()


def use(source: Callable[[], str] | None) -> None:
    """Take ids from ``source`` from now on; ``None`` goes back to UUIDv7."""
    global _source
    _source = source or _uuid7
