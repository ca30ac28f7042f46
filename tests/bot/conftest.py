"""A fresh database for each test of the application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty, open SQLite database: that both databases do the same is for the tests of storage to show."""
    opened = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'understudy.db'}")
    yield opened
    await opened.close()
