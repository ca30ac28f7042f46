"""The official clients of one endpoint, and the one place that reaches below their public methods."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from adapters.vendors.google import wire
from adapters.vendors.google.endpoint import Endpoint
from adapters.vendors.google.errors import NO_KEY, Teller

if TYPE_CHECKING:
    from google.genai import Client

EVERYWHERE: Final = "global"
_deadline: ContextVar[tuple[asyncio.Timeout, Endpoint] | None] = ContextVar("_deadline", default=None)


async def open_stream(client: Client, path: str, body: bytes) -> aiohttp.ClientResponse:
    """The response to ``body``, posted to ``path`` in one attempt, with its events still to be read.

    ``generate_content_stream`` is the public way and takes five times the CPU, for models of what was just JSON. The
    client's own request methods do the addresses, headers, sign-in and errors, but they are private: a test posts through
    this function, and tells when a release has changed them. Raises what the client, aiohttp and google.auth raise.
    """
    api: Any = client._api_client  # pyright: ignore[reportPrivateUsage]
    request = api._build_request("post", path, {}, None)
    request.data = body
    response = await api._async_request(request, stream=True)
    return response.response_stream


async def ask(client: Client, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """What the Agent Platform answers to ``method`` on the resource ``path``, a JSON value, in one attempt.

    For what the client has no public method: removing an endpoint, the curves of a tuning job. Raises as ``open_stream``.
    """
    api: Any = client._api_client  # pyright: ignore[reportPrivateUsage]
    response = await api.async_request(method, path, body or {}, None)
    return json.loads(response.body) if response.body else {}


class Clients:
    """One client for each location that is asked, made when first needed, over one pool of connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._clients: dict[str, Client] = {}
        self._session: aiohttp.ClientSession | None = None
        self._making = asyncio.Lock()

    async def get(self, teller: Teller, location: str = "") -> Client:
        """The client for ``location``, the endpoint's own when empty. Raises ``NotConfigured``."""
        location = location or self._endpoint.location or EVERYWHERE
        if client := self._clients.get(location):
            return client
        async with self._making:
            if location not in self._clients:
                if self._session is None:
                    self._session = _session()
                # The import takes a second and the certificates another tenth.
                made = asyncio.to_thread(_client, self._endpoint, location, self._session, teller)
                self._clients[location] = await made
            return self._clients[location]

    async def open(self, teller: Teller, body: bytes) -> tuple[aiohttp.ClientResponse, float | None]:
        """The answer to a question, and the loop's time by which it has to begin. Raises ``VendorError``."""
        endpoint = self._endpoint
        place = endpoint.location or EVERYWHERE
        path = wire.path(teller.model, project=endpoint.project, location=place)
        if path is None:
            raise teller.no_model()
        client = await self.get(teller, wire.location(teller.model) if endpoint.project else "")
        try:
            async with asyncio.timeout(endpoint.connect_seconds + endpoint.first_seconds) as deadline:
                token = _deadline.set((deadline, endpoint))
                try:
                    response = await open_stream(client, f"{path}:streamGenerateContent?alt=sse", body)
                finally:
                    _deadline.reset(token)
        except Exception as exc:
            error = teller.raised(exc)
            if error is None:
                raise
            raise error from None
        return response, deadline.when()

    async def close(self) -> None:
        """Give back the connections; a later question opens new ones."""
        clients, session = list(self._clients.values()), self._session
        self._clients.clear()
        self._session = None
        for client in clients:
            await client.aio.aclose()
            client.close()
        if session is not None:
            await session.close()


def _client(endpoint: Endpoint, location: str, session: aiohttp.ClientSession, teller: Teller) -> Client:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(
        base_url=endpoint.base_url or None,
        retry_options=types.HttpRetryOptions(attempts=1),  # who asks decides whether to ask again
        aiohttp_client=session,
    )
    if endpoint.project:
        credentials: Any = endpoint.credentials
        return genai.Client(
            enterprise=True,
            project=endpoint.project,
            location=location,
            credentials=credentials,
            http_options=options,
        )
    trusted = _certificates()
    options.client_args, options.async_client_args = {"verify": trusted}, {"verify": trusted, "ssl": trusted}
    try:
        return genai.Client(enterprise=False, api_key=endpoint.api_key or None, http_options=options)
    except ValueError:
        raise teller.not_configured(NO_KEY) from None


@functools.cache
def _certificates() -> ssl.SSLContext:
    """What the client trusts by default, read once: by itself it reads it four times, a tenth of a second in all.

    A project keeps the client's own way, which may add the certificate of this machine.
    """
    import certifi

    bundle = os.environ.get("SSL_CERT_FILE", certifi.where())
    return ssl.create_default_context(cafile=bundle, capath=os.environ.get("SSL_CERT_DIR"))


def _session() -> aiohttp.ClientSession:
    """Connections without a limit in number, as the client's own, which tell the deadline that they were made."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(_connecting)
    trace.on_connection_create_end.append(_connected)
    trace.on_connection_reuseconn.append(_connected)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), trust_env=True, trace_configs=[trace]
    )


async def _connecting(_: aiohttp.ClientSession, __: object, ___: object) -> None:
    if asked := _deadline.get():
        deadline, endpoint = asked
        deadline.reschedule(asyncio.get_running_loop().time() + endpoint.connect_seconds)


async def _connected(_: aiohttp.ClientSession, __: object, ___: object) -> None:
    if asked := _deadline.get():
        deadline, endpoint = asked
        deadline.reschedule(asyncio.get_running_loop().time() + endpoint.first_seconds)
