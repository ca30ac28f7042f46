"""``Endpoint``: where the models are, with which key, and how long to wait."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.vendors.base import NotConfigured
from adapters.vendors.prices import Price

Dialect = Literal["auto", "openai", "compatible"]

_OFFICIAL: Final = ".openai.com"
_SHORTEST_SECRET: Final = 6


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server of models.

    Without ``base_url`` it is the client's own: ``OPENAI_BASE_URL``, else OpenAI. ``headers`` and ``query`` go with each
    request (Azure's ``api-version``). ``dialect`` is judged from the address when ``auto``; ``openai`` says that a proxy
    passes requests on to OpenAI itself. ``sees`` None is judged from the model's name. All waits are in seconds:
    ``connect_seconds`` to connect, ``first_seconds`` until the answer's first byte, ``silence_seconds`` between two.
    """

    vendor: str = "openai"
    api_key: str = field(default="", repr=False)
    base_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    context_tokens: int = 128_000
    sees: bool | None = None
    dialect: Dialect = "auto"
    connect_seconds: float = 10
    first_seconds: float = 60
    silence_seconds: float = 60

    @property
    def address(self) -> str:
        """The address that was set, here or in ``OPENAI_BASE_URL``; empty for OpenAI itself."""
        return (self.base_url or os.environ.get("OPENAI_BASE_URL", "")).strip()

    @property
    def key(self) -> str:
        """The key without the line end that copying leaves on it."""
        return self.api_key.strip()

    @property
    def key_is_header(self) -> bool:
        """Whether ``api-key``, a header of Azure's, stands for the key."""
        return not self.key and any(name.lower() == "api-key" for name in self.headers)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show: the key and the values of headers and query."""
        values = (self.key, *self.headers.values(), *self.query.values())
        return tuple(value for value in values if len(value) >= _SHORTEST_SECRET)

    def speaks_openai(self, host: str) -> bool:
        """Whether ``host``, the one that requests go to, takes exactly what OpenAI takes."""
        if self.dialect != "auto":
            return self.dialect == "openai"
        return f".{host}".endswith(_OFFICIAL)

    def check(self) -> None:
        """Raises ``NotConfigured`` when no request could be sent with this."""
        if not self.key and not self.address and not self.key_is_header:
            raise NotConfigured(
                f"{self.vendor} has no API key: set OPENAI_API_KEY, or base_url for a server that needs none",
                vendor=self.vendor,
            )
        if not (self.key.isascii() and self.key.isprintable()):
            raise NotConfigured(
                f"the API key of {self.vendor} has characters that a key cannot have: copy it again",
                vendor=self.vendor,
            )
        if self.address and not self.address.startswith(("http://", "https://")):
            raise NotConfigured(
                f"the base_url of {self.vendor} must begin with http:// or https://", vendor=self.vendor
            )
