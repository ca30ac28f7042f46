"""Traffic of an avatar: complete exchanges alone, and nothing for nobody."""

from __future__ import annotations

from storage import statistics
from storage.database import Database
from storage.statistics import Traffic
from tests.stage import set_stage


async def test_an_avatar_that_nobody_asked_has_no_traffic(database: Database) -> None:
    stage = await set_stage(database)
    found = await database.read(lambda tx: statistics.traffic(tx, stage.avatar.id, 0))
    assert found == Traffic(0, 0, 0, 0, ())


async def test_complete_exchanges_count(database: Database) -> None:
    stage = await set_stage(database)
    ann = await stage.person("Ann", agrees=True)
    await stage.exchange(await stage.conversation(), ann, "Hi?", "Hello.")
    found = await database.read(lambda tx: statistics.traffic(tx, stage.avatar.id, 0))
    assert (found.exchanges, found.sampled) == (1, 1)
    later = await database.read(lambda tx: statistics.traffic(tx, stage.avatar.id, 2**50))
    assert later.exchanges == 0
