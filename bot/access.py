"""Who may do what."""

from __future__ import annotations

from adapters.platforms.base import Access, Command, Who


def refusal(command: Command, who: Who) -> str:
    """The sentence for somebody who may not give this command, empty for somebody who may."""
    if who.access >= command.access:
        return ""
    return (
        f"`/{command.name}` is for {_a(command.access)} or above; you are {_a(who.access)} here. "
        "Ask an admin of this workspace if you need it."
    )


def _a(access: Access) -> str:
    return f"{'an' if access is Access.OWNER else 'a'} {access.label}"
