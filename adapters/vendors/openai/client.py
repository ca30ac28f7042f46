"""The official client, set up for one endpoint."""

from __future__ import annotations

from typing import Final

import httpx2
import openai

from adapters.vendors.base import NotConfigured
from adapters.vendors.openai.endpoint import Endpoint

_CONNECTIONS: Final = 1000
_KEPT_OPEN_SECONDS: Final = 60.0  # a new connection costs two round trips and a handshake


def connect(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """A client that waits for ever and tries once. Raises ``NotConfigured`` when the address cannot be used."""
    timeout = httpx2.Timeout(None, connect=endpoint.connect_seconds)
    limits = httpx2.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_KEPT_OPEN_SECONDS)
    try:
        return openai.AsyncOpenAI(
            api_key=endpoint.key or "none",  # the client wants one, and servers that need none do not look
            base_url=endpoint.base_url.strip() or None,
            max_retries=0,
            timeout=timeout,
            default_headers=endpoint.headers,
            default_query=dict(endpoint.query),
            # On aiohttp a read brings what has arrived, on the client's default at most one event; and it costs less.
            http_client=openai.DefaultAioHttpClient(limits=limits, timeout=timeout),
        )
    except (httpx2.InvalidURL, openai.OpenAIError, ValueError) as error:
        text = f"the base_url of {endpoint.vendor} cannot be used: correct it"
        raise NotConfigured(text, vendor=endpoint.vendor) from error
