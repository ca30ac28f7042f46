"""What a person does that the app has to answer: commands, buttons, shortcuts and forms."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

from tests.servers.slack.deliveries import Delivery
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import Message

if TYPE_CHECKING:
    from tests.servers.slack.people import Member
    from tests.servers.slack.teams import Channel
    from tests.servers.slack.views import View

USES, LIVES_S = 5, 1800.0


class Interaction:
    """One of them, with everything that came of it.

    ``ack`` is what the app answered at once, ``replies`` what this person or the channel was shown by it, ``views`` the
    forms it opened, ``failure`` why Slack says that it did not work.
    """

    def __init__(self, person: Member, channel: Channel | None, *, message: Message | None = None) -> None:
        self.person = person
        self.channel = channel
        self.message = message
        self.world = person.team.world
        self.ack: Any = None
        self.failure = ""
        self.replies: list[Message] = []
        self.views: list[View] = []
        self.errors: dict[str, str] = {}
        self.began = time.monotonic()
        self.used = 0
        self.trigger_used = False
        self.expires_at = self.began + LIVES_S
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.trigger_id = f"{int(time.time())}.{secrets.randbelow(10**9)}.{secrets.token_hex(8)}"
        self.world.triggers[self.trigger_id] = self
        self.response_key = secrets.token_hex(12)
        if channel is not None:
            self.world.responses[self.response_key] = self

    @property
    def response_url(self) -> str:
        """Where the app may answer later."""
        return f"{self.world.base}/_response/{self.person.team.id}/{self.response_key}"

    @property
    def modal(self) -> View | None:
        """The form that is open because of it."""
        return next((one for one in reversed(self.views) if not one.closed), None)

    @property
    def text(self) -> str:
        """Everything that was said because of it, as a person reads it."""
        return "\n".join(one.shown for one in self.replies if not one.deleted)

    @property
    def acknowledged(self) -> bool:
        """Whether the app has answered."""
        return self._answered.done() and not self.failure

    async def send(self, kind: str, payload: Json, *, wait: bool) -> None:
        """Deliver it, and wait for the acknowledgement."""
        self.world.deliveries.send(Delivery(kind, payload, self._done))
        if wait:
            await asyncio.wait_for(asyncio.shield(self._answered), self.world.deliveries.deadline_s + 5)

    def _done(self, acked: bool, answer: Any) -> None:
        if acked:
            self.ack = answer
            self.taken(answer)
        else:
            self.failure = "operation_timeout" if answer == "timeout" else "dispatch_failed"
        if not self._answered.done():
            self._answered.set_result(None)
        self.world.changed()

    def taken(self, answer: Any) -> None:
        """Show what the acknowledgement says."""
        if isinstance(answer, str):
            answer = {"text": answer} if answer.strip() else None
        if isinstance(answer, dict) and (answer.get("text") or answer.get("blocks")):
            self.says(answer)

    def says(self, body: Json) -> None:
        """Answer to the person alone or to the channel, or change what the interaction began from."""
        world, channel = self.world, self.channel
        assert channel is not None
        old = self.message
        if body.get("delete_original") and old is not None:
            world.delete(old)
            return
        blocks: list[Json] = body.get("blocks") or []
        text = str(body.get("text") or "")
        if body.get("replace_original", False) and old is not None:
            world.edit(old, text=text, blocks=blocks, attachments=body.get("attachments") or [])
            return
        public = body.get("response_type") == "in_channel"
        message = Message(
            channel,
            channel.team.bot,
            world.times(),
            text,
            thread_ts=body.get("thread_ts"),
            blocks=blocks,
            attachments=body.get("attachments") or [],
            ephemeral_for=None if public else self.person,
        )
        self.replies.append(world.post(message))
