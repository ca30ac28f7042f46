"""One message in, one reply out: durable before the model is asked, answered once, in order, and ended whatever happens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import End, Mark, Place, Spoken, UserError
from adapters.vendors.base import (
    BadRequest,
    ChatRequest,
    Denied,
    Finished,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    Usage,
    VendorError,
)
from storage import clock, examples, exchanges, releases, statistics, workspaces
from storage.database import Database
from storage.examples import NewExample
from storage.exchanges import Exchange
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, MANNER, RULES, Scripted, Seen, Theatre, play

CLOSET = Place("discord", "guild", "closet", "closet", private=True)


@pytest.fixture
def theatre(database: Database, tmp_path: Path) -> Theatre:
    return play(database, tmp_path)


async def every(theatre: Theatre, place: Place = HERE) -> list[Exchange]:
    """All exchanges of the place's workspace, the oldest first."""
    workspace = await theatre.database.read(lambda tx: workspaces.find(tx, place.platform, place.workspace))
    if workspace is None:
        return []
    return await theatre.database.read(lambda tx: exchanges.listed(tx, workspace.id, limit=500)[::-1])


async def only(theatre: Theatre) -> Exchange:
    (one,) = await every(theatre)
    return one


async def teach(
    theatre: Theatre, question: str, answer: str, *, place: Place = HERE, audience: str = ""
) -> str:
    """An approved example of the avatar of that place; its id."""
    scene = await theatre.services.scenes.find(place, ADA)
    new = NewExample(
        scene.workspace.id, scene.avatar.id, question, answer, (), audience=audience, status="approved"
    )
    return (await theatre.database.write(lambda tx: examples.put(tx, new))).id


def turns(request: ChatRequest) -> list[str]:
    return [turn.text for turn in request.turns]


async def test_the_message_is_on_disk_before_the_model_is_asked(theatre: Theatre) -> None:
    found: list[Exchange] = []

    async def look(_request: ChatRequest) -> None:
        found.extend(await every(theatre))

    theatre.model.before = look
    await theatre.say("hello", key="m1")
    assert [(each.status, each.user_text, each.message_key) for each in found] == [("pending", "hello", "m1")]
    assert found[0].holder == theatre.recovery.holder.id


async def test_the_reply_is_on_disk_before_it_is_shown_complete(theatre: Theatre) -> None:
    found: list[tuple[str, str]] = []

    async def look(end: End) -> None:
        stored = await theatre.database.read(lambda tx: exchanges.get(tx, end.exchange_id))
        found.append((stored.status, stored.reply_text))

    await theatre.say("hello", seen=Seen(at_finish=look))
    assert found == [("complete", "Hello there")]


async def test_a_reply_grows_and_ends(theatre: Theatre) -> None:
    seen = Seen(key="posted-1")
    spoken = await theatre.say("hello", seen=seen)
    assert seen.grown == ["Hello", "Hello there"]
    assert seen.end == End(spoken.exchange_id, "Hello there")
    assert seen.failed is None
    assert (spoken.status, spoken.text, spoken.avatar) == ("complete", "Hello there", "Guide")
    stored = await only(theatre)
    assert stored.reply_key == "posted-1"
    assert stored.reference == spoken.reference == stored.id[-8:]


async def test_where_a_reply_came_from_is_kept(theatre: Theatre) -> None:
    taught = await teach(theatre, "zebra crossing painted", "with white paint")
    theatre.model.finished = Finished(Usage(11, 7, 0.25), example_ids=(taught,))
    spoken = await theatre.say("who painted the zebra crossing")
    stored = await only(theatre)
    scene = await theatre.services.scenes.find(HERE, ADA)
    assert (stored.vendor, stored.model) == ("scripted", "scripted:one") == ("scripted", spoken.model)
    assert (stored.tokens_in, stored.tokens_out, stored.cost) == (11, 7, 0.25)
    assert (spoken.tokens_in, spoken.tokens_out, spoken.cost) == (11, 7, 0.25)
    assert (stored.prompt_version_id, stored.release_id) == (
        scene.release.prompt_version_id,
        scene.release.id,
    )
    assert spoken.prompt_version == 1
    assert taught in stored.example_ids
    assert stored.scores[taught] > RULES.floor
    assert stored.answered_from == (taught,) == spoken.example_ids
    assert stored.first_token_ms is not None
    assert stored.latency_ms is not None
    assert stored.latency_ms >= stored.first_token_ms >= 0
    assert (stored.error, stored.known) == ("", True)
    assert stored.completed_at is not None
    assert stored.completed_at >= stored.created_at


async def test_a_reply_that_knows_nothing_says_so(theatre: Theatre) -> None:
    theatre.model.finished = Finished(known=False)
    seen = Seen()
    assert not (await theatre.say("hello", seen=seen)).known
    assert not (await only(theatre)).known
    assert seen.end is not None
    assert not seen.end.known


async def test_a_message_is_answered_once_however_often_it_arrives(theatre: Theatre) -> None:
    first = await theatre.say("hello", key="m1")
    seen = Seen()
    again = await theatre.say("hello", key="m1", seen=seen)
    assert again == Spoken("repeated", exchange_id=first.exchange_id, avatar="Guide")
    assert (seen.grown, seen.end, seen.failed) == ([], None, None)
    assert len(theatre.model.asked) == 1


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_message_that_arrives_many_times_at_once_is_answered_once(
    theatre: Theatre, fresh: bool
) -> None:
    if not fresh:
        await theatre.say("before")
    asked = len(theatre.model.asked)
    spoken = await asyncio.gather(*(theatre.say("hello", key="m1") for _ in range(3)))
    assert sorted(each.status for each in spoken) == ["complete", "repeated", "repeated"]
    assert len({each.exchange_id for each in spoken}) == 1
    assert len(theatre.model.asked) == asked + 1


async def test_the_same_key_in_another_workspace_is_another_message(theatre: Theatre) -> None:
    assert (await theatre.say("hello", key="m1")).status == "complete"
    assert (await theatre.say("hello", key="m1", place=ELSEWHERE)).status == "complete"


async def test_what_is_not_for_the_avatar_is_left_alone(theatre: Theatre) -> None:
    assert await theatre.say("hello", addressed=False) == Spoken("ignored")
    assert (await every(theatre), theatre.model.asked) == ([], [])


@pytest.mark.parametrize(("text", "said"), [("  \n ", "nothing"), ("x" * 2001, "2,001 characters")])
async def test_what_cannot_be_answered_is_declined_and_not_kept(
    theatre: Theatre, text: str, said: str
) -> None:
    spoken = await theatre.say(text)
    assert spoken.status == "declined"
    assert said in spoken.text
    assert (await every(theatre), theatre.model.asked) == ([], [])


async def test_one_conversation_is_answered_in_order(theatre: Theatre) -> None:
    theatre.model.gate = gate = asyncio.Event()
    first = asyncio.create_task(theatre.say("first"))
    await theatre.model.begun.wait()
    second = asyncio.create_task(theatre.say("second", who=BOB))
    await _waiting(theatre, 2)
    assert len(theatre.model.asked) == 1
    gate.set()
    await asyncio.gather(first, second)
    assert theatre.model.most == 1
    assert [turns(each) for each in theatre.model.asked] == [["first"], ["first", "Hello there", "second"]]


async def _waiting(theatre: Theatre, number: int, place: Place = HERE) -> None:
    """Until so many messages were accepted."""
    while len(await every(theatre, place)) < number:
        await asyncio.sleep(0)


async def test_different_conversations_are_answered_side_by_side(theatre: Theatre) -> None:
    theatre.model.gate = gate = asyncio.Event()
    places = [replace(HERE, conversation=f"thread {number}") for number in range(5)]
    spoken = [asyncio.create_task(theatre.say("hello", place=place)) for place in places]
    while theatre.model.speaking < 5:
        await asyncio.sleep(0)
    gate.set()
    assert {each.status for each in await asyncio.gather(*spoken)} == {"complete"}
    assert theatre.model.most == 5


async def test_too_many_that_wait_are_asked_to_come_again(theatre: Theatre) -> None:
    theatre.model.gate = gate = asyncio.Event()
    spoken = [asyncio.create_task(theatre.say("0"))]
    await theatre.model.begun.wait()
    for number in range(1, MANNER.waiting_messages + 1):
        spoken.append(asyncio.create_task(theatre.say(str(number))))
        await _waiting(theatre, number + 1)
    refused = await theatre.say("one too many")
    assert refused.status == "declined"
    assert "2 messages wait already" in refused.text
    elsewhere = asyncio.create_task(theatre.say("hello", place=replace(HERE, conversation="thread")))
    gate.set()
    assert {each.status for each in await asyncio.gather(*spoken, elsewhere)} == {"complete"}
    assert "one too many" not in {each.user_text for each in await every(theatre)}
    assert (await theatre.say("one more")).status == "complete"


async def test_stop_keeps_what_was_said(theatre: Theatre) -> None:
    theatre.model.gate = asyncio.Event()
    assert not theatre.app.stop_speaking(HERE)
    seen = Seen()
    speaking = asyncio.create_task(theatre.say("hello", seen=seen))
    await theatre.model.begun.wait()
    assert not theatre.app.stop_speaking(replace(HERE, conversation="thread"))
    assert (await theatre.command("stop", who=BOB)).ok
    assert not theatre.app.stop_speaking(HERE)  # once is enough
    spoken = await speaking
    assert (spoken.status, spoken.text) == ("cancelled", "Hello")
    assert seen.end == End(spoken.exchange_id, "Hello", note="stopped")
    stored = await only(theatre)
    assert (stored.status, stored.reply_text, stored.error) == ("cancelled", "Hello", "")
    assert theatre.model.speaking == 0
    theatre.model.gate = None
    await theatre.say("go on")
    assert turns(theatre.model.asked[-1]) == ["hello", "Hello", "go on"]


ERRORS: list[type[VendorError]] = [
    BadRequest, ModelNotFound, NotConfigured, Denied, QuotaExhausted, RateLimited, Unavailable, Refused, VendorError
]  # fmt: skip


async def test_every_error_of_a_vendor_is_one_sentence(theatre: Theatre) -> None:
    told: set[str] = set()
    theatre.model.pieces = []
    for kind in ERRORS:
        theatre.model.failure = kind(f"the vendor's words for {kind.__name__}", vendor="scripted")
        seen = Seen()
        spoken = await theatre.say(kind.__name__, seen=seen)
        stored = (await every(theatre))[-1]
        assert spoken.status == stored.status == "failed"
        assert stored.error == spoken.error == f"the vendor's words for {kind.__name__}"
        assert seen.failed == (spoken.text, stored.reference)
        assert seen.end is None
        assert spoken.text.endswith(".")
        assert "\n" not in spoken.text
        assert "the vendor's words" not in spoken.text
        told.add(spoken.text)
    assert len(told) == len(ERRORS)
    theatre.model.pieces, theatre.model.failure = ["Hello"], None
    await theatre.say("well?")
    assert turns(theatre.model.asked[-1]) == ["well?"]  # what failed is no history


async def test_our_own_error_is_one_sentence_too(theatre: Theatre) -> None:
    theatre.model.failure = RuntimeError("internal detail")
    seen = Seen()
    spoken = await theatre.say("hello", seen=seen)
    assert spoken.status == "failed"
    assert seen.failed == (spoken.text, (await only(theatre)).reference)
    assert "internal detail" not in spoken.text
    assert (await only(theatre)).error == "RuntimeError: internal detail"


async def test_a_model_that_ends_without_a_word_failed(theatre: Theatre) -> None:
    theatre.model.pieces = [" ", "\n"]
    spoken = await theatre.say("hello")
    assert spoken.status == "failed"
    assert (await only(theatre)).error == "the model ended its reply without a word"


async def test_a_reply_at_the_length_limit_says_so(theatre: Theatre) -> None:
    theatre.model.finished = Finished(reason="length")
    seen = Seen()
    assert (await theatre.say("hello", seen=seen)).status == "complete"
    assert seen.end is not None
    assert seen.end.note == "cut at the length limit"


@pytest.mark.parametrize("pieces", [["Hello", " there"], [""]])
async def test_a_reply_that_takes_too_long_is_cut(
    database: Database, tmp_path: Path, pieces: list[str]
) -> None:
    model = Scripted(pieces=pieces, gate=asyncio.Event())  # never set
    theatre = play(database, tmp_path, model=model, manner=replace(MANNER, reply_seconds=0.02))
    seen = Seen()
    spoken = await theatre.say("hello", seen=seen)
    stored = await only(theatre)
    assert stored.error == "cut off after 0.02 seconds"
    assert model.speaking == 0
    if pieces[0]:
        assert (spoken.status, stored.reply_text) == ("complete", "Hello")
        assert seen.end is not None
        assert seen.end.note == "cut off after 0.02 seconds"
    else:
        assert (spoken.status, stored.status) == ("failed", "failed")
        assert seen.failed is not None
        assert "too long" in seen.failed[0]


async def test_an_unknown_vendor_is_told_before_anybody_is_asked(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path, default="nobody:model")
    spoken = await theatre.say("hello")
    assert spoken.status == "failed"
    assert "nobody:model" in spoken.text
    assert "nobody" in (await only(theatre)).error


async def test_a_reply_given_again_is_a_sibling_and_history_shows_the_newest(theatre: Theatre) -> None:
    await theatre.say("before")
    first = await theatre.say("question")
    theatre.model.pieces = ["Better"]
    seen = Seen()
    assert (await theatre.command("regenerate", seen=seen)).ok
    assert turns(theatre.model.asked[-1]) == ["before", "Hello there", "question"]
    theatre.model.pieces = ["Best"]
    await theatre.command("regenerate", seen=Seen())
    assert turns(theatre.model.asked[-1]) == ["before", "Hello there", "question"]
    _, one, two, three = await every(theatre)
    assert (one.id, two.sibling_of, three.sibling_of) == (first.exchange_id, one.id, one.id)
    assert seen.end == End(two.id, "Better")
    await theatre.say("after")
    assert turns(theatre.model.asked[-1]) == ["before", "Hello there", "question", "Best", "after"]


async def test_a_reply_that_failed_the_second_time_leaves_the_first_in_place(theatre: Theatre) -> None:
    await theatre.say("question")
    theatre.model.pieces, theatre.model.failure = [], Unavailable("gone", vendor="scripted")
    assert not (await theatre.command("regenerate", seen=Seen())).ok
    theatre.model.pieces, theatre.model.failure = ["Hello", " there"], None
    await theatre.say("after")
    assert turns(theatre.model.asked[-1]) == ["question", "Hello there", "after"]


async def test_there_is_nothing_to_give_again_yet(theatre: Theatre) -> None:
    with pytest.raises(UserError, match="no reply here yet"):
        await theatre.services.conversations.regenerate(HERE, ADA, Seen())


async def test_stopping_the_program_lets_replies_finish(theatre: Theatre) -> None:
    theatre.model.gate = gate = asyncio.Event()
    speaking = asyncio.create_task(theatre.say("hello"))
    await theatre.model.begun.wait()
    draining = asyncio.create_task(theatre.services.conversations.drain(30))
    gate.set()
    await draining
    assert speaking.done() or (await speaking)
    assert (await only(theatre)).status == "complete"


async def test_a_reply_that_breaks_off_stays_with_a_mark(theatre: Theatre) -> None:
    theatre.model.failure = Unavailable("the connection broke", vendor="scripted")
    seen = Seen()
    spoken = await theatre.say("hello", seen=seen)
    assert (spoken.status, spoken.text, spoken.error) == ("complete", "Hello there", "the connection broke")
    assert seen.end == End(
        spoken.exchange_id, "Hello there", note="the connection to my model broke off here"
    )
    assert len(theatre.model.asked) == 1  # what somebody read stands: nobody asks again
    stored = await only(theatre)
    assert (stored.tokens_out, stored.cost) == (
        2,
        (stored.tokens_in + 2) / 1000,
    )  # it is paid for all the same
    assert stored.tokens_in > 0


async def test_what_waits_when_the_avatar_is_put_out_is_not_answered(theatre: Theatre) -> None:
    theatre.model.gate = asyncio.Event()  # never set
    first = asyncio.create_task(theatre.say("one"))
    await theatre.model.begun.wait()
    second = asyncio.create_task(theatre.say("two", who=BOB))
    while len(theatre.services.conversations.in_flight) < 2:
        await asyncio.sleep(0)
    await theatre.app.left(HERE.platform, HERE.workspace)
    assert [(await each).status for each in (first, second)] == ["cancelled", "cancelled"]
    assert len(theatre.model.asked) == 1
    assert [each.status for each in await every(theatre)] == ["cancelled", "interrupted"]
    theatre.model.gate = None
    assert (await theatre.say("back again")).status == "complete"


async def test_stopping_the_program_leaves_what_does_not_finish_to_the_next_one(theatre: Theatre) -> None:
    theatre.model.gate = asyncio.Event()  # never set
    speaking = asyncio.create_task(theatre.say("hello"))
    await theatre.model.begun.wait()
    await theatre.services.conversations.drain(0)
    with pytest.raises(asyncio.CancelledError):
        await speaking
    stored = await only(theatre)
    assert (stored.status, stored.holder) == ("pending", theatre.recovery.holder.id)
    assert theatre.model.speaking == 0


async def test_stopping_the_program_marks_what_nobody_waits_for_any_more(theatre: Theatre) -> None:
    theatre.model.gate = asyncio.Event()  # never set
    terminal = theatre.app.terminal_place()
    speaking = asyncio.create_task(theatre.say("hello", place=terminal, key="m1"))
    await theatre.model.begun.wait()
    await theatre.services.conversations.drain(0)
    with pytest.raises(asyncio.CancelledError):
        await speaking
    workspace = (await theatre.database.read(workspaces.listed))[-1]
    stored = await theatre.database.read(lambda tx: exchanges.by_message(tx, workspace.id, "m1"))
    assert stored is not None
    assert (stored.status, stored.error) == ("interrupted", "interrupted: Understudy was stopped")
    assert theatre.model.speaking == 0


async def test_history_goes_back_only_so_far(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path, rules=replace(RULES, history_exchanges=1))
    for text in ("one", "two", "three"):
        await theatre.say(text)
    assert turns(theatre.model.asked[-1]) == ["two", "Hello there", "three"]


async def test_new_starts_afresh(theatre: Theatre) -> None:
    await theatre.say("one")
    assert (await theatre.command("new")).ok
    await theatre.say("two")
    assert turns(theatre.model.asked[-1]) == ["two"]


async def test_a_small_model_is_shown_no_more_than_it_takes(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    await theatre.say("one")
    full = theatre.model.asked[-1]
    assert full.shots  # the guide's pinned examples
    theatre.model.room = MANNER.max_output_tokens + 1
    await theatre.say("two")
    assert (theatre.model.asked[-1].shots, turns(theatre.model.asked[-1])) == ((), ["two"])
    assert (full.temperature, full.max_output_tokens, full.model) == (0.5, 100, "one")


async def test_an_example_is_shown_where_it_came_from_and_nowhere_else(theatre: Theatre) -> None:
    taught = await teach(theatre, "where hides the zebra", "in the closet", audience="closet")
    for place, expected in ((HERE, False), (CLOSET, True), (ELSEWHERE, False)):
        await theatre.say("where hides the zebra", place=place)
        assert (taught in {shot.id for shot in theatre.model.asked[-1].shots}) is expected, place


async def test_a_workspace_sees_nothing_of_another(theatre: Theatre) -> None:
    taught = await teach(theatre, "where hides the zebra", "behind the fence")
    await theatre.say("where hides the zebra")
    assert taught in {shot.id for shot in theatre.model.asked[-1].shots}
    spoken = await theatre.say("where hides the zebra", place=ELSEWHERE)
    asked = theatre.model.asked[-1]
    assert turns(asked) == ["where hides the zebra"]
    assert taught not in {shot.id for shot in asked.shots}
    here, there = await every(theatre), await every(theatre, ELSEWHERE)
    assert ([each.id for each in there], len(here)) == ([spoken.exchange_id], 1)
    assert here[0].person_id != there[0].person_id
    ways: list[tuple[str, dict[str, Any]]] = [
        ("why", {}),
        ("rate", {"stars": "5"}),
        ("regenerate", {"seen": Seen()}),
    ]
    for name, more in ways:
        answer = await theatre.command(name, place=ELSEWHERE, exchange=here[0].id, **more)
        assert not answer.ok
        assert "There is no exchange" in answer.text
    history = (await theatre.command("history", place=ELSEWHERE)).data
    assert isinstance(history, list)
    assert [each["exchange_id"] for each in history] == [spoken.exchange_id]
    await theatre.command("rate", stars="5")
    scene = await theatre.services.scenes.find(ELSEWHERE, ADA)
    stats = await theatre.database.read(lambda tx: statistics.stats(tx, scene.workspace.id))
    assert (stats.exchanges, stats.people, stats.rated) == (1, 1, 0)


async def test_the_release_chooses_the_model_then_its_base_model_then_the_settings(theatre: Theatre) -> None:
    await theatre.say("one")
    scene = await theatre.services.scenes.find(HERE, ADA)
    id_, prompt = scene.avatar.id, scene.release.prompt_version_id
    for model in (None, "scripted:three"):
        await theatre.database.write(
            lambda tx, model=model: releases.add(
                tx, id_, model=model, base_model="scripted:two", prompt_version_id=prompt
            )
        )
        await theatre.say("next")
    assert [each.model for each in theatre.model.asked] == ["one", "two", "three"]
    assert [each.model for each in await every(theatre)] == ["scripted:one", "scripted:two", "scripted:three"]


async def test_a_reaction_to_a_reply_that_still_grows_waits_for_its_end_and_counts(theatre: Theatre) -> None:
    theatre.model.gate = asyncio.Event()
    speaking = asyncio.create_task(theatre.say("hello", seen=Seen(key="posted")))
    await theatre.model.begun.wait()
    thumb = Mark(HERE, BOB, "reaction:👍", clock.now(), 5, reply_key="posted", askable=False)
    reacting = asyncio.create_task(theatre.app.mark(thumb))
    elsewhere = await theatre.app.mark(replace(thumb, place=ELSEWHERE))
    assert not elsewhere.ok
    assert not reacting.done()
    theatre.model.gate.set()
    spoken = await speaking
    assert (await reacting).ok
    rated = await theatre.database.read(lambda tx: exchanges.get(tx, spoken.exchange_id))
    assert rated.ratings == 1
    unknown = await theatre.app.mark(replace(thumb, reply_key="somebody else's"))
    assert not unknown.ok


async def test_a_reaction_counts_whether_the_reply_ends_before_while_or_after_it_is_looked_for(
    theatre: Theatre,
) -> None:
    for turns in range(12):
        theatre.model.gate, theatre.model.begun = asyncio.Event(), asyncio.Event()
        key = f"posted-{turns}"
        speaking = asyncio.create_task(theatre.say("hello", seen=Seen(key=key)))
        await theatre.model.begun.wait()
        thumb = Mark(HERE, BOB, "reaction:👍", clock.now(), 5, reply_key=key, askable=False)
        reacting = asyncio.create_task(theatre.app.mark(thumb))
        for _ in range(turns):
            await asyncio.sleep(0)
        theatre.model.gate.set()
        await speaking
        assert (await reacting).ok, turns
