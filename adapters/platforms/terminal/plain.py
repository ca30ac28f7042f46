"""What is shown where there is no screen to paint: answers as plain text or JSON, replies as they come, and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

from adapters.platforms.base import Answer, Command, End, File, Spoken, Table
from adapters.platforms.tables import filled
from adapters.platforms.usage import SHELL, as_in_shell, format_argv

# Control characters that a terminal obeys; a reply may contain any text, and must not move the cursor or set a title.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """``text`` without what a terminal would obey."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


class PlainReply:
    """A reply on standard output, and what there is to say about it on standard error.

    On a terminal (``live``) it grows as it comes; into a pipe it is written once it is whole, so that a reader never
    takes half of a reply for one.
    """

    def __init__(self, out: TextIO, err: TextIO, *, live: bool, silent: bool = False) -> None:
        self._out = out
        self._err = err
        self._live = live
        self._silent = silent
        self._shown = ""

    async def accepted(self, exchange_id: str) -> None:
        """Nothing is posted here that could be posted twice."""

    async def grow(self, text: str) -> None:
        """Write what is new, on a terminal."""
        if not self._live or self._silent:
            return
        text = clean(text)
        if text.startswith(self._shown):
            self._out.write(text[len(self._shown) :])
            self._out.flush()
            self._shown = text

    async def finish(self, end: End) -> str:
        """Write the rest."""
        if self._silent:
            return end.exchange_id
        text = clean(end.text) if self._live else end.text
        if self._shown and not text.startswith(self._shown):
            self._out.write("\n\n")
            self._shown = ""
        self._out.write(text[len(self._shown) :] + "\n")
        self._out.flush()
        if end.note:
            self._err.write(f"{clean(end.note)}\n")
        return end.exchange_id

    async def fail(self, sentence: str, reference: str) -> None:
        """Say on standard error that there is no reply."""
        if self._shown:
            self._out.write("\n")
            self._out.flush()
        self._err.write(f"understudy: {with_reference(sentence, reference)}\n")


def with_reference(sentence: str, reference: str) -> str:
    """A sentence about a failure, with the reference to look for in the log when it does not name it itself."""
    return f"{sentence} (reference {reference})" if reference and reference not in sentence else sentence


def spoken_data(spoken: Spoken) -> dict[str, Any]:
    """What ``--json`` prints of a reply; scripts rely on exactly these names."""
    return {
        "exchange_id": spoken.exchange_id,
        "avatar": spoken.avatar,
        "reply": spoken.text if spoken.status != "failed" else "",
        "model": spoken.model,
        "example_ids": list(spoken.example_ids),
        "prompt_version": spoken.prompt_version,
        "tokens": {"in": spoken.tokens_in, "out": spoken.tokens_out},
        "cost": spoken.cost,
        "latency_ms": spoken.latency_ms,
        "error": spoken.error or None,
    }


def answer_data(answer: Answer) -> Any:
    """What ``--json`` prints of a command's answer: a list where that is what it is, else an object that begins with ``ok``.

    Where it is false, ``text`` is the sentence that is also on the standard error stream.
    """
    if isinstance(answer.data, Mapping):
        head = {"ok": answer.ok} if answer.ok else {"ok": False, "text": answer.text}
        return {**head, **cast(Mapping[str, Any], answer.data)}
    if answer.data is not None:
        return answer.data
    data: dict[str, Any] = {"ok": answer.ok, "text": answer.text}
    if answer.fields:
        data["fields"] = {field.name: field.value for field in answer.fields}
    if answer.table is not None:
        data["rows"] = [dict(zip(answer.table.columns, row)) for row in answer.table.rows]
    return data


def for_shell(answer: Answer, commands: Mapping[str, Command]) -> Answer:
    """The answer with the commands that it names as they are typed in a shell."""
    return replace(
        answer,
        text=as_in_shell(answer.text, commands),
        fields=tuple(replace(field, value=as_in_shell(field.value, commands)) for field in answer.fields),
    )


def answer_text(answer: Answer, commands: Mapping[str, Command]) -> str:
    """An answer without colours: its text as it is, fields and tables aligned, buttons as the commands they stand for."""
    parts = [answer.text.strip()] if answer.text.strip() and answer.ok else []
    if answer.fields:
        width = max(len(field.name) for field in answer.fields)
        parts.append("\n".join(f"{field.name:<{width}}  {field.value}" for field in answer.fields))
    if answer.table is not None:
        parts.append(table_text(answer.table))
    # One that answers a question is none to type: in a script that is said by --yes.
    typed = [button for button in answer.buttons if "asked" not in button.args]
    offers = [f"{button.label}: {_typed(button.command, button.args, commands)}" for button in typed]
    if answer.form is not None:
        offers.append(f"{answer.form.title}: {_typed(answer.form.command, answer.form.args, commands)} …")
    if offers:
        parts.append("\n".join(offers))
    return "\n\n".join(parts)


def _typed(name: str, args: Mapping[str, str], commands: Mapping[str, Command]) -> str:
    command = commands.get(name)
    words = format_argv(command, args) if command is not None else [name]
    return SHELL.before + " ".join(f"'{word}'" if " " in word else word for word in words)


def table_text(table: Table) -> str:
    """A table with its columns aligned, those left out of which no row has anything."""
    table = filled(table) if table.rows else table
    rows = [table.columns, *table.rows]
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells if at < len(row)) for at in range(len(table.columns))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join(lines)


def keep_picture(picture: File, folder: Path) -> Path:
    """Put a picture into ``folder``, which is made where there is none; the one of that name before gives way to it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (clean(Path(picture.name).name) or "picture")
    path.write_bytes(picture.data)
    return path


def save(file: File, folder: Path) -> Path:
    """Put a file into ``folder`` under its own name, or under a numbered one where that is taken."""
    name = clean(Path(file.name).name) or "file"
    path = folder / name
    number = 1
    while True:
        try:
            with path.open("xb") as target:
                target.write(file.data)
            return path
        except FileExistsError:
            number += 1
            path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
