"""Each command does what it says, and says what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.platforms.base import Access, Answer, Call, Place, Table
from adapters.vendors.base import Denied, Unavailable
from bot.faces import Face
from bot.settings import Secrets
from storage import audit, avatars, clock, prompts, releases
from storage.avatars import Avatar
from storage.database import Database
from storage.releases import Release
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, Scripted, Seen, Theatre, play

OTHER = replace(HERE, channel="other", conversation="other")
CLOSET = Place("discord", "guild", "closet", "closet", private=True, workspace_name="Guild")
CAROL = replace(BOB, key="carol", name="Carol", access=Access.TRAINER)


@pytest.fixture(autouse=True)
def ticking() -> Iterator[None]:
    """A clock that goes on by one each time that somebody looks."""
    times = count(1_000_000)
    clock.use(lambda: next(times))
    yield
    clock.use(None)


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


@pytest.fixture
async def school(database: Database, tmp_path: Path) -> Theatre:
    """An avatar without a word of its own, in use here; Ada has agreed to be learnt from."""
    theatre = play(database, tmp_path)
    await done(theatre, "avatar create", name="Zed", prompt="You are Zed.")
    await done(theatre, "avatar use", name="Zed")
    await done(theatre, "privacy consent")
    return theatre


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


def rows(answer: Answer) -> Table:
    assert answer.table is not None
    assert all(len(row) == len(answer.table.columns) for row in answer.table.rows)
    return answer.table


def listed(answer: Answer) -> list[dict[str, Any]]:
    assert isinstance(answer.data, list)
    return cast("list[dict[str, Any]]", answer.data)


def told(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.data, dict)
    return cast("dict[str, Any]", answer.data)


async def avatar_here(theatre: Theatre, place: Place = HERE) -> Avatar:
    return (await theatre.services.scenes.find(place, ADA)).avatar


async def releases_here(theatre: Theatre) -> list[Release]:
    avatar = await avatar_here(theatre)
    return await theatre.database.read(lambda tx: releases.listed(tx, avatar.id))


async def base_model_here(theatre: Theatre) -> str | None:
    return (await theatre.services.scenes.find(HERE, ADA)).release.base_model


async def last_audit(theatre: Theatre) -> tuple[str, str]:
    scene = await theatre.services.scenes.find(HERE, ADA)
    entry = (await theatre.database.read(lambda tx: audit.listed(tx, scene.workspace.id, 1)))[0]
    return entry.action, entry.target


# Talking


async def test_new_once_and_once_more(theatre: Theatre) -> None:
    await theatre.say("hello")
    assert "fresh start" in (await done(theatre, "new")).text
    assert "fresh already" in (await done(theatre, "new")).text
    assert "no reply here yet" in await refused(theatre, "why")
    assert listed(await done(theatre, "history")) == []


async def test_stop_with_nothing_to_stop(theatre: Theatre) -> None:
    assert "not saying anything" in await refused(theatre, "stop")


async def test_regenerate_is_for_who_asked_or_a_reviewer(theatre: Theatre) -> None:
    assert "no reply here yet" in await refused(theatre, "regenerate", seen=Seen())
    first = await theatre.say("hello", who=BOB)
    stranger = replace(CAROL, access=Access.RATER)
    assert "Only the person who asked" in await refused(theatre, "regenerate", who=stranger, seen=Seen())
    assert "where you talk to me" in await refused(theatre, "regenerate", who=BOB)
    for who in (BOB, CAROL):
        again = told(await done(theatre, "regenerate", who=who, seen=Seen(), exchange=first.exchange_id))
        assert again["reply"] == "Hello there"
        assert again["exchange_id"] != first.exchange_id


async def test_rate_change_comment_and_take_back(theatre: Theatre) -> None:
    assert "no reply here yet" in await refused(theatre, "rate", stars="5")
    spoken = await theatre.say("hello")
    assert "5 of 5" in (await done(theatre, "rate", stars="5", comment="lovely")).text
    assert "your comment" in (await done(theatre, "rate", stars="5", comment="lovely still")).text
    assert "2 of 5" in (await done(theatre, "rate", stars="2")).text
    assert "withdrawn" in (await done(theatre, "rate", stars="none")).text
    assert told(await done(theatre, "rate", stars="4", exchange=spoken.exchange_id))["exchange_id"] == (
        spoken.exchange_id
    )
    assert "no exchange" in await refused(theatre, "rate", stars="4", exchange="nonsense")


async def test_what_was_said_in_a_closed_room_is_not_to_be_seen_from_outside(theatre: Theatre) -> None:
    spoken = await theatre.say("hello", place=CLOSET)
    ways: list[tuple[str, dict[str, Any]]] = [
        ("why", {}),
        ("rate", {"stars": "1"}),
        ("regenerate", {"seen": Seen()}),
    ]
    for name, more in ways:
        assert "no exchange" in await refused(theatre, name, exchange=spoken.exchange_id, **more)
        assert (await theatre.command(name, place=CLOSET, exchange=spoken.exchange_id, **more)).ok


async def test_why_without_examples(school: Theatre) -> None:
    await school.say("hello")
    answer = await done(school, "why")
    assert answer.text == "No example was shown to scripted:one for that reply."
    assert told(answer)["example_ids"] == []


async def test_why_with_examples(school: Theatre) -> None:
    await done(school, "examples add", question="where is the zebra", answer="behind the fence")
    await school.say("where is the zebra")
    answer = await done(school, "why")
    ((mark, _number, score, quality, *_),) = rows(answer).rows
    assert (mark, float(quality)) == ("", 1.0)
    assert 0.2 <= float(score) <= 1
    assert "were shown to scripted:one" in answer.text


# Avatars


async def test_an_avatar_is_created_with_its_first_release(theatre: Theatre) -> None:
    answer = await done(
        theatre,
        "avatar create",
        name=" Zed  the Second ",
        prompt="You are Zed.",
        tagline="a Z",
        colour="#123abc",
    )
    assert told(answer)["name"] == "Zed the Second"
    assert '`/avatar use "Zed the Second"` puts it in this channel.' in answer.text
    zed = await theatre.database.read(lambda tx: avatars.get(tx, str(told(answer)["id"])))
    assert (zed.tagline, zed.colour) == ("a Z", "#123abc")
    (release,) = await theatre.database.read(lambda tx: releases.listed(tx, zed.id))
    assert (release.number, release.model) == (1, None)
    assert (
        await theatre.database.read(lambda tx: prompts.get(tx, release.prompt_version_id))
    ).text == "You are Zed."
    assert await last_audit(theatre) == ("avatar create", "Zed the Second")
    spoken = await theatre.say("hello", place=replace(HERE, avatar="zed the second"))
    assert spoken.avatar == "Zed the Second"
    assert theatre.model.asked[-1].system == "You are Zed."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "guide", "prompt": "x"}, "already"),
        ({"name": " ", "prompt": "x"}, "1 to 60"),
        ({"name": "x" * 61, "prompt": "x"}, "1 to 60"),
        ({"name": "a\x00b", "prompt": "x"}, "printable"),
        ({"name": "Zed", "prompt": "  "}, "who the avatar is"),
        ({"name": "Zed", "prompt": "x", "colour": "red"}, "#E8A33D"),
    ],
)
async def test_an_avatar_that_cannot_be(theatre: Theatre, given: dict[str, str], said: str) -> None:
    assert said in await refused(theatre, "avatar create", **given)
    assert [each["name"] for each in listed(await done(theatre, "avatar list"))] == ["Guide"]


async def test_avatars_are_listed_with_the_one_that_answers_here(school: Theatre) -> None:
    await done(school, "examples add", question="q", answer="a")
    answer = await done(school, "avatar list")
    assert [(row[0], row[1], row[2]) for row in rows(answer).rows] == [
        ("", "Guide", "scripted:one (default)"),
        ("●", "Zed", "scripted:one (default)"),
    ]
    unset = {"auto_approve": False, "auto_activate": False}
    assert listed(answer)[1] == {"name": "Zed", "examples": 1, "tagline": "", **unset}


async def test_an_avatar_is_changed(school: Theatre) -> None:
    answer = await done(
        school, "avatar edit", name="ZED", rename="Zoe", colour="#000000", unknown="Hm.", auto_approve="yes"
    )
    assert told(answer) == {"name": "Zoe", "changed": ["auto_approve", "colour", "name", "unknown"]}
    zoe = await avatar_here(school)
    assert (zoe.name, zoe.colour, zoe.unknown, zoe.auto_approve) == ("Zoe", "#000000", "Hm.", True)
    assert "what to change" in await refused(school, "avatar edit", name="Zoe")
    assert "already" in await refused(school, "avatar edit", name="Zoe", rename="Guide")
    assert "no avatar named 'Zed'" in await refused(school, "avatar edit", name="Zed", rename="Zia")
    await done(school, "avatar edit", name="Zoe", auto_approve="no")
    assert not (await avatar_here(school)).auto_approve


async def test_an_avatar_is_used_in_a_channel_or_everywhere(theatre: Theatre) -> None:
    await done(theatre, "avatar create", name="Zed", prompt="You are Zed.")
    answer = await done(theatre, "avatar use", name="zed")
    assert not answer.private  # everybody there should know
    assert (await avatar_here(theatre)).name == "Zed"
    assert (await avatar_here(theatre, OTHER)).name == "Guide"
    await done(theatre, "avatar use", name="Zed", everywhere=True)
    assert (await avatar_here(theatre, OTHER)).name == "Zed"
    assert (await avatar_here(theatre, ELSEWHERE)).name == "Guide"
    assert "no avatar named 'Nobody'; there are: Guide, Zed." in await refused(
        theatre, "avatar use", name="Nobody"
    )


async def test_names_are_completed(theatre: Theatre) -> None:
    await done(theatre, "avatar create", name="Zed", prompt="You are Zed.")

    async def proposed(command: str, param: str, typed: str) -> list[str]:
        (declared,) = [each for each in theatre.app.commands if each.name == command]
        (complete,) = [each.complete for each in declared.params if each.name == param]
        assert complete is not None

        async def silent(text: str, done: float | None = None) -> None:
            """Nobody watches."""

        return list(await complete(Call(command, HERE, ADA, {}, silent, clock.now()), typed))

    assert await proposed("avatar use", "name", "z") == ["Zed"]
    assert await proposed("avatar use", "name", "") == ["Guide", "Zed"]
    assert await proposed("model", "name", "scripted:t") == ["scripted:two"]
    assert await proposed("help", "command", "avatar c") == ["avatar create"]


# Prompts


async def test_a_prompt_is_edited_and_gone_back_from_by_releases(school: Theatre) -> None:
    assert told(await done(school, "prompt show")) == {"number": 1, "active": True, "text": "You are Zed."}
    await done(school, "prompt edit", text="  You are Zed, briefly. ")
    await school.say("hello")
    assert school.model.asked[-1].system == "You are Zed, briefly."
    assert told(await done(school, "prompt show"))["number"] == 2
    assert not told(await done(school, "prompt show", number=1))["active"]
    await done(school, "prompt activate", number=1)
    await school.say("hello")
    assert school.model.asked[-1].system == "You are Zed."
    assert "active already" in (await done(school, "prompt activate", number=1)).text
    versions = listed(await done(school, "prompt list"))
    assert {(each["number"], each["active"]) for each in versions} == {(1, True), (2, False)}
    history = await releases_here(school)
    assert [each.number for each in history] == [3, 2, 1]
    assert history[0].prompt_version_id == history[2].prompt_version_id != history[1].prompt_version_id
    assert [each.why for each in history] == [
        "prompt version 1 was chosen", "prompt version 2 was written", "created"
    ]  # fmt: skip
    assert all(each.person_id for each in history)
    assert await last_audit(school) == ("prompt activate", "Zed")
    assert "no prompt version 7" in await refused(school, "prompt activate", number=7)
    assert "no prompt version 7" in await refused(school, "prompt show", number=7)
    assert "empty" in await refused(school, "prompt edit", text="  ")


async def test_prompts_written_at_once_get_numbers_of_their_own(school: Theatre) -> None:
    answers = await asyncio.gather(*(done(school, "prompt edit", text=f"prompt {n}") for n in range(5)))
    assert sorted(told(each)["number"] for each in answers) == [2, 3, 4, 5, 6]
    assert sorted(each.number for each in await releases_here(school)) == [1, 2, 3, 4, 5, 6]


# Examples


async def shown(theatre: Theatre, text: str, place: Place = HERE) -> list[tuple[str, str]]:
    """The examples that the model is shown with this question."""
    await done(theatre, "new", place=place)
    await theatre.say(text, place=place)
    return [(shot.user, shot.assistant) for shot in theatre.model.asked[-1].shots]


async def add(theatre: Theatre, **given: Any) -> int:
    return int(told(await done(theatre, "examples add", **given))["number"])


async def test_an_example_from_its_first_day_to_its_last(school: Theatre) -> None:
    question = "where is the zebra"
    added = await done(school, "examples add", question=question, answer="behind the fence")
    number = told(added)["number"]
    assert await shown(school, question) == [(question, "behind the fence")]
    await done(school, "examples edit", number=number, answer="in the barn")
    assert await shown(school, question) == [(question, "in the barn")]
    await done(school, "examples reject", number=number)
    assert await shown(school, question) == []
    assert [each["status"] for each in listed(await done(school, "examples list"))] == ["rejected"]
    await done(school, "examples approve", number=number)
    assert await shown(school, question) == [(question, "in the barn")]
    await done(school, "examples remove", number=number, confirmed=True)
    assert await shown(school, question) == []
    assert listed(await done(school, "examples list")) == []
    assert (await last_audit(school))[0] == "examples remove"
    for name in ("edit", "approve", "reject", "remove"):
        more: dict[str, Any] = {"answer": "x"} if name == "edit" else {}
        assert f"no example {number}" in await refused(
            school, f"examples {name}", number=number, confirmed=True, **more
        )


async def test_a_pinned_example_is_always_shown(school: Theatre) -> None:
    number = await add(school, question="who are you", answer="Zed", pinned=True)
    assert await shown(school, "something else entirely") == [("who are you", "Zed")]
    await done(school, "examples edit", number=number, pinned="no")
    assert await shown(school, "something else entirely") == []
    assert "what to change" in await refused(school, "examples edit", number=number)


async def test_an_example_from_a_closed_room_is_widened_by_a_reviewer(school: Theatre) -> None:
    await done(school, "avatar use", name="Zed", place=CLOSET)
    question = "where is the zebra"
    number = await add(school, question=question, answer="here", place=CLOSET)
    assert (await shown(school, question), await shown(school, question, CLOSET)) == (
        [],
        [(question, "here")],
    )
    await done(school, "examples edit", number=number, audience="everywhere")
    assert await shown(school, question) == [(question, "here")]
    await done(school, "examples edit", number=number, audience="here")
    assert (await shown(school, question, CLOSET), len(await shown(school, question))) == ([], 1)


async def test_examples_are_listed_by_pages_and_found(school: Theatre) -> None:
    added = [
        await add(school, question=f"question {number}", answer=f"answer {'fox' * (number == 3)}")
        for number in range(23)
    ]
    first = await done(school, "examples list")
    assert "page:2" in first.text
    second = await done(school, "examples list", page=2)
    numbers = [each["number"] for each in listed(first) + listed(second)]
    assert sorted(numbers) == added
    assert len(rows(first).rows) == 20
    assert [each["number"] for each in listed(await done(school, "examples list", search="fox"))] == [
        added[3]
    ]
    assert listed(await done(school, "examples list", status="proposed")) == []


async def test_an_example_needs_words_and_consent(school: Theatre) -> None:
    assert "a question and an answer" in await refused(school, "examples add", question=" ", answer="x")
    text = await refused(school, "examples add", who=CAROL, question="q", answer="a")
    assert "`/privacy consent`" in text
    number = await add(school, question="q", answer="a")
    assert "`/privacy consent`" in await refused(
        school, "examples edit", who=CAROL, number=number, answer="b"
    )
    await done(school, "examples edit", who=CAROL, number=number, pinned="yes")  # none of her words


async def test_a_withdrawn_example_cannot_be_approved(school: Theatre) -> None:
    number = await add(school, question="q", answer="a")
    await done(school, "privacy withdraw")
    assert [each["status"] for each in listed(await done(school, "examples list"))] == ["withdrawn"]
    assert "has not agreed" in await refused(school, "examples approve", who=CAROL, number=number)


# History and stats


async def test_history_is_of_this_conversation_and_tells_errors_to_trainers(theatre: Theatre) -> None:
    assert (await done(theatre, "history")).text == "Nothing was said here yet."
    await theatre.say("one", who=BOB)
    theatre.model.pieces, theatre.model.failure = [], Unavailable("the vendor is down", vendor="scripted")
    await theatre.say("two", who=BOB)
    await theatre.say("three", who=BOB, place=OTHER)
    for who, error in ((BOB, ""), (CAROL, "the vendor is down")):
        answer = await done(theatre, "history", who=who)
        assert [(each["said"], each["status"], each["error"]) for each in listed(answer)] == [
            ("one", "complete", ""),
            ("two", "failed", error),
        ]
        assert ("the vendor is down" in str(rows(answer))) is bool(error)
    assert [each["said"] for each in listed(await done(theatre, "history", count=1))] == ["two"]


async def test_stats_count(school: Theatre) -> None:
    await school.say("one")
    await school.say("two", who=BOB)
    await done(school, "rate", stars="4")
    school.model.pieces, school.model.failure = [], Unavailable("down", vendor="scripted")
    await school.say("three")
    await done(school, "examples add", question="q", answer="a")
    stats = told(await done(school, "stats"))
    assert (stats["exchanges"], stats["people"], stats["rated"], stats["mean_stars"]) == (3, 2, 1, 4)
    assert (stats["tokens_in"], stats["tokens_out"], stats["cost"]) == (22, 14, 0.5)
    assert (stats["known_share"], stats["examples_approved"]) == (1, 1)
    assert "the last 3 days" in (await done(school, "stats", days=3)).text
    assert told(await done(school, "stats", place=ELSEWHERE))["exchanges"] == 0


# The model


async def test_the_model_is_shown_and_chosen(theatre: Theatre) -> None:
    assert told(await done(theatre, "model", who=BOB)) == {"model": "scripted:one"}
    assert "for a trainer" in await refused(theatre, "model", who=BOB, name="scripted:two")
    await done(theatre, "model", name="scripted:two")
    await theatre.say("hello")
    assert (theatre.model.asked[-1].model, await base_model_here(theatre)) == ("two", "scripted:two")
    await done(theatre, "model", name="default")
    assert told(await done(theatre, "model")) == {"model": "scripted:one"}
    assert await base_model_here(theatre) is None
    assert await last_audit(theatre) == ("model", "Guide")
    listing = await done(theatre, "models")
    assert {"scripted:one", "scripted:two", "embedded:base"} <= {each["model"] for each in listed(listing)}
    assert [row[1] for row in rows(listing).rows if row[0]] == ["scripted:one"]
    assert (
        "only from examples"
        in (await done(theatre, "model", name="embedded:base") and await done(theatre, "model")).text
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("scripted:nine", "near it: one"),
        ("nobody:one", "there are: embedded, scripted"),
        ("one", "vendor:name"),
    ],
)
async def test_a_model_that_is_not_there_is_not_chosen(theatre: Theatre, name: str, said: str) -> None:
    assert said in await refused(theatre, "model", name=name)
    assert await base_model_here(theatre) is None


async def test_a_base_model_takes_the_place_of_a_released_one(theatre: Theatre) -> None:
    avatar = await avatar_here(theatre)
    (first,) = await releases_here(theatre)
    await theatre.database.write(
        lambda tx: releases.add(
            tx, avatar.id, model="scripted:tuned", prompt_version_id=first.prompt_version_id
        )
    )
    await done(theatre, "model", name="scripted:two")
    assert [each.model for each in await releases_here(theatre)] == [None, "scripted:tuned", None]
    assert told(await done(theatre, "model")) == {"model": "scripted:two"}
    assert "answers with scripted:two already" in (await done(theatre, "model", name="scripted:two")).text
    assert len(await releases_here(theatre)) == 3


# Privacy


async def test_privacy_from_unset_to_given_to_withdrawn(theatre: Theatre) -> None:
    def choice(answer: Answer) -> str:
        return {field.name: field.value for field in answer.fields}["Your choice"]

    answer = await done(theatre, "privacy show", who=BOB)
    assert (told(answer)["consent"], told(answer)["policy"]) == ("unset", "opt-in")
    assert "not asked yet" in choice(answer)
    await done(theatre, "privacy decline", who=BOB)
    assert "said no" in choice(await done(theatre, "privacy show", who=BOB))
    assert told(await done(theatre, "privacy consent", who=BOB)) == {"consent": "given"}
    assert "agreed already" in (await done(theatre, "privacy consent", who=BOB)).text
    assert "you agreed, for what you write since" in choice(await done(theatre, "privacy show", who=BOB))
    await done(theatre, "privacy withdraw", who=BOB)
    assert "took your agreement back" in choice(await done(theatre, "privacy show", who=BOB))
    assert (await last_audit(theatre))[0] == "privacy withdraw"
    await done(theatre, "privacy consent", who=BOB)
    assert told(await done(theatre, "privacy show", who=BOB))["consent"] == "given"
    assert told(await done(theatre, "privacy show", who=BOB, place=ELSEWHERE))["consent"] == "unset"


async def test_privacy_shows_what_was_rated_last(school: Theatre) -> None:
    for number, stars in enumerate(("5", "2", "none", "4", "1")):
        await school.say(f"Question {number}, which is a little longer than fits?", who=BOB)
        await done(school, "rate", who=BOB, stars=stars)
    fields = {field.name: field.value for field in (await done(school, "privacy show", who=BOB)).fields}
    cut = "which is a little longer th…”"
    assert fields["You rated last"] == (
        f"1 of 5 for “Question 4, {cut}, 4 of 5 for “Question 3, {cut}, 2 of 5 for “Question 1, {cut}"
    )
    assert "You rated last" not in {field.name for field in (await done(school, "privacy show")).fields}


async def test_a_no_after_a_yes_is_a_no(theatre: Theatre) -> None:
    await done(theatre, "privacy consent", who=BOB)
    answer = await done(theatre, "privacy decline", who=BOB)
    assert "nothing you write is learnt from" in answer.text
    assert told(await done(theatre, "privacy show", who=BOB))["consent"] == "withdrawn"


@pytest.mark.parametrize("steps", [["policy", "decline"], ["decline", "policy"]])
async def test_a_no_counts_where_silence_means_yes(theatre: Theatre, steps: list[str]) -> None:
    for step in steps:
        if step == "policy":
            await done(theatre, "privacy policy", policy="opt-out")
        else:
            await done(theatre, "privacy decline", who=CAROL)
    text = await refused(theatre, "examples add", who=CAROL, question="q", answer="a")
    assert "`/privacy consent`" in text


async def test_deleting_takes_everything_of_theirs_and_nothing_of_others(school: Theatre) -> None:
    await school.say("hers")
    await done(school, "rate", stars="5")
    await done(school, "examples add", question="her question", answer="her answer")
    await school.say("his", who=BOB)
    gone = told(await done(school, "privacy delete", confirmed=True))
    assert gone["exchanges"] == 1
    assert gone["examples"] >= 1
    assert gone["dataset_lines"] == 0
    after = told(await done(school, "privacy show"))
    assert (after["consent"], after["exchanges"], after["ratings"], after["examples"]) == ("unset", 0, 0, 0)
    assert [each["said"] for each in listed(await done(school, "history"))] == ["his"]
    assert listed(await done(school, "examples list")) == []
    assert told(await done(school, "privacy show", who=BOB))["exchanges"] == 1


async def test_the_owner_chooses_the_rule(theatre: Theatre) -> None:
    assert "already" in (await done(theatre, "privacy policy", policy="opt-in")).text
    await done(theatre, "privacy policy", policy="opt-out")
    await done(theatre, "examples add", who=CAROL, question="q", answer="a")  # she was never asked
    assert told(await done(theatre, "privacy show", who=BOB))["policy"] == "opt-out"
    assert told(await done(theatre, "privacy show", who=BOB, place=ELSEWHERE))["policy"] == "opt-in"


# Check


async def test_check_says_what_is_set_up(theatre: Theatre) -> None:
    answer = await theatre.command("check", local=True)
    assert answer.text == "All is well."
    states = {each["what"]: (each["state"], each["detail"]) for each in listed(answer)}
    assert states["model"] == ("ok", "scripted:one answers")
    assert set(states) == {"settings", "database", "disk", "model", "notices", "terminal"}
    assert "every setting is at its default" in states["settings"][1]


async def test_check_names_the_problem_and_hides_the_secret(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path, model=Scripted(listing=Denied("the key is wrong", vendor="scripted")))
    secrets = Secrets.model_validate({"slack_bot_token": "hush", "openai_api_key": "hush"})
    configuration = theatre.services.configuration.model_copy(update={"secrets": secrets})
    faces = (Face("Slack", ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN")),)
    services = replace(theatre.services, configuration=configuration, faces=faces)
    theatre.app = type(theatre.app)(services, theatre.recovery)
    answer = await theatre.command("check", local=True)
    assert not answer.ok
    problems = {each["what"]: each["detail"] for each in listed(answer) if each["state"] == "problem"}
    assert problems["model"] == "scripted:one: the key is wrong"
    assert "must be set" in problems["slack"]
    assert "hush" not in str(answer)


async def test_check_tells_nothing_of_the_machine_in_a_chat(theatre: Theatre) -> None:
    states = {each["what"] for each in listed(await done(theatre, "check"))}
    assert states == {"model", "notices"}


async def test_check_names_a_model_that_does_not_exist(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path, default="scripted:nine")
    problems = [each for each in listed(await theatre.command("check")) if each["state"] == "problem"]
    assert [each["detail"] for each in problems] == ["scripted:nine does not exist; there are: one, two"]
