"""Forms: what a person is asked in a window of its own, and what they wrote into it.

A form carries all that is needed to attend to it: one that was opened before a restart can be sent after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final, cast

from adapters.platforms.base import Command, Param, UserError
from adapters.platforms.commandline import convert
from adapters.platforms.slack.answers import KEPT, Kept, Step
from adapters.platforms.slack.controls import PREFIX, NotOursError, plain
from adapters.platforms.usage import Value

RATED: Final = f"{PREFIX}.rated"
TAUGHT: Final = f"{PREFIX}.taught"
ASKED: Final = f"{PREFIX}.asked"
"""What the three sorts of forms are called: about a reply, teaching a reply, the values of a command."""

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

LONGEST: Final = 3_000
"""Characters of one input."""

_INPUT = "in."
_METADATA = 3_000
_COMMENT = 1_000
_FEW = 10
_OPTIONS = 100
_TITLE = 24
_LABEL = 150
_OPTION = 75

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a form was opened, so that what follows from it is said there.

    ``thread`` and ``message`` are times; ``url`` takes answers for half an hour.
    """

    channel: str = ""
    thread: str = ""
    message: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The reply that a form is about: by its exchange, or by the message that it is in."""

    exchange_id: str = ""
    reply_key: str = ""


def what_was_wrong(target: Target, origin: Origin) -> View:
    """The form that a thumb down opens; nothing in it has to be filled in. Closing it is told too."""
    blocks = (
        _choice("reason", "What was it?", REASONS, required=False),
        _text("comment", "In your words", longest=_COMMENT),
        _text("better", "A better answer", "What it should have said. I can learn from it."),
    )
    return _view("What was wrong?", RATED, blocks, _about(target, origin), closing=True)


def rate(target: Target, origin: Origin) -> View:
    """The form of the shortcut on a message."""
    blocks = (
        _choice("stars", "How good is it?", STARS),
        _text("comment", "In your words", longest=_COMMENT),
        _text("better", "A better answer", "What it should have said. I can learn from it."),
    )
    return _view("Rate this reply", RATED, blocks, _about(target, origin))


def teach(target: Target, said: str, origin: Origin) -> View:
    """The form that makes an example of a reply, as it is or mended; as it is where it is too long to be mended here."""
    about = _about(target, origin) | {"d": digest(said)}
    if len(said) > LONGEST:
        note = "This reply is too long to be changed here. I will imitate it as it is."
        block: View = {"type": "section", "text": plain(note, LONGEST)}
        return _view("Teach as an example", TAUGHT, (block,), about, submit="Teach")
    answer = _text(
        "answer",
        "The answer to imitate",
        "Leave it as it is, or make it better.",
        required=True,
        initial=said,
    )
    return _view("Teach as an example", TAUGHT, (answer,), about, submit="Teach")


def digest(text: str) -> str:
    """What tells whether a text was changed; spaces and line ends are no change."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()[:12]


def asked(
    command: Command,
    values: Mapping[str, str],
    origin: Origin,
    *,
    inputs: Sequence[Param] = (),
    title: str = "",
    offered: Mapping[str, str] | None = None,
    kept: Kept = KEPT,
) -> View:
    """The form that asks for the values of a command; those that are given already stand in it.

    ``inputs`` are all parameters of the command where none are named; ``offered`` stands in those that are empty.
    """
    asking = inputs or [each for each in command.params if each.required or not each.scripted]
    shown = [each for each in asking if len(values.get(each.name, "")) <= LONGEST]
    # Cut to what an input takes, a text would be sent back as half of what was given.
    fixed = {name: text for name, text in values.items() if len(text) > LONGEST or name not in _names(shown)}
    about: dict[str, Any] = {"o": astuple(origin), "c": command.name, "v": fixed}
    if len(_packed(about)) > _METADATA:
        about = {"o": astuple(origin), "c": command.name, "k": kept.put(Step(command.name, fixed))}
    blocks = [_input(each, values.get(each.name), (offered or {}).get(each.name, "")) for each in shown]
    if not blocks:
        blocks = [{"type": "section", "text": plain(_sentence(command.help), LONGEST)}]
    return _view(title or _sentence(command.name), ASKED, blocks, about, submit="Go")


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that came back: where it was opened, what it is about, and what was written."""

    origin: Origin
    target: Target
    digest: str = ""
    command: str = ""
    fixed: Mapping[str, str] | None = None
    values: Mapping[str, str] | None = None


def sent(view: Mapping[str, Any], *, kept: Kept = KEPT) -> Sent:
    """A form as it was sent. Raises ``NotOursError`` for one that is not ours, or whose values are forgotten."""
    try:
        about = cast("dict[str, Any]", json.loads(str(view.get("private_metadata") or "null")))
        origin = Origin(*(str(each) for each in about["o"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotOursError("no form of ours") from error
    target = Target(str(about.get("e", "")), str(about.get("m", "")))
    fixed: Mapping[str, str] = about.get("v") or {}
    if "k" in about:
        step = kept.get(str(about["k"]))
        if step is None:
            raise NotOursError("what was given with this form is forgotten")
        fixed = step.values
    return Sent(origin, target, str(about.get("d", "")), str(about.get("c", "")), fixed, filled(view))


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What was written and chosen in a form, by the names of its inputs; nothing of what was left empty."""
    found: dict[str, str] = {}
    state: Mapping[str, Any] = (view.get("state") or {}).get("values") or {}
    for block_id, elements in state.items():
        for element in elements.values():
            text = _said(element)
            if block_id.startswith(_INPUT) and text:
                found[block_id.removeprefix(_INPUT)] = text
    return found


def comment_of(values: Mapping[str, str]) -> str:
    """Reason and comment as one remark."""
    parts = (values.get("reason", ""), values.get("comment", ""))
    return ": ".join(part for part in parts if part and part != "other")


def mistakes(command: Command, given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the values, by the input that shall show it."""
    found: dict[str, str] = {}
    for param in command.params:
        text = given.get(param.name, "")
        if text:
            try:
                convert(param, text)
            except UserError as error:
                found[_INPUT + param.name] = str(error).replace("`", "")
        elif param.required:
            found[_INPUT + param.name] = "This is needed."
    return found


def _said(element: Mapping[str, Any]) -> str:
    kind = element.get("type")
    if kind == "checkboxes":
        return "yes" if element.get("selected_options") else "no"
    if kind in ("radio_buttons", "static_select"):
        return str((element.get("selected_option") or {}).get("value") or "")
    return str(element.get("value") or "").strip()


def _about(target: Target, origin: Origin) -> dict[str, Any]:
    named = {"e": target.exchange_id} if target.exchange_id else {"m": target.reply_key}
    return {"o": astuple(origin), **named}


def _packed(about: Mapping[str, Any]) -> str:
    return json.dumps(about, ensure_ascii=False, separators=(",", ":"))


def _view(
    title: str,
    callback: str,
    blocks: Sequence[View],
    about: Mapping[str, Any],
    *,
    submit: str = "Send",
    closing: bool = False,
) -> View:
    made: View = {
        "type": "modal",
        "callback_id": callback,
        "title": plain(title, _TITLE),
        "submit": plain(submit, _TITLE),
        "close": plain("Cancel" if not closing else "Not now", _TITLE),
        "private_metadata": _packed(about),
        "blocks": list(blocks),
    }
    if closing:
        made["notify_on_close"] = True
    return made


def _names(params: Sequence[Param]) -> frozenset[str]:
    return frozenset(param.name for param in params)


def _sentence(text: str) -> str:
    plain_text = text.replace("`", "")
    return f"{plain_text[:1].upper()}{plain_text[1:]}"


def _input(param: Param, given: str | None, offered: str) -> View:
    title = _sentence(param.name.replace("_", " "))
    hint = _sentence(param.help)
    if given is None and param.default is not None:
        given = _written(param.default)
    if param.kind == "choice":
        options = {choice: choice for choice in param.choices}
        return _choice(param.name, title, options, hint, required=param.required, chosen=given)
    if param.kind == "flag":
        option = {"text": plain("Yes", _OPTION), "value": "yes"}
        element: View = {"type": "checkboxes", "options": [option]}
        if given in ("yes", "true", "True"):
            element["initial_options"] = [option]
        return _block(param.name, title, hint, element, required=False)
    if param.kind in ("integer", "number"):
        return _number(param, title, hint, given)
    long = param.long or param.rest
    return _text(param.name, title, hint, long=long, required=param.required, initial=given, offered=offered)


def _written(value: Value) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _number(param: Param, title: str, hint: str, given: str | None) -> View:
    element: View = {"type": "number_input", "is_decimal_allowed": param.kind == "number"}
    for key, limit in (("min_value", param.minimum), ("max_value", param.maximum)):
        if limit is not None:
            element[key] = str(int(limit)) if float(limit).is_integer() else str(limit)
    if given:
        element["initial_value"] = given
    return _block(param.name, title, hint, element, required=param.required)


def _text(
    name: str,
    title: str,
    hint: str = "",
    *,
    longest: int = LONGEST,
    long: bool = True,
    required: bool = False,
    initial: str | None = None,
    offered: str = "",
) -> View:
    element: View = {"type": "plain_text_input", "multiline": long, "max_length": longest}
    if offered:
        element["placeholder"] = plain(offered, _LABEL)
    if initial:
        element["initial_value"] = initial
    return _block(name, title, hint, element, required=required)


def _choice(
    name: str,
    title: str,
    options: Mapping[str, str],
    hint: str = "",
    *,
    required: bool = True,
    chosen: str | None = None,
) -> View:
    """All to be seen at once where they are few, else a list to open."""
    shown = [
        {"text": plain(label, _OPTION), "value": value[:_LABEL]}
        for value, label in list(options.items())[:_OPTIONS]
    ]
    element: View = {
        "type": "radio_buttons" if len(shown) <= _FEW else "static_select",
        "options": shown,
    }
    initial = next((each for each in shown if each["value"] == chosen), None)
    if initial is not None:
        element["initial_option"] = initial
    return _block(name, title, hint, element, required=required)


def _block(name: str, title: str, hint: str, element: View, *, required: bool) -> View:
    made: View = {
        "type": "input",
        "block_id": f"{_INPUT}{name}",
        "label": plain(title, _LABEL),
        "optional": not required,
        "element": {**element, "action_id": "value"},
    }
    if hint:
        made["hint"] = plain(hint, _LABEL)
    return made
