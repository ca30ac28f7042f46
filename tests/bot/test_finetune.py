"""The commands of /finetune as people give them: what they are told, who may, and what a build that ends early leaves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, cast

import orjson
import pytest

from adapters.platforms.base import Access, Answer, Call, Who
from bot.commands.finetune import FORMATS
from bot.finetuning import handover, quarantine, tracing
from storage import audit, clock, datasets, ids, numbering, verdicts
from storage.database import Database, Tx
from storage.datasets import NewDataset, NewLine
from storage.people import Author
from storage.verdicts import Verdict
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, Theatre, as_member, play
from tests.servers.openai import INVALID_KEY, OpenAIServer
from training import formats
from training.rows import Row, Split, Turn, row_hash, to_json

pytestmark = pytest.mark.timeout(180)  # each build is a process of its own

CAROL = Who("carol", "Carol", Access.TRAINER)
WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heath",
    "inlet",
    "jetty",
    "knoll",
    "larch",
)
TRAINED = 12


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


@pytest.fixture
async def school(theatre: Theatre) -> Theatre:
    """An avatar without a word of its own, with replies that Ada liked; she has agreed to be learnt from."""
    await done(theatre, "avatar create", name="Zed", prompt="You are Zed.")
    await done(theatre, "avatar use", name="Zed")
    await done(theatre, "privacy consent")
    for number in range(TRAINED):
        await liked(theatre, number)
    return theatre


async def liked(theatre: Theatre, number: int, who: Who = ADA, more: str = "") -> None:
    """A question in a conversation of its own, and five stars for the reply."""
    place = replace(HERE, conversation=f"talk {number}")
    theatre.model.pieces = [" ".join(f"{word}{number}" for word in WORDS), more]
    await theatre.say(f"What grows on plot {number}?", who=who, place=place)
    await done(theatre, "rate", who=who, place=place, stars="5")


async def done(theatre: Theatre, command: str, /, **given: Any) -> Answer:
    answer = await theatre.command(command, **given)
    assert answer.ok, answer.text
    return answer


async def refused(theatre: Theatre, command: str, /, **given: Any) -> str:
    answer = await theatre.command(command, **given)
    assert not answer.ok
    assert answer.text
    assert "Its reference is" not in answer.text, answer.text
    return answer.text


def data(answer: Answer) -> Any:
    assert answer.data is not None
    return answer.data


async def workspace(theatre: Theatre) -> str:
    return (await theatre.services.scenes.find(HERE, ADA)).workspace.id


async def written(theatre: Theatre) -> list[tuple[str, str, dict[str, Any]]]:
    """The audit log of this group, oldest first."""
    id_ = await workspace(theatre)
    found = await theatre.database.read(lambda tx: audit.listed(tx, id_, 50))
    return [
        (each.action, each.target, cast("dict[str, Any]", each.detail))
        for each in reversed(found)
        if each.action.startswith("finetune")
    ]


async def nothing_left(theatre: Theatre, folder: Path) -> bool:
    """Whether no dataset, finished or not, and no file of a build is there."""
    id_ = await workspace(theatre)

    def read(tx: Tx) -> bool:
        return not datasets.listed(tx, id_) and not datasets.abandoned(tx, 2**62)

    return await theatre.database.read(read) and not list(folder.glob("building-*"))


def test_the_formats_offered_are_those_there_are() -> None:
    assert tuple(formats.FORMATS) == FORMATS


async def test_from_build_to_delete(school: Theatre, tmp_path: Path) -> None:
    dry = await done(school, "finetune build", who=CAROL, dry_run=True)
    assert "**zed-sft** would have" in dry.text
    assert "Nothing was frozen" in dry.text
    assert data(await done(school, "finetune datasets")) == []
    built = await done(school, "finetune build", who=CAROL)
    assert "**zed-sft:1** is frozen" in built.text
    found = data(built)
    assert (found["rows"], found["new"], found["dataset"]) == (TRAINED, True, "zed-sft:1")
    assert [each.command for each in built.buttons] == ["finetune show"]
    again = await done(school, "finetune build", who=CAROL)
    assert "Nothing changed: **zed-sft:1**" in again.text
    other = data(await done(school, "finetune build", who=CAROL, name="Another Name", max=5, prompt="none"))
    assert (other["rows"], other["left_out"]) == (5, {"over the maximum": TRAINED - 5})
    assert [(action, target, each.get("stage")) for action, target, each in await written(school)] == [
        ("finetune build", "zed-sft", "begun"),
        ("finetune build", "zed-sft", "begun"),
        ("finetune build", "zed-sft", "finished"),
        ("finetune build", "zed-sft", "begun"),
        ("finetune build", "Another Name", "begun"),
        ("finetune build", "Another Name", "finished"),
    ]
    listed = data(await done(school, "finetune datasets", who=CAROL))
    assert [each["dataset"] for each in listed] == ["Another Name:1", "zed-sft:1"]
    shown = await done(school, "finetune show", who=CAROL, dataset="ZED-sft")
    assert data(shown)["hash"] == found["hash"]
    assert {"method": "sft", "stars": "4", "prompt version": "1"}.items() <= {
        each.name: each.value for each in shown.fields
    }.items()

    await _traced(school)
    await _handed_over(school, tmp_path)

    await done(school, "finetune delete", who=CAROL, dataset="Another Name:1", confirmed=True)
    assert "There is no dataset 'Another Name'" in await refused(
        school, "finetune show", dataset="Another Name"
    )
    assert (await written(school))[-1][:2] == ("finetune delete", "Another Name:1")
    assert "Nothing of Zed is within these limits" in await refused(school, "finetune build", min_quality=1.0)


async def _traced(school: Theatre) -> None:
    row = data(await done(school, "finetune trace", who=CAROL, dataset="zed-sft:1", row=2))
    assert [each["name"] for each in row["people"]] == ["Ada"]
    person = data(await done(school, "finetune trace", who=CAROL, person="ada"))
    assert {each["dataset"]: each["rows"] for each in person["datasets"]} == {
        "zed-sft:1": TRAINED, "Another Name:1": 5,
    }  # fmt: skip
    exchange = data(await done(school, "finetune trace", who=CAROL, exchange=row["exchange_id"]))
    of = {name: row[name] for name in ("split", "exchange_id", "example_id", "preference_id")}
    assert {"dataset": "zed-sft:1", "row": 2, **of} in exchange["rows"]
    assert exchange["total"] == len(exchange["rows"])
    assert "12, counted from 1" in await refused(school, "finetune trace", dataset="zed-sft")
    assert "Row 99 of zed-sft:1 is not there" in await refused(
        school, "finetune trace", dataset="zed-sft", row=99
    )
    assert "Nobody here is called 'nobody'" in await refused(school, "finetune trace", person="nobody")
    assert "is no place to go on from" in await refused(school, "finetune trace", person="ada", after="2")
    assert "Say what to trace" in await refused(school, "finetune trace")


async def test_two_of_one_name_are_told_apart_by_their_ids(theatre: Theatre) -> None:
    for key in ("u1", "u2"):
        await theatre.say("hello", who=Who(key, "Zoë"))
    text = await refused(theatre, "finetune trace", person="ZOË")
    assert "Several people here are called 'ZOË': give the id of one, such as u1, u2." in text
    assert (await done(theatre, "finetune trace", person="u1")).text == "Zoë is in no dataset."


async def frozen(theatre: Theatre, name: str, many: int, split: Split = "train") -> None:
    """A dataset of so many rows, all of Ada's words."""
    scene = await theatre.services.scenes.find(HERE, ADA)

    def write(tx: Tx) -> None:
        number = datasets.begin(tx, NewDataset(scene.workspace.id, None, name, "sft"))
        words = (Author(scene.person.id, 1),)
        content = to_json(Row((Turn("user", "Q?"),), "A."))
        lines = [
            NewLine(at, split, row_hash(content), content.decode(), f"talk {at}", words, f"x{at}")
            for at in range(many)
        ]
        datasets.add(tx, number, lines)
        train = many if split == "train" else 0
        datasets.finish(tx, number, hash=name, report={}, train=train, validation=many - train)

    await theatre.database.write(write)


async def test_all_rows_of_somebody_are_reached(theatre: Theatre) -> None:
    await frozen(theatre, "one", 30)
    await frozen(theatre, "two", tracing.PAGE + 5)
    total = tracing.PAGE + 35
    whole = await done(theatre, "finetune trace", person="ada")
    assert f"50 of {total:,} are shown" in whole.text
    assert whole.table is not None
    assert len(whole.table.rows) == 50
    first = data(whole)
    second = data(await done(theatre, "finetune trace", person="ada", after=first["next"]))
    assert (first["total"], second["total"], second["next"]) == (total, total, None)
    found = [(each["dataset"], each["row"]) for each in (*first["rows"], *second["rows"])]
    assert found == [("two:1", at + 1) for at in range(tracing.PAGE + 5)] + [
        ("one:1", at + 1) for at in range(30)
    ]
    behind = await done(theatre, "finetune trace", person="ada", after=_named(whole.text))
    assert data(behind)["rows"][0] == first["rows"][50]
    assert "is in 1 row of" not in whole.text


def _named(text: str) -> str:
    """The place to go on from."""
    found = re.search(r"`after:([^`]+)`", text)
    assert found is not None
    return found[1]


async def _handed_over(school: Theatre, tmp_path: Path) -> None:
    posted = await done(school, "finetune export", who=CAROL, dataset="zed-sft", format="openai-sft")
    names = {each.name: each.data for each in posted.files}
    assert {"train.openai-sft.jsonl", "README.md"} <= set(names)
    out = tmp_path / "out"
    await done(
        school, "finetune export", dataset="zed-sft", format="openai-sft", out=str(out), local=True
    )  # fmt: skip
    assert {each.name: each.read_bytes() for each in out.iterdir()} == names
    assert "zed-sft:1 is for sft" in await refused(
        school, "finetune export", dataset="zed-sft", format="trl-kto"
    )
    assert "leave out `out`" in await refused(
        school, "finetune export", dataset="zed-sft", format="trl-sft", out="/tmp/x"
    )
    assert [target for action, target, _ in await written(school) if action == "finetune export"] == [
        "zed-sft:1", "zed-sft:1",
    ]  # fmt: skip
    bare = await done(
        school,
        "finetune export",
        dataset="zed-sft",
        format="alpaca",
        out=str(tmp_path / "alpaca"),
        local=True,
    )
    assert "alpaca has no place for a system prompt: its lines are without one." in bare.text
    assert b"system" not in (tmp_path / "alpaca" / "train.alpaca.jsonl").read_bytes()


async def test_an_export_that_comes_to_nothing_leaves_no_folder(theatre: Theatre, tmp_path: Path) -> None:
    await done(theatre, "privacy policy", policy="opt-out")
    await frozen(theatre, "checks", 3, "validation")
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    for out in (new, old):
        asked = {"dataset": "checks", "format": "openai-sft", "out": str(out), "local": True}
        assert "nothing was written" in await refused(theatre, "finetune export", **asked)
    assert [each.name for each in tmp_path.iterdir() if each in (new, old)] == ["old"]
    far = tmp_path / ("x" * 300)
    asked = {"dataset": "checks", "format": "openai-sft", "out": str(far), "local": True}
    assert "cannot be written: File name too long." in await refused(theatre, "finetune export", **asked)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"avatar": "Nobody"}, "There is no avatar named 'Nobody'"),
        ({"name": "../up"}, "A dataset's name has up to 60"),
        ({"name": "two:1"}, "A dataset's name has up to 60"),
        ({"name": "x" * 61}, "A dataset's name has up to 60"),
        ({"since": "yesterday"}, "since is a day such as"),
        ({"until": "2026-02-30"}, "until is a day such as"),
        ({"since": "10d", "until": "20d"}, "since must be before until"),
        ({"sources": "chat, gossip"}, "There is no source 'gossip'"),
        ({"prompt": "7"}, "Zed has no prompt version 7"),
        ({"prompt": "best"}, "Zed has no prompt version best"),
        ({"sources": "import"}, "Nothing of Zed is within these limits"),
        ({"method": "dpo"}, "Zed has nothing yet that dpo could learn from"),
    ],
)
async def test_a_build_that_cannot_be(theatre: Theatre, given: dict[str, str], said: str) -> None:
    await done(theatre, "avatar create", name="Zed", prompt="You are Zed.")
    await done(theatre, "avatar use", name="Zed")
    await done(theatre, "privacy consent")
    await liked(theatre, 1)
    assert said in await refused(theatre, "finetune build", **given)


async def test_a_prompt_that_leaves_no_room_is_told(theatre: Theatre) -> None:
    await done(theatre, "avatar create", name="Zed", prompt="word " * 3000)
    await done(theatre, "avatar use", name="Zed")
    assert "prompt:none" in await refused(theatre, "finetune build")


async def test_who_may(theatre: Theatre) -> None:
    group = [each for each in theatre.app.commands if each.name.split()[0] in ("finetune", "dataset")]
    assert {each.name: each.access for each in group} == dict.fromkeys(
        (each.name for each in group), Access.TRAINER
    ) | {"finetune import": Access.OWNER}
    for each in group:
        given = {param.name: param.choices[0] if param.choices else "1" for param in each.params}
        for access in (Access.MEMBER, Access.REVIEWER):
            told = await refused(theatre, each.name, who=as_member(BOB, access), confirmed=True, **given)
            assert "trainer" in told or "owner" in told
    assert "owner" in await refused(
        theatre, "finetune import", who=CAROL, path="x", format="trl-sft", consented=True
    )


async def test_nothing_of_one_workspace_is_seen_in_another(school: Theatre) -> None:
    await done(school, "finetune build")
    assert data(await done(school, "finetune datasets", place=ELSEWHERE)) == []
    row = data(await done(school, "finetune trace", dataset="zed-sft", row=1))
    for command, given in (
        ("show", {}),
        ("trace", {"row": 1}),
        ("export", {"format": "openai-sft"}),
        ("delete", {"confirmed": True}),
    ):
        told = await refused(school, f"finetune {command}", place=ELSEWHERE, dataset="zed-sft:1", **given)
        assert told == "There is no dataset 'zed-sft:1'; `/finetune build` makes the first."
    elsewhere = await done(school, "finetune trace", place=ELSEWHERE, exchange=row["exchange_id"])
    assert data(elsewhere) == {"total": 0, "rows": []}
    found = data(await done(school, "finetune trace", place=ELSEWHERE, person="ada"))
    assert found["datasets"] == []
    assert "no avatar named 'Zed'" in await refused(school, "finetune build", place=ELSEWHERE, avatar="Zed")


async def test_what_is_taken_back_is_neither_exported_nor_kept(school: Theatre) -> None:
    await done(school, "finetune build")
    kept = await done(school, "privacy show")
    assert data(kept)["dataset_lines"] == TRAINED
    assert f"{TRAINED} rows of datasets" in next(each.value for each in kept.fields if each.name == "Learnt")
    await done(school, "privacy withdraw")
    assert "no longer agree" in await refused(school, "finetune export", dataset="zed-sft", format="trl-sft")
    assert data(await done(school, "finetune show", dataset="zed-sft"))["unconsented"] == TRAINED
    await done(school, "privacy delete", confirmed=True)
    assert "12 rows were deleted" in await refused(
        school, "finetune export", dataset="zed-sft", format="trl-sft"
    )
    assert "was taken back" in await refused(school, "finetune trace", dataset="zed-sft", row=1)


def _build(theatre: Theatre, progress: Callable[..., Any], **given: str) -> asyncio.Task[Answer]:
    call = Call("finetune build", HERE, ADA, {"method": "sft", **given}, progress, clock.now())
    return asyncio.create_task(theatre.app.command(call))


async def test_a_build_is_stopped_from_elsewhere(school: Theatre, tmp_path: Path) -> None:
    assert "Nothing is being built" in await refused(school, "finetune cancel")
    begun, second = asyncio.Event(), asyncio.Event()

    async def progress(text: str, share: float | None = None) -> None:
        if "next" in text:
            second.set()
        if text.startswith("Looking for"):
            begun.set()
            await asyncio.Event().wait()

    building = _build(school, progress, name="first")
    await begun.wait()
    assert (await done(school, "finetune datasets")).text.startswith("first is being built")
    assert "is being built already" in await refused(school, "finetune build", name="First")
    assert "Nothing is being built" in await refused(school, "finetune cancel", place=ELSEWHERE)
    assert "Say which one: first" in await refused(school, "finetune cancel", name="second")
    waiting = _build(school, progress, name="second")
    await second.wait()
    assert "Say which one: first, second" in await refused(school, "finetune cancel")
    await done(school, "finetune cancel", who=CAROL, name="SECOND")
    await done(school, "finetune cancel", who=CAROL)
    for each in (building, waiting):
        answer = await each
        assert not answer.ok
        assert "was stopped; nothing of it was kept" in answer.text
    assert ("finetune cancel", "first", {}) in await written(school)
    assert await nothing_left(school, tmp_path)
    assert (await done(school, "finetune build", name="first")).ok


async def test_a_build_whose_process_is_killed(school: Theatre, tmp_path: Path) -> None:
    home = await workspace(school)
    held, free = Event(), Event()
    holding: list[asyncio.Task[None]] = []

    def job(tx: Tx) -> None:
        numbering.fresh(tx, "dataset")  # whoever begins a dataset waits
        held.set()
        free.wait(50)

    async def writing() -> None:
        database = await Database.open(school.database.url)
        try:
            await database.write(job)
        finally:
            await database.close()

    def hold() -> None:
        # With an event loop of its own, as a job is run in the loop on Postgres.
        asyncio.run(writing())

    async def progress(text: str, share: float | None = None) -> None:
        if text == "Beginning" and not held.is_set():
            # As it would be, had it begun to freeze; the next id is that of its dataset.
            new = NewDataset(home, "", "first", "sft", id="begun")
            await school.database.write(lambda tx: datasets.begin(tx, new))
            ids.use(lambda: "begun")
            holding.append(asyncio.create_task(asyncio.to_thread(hold)))
            await asyncio.to_thread(held.wait, 50)
        if not text.startswith("Looking for") or free.is_set():
            return
        ids.use(None)
        own = ["pgrep", "-P", str(os.getpid()), "-f", "bot[.]builder"]
        (pid,) = subprocess.run(own, capture_output=True, check=True).stdout.split()
        os.kill(int(pid), signal.SIGKILL)
        free.set()
        await asyncio.gather(*holding)

    try:
        answer = await _build(school, progress, name="first")
    finally:
        ids.use(None)
        free.set()
    assert not answer.ok
    assert "was killed (signal 9)" in answer.text
    assert await nothing_left(school, tmp_path)


async def test_what_another_process_built_under_the_same_name_stays(school: Theatre, tmp_path: Path) -> None:
    home = await workspace(school)

    def elsewhere(tx: Tx) -> list[int]:
        ready, going = (datasets.begin(tx, NewDataset(home, None, "first", "sft")) for _ in range(2))
        datasets.finish(tx, ready, hash="abc", report={}, train=1, validation=0)
        return [ready, going]

    async def progress(text: str, share: float | None = None) -> None:
        if text.startswith("Looking for"):
            begun.set_result(await school.database.write(elsewhere))
            await asyncio.Event().wait()

    begun: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
    building = _build(school, progress, name="first")
    ready, going = await begun
    await done(school, "finetune cancel", who=CAROL)
    assert "was stopped; nothing of it was kept" in (await building).text
    there = await school.database.read(lambda tx: datasets.listed(tx, home))
    assert [each.number for each in there] == [ready]
    assert await school.database.read(lambda tx: datasets.abandoned(tx, 2**62)) == [going]


@pytest.fixture
async def strict(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A local OpenAI that moderates, and settings that want it asked."""
    async with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("UNDERSTUDY_DATASETS__MODERATION", "openai:omni-moderation-latest")
        yield server


async def test_what_is_flagged_stays_out_until_somebody_lets_it_pass(
    school: Theatre, strict: OpenAIServer
) -> None:
    await liked(school, 99, more=" you idiot")
    built = data(await done(school, "finetune build"))
    assert (built["rows"], built["left_out"]) == (TRAINED, {"flagged": 1})
    asked = [text for body in strict.moderated for text in body["input"]]
    assert len(asked) == TRAINED + 1
    assert sum("plot 99" in text and "idiot" in text for text in asked) == 1
    held = await done(school, "finetune quarantine", who=CAROL)
    (row,) = data(held)["rows"]
    assert (row["categories"], row["decision"]) == (["harassment"], None)
    assert row["row"]["prompt"][-1]["content"] == "What grows on plot 99?"
    assert "What grows on plot 99?" in held.text
    assert "larch99 you idiot" in held.text
    nothing = {"total": 0, "rows": [], "next": None}
    assert data(await done(school, "finetune quarantine", place=ELSEWHERE)) == nothing
    for each in ("release", "reject", "row", "after"):
        assert "begins with 'xyz'" in await refused(school, "finetune quarantine", **{each: "xyz"})
        assert "No one flagged row" in await refused(
            school, "finetune quarantine", place=ELSEWHERE, **{each: row["hash"]}
        )
    one = await done(school, "finetune quarantine", who=CAROL, row=row["hash"][:8])
    assert data(one) == row
    assert "larch99 you idiot" in one.text
    assert {each.command: dict(each.args) for each in one.buttons} == {
        "finetune quarantine": {"reject": row["hash"]}
    }
    await done(school, "finetune quarantine", who=CAROL, release=row["hash"][:12])
    assert (await done(school, "finetune quarantine")).text == "Nothing is in quarantine."
    again = data(await done(school, "finetune build"))
    assert (again["version"], again["rows"]) == (2, TRAINED + 1)
    assert sum(len(body["input"]) for body in strict.moderated) == TRAINED + 1  # nobody is asked twice
    decided = [(target, detail) for action, target, detail in await written(school) if action.endswith("ne")]
    assert decided == [(row["hash"], {"released": True})]


async def test_what_somebody_rejects_stays_out_for_good(
    school: Theatre, strict: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await liked(school, 99, more=" you idiot")
    await done(school, "finetune build")
    hash_ = data(await done(school, "finetune quarantine"))["rows"][0]["hash"]
    assert "not both" in await refused(school, "finetune quarantine", release=hash_, reject=hash_)
    told = await done(school, "finetune quarantine", who=CAROL, reject=hash_)
    assert "stays out of every dataset" in told.text
    assert data(await done(school, "finetune quarantine"))["total"] == 0
    one = await done(school, "finetune quarantine", row=hash_)
    assert (data(one)["decision"], data(one)["row"]) == ("rejected", None)
    assert "Its text is not here" in one.text
    again = data(await done(school, "finetune build"))
    assert (again["new"], again["rows"]) == (False, TRAINED)
    # As a thumb it is another row with the same words; and nobody moderates any more.
    monkeypatch.delenv("UNDERSTUDY_DATASETS__MODERATION")
    other = data(await done(school, "finetune build", method="kto"))
    assert (other["rows"], other["left_out"]) == (TRAINED, {"flagged": 1})
    await done(school, "finetune quarantine", release=hash_)  # somebody thought better of it
    assert data(await done(school, "finetune build"))["rows"] == TRAINED + 1


async def test_a_long_quarantine_is_read_in_pages(theatre: Theatre) -> None:
    home, many = await workspace(theatre), quarantine.PAGE + 5
    said = [Verdict(f"{at:08x}{0:024x}", True, ("hate",), False, at) for at in range(many)]
    await theatre.database.write(lambda tx: verdicts.put(tx, home, said))
    first = await done(theatre, "finetune quarantine")
    assert f"{many:,} rows were flagged" in first.text
    assert first.text.count("Its text is not here") == quarantine.SHOWN
    second = await done(theatre, "finetune quarantine", after=data(first)["next"])
    assert (data(second)["total"], data(second)["next"]) == (many, None)
    found = [each["hash"] for each in (*data(first)["rows"], *data(second)["rows"])]
    assert found == [each.hash for each in reversed(said)]  # the newest first
    behind = await done(theatre, "finetune quarantine", after=_named(first.text))
    assert data(behind)["rows"][0]["hash"] == found[quarantine.SHOWN]


async def test_flagged_words_that_are_taken_back_are_not_kept(school: Theatre, strict: OpenAIServer) -> None:
    await liked(school, 99, more=" you idiot")
    await done(school, "finetune build")
    await done(school, "privacy withdraw")
    (row,) = data(await done(school, "finetune quarantine"))["rows"]
    assert row["row"] is None


async def test_a_moderation_that_refuses_us_is_told(school: Theatre, strict: OpenAIServer) -> None:
    strict.moderation_failures.append(INVALID_KEY)
    told = await refused(school, "finetune build")
    assert "sk-test" not in told
    assert not data(await done(school, "finetune datasets"))


def _file(path: Path, many: int = TRAINED, first: int = 0) -> str:
    lines = [
        {"messages": [{"role": "user", "content": f"plot {n}?"}, {"role": "assistant", "content": f"{n} trees"}]}
        for n in range(first, first + many)
    ]  # fmt: skip
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return str(path)


async def test_a_file_from_elsewhere(theatre: Theatre, tmp_path: Path) -> None:
    path, beside = _file(tmp_path / "made.jsonl"), _file(tmp_path / "beside.jsonl", 2, 50)
    given: dict[str, Any] = {"path": path, "format": "openai-sft", "local": True}
    unvouched = await theatre.command("finetune import", **given)
    assert not unvouched.ok
    assert "--consented" in unvouched.text
    assert unvouched.buttons[0].args["consented"] == "true"
    assert "machine that Understudy runs on" in await refused(
        theatre, "finetune import", path=path, format="openai-sft", consented=True
    )
    assert await theatre.database.read(lambda tx: datasets.abandoned(tx, 2**62)) == []
    arrived = await done(theatre, "finetune import", **given, consented=True, validation=beside)
    assert data(arrived) == {**data(arrived), "dataset": "made:1", "train": TRAINED, "validation": 2}
    again = await done(theatre, "finetune import", **given, consented=True, validation=beside)
    assert "Nothing changed" in again.text
    assert "A dataset's name" in await refused(
        theatre, "finetune import", **given, consented=True, name="a/b"
    )
    (tmp_path / "bad.jsonl").write_bytes(b"not json\n")
    bad = {**given, "path": str(tmp_path / "bad.jsonl")}
    assert "Nothing was brought in" in await refused(theatre, "finetune import", **bad, consented=True)
    assert "There is no file" in await refused(
        theatre, "finetune import", **{**given, "path": "nowhere"}, consented=True
    )
    detail = (await written(theatre))[0][2]
    assert detail == {"file": "made.jsonl", "format": "openai-sft", "consent": "vouched for"}
    good = await done(theatre, "dataset validate", **given, beside=beside)
    assert f"is good openai-sft: {TRAINED} lines" in good.text
    assert "is not good openai-sft" in await refused(theatre, "dataset validate", **bad)
    assert "the same example" in str(data(await theatre.command("dataset validate", **given, beside=path)))
    assert "machine that" in await refused(theatre, "dataset validate", path=path, format="openai-sft")


async def test_what_is_too_large_to_post_comes_in_parts_of_whole_lines(
    theatre: Theatre, tmp_path: Path
) -> None:
    path, answer = tmp_path / "large.jsonl", "long " * 40_000
    asked = [{"role": "user", "content": "Q?"}]
    with path.open("wb") as file:
        for at in range(50):
            reply = {"role": "assistant", "content": f"{at} {answer}"}
            file.write(orjson.dumps({"messages": [*asked, reply]}) + b"\n")
    given: dict[str, Any] = {
        "path": str(path),
        "format": "trl-sft",
        "validation": _file(tmp_path / "b.jsonl", 2),
    }
    await done(theatre, "finetune import", **given, consented=True, local=True)
    posted = await done(theatre, "finetune export", dataset="large", format="trl-sft")
    out = tmp_path / "out"
    await done(theatre, "finetune export", dataset="large", format="trl-sft", out=str(out), local=True)
    parts = [each for each in posted.files if ".part" in each.name]
    assert [each.name for each in parts] == ["train.trl-sft.part01.jsonl", "train.trl-sft.part02.jsonl"]
    assert all(len(each.data) <= handover.POSTED and each.data.endswith(b"\n") for each in parts)
    assert b"".join(each.data for each in parts) == (out / "train.trl-sft.jsonl").read_bytes()
    assert [each.name for each in posted.files if each not in parts] == [
        "validation.trl-sft.jsonl",
        "README.md",
    ]


async def test_what_is_more_than_a_chat_takes_is_for_the_machine(theatre: Theatre) -> None:
    scene = await theatre.services.scenes.find(HERE, ADA)
    content = to_json(Row((Turn("user", "Q?"),), "word " * 800_000))

    def write(tx: Tx) -> None:
        number = datasets.begin(tx, NewDataset(scene.workspace.id, None, "vast", "sft"))
        lines = [NewLine(at, "train", f"{at:032x}", content.decode(), "t", ()) for at in range(25)]
        datasets.add(tx, number, lines)
        datasets.finish(tx, number, hash="x", report={}, train=25, validation=0)

    await theatre.database.write(write)
    told = await refused(theatre, "finetune export", dataset="vast", format="trl-sft")
    assert "more than can be posted" in told


async def test_names_are_completed_from_this_workspace(school: Theatre) -> None:
    await done(school, "finetune build")
    show = next(each for each in school.app.commands if each.name == "finetune show")
    complete = show.params[0].complete
    assert complete is not None

    async def typed(text: str, **at: Any) -> list[str]:
        call = Call("finetune show", at.get("place", HERE), ADA, {}, _quiet, clock.now())
        return list(await complete(call, text))

    assert await typed("ZED") == ["zed-sft", "zed-sft:1"]
    assert await typed("x") == await typed("", place=ELSEWHERE) == []


async def _quiet(text: str, done: float | None = None) -> None:
    """Nobody watches."""


async def test_words_of_who_did_not_agree_are_in_no_row(school: Theatre) -> None:
    await liked(school, 50, who=as_member(BOB, Access.RATER))
    built = data(await done(school, "finetune build"))
    assert (built["rows"], built["left_out"]) == (TRAINED, {"unconsented": 1})
    assert data(await done(school, "finetune trace", person="bob"))["datasets"] == []
