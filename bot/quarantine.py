"""What the moderation said of rows, kept in the database of a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.vendors.base import Flag
from storage import clock, verdicts
from storage.database import Database
from storage.verdicts import Kept, Verdict
from training.moderation import Shown, said_of

_KNOWN_MS: Final = 90 * 86_400_000  # moderators change, too
_SLICE: Final = 500


class Quarantine:
    """The verdicts of one workspace."""

    def __init__(self, database: Database, workspace_id: str) -> None:
        self._database = database
        self._workspace_id = workspace_id

    async def known(self, hashes: Sequence[str]) -> Mapping[str, Verdict]:
        """Those that were judged already."""
        return await self._database.read(lambda tx: verdicts.known(tx, self._workspace_id, hashes))

    async def rejected(self) -> frozenset[str]:
        """What names the questions and replies that people keep out for good."""
        return await self._database.read(lambda tx: verdicts.rejected(tx, self._workspace_id))

    async def put(self, flags: Mapping[str, Flag]) -> None:
        """Keep what was said."""
        at = clock.now()
        said = [Verdict(hash_, flag.flagged, flag.categories, False, at) for hash_, flag in flags.items()]
        await self._database.write(lambda tx: verdicts.put(tx, self._workspace_id, said))

    async def keep(self, rows: Sequence[Shown]) -> None:
        """Keep flagged rows to be read, until somebody decides on them."""
        kept = [
            Kept(
                each.hash,
                said_of(each.row),
                each.content.decode(),
                tuple(author.person_id for author in each.authors),
            )
            for each in rows
        ]
        await self._database.write(lambda tx: verdicts.keep(tx, self._workspace_id, kept))


async def forget_old(database: Database) -> None:
    """What was found harmless long ago is asked again when it comes again, so that what is known does not grow for ever."""
    before = clock.now() - _KNOWN_MS
    while found := await database.read(lambda tx: verdicts.stale(tx, before, _SLICE)):
        await database.write(lambda tx, found=found: verdicts.drop(tx, found, before))
