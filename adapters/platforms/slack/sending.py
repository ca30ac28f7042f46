"""Posts and changes that arrive: tried again while Slack is away, and posted once however often they are tried."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.slack.markup import plainly
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.pacing import Pacing
from adapters.platforms.slack.people import People
from adapters.platforms.slack.posted import find_note, messages_after, note_metadata
from adapters.platforms.slack.tempo import Tempo

log = structlog.get_logger()

T = TypeVar("T")
Blocks = Sequence[Mapping[str, Any]]

AWAY = (OSError, aiohttp.ClientError, TimeoutError)
# What may go wrong where nothing depends on it.
FAILURES = (SlackClientError, *AWAY)

_LONGEST_WAIT_SECONDS = 30.0
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
# Blocks that this workspace does not take, for whatever reason: the words matter more.
_UNFIT = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_arguments"})
# What Slack says of the app or the workspace, and not of one place or message.
FOR_GOOD = frozenset(
    {
        "unknown_method",
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "feature_not_enabled",
        "method_deprecated",
        "team_access_not_granted",
    }
)
_REFUSED_SECONDS = 600.0
_FALLBACK = 1000


@dataclass(slots=True)
class Wire:
    """What everything that is sent into one workspace shares."""

    client: AsyncWebClient
    options: Options
    people: People
    tempo: Tempo
    pacing: Pacing
    random: random.Random = field(default_factory=random.Random)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    # The replies that are accepted and not given yet.
    giving: set[object] = field(default_factory=set[object])
    # Which methods this app may not call, and until when we believe that.
    _refused: dict[str, float] = field(default_factory=dict[str, float])
    _given: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something go on by itself; it is kept until it has ended."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def begin(self, reply: object) -> None:
        """A reply is being given from now on."""
        self.giving.add(reply)
        self._given.clear()

    def end(self, reply: object) -> None:
        """A reply was given, or will not be."""
        self.giving.discard(reply)
        if not self.giving:
            self._given.set()

    async def all_given(self) -> None:
        """Wait until no reply is being given."""
        if self.giving:
            await self._given.wait()

    def allows(self, method: str) -> bool:
        """Whether Slack has not refused us this method lately."""
        until = self._refused.get(method)
        return until is None or asyncio.get_running_loop().time() > until

    def refuse(self, method: str) -> None:
        """Slack does not let this app, or this workspace, use a method."""
        self._refused[method] = asyncio.get_running_loop().time() + _REFUSED_SECONDS

    async def call(self, method: str, **asked: Any) -> dict[str, Any]:
        """One call, once; raises ``SlackApiError`` for what Slack declines."""
        if method == "chat.postMessage":
            # Whatever we say is marked: a stream that was cut short is known by not being so.
            asked.setdefault("metadata", note_metadata(""))
        response = await self.client.api_call(method, json=asked)
        return cast("dict[str, Any]", response.data)

    async def hint(self, method: str, **asked: Any) -> bool:
        """A call on which nothing depends; one that is refused is not made again for a while."""
        if not self.allows(method):
            return False
        try:
            await self.call(method, **asked)
        except SlackApiError as error:
            if error_code(error) in FOR_GOOD:
                self.refuse(method)
            log.info("not shown", method=method, error=error_code(error))
            return False
        except FAILURES as error:
            log.info("not shown", method=method, error=type(error).__name__)
            return False
        return True


def error_code(error: SlackApiError) -> str:
    """Slack's own word for what was wrong, or its status where there is none."""
    response = cast("Any", error.response)
    data = getattr(response, "data", response)
    if isinstance(data, Mapping):
        return str(cast("Mapping[str, Any]", data).get("error") or "")
    return f"status {status_of(error)}"


def status_of(error: SlackApiError) -> int:
    """The status of an answer."""
    response = cast("Any", error.response)
    return int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)


def is_limited(error: SlackApiError) -> bool:
    """Whether it was not done because too much was."""
    return status_of(error) == 429 or error_code(error) in _LIMITED


def is_passing(error: SlackApiError) -> bool:
    """Whether it may have been done, and may be tried again."""
    return status_of(error) >= 500 or error_code(error) in _PASSING or error_code(error).startswith("status ")


def asked_wait(error: SlackApiError) -> float:
    """How long Slack asks to be left alone."""
    headers = cast("Mapping[str, str]", getattr(error.response, "headers", None) or {})
    for name, value in headers.items():
        if name.lower() == "retry-after":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 0.0


async def until_done(wire: Wire, doing: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it is done, Slack declines, or patience ends; what Slack declines is raised at once."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wire.tempo.patience
    pause = wire.tempo.retry
    while True:
        why: Exception
        try:
            return await attempt()
        except SlackApiError as error:
            if is_limited(error):
                wait = asked_wait(error)
            elif is_passing(error):
                wait = 0.0
            else:
                raise
            why = error
        except AWAY as error:
            wait, why = 0.0, error
        wait = max(wait, pause * wire.random.uniform(0.5, 1.5))
        if loop.time() + wait > deadline:
            raise why
        log.warning("slack is away", doing=doing, error=_named(why), again_in=round(wait, 2))
        await asyncio.sleep(wait)
        pause = min(pause * 2, _LONGEST_WAIT_SECONDS)


def _named(error: Exception) -> str:
    return error_code(error) if isinstance(error, SlackApiError) else type(error).__name__


def message_payload(
    channel_id: str,
    thread_ts: str | None,
    text: str,
    blocks: Blocks,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A new message, as Slack takes it: it pings nobody, and no link in it is fetched."""
    payload: dict[str, Any] = {
        "channel": channel_id,
        "text": plainly(text, _FALLBACK),
        "blocks": blocks,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if thread_ts:
        payload["thread_ts"] = thread_ts
    if metadata is not None:
        payload["metadata"] = metadata
    return payload


async def post(
    wire: Wire, payload: dict[str, Any], look: Callable[[], Awaitable[str]] | None = None
) -> tuple[str, bool]:
    """Post a message once; its time, and whether an earlier attempt was found by ``look`` instead."""
    doubtful = False

    async def attempt() -> tuple[str, bool]:
        nonlocal doubtful
        if doubtful and look is not None:
            found = await look()
            if found:
                return found, True
        try:
            made = await wire.call("chat.postMessage", **payload)
        except SlackApiError as error:
            doubtful = doubtful or is_passing(error)
            raise
        except AWAY:
            doubtful = True
            raise
        return str(made["ts"]), False

    return await until_done(wire, "posting", attempt)


async def change(wire: Wire, method: str, **asked: Any) -> dict[str, Any]:
    """Change, end or delete a message: to do it twice does no harm."""
    return await until_done(wire, method, lambda: wire.call(method, **asked))


async def fitting(
    content: str, below: Blocks, attempt: Callable[[Blocks], Awaitable[T]], *, body: Blocks
) -> T:
    """Do it with all blocks; with fewer where Slack does not take them; with none but the words at last."""
    last: SlackApiError | None = None
    for blocks in (*([[*body, *below]] if below else []), body, words(content)):
        try:
            return await attempt(blocks)
        except SlackApiError as error:
            if error_code(error) not in _UNFIT:
                raise
            log.warning("blocks not taken", error=error_code(error), blocks=len(blocks))
            last = error
    assert last is not None
    raise last


def words(content: str) -> list[dict[str, Any]]:
    """A text in the oldest sort of block."""
    shown = plainly(content)
    pieces = [shown[at : at + 2900] for at in range(0, len(shown), 2900)] or ["…"]
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": piece, "verbatim": True}} for piece in pieces
    ]


async def say(
    wire: Wire,
    channel_id: str,
    thread_ts: str | None,
    text: str,
    blocks: Blocks,
    *,
    name: str = "",
    after: str = "",
) -> str:
    """Post something of our own; under one ``name`` it is posted once. The time of the message."""
    metadata = note_metadata(name or f"{wire.random.getrandbits(64):016x}")
    named = str(metadata["event_payload"]["name"])

    async def look() -> str:
        found = await messages_after(wire.client, channel_id, thread_ts, after)
        return find_note(found, wire.people.identity.user_id, named)

    async def attempt(fit: Blocks) -> str:
        payload = message_payload(channel_id, thread_ts, text, fit, metadata)
        return (await post(wire, payload, look if after or thread_ts else None))[0]

    return await fitting(text, (), attempt, body=blocks or words(text))


class Recent:
    """A bounded memory of what was there already."""

    __slots__ = ("_most", "_seen")

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, key: str) -> bool:
        """Remember it; whether it is new."""
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True

    def drop(self, key: str) -> None:
        """It is to be new again."""
        self._seen.pop(key, None)
