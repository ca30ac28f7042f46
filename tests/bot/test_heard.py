"""What comes with a message besides its text, and which model it is that answers in the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pictures

from adapters.platforms.base import Attachment, End
from adapters.vendors.base import (
    Finished,
    Image,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    Unavailable,
    Usage,
    VendorError,
)
from bot.asking import Patience
from storage import exchanges, workspaces
from storage.database import Database
from storage.errors import Unusable
from storage.exchanges import Exchange
from tests.bot.theatre import HERE, Scripted, Seen, Theatre, play

CHAIN = Patience(fallback=("understudy:b",), attempts=2, retry_seconds=0, rest_after=1000)


def picture(name: str = "cat.png") -> Attachment:
    out = BytesIO()
    Pictures.new("RGB", (4, 3), "red").save(out, "png")
    return Attachment(name, "image/png", out.getvalue())


def note(content: str = "Milk and eggs.", name: str = "list.txt") -> Attachment:
    return Attachment(name, "text/plain", content.encode())


BROKEN = Attachment("voice.ogg", "audio/ogg", b"OggS\x00\x02\xff\xfe\x00\x00")
LATE = Attachment("gone.txt", "text/plain", problem="it could not be fetched")


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path, model=Scripted(seeing=True))


async def stored(theatre: Theatre) -> Exchange:
    """The one exchange there is."""
    workspace = await theatre.database.read(lambda tx: workspaces.find(tx, HERE.platform, HERE.workspace))
    assert workspace is not None
    (one,) = await theatre.database.read(lambda tx: exchanges.listed(tx, workspace.id, limit=10))
    return one


def shown(model: Scripted) -> tuple[str, tuple[Image, ...]]:
    """The question as the model was shown it last."""
    question = model.asked[-1].turns[-1]
    return question.text, question.images


# Who answers


def chained(database: Database, folder: Path, failure: VendorError) -> tuple[Theatre, Scripted]:
    """A theatre whose own model fails, and the model that takes over."""
    other = Scripted(name="understudy", pieces=["I can"], finished=Finished(Usage(5, 3, 1.5)))
    own = Scripted(pieces=[], failure=failure)
    return play(database, folder, model=own, patience=CHAIN, others={"understudy": other}), other


async def test_the_row_names_the_model_that_answered(database: Database, tmp_path: Path) -> None:
    theatre, other = chained(database, tmp_path, Unavailable("down", vendor="scripted"))
    seen = Seen()
    spoken = await theatre.say("hello", seen=seen)
    row = await stored(theatre)
    assert (spoken.status, spoken.text, spoken.model, spoken.cost) == (
        "complete",
        "I can",
        "understudy:b",
        1.5,
    )
    assert (row.vendor, row.model, row.tokens_in, row.tokens_out, row.cost, row.error) == (
        "understudy",
        "understudy:b",
        5,
        3,
        1.5,
        "",
    )
    assert (seen.grown, seen.failed) == (["I can"], None)
    assert (len(theatre.model.asked), [each.model for each in other.asked]) == (2, ["b"])


async def test_the_fallback_is_shown_no_more_than_it_takes(database: Database, tmp_path: Path) -> None:
    theatre, other = chained(database, tmp_path, Unavailable("down", vendor="scripted"))
    other.room = 101
    await theatre.say("hello")
    assert theatre.model.asked[-1].shots
    assert other.asked[-1].shots == ()
    assert (await stored(theatre)).example_ids == ()


@pytest.mark.parametrize("kind", [ModelNotFound, NotConfigured])
async def test_when_all_fail_the_first_one_is_the_one_that_is_told(
    database: Database, tmp_path: Path, kind: type[VendorError]
) -> None:
    theatre, other = chained(database, tmp_path, kind("one is missing", vendor="scripted"))
    other.pieces, other.failure = [], QuotaExhausted("no money", vendor="understudy")
    spoken = await theatre.say("hello")
    row = await stored(theatre)
    assert spoken.status == row.status == "failed"
    assert "scripted:one" in spoken.text
    assert (row.vendor, row.model, row.error) == ("scripted", "scripted:one", "one is missing")


async def test_a_fallback_that_breaks_off_is_the_one_that_is_named(
    database: Database, tmp_path: Path
) -> None:
    theatre, other = chained(database, tmp_path, Unavailable("down", vendor="scripted"))
    other.failure = Unavailable("broken", vendor="understudy")
    spoken = await theatre.say("hello")
    row = await stored(theatre)
    assert (spoken.status, spoken.text, row.model, row.error) == (
        "complete",
        "I can",
        "understudy:b",
        "broken",
    )


async def test_a_reply_that_was_read_is_not_followed_by_a_failure_to_note_it(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_anything: object) -> None:
        raise Unusable("The disk is full.")

    async def fill(_end: End) -> None:
        monkeypatch.setattr(theatre.database, "write", full)

    seen = Seen(at_finish=fill)
    assert (await theatre.say("hello", seen=seen)).status == "complete"
    assert seen.failed is None
    monkeypatch.undo()
    assert (await stored(theatre)).holder == theatre.recovery.holder.id


# Pictures


async def test_a_model_that_sees_is_shown_the_picture(theatre: Theatre) -> None:
    seen, cat = Seen(), picture()
    assert (await theatre.say("look", attachments=(cat,), seen=seen)).status == "complete"
    assert shown(theatre.model) == ("look\n[picture: cat.png]", (Image(cat.data, "image/png"),))
    assert seen.end is not None
    assert seen.end.note == ""
    assert (await stored(theatre)).user_text == "look\n[picture: cat.png]"


async def test_a_model_that_does_not_see_says_so(theatre: Theatre) -> None:
    theatre.model.seeing = False
    seen = Seen()
    await theatre.say("look", attachments=(picture(),), seen=seen)
    assert shown(theatre.model) == ("look\n[picture: cat.png]", ())
    assert seen.end is not None
    assert seen.end.note == "this model cannot see pictures"


@pytest.mark.parametrize(("sees", "told"), [(True, ""), (False, "this model cannot see pictures")])
async def test_it_counts_what_the_model_sees_that_answered(
    database: Database, tmp_path: Path, sees: bool, told: str
) -> None:
    theatre, other = chained(database, tmp_path, Unavailable("down", vendor="scripted"))
    theatre.model.seeing, other.seeing = not sees, sees
    seen = Seen()
    await theatre.say("look", attachments=(picture(),), seen=seen)
    assert (len(shown(theatre.model)[1]), len(shown(other)[1])) == (int(not sees), int(sees))
    assert seen.end is not None
    assert seen.end.note == told


async def test_a_picture_speaks_for_itself(theatre: Theatre) -> None:
    spoken = await theatre.say("", attachments=(picture(),))
    assert spoken.status == "complete"
    assert shown(theatre.model)[0] == "[picture: cat.png]" == (await stored(theatre)).user_text


async def test_the_next_message_knows_that_there_was_a_picture(theatre: Theatre) -> None:
    await theatre.say("look", attachments=(picture(),))
    await theatre.say("and?")
    turns = theatre.model.asked[-1].turns
    assert [each.text for each in turns] == ["look\n[picture: cat.png]", "Hello there", "and?"]
    assert [each.images for each in turns] == [(), (), ()]


# Files


async def test_a_text_file_is_part_of_what_is_said_and_of_the_log(theatre: Theatre) -> None:
    await theatre.say("what do I buy?", attachments=(note(),))
    said = "what do I buy?\n\n[file list.txt]\n```\nMilk and eggs.\n```"
    assert shown(theatre.model) == (said, ())
    assert (await stored(theatre)).user_text == said


async def test_examples_are_found_by_what_the_person_said_not_by_the_file(theatre: Theatre) -> None:
    await theatre.command("privacy consent")
    await theatre.command("examples add", question="What is the wifi password?", answer="Ask Mara.")
    long = Attachment("list.txt", "text/plain", b"Milk and eggs and flour and butter. " * 100)
    await theatre.say("wifi password?", attachments=(long,))
    assert "Ask Mara." in [shot.assistant for shot in theatre.model.asked[-1].shots]


async def test_a_text_file_is_enough(theatre: Theatre) -> None:
    assert (await theatre.say(" ", attachments=(note(),))).status == "complete"
    assert shown(theatre.model)[0] == "[file list.txt]\n```\nMilk and eggs.\n```"


async def test_a_file_may_be_longer_than_a_message(theatre: Theatre) -> None:
    long = "word " * 10_000  # more than a message may have, and more than is read of a file
    spoken = await theatre.say("sum it up", attachments=(note(long),))
    assert spoken.status == "complete"
    assert "Left out here" in shown(theatre.model)[0]


async def test_the_text_beside_a_file_has_its_limit(theatre: Theatre) -> None:
    spoken = await theatre.say("x" * 20_001, attachments=(note(),))
    assert spoken.status == "declined"
    assert "20,001 characters" in spoken.text
    assert theatre.model.asked == []


async def test_what_could_not_be_read_is_named_below_the_reply(theatre: Theatre) -> None:
    seen = Seen()
    await theatre.say("look", attachments=(note(), BROKEN, LATE), seen=seen)
    assert seen.end is not None
    voice, gone = seen.end.note.split("; ")
    assert voice.startswith("not read: voice.ogg (")
    assert gone == "not read: gone.txt (it could not be fetched)"
    assert "voice" not in (await stored(theatre)).user_text


async def test_all_that_is_to_be_said_stands_below_one_reply(theatre: Theatre) -> None:
    theatre.model.seeing, theatre.model.finished = False, Finished(reason="length")
    seen = Seen()
    await theatre.say("look", attachments=(picture(), LATE), seen=seen)
    assert seen.end is not None
    assert seen.end.note == (
        "cut at the length limit; this model cannot see pictures; not read: gone.txt (it could not be fetched)"
    )


async def test_only_files_that_cannot_be_read_are_declined_with_a_sentence(theatre: Theatre) -> None:
    seen = Seen()
    spoken = await theatre.say("", attachments=(BROKEN, LATE), seen=seen)
    assert spoken.status == "declined"
    assert spoken.text.startswith("I cannot read voice.ogg (")
    assert spoken.text.endswith("gone.txt (it could not be fetched).")
    assert (theatre.model.asked, seen.end, seen.failed) == ([], None, None)
    workspace = await theatre.database.read(workspaces.listed)
    assert workspace == []


async def test_a_message_that_comes_twice_with_its_files_is_answered_once(theatre: Theatre) -> None:
    spoken = await asyncio.gather(
        *(theatre.say("look", key="m1", attachments=(picture(), note())) for _ in range(2))
    )
    assert sorted(each.status for each in spoken) == ["complete", "repeated"]
    assert len(theatre.model.asked) == 1


async def test_a_question_is_given_again_without_its_pictures(theatre: Theatre) -> None:
    await theatre.say("look", attachments=(picture(),))
    assert (await theatre.command("regenerate", seen=Seen())).ok
    assert shown(theatre.model) == ("look\n[picture: cat.png]", ())


async def test_more_than_one_picture_keeps_their_order(theatre: Theatre) -> None:
    await theatre.say("look", attachments=(picture("a.png"), replace(picture(), name="b.png")))
    text, images = shown(theatre.model)
    assert (text, len(images)) == ("look\n[picture: a.png]\n[picture: b.png]", 2)
