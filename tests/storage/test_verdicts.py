"""Verdicts: kept by hash within a workspace; what a person released stays released."""

from __future__ import annotations

from dataclasses import replace

from storage import verdicts
from storage.database import Database
from storage.verdicts import Verdict

BAD = Verdict("ab12", True, ("harassment", "hate"), False, 5)
WORSE = Verdict("ab34", True, ("hate",), False, 7)
GOOD = Verdict("cd56", False, (), False, 6)


async def test_what_was_said_is_known_in_its_workspace(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, GOOD]))
    wanted = [BAD.hash, GOOD.hash, *(f"{each:04x}" for each in range(2500))]
    assert await database.read(lambda tx: verdicts.known(tx, "w", wanted)) == {"ab12": BAD, "cd56": GOOD}
    assert await database.read(lambda tx: verdicts.known(tx, "other", wanted)) == {}


async def test_what_is_flagged_is_held_until_it_is_released(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, GOOD, WORSE]))
    assert await database.read(lambda tx: verdicts.quarantined(tx, "w", 9)) == [WORSE, BAD]
    assert await database.read(lambda tx: verdicts.quarantined(tx, "w", 1)) == [WORSE]
    for several_or_none in ("ab", "ff", "", "%", "cd"):
        prefix = several_or_none
        assert await database.write(lambda tx, p=prefix: verdicts.release(tx, "w", p)) is None
    assert await database.write(lambda tx: verdicts.release(tx, "other", "ab12")) is None
    assert await database.write(lambda tx: verdicts.release(tx, "w", "AB1")) == "ab12"
    assert await database.read(lambda tx: verdicts.quarantined(tx, "w", 9)) == [WORSE]


async def test_said_again_it_stays_released(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD]))
    await database.write(lambda tx: verdicts.release(tx, "w", "ab12"))
    await database.write(lambda tx: verdicts.put(tx, "w", [replace(BAD, at=9)]))
    found = await database.read(lambda tx: verdicts.known(tx, "w", ["ab12"]))
    assert found == {"ab12": replace(BAD, released=True, at=9)}
