"""Tests of the platforms people talk on."""
