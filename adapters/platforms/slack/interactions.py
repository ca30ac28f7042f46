"""What people press, send, command and react with on Slack, handed to whoever attends to it."""

from __future__ import annotations

from collections.abc import Callable

from slack_bolt.async_app import AsyncApp

from adapters.platforms.base import Host, Place, Reply
from adapters.platforms.slack.sending import Wire


def attach(
    app: AsyncApp,
    host: Host,
    wire: Wire,
    clock: Callable[[], int],
    reply_for: Callable[[Place, str, str], Reply],
) -> Interactions:
    """Have this app serve commands, buttons, forms, reactions, shortcuts and App Home from now on.

    Call it once, after the listener for messages is registered. ``clock`` gives milliseconds since the epoch; ``reply_for``
    gives a reply in a place to the message with this key (empty: to none) for this person.
    """
    raise NotImplementedError


class Interactions:
    """Attends to all of it in one workspace; nothing fails without a word to the person."""

    async def typed(
        self, line: str, *, channel: str, person: str, thread: str = "", message: str = ""
    ) -> None:
        """Run what somebody said as a command: ``line`` is what ``commands.command_in`` made of it.

        ``thread`` and ``message`` are the times of the thread it stands in, if any, and of the message itself.
        """
        raise NotImplementedError
