"""The rows of a dataset on their way into the database, and out of it again where nothing comes of them.

All of it goes in steps, so that nobody who talks to an avatar waits for more than one of these.
"""

from __future__ import annotations

from typing import Final

from storage import datasets
from storage.database import Database

LINES: Final = 200
"""Rows that are written in one commit."""


async def discard(database: Database, number: int) -> None:
    """Take away a dataset, or what there is of one that is not finished."""
    while not await database.write(lambda tx: datasets.abandon(tx, number)):
        pass
