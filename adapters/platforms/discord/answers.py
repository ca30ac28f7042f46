"""What a command says, as messages of Discord: text, facts, tables, files and buttons within its limits."""

from __future__ import annotations

import hashlib
import io
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import discord

from adapters.platforms.base import Answer, Button, Field, File, Form
from adapters.platforms.discord import controls
from adapters.platforms.splitting import split
from adapters.platforms.tables import csv_of, drawn

MESSAGE: Final = 2_000
"""Characters of one message."""
PARTS: Final = 3
"""Messages that an answer is split over before it becomes a file."""
FILES: Final = 10
"""Files of one message."""
UPLOAD: Final = 10 * 1024 * 1024
"""Bytes of a file that any server takes."""

NOBODY: Final = discord.AllowedMentions.none()
"""Nothing that is said here pings anybody."""

_TABLE = 1_200  # with less room than this, a table has a message of its own
_BEGINNING = 1_200
_STYLES = {"plain": controls.PLAIN, "good": controls.GOOD, "danger": controls.DANGER}
_QUIET: Mapping[str, Any] = {"parse": [], "replied_user": False}


@dataclass(frozen=True, slots=True)
class Step:
    """A command that a button runs, with the values it was given; ``sure`` is a confirmation."""

    command: str
    values: Mapping[str, str]
    sure: bool = False
    form: Form | None = None


class Kept:
    """The last ``size`` steps that do not fit into a ``custom_id``, by what they say: an old key never means another."""

    def __init__(self, size: int = 1_000) -> None:
        self._size = size
        self._steps: OrderedDict[str, Step] = OrderedDict()

    def put(self, step: Step) -> str:
        """Keep a step; returns its key."""
        said = repr((step.command, sorted(step.values.items()), step.sure, step.form))
        key = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:24]
        self._steps[key] = step
        self._steps.move_to_end(key)
        while len(self._steps) > self._size:
            self._steps.popitem(last=False)
        return key

    def get(self, key: str) -> Step | None:
        """The step of that key, or ``None`` when it is gone."""
        return self._steps.get(key)


KEPT = Kept()
"""What the buttons of this process refer to."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button as it is shown."""

    label: str
    custom_id: str
    style: int = controls.PLAIN


@dataclass(frozen=True, slots=True)
class Part:
    """One message of an answer."""

    content: str
    files: tuple[File, ...] = ()
    buttons: tuple[Press, ...] = ()

    @property
    def components(self) -> list[dict[str, Any]]:
        """The rows of buttons, as Discord takes them."""
        made = [controls.button(each.label, each.custom_id, style=each.style) for each in self.buttons]
        return [controls.row(*made[at : at + 5]) for at in range(0, len(made), 5)]

    @property
    def body(self) -> dict[str, Any]:
        """The message without its files, as Discord takes it; it pings nobody."""
        return {"content": self.content, "components": self.components, "allowed_mentions": dict(_QUIET)}

    def arguments(self) -> dict[str, Any]:
        """The message as discord.py's senders take it, to be sent once."""
        found: dict[str, Any] = {"allowed_mentions": NOBODY}
        if self.content:
            found["content"] = self.content
        if self.files:
            found["files"] = self.uploads()
        view = self.view()
        if view is not None:
            found["view"] = view
        return found

    def uploads(self) -> list[discord.File]:
        """The files, to be sent once."""
        return [discord.File(io.BytesIO(file.data), _file_name(file.name)) for file in self.files]

    def view(self) -> discord.ui.View | None:
        """The buttons, as discord.py takes them; ``None`` without any."""
        if not self.buttons:
            return None
        view = discord.ui.View(timeout=None)
        for number, each in enumerate(self.buttons):
            item = discord.ui.Button[discord.ui.View](
                style=discord.ButtonStyle(each.style),
                label=each.label,
                custom_id=each.custom_id,
                row=number // 5,
            )
            view.add_item(controls.Control(item))
        return view


@dataclass(frozen=True, slots=True)
class Payload:
    """An answer as messages, in order; none where there is nothing to say."""

    parts: tuple[Part, ...] = ()
    private: bool = True


def payload(
    answer: Answer, person: str | int = controls.ANYBODY, *, upload: int = UPLOAD, kept: Kept = KEPT
) -> Payload:
    """An answer as messages. Its buttons are for ``person`` alone, by id; its files have at most ``upload`` bytes."""
    blocks = [block for block in (_text(answer), _fields(answer.fields)) if block]
    files: list[File] = []
    if answer.table is not None:
        room = MESSAGE - sum(len(block) + 2 for block in blocks)
        table = drawn(answer.table, room if room > _TABLE else MESSAGE)
        blocks.append(table.block)
        if not table.whole:
            files.append(File("table.csv", csv_of(answer.table), "text/csv"))
    content = "\n\n".join(blocks)
    if len(content) > MESSAGE * PARTS:
        files.append(File("answer.md", content.encode("utf-8", "replace"), "text/markdown"))
        content = f"{split(content, _BEGINNING)[0]} …\n\n-# The whole of it is in answer.md."
    given = (*((answer.picture,) if answer.picture else ()), *answer.files, *files)
    posted = tuple(file for file in given if len(file.data) <= upload)
    content = "\n".join((content, *(_too_large(file) for file in given if file not in posted))).strip()
    buttons = _buttons(answer, str(person), kept)
    if buttons and not content:
        content = "What next?"
    if not content and not posted:
        return Payload((), answer.private)
    return Payload(_parts(content, posted, buttons), answer.private)


def question(text: str, step: Step, person: str | int, *, kept: Kept = KEPT) -> Part:
    """What is asked before something that cannot be undone, for this person alone."""
    yes = Press("Yes, go on", press_id(replace(step, sure=True), str(person), kept), controls.DANGER)
    no = Press("Cancel", controls.control("drop", str(person)))
    return Part(f"⚠️ **{text}**\nThis cannot be undone.", buttons=(yes, no))


def press_id(step: Step, person: str, kept: Kept = KEPT) -> str:
    """The ``custom_id`` of a button that runs a step: in full where it fits, else by a key that lives as long as we do."""
    if step.form is None and (
        fits := controls.run_control(person, step.command, step.values, sure=step.sure)
    ):
        return fits
    return controls.kept_control(person, kept.put(step), step.command)


def _text(answer: Answer) -> str:
    text = answer.text.strip()
    if answer.ok:
        return text
    return f"⚠️ {text or 'That did not work.'}"


def _fields(fields: tuple[Field, ...]) -> str:
    return "\n".join(f"**{field.name}** · {field.value}" for field in fields)


def _buttons(answer: Answer, person: str, kept: Kept) -> tuple[Press, ...]:
    made = [_press(button, person, kept) for button in answer.buttons]
    if answer.form is not None:
        step = Step(answer.form.command, answer.form.args, form=answer.form)
        made.insert(0, Press(f"{answer.form.title[:78]} …", press_id(step, person, kept), controls.GOOD))
    return tuple(made[:25])


def _press(button: Button, person: str, kept: Kept) -> Press:
    made = press_id(Step(button.command, button.args), person, kept)
    return Press(button.label[:80], made, _STYLES[button.style])


def _parts(content: str, files: tuple[File, ...], buttons: tuple[Press, ...]) -> tuple[Part, ...]:
    """The text over messages, files below; the buttons are on the last one, where the eye is."""
    texts = split(content, MESSAGE) or [""]
    made = [Part(text) for text in texts]
    for at in range(0, len(files), FILES):
        if at == 0:
            made[-1] = replace(made[-1], files=files[:FILES])
        else:
            made.append(Part("", files[at : at + FILES]))
    made[-1] = replace(made[-1], buttons=buttons)
    return tuple(made)


def _too_large(file: File) -> str:
    size = len(file.data) / (1024 * 1024)
    return f"⚠️ {_file_name(file.name)} has {size:.0f} MB, which is more than Discord lets me post."


def _file_name(name: str) -> str:
    """The last part of a name, without anything that could be a path."""
    last = re.split(r"[\\/]", name)[-1].strip(" .")
    return re.sub(r"[^\w .()+-]", "_", last)[:100] or "file"
