"""The buttons below a reply, and the grammar of every ``custom_id``.

A ``custom_id`` is all that is left of a button after a restart: at most 100 characters, which Discord hands back when it is
pressed. Ours read ``us1.<kind>.<part>[.<part>…]``; the prefix carries the version of this grammar::

    us1.up.<exchange>                             thumb up
    us1.down.<exchange>                           thumb down; opens the form
    us1.again.<exchange>                          regenerate
    us1.stop.<exchange>[.<asker>]                 stop the reply that is being given
    us1.form.<person>.<exchange>                  the form, offered after a bare reaction to this person alone
    us1.run.<person>.<command>?<values>           a button of an answer; ``0`` is anybody
    us1.sure.<person>.<command>?<values>          the same command, confirmed
    us1.kept.<person>.<key>[.<command>]           what does not fit, kept in memory; of the command its name alone
    us1.drop.<person>                             nothing is to be done
    us1.rated.<e|m>.<id>                          a form about a reply, sent: by its exchange, or by the message it is in
    us1.taught.<e|m>.<id>.<digest>                a form that teaches a reply, sent; the digest is that of what it said

A form of an answer has the ``run`` or the ``kept`` of its command.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode
from weakref import WeakKeyDictionary

import discord

from adapters.platforms.discord.options import Options

PREFIX = "us1"
LONGEST = 100
ANYBODY = "0"

_EXCHANGE = r"(?P<exchange>[0-9A-Za-z_-]{1,64})"
_PERSON = r"(?P<person>[0-9]{1,20})"
_COMMAND = r"(?P<command>[a-z0-9_-]+(?: [a-z0-9_-]+)?)"
_RUN = rf"{_COMMAND}(?:\?(?P<values>.*))?"

UP = re.compile(rf"{PREFIX}\.up\.{_EXCHANGE}")
DOWN = re.compile(rf"{PREFIX}\.down\.{_EXCHANGE}")
AGAIN = re.compile(rf"{PREFIX}\.again\.{_EXCHANGE}")
STOP = re.compile(rf"{PREFIX}\.stop\.{_EXCHANGE}(?:\.(?P<asker>[0-9]{{1,20}}))?")
FORM = re.compile(rf"{PREFIX}\.form\.{_PERSON}\.{_EXCHANGE}")
RUN = re.compile(rf"{PREFIX}\.(?P<kind>run|sure)\.{_PERSON}\.{_RUN}")
KEPT = re.compile(rf"{PREFIX}\.kept\.{_PERSON}\.(?P<key>[0-9a-f]{{1,32}})(?:\.{_COMMAND})?")
DROP = re.compile(rf"{PREFIX}\.drop\.{_PERSON}")
_REPLY = r"(?P<by>[em])\.(?P<id>[0-9A-Za-z_-]{1,64})"
RATED = re.compile(rf"{PREFIX}\.rated\.{_REPLY}")
TAUGHT = re.compile(rf"{PREFIX}\.taught\.{_REPLY}\.(?P<digest>[0-9a-f]{{12}})")

PLAIN, GOOD, DANGER = 2, 3, 4
_BUTTON, _ROW = 2, 1


def control(kind: str, *parts: str) -> str:
    """The ``custom_id`` of this kind with these parts. Raises ``ValueError`` when it is too long."""
    made = ".".join((PREFIX, kind, *parts))
    if len(made) > LONGEST:
        raise ValueError(f"a custom_id has at most {LONGEST} characters, not {len(made)}")
    return made


def run_control(person: str, command: str, values: Mapping[str, str], *, sure: bool = False) -> str:
    """The ``custom_id`` that runs this command, or nothing when it does not fit."""
    query = urlencode(values, quote_via=quote, safe=" :/,+")
    made = f"{PREFIX}.{'sure' if sure else 'run'}.{person}.{command}{'?' if query else ''}{query}"
    return made if len(made) <= LONGEST and RUN.fullmatch(made) else ""


def kept_control(person: str, key: str, command: str) -> str:
    """The ``custom_id`` of what is kept in memory; where it fits it says which command to give once that is forgotten."""
    made = f"{PREFIX}.kept.{person}.{key}.{command}"
    return made if len(made) <= LONGEST and KEPT.fullmatch(made) else control("kept", person, key)


def run_values(query: str | None) -> dict[str, str]:
    """The values that ``run_control`` wrote."""
    if not query:
        return {}
    # A plus is written as it is, which a form would read as a space.
    return dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))


def reply_components(exchange_id: str, options: Options) -> list[dict[str, Any]]:
    """The row below a finished reply, as Discord takes it; nothing where the operator wants no buttons."""
    if not options.buttons:
        return []
    return [
        {
            "type": _ROW,
            "components": [
                {
                    "type": _BUTTON,
                    "style": PLAIN,
                    "emoji": {"name": "👍"},
                    "custom_id": f"{PREFIX}.up.{exchange_id}",
                },
                {
                    "type": _BUTTON,
                    "style": PLAIN,
                    "emoji": {"name": "👎"},
                    "custom_id": f"{PREFIX}.down.{exchange_id}",
                },
                {
                    "type": _BUTTON,
                    "style": PLAIN,
                    "emoji": {"name": "🔁"},
                    "custom_id": f"{PREFIX}.again.{exchange_id}",
                },
            ],
        }
    ]


def stop_components(exchange_id: str, asker: str = "") -> list[dict[str, Any]]:
    """The row below a reply that is still being given.

    ``asker`` is who may stop it beside reviewers, by Discord's id; without, the author of the message replied to.
    """
    made = f"{PREFIX}.stop.{exchange_id}.{asker}".rstrip(".")
    return [row(button("Stop", made, emoji="⏹️"))]


def button(label: str, custom_id: str, *, style: int = PLAIN, emoji: str = "") -> dict[str, Any]:
    """One button, as Discord takes it."""
    made: dict[str, Any] = {"type": _BUTTON, "style": style, "label": label[:80], "custom_id": custom_id}
    if emoji:
        made["emoji"] = {"name": emoji}
    return made


def row(*buttons: dict[str, Any]) -> dict[str, Any]:
    """A row of at most five buttons."""
    return {"type": _ROW, "components": list(buttons[:5])}


Press: TypeAlias = Callable[[discord.Interaction[Any]], Awaitable[None]]

# A class of buttons is registered with a client as a class, so an item finds what to do by the client it was pressed at.
_presses: WeakKeyDictionary[discord.Client, Press] = WeakKeyDictionary()


class Control(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=re.compile(r"us\d+\..+", re.DOTALL)
):
    """Any button of ours, of this process or one before it; its ``custom_id`` says what it does."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        if not isinstance(item, discord.ui.Button):
            raise TypeError(f"only buttons carry such an id, not {item!r}")
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand the press to whoever attends to this client."""
        press = _presses.get(interaction.client)
        if press is not None:
            await press(interaction)


def listen(client: discord.Client, press: Press) -> None:
    """From now on ``press`` attends to every button of ours that is pressed at this client."""
    _presses[client] = press
    client.add_dynamic_items(Control)
