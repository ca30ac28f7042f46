"""Tests with the libraries of the ``train`` extra: they are skipped where it is not installed."""
