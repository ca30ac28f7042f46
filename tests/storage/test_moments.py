"""Moments: claimed once by whoever comes first, again after a while where that is wanted, and moved on."""

from __future__ import annotations

import asyncio

from storage import moments
from storage.database import Database, Tx

HOUR = 3_600_000


async def claim(database: Database, name: str, at: int, again_after: int | None = None) -> bool:
    return await database.write(lambda tx: moments.claim(tx, name, at, again_after=again_after))


async def test_what_is_claimed_once_is_never_claimed_again(database: Database) -> None:
    assert await claim(database, "said", 1000)
    assert not await claim(database, "said", 1000)
    assert not await claim(database, "said", 10**15)


async def test_names_are_claimed_each_on_their_own(database: Database) -> None:
    assert await claim(database, "one", 1000)
    assert await claim(database, "two", 1000)
    assert not await claim(database, "one", 2000)


async def test_what_may_be_said_again_is_after_a_while(database: Database) -> None:
    assert await claim(database, "said", 1000, HOUR)
    assert not await claim(database, "said", 1000 + HOUR, HOUR)
    assert await claim(database, "said", 1001 + HOUR, HOUR)
    assert not await claim(database, "said", 1002 + HOUR, HOUR)  # the while begins anew


async def test_of_many_at_once_one_is_first(database: Database) -> None:
    assert sorted(await asyncio.gather(*(claim(database, "said", 1000) for _ in range(8)))) == [False] * 7 + [
        True
    ]
    again = await asyncio.gather(*(claim(database, "said", 2000 + HOUR, HOUR) for _ in range(8)))
    assert sorted(again) == [False] * 7 + [True]


async def test_a_claim_that_is_rolled_back_is_open_again(database: Database) -> None:
    def fail(tx: Tx) -> None:
        assert moments.claim(tx, "said", 1000)
        raise RuntimeError("then something went wrong")

    try:
        await database.write(fail)
    except RuntimeError:
        pass
    assert await claim(database, "said", 2000)


async def test_a_moment_is_what_was_put_last(database: Database) -> None:
    async def get(name: str) -> int | None:
        return await database.read(lambda tx: moments.get(tx, name))

    assert await get("seen:discord") is None
    for at in (1000, 3000, 2_000_000_000_000):
        await database.write(lambda tx, at=at: moments.put(tx, "seen:discord", at))
        assert await get("seen:discord") == at
    assert await get("seen:slack") is None


async def test_a_claim_is_a_moment_too(database: Database) -> None:
    assert await claim(database, "said", 1000)
    assert await database.read(lambda tx: moments.get(tx, "said")) == 1000


async def test_a_claim_that_is_forgotten_is_open_again(database: Database) -> None:
    assert await claim(database, "said", 1000)
    assert await claim(database, "other", 1000)
    await database.write(lambda tx: moments.forget(tx, "said"))
    assert await claim(database, "said", 1000)
    assert not await claim(database, "other", 1000)
