"""What goes over the wire: the body of a question, and the events of an answer as bytes arrive."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from adapters.vendors.base import ChatRequest, Turn

_LONGEST_EVENT: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Habits:
    """What a model takes: the name of the field for the longest answer, and whether these two may be sent."""

    limit: Literal["max_tokens", "max_completion_tokens"]
    temperature: bool = True
    usage: bool = True


def encode(request: ChatRequest, habits: Habits, *, official: bool) -> bytes:
    """The body of a streamed chat completion. Lone surrogates, which JSON cannot carry, become U+FFFD."""
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request), "stream": True}
    if habits.usage:
        body["stream_options"] = {"include_usage": True}
        if official:
            # Random padding that would double each event; others do not know the field.
            body["stream_options"]["include_obfuscation"] = False
    if request.max_output_tokens is not None:
        body[habits.limit] = request.max_output_tokens
    if request.temperature is not None and habits.temperature:
        body["temperature"] = request.temperature
    try:
        return orjson.dumps(body)
    except TypeError:
        return orjson.dumps(_clean(body))


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    for shot in request.shots:
        messages.append({"role": "user", "content": shot.user})
        messages.append({"role": "assistant", "content": shot.assistant})
    messages.extend({"role": turn.role, "content": _content(turn)} for turn in request.turns)
    return messages


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    # An assistant's message is text only.
    if not turn.images or turn.role != "user":
        return turn.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for image in turn.images:
        url = f"data:{image.media_type};base64,{b64encode(image.data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return value


class Answer:
    """An answer as it arrives: ``feed`` takes bytes, cut anywhere, and gives the text that they complete.

    ``done`` says that nothing more is to come; ``error`` holds the server's error object, ``malformed`` what could not be
    read, ``refused`` that the model declined before it said anything, and ``finish`` the reason that the server gave.
    """

    __slots__ = ("_data", "_rest", "done", "error", "finish", "malformed", "refused", "spoken", "usage")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self.done = False
        self.spoken = False
        self.refused = False
        self.finish: str | None = None
        self.usage: dict[str, Any] = {}
        self.error: Any = None
        self.malformed: bytes | None = None

    def feed(self, data: bytes) -> str:
        """The text that ``data`` completes, perhaps none."""
        data = self._rest + data if self._rest else data
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # perhaps the first half of a line end
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        self._rest = lines.pop() + held
        if len(self._rest) > _LONGEST_EVENT:
            self.malformed, self.done = self._rest, True
        texts: list[str] = []
        for line in lines:
            if self.done:
                break
            if not line:
                self._dispatch(texts)
            elif line.startswith(b"data:"):
                self._data.append(line[5:])
        return self._said(texts)

    def end(self) -> str:
        """The text of a last event that the server did not end with an empty line."""
        return self.feed(b"\n\n") if not self.done and (self._rest or self._data) else ""

    def whole(self, body: bytes) -> str:
        """The text of an answer that came in one piece, from a server that does not stream."""
        texts: list[str] = []
        self._data = [body]
        self._dispatch(texts)
        self.done = self.done or bool(texts)
        return self._said(texts)

    def _said(self, texts: list[str]) -> str:
        text = "".join(texts)
        self.spoken = self.spoken or bool(text)
        return text

    def _dispatch(self, texts: list[str]) -> None:
        if not self._data:
            return
        payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        try:
            self._take(orjson.loads(payload), texts)
        except (ValueError, AttributeError, TypeError, LookupError):
            # Not JSON, or JSON of another shape.
            payload = payload.strip()
            self.done = self.done or bool(payload)
            if payload and payload != b"[DONE]":
                self.malformed = payload

    def _take(self, chunk: Any, texts: list[str]) -> None:
        if error := chunk.get("error") or (chunk if chunk.get("object") == "error" else None):
            self.error, self.done = error, True
            return
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        choices = chunk.get("choices")
        if not choices:
            return
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message")
        if delta:
            content = delta.get("content")
            if content:
                texts.append(content if isinstance(content, str) else _parts(content))
            if delta.get("refusal"):
                self._declined(texts)
        if finish := choice.get("finish_reason"):
            self.finish = self.finish or str(finish)
            if finish == "content_filter":
                self._declined(texts)

    def _declined(self, texts: list[str]) -> None:
        if self.spoken or any(texts):
            self.finish = "content_filter"
        else:
            self.refused = self.done = True


def _parts(content: list[Any]) -> str:
    """The text of content in parts, without a model's thoughts."""
    return "".join(part["text"] for part in content if part.get("type") == "text")


def number(value: object) -> int:
    """A count from a server, 0 for anything else."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return max(0, int(value)) if whole and isinstance(value, int | float) else 0
