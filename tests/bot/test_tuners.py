"""What is given back at the end, whatever fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.platforms.base import UserError
from storage.database import Database
from tests.bot.theatre import play
from tests.training.runs_stage import ScriptedTuner, Vendor


class Stubborn(ScriptedTuner):
    """One that somebody else wrote: it does not close."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1
        raise UserError("It does not close.")


async def test_one_that_does_not_close_keeps_nothing_open(database: Database, tmp_path: Path) -> None:
    every = {name: Stubborn(Vendor(name)) for name in ("one", "two", "three")}
    theatre = play(
        database, tmp_path, tuners={name: (lambda each=each: each) for name, each in every.items()}
    )
    await theatre.say("hello")
    for name in every:
        assert theatre.services.training.find(name).vendor == name
    with pytest.raises(UserError, match="does not close"):
        await theatre.app.close()
    assert [each.closed for each in every.values()] == [1, 1, 1]
    assert theatre.model.closed
