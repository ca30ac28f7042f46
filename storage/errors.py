"""The errors of storage, one tree::

StorageError
    Unusable        the database cannot be opened, read or written: each says what to do
    Duplicate       the row is there already
    Missing         there is no such row
"""

from __future__ import annotations


class StorageError(Exception):
    """Storage did not do what was asked; ``str()`` is one sentence that can be shown to the operator."""


class Unusable(StorageError):
    """The database cannot be opened, read or written."""


class Duplicate(StorageError):
    """The row is there already."""


class Missing(StorageError):
    """There is no such row."""
