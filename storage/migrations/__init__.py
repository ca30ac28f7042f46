"""Alembic migrations. ``HEAD`` is the newest revision: one SELECT tells whether a migration is due."""

HEAD = "0011"
