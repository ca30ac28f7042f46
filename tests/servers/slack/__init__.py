"""A local Slack that the real bolt and SDK connect to: Web API, socket mode, HTTP delivery, and people who use it.

>>> world = SlackServer(bot_token="xoxb-1", app_token="xapp-1", signing_secret="secret")
>>> birds = world.team()
>>> general = birds.channel("general")
>>> ada = birds.member("Ada")

``async with world`` starts it; ``await ada.says(general, "hello", mention=world.bot)`` is heard by the app, and
``await world.until(lambda: general.of(world.bot))`` waits for what it says. ``general.transcript()`` shows the talk.
"""

from __future__ import annotations

from tests.servers.slack.errors import NotPossible
from tests.servers.slack.interactions import Interaction
from tests.servers.slack.messages import File, Message
from tests.servers.slack.people import Member
from tests.servers.slack.server import SlackServer
from tests.servers.slack.teams import Channel, Team, User, UserGroup
from tests.servers.slack.views import View

__all__ = [
    "Channel",
    "File",
    "Interaction",
    "Member",
    "Message",
    "NotPossible",
    "SlackServer",
    "Team",
    "User",
    "UserGroup",
    "View",
]
