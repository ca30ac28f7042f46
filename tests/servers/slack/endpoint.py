"""HTTP delivery: signed requests to the app's address, repeated where they are not taken in time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp

from tests.servers.slack.deliveries import EVENTS, SLASH, Delivery
from tests.servers.slack.ids import Json

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app's endpoint answered; ``final`` asks not to be sent this again."""

    status: int
    text: str
    final: bool = False


class Endpoint:
    """The app's request URL."""

    def __init__(self, world: SlackServer) -> None:
        self.world = world
        self.url = ""
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def use(self, url: str) -> bool:
        """Deliver to ``url`` from now on, if it passes the check of its address."""
        self.url = url
        challenge = secrets.token_hex(8)
        answer = await self.send({"type": "url_verification", "challenge": challenge, "token": "t"})
        verified = answer.status == 200 and challenge in answer.text
        if verified:
            self.world.deliveries.carrier = self
            self.world.deliveries.flush()
        return verified

    async def send(
        self,
        body: Json | str,
        *,
        forged: bool = False,
        age_s: float = 0.0,
        signature: str | None = None,
        retry: tuple[int, str] | None = None,
        delivery: Delivery | None = None,
    ) -> Answer:
        """Send one request; ``forged`` signs it with another secret, ``age_s`` dates it back."""
        form = isinstance(body, str)
        raw = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        stamp = str(int(time.time() - age_s))
        secret = "another-secret" if forged else self.world.signing_secret
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{raw}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}" if signature is None else signature,
        }
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        return await self.post(raw.encode(), headers, delivery)

    async def post(self, body: bytes, headers: dict[str, str], delivery: Delivery | None) -> Answer:
        """Post a signed request, perhaps the ``delivery`` of something."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=512))
        timeout = aiohttp.ClientTimeout(total=self.world.deliveries.deadline_s)
        async with self._session.post(self.url, data=body, headers=headers, timeout=timeout) as got:
            return Answer(got.status, await got.text(), got.headers.get("X-Slack-No-Retry") == "1")

    def carry(self, delivery: Delivery) -> bool:
        """Send something off."""
        task = asyncio.create_task(self._carry(delivery))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def close(self) -> None:
        """Send nothing more."""
        for task in list(self._running):
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def _carry(self, delivery: Delivery) -> None:
        deliveries = self.world.deliveries
        body: Json | str = delivery.payload
        if delivery.kind == SLASH:
            body = urlencode(delivery.payload)
        elif delivery.kind != EVENTS:
            body = urlencode({"payload": json.dumps(delivery.payload)})
        reason = {"timeout": "http_timeout"}.get(delivery.reason, delivery.reason)
        try:
            retry = (delivery.attempt, reason) if delivery.attempt else None
            answer = await self.send(body, retry=retry, delivery=delivery)
        except TimeoutError:
            deliveries.failed(delivery, "timeout")
            return
        except (aiohttp.ClientError, OSError):
            deliveries.failed(delivery, "connection_failed")
            return
        if answer.status // 100 != 2:
            deliveries.failed(delivery, "http_error", retry=not answer.final)
            return
        deliveries.acked(delivery, _read(answer.text) if delivery.kind != EVENTS else None)


def _read(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
