"""What went wrong, in the words that every vendor speaks: one sentence that says what to do, and never a key."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from adapters.vendors.base import (
    BadRequest,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    VendorError,
)

NO_KEY: Final = "set GEMINI_API_KEY, or a project and its location for the Agent Platform"
_SHOWN: Final = 240
_KEYS: Final = re.compile(r"AIza[\w-]{20,}|AQ\.[\w-]{20,}|ya29\.[\w.-]+|(?<=key=)[^\s&]+", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d+(?:\.\d+)?)s?")
_BAD_KEYS: Final = ("API_KEY_INVALID", "API_KEY_EXPIRED")
_SPENT: Final = (
    "credits are depleted",
    "spending cap",
    "spend limit",
    "spending limit",
    "billing is not enabled",
)
_SIGN_IN: Final = (
    "the account of the project cannot sign in; log in again or set GOOGLE_APPLICATION_CREDENTIALS"
)


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes errors about one question to ``model``; ``secret`` is kept out of them."""

    vendor: str
    model: str
    secret: str = ""

    def unavailable(self, reason: str, retry_after: float | None = None) -> Unavailable:
        """An outage: the question may be asked again."""
        return Unavailable(
            f"{self.vendor} could not answer with {self.model}: {reason}; try again later",
            vendor=self.vendor,
            retry_after=retry_after,
        )

    def refused(self, reason: str) -> Refused:
        """The filter declined for ``reason``, such as SAFETY."""
        return Refused(
            f"the content filter of {self.vendor} stopped {self.model} ({reason}); put the question differently",
            vendor=self.vendor,
        )

    def no_model(self) -> ModelNotFound:
        """There is no such model."""
        return ModelNotFound(
            f"{self.vendor} has no model {self.model!r} for this key or project; choose one that it lists",
            vendor=self.vendor,
        )

    def not_configured(self, reason: str) -> NotConfigured:
        """Something is missing on our side."""
        return NotConfigured(f"{self.vendor} cannot be asked for {self.model}: {reason}", vendor=self.vendor)

    def denied(self, reason: str) -> Denied:
        """The key or the account may not."""
        return Denied(f"{self.vendor} does not let us use {self.model}: {reason}", vendor=self.vendor)

    def raised(self, exc: Exception) -> VendorError | None:
        """The error that an exception of the client's, its connection's or google.auth's means, ``None`` for others."""
        if isinstance(exc, TimeoutError):
            return self.unavailable("it took too long")
        if isinstance(exc, aiohttp.ClientConnectorError):
            return self.unavailable(f"{exc.host}:{exc.port} cannot be reached")
        if isinstance(exc, (aiohttp.ClientError, OSError)):
            return self.unavailable(f"the connection broke ({type(exc).__name__})")
        return self._signing_in(exc) or self._answered(exc)

    def _answered(self, exc: Exception) -> VendorError | None:
        from google.genai import errors
        from pydantic import ValidationError

        if isinstance(exc, errors.APIError):
            headers: Mapping[str, str] = getattr(exc.response, "headers", None) or {}
            return self.status(exc.code, exc.details, headers.get("Retry-After"))
        unreadable = (
            errors.UnknownApiResponseError,
            json.JSONDecodeError,
            UnicodeDecodeError,
            ValidationError,
        )
        if isinstance(exc, unreadable):  # as from a proxy in between
            return self.unavailable("its answer cannot be read")
        return None

    def _signing_in(self, exc: Exception) -> VendorError | None:
        from google.auth import exceptions

        if isinstance(exc, exceptions.DefaultCredentialsError):
            return self.not_configured(
                "no Google account is set up on this machine; set GOOGLE_APPLICATION_CREDENTIALS"
            )
        if isinstance(exc, exceptions.TransportError):
            return self.unavailable("the sign-in service cannot be reached")
        if isinstance(exc, exceptions.GoogleAuthError):
            return self.unavailable("the sign-in service is out") if exc.retryable else self.denied(_SIGN_IN)
        return None

    def status(self, code: int | None, body: object, retry_after: str | None = None) -> VendorError:
        """The error that an answer with the status ``code`` and this body means."""
        error = _mapping(_mapping(body[0] if isinstance(body, list) and body else body).get("error", body))
        given = code or error.get("code")
        details = list(_mappings(error.get("details")))
        said = self._said(error.get("message"))
        wait = _wait(details, retry_after)
        number = given if isinstance(given, int) else 500
        if number == 429:
            return self._limited(details, said, wait)
        if number in (401, 403) or {_reason(one) for one in details} & set(_BAD_KEYS):
            return self._forbidden(details, said)
        if number == 400 and error.get("status") == "FAILED_PRECONDITION":
            return self.denied(f"{said}; look at the project's billing and region")
        if number == 404:
            return self.no_model()
        if number in (408, 409, 499) or number >= 500:
            overloaded = "it is overloaded" if number == 503 else f"it failed with status {number}"
            return self.unavailable(overloaded, wait)
        message = f"{self.vendor} does not accept this request for {self.model}: {said}; change what is sent"
        return BadRequest(message, vendor=self.vendor)

    def _forbidden(self, details: Sequence[Mapping[str, Any]], said: str) -> Denied:
        if {_reason(one) for one in details} & set(_BAD_KEYS):
            return self.denied("the API key is not valid; check GEMINI_API_KEY")
        return self.denied(f"{said}; check the key, or the permissions of the project's account")

    def _limited(self, details: Sequence[Mapping[str, Any]], said: str, wait: float | None) -> VendorError:
        quotas = [one for detail in details for one in _mappings(detail.get("violations"))]
        spent = any(
            "perday" in str(one.get("quotaId")).lower() or one.get("quotaValue") == "0" for one in quotas
        )
        if spent or any(words in said.lower() for words in _SPENT):
            return QuotaExhausted(
                f"the quota of {self.vendor} for {self.model} is used up; raise it in the project's billing or wait a day",
                vendor=self.vendor,
            )
        when = "in a minute" if wait is None else f"in {math.ceil(wait)} s"
        return RateLimited(
            f"{self.vendor} was asked for {self.model} too often; try again {when}",
            vendor=self.vendor,
            retry_after=wait,
        )

    def _said(self, message: object) -> str:
        """What the service said, on one line, short and without the key."""
        text = " ".join(message.split()) if isinstance(message, str) else ""
        if self.secret:
            text = text.replace(self.secret, "***")
        text = _KEYS.sub("***", text)
        return (text if len(text) <= _SHOWN else text[:_SHOWN] + "…").rstrip(".;") or "it gave no reason"


def _reason(detail: Mapping[str, Any]) -> str:
    return str(detail.get("reason", ""))


def _wait(details: Sequence[Mapping[str, Any]], header: str | None) -> float | None:
    """Seconds until the service wants to be asked again: the longer of what the header and the body say."""
    said = [header, *(one.get("retryDelay") for one in details)]
    matches = (_SECONDS.fullmatch(one.strip()) for one in said if isinstance(one, str))
    return max((float(match.group(1)) for match in matches if match), default=None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
