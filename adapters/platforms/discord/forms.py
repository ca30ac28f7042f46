"""Forms: what a person is asked in a window of its own, and what they wrote into it.

A form is handled by the ``custom_id`` that comes back with it and by nothing that is remembered, so that one that was opened
before a restart can be sent after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import discord

from adapters.platforms.base import Form, Param
from adapters.platforms.discord import controls

REASONS: Final[Mapping[str, str]] = {
    "wrong": "It is wrong",
    "unclear": "It is unclear",
    "too long": "It is too long",
    "unkind": "It is unkind",
    "other": "Something else",
}
"""What may be amiss with a reply, by what is noted of it."""

STARS: Final[Mapping[str, str]] = {
    "5": "★★★★★  great",
    "4": "★★★★☆  good",
    "3": "★★★☆☆  so-so",
    "2": "★★☆☆☆  poor",
    "1": "★☆☆☆☆  bad",
}
"""The stars to choose from, the best first."""

_LONGEST_TEXT = 4_000
_COMMENT = 1_000
_OPEN = 15 * 60.0  # how long discord.py remembers a form that was closed unsent, in seconds
_INPUTS = 5


class Sheet(discord.ui.Modal):
    """A form as it is shown. What is sent comes in as an interaction like any other."""

    def __init__(self, title: str, custom_id: str, items: Sequence[discord.ui.Item[Any]]) -> None:
        super().__init__(title=title[:45], custom_id=custom_id, timeout=_OPEN)
        for item in items:
            self.add_item(item)


@dataclass(frozen=True, slots=True)
class Target:
    """The reply that a form is about: by its exchange, or by the message that it is in."""

    exchange_id: str = ""
    reply_key: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """As it is written into a ``custom_id``."""
        return ("e", self.exchange_id) if self.exchange_id else ("m", self.reply_key)

    @classmethod
    def read(cls, by: str, key: str) -> Target:
        """As it was written there."""
        return cls(exchange_id=key) if by == "e" else cls(reply_key=key)


def what_was_wrong(target: Target) -> Sheet:
    """The form that a thumb down opens; nothing in it has to be filled in."""
    return Sheet(
        "What was wrong?",
        controls.control("rated", *target.parts),
        (
            _choice("reason", "What was it?", REASONS, required=False),
            _text("comment", "In your words", longest=_COMMENT),
            _text("better", "A better answer", "What it should have said. I can learn from it."),
        ),
    )


def rate(target: Target) -> Sheet:
    """The form of the command on a message."""
    return Sheet(
        "Rate this reply",
        controls.control("rated", *target.parts),
        (
            _choice("stars", "How good is it?", STARS),
            _text("comment", "In your words", longest=_COMMENT),
            _text("better", "A better answer", "What it should have said. I can learn from it."),
        ),
    )


def teach(target: Target, said: str) -> Sheet:
    """The form that makes an example of a reply, as it is or mended."""
    said = said[:_LONGEST_TEXT]
    return Sheet(
        "Teach this as an example",
        controls.control("taught", *target.parts, digest(said)),
        (
            _text(
                "answer",
                "The answer to imitate",
                "Leave it as it is, or make it better.",
                required=True,
                default=said,
            ),
        ),
    )


def digest(text: str) -> str:
    """What tells whether a text was changed; spaces and line ends are no change."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()[:12]


def sheet_of(form: Form, custom_id: str) -> Sheet:
    """The form of an answer: five inputs at most, the required ones before the others."""
    inputs = sorted(form.inputs, key=lambda param: not param.required)[:_INPUTS]
    return Sheet(form.title, custom_id, [_input(param) for param in inputs])


def filled(data: Mapping[str, Any]) -> dict[str, str]:
    """What was written and chosen in a form that was sent, by the names of its inputs; nothing of what was left empty."""
    found: dict[str, str] = {}
    _collect(data.get("components") or (), found)
    return found


def comment_of(values: Mapping[str, str]) -> str:
    """Reason and comment as one remark."""
    parts = (values.get("reason", ""), values.get("comment", ""))
    return ": ".join(part for part in parts if part and part != "other")


def _collect(components: Sequence[Mapping[str, Any]], found: dict[str, str]) -> None:
    for component in components:
        inner = component.get("component")
        if inner is not None:
            _collect((inner,), found)
        _collect(component.get("components") or (), found)
        name, value = component.get("custom_id"), component.get("value")
        if value is None and component.get("values"):
            value = component["values"][0]
        if not isinstance(name, str) or value is None:
            continue
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value).strip()
        if text:
            found[name] = text


def _input(param: Param) -> discord.ui.Label[Any]:
    title, more = _title(param)
    chosen = None if param.default is None else str(param.default)
    if param.kind == "flag":
        box = discord.ui.Checkbox[Any](custom_id=param.name, default=bool(param.default))
        return discord.ui.Label(text=title, description=more, component=box)
    if param.kind == "choice":
        options = {choice: choice for choice in param.choices}
        return _choice(param.name, title, options, required=param.required, chosen=chosen, more=more)
    long = param.long or param.rest
    return _text(
        param.name,
        title,
        more or "",
        longest=_LONGEST_TEXT if param.kind == "text" else 40,
        long=long,
        required=param.required,
        default=chosen,
    )


def _title(param: Param) -> tuple[str, str | None]:
    """The help as a label, or the name as the label and the help below it."""
    text = f"{param.help[:1].upper()}{param.help[1:]}".rstrip(".")
    if len(text) <= 45:
        return text or param.name, None
    return param.name.replace("_", " ").capitalize()[:45], text[:100]


def _text(
    name: str,
    title: str,
    more: str = "",
    *,
    longest: int = _LONGEST_TEXT,
    long: bool = True,
    required: bool = False,
    default: str | None = None,
) -> discord.ui.Label[Any]:
    style = discord.TextStyle.paragraph if long else discord.TextStyle.short
    line = discord.ui.TextInput[Any](
        custom_id=name, style=style, required=required, max_length=longest, default=default
    )
    return discord.ui.Label(text=title, description=more or None, component=line)


def _choice(
    name: str,
    title: str,
    options: Mapping[str, str],
    *,
    required: bool = True,
    chosen: str | None = None,
    more: str | None = None,
) -> discord.ui.Label[Any]:
    """All to be seen at once where they are few, else a list to open."""
    if 2 <= len(options) <= 10:
        shown = [
            discord.RadioGroupOption(label=label[:100], value=value, default=value == chosen)
            for value, label in options.items()
        ]
        group = discord.ui.RadioGroup[Any](custom_id=name, options=shown, required=required)
        return discord.ui.Label(text=title, description=more, component=group)
    listed = [
        discord.SelectOption(label=label[:100], value=value[:100], default=value == chosen)
        for value, label in list(options.items())[:25]
    ]
    menu = discord.ui.Select[Any](
        custom_id=name, options=listed, required=required, min_values=1 if required else 0
    )
    return discord.ui.Label(text=title, description=more, component=menu)
