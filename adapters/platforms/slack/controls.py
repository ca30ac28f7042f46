"""The buttons below a reply, and the grammar of every ``action_id`` and ``value``.

They are all that is left of a button after a restart: an ``action_id`` of at most 255 characters and a ``value`` of at most
2,000, which Slack hands back when it is pressed. Ours read as follows; the prefix carries the version of this grammar::

    us1.rate           up.<exchange> or down.<exchange>               thumbs; the lower one opens the form
    us1.again          <exchange>                                     regenerate
    us1.stop           ["<exchange>", "<asker>", "<conversation>"]    stop the reply that is being given
    us1.run.<number>   {"p": person, "c": command, "v": values, …}    a button of an answer; with "s" it is confirmed,
                                                                      with "q" it answers a question
    us1.kept.<number>  {"p": person, "k": key}                        what does not fit, kept in memory
    us1.drop           {"p": person}                                  nothing is to be done
    us1.home.<number>  {"c": command, "v": values, …}                 a button of App Home

No person is anybody. The number only tells buttons of one block apart, as Slack wants it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from adapters.platforms.slack.options import Options

PREFIX: Final = "us1"
OURS: Final = re.compile(r"us\d+\..+", re.DOTALL)
"""Every ``action_id`` of ours, of this version or another."""
ANYBODY: Final = ""
"""The person of a button that everybody may press."""

RATE: Final = f"{PREFIX}.rate"
AGAIN: Final = f"{PREFIX}.again"
STOP: Final = f"{PREFIX}.stop"
RUN: Final = f"{PREFIX}.run"
KEPT: Final = f"{PREFIX}.kept"
DROP: Final = f"{PREFIX}.drop"
HOME: Final = f"{PREFIX}.home"

LONGEST: Final = 2_000
"""Characters of a ``value``."""

_LABEL = 75
_EXCHANGE = re.compile(r"[0-9A-Za-z_-]{1,64}")
_COMMAND = re.compile(r"[a-z0-9_-]+(?: [a-z0-9_-]+)?")

Style = Literal["plain", "good", "danger"]
_STYLES: Mapping[str, str] = {"good": "primary", "danger": "danger"}


class NotOursError(ValueError):
    """A value that we did not write, or that is forgotten."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a button of an answer says: run ``command`` with ``values``, or what is kept under ``key``.

    ``settles`` says that the question it stands below is answered by pressing it.
    """

    person: str
    command: str = ""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    sure: bool = False
    settles: bool = False
    key: str = ""


def reply_blocks(exchange_id: str, options: Options) -> list[dict[str, Any]]:
    """The blocks below a finished reply; nothing where the operator wants no buttons."""
    if not options.buttons:
        return []
    return [
        {
            "type": "context_actions",
            "elements": [
                {
                    "type": "feedback_buttons",
                    "action_id": RATE,
                    "positive_button": {
                        "text": plain("Good reply"),
                        "accessibility_label": "This reply is good",
                        "value": f"up.{exchange_id}",
                    },
                    "negative_button": {
                        "text": plain("Bad reply"),
                        "accessibility_label": "This reply is bad; say what was wrong",
                        "value": f"down.{exchange_id}",
                    },
                }
            ],
        },
        # Slack draws an icon button with a bin and nothing else, which nobody would press to have a reply given again.
        row(button("↻ Try again", AGAIN, exchange_id)),
    ]


def stop_blocks(exchange_id: str, asker: str = "", conversation: str = "") -> list[dict[str, Any]]:
    """The row below a reply that is still being given.

    ``asker`` is who may stop it beside reviewers, by Slack's id; ``conversation`` is that of its place.
    """
    return [row(button("Stop", STOP, _written([exchange_id, asker, conversation])))]


def thumb_of(value: str) -> tuple[bool, str]:
    """Whether the upper thumb was pressed, and the exchange. Raises ``NotOursError`` for what is none of ours."""
    way, _, exchange_id = value.partition(".")
    if way not in ("up", "down"):
        raise NotOursError("no thumb of ours")
    return way == "up", exchange_of(exchange_id)


def exchange_of(value: str) -> str:
    """The exchange that a value names. Raises ``NotOursError`` for what is none of ours."""
    if not _EXCHANGE.fullmatch(value):
        raise NotOursError("no exchange of ours")
    return value


def stop_of(value: str) -> tuple[str, str, str]:
    """Exchange, asker and conversation of a stop button. Raises ``NotOursError`` for what is none of ours."""
    exchange_id, asker, conversation = _texts(value, 3)
    return exchange_of(exchange_id), asker, conversation


def run_value(run: Run) -> str:
    """The value of a button that runs this, or nothing when it does not fit."""
    said: dict[str, Any] = {"k": run.key} if run.key else {"c": run.command, "v": dict(run.values)}
    if run.person:
        said["p"] = run.person
    if run.sure:
        said["s"] = 1
    if run.settles:
        said["q"] = 1
    made = _written(said)
    return made if len(made) <= LONGEST else ""


def run_of(value: str) -> Run:
    """What such a button says. Raises ``NotOursError`` for what is none of ours."""
    found = _read(value)
    if not isinstance(found, dict):
        raise NotOursError("no button of ours")
    said = cast("dict[str, object]", found)
    person, key, command = said.get("p", ""), said.get("k", ""), said.get("c", "")
    values = said.get("v", {})
    if not (isinstance(person, str) and isinstance(key, str) and isinstance(command, str)):
        raise NotOursError("no button of ours")
    if not isinstance(values, dict) or (command and not _COMMAND.fullmatch(command)):
        raise NotOursError("no button of ours")
    given = cast("dict[str, object]", values)
    if not all(isinstance(each, str) for each in given.values()):
        raise NotOursError("no button of ours")
    return Run(person, command, cast("dict[str, str]", given), said.get("s") == 1, said.get("q") == 1, key)


def button(
    label: str,
    action_id: str,
    value: str,
    *,
    style: Style = "plain",
    confirm: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One button, as Slack takes it."""
    made: dict[str, Any] = {
        "type": "button",
        "action_id": action_id,
        "text": plain(label),
        "value": value[:LONGEST],
    }
    if style in _STYLES:
        made["style"] = _STYLES[style]
    if confirm is not None:
        made["confirm"] = dict(confirm)
    return made


def row(*elements: Mapping[str, Any]) -> dict[str, Any]:
    """A row of at most 25 buttons."""
    return {"type": "actions", "elements": [dict(each) for each in elements[:25]]}


def plain(text: str, longest: int = _LABEL) -> dict[str, Any]:
    """A text without any markup, of that length."""
    shown = text.strip() or "…"
    return {
        "type": "plain_text",
        "text": shown if len(shown) <= longest else f"{shown[: longest - 1].rstrip()}…",
        "emoji": True,
    }


def _written(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _read(value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise NotOursError("no JSON") from error


def _texts(value: str, count: int) -> list[str]:
    found = _read(value)
    if not isinstance(found, list):
        raise NotOursError("no button of ours")
    texts = [each for each in cast("list[object]", found) if isinstance(each, str)]
    if len(texts) != count:
        raise NotOursError("no button of ours")
    return texts
