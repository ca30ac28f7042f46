"""Tests of imports and exports run on both databases."""

from tests.databases import database, empty_postgres, empty_sqlite

__all__ = ["database", "empty_postgres", "empty_sqlite"]
