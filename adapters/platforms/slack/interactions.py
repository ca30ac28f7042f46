"""What people press, send, command and react with on Slack, handed to whoever attends to it."""

from __future__ import annotations

from collections.abc import Callable

from slack_bolt.async_app import AsyncApp

from adapters.platforms.base import Host, Place, Reply
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.people import People


def attach(
    app: AsyncApp,
    host: Host,
    options: Options,
    people: People,
    clock: Callable[[], int],
    reply_for: Callable[[Place, str, str], Reply],
) -> None:
    """Have this app serve commands, buttons, forms, reactions, shortcuts and App Home from now on.

    Call it once, after the listener for messages is registered. ``clock`` gives milliseconds since the epoch; ``reply_for``
    gives a reply in a place to the message with this key (empty: to none) for this person.
    """
