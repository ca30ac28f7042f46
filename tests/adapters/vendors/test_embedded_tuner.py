"""The embedded tuner: what training brings, that it is the same every time, and what crashes, wishes and bad rows do."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.vendors.base import (
    BadRequest,
    ChatRequest,
    Delta,
    Finished,
    ModelNotFound,
    Shot,
    Turn,
    Unavailable,
)
from adapters.vendors.embedded import chat_model, strangers
from adapters.vendors.embedded.artefact import load
from adapters.vendors.embedded.course import Course, split
from adapters.vendors.embedded.course import Plan as CoursePlan
from adapters.vendors.embedded.exam import exam, measure
from adapters.vendors.embedded.jobs import Folder
from adapters.vendors.embedded.lessons import Lesson, Unfit, check, lesson, read
from adapters.vendors.embedded.model import Loaded
from adapters.vendors.embedded.text import Lexicon
from adapters.vendors.embedded.tuner import EmbeddedTuner, tuner
from adapters.vendors.embedded.vocabulary import STOP_WEIGHT
from adapters.vendors.tuning import Hyperparameters, Job, Plan, TrainingFile
from tests.adapters.vendors.embedded_bench import EmbeddedBench
from tests.adapters.vendors.tuner_contract import training_file

KEY = "0199aa00-0000-7000-8000-000000000007"
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def intents(count: int, each: int, seed: int = 1) -> list[Lesson]:
    """``each`` questions for each of ``count`` replies. What tells intents apart are words that the base model does not
    know to mean the same: each intent has eight of its own, and a question says two of them among common ones.
    """
    chance = random.Random(seed)
    common = "could someone explain which team handles that when things happen around here today".split()
    found: list[Lesson] = []
    for intent in range(count):
        own = [
            "".join(chance.choice("bdfgklmnprtvz") + chance.choice("aeiou") for _ in range(3))
            for _ in range(8)
        ]
        for _ in range(each):
            said = chance.sample(own, 2) + chance.sample(common, 6)
            chance.shuffle(said)
            found.append(Lesson(" ".join(said) + "?", f"Answer number {intent}."))
    chance.shuffle(found)
    return found


def file_of(path: Path, lessons: Sequence[Lesson], split: str = "train") -> TrainingFile:
    rows = [
        {
            "prompt": [{"role": "user", "content": one.question}],
            "completion": [{"role": "assistant", "content": one.reply}],
        }
        for one in lessons
    ]
    return training_file(path, rows, "train" if split == "train" else "validation")


async def plan(
    tuner: EmbeddedTuner, folder: Path, train: Sequence[Lesson], held: Sequence[Lesson] = (), key: str = KEY
) -> Plan:
    uploaded = await tuner.upload(file_of(folder / "train.jsonl", train), key)
    validation = await tuner.upload(file_of(folder / "held.jsonl", held, "validation"), key) if held else None
    return Plan(key, "Counsel 2", "sft", "base", uploaded, validation)


def until_free(folder: Folder) -> None:
    """Wait for the worker's end: it holds the lock until then."""
    with (folder.path / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def folder_of(data: Path, job: Job) -> Folder:
    return Folder(data / "models-jobs" / "jobs" / job.id)


@asynccontextmanager
async def running(data: Path) -> AsyncGenerator[EmbeddedTuner]:
    """The real tuner; its workers are ended afterwards."""
    made = tuner(data)
    try:
        yield made
    finally:
        for path in (data / "models-jobs" / "jobs").glob("job-*"):
            pid = json.loads((path / "worker.json").read_bytes())["pid"]
            try:
                if pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            await asyncio.to_thread(until_free, Folder(path))


# --- what training brings


def test_training_raises_hit_at_1() -> None:
    lessons = intents(30, 12)
    train, held = lessons[:300], lessons[300:]
    course = Course(train, held, CoursePlan(epochs=6))
    assert not course.exam.pools
    losses = [course.epoch(number) for number in range(7)]
    before = measure(Loaded(course.untrained("x", {})), course.exam)
    after = measure(Loaded(course.artefact("x", {})), course.exam)
    assert before.asked >= 50
    assert after.first > before.first
    assert after.first >= 0.85 * after.asked
    assert losses[-1].loss < losses[0].loss * 0.7
    assert losses[-1].hit == pytest.approx(after.hit, abs=0.04)


def test_what_was_never_taught_is_answered_no_more_often() -> None:
    lessons = intents(30, 12)
    strange = [one.question for one in intents(40, 1, seed=9)]
    course = Course(lessons[:300], lessons[300:], CoursePlan())
    for number in range(5):
        course.epoch(number)
    trained = Loaded(course.artefact("x", {}))
    floor = trained.artefact.weights.floor
    assert sum(trained.ranked(one)[0].score >= floor for one in strange) <= 2


# None of these stands in strangers.py, nor do most of their words.
ELSEWHERE = (
    "who won the tennis final", "is it rude to leave a wedding early", "my cousin moved to Norway last spring",
    "which laptop suits a violinist", "how many legs does a lobster have", "do you believe in ghosts",
    "what should I plant under the hedge", "when does the library shut", "hello there", "ok",
    "wie alt wird ein Elefant", "quel film me conseilles-tu", "¿has probado el gazpacho?", "これは何ですか",
)  # fmt: skip


@pytest.mark.parametrize(("topics", "each"), [(2, 30), (3, 12)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_model_of_few_topics_knows_that_other_lines_are_none_of_them(
    topics: int, each: int, seed: int
) -> None:
    lessons = intents(topics, each + 10, seed)
    train, held = lessons[: topics * each], lessons[topics * each :]
    # They are asked in the same words as what is taught, but about something else.
    strange = [*ELSEWHERE, *(one.question for one in intents(40, 1, seed + 50))]
    course = Course(train, held, CoursePlan(epochs=5))
    for number in range(1, 6):
        course.epoch(number)
    base, trained = Loaded(course.untrained("x", {})), Loaded(course.artefact("x", {}))

    def answered(model: Loaded, asked: Sequence[str]) -> int:
        best = [model.best(one, ()) for one in asked]
        return sum(one is not None and one.score >= model.artefact.weights.floor for one in best)

    questions = [one.question for one in held]
    assert answered(trained, strange) <= answered(base, strange) + 2
    assert answered(trained, questions) > answered(base, questions)


def test_an_example_that_came_after_training_is_judged_as_by_the_base_model() -> None:
    lessons = intents(3, 20)
    course = Course(lessons[:50], lessons[50:], CoursePlan(epochs=3))
    for number in range(1, 4):
        course.epoch(number)
    base, trained = Loaded(course.untrained("x", {})), Loaded(course.artefact("x", {}))
    assert trained.artefact.weights.floor == base.artefact.weights.floor
    later = Shot("what is the wifi password", "Ask Mara.", "taught")
    for asked in ("wifi password?", "how long is the lunch break", lessons[0].question):
        assert trained.score(asked, later) == base.score(asked, later)
    best = trained.best("wifi password?", (later,))
    assert best is not None
    assert best.shot == later
    assert best.score >= trained.artefact.weights.floor
    # One that it was trained on is judged by what it learnt, however it is shown.
    taught, asked = course.pairs[0], lessons[50].question
    shown = Shot(taught.user, taught.assistant, "example")
    assert trained.score(asked, shown) == trained.likeness(asked, taught) != base.score(asked, shown)


def test_rewritten_questions_keep_the_way_of_asking_and_nothing_else() -> None:
    lexicon = Lexicon()
    asked = [
        "How do I reset my router?",
        "Which router has an antenna?",
        "what is it",
        "Перезагрузить роутер",
    ]
    made = strangers.rewritten([Lesson(one, "a") for one in asked], lexicon, 7)
    assert made == strangers.rewritten([Lesson(one, "b") for one in reversed(asked)], lexicon, 7)
    assert len(made) == 3, "one of them tells nothing that could be something else"
    assert any(one.startswith("How do I ") and one.endswith("?") for one in made)
    telling = {stem for one in asked for stem in lexicon.stems(one) if lexicon.weight(stem) > STOP_WEIGHT}
    assert all(telling.isdisjoint(lexicon.stems(one)) for one in made)
    assert not set(strangers.everyday()) & set(ELSEWHERE)


def test_the_same_rows_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    async def run(folder: Path, seed: int) -> bytes:
        bench = EmbeddedBench(folder)
        made = bench.tuner()
        wanted = await plan(made, folder, intents(8, 8))
        job = await made.create(replace(wanted, hyperparameters=Hyperparameters(epochs=3, seed=seed)))
        bench.hands.finish(job.id)
        end = await made.poll(job.id)
        assert end.status == "succeeded"
        return (bench.data / "models" / f"{end.model}.json").read_bytes()

    found: list[bytes] = []
    for number, seed in enumerate((42, 42, 43)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(asyncio.run(run(folder, seed)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_held_out_question_is_never_one_that_was_trained_on() -> None:
    lessons = intents(4, 10)
    course = Course(lessons[:30], lessons, CoursePlan())
    assert not set(course.held) & set(course.lessons)
    train, held = split(lessons)
    assert len(held) == 4
    assert sorted([*train, *held], key=lambda one: one.id) == sorted(lessons, key=lambda one: one.id)


def test_where_every_reply_is_of_its_own_each_has_to_be_found() -> None:
    taught = [Lesson(f"what is {n}", f"it is {n}") for n in range(30)]
    held = [Lesson(f"tell me of thing{n}", f"thing{n} is big") for n in range(6)]
    asked = exam(taught, held)
    assert [pool[0] for pool in asked.pools] == [one.reply for one in asked.questions]
    assert all(len(set(pool)) == 20 for pool in asked.pools)
    assert asked == exam(taught, held)


# --- a job from start to end


async def test_a_job_says_what_it_brought_and_its_model_answers(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    lessons = intents(20, 12)
    job = await made.create(await plan(made, tmp_path, lessons[:200], lessons[200:]))
    bench.hands.finish(job.id)
    end = await made.poll(job.id)
    assert (end.status, end.cost, end.done) == ("succeeded", 0.0, 1.0)
    assert end.model.startswith("counsel-2-")
    told = [event.message for event in await made.events(job.id)]
    assert any(message.startswith("Hit@1 on ") and " before (" in message for message in told)
    points = await made.metrics(job.id)
    held = [point for point in points if point.split == "validation"]
    assert held[0].step == 1
    assert held[-1].accuracy is not None
    assert held[0].accuracy is not None
    made_with = load(bench.data / "models" / f"{end.model}.json").made
    assert held[-1].accuracy > held[0].accuracy
    assert held[-1].epoch == made_with["epoch"], "the last point is of the model that is kept"
    assert made_with["hit@1"] == {
        "before": round(held[0].accuracy, 4),
        "after": round(held[-1].accuracy, 4),
    }
    assert end.checkpoints[-1].loss == pytest.approx(held[-1].loss, abs=1e-6)
    assert not (folder_of(bench.data, job).path / "state.npz").exists()

    model = chat_model(bench.data / "models")
    for name in (end.model, end.checkpoints[0].model):
        request = ChatRequest(name, "", (Turn("user", lessons[0].question),))
        events = [event async for event in model.stream(request)]
        assert "".join(event.text for event in events if isinstance(event, Delta)) == lessons[0].reply
        assert isinstance(events[-1], Finished)
        assert events[-1].example_ids[0].startswith("row:")
    assert load(bench.data / "models" / f"{end.model}.json").made["hit@1"]

    await made.delete_model(end.model)
    assert not list((bench.data / "models").iterdir()), "its checkpoints keep the same rows"
    with pytest.raises(ModelNotFound):
        await model.load(end.model)
    with pytest.raises(BadRequest, match="stays"):
        await made.delete_model("base")
    await made.delete_model("../../somewhere")


async def test_no_gain_is_told(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    # The base model finds these already.
    train = [Lesson(f"where is thing{n}", f"In room {n % 30}.") for n in range(60)]
    held = [Lesson(f"where is thing{n} please", f"In room {n % 30}.") for n in range(30)]
    job = await made.create(await plan(made, tmp_path, train, held))
    bench.hands.finish(job.id)
    warnings = [event.message for event in await made.events(job.id) if event.level == "warning"]
    end = await made.poll(job.id)
    assert end.status == "succeeded"
    assert any(message.startswith("Training did not help") and end.model in message for message in warnings)


async def test_more_rows_than_it_takes_are_told_before_a_job_is_created(tmp_path: Path) -> None:
    can = await EmbeddedBench(tmp_path).tuner().capabilities()
    assert can.most_rows is not None
    lessons = [Lesson(f"q{number}", "a") for number in range(can.most_rows)]
    check(lessons)
    with pytest.raises(Unfit, match="are the most"):
        check([*lessons, Lesson("one more", "a")])


async def test_a_job_is_created_once_for_a_key(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    wanted = await plan(bench.tuner(), tmp_path, intents(4, 5))
    first, second = await asyncio.gather(bench.tuner().create(wanted), bench.tuner().create(wanted))
    assert first.id == second.id
    assert (bench.jobs, bench.hands.starts) == ([first.id], [first.id])


# --- what cannot be trained on


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Line 3 is no JSON"),
        ("[]", "Line 3 is no JSON object"),
        ('{"text": "a"}', "Line 3 does not end with a reply"),
        ('{"prompt": [{"role": "user", "content": "a"}], "completion": []}', "does not end with a reply"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "has no question"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]}',
            "empty reply",
        ),
    ],
)
def test_a_line_that_teaches_nothing_is_named(line: str, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        lesson(line, 3)


def test_the_last_question_and_its_reply_are_learnt_once(tmp_path: Path) -> None:
    talk = [("user", "hello"), ("assistant", "hi"), ("user", "open when?"), ("assistant", "At nine.")]
    row = {"messages": [{"role": role, "content": text} for role, text in talk]}
    path = tmp_path / "rows.jsonl"
    training_file(path, [row, row], "train")
    assert read(path) == [Lesson("open when?", "At nine.")]


@pytest.mark.parametrize("change", ["few", "broken", "epochs", "gone"])
async def test_what_cannot_be_trained_is_refused_in_one_sentence(tmp_path: Path, change: str) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    wanted = await plan(made, tmp_path, intents(3 if change == "few" else 8, 3))
    uploaded = bench.data / "models-jobs" / "files" / wanted.train.id
    if change == "broken":
        uploaded.write_text(uploaded.read_text() + "{}\n")
    elif change == "epochs":
        wanted = replace(wanted, hyperparameters=Hyperparameters(epochs=100_000))
    elif change == "gone":
        await made.delete_file(wanted.train.id)
    with pytest.raises(BadRequest) as caught:
        await made.create(wanted)
    words = {
        "few": "9 different rows",
        "broken": "Line 25",
        "epochs": "from 1 to 200",
        "gone": "no uploaded",
    }
    assert words[change] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not bench.jobs
    assert not bench.hands.starts


async def test_a_model_file_that_is_broken_is_told_in_one_sentence(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    bench.hands.finish(job.id)
    name = (await made.poll(job.id)).model
    path = bench.data / "models" / f"{name}.json"
    document = json.loads(path.read_bytes())
    for damaged in (path.read_bytes()[:-400], json.dumps(document | {"pairs": []}).encode()):
        path.write_bytes(damaged)
        with pytest.raises(BadRequest, match=rf"{name}\.json is no model of this vendor: .*\.$"):
            await chat_model(bench.data / "models").load(name)


async def test_files_that_cannot_be_written_are_an_outage(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    bench.data.mkdir()
    (bench.data / "models-jobs").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be used on this machine"):
        await bench.tuner().upload(bench.file("train"), KEY)


async def test_what_people_wrote_is_for_its_owner_alone(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    lessons = intents(8, 10)
    job = await bench.tuner().create(await plan(bench.tuner(), tmp_path, lessons))
    bench.hands.finish(job.id)
    said = lessons[0].reply.encode()
    kept = [path for path in bench.data.rglob("*") if path.is_file() and said in path.read_bytes()]
    assert {path.suffix for path in kept} == {".jsonl", ".json"}  # the rows, and the models
    for path in kept:
        ours = [each for each in (path, *path.parents) if each.is_relative_to(bench.data)]
        assert any(each.stat().st_mode & 0o077 == 0 for each in ours), path


# --- wishes and crashes, in the bench's hands


async def test_a_worker_that_died_is_replaced_and_the_losses_come_once(tmp_path: Path) -> None:
    lessons = intents(8, 10)

    async def whole(folder: Path, *, dies: bool) -> tuple[bytes, list[tuple[int, str]], list[str]]:
        bench = EmbeddedBench(folder)
        made = bench.tuner()
        wanted = await plan(made, folder, lessons[:60], lessons[60:])
        job = await made.create(replace(wanted, hyperparameters=Hyperparameters(epochs=5)))
        if dies:
            bench.hands.step(job.id, 4)
            bench.hands.drop(job.id)
            # What a kill in the middle of a line leaves.
            with (folder_of(bench.data, job).path / "metrics.jsonl").open("ab") as file:
                file.write(b'{"step": 99, "spl')
            assert (await made.poll(job.id)).status == "running"
        bench.hands.finish(job.id)
        end = await made.poll(job.id)
        assert end.status == "succeeded"
        told = [event.message for event in await made.events(job.id)]
        points = [(point.step, point.split) for point in await made.metrics(job.id)]
        return (bench.data / "models" / f"{end.model}.json").read_bytes(), points, told

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    plain, points, _ = await whole(tmp_path / "one", dies=False)
    again, points_again, told = await whole(tmp_path / "two", dies=True)
    assert plain == again
    assert points == points_again
    assert "It goes on from epoch 2." in told
    assert "The worker had ended before it was done; another one goes on." in told


async def test_what_a_crash_left_half_written_is_deleted(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    models, name = bench.data / "models", folder_of(bench.data, job).task().model
    models.mkdir()
    left = [models / f".{name}.a1b2c3d4.tmp", models / f".{name}-epoch-1.a1b2c3d4.tmp"]
    other = models / ".another-model.a1b2c3d4.tmp"
    for path in (*left, other):
        path.write_text("What somebody wrote")
    (folder_of(bench.data, job).path / ".worker.json.a1b2c3d4").write_text("{}")
    bench.hands.finish(job.id)
    assert (await made.poll(job.id)).status == "succeeded"
    assert list(models.glob(".*")) == [other], "whoever writes another one may still be at it"
    assert not list(folder_of(bench.data, job).path.glob(".*"))


async def test_a_state_that_is_not_whole_begins_again(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    bench.hands.step(job.id, 3)
    bench.hands.drop(job.id)
    (folder_of(bench.data, job).path / "state.npz").write_bytes(b"PK\x03\x04 cut")
    await made.poll(job.id)
    bench.hands.finish(job.id)
    assert (await made.poll(job.id)).status == "succeeded"
    assert any("begins again" in event.message for event in await made.events(job.id))


async def test_a_worker_that_dies_every_time_is_given_up(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    for _ in range(3):
        bench.hands.drop(job.id)
        await made.poll(job.id)
    end = await made.poll(job.id)
    assert (end.status, len(bench.hands.starts)) == ("failed", 3)
    assert "ended 3 times" in end.error


async def test_a_paused_job_goes_on_where_it_was(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    bench.hands.step(job.id, 3)
    assert (await made.pause(job.id)).status == "paused"
    bench.hands.drop(job.id).stop("paused")
    assert (await bench.tuner().poll(job.id)).status == "paused"
    assert len(bench.hands.starts) == 1, "a paused job is not taken for one whose worker died"
    assert (await made.resume(job.id)).status in {"queued", "running"}
    bench.hands.finish(job.id)
    assert (await made.poll(job.id)).status == "succeeded"
    assert "It goes on from epoch 1." in [event.message for event in await made.events(job.id)]


async def test_a_cancelled_job_without_a_worker_is_cancelled_at_once(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path)
    made = bench.tuner()
    job = await made.create(await plan(made, tmp_path, intents(4, 5)))
    bench.hands.step(job.id, 3)
    bench.hands.drop(job.id)
    end = await made.cancel(job.id)
    assert (end.status, end.error) == ("cancelled", "")
    assert not (folder_of(bench.data, job).path / "state.npz").exists()
    assert (await made.resume(job.id)).status == "cancelled"


# --- with processes


async def test_a_worker_that_is_killed_is_replaced_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as made:
        wanted = await plan(made, tmp_path, intents(20, 15))
        job = await made.create(replace(wanted, hyperparameters=Hyperparameters(epochs=3)))
        folder = folder_of(data, job)
        pid = json.loads((folder.path / "worker.json").read_bytes())["pid"]
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(until_free, folder)
        # Two replicas find the dead worker at the same time.
        await asyncio.gather(*(tuner(data).poll(job.id) for _ in range(4)))
        assert (await made.poll(job.id)).status not in {"failed", "cancelled"}
        assert json.loads((folder.path / "worker.json").read_bytes())["starts"] == 2
        await asyncio.to_thread(until_free, folder)
        end = await made.poll(job.id)
        assert (end.status, folder.started()) == ("succeeded", 2), (folder.path / "log.txt").read_text()


async def test_a_worker_goes_on_without_its_program_and_heeds_a_cancel(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as made:
        wanted = await plan(made, tmp_path, intents(60, 20))
        job = await made.create(replace(wanted, hyperparameters=Hyperparameters(epochs=200)))
        await made.close()
        pid = json.loads((folder_of(data, job).path / "worker.json").read_bytes())["pid"]
        assert os.getsid(pid) == pid, "a session of its own: what ends the bot's does not end it"
        assert (await tuner(data).cancel(job.id)).status in {"cancelling", "cancelled"}
        await asyncio.to_thread(until_free, folder_of(data, job))
        assert (await tuner(data).poll(job.id)).status == "cancelled"


async def test_a_project_that_has_modules_of_our_names_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").write_text("raise RuntimeError('this is not ours')\n")
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path / "data") as made:
        wanted = await plan(made, tmp_path, intents(20, 15))
        job = await made.create(replace(wanted, hyperparameters=Hyperparameters(epochs=1)))
        folder = folder_of(tmp_path / "data", job)
        await asyncio.to_thread(until_free, folder)
        assert (await made.poll(job.id)).status == "succeeded", (folder.path / "log.txt").read_text()


# --- real data


@pytest.mark.skipif(not (DATA / "retrieval_dev.jsonl").exists(), reason="the sample data is absent")
@pytest.mark.timeout(180)
def test_hit_at_1_rises_on_real_questions() -> None:
    found = [json.loads(line) for line in (DATA / "retrieval_dev.jsonl").read_text("utf-8").splitlines()]
    examples = [Lesson(row["text"], row["label"]) for row in found if row["kind"] == "example"]
    chosen = sorted(np.random.default_rng(1).choice(len(examples), 500, replace=False).tolist())
    held = [Lesson(row["text"], row["label"]) for row in found if row["kind"] == "query" and row["gold"]]
    course = Course([examples[at] for at in chosen], held, CoursePlan())
    for number in range(5):
        course.epoch(number)
    before = measure(Loaded(course.untrained("x", {})), course.exam)
    after = measure(Loaded(course.artefact("x", {})), course.exam)
    assert before.asked == len(held)
    assert after.hit >= before.hit + 0.05
    assert after.right >= before.right
