"""Whatever goes wrong between us and the server, as one sentence of ours in the tree of ``VendorError``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import aiohttp
import httpx2
import openai

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
from adapters.vendors.openai.endpoint import Endpoint

# What a request can end with when the server did not answer it.
TRANSPORT: Final = (openai.APIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, aiohttp.ClientError,
                    TimeoutError, OSError)  # fmt: skip

_QUOTA: Final = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"}
_FILTERED: Final = {
    "content_filter", "content_policy_violation", "moderation_blocked", "invalid_prompt",
    "responsibleaipolicyviolation",
}  # fmt: skip
_NO_MODEL: Final = {"model_not_found", "deploymentnotfound", "model_not_available"}
_TOO_LONG: Final = {"context_length_exceeded", "string_above_max_length"}
_STATUS_OF_CODE: Final = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "requests": 429, "tokens": 429,
    "server_error": 500, "internal_server_error": 500, "overloaded_error": 503, "engine_overloaded": 503,
    "invalid_api_key": 401, "authentication_error": 401, "permission_error": 403, "permission_denied": 403,
    "invalid_request_error": 400, "not_found_error": 404, "notfounderror": 404,
}  # fmt: skip
_KEY: Final = re.compile(r"\b(sk|pk|key|gsk|xai)-[\w*.-]{4,}|Bearer\s+\S+")
_LONGEST_DETAIL: Final = 240
_UNSUPPORTED: Final = re.compile(
    r"unsupported|not (be )?support|unrecognized|unknown|unexpected|extra|not (permitted|allowed)|only the default"
    r"|deprecated",
    re.IGNORECASE,
)


class Reported:
    """An error object as servers send it, in any of the shapes that are about."""

    def __init__(self, value: object) -> None:
        fields = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
        inner = fields.get("innererror")
        self.codes = {
            str(found).lower()
            for found in (fields.get("code"), fields.get("type"), inner.get("code") if isinstance(inner, Mapping) else None)
            if found is not None
        }  # fmt: skip
        message = fields.get("message") or fields.get("detail") or (value if isinstance(value, str) else "")
        self.message = message if isinstance(message, str) else str(message)
        self.param = str(fields.get("param") or "")
        self.shaped = bool(fields) and bool(self.message)

    def status(self) -> int:
        """The HTTP status that an error within a stream amounts to; 500 when it does not tell."""
        for code in self.codes:
            if code.isdecimal() and 400 <= int(code) < 600:
                return int(code)
        found = [_STATUS_OF_CODE[code] for code in self.codes if code in _STATUS_OF_CODE]
        return max(found) if found else 500

    def refuses(self, field: str) -> bool:
        """Whether the server says that it does not take ``field``."""
        about = self.param.split(".")[0] == field or field in self.message
        told = self.codes & {"unsupported_parameter", "unsupported_value", "unknown_parameter"}
        return about and (bool(told) or _UNSUPPORTED.search(self.message) is not None)


def reported(error: openai.APIStatusError) -> Reported:
    """The error object of an answer with an error status."""
    return Reported(error.body)


class Explainer:
    """Turns errors into sentences about one endpoint, without its key."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._vendor = endpoint.vendor
        self._secrets = endpoint.secrets

    def of(self, error: Exception, model: str) -> VendorError:
        """The error of ours for one of ``TRANSPORT``."""
        if isinstance(error, openai.APIStatusError):
            headers = error.response.headers
            return self.of_status(error.status_code, reported(error), model, retry_after(headers))
        if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | aiohttp.InvalidURL):
            return NotConfigured(f"the base_url of {self._vendor} is not an address", vendor=self._vendor)
        causes = _causes(error)
        if any(isinstance(cause, httpx2.UnsupportedProtocol) for cause in causes):
            return NotConfigured(f"the base_url of {self._vendor} is not an address", vendor=self._vendor)
        if any(
            isinstance(cause, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError)
            for cause in causes
        ):
            what = "has a certificate that cannot be trusted: check its base_url"
        elif any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes):
            what = "cannot be reached: check its address and the network"
        elif any(isinstance(cause, TimeoutError) for cause in causes):
            what = "did not answer in time: try again"
        else:
            what = "broke the connection: try again"
        return self.unavailable(what, model)

    def of_status(self, status: int, said: Reported, model: str, wait: float | None = None) -> VendorError:
        """The error of ours for a status and the error object that came with it."""
        vendor, why = self._vendor, self.detail(said.message)
        if said.codes & _QUOTA or status == 402 or "billing hard limit" in said.message.lower():
            text = f"the budget of the {vendor} account is used up (asked for {model}): check its plan and billing{why}"
            return QuotaExhausted(text, vendor=vendor, retry_after=wait)
        if said.codes & _FILTERED:
            return Refused(
                f"the content filter of {vendor} declined what {model} was asked{why}", vendor=vendor
            )
        if status == 429:
            text = f"{vendor} is asked too often for {model}: wait, or raise its limit{why}"
            return RateLimited(text, vendor=vendor, retry_after=wait)
        if status == 401:
            return Denied(
                f"{vendor} does not accept the API key (asked for {model}): check it{why}", vendor=vendor
            )
        if status == 403:
            text = (
                f"{vendor} does not permit {model} to this key or from here: check the key's permissions{why}"
            )
            return Denied(text, vendor=vendor)
        if said.codes & _NO_MODEL or (status == 404 and said.shaped and _names_a_model(said)):
            return ModelNotFound(
                f"{vendor} has no model {model} for this key: choose another{why}", vendor=vendor
            )
        if status == 404:
            text = f"{vendor} knows no such path (asked for {model}): its base_url may be wrong{why}"
            return ModelNotFound(text, vendor=vendor)
        if status >= 500 or status in {408, 409, 425}:
            text = f"{vendor} is out of order for {model} (status {status}): try again later{why}"
            return Unavailable(text, vendor=vendor, retry_after=wait)
        if said.codes & _TOO_LONG or status == 413:
            text = f"the conversation is longer than {model} of {vendor} takes: shorten it{why}"
            return BadRequest(text, vendor=vendor)
        text = (
            f"{vendor} does not take what {model} was sent (status {status}): check the model's settings{why}"
        )
        return BadRequest(text, vendor=vendor)

    def of_event(self, value: object, model: str) -> VendorError:
        """The error of ours for an error object within a stream."""
        said = Reported(value)
        return self.of_status(said.status(), said, model)

    def unavailable(self, what: str, model: str) -> Unavailable:
        """``what`` says what the vendor did or is."""
        return Unavailable(f"{self._vendor} {what} (asked for {model})", vendor=self._vendor)

    def refused(self, model: str) -> Refused:
        """The model declined, or its words were taken away before the first."""
        text = f"{self._vendor} declined to answer with {model}: ask in another way"
        return Refused(text, vendor=self._vendor)

    def detail(self, message: str) -> str:
        """What the server said, in brackets: one line, short, without secrets."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        line = " ".join(_KEY.sub("***", message).split())
        if len(line) > _LONGEST_DETAIL:
            line = line[: _LONGEST_DETAIL - 1] + "…"
        return f" ({line})" if line and not line.startswith("<") else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that ``retry-after-ms`` or ``Retry-After`` (seconds or a date) asks to wait, None without."""
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    then = _date(value)
    # By the server's own clock, where it shows it: ours may be wrong.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return None if then is None else max(0.0, (then - now).total_seconds())


def _number(value: str) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return max(0.0, found) if math.isfinite(found) else None


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _names_a_model(said: Reported) -> bool:
    return (
        said.param == "model" or re.search(r"\b(model|deployment)\b", said.message, re.IGNORECASE) is not None
    )


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__
    return found
