"""Verdicts: kept by hash within a workspace; what a person decided stays; flagged rows are kept to be read till then."""

from __future__ import annotations

from dataclasses import replace

from storage import clock, people, verdicts, workspaces
from storage.database import Database, Tx
from storage.people import Person
from storage.verdicts import Decision, Held, Kept, Verdict

BAD = Verdict("ab12", True, ("harassment", "hate"), False, 5, said="s1")
WORSE = Verdict("ab34", True, ("hate",), False, 7, said="s2")
GOOD = Verdict("cd56", False, (), False, 6)


async def decided(database: Database, hash_: str, decision: Decision) -> None:
    def job(tx: Tx) -> None:
        found = verdicts.find(tx, "w", hash_)
        assert found is not None
        verdicts.decide(tx, "w", found.verdict, decision)

    await database.write(job)


async def held(database: Database, limit: int = 9, after: str = "") -> list[Held]:
    return await database.read(lambda tx: verdicts.quarantined(tx, "w", limit, after=after))


async def somebody(database: Database, *names: str) -> list[Person]:
    def make(tx: Tx) -> list[Person]:
        workspace = workspaces.ensure(tx, "terminal", "w", "w", "opt-out")
        return [people.ensure(tx, workspace.id, name, name) for name in names]

    return await database.write(make)


async def test_what_was_said_is_known_in_its_workspace(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, GOOD]))
    wanted = [BAD.hash, GOOD.hash, *(f"{each:04x}" for each in range(2500))]
    assert await database.read(lambda tx: verdicts.known(tx, "w", wanted)) == {"ab12": BAD, "cd56": GOOD}
    assert await database.read(lambda tx: verdicts.known(tx, "other", wanted)) == {}


async def test_what_is_flagged_is_held_until_somebody_decides(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, GOOD, WORSE]))
    assert await held(database) == [Held(WORSE, None), Held(BAD, None)]
    assert await held(database, 1) == [Held(WORSE, None)]
    assert await held(database, after=WORSE.hash) == [Held(BAD, None)]
    assert await database.read(lambda tx: verdicts.waiting(tx, "w")) == 2
    assert await database.read(lambda tx: verdicts.waiting(tx, "other")) == 0
    for several_or_none in ("ab", "ff", "", "%", "cd"):
        prefix = several_or_none
        assert await database.read(lambda tx, p=prefix: verdicts.find(tx, "w", p)) is None
    assert await database.read(lambda tx: verdicts.find(tx, "other", "ab12")) is None
    assert await database.read(lambda tx: verdicts.find(tx, "w", "AB1")) == Held(BAD, None)
    await decided(database, "ab12", "released")
    assert await held(database) == [Held(WORSE, None)]
    await decided(database, "ab34", "rejected")
    assert await held(database) == []
    assert await database.read(lambda tx: verdicts.waiting(tx, "w")) == 0


async def test_pages_of_one_moment_are_whole(database: Database) -> None:
    many = [replace(BAD, hash=f"{each:04x}") for each in range(7)]
    await database.write(lambda tx: verdicts.put(tx, "w", many))
    found: list[str] = []
    while page := await held(database, 3, found[-1] if found else ""):
        found += [each.verdict.hash for each in page]
    assert found == [each.hash for each in many]


async def test_said_again_a_decision_stays(database: Database) -> None:
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, WORSE]))
    await decided(database, "ab12", "released")
    await decided(database, "ab34", "rejected")
    await database.write(lambda tx: verdicts.put(tx, "w", [replace(BAD, at=9), WORSE]))
    found = await database.read(lambda tx: verdicts.known(tx, "w", ["ab12", "ab34"]))
    assert found == {
        "ab12": replace(BAD, released=True, at=9),
        "ab34": replace(WORSE, rejected=True),
    }
    assert await database.read(lambda tx: verdicts.rejected(tx, "w")) == {"s2"}
    assert await database.read(lambda tx: verdicts.rejected(tx, "other")) == frozenset()
    await decided(database, "ab34", "released")  # somebody thought better of it
    assert await database.read(lambda tx: verdicts.rejected(tx, "w")) == frozenset()


async def test_what_is_stale_was_harmless_and_nobody_decided_on_it(database: Database) -> None:
    again = replace(GOOD, hash="cd78")
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, WORSE, GOOD, again]))
    await decided(database, WORSE.hash, "released")
    await database.write(lambda tx: verdicts.put(tx, "w", [replace(WORSE, flagged=False)]))
    assert await database.read(lambda tx: verdicts.stale(tx, GOOD.at, 9)) == []
    assert len(await database.read(lambda tx: verdicts.stale(tx, 10, 1))) == 1
    found = await database.read(lambda tx: verdicts.stale(tx, 10, 9))
    assert sorted(found) == [("w", GOOD.hash), ("w", again.hash)]
    later = replace(again, at=11)
    await database.write(lambda tx: verdicts.put(tx, "w", [later]))
    await database.write(lambda tx: verdicts.drop(tx, found, 10))
    hashes = [BAD.hash, WORSE.hash, GOOD.hash, again.hash]
    kept = await database.read(lambda tx: verdicts.known(tx, "w", hashes))
    assert set(kept) == {BAD.hash, WORSE.hash, again.hash}
    assert kept[again.hash] == later


async def test_a_decision_is_of_the_words_whatever_talk_they_stand_under(database: Database) -> None:
    same = replace(BAD, hash="ef12", said=BAD.said)
    nameless = [replace(WORSE, hash=each, said="") for each in ("aa", "bb")]
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, same, WORSE, *nameless]))
    await decided(database, same.hash, "rejected")
    assert [each.verdict.hash for each in await held(database)] == ["aa", WORSE.hash, "bb"]
    await decided(database, BAD.hash, "released")
    assert [each.verdict.hash for each in await held(database)] == ["aa", WORSE.hash, "bb", same.hash]
    await decided(database, "aa", "rejected")  # nothing is known of its words
    assert [each.verdict.hash for each in await held(database)] == [WORSE.hash, "bb", same.hash]


async def test_a_flagged_row_is_kept_until_somebody_decides(database: Database) -> None:
    (ada,) = await somebody(database, "ada")
    rows = [Kept(each.hash, f"again {each.said}", f"text of {each.hash}", (ada.id,)) for each in (BAD, GOOD)]
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, GOOD]))
    await database.write(lambda tx: verdicts.keep(tx, "w", rows))
    await database.write(lambda tx: verdicts.keep(tx, "w", rows))  # the next build finds it again
    kept = Held(replace(BAD, said="again s1"), "text of ab12")
    assert await held(database) == [kept]
    await decided(database, "ab12", "rejected")
    await database.write(lambda tx: verdicts.keep(tx, "w", rows))
    assert await database.read(lambda tx: verdicts.find(tx, "w", "ab12")) == Held(
        replace(kept.verdict, rejected=True), None
    )


async def test_words_that_somebody_takes_back_are_not_kept(database: Database) -> None:
    ada, bob, cyd = await somebody(database, "ada", "bob", "cyd")
    both = Kept(BAD.hash, "s1", "of both", (ada.id, bob.id))
    own = Kept(WORSE.hash, "s2", "of cyd", (cyd.id,))
    await database.write(lambda tx: verdicts.put(tx, "w", [BAD, WORSE]))
    await database.write(lambda tx: verdicts.keep(tx, "w", [both, own]))
    await database.write(lambda tx: people.withdraw_consent(tx, ada.id, at=clock.now()))
    assert [each.content for each in await held(database)] == ["of cyd", None]
    await database.write(lambda tx: people.forget(tx, cyd.id))
    assert [each.content for each in await held(database)] == [None, None]
    # A build that read their words before cannot bring them back.
    await database.write(lambda tx: verdicts.keep(tx, "w", [both, own]))
    assert [each.content for each in await held(database)] == [None, None]
