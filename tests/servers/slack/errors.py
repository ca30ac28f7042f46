"""What the Web API refuses, and what people cannot do."""

from __future__ import annotations

from typing import Any


class NotPossible(AssertionError):
    """Slack's client would not let a person do this."""


class Refused(Exception):
    """The Web API answers ``ok: false`` with this error; ``more`` stands beside it in the answer."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


def invalid(error: str, *messages: str, plural: bool = False) -> Refused:
    """A refusal that says what is wrong where, as for blocks and arguments."""
    more: dict[str, Any] = {"response_metadata": {"messages": [f"[ERROR] {one}" for one in messages]}}
    if plural:
        more["errors"] = list(messages)
    return Refused(error, **more)
