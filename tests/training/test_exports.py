"""Exporting: what comes out goes in again and is the same."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.platforms.base import UserError
from storage import avatars, examples
from storage.database import Database
from storage.examples import NewExample
from tests.training.helpers import State, Told, chat, dumped, importing, pair, state
from training.exports import export_file
from training.imports import Order, import_file


def written_in(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def left_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.suffix == ".part"]


async def export(database: Database, order: Order, path: Path) -> list[dict[str, object]]:
    """What the avatar that the order names is exported as."""
    avatar = await database.read(lambda tx: avatars.find(tx, order.workspace_id, order.avatar))
    assert avatar is not None
    await export_file(database, order.workspace_id, avatar.id, path, Told())
    return written_in(path)


def content(of: State) -> tuple[object, ...]:
    return of.exchanges, of.ratings, of.examples, of.preferences


async def test_the_round_trip(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    several = chat("three", ("a", "b", 5, None))
    several["turns"][1]["ratings"] = [{"rating": 4, "comment": "good"}]
    path.write_bytes(
        dumped(
            chat("one", ("hi", "hello\nthere", 5, "nice – ä"), ("bye", "so long", 2, None)),
            chat("two", ("how?", "so", None, "only a comment")),
            several,
            pair("p1"),
        )
    )
    await import_file(database, order, Told())
    avatar = await database.read(lambda tx: avatars.find(tx, order.workspace_id, order.avatar))
    assert avatar is not None
    by_hand = NewExample(order.workspace_id, avatar.id, "by", "hand", (), status="approved", reviewed=True)
    await database.write(lambda tx: examples.put(tx, by_hand))

    out = tmp_path / "out.jsonl"
    written = await export(database, order, out)
    assert written[0] == {
        **chat("one", ("hi", "hello\nthere", 5, "nice – ä"), ("bye", "so long", 2, None)),
        "avatar": "Ada",
    }
    again = replace(order, path=out, avatar="Bo", at=2_000)
    report = await import_file(database, again, Told())
    assert report.problems == []
    assert content(await state(database, again)) == content(await state(database, order))

    other = tmp_path / "other.jsonl"
    assert [{**line, "avatar": "Ada"} for line in await export(database, again, other)] == written


async def test_exporting_into_the_same_avatar_doubles_nothing(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    odd = chat("odd", ("hi", "hello", 5, None), ("bye", "so long", 5, None))
    odd["turns"].insert(0, {"role": "user", "content": "anybody?"})
    path.write_bytes(dumped(odd, pair("p1")))
    await import_file(database, order, Told())
    before = await state(database, order)
    out = tmp_path / "out.jsonl"
    await export(database, order, out)
    report = await import_file(database, replace(order, path=out), Told())
    assert report.problems == []
    assert await state(database, order) == before


async def test_nobody_is_named_and_what_must_not_be_learnt_is_marked(
    database: Database, tmp_path: Path
) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(
        dumped(
            chat("one", ("hi", "hello", 5, None)),
            {**chat("two", ("secret", "ok", 5, None)), "consent": False},
        )
    )
    await import_file(database, order, Told())
    out = tmp_path / "out.jsonl"
    first, second = await export(database, order, out)
    assert "consent" not in first
    assert second["consent"] is False
    again = replace(order, path=out, avatar="Bo")
    await import_file(database, again, Told())
    assert (await state(database, again)).examples == [("hi", "hello", "approved")]


async def test_a_reviewers_no_and_private_places_survive(database: Database, tmp_path: Path) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(
        dumped(
            chat("one", ("hi", "hello", 5, None)), {**chat("two", ("psst", "ok", 5, None)), "private": True}
        )
    )
    await import_file(database, order, Told())
    avatar = await database.read(lambda tx: avatars.find(tx, order.workspace_id, order.avatar))
    assert avatar is not None
    found = await database.read(lambda tx: examples.listed(tx, avatar.id, limit=9))
    (hi,) = [each for each in found if each.user_text == "hi"]
    (psst,) = [each for each in found if each.user_text == "psst"]
    assert psst.audience
    await database.write(lambda tx: examples.set_status(tx, hi.id, "rejected", reviewed=True))
    out = tmp_path / "out.jsonl"
    await export(database, order, out)
    again = replace(order, path=out, avatar="Bo")
    await import_file(database, again, Told())
    assert (await state(database, again)).examples == [("psst", "ok", "approved")]


async def test_everything_of_a_workspace_page_by_page(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.exports.PAGE", 2)
    order, path = await importing(database, tmp_path)
    path.write_bytes(
        dumped(*(chat(str(at), ("q", "a", 5, None)) for at in range(5)), *(pair(str(at)) for at in range(3)))
    )
    await import_file(database, order, Told())
    await import_file(database, replace(order, avatar="Bo"), Told())
    out = tmp_path / "out.jsonl"
    tally = await export_file(database, order.workspace_id, "", out, Told())
    assert (tally.conversations, tally.exchanges, tally.ratings, tally.preferences) == (10, 10, 10, 6)
    assert len(out.read_bytes().splitlines()) == 16
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "says"), [("file.jsonl", "is there already"), ("missing/x", "cannot be written")]
)
async def test_what_cannot_be_written(database: Database, tmp_path: Path, name: str, says: str) -> None:
    order, path = await importing(database, tmp_path)
    path.write_bytes(b"kept")
    with pytest.raises(UserError, match=says):
        await export_file(database, order.workspace_id, "", tmp_path / name, Told())
    assert path.read_bytes() == b"kept"
    assert left_in(tmp_path) == []


async def test_the_large_sample_comes_back(database: Database, tmp_path: Path, shared: Path) -> None:
    order, _ = await importing(database, tmp_path)
    for name in ("conversations.jsonl", "preferences.jsonl"):
        await import_file(database, replace(order, path=shared / "data" / name), Told())
    out = tmp_path / "out.jsonl"
    assert len(await export(database, order, out)) == 713 + 546
    again = replace(order, path=out, avatar="Bo")
    assert (await import_file(database, again, Told())).problems == []
    assert content(await state(database, again)) == content(await state(database, order))
