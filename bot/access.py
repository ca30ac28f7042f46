"""Who may do what."""

from __future__ import annotations

from adapters.platforms.base import Command, Who


def refusal(command: Command, who: Who) -> str:
    """The sentence for somebody who may not give this command, empty for somebody who may."""
    if who.access >= command.access:
        return ""
    return (
        f"`/{command.name}` is for a {command.access.label} or above; you are a {who.access.label} here. "
        "Ask an admin of this workspace if you need it."
    )
