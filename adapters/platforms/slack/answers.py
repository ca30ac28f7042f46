"""What a command says, as a message of Slack: text, facts, tables, files and buttons within its limits."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.platforms.base import Answer, Button, Field, File, Form, Table
from adapters.platforms.slack import controls
from adapters.platforms.slack.controls import Run, Style
from adapters.platforms.slack.markup import harmless, plainly
from adapters.platforms.slack.tables import csv_of, drawn

MESSAGE: Final = 11_000
"""Characters of the text of one message; Slack takes 12,000."""
FALLBACK: Final = 1_000
"""Characters of what a notification shows of a message."""
UPLOAD: Final = 256 * 1024 * 1024
"""Bytes of a file that we hand over."""

_TABLE = 3_000  # with less room than this, a table is only in the file
_BEGINNING = 2_500
_FENCE = "```"
_ANSWERS = ("yes", "no")
# A row, an item or a quote below another, or below what introduces it.
_BELONGS = re.compile(r"\s*(?:[-*+] |[|>]|\d+[.)] )")


@dataclass(frozen=True, slots=True)
class Step:
    """A command that a button runs, with the values it was given; ``sure`` is a confirmation.

    ``settles`` says that the question it stands below is answered by pressing it.
    """

    command: str
    values: Mapping[str, str]
    sure: bool = False
    form: Form | None = None
    settles: bool = False


class Kept:
    """The last ``size`` steps that do not fit into a button, by what they say: an old key never means another."""

    def __init__(self, size: int = 1_000) -> None:
        self._size = size
        self._steps: OrderedDict[str, Step] = OrderedDict()

    def put(self, step: Step) -> str:
        """Keep a step; returns its key."""
        said = repr((step.command, sorted(step.values.items()), step.sure, step.form, step.settles))
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
"""What the buttons and forms of this process refer to."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button as it is shown."""

    label: str
    action_id: str
    value: str
    style: Style = "plain"


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as one message and the files that go with it; empty where there is nothing to say."""

    text: str = ""
    buttons: tuple[Press, ...] = ()
    files: tuple[File, ...] = ()
    private: bool = True

    def __bool__(self) -> bool:
        return bool(self.text or self.buttons or self.files)

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The message, as Slack takes it."""
        made: list[dict[str, Any]] = []
        if self.text:
            made.append({"type": "markdown", "text": self.text})
        if self.buttons:
            made.append(
                controls.row(
                    *(
                        controls.button(each.label, each.action_id, each.value, style=each.style)
                        for each in self.buttons
                    )
                )
            )
        return made

    @property
    def fallback(self) -> str:
        """What is shown where blocks are not, such as in a notification."""
        return plainly(" ".join(_CLUTTER.sub("", self.text).split()), FALLBACK) or "What next?"


def shown(
    answer: Answer, person: str = controls.ANYBODY, *, says: Says | None = None, kept: Kept = KEPT
) -> Shown:
    """An answer as a message. Its buttons are for ``person`` alone, by id; ``says`` is how commands are given there."""
    says = says or Says()
    parts = [part for part in (_text(answer, says), _fields(answer.fields, says)) if part]
    files: list[File] = []
    if answer.table is not None:
        room = MESSAGE - sum(len(part) + 2 for part in parts)
        table = drawn(says.table(answer.table), max(room, _TABLE))
        parts.append(table.block)
        if not table.whole:
            files.append(File("table.csv", csv_of(answer.table), "text/csv"))
    text = apart(harmless("\n\n".join(parts)))
    if len(text) > MESSAGE:
        files.append(File("answer.md", text.encode("utf-8", "replace"), "text/markdown"))
        text = f"{_beginning(text)}\n\n_The whole of it is in answer.md._"
    given = (*((answer.picture,) if answer.picture else ()), *answer.files, *files)
    posted = tuple(file for file in given if len(file.data) <= UPLOAD)
    text = "\n\n".join(filter(None, (text, *(_too_large(file) for file in given if file not in posted))))
    buttons = _buttons(answer, person, kept)
    if buttons and not text:
        text = "What next?"
    return Shown(text, buttons, posted, answer.private)


def apart(text: str) -> str:
    """A text whose lines stay apart: Slack's Markdown runs those together that have no empty one between them."""
    lines, made, fenced = text.split("\n"), list[str](), False
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        made.append(line)
        fenced ^= line.lstrip().startswith(_FENCE)
        if fenced or not line.strip() or not below.strip() or line.endswith("  "):
            continue
        if line.startswith(">") and below.startswith(">"):
            if line.strip(" >") and below.strip(" >"):
                made.append(">")
        elif not _BELONGS.match(below):
            made.append("")
    return "\n".join(made)


def blocks(answer: Answer, owner: str = controls.ANYBODY) -> list[dict[str, Any]]:
    """An answer without files, as the blocks of one message; its buttons are for ``owner`` alone, by id."""
    return shown(answer, owner).blocks


def question(text: str, step: Step, person: str, *, kept: Kept = KEPT) -> Shown:
    """What is asked before something that cannot be undone, for this person alone."""
    yes = press("Yes, go on", replace(step, sure=True), person, 0, style="danger", kept=kept)
    no = Press("Cancel", controls.DROP, controls.run_value(Run(person)))
    return Shown(f"⚠️ **{harmless(text)}**\n\nThis cannot be undone.", (yes, no))


def press(
    label: str, step: Step, person: str, number: int, *, style: Style = "plain", kept: Kept = KEPT
) -> Press:
    """A button that runs a step: in full where it fits, else by a key that lives as long as we do."""
    if step.form is None:
        value = controls.run_value(Run(person, step.command, step.values, step.sure, step.settles))
        if value:
            return Press(label, f"{controls.RUN}.{number}", value, style)
    value = controls.run_value(Run(person, key=kept.put(step)))
    return Press(label, f"{controls.KEPT}.{number}", value, style)


@dataclass(frozen=True, slots=True)
class Says:
    """How people give commands where an answer is read: ``/rate 5`` becomes ``before`` and what follows.

    ``words`` are the first words of the commands; other things that begin with a slash stay as they are.
    """

    before: str = "/"
    words: frozenset[str] = frozenset()
    own: str = "/finetune"

    def text(self, text: str) -> str:
        """``text`` with every command in it written as it is given there."""
        if self.before == "/" or not self.words:
            return text

        def written(found: re.Match[str]) -> str:
            word = found[1]
            if word not in self.words or f"/{word}" == self.own:
                return found[0]
            return f"`{self.before}{word}"

        return _COMMAND.sub(written, text)

    def table(self, table: Table) -> Table:
        """A table with the commands in it written so."""
        return Table(table.columns, tuple(tuple(self.text(cell) for cell in row) for row in table.rows))


_COMMAND = re.compile(r"`/([a-z]+)(?=[` ])")
_CLUTTER = re.compile(r"[*_`#|]|:?-{3,}:?")


def _text(answer: Answer, says: Says) -> str:
    text = says.text(answer.text.strip())
    if answer.ok:
        return text
    return f"⚠️ {text or 'That did not work.'}"


def _fields(fields: tuple[Field, ...], says: Says) -> str:
    return "\n".join(f"- **{field.name}:** {says.text(field.value)}" for field in fields)


def _buttons(answer: Answer, person: str, kept: Kept) -> tuple[Press, ...]:
    made: list[Press] = []
    if answer.form is not None:
        step = Step(answer.form.command, answer.form.args, form=answer.form)
        made.append(press(f"{answer.form.title} …", step, person, 0, style="good", kept=kept))
    settling = _settling(answer.buttons)
    made += [
        _press(each, person, number, kept, each.label in settling)
        for number, each in enumerate(answer.buttons, len(made))
    ]
    return tuple(made[:25])


def _press(button: Button, person: str, number: int, kept: Kept, settles: bool) -> Press:
    step = Step(button.command, button.args, settles=settles)
    return press(button.label, step, person, number, style=button.style, kept=kept)


def _settling(buttons: tuple[Button, ...]) -> frozenset[str]:
    """The yes and the no of a question that has both: pressing one answers it."""
    labels = {button.label: button.label.casefold() for button in buttons}
    if not all(any(each.startswith(word) for each in labels.values()) for word in _ANSWERS):
        return frozenset()
    return frozenset(label for label, folded in labels.items() if folded.startswith(_ANSWERS))


def _beginning(text: str) -> str:
    """The first paragraphs, with no code block left open."""
    cut = text[:_BEGINNING]
    head = cut.rpartition("\n")[0] or cut
    open_fence = sum(line.lstrip().startswith(_FENCE) for line in head.splitlines()) % 2
    return f"{head}\n{_FENCE}\n…" if open_fence else f"{head} …"


def _too_large(file: File) -> str:
    size = len(file.data) / (1024 * 1024)
    return f"⚠️ {file_name(file.name)} has {size:.0f} MB, which is more than I can post here."


def file_name(name: str) -> str:
    """The last part of a name, without anything that could be a path."""
    last = re.split(r"[\\/]", name)[-1].strip(" .")
    return re.sub(r"[^\w .()+-]", "_", last)[:100] or "file"
