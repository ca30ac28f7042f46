"""A tuned model that an avatar takes by itself: only where it is set so, only if it passes, once, and told either way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.base import Access, Answer
from adapters.vendors.base import ChatRequest, Delta, Event, ModelNotFound, VendorError
from bot.finetuning.automatic import Automatic, outcome
from bot.schedule import watch_runs
from bot.statuses import Statuses
from storage import avatars, clock, people, releases
from storage.database import Database, Tx
from storage.people import Author
from storage.releases import Release
from storage.runs import Run
from tests.bot.test_notices import Stage as Watched
from tests.bot.theatre import BOB, FINISHED, HERE, Scripted, Theatre, as_member, play
from tests.training.runs_stage import BASE, MINUTE, Hands, ScriptedTuner, Vendor, dataset_of, lines

TRAINER = as_member(BOB, Access.TRAINER)
MODEL = "vendor:tuned-job-0"


@dataclass
class Chat(Scripted):
    """The vendor's models as one talks to them: each says its own words, or fails."""

    name: str = "vendor"
    says: dict[str, str | VendorError] = field(default_factory=dict[str, "str | VendorError"])

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        self.asked.append(request)
        if self.before is not None:
            await self.before(request)
        said = self.says.get(request.model, f"I am {request.model}.")
        if isinstance(said, VendorError):
            raise said
        yield Delta(said)
        yield FINISHED


@dataclass
class House:
    """Processes that share a database, a vendor and a channel in which people read."""

    database: Database
    folder: Path
    hands: Hands
    far: Vendor
    chat: Chat
    watched: Watched
    open: list[Theatre] = field(default_factory=list[Theatre])

    async def process(self) -> Theatre:
        """One more, which tells of its runs."""
        made = play(
            self.database,
            self.folder,
            tuners={"vendor": lambda: ScriptedTuner(self.far)},
            others={"vendor": self.chat},
        )
        statuses = Statuses(self.database, {"discord": self.watched}.get, every=0)
        made.services.runs.on_change(statuses)
        self.open.append(made)
        return made

    async def avatar(self, theatre: Theatre) -> str:
        return (await theatre.services.scenes.find(HERE, TRAINER)).avatar.id

    async def history(self, theatre: Theatre) -> list[Release]:
        """The avatar's releases, oldest first."""
        id_ = await self.avatar(theatre)
        return (await self.database.read(lambda tx: releases.listed(tx, id_)))[::-1]

    async def stocked(self, theatre: Theatre, authors: tuple[Author, ...] = ()) -> None:
        """A dataset of the avatar."""
        scene = await theatre.services.scenes.find(HERE, TRAINER)
        made = lines(20, 6, authors=authors)
        await dataset_of(self.database, scene.workspace.id, made, avatar_id=scene.avatar.id)

    async def launched(self, theatre: Theatre) -> int:
        answer = await command(theatre, "launch", dataset="Counsel", vendor="vendor", confirmed=True)
        found: Any = answer.data
        return found["run"]

    async def later(self, *theatres: Theatre) -> None:
        """After some minutes each process looks after the runs."""
        self.hands.now += 5 * MINUTE
        await asyncio.gather(*(watch_runs(each.services) for each in theatres))

    def read(self) -> list[str]:
        """What is read in the channel, the last state of each message last."""
        return [answer.text for _, answer in self.watched.told]

    async def run(self, theatre: Theatre, number: int) -> Run:
        scene = await theatre.services.scenes.find(HERE, TRAINER)
        return await theatre.services.runs.numbered(scene.workspace.id, number)


async def command(theatre: Theatre, name: str, /, **values: Any) -> Answer:
    answer = await theatre.command(f"finetune {name}", who=TRAINER, **values)
    assert answer.ok, answer.text
    return answer


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
async def house(database: Database, tmp_path: Path, hands: Hands) -> AsyncIterator[House]:
    made = House(database, tmp_path, hands, Vendor(), Chat(), Watched())
    yield made
    for each in made.open:
        await each.services.training.close()


@pytest.fixture
async def theatre(house: House) -> Theatre:
    """A process with an avatar that takes what is tuned for it by itself, and a dataset."""
    made = await house.process()
    assert (await made.say("hello", who=TRAINER)).status == "complete"
    answer = await made.command("avatar edit", who=TRAINER, name="Guide", auto_activate="yes")
    assert answer.ok
    assert "`/finetune rollback` takes it back" in answer.text
    await house.stocked(made)
    return made


async def test_nothing_is_activated_unless_the_avatar_is_set_so(house: House) -> None:
    theatre = await house.process()
    await theatre.say("hello", who=TRAINER)
    await house.stocked(theatre)
    number = await house.launched(theatre)
    house.far.move("succeeded")
    await house.later(theatre)
    assert (await house.run(theatre, number)).state == "succeeded"
    assert len(await house.history(theatre)) == 1
    assert house.chat.asked == []
    assert "before you activate it" in house.read()[-1]


async def test_one_that_passes_answers_and_that_is_told_where_it_was_launched(
    house: House, theatre: Theatre
) -> None:
    question = await command(theatre, "launch", dataset="Counsel", vendor="vendor")
    assert (
        "Guide answers with the model by itself if it passes its smoke test, as it is set." in question.text
    )
    number = await house.launched(theatre)
    house.far.move("succeeded")
    await house.later(theatre)
    first, second = await house.history(theatre)
    scene = await theatre.services.scenes.find(HERE, TRAINER)
    assert (second.model, second.person_id) == (MODEL, scene.person.id)
    assert second.why == f"automatic: training run {number} has succeeded"
    assert second.prompt_version_id == first.prompt_version_id
    asked = [request for request in house.chat.asked if request.model == "tuned-job-0"]
    assert [request.turns[-1].text for request in asked] == [
        f"What is {at} plus {at}?" for at in range(20, 24)
    ]  # rows that were held out
    assert {request.model for request in house.chat.asked} == {"tuned-job-0", BASE}
    words = (
        f"Guide answers with {MODEL} by itself from now on, as it is set: release 2. It answered 4 of 4 questions; 4 of 4 "
        f"answers differ from those of vendor:{BASE} (held-out rows). `/finetune rollback` goes back to release 1."
    )
    status, end = house.watched.told[-2:]
    for _, answer in (status, end):
        assert words in answer.text
        assert [button.label for button in answer.buttons] == ["Try it", "Roll back …"]
    assert (await theatre.say("hello again")).model == MODEL
    shown = await command(theatre, "status", run=number)
    assert words in shown.text
    assert (await command(theatre, "rollback", confirmed=True)).ok
    await house.later(theatre)
    assert [each.model for each in await house.history(theatre)] == [None, MODEL, None]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"tuned-job-0": "Just so.", BASE: "Just  so."}, "0 of 4 answers differ from those of"),
        (
            {"tuned-job-0": ModelNotFound("no such model", vendor="vendor")},
            "it does not answer: no such model.",
        ),
        ({BASE: ModelNotFound("it was shut down", vendor="vendor")}, "It could not be compared with"),
    ],
)
async def test_one_that_does_not_pass_waits_for_a_person_and_that_is_told(
    house: House, theatre: Theatre, says: dict[str, Any], why: str
) -> None:
    house.chat.says = says
    await house.launched(theatre)
    house.far.move("succeeded")
    await house.later(theatre)
    assert len(await house.history(theatre)) == 1
    status, end = house.watched.told[-2:]
    for _, answer in (status, end):
        assert f"Guide was not given {MODEL} by itself:" in answer.text
        assert why in answer.text
        assert "`/finetune activate` tries it again and asks you." in answer.text
        assert [button.label for button in answer.buttons] == ["Try it", "Activate …"]
    asked = len(house.chat.asked)
    await house.later(theatre)
    assert len(house.chat.asked) == asked  # it is decided


async def test_of_several_processes_and_tellings_one_decides(house: House, theatre: Theatre) -> None:
    other = await house.process()
    number = await house.launched(theatre)
    house.far.move("succeeded")
    await house.later(theatre, other)
    assert len(await house.history(theatre)) == 2
    run = await house.run(theatre, number)
    untold = replace(run, told="running")  # as whoever died before it was noted left it
    both = [
        Automatic(each.database, each.services.models, each.services.configuration.settings)
        for each in (theatre, other)
    ]
    await asyncio.gather(*(each(untold, None) for each in both for _ in range(2)))
    assert len(await house.history(theatre)) == 2
    told = await house.database.read(lambda tx: outcome(tx, run))
    assert told is not None
    assert sum("by itself from now on" in text for text in house.read()) == 2  # the status and its end
    events, _ = await theatre.services.runs.history(run)
    assert events.count(told) == 1


async def test_two_that_try_it_at_once_release_it_once(house: House, theatre: Theatre) -> None:
    other = await house.process()
    together, begun = asyncio.Barrier(2), asyncio.Event()

    async def before(request: ChatRequest) -> None:
        begun.set()
        if request.model == "tuned-job-0" and request.turns[-1].text == "What is 23 plus 23?":
            await together.wait()

    number = await house.launched(theatre)
    house.far.move("succeeded")
    house.chat.before = before
    first = asyncio.create_task(house.later(theatre))
    await begun.wait()
    run = await house.run(theatre, number)
    second = Automatic(other.database, other.services.models, other.services.configuration.settings)
    await asyncio.gather(first, second(run, None))
    assert [each.model for each in await house.history(theatre)] == [None, MODEL]


async def test_a_process_that_ends_while_it_tries_the_model_out_leaves_it_to_the_next(
    house: House, theatre: Theatre
) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def before(request: ChatRequest) -> None:
        begun.set()
        await never.wait()

    number = await house.launched(theatre)
    house.far.move("succeeded")
    house.chat.before = before
    watching = asyncio.create_task(house.later(theatre))
    await begun.wait()
    await theatre.services.training.close()
    await watching
    run = await house.run(theatre, number)
    assert (run.state, run.told) == ("succeeded", "queued")
    assert len(await house.history(theatre)) == 1
    assert not any("has succeeded" in text for text in house.read())
    house.chat.before = None
    other = await house.process()
    await house.later(other)
    assert [each.model for each in await house.history(other)] == [None, MODEL]
    assert "by itself from now on" in house.read()[-1]


async def test_what_somebody_decides_meanwhile_stands(house: House, theatre: Theatre) -> None:
    id_ = await house.avatar(theatre)

    def by_hand(tx: Tx) -> None:
        prompt = releases.current(tx, id_).prompt_version_id
        releases.add(tx, id_, model="scripted:two", prompt_version_id=prompt)

    def turned_off(tx: Tx) -> None:
        avatars.update(tx, id_, auto_activate=False)

    for job, why in ((by_hand, "release 2 was made while it was tried out"), (turned_off, "was turned off")):

        async def before(request: ChatRequest, job: Any = job) -> None:
            house.chat.before = None
            await house.database.write(job)

        house.chat.before = before
        answer = await command(
            theatre, "launch", dataset="Counsel", vendor="vendor", epochs=len(why) % 7 + 1, confirmed=True
        )
        assert answer.ok
        house.far.move("succeeded")
        await house.later(theatre)
        assert why in house.read()[-1]
        assert [each.model for each in await house.history(theatre)] == [None, "scripted:two"]


async def test_one_made_with_words_that_were_taken_back_is_not_taken_unasked(house: House) -> None:
    theatre = await house.process()
    await theatre.say("hello", who=TRAINER)
    scene = await theatre.services.scenes.find(HERE, TRAINER)

    def ann(tx: Tx) -> str:
        person = people.ensure(tx, scene.workspace.id, "ann", "Ann")
        people.give_consent(tx, person.id, at=0, covers_from=0)
        avatars.update(tx, scene.avatar.id, auto_activate=True)
        return person.id

    person_id = await house.database.write(ann)
    await house.stocked(theatre, (Author(person_id, clock.now()),))
    await house.launched(theatre)
    await house.database.write(lambda tx: people.forget(tx, person_id))
    house.far.move("succeeded")
    await house.later(theatre)
    assert len(await house.history(theatre)) == 1
    assert "It was made with 26 rows of people who have since asked to be forgotten." in house.read()[-1]
