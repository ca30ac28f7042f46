"""Databases for the tests of this floor."""

from tests.databases import database, empty_postgres, empty_sqlite

__all__ = ["database", "empty_postgres", "empty_sqlite"]
