"""What an app hears from Slack, and whom it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from slack_bolt.async_app import AsyncApp

from adapters.platforms.base import Host, Place
from adapters.platforms.slack import assistant, interactions
from adapters.platforms.slack.door import Door
from adapters.platforms.slack.greeting import greet
from adapters.platforms.slack.hearing import Hearing
from adapters.platforms.slack.places import PLATFORM
from adapters.platforms.slack.replies import SlackReply
from adapters.platforms.slack.sending import Recent, Wire

log = structlog.get_logger()

_EVENTS = 8192
_TURNS = 5

Event = Mapping[str, Any]
Body = Mapping[str, Any]


class Events:
    """The events of one workspace. Each is acknowledged before we begin; none of them that fails ends anything."""

    def __init__(self, wire: Wire, app: AsyncApp, door: Door, host: Host, clock: Callable[[], int]) -> None:
        self._wire = wire
        self._host = host
        self._seen = Recent(_EVENTS)
        self._busy: set[asyncio.Task[Any]] = set()
        self._closing = False
        door.hand("message", self._listener("message", self.on_message))
        door.hand("app_mention", self._listener("app_mention", self.on_message))
        app.event("app_home_opened", matchers=[_is_talk])(self._listener("app_home_opened", self.on_opened))
        attached = interactions.attach(app, host, wire, clock, self._reply_for)
        self.hearing = Hearing(wire, host, attached)
        self._listen(app, "assistant_thread_started", self.on_thread_started)
        self._listen(app, "assistant_thread_context_changed", self.on_thread_looked_at)
        self._listen(app, "agent_session_stopped", self.on_stopped)
        self._listen(app, "member_joined_channel", self.on_joined)
        self._listen(app, "app_uninstalled", self.on_left)
        self._listen(app, "tokens_revoked", self.on_revoked)

    async def on_message(self, event: Event) -> None:
        """Somebody said something."""
        await self.hearing.hear(event)

    async def on_opened(self, event: Event) -> None:
        """Somebody opened the talk with the agent, where Slack has no threads that are started."""
        await assistant.welcome(self._wire, self._host, str(event["channel"]))

    async def on_thread_started(self, event: Event) -> None:
        """Somebody opened a talk with the agent."""
        channel_id, thread_ts = assistant.thread_of(event)
        if channel_id and thread_ts:
            self.hearing.untitled.add(f"{channel_id}:{thread_ts}")
            await assistant.welcome(self._wire, self._host, channel_id, thread_ts)

    async def on_thread_looked_at(self, event: Event) -> None:
        """Somebody who talks with the agent looks at another channel, which changes nothing."""
        log.debug("agent looked at elsewhere", channel=assistant.thread_of(event)[0])

    async def on_stopped(self, event: Event) -> None:
        """Somebody pressed Slack's own stop button."""
        channel_id, thread_ts = str(event.get("channel") or ""), str(event.get("thread_ts") or "")
        given = [
            each
            for each in self._wire.giving
            if isinstance(each, SlackReply) and each.target == (channel_id, thread_ts or None)
        ]
        stopped = [self._host.stop_speaking(each.place, each.exchange_id) for each in given]
        if not any(stopped):
            log.info("nothing to stop", channel=channel_id)

    async def on_joined(self, event: Event) -> None:
        """Somebody came into a channel, perhaps the avatar."""
        if self._wire.people.is_own(str(event.get("user") or "")):
            channel_id = str(event["channel"])
            log.info("joined a channel", channel=channel_id)
            await greet(self._wire, self._host, channel_id, str(event.get("event_ts") or ""))

    async def on_left(self, event: Event) -> None:
        """The app was put out of the workspace."""
        team_id = self._wire.people.identity.team_id
        log.warning("put out of the workspace", team=team_id, event_name=event.get("type"))
        await self._host.left(PLATFORM, team_id)

    async def on_revoked(self, event: Event) -> None:
        """Tokens were taken back, perhaps that of the avatar."""
        tokens = cast("Mapping[str, Any]", event.get("tokens") or {})
        if self._wire.people.identity.user_id in (tokens.get("bot") or ()):
            await self.on_left(event)

    def close(self) -> None:
        """Hear nothing more."""
        self._closing = True

    async def settled(self) -> None:
        """Wait until everything that was heard is attended to, also what came last and was not begun."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while self._busy:
            await asyncio.wait(self._busy)

    def cancel(self) -> tuple[asyncio.Task[Any], ...]:
        """End what is still being attended to."""
        left = tuple(self._busy)
        for task in left:
            task.cancel()
        return left

    def _reply_for(self, place: Place, question: str, asker: str) -> SlackReply:
        return self.hearing.reply_for(place, question, asker)

    def _listen(self, app: AsyncApp, name: str, attend: Callable[[Event], Awaitable[None]]) -> None:
        app.event(name)(self._listener(name, attend))

    def _listener(
        self, name: str, attend: Callable[[Event], Awaitable[None]]
    ) -> Callable[[Event, Body], Awaitable[None]]:
        # bolt looks at the names.
        async def listener(event: Event, body: Body) -> None:
            await self._once(name, event, body, attend)

        return listener

    async def _once(
        self, name: str, event: Event, body: Body, attend: Callable[[Event], Awaitable[None]]
    ) -> None:
        """Attend to an event unless it came before."""
        event_id = str(body.get("event_id") or "")
        if self._closing or (event_id and not self._seen.add(event_id)):
            return
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await attend(event)
        except Exception as error:
            # Slack adds to its events; one that cannot be read is no reason to stop listening to all others.
            log.exception("event failed", event_name=name, event=event_id, error=type(error).__name__)
        finally:
            self._busy.discard(task)


async def _is_talk(event: dict[str, Any]) -> bool:
    """Whether App Home was opened where one talks."""
    return event.get("tab") == "messages" and bool(event.get("channel"))
