"""Posts and edits that arrive: tried again while Discord is away, and posted once however often they are tried."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
from discord.http import MultipartParameters

from adapters.platforms.base import File
from adapters.platforms.discord.answers import Part
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.pacing import Pacing
from adapters.platforms.discord.posted import Posted, nonce_of, posted_of
from adapters.platforms.discord.tempo import Tempo

log = structlog.get_logger()

T = TypeVar("T")

# A model's text pings nobody, whatever it says: neither when posted nor through an edit.
NOBODY: Mapping[str, Any] = {"parse": [], "replied_user": False}

_AWAY = (OSError, aiohttp.ClientError, TimeoutError)
_ONE_TRY_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 30.0
_UNKNOWN_MESSAGE = 10008
# Where a client carries its wire, which ends with it.
_WIRE = "understudy wire"


@dataclass(slots=True)
class Wire:
    """What everything that is sent by one client shares."""

    client: discord.Client
    options: Options
    pacing: Pacing
    tempo: Tempo = field(default_factory=Tempo)
    random: random.Random = field(default_factory=random.Random)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    # The replies that are accepted and not given yet.
    giving: set[object] = field(default_factory=set[object])
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


def wire_of(client: discord.Client, options: Options) -> Wire:
    """The one wire of this client."""
    kept = vars(client)
    if _WIRE not in kept:
        kept[_WIRE] = Wire(client, options, Pacing(options.edit_seconds, _typing(client)))
    return kept[_WIRE]


def _typing(client: discord.Client) -> Callable[[int], Awaitable[None]]:
    async def send(channel_id: int) -> None:
        try:
            await client.http.send_typing(channel_id)
        except (discord.DiscordException, *_AWAY) as error:
            log.debug("typing not shown", channel=channel_id, error=type(error).__name__)

    return send


def parameters(payload: dict[str, Any], files: Sequence[File] = ()) -> MultipartParameters:
    """A request's body, with files beside it when there are any."""
    if not files:
        return MultipartParameters(payload=payload, multipart=None, files=None)
    handed = [discord.File(BytesIO(file.data), file.name) for file in files]
    payload = {**payload, "attachments": [each.to_dict(at) for at, each in enumerate(handed)]}
    multipart: list[dict[str, Any]] = [{"name": "payload_json", "value": json.dumps(payload)}]
    for at, each in enumerate(handed):
        kind = "application/octet-stream"
        multipart.append(
            {"name": f"files[{at}]", "value": each.fp, "filename": each.filename, "content_type": kind}
        )
    return MultipartParameters(payload=None, multipart=multipart, files=handed)


def is_gone(error: discord.HTTPException) -> bool:
    """Whether the message was deleted; its channel may still be there."""
    return isinstance(error, discord.NotFound) and error.code == _UNKNOWN_MESSAGE


async def until_done(wire: Wire, doing: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it is done, Discord declines, or patience ends; what Discord declines is raised at once."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wire.tempo.patience
    pause = wire.tempo.retry
    while True:
        try:
            async with asyncio.timeout(_ONE_TRY_SECONDS):
                return await attempt()
        except discord.RateLimited as error:
            wait, why = error.retry_after, error
        except discord.HTTPException as error:
            if error.status != 429 and error.status < 500:
                raise
            wait, why = _asked_wait(error), error
        except _AWAY as error:
            wait, why = 0.0, error
        wait = max(wait, pause * wire.random.uniform(0.5, 1.5))
        if loop.time() + wait > deadline:
            raise why
        log.warning("discord is away", doing=doing, error=type(why).__name__, again_in=round(wait, 2))
        await asyncio.sleep(wait)
        pause = min(pause * 2, _LONGEST_WAIT_SECONDS)


def _asked_wait(error: discord.HTTPException) -> float:
    """How long Discord asks to be left alone."""
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0


async def post(
    wire: Wire,
    channel_id: int,
    payload: dict[str, Any],
    *,
    files: Sequence[File] = (),
    look: Callable[[], Awaitable[Posted | None]] | None = None,
) -> Posted:
    """Post a message once; ``look`` finds what an earlier attempt left, after its nonce is forgotten."""
    loop = asyncio.get_running_loop()
    first: float | None = None

    async def attempt() -> Posted:
        nonlocal first
        if first is None:
            first = loop.time()
        elif look is not None and loop.time() - first > wire.tempo.nonce:
            found = await look()
            if found is not None:
                return found
        return posted_of(await wire.client.http.send_message(channel_id, params=parameters(payload, files)))

    return await until_done(wire, "posting", attempt)


async def edit(
    wire: Wire, channel_id: int, message_id: int, payload: dict[str, Any], *, files: Sequence[File] = ()
) -> None:
    """Change a message."""

    async def attempt() -> None:
        await wire.client.http.edit_message(channel_id, message_id, params=parameters(payload, files))

    await until_done(wire, "editing", attempt)


async def say(
    wire: Wire, channel_id: int, parts: Sequence[Part], *, answers: int | None = None, name: str = ""
) -> None:
    """Post something of our own, below the message that it answers; under one ``name`` it is posted once."""
    for at, part in enumerate(parts):
        nonce = nonce_of(name, at) if name else ""
        made = message_payload(part.content, channel_id, answers, part.components, nonce)
        await post(wire, channel_id, made, files=part.files)


def message_payload(
    content: str,
    channel_id: int,
    answers: int | None,
    components: Sequence[Mapping[str, Any]] = (),
    nonce: str = "",
) -> dict[str, Any]:
    """A new message, as Discord takes it: it pings nobody, and stands by itself where what it answers was deleted."""
    payload: dict[str, Any] = {"content": content, "allowed_mentions": NOBODY}
    if answers is not None:
        payload["message_reference"] = {
            "message_id": str(answers),
            "channel_id": str(channel_id),
            "fail_if_not_exists": False,
        }
    if components:
        payload["components"] = list(components)
    if nonce:
        payload["nonce"] = nonce
        payload["enforce_nonce"] = True
    return payload
