"""Errors that are ours: logged under a reference, told in one sentence."""

from __future__ import annotations

import structlog

from storage.ids import new_id


def report(error: Exception) -> str:
    """Log an error that is ours, and say so in one sentence."""
    if not structlog.is_configured():  # before there is a log, the sentence has to carry what is known
        return f"Understudy could not start: {type(error).__name__}: {error}."
    reference = new_id()[-8:]
    structlog.get_logger().error("failed", reference=reference, exc_info=error)
    return f"Something went wrong on our side; the log has it under the reference {reference}."
