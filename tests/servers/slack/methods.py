"""Every method that the Web API knows, and the addresses beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.slack import (
    methods_agents,
    methods_chat,
    methods_people,
    methods_places,
    methods_streams,
    methods_views,
)
from tests.servers.slack.methods_files import Files
from tests.servers.slack.responses import Responses

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer

MODULES = (
    methods_agents,
    methods_chat,
    methods_people,
    methods_places,
    methods_streams,
    methods_views,
)


def routes(world: SlackServer) -> None:
    """Serve files and the addresses for later answers."""
    Files(world)
    Responses(world)
