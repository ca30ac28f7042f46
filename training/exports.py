"""Exporting: what avatars hold, as the JSON Lines that an import reads; page by page, so that memory stays small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from adapters.platforms.base import Progress, UserError
from storage import exports
from storage.database import Database, Tx
from storage.exports import Exported, Page
from storage.imported import ImportedConversation, ImportedExample, ImportedPreference, Verdict

PAGE = 100


@dataclass(slots=True)
class Tally:
    """What an export wrote; ``withheld`` of its lines say that nobody may learn from them."""

    conversations: int = 0
    exchanges: int = 0
    ratings: int = 0
    examples: int = 0
    preferences: int = 0
    withheld: int = 0

    def count(self, exported: Exported) -> None:
        """One more line."""
        record = exported.record
        self.withheld += not exported.may_learn
        if isinstance(record, ImportedConversation):
            self.conversations += 1
            self.exchanges += len(record.pairs)
            self.ratings += sum(said.stars is not None for pair in record.pairs for said in pair.verdicts)
        elif isinstance(record, ImportedExample):
            self.examples += 1
        else:
            self.preferences += 1


def line_of(exported: Exported) -> bytes:
    """The record as one line. What has its usual value is left out beyond the keys that every reader expects."""
    record = exported.record
    line: dict[str, object] = {}
    if isinstance(record, ImportedConversation):
        line = _conversation(record)
    elif isinstance(record, ImportedExample):
        line = _example(record)
    else:
        line = _preference(record)
    line["avatar"] = exported.avatar
    if not exported.may_learn:
        line["consent"] = False
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _conversation(record: ImportedConversation) -> dict[str, object]:
    turns: list[dict[str, object]] = []
    for pair in record.pairs:
        first, *others = pair.verdicts or (Verdict(None),)
        turns.append({"role": "user", "content": pair.user, "rating": None, "comment": None})
        reply: dict[str, object] = {"role": "assistant", "content": pair.assistant, **_verdict(first)}
        if others:
            reply["ratings"] = [_verdict(each) for each in others]
        if not pair.fit:
            reply["example"] = False
        turns.append(reply)
    line: dict[str, object] = {"conversation_id": record.key, "rating_scale": "stars5", "turns": turns}
    if record.private:
        line["private"] = True
    return line


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {"rating": verdict.stars, "comment": verdict.comment or None}


def _example(record: ImportedExample) -> dict[str, object]:
    pair: dict[str, object] = {"user": record.user, "assistant": record.assistant}
    line: dict[str, object] = {"example": {**pair, "pattern": record.pattern, "quality": record.quality}}
    if record.private:
        line["private"] = True
    return line


def _preference(record: ImportedPreference) -> dict[str, object]:
    prompt = [{"role": role, "content": text} for role, text in record.context]
    return {"pair_id": record.key, "prompt": prompt, "chosen": record.chosen, "rejected": record.rejected}


async def pages(database: Database, workspace_id: str, avatar_id: str) -> AsyncIterator[Page]:
    """Everything of an avatar (with an empty id, of the workspace): conversations, examples, preferences."""
    for read in (exports.conversations, exports.examples, exports.preferences):
        after = ""
        while True:

            def job(tx: Tx, read: Callable[..., Page] = read, after: str = after) -> Page:
                return read(tx, workspace_id, avatar_id, after=after, limit=PAGE)

            page = await database.read(job)
            if not page.after:
                break
            yield page
            after = page.after


async def export_to(
    database: Database, workspace_id: str, avatar_id: str, out: BinaryIO, progress: Progress
) -> Tally:
    """Write everything to an open file. Raises ``StorageError``, and ``OSError`` when the file takes no more."""
    tally = Tally()
    async for page in pages(database, workspace_id, avatar_id):
        await asyncio.to_thread(out.write, b"".join(line_of(each) for each in page.records))
        for each in page.records:
            tally.count(each)
        written = tally.conversations + tally.examples + tally.preferences
        await progress(f"{written:,} lines written")
    await asyncio.to_thread(out.flush)
    return tally


async def export_file(
    database: Database, workspace_id: str, avatar_id: str, path: Path, progress: Progress
) -> Tally:
    """Write everything to a new file, which is there only when it is whole. Raises ``UserError``, ``StorageError``."""
    part = path.with_name(path.name + ".part")
    try:
        with await asyncio.to_thread(_begun, path, part) as out:
            tally = await export_to(database, workspace_id, avatar_id, out, progress)
        await asyncio.to_thread(part.replace, path)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        with suppress(OSError, ValueError):
            part.unlink(missing_ok=True)
    return tally


def _begun(path: Path, part: Path) -> BinaryIO:
    """A new file that only its owner can read: it holds what people wrote."""
    if path.exists():
        raise UserError(f"{path} is there already: name another file with --out.")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    return part.open("wb")
