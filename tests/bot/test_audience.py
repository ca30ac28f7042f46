"""A channel that is closed or opened: what is said from then on is a conversation of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage import conversations, exchanges
from storage.database import Database
from tests.bot.theatre import HERE, play


@pytest.mark.parametrize("private", [False, True])
async def test_other_readers_make_another_conversation(
    database: Database, tmp_path: Path, private: bool
) -> None:
    theatre = play(database, tmp_path)
    before = await theatre.say("hello", place=replace(HERE, private=private))
    after = await theatre.say("a secret", place=replace(HERE, private=not private))
    again = await theatre.say("another", place=replace(HERE, private=not private))

    async def talk(exchange_id: str) -> conversations.Conversation:
        return await database.read(
            lambda tx: conversations.get(tx, exchanges.get(tx, exchange_id).conversation_id)
        )

    assert (await talk(before.exchange_id)).private is private
    assert (await talk(after.exchange_id)).private is not private
    assert await talk(again.exchange_id) == await talk(after.exchange_id)
