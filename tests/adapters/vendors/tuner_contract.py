"""What every ``Tuner`` does: a vendor brings a *bench*, and each function of ``CHECKS`` is run over it.

A bench is the far side of one tuner in a test's hands: a local server, or the worker process that trains. To join:

1. write ``tests/adapters/vendors/<vendor>_bench.py`` with an async context manager ``bench(folder: Path)`` that gives a
   ``Bench`` with a far side of its own in the empty ``folder``, and ends all of it afterwards;
2. add it to ``BENCHES`` in ``test_tuners.py``.

Checks never wait and never poll in a loop: what a bench brings about is so, for ``poll`` too, when its method returns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, Protocol

import orjson
import pytest

from adapters.vendors.base import BadRequest, VendorError
from adapters.vendors.tuning import Job, JobGone, Method, Plan, Split, TrainingFile, Tuner

Lack = Literal[
    "queue",  # a job runs as soon as it is created, or cannot be held before it does
    "running",  # a running job cannot be held: it may have ended when ``run`` returns
    "strange words",  # all its states are our own
    "failing",  # a job cannot be made to fail
    "outage",  # there is nothing in between that could break
    "deleting models",  # tuned models stay until the vendor removes them
]
Trouble = Literal["429", "500", "hang"]  # of a vendor that is reached over a wire
KEY: Final = "0199aa00-0000-7000-8000-000000000001"
OTHER_KEY: Final = "0199aa00-0000-7000-8000-000000000002"
WHY: Final = "The rows are not what was promised."


class Bench(Protocol):
    """The far side of one tuner.

    ``base_model`` is one of the tuner's own, which takes ``method``. ``lacks`` says what it cannot bring about: the checks
    that need it are skipped. ``files`` and ``jobs`` hold the ids of what the far side has.
    """

    @property
    def base_model(self) -> str: ...
    @property
    def method(self) -> Method: ...
    @property
    def lacks(self) -> frozenset[Lack]: ...
    @property
    def files(self) -> Sequence[str]: ...
    @property
    def jobs(self) -> Sequence[str]: ...

    def tuner(self) -> Tuner:
        """Another tuner on the same far side, as after a restart of the program. The bench closes it."""
        ...

    def file(self, split: Split) -> TrainingFile:
        """A file that can be trained on, in the vendor's format; the same one each time."""
        ...

    async def run(self, job_id: str) -> None:
        """The job is running, has told two things or more, and knows the loss of its first steps."""
        ...

    async def succeed(self, job_id: str) -> None:
        """The job has ended well, with a model."""
        ...

    async def fail(self, job_id: str, why: str) -> None:
        """The job has failed and says ``why``."""
        ...

    async def say(self, job_id: str, word: str) -> None:
        """The vendor's own word for the job's state is ``word``, one that nobody knows."""
        ...

    async def vanish(self, job_id: str) -> None:
        """The far side knows nothing of the job any more."""
        ...

    def outage(self) -> AbstractContextManager[object]:
        """Within it whatever is asked is answered with an error of the vendor's."""
        ...


def training_file(path: Path, rows: Sequence[Mapping[str, object]], split: Split) -> TrainingFile:
    """``rows`` as JSON Lines at ``path``; for benches."""
    data = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    path.write_bytes(data)
    return TrainingFile(path, split, rows=len(rows), tokens=len(data) // 4, bytes=len(data))


def questions(count: int, first: int = 0) -> list[tuple[str, str]]:
    """``count`` different questions with their replies; ``first`` apart, so that splits share none."""
    return [(f"What is {n} plus {n}?", f"{n} plus {n} is {n + n}.") for n in range(first, first + count)]


async def plan(bench: Bench, tuner: Tuner, key: str = KEY) -> Plan:
    """What a run does before it creates its job."""
    train = await tuner.upload(bench.file("train"), key)
    validation = await tuner.upload(bench.file("validation"), key)
    return Plan(key, "counsel-2", bench.method, bench.base_model, train, validation)


async def created(bench: Bench, tuner: Tuner, key: str = KEY) -> Job:
    """A job that has just been created."""
    return await tuner.create(await plan(bench, tuner, key))


def needs(bench: Bench, lack: Lack) -> None:
    """Skip where the bench cannot bring it about."""
    if lack in bench.lacks:
        pytest.skip(f"this vendor lacks: {lack}")


async def capabilities_are_sane(bench: Bench) -> None:
    """Methods have formats, base models have methods, and the bench's own model is among them."""
    can = await bench.tuner().capabilities()
    assert can.methods
    assert set(can.formats) == set(can.methods)
    assert can.least_rows >= 1
    known = {model.name: model for model in can.base_models}
    assert len(known) == len(can.base_models)
    assert all(set(model.methods) <= set(can.methods) for model in can.base_models)
    assert bench.method in known[bench.base_model].methods
    assert all(model.tokens is None or model.tokens > 0 for model in can.base_models)


async def seconds_are_positive_or_unknown(bench: Bench) -> None:
    """Nobody is told that a job takes no time."""
    tuner = bench.tuner()
    needed = await tuner.seconds(
        bench.file("train"), (await plan(bench, tuner)).hyperparameters, bench.base_model
    )
    assert needed is None or needed > 0


async def a_file_is_brought_once(bench: Bench) -> None:
    """The same key brings the same file, after a restart too; splits and keys are told apart."""
    first = await bench.tuner().upload(bench.file("train"), KEY)
    assert first.split == "train"
    assert await bench.tuner().upload(bench.file("train"), KEY) == first
    assert len(bench.files) == 1
    validation = await bench.tuner().upload(bench.file("validation"), KEY)
    assert (validation.split, validation.id != first.id) == ("validation", True)
    other = await bench.tuner().upload(bench.file("train"), OTHER_KEY)
    assert other.id not in {first.id, validation.id}


async def a_deleted_file_is_gone_and_may_be_deleted_again(bench: Bench) -> None:
    """Cleaning up can be repeated."""
    tuner = bench.tuner()
    file = await tuner.upload(bench.file("train"), KEY)
    await tuner.delete_file(file.id)
    assert not bench.files
    await tuner.delete_file(file.id)


async def a_file_that_nobody_recorded_is_deleted(bench: Bench) -> None:
    """By its key and split, after a restart; that there is none is no error."""
    await bench.tuner().upload(bench.file("train"), KEY)
    other = await bench.tuner().upload(bench.file("validation"), KEY)
    tuner = bench.tuner()
    for key in (KEY, OTHER_KEY):
        for id in await tuner.brought(key, "train"):
            await tuner.delete_file(id)
    assert list(bench.files) == [other.id]
    assert other.id in await tuner.brought(KEY, "validation")


async def a_created_job_is_found_by_its_key(bench: Bench) -> None:
    """By a program that lived to record nothing but the key; other keys find nothing."""
    tuner = bench.tuner()
    assert await tuner.find(KEY) is None
    job = await created(bench, tuner)
    assert not job.ended
    assert (await created(bench, tuner, OTHER_KEY)).id != job.id
    found = await bench.tuner().find(KEY)
    assert found is not None
    assert found.id == job.id
    assert len(bench.jobs) == 2
    assert await tuner.find("0199aa00-0000-7000-8000-00000000ffff") is None


async def a_job_goes_its_way(bench: Bench) -> None:
    """Created, running, succeeded with a model that has a name."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    if "queue" not in bench.lacks:
        assert (await tuner.poll(job.id)).status in {"preparing", "queued"}
    await bench.run(job.id)
    now = await tuner.poll(job.id)
    if "running" not in bench.lacks:
        assert (now.status, now.model, now.ended) == ("running", "", False)
    assert now.done is None or 0 <= now.done <= 1
    await bench.succeed(job.id)
    end = await bench.tuner().poll(job.id)
    assert (end.id, end.status, end.error) == (job.id, "succeeded", "")
    assert end.model
    assert end.model != bench.base_model
    assert end.trained_tokens is None or end.trained_tokens > 0
    found = await tuner.find(KEY)
    assert found is not None
    assert (found.id, found.status) == (job.id, "succeeded")


async def checkpoints_are_models(bench: Bench) -> None:
    """Where there are checkpoints each has a model of its own and a step, in order."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.succeed(job.id)
    can, end = await tuner.capabilities(), await tuner.poll(job.id)
    assert bool(end.checkpoints) == can.checkpoints
    steps = [checkpoint.step for checkpoint in end.checkpoints]
    assert steps == sorted(set(steps))
    assert all(checkpoint.model for checkpoint in end.checkpoints)
    assert len({checkpoint.model for checkpoint in end.checkpoints}) == len(steps)


async def a_failed_job_says_why(bench: Bench) -> None:
    """In one line that holds the vendor's reason; a failure is an answer of ``poll`` and no error."""
    needs(bench, "failing")
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.fail(job.id, WHY)
    end = await tuner.poll(job.id)
    assert (end.status, end.ended, end.model) == ("failed", True, "")
    assert WHY.rstrip(".") in end.error
    assert "\n" not in end.error


async def events_are_told_once_and_in_order(bench: Bench) -> None:
    """Oldest first; after one of them, those that followed, and nothing is told twice."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    events = list(await tuner.events(job.id))
    assert len(events) > 1
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len({event.id for event in events}) == len(events)
    assert all(event.message and event.at > 10**12 for event in events)
    later = await bench.tuner().events(job.id, after=events[0].id)
    assert [event.id for event in later][: len(events) - 1] == [event.id for event in events[1:]]
    await bench.succeed(job.id)
    more = await tuner.events(job.id, after=events[-1].id)
    assert not {event.id for event in more} & {event.id for event in events}
    told = await tuner.events(job.id)
    assert [event.id for event in told] == [event.id for event in (*events, *more)]
    assert not await tuner.events(job.id, after=told[-1].id)


async def losses_are_told_by_step(bench: Bench) -> None:
    """While it runs those so far, at the end all of them."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    early = await tuner.metrics(job.id)
    await bench.succeed(job.id)
    points = await tuner.metrics(job.id)
    assert len(points) >= len(early)
    for split in ("train", "validation"):
        steps = [point.step for point in points if point.split == split]
        assert steps
        assert steps == sorted(set(steps))
        assert steps[0] >= 1
    assert all(point.loss == point.loss for point in points), "a loss is a number"
    assert all(point.accuracy is None or 0 <= point.accuracy <= 1 for point in points)


async def cancelling_ends_a_job(bench: Bench) -> None:
    """And a second time changes nothing."""
    tuner = bench.tuner()
    if not (await tuner.capabilities()).cancels:
        pytest.skip("this vendor cannot cancel")
    job = await created(bench, tuner)
    assert (await tuner.cancel(job.id)).status in {"cancelling", "cancelled"}
    end = await bench.tuner().poll(job.id)
    assert end.status in {"cancelling", "cancelled"}
    assert (await tuner.cancel(job.id)).status in {"cancelling", "cancelled"}


async def an_ended_job_stays_as_it_ended(bench: Bench) -> None:
    """Whoever cancels too late is told how it ended."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.succeed(job.id)
    end = await tuner.cancel(job.id)
    assert (end.status, end.model) == ("succeeded", (await tuner.poll(job.id)).model)


async def pausing_is_possible_or_refused(bench: Bench) -> None:
    """``capabilities`` says which."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    if not (await tuner.capabilities()).pauses:
        with pytest.raises(BadRequest):
            await tuner.pause(job.id)
        return
    needs(bench, "running")
    assert (await tuner.pause(job.id)).status == "paused"
    held = await bench.tuner().poll(job.id)
    assert (held.status, held.ended) == ("paused", False)
    assert (await tuner.resume(job.id)).status in {"queued", "running"}


async def a_vanished_job_is_told(bench: Bench) -> None:
    """By every method that is about a job; whoever looks for its key finds nothing."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.vanish(job.id)
    for ask in (tuner.poll, tuner.events, tuner.metrics, tuner.cancel):
        with pytest.raises(JobGone) as caught:
            await ask(job.id)
        assert caught.value.vendor == tuner.vendor
    assert await tuner.find(KEY) is None


async def a_job_that_never_was_is_told_too(bench: Bench) -> None:
    """An id from elsewhere is no reason for a traceback."""
    with pytest.raises(JobGone):
        await bench.tuner().poll("there-is-no-such-job")


async def a_strange_word_is_no_end(bench: Bench) -> None:
    """A state that nobody knows is kept as said, and the job goes on."""
    needs(bench, "strange words")
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.say(job.id, "defragmenting")
    now = await tuner.poll(job.id)
    assert not now.ended
    assert now.said.lower().endswith("defragmenting")
    await bench.succeed(job.id)
    assert (await tuner.poll(job.id)).status == "succeeded"


async def a_wrong_plan_is_a_vendor_error(bench: Bench) -> None:
    """A model or a file that there is not, and a method that it does not know; no job comes of it."""
    tuner = bench.tuner()
    right = await plan(bench, tuner)
    wrong = [
        replace(right, base_model="there-is-no-such-model"),
        replace(right, train=replace(right.train, id="there-is-no-such-file")),
    ]
    missing = {"sft", "dpo", "kto"} - set((await tuner.capabilities()).methods)
    wrong += [replace(right, method=method) for method in ("sft", "dpo", "kto") if method in missing]
    for each in wrong:
        with pytest.raises(VendorError) as caught:
            await tuner.create(each)
        assert caught.value.vendor == tuner.vendor
        assert not caught.value.retryable
        assert str(caught.value)
    assert not bench.jobs


async def an_outage_is_a_vendor_error(bench: Bench) -> None:
    """From every method, one that says that it may succeed later."""
    needs(bench, "outage")
    tuner = bench.tuner()
    right = await plan(bench, tuner)
    job = await tuner.create(right)
    asks: list[Callable[[], Awaitable[object]]] = [
        lambda: tuner.upload(bench.file("train"), OTHER_KEY),
        lambda: tuner.create(replace(right, key=OTHER_KEY)),
        lambda: tuner.find(KEY),
        lambda: tuner.poll(job.id),
        lambda: tuner.events(job.id),
        lambda: tuner.metrics(job.id),
        lambda: tuner.cancel(job.id),
        lambda: tuner.delete_file(right.train.id),
    ]
    with bench.outage():
        for ask in asks:
            with pytest.raises(VendorError) as caught:
                await ask()
            assert caught.value.vendor == tuner.vendor
            assert caught.value.retryable
    assert len(bench.jobs) == 1
    assert not (await tuner.poll(job.id)).ended


async def a_deleted_model_may_be_deleted_again(bench: Bench) -> None:
    """Cleaning up can be repeated."""
    needs(bench, "deleting models")
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.succeed(job.id)
    model = (await tuner.poll(job.id)).model
    await tuner.delete_model(model)
    await tuner.delete_model(model)


async def closing_leaves_jobs_going(bench: Bench) -> None:
    """A program that stops leaves its jobs to whoever starts next."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await tuner.close()
    await tuner.close()
    now = await bench.tuner().poll(job.id)
    assert now.status == "running" or ("running" in bench.lacks and now.status == "succeeded")
    await bench.succeed(job.id)
    assert (await bench.tuner().poll(job.id)).status == "succeeded"


CHECKS: tuple[Callable[[Bench], Awaitable[None]], ...] = (
    capabilities_are_sane,
    seconds_are_positive_or_unknown,
    a_file_is_brought_once,
    a_deleted_file_is_gone_and_may_be_deleted_again,
    a_file_that_nobody_recorded_is_deleted,
    a_created_job_is_found_by_its_key,
    a_job_goes_its_way,
    checkpoints_are_models,
    a_failed_job_says_why,
    events_are_told_once_and_in_order,
    losses_are_told_by_step,
    cancelling_ends_a_job,
    an_ended_job_stays_as_it_ended,
    pausing_is_possible_or_refused,
    a_vanished_job_is_told,
    a_job_that_never_was_is_told_too,
    a_strange_word_is_no_end,
    a_wrong_plan_is_a_vendor_error,
    an_outage_is_a_vendor_error,
    a_deleted_model_may_be_deleted_again,
    closing_leaves_jobs_going,
)
