"""The threads in which the avatar has spoken: there it is answered without being mentioned."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.slack.sending import FAILURES, FOR_GOOD, Wire, error_code, is_limited

log = structlog.get_logger()

_KNOWN = 4096
_LOOKED_AT = 50
_SECONDS = 10.0
# Slack answers few such questions; a thread about which it was not asked is not ours.
_LOOKS = 20
_LOOK_SECONDS = 60.0


class Threads:
    """A bounded memory of threads; of one that is not in it Slack is asked once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._looking: dict[str, asyncio.Task[bool]] = {}
        self._looked: list[float] = []

    def __len__(self) -> int:
        return len(self._known)

    def join(self, conversation: str) -> None:
        """The avatar speaks there from now on."""
        self._keep(conversation, True)

    async def joined(self, channel_id: str, thread_ts: str, parent: str | None) -> bool:
        """Whether the avatar has spoken in this thread, which hangs on a message of ``parent``."""
        key = f"{channel_id}:{thread_ts}"
        if parent == self._wire.people.identity.user_id:
            self._keep(key, True)
            return True
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        looking = self._looking.get(key)
        if looking is None:
            if not self._may_look():
                return False
            looking = self._wire.start(self._look(key, channel_id, thread_ts))
            self._looking[key] = looking
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(looking)

    def _keep(self, key: str, joined: bool) -> None:
        self._known[key] = joined
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _may_look(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._looked = [each for each in self._looked if each > now - _LOOK_SECONDS]
        if len(self._looked) >= _LOOKS or not self._wire.allows("conversations.replies"):
            return False
        self._looked.append(now)
        return True

    async def _look(self, key: str, channel_id: str, thread_ts: str) -> bool:
        client = self._wire.client
        me = self._wire.people.identity.user_id
        try:
            async with asyncio.timeout(_SECONDS):
                response = await client.conversations_replies(
                    channel=channel_id, ts=thread_ts, limit=_LOOKED_AT
                )
        except SlackApiError as error:
            log.info("thread not looked into", channel=channel_id, error=error_code(error))
            if is_limited(error) or error_code(error) in FOR_GOOD:
                self._wire.refuse("conversations.replies")
            else:
                self._keep(key, False)
            return False
        except FAILURES as error:
            log.info("thread not looked into", channel=channel_id, error=type(error).__name__)
            return False
        found = any(each.get("user") == me for each in response.get("messages") or ())
        # It may have been joined while Slack was asked.
        found = found or self._known.get(key, False)
        self._keep(key, found)
        return found
