"""Import and export: bring conversations in from a file, write everything back to one."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from adapters.platforms.base import (
    Access,
    Answer,
    Button,
    Call,
    Command,
    Field,
    File,
    Param,
    Progress,
    Table,
    UserError,
)
from bot.services import Services
from storage import audit, avatars, people, workspaces
from storage.database import Database, Tx
from storage.people import Person
from storage.workspaces import Workspace
from training.exports import Tally, export_file, export_to
from training.imports import Order, Report, import_file

Resolve = Callable[[Call], Awaitable[tuple[Workspace, Person]]]

OPERATOR = "operator"
"""The key of whoever has the machine, in workspaces where nobody knows them."""

SHOWN = 20
"""Skipped lines that are told one by one."""

_POSTED = 8 * 1024 * 1024  # what any platform lets a bot post as a file

_VOUCH = (
    "Importing {name} into {avatar} lets it learn from what people wrote there: you vouch that they agreed to this, or "
    "that their words are free to use. Say so by adding `--consented`."
)


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def resolve(call: Call) -> tuple[Workspace, Person]:
        scene = await services.scene(call)
        return scene.workspace, scene.person

    return transfer_commands(lambda: services.database, resolve)


def transfer_commands(database: Callable[[], Database], resolve: Resolve) -> tuple[Command, ...]:
    """The same, from no more than it needs."""

    async def import_(call: Call) -> Answer:
        return await _import(database(), resolve, call)

    async def export(call: Call) -> Answer:
        return await _export(database(), resolve, call)

    whose = Param(
        "workspace",
        "in the shell: the Discord server or Slack team, by its name or id; this terminal's own without",
        scripted=True,
    )
    return (
        Command(
            "import",
            "bring in conversations, preferences or OpenAI chat lines from a file of JSON Lines",
            import_,
            Access.OWNER,
            (
                Param("path", "the file, on the machine that Understudy runs on", required=True),
                Param(
                    "avatar",
                    "the avatar that they teach; made when there is none of that name",
                    required=True,
                ),
                Param("consented", "you vouch that the people in the file agreed", "flag", default=False),
                whose,
            ),
        ),
        Command(
            "export",
            "write conversations, ratings, examples and preferences to a file that import reads",
            export,
            Access.OWNER,
            (
                Param("avatar", "one avatar only; all of them when left out"),
                Param("out", "the file to write, or - for the standard output", scripted=True),
                whose,
            ),
        ),
    )


async def _whose(database: Database, resolve: Resolve, call: Call) -> tuple[Workspace, Person]:
    """The workspace that is meant, and who gives the command as a person of it."""
    workspace, person = await resolve(call)
    wanted = call.text("workspace").strip()
    if not wanted:
        return workspace, person
    if not call.local:
        raise UserError(
            "Another workspace is named only in the shell of the machine that Understudy runs on."
        )

    def find(tx: Tx) -> tuple[Workspace, Person]:
        every = workspaces.listed(tx)
        found = [each for each in every if wanted in (each.key, f"{each.platform}:{each.key}")]
        found = found or [each for each in every if each.name.casefold() == wanted.casefold()]
        if len(found) != 1:
            known = ", ".join(f"{each.name} ({each.platform}:{each.key})" for each in (found or every))
            kind = "Several workspaces are" if found else "I have been in no workspace"
            raise UserError(f"{kind} called {wanted}; say which by its id: {known}.")
        return found[0], people.ensure(tx, found[0].id, OPERATOR, person.name)

    return await database.write(find)


# -- import


async def _import(database: Database, resolve: Resolve, call: Call) -> Answer:
    if not call.local:
        raise UserError(
            "Import reads a file of the machine that Understudy runs on: give this command there, as "
            f"`understudy import PATH --avatar NAME --workspace {call.place.workspace}`."
        )
    path, avatar = _path(call.text("path")), _named(call.text("avatar"))
    if not call.flag("consented"):
        again = {"path": call.text("path"), "avatar": avatar, "consented": "true"}
        if call.text("workspace"):
            again["workspace"] = call.text("workspace")
        button = Button("I vouch for it: import", "import", again)
        return Answer(_VOUCH.format(name=path.name, avatar=avatar), buttons=(button,), ok=False)
    workspace, person = await _whose(database, resolve, call)
    order = Order(path, workspace.id, avatar, person.id, call.at)
    return _imported(await import_file(database, order, call.progress), path)


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # the home of a user that does not exist
        raise UserError(f"{text} cannot be found: {error}") from error


def _named(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UserError("An avatar's name is one line of at most 80 characters: --avatar NAME.")
    return name


def _imported(report: Report, path: Path) -> Answer:
    if not report.lines:
        return Answer(f"{path} is empty: nothing was imported.", ok=False, data=_data(report))
    parts: list[str] = []
    if report.avatar_created:
        parts.append(f"There was no avatar named {report.avatar}: it was made, with a plain prompt.")
    if not report.imported:
        parts.append(f"Nothing of {path.name} could be imported.")
    elif not any(asdict(report.new).values()):
        parts.append(f"All {report.imported:,} lines of {path.name} were here already: nothing changed.")
    else:
        lines = "1 line of {0} is" if report.imported == 1 else f"{report.imported:,} lines of {{0}} are"
        parts.append(f"{lines.format(path.name)} in {report.avatar}.")
        if report.new.exchanges and not report.new.ratings and not report.new.examples:
            parts.append(
                "None of them is rated: the avatar learns from an exchange once it is rated 4 or more."
            )
    if report.repeated:
        parts.append(f"{report.repeated:,} lines were there twice and count once.")
    if len(report.problems) > SHOWN:
        parts.append(f"Of {len(report.problems):,} remarks the first {SHOWN} are shown; `--json` lists all.")
    problems = report.problems[:SHOWN]
    rows = tuple(
        (str(each.line), each.reason if each.whole else f"partly: {each.reason}") for each in problems
    )
    return Answer(
        " ".join(parts),
        fields=_counts(report),
        table=Table(("line", "skipped because"), rows) if rows else None,
        ok=report.imported > 0,
        data=_data(report),
    )


def _counts(report: Report) -> tuple[Field, ...]:
    new = report.new
    named = (
        ("new conversations", new.conversations),
        ("new exchanges", new.exchanges),
        ("changed exchanges", new.updated),
        ("ratings", new.ratings),
        ("comments", new.comments),
        ("examples approved", new.examples),
        ("preferences", new.preferences),
        ("lines skipped", report.skipped),
        ("turns skipped", len(report.problems) - report.skipped),
    )
    return tuple(Field(name, f"{count:,}") for name, count in named if count)


def _data(report: Report) -> dict[str, object]:
    return {
        "avatar": report.avatar,
        "avatar_created": report.avatar_created,
        "lines": report.lines,
        "imported": report.imported,
        "repeated": report.repeated,
        "in_file": {
            "conversations": report.conversations,
            "preferences": report.preferences,
            "examples": report.examples,
        },
        "new": asdict(report.new),
        "skipped": report.skipped,
        "problems": [asdict(problem) for problem in report.problems],
    }


# -- export


async def _export(database: Database, resolve: Resolve, call: Call) -> Answer:
    workspace, person = await _whose(database, resolve, call)
    name = call.text("avatar").strip()
    avatar = await database.read(lambda tx: avatars.find(tx, workspace.id, name)) if name else None
    if name and avatar is None:
        raise UserError(f"There is no avatar named {name}: `avatar list` shows those there are.")
    avatar_id, title = (avatar.id, avatar.name) if avatar else ("", workspace.name)
    file_name = _file_name(title, call.at)

    async def record(tally: Tally, target: str) -> None:
        detail = {"to": target, **asdict(tally)}

        def job(tx: Tx) -> None:
            audit.write(tx, workspace.id, "export", person_id=person.id, target=avatar_id, detail=detail)

        await database.write(job)

    if not call.local:
        return await _posted(database, workspace.id, avatar_id, file_name, call.progress, record)
    if call.text("out") == "-":
        tally = await export_to(database, workspace.id, avatar_id, sys.stdout.buffer, call.progress)
        await record(tally, "standard output")
        return Answer(data=None)
    path = _path(call.text("out") or file_name)
    tally = await export_file(database, workspace.id, avatar_id, path, call.progress)
    await record(tally, path.name)
    return _exported(tally, str(path))


class _Full(OSError):
    """More than can be posted."""


class _Bounded(io.BytesIO):
    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > _POSTED:
            raise _Full
        return super().write(data)


async def _posted(
    database: Database,
    workspace_id: str,
    avatar_id: str,
    name: str,
    progress: Progress,
    record: Callable[[Tally, str], Awaitable[None]],
) -> Answer:
    """In a chat the file is handed over, when it is small enough."""
    out = _Bounded()
    try:
        tally = await export_to(database, workspace_id, avatar_id, out, progress)
    except _Full as error:
        raise UserError(
            "There is more than can be posted in a chat: run `understudy export` on the machine that Understudy runs on."
        ) from error
    await record(tally, "chat")
    answer = _exported(tally, name)
    return Answer(answer.text, files=(File(name, out.getvalue(), "application/jsonl"),), data=answer.data)


def _exported(tally: Tally, where: str) -> Answer:
    text = (
        f"{tally.conversations:,} conversations with {tally.exchanges:,} exchanges and {tally.ratings:,} ratings, "
        f"{tally.examples:,} further examples and {tally.preferences:,} preferences are in {where}. "
        "It holds what people wrote: keep it as they would."
    )
    if tally.withheld:
        hold = "1 line holds" if tally.withheld == 1 else f"{tally.withheld:,} lines hold"
        text += f" {hold} words of people who did not agree that they are learnt from: marked so, which import heeds."
    return Answer(text, data={**asdict(tally), "file": where})


def _file_name(title: str, at: int) -> str:
    slug = re.sub(r"[^\w-]+", "-", title.casefold()).strip("-") or "avatars"
    return f"understudy-{slug}-{datetime.fromtimestamp(at / 1000, UTC):%Y%m%d-%H%M%S}.jsonl"
