"""The truth: tables, queries, search and encryption."""
