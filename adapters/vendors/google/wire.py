"""What goes over the wire: a question as the API wants it, and the events of an answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from adapters.vendors.base import ChatRequest, Image, Turn

NOTHING: Final = " "  # the API refuses a message without content
_GENERATION: Final = re.compile(r"gemma-?(\d+)(?![\db])", re.IGNORECASE)
_TEXT_ONLY: Final = re.compile(r"-(?:1b|270m)\b", re.IGNORECASE)
_NAME: Final = re.compile(r"[\w.@-]+(?:/[\w.@-]+)*")
_LOCATION: Final = re.compile(r"projects/[^/]+/locations/([^/]+)/")
_SYSTEM_SINCE: Final = 4  # the first Gemma that is told its part apart from the conversation
_SEES_SINCE: Final = 3


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of an answer; ``blocked`` is why the prompt was declined, ``error`` a failure in the middle."""

    text: str = ""
    finish: str = ""
    blocked: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    token: str = ""
    error: Mapping[str, Any] | None = None


class Events:
    """Server-sent events out of the bytes of a stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._stray: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that ``data`` completes."""
        found: list[bytes] = []
        *lines, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif line:
                self._stray.append(line)
            elif self._data:
                found.append(b"\n".join(self._data))
                self._data.clear()
        return found

    def end(self) -> list[bytes]:
        """What is left when the stream has ended: an event without its empty line, an error without ``data:``."""
        found = self.feed(b"\n\n")
        stray = b"".join(self._stray)
        return [*found, stray] if stray.startswith((b"{", b"[")) else found


def chunk(payload: bytes) -> Chunk:
    """The event in ``payload``. Raises ``ValueError`` when it is none."""
    value = orjson.loads(payload)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise ValueError("an event is an object")
    if "error" in value:
        return Chunk(error=value)
    candidate = _first(value.get("candidates"))
    text = "".join(
        part["text"]
        for part in _mappings(_mapping(candidate.get("content")).get("parts"))
        if isinstance(part.get("text"), str) and not part.get("thought")
    )
    return Chunk(
        text,
        _string(candidate.get("finishReason")),
        _string(_mapping(value.get("promptFeedback")).get("blockReason")),
        _mapping(value.get("usageMetadata")),
        _string(candidate.get("continuationToken")),
    )


def body(request: ChatRequest, token: str = "") -> bytes:
    """The question as the API wants it; ``token`` asks for the rest of an answer that paused."""
    asked = _asked(request)
    if token:
        asked["continuationToken"] = token
    try:
        return orjson.dumps(asked)
    except TypeError:  # half of a surrogate pair, which no valid text has
        return orjson.dumps(_whole(asked))


def path(model: str, *, project: str, location: str) -> str | None:
    """The resource that is asked, ``None`` for a name that cannot be one."""
    if not _NAME.fullmatch(model) or ".." in model:
        return None
    if not project:
        return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    if model.startswith("projects/"):
        return model
    place = f"projects/{project}/locations/{location}"
    if model.startswith(("publishers/", "endpoints/")):
        return f"{place}/{model}"
    publisher, _, name = model.removeprefix("models/").rpartition("/")
    return f"{place}/publishers/{publisher or 'google'}/models/{name}"


def location(model: str) -> str:
    """Where a tuned model lives that is named in full, else an empty string."""
    found = _LOCATION.match(model)
    return found.group(1) if found else ""


def sees(model: str) -> bool:
    """Whether the model can be shown images: Gemini and its tuned models can, Gemma from 3 on."""
    generation = _gemma(model)
    if generation is not None:
        return generation >= _SEES_SINCE and not _TEXT_ONLY.search(model)
    return "gemini" in model.lower() or "endpoints/" in model


def _gemma(model: str) -> int | None:
    """The generation of a Gemma, whose first one has only its size in the name; ``None`` for other models."""
    if "gemma" not in model.lower():
        return None
    found = _GENERATION.search(model)
    return int(found.group(1)) if found else 1


def _asked(request: ChatRequest) -> dict[str, Any]:
    turns = [
        turn
        for shot in request.shots
        for turn in (Turn("user", shot.user), Turn("assistant", shot.assistant))
    ]
    system = request.system
    generation = _gemma(request.model)
    if system and generation is not None and generation < _SYSTEM_SINCE:
        turns, system = [Turn("user", system), *turns], ""
    asked: dict[str, Any] = {"contents": _contents([*turns, *request.turns])}
    if system:
        asked["systemInstruction"] = {"parts": [{"text": system}]}
    config: dict[str, Any] = {}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    return asked | ({"generationConfig": config} if config else {})


def _contents(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The turns with roles that alternate and a user who begins, as the API wants it."""
    contents: list[dict[str, Any]] = []
    for turn in turns:
        role = "user" if turn.role == "user" else "model"
        if not contents and role == "model":
            contents.append({"role": "user", "parts": []})
        if not contents or contents[-1]["role"] != role:
            contents.append({"role": role, "parts": []})
        parts: list[dict[str, Any]] = contents[-1]["parts"]
        parts += map(_inline, turn.images)
        if turn.text and parts and "text" in parts[-1]:
            parts[-1] = {"text": f"{parts[-1]['text']}\n\n{turn.text}"}
        elif turn.text:
            parts.append({"text": turn.text})
    if not contents:
        contents.append({"role": "user", "parts": []})
    for content in contents:
        content["parts"] = content["parts"] or [{"text": NOTHING}]
    return contents


def _inline(image: Image) -> dict[str, Any]:
    return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _first(value: Any) -> Mapping[str, Any]:
    return next(_mappings(value), {})


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
