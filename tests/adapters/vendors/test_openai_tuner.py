"""Fine-tuning at OpenAI and its likes, on a local one: what is asked, what comes of each answer and of each trouble."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.vendors.base import (
    BadRequest,
    Denied,
    ModelNotFound,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    VendorError,
)
from adapters.vendors.openai import Endpoint, jobs, make_tuner
from adapters.vendors.openai.tuner import OpenAITuner
from adapters.vendors.tuning import Hyperparameters, Job, JobGone, Method, Plan, Point, TrainingFile
from tests.adapters.vendors.openai_bench import KEY, OpenAIBench, at_once
from tests.conftest import ROOT
from tests.servers.openai import OUT_OF_QUOTA, Failure
from tests.servers.openai_tuning import MISSING_SCOPE, TOO_FAST, Fault, TuningServer

MODEL = "gpt-4.1-mini-2025-04-14"
OURS = "0199aa00-0000-7000-8000-00000000abcd"
WEB_PAGE = Failure(200, body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})


class Stage(OpenAIBench):
    """The bench, with tuners of any endpoint; ``pauses`` are the waits between attempts, in seconds, nobody waits for."""

    def __init__(self, server: TuningServer, folder: Path) -> None:
        super().__init__(server, folder)
        self.pauses: list[float] = []

    def at(
        self, *, methods: tuple[Method, ...] = ("sft", "dpo"), path: str = "/v1", **more: Any
    ) -> OpenAITuner:
        """A tuner of this endpoint."""
        endpoint = replace(Endpoint(api_key=KEY, base_url=self.server.url + path, dialect="openai"), **more)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        self._made.append(OpenAITuner(endpoint, methods=methods, pause=pause, chance=lambda: 0.5))
        return self._made[-1]

    async def plan(self, tuner: OpenAITuner, **more: Any) -> Plan:
        """A plan whose files are at the vendor."""
        train = await tuner.upload(self.file("train"), OURS)
        return replace(Plan(OURS, "counsel-2", "sft", MODEL, train), **more)

    async def job(self, tuner: OpenAITuner, **more: Any) -> Job:
        """A job that has just been created."""
        return await tuner.create(await self.plan(tuner, **more))

    def hits(self, method: str, path: str) -> int:
        """How often it was asked for."""
        return self.server.hits.count((method, path))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A local OpenAI that trains."""
    async with TuningServer() as server:
        made = Stage(server, tmp_path)
        yield made
        await made.close()


async def failure(asked: Any) -> VendorError:
    """The error that asking ends with; no message ever shows the key."""
    with pytest.raises(VendorError) as caught:
        await asked
    assert KEY not in str(caught.value)
    assert caught.value.vendor == "openai"
    return caught.value


# --- what is asked


async def test_a_job_is_asked_for_with_its_method_and_our_key(stage: Stage) -> None:
    tuner = stage.at()
    validation = await tuner.upload(stage.file("validation"), OURS)
    given = Hyperparameters(epochs=3, batch_size=8, learning_rate=0.5, beta=0.2, seed=7)
    await stage.job(tuner, validation=validation, hyperparameters=given, name="Counsel (v2): très bien")
    train = next(id for id, file in stage.server.files.items() if file["filename"].endswith("train.jsonl"))
    assert stage.server.bodies == [
        {
            "model": MODEL,
            "training_file": train,
            "validation_file": validation.id,
            "suffix": "Counsel-v2-tr-s-bien",
            "seed": 7,
            "metadata": {"understudy_key": OURS},
            "method": {
                "type": "supervised",
                "supervised": {
                    "hyperparameters": {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 0.5}
                },
            },
        }
    ]


async def test_preferences_are_trained_with_beta(stage: Stage) -> None:
    await stage.job(stage.at(), method="dpo", hyperparameters=Hyperparameters(beta=0.2))
    assert stage.server.bodies[0]["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}


async def test_what_is_left_to_the_vendor_is_left_out(stage: Stage) -> None:
    await stage.job(stage.at(), name="…", hyperparameters=Hyperparameters(seed=2**31 + 5))
    body = stage.server.bodies[0]
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": {}}}
    assert body["seed"] == 5
    assert not {"suffix", "validation_file", "hyperparameters"} & set(body)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("counsel-2", "counsel-2"),
        ("a" * 80, "a" * 64),
        ("a" * 63 + " b", "a" * 63),
        ("¿?", ""),
        ("  x__y ", "x-y"),
    ],
)
def test_a_suffix_is_short_and_plain(name: str, suffix: str) -> None:
    assert jobs.suffix(name) == suffix


async def test_what_cannot_be_trained_is_not_asked_for(stage: Stage) -> None:
    tuner = stage.at(methods=("sft",))
    plan = await stage.plan(tuner)
    for wrong, told in (
        (replace(plan, method="kto"), "choose sft"),
        (replace(plan, method="dpo"), "choose sft"),
        (replace(plan, key=""), "1 to 512"),
        (replace(plan, key="k" * 513), "not 513"),
    ):
        error = await failure(tuner.create(wrong))
        assert type(error) is BadRequest
        assert told in str(error)
    assert not stage.hits("POST", "/fine_tuning/jobs")


async def test_azure_takes_its_key_in_a_header_of_its_own(stage: Stage) -> None:
    headers, query = {"api-key": KEY}, {"api-version": "preview"}
    tuner = stage.at(
        path="/openai/v1/", vendor="azure", dialect="auto", api_key="", headers=headers, query=query
    )
    job = await stage.job(tuner)
    stage.server.run(job.id)
    stage.server.succeed(job.id)
    await tuner.poll(job.id)
    await tuner.metrics(job.id)
    await tuner.find(OURS)
    await tuner.delete_file(next(iter(stage.server.files)))
    assert all(
        headers["api-key"] == KEY and "Authorization" not in headers for headers in stage.server.headers
    )
    assert all(query["api-version"] == "preview" for query in stage.server.queries)


def test_what_cannot_work_is_told_at_once() -> None:
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        make_tuner(Endpoint())


def test_the_client_is_imported_by_those_who_use_it() -> None:
    code = "import sys, adapters.vendors.openai as o; o.Endpoint(); print('openai' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


# --- what can be tuned


async def test_the_tunable_models_of_this_key_are_told_with_their_last_day(stage: Stage) -> None:
    can = await stage.at().capabilities()
    known = {model.name: model for model in can.base_models}
    assert set(known) == {
        "gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14", "gpt-4.1-mini",
        "gpt-4o-mini-2024-07-18", "gpt-4o-mini",
    }  # fmt: skip
    assert known[MODEL].methods == ("sft", "dpo")
    assert (known[MODEL].shutdown_date, known[MODEL].tokens) == ("2027-01-14", 65_536)
    assert known["gpt-4o-mini"].methods == ("sft",)
    assert (can.least_rows, can.formats) == (10, {"sft": "openai-sft", "dpo": "openai-dpo"})
    assert "2027-01-06" in can.notice
    del stage.server.models[MODEL]
    assert MODEL not in {model.name for model in (await stage.at().capabilities()).base_models}


async def test_another_vendor_has_what_it_says_that_it_tunes(stage: Stage) -> None:
    stage.server.models = {
        name: {"id": name, "object": "model", "created": 1, "owned_by": "system", **more}
        for name, more in {
            "gpt-4.1": {"capabilities": {"fine_tune": True}, "deprecation": {"inference": 1_800_000_000}},
            "gpt-5": {"capabilities": {"fine_tune": False}},
            "o3": {},
        }.items()
    }
    can = await stage.at(vendor="azure", dialect="compatible").capabilities()
    assert [(model.name, model.shutdown_date) for model in can.base_models] == [("gpt-4.1", "2027-01-15")]
    assert not can.notice


async def test_a_vendor_that_says_nothing_has_all_that_chat(stage: Stage) -> None:
    stage.server.models = {
        name: {"id": name, "object": "model", "created": 1, "owned_by": "nebius"}
        for name in ("meta-llama/Llama-3.3-70B-Instruct", "BAAI/bge-multilingual-embedding")
    }
    can = await stage.at(vendor="nebius", dialect="auto", methods=("sft",)).capabilities()
    assert [(model.name, model.methods) for model in can.base_models] == [
        ("meta-llama/Llama-3.3-70B-Instruct", ("sft",))
    ]
    assert (can.methods, can.pauses) == (("sft",), False)


# --- files


async def test_a_file_arrives_as_it_is(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "any name.jsonl"
    data = "".join(f'{{"messages": "Zeile {n} — 世界"}}\r\n' for n in range(20_000)).encode()
    path.write_bytes(data)
    sent = await stage.at().upload(TrainingFile(path, "train", 20_000, 1, len(data)), OURS)
    assert stage.server.contents[sent.id] == data
    assert stage.server.files[sent.id]["filename"] == f"understudy-{OURS}-train.jsonl"


async def test_another_file_of_the_same_key_is_brought(stage: Stage, tmp_path: Path) -> None:
    tuner = stage.at()
    first = await tuner.upload(stage.file("train"), OURS)
    path = tmp_path / "more.jsonl"
    path.write_bytes(b"{}\n")
    assert (await tuner.upload(TrainingFile(path, "train", 1, 1, 3), OURS)).id != first.id
    assert await tuner.upload(stage.file("train"), OURS) == first


async def test_a_spoilt_file_is_brought_again(stage: Stage) -> None:
    tuner = stage.at()
    first = await tuner.upload(stage.file("train"), OURS)
    stage.server.files[first.id]["status"] = "error"
    assert (await tuner.upload(stage.file("train"), OURS)).id != first.id


async def test_a_file_whose_arrival_nobody_heard_of_is_found(stage: Stage) -> None:
    stage.server.faults.append(Fault("cut", "POST", "/files$", after=True))
    tuner = stage.at()
    assert type(await failure(tuner.upload(stage.file("train"), OURS))) is Unavailable
    sent = await tuner.upload(stage.file("train"), OURS)
    assert list(stage.server.files) == [sent.id]
    assert stage.hits("POST", "/files") == 1


@pytest.mark.parametrize("key", ["with space/and\nmore", "k" * 300, "ключ"])
async def test_any_key_makes_a_file_name(stage: Stage, key: str) -> None:
    tuner = stage.at()
    sent = await tuner.upload(stage.file("train"), key)
    assert await tuner.upload(stage.file("train"), key) == sent
    assert stage.server.files[sent.id]["filename"].isascii()


async def test_a_file_that_is_not_here_is_told(stage: Stage, tmp_path: Path) -> None:
    error = await failure(stage.at().upload(TrainingFile(tmp_path / "gone.jsonl", "train", 1, 1, 1), OURS))
    assert type(error) is BadRequest
    assert "gone.jsonl" in str(error)
    assert str(tmp_path) not in str(error)


async def test_a_vendor_without_a_list_of_files_gets_the_file(stage: Stage) -> None:
    stage.server.faults.append(Fault(Failure(404, body=b"404 page not found"), "GET", "/files$"))
    assert (await stage.at().upload(stage.file("train"), OURS)).id in stage.server.files


# --- a job that nobody lived to record


@pytest.mark.parametrize(
    "answer", ["cut", "hang", Failure(500), Failure(504, body=b"<html>"), WEB_PAGE], ids=str
)
async def test_a_job_that_may_have_been_created_is_not_created_again(stage: Stage, answer: Any) -> None:
    tuner = stage.at(first_seconds=1 if answer == "hang" else 60)
    plan = await stage.plan(stage.at())
    stage.server.faults.append(Fault(answer, "POST", "/jobs$", after=True))
    error = await failure(tuner.create(plan))
    assert type(error) is Unavailable
    assert stage.hits("POST", "/fine_tuning/jobs") == 1
    found = await stage.at().find(OURS)
    assert found is not None
    assert [found.id] == list(stage.server.jobs)
    assert not stage.pauses


async def test_a_vendor_that_ignores_the_filter_is_looked_through(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    plan = await stage.plan(tuner)
    for number in range(120):
        await tuner.create(replace(plan, key=f"another-{number}"))
    stage.server.filters = False
    found = await tuner.find(OURS)
    assert found is not None
    assert found.id == job.id
    assert await tuner.find("nobody") is None


async def test_a_vendor_that_refuses_the_filter_is_looked_through(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.faults.append(
        Fault(Failure(422, None, "Unknown query parameter: metadata"), "GET", "/jobs$")
    )
    found = await tuner.find(OURS)
    assert found is not None
    assert found.id == job.id


CHOSEN = Hyperparameters(epochs=5, batch_size=4, learning_rate=0.5)


async def test_a_vendor_of_earlier_days_takes_hyperparameters_on_top(stage: Stage) -> None:
    stage.server.takes = "earlier"
    tuner = stage.at(vendor="other", dialect="auto")
    job = await stage.job(tuner, hyperparameters=CHOSEN)
    (body,) = stage.server.bodies
    assert body["hyperparameters"] == {"n_epochs": 5, "batch_size": 4, "learning_rate_multiplier": 0.5}
    assert "method" not in body
    assert list(stage.server.jobs) == [job.id], "what was refused first left no job"
    assert stage.server.hits.count(("POST", "/fine_tuning/jobs")) == 2
    left = await stage.job(tuner, key="another", hyperparameters=Hyperparameters())
    assert left.id != job.id
    assert "hyperparameters" not in stage.server.bodies[-1]


async def test_nebius_is_asked_for_an_adapter_with_the_rate_itself(stage: Stage) -> None:
    stage.server.takes = "nebius"
    stage.server.keeps_metadata = stage.server.filters = False
    endpoint = Endpoint(vendor="nebius", api_key=KEY, base_url=f"{stage.server.url}/v1")
    tuner = OpenAITuner(endpoint, shapes=(jobs.NEBIUS,), pause=at_once)
    job = await stage.job(tuner, hyperparameters=replace(CHOSEN, learning_rate=1e-4))
    (body,) = stage.server.bodies
    wanted = {"n_epochs": 5, "batch_size": 4, "learning_rate": 1e-4, "lora": True}
    assert (body["hyperparameters"], "method" in body) == (wanted, False)
    found = await tuner.find(OURS)
    assert found is not None
    assert found.id == job.id
    assert (await tuner.capabilities()).methods == ("sft",)
    with pytest.raises(BadRequest, match="nebius does not train with dpo: choose sft"):
        await stage.job(tuner, method="dpo")
    assert stage.server.hits.count(("POST", "/fine_tuning/jobs")) == 1
    await tuner.close()


def test_where_a_vendor_takes_hyperparameters_is_known_of_its_address() -> None:
    assert jobs.shapes("api.tokenfactory.nebius.com", certain=False) == (jobs.NEBIUS,)
    assert jobs.shapes("api.openai.com", certain=True) == (jobs.METHOD,)
    assert jobs.shapes("notnebius.com", certain=False) == (jobs.METHOD, jobs.TOP)
    assert len({repr(shape) for shape in (jobs.METHOD, jobs.TOP, jobs.NEBIUS)}) == 3


@pytest.mark.parametrize("dialect", ["openai", "auto"])
async def test_a_plan_that_is_refused_in_every_shape_is_told(stage: Stage, dialect: str) -> None:
    refused = Failure(400, "unsupported_value", "Unsupported method for this model.", param="method.type")
    stage.server.faults.append(Fault(refused, "POST", "/jobs$", times=None))
    with pytest.raises(BadRequest, match="Unsupported method for this model"):
        await stage.job(stage.at(dialect=dialect))
    assert stage.server.hits.count(("POST", "/fine_tuning/jobs")) == (1 if dialect == "openai" else 2)


async def test_a_vendor_that_drops_metadata_is_asked_by_file(stage: Stage) -> None:
    stage.server.keeps_metadata = False
    tuner = stage.at()
    other = await tuner.upload(stage.file("train"), "another")
    job = await stage.job(tuner)
    await stage.job(tuner, key="another", train=other)
    found = await tuner.find(OURS)
    assert found is not None
    assert found.id == job.id
    assert await tuner.find("nobody") is None


async def test_of_two_jobs_the_one_that_goes_is_found(stage: Stage) -> None:
    tuner = stage.at()
    first, second = await stage.job(tuner), await stage.job(tuner)
    stage.server.fail(second.id, "No.")
    found = await tuner.find(OURS)
    assert found is not None
    assert found.id == first.id


async def test_a_job_that_is_listed_but_not_to_be_had_is_found(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    gone = Failure(404, "fine_tune_not_found", "Could not find fine tune")
    stage.server.faults.append(Fault(gone, "GET", f"/jobs/{job.id}$"))
    found = await tuner.find(OURS)
    assert found is not None
    assert (found.id, found.status) == (job.id, "preparing")


async def test_a_killed_program_leaves_a_job_that_is_found(stage: Stage) -> None:
    plan = await stage.plan(stage.at())
    stage.server.faults.append(Fault("hang", "POST", "/jobs$", after=True))
    code = f"""
import asyncio
from adapters.vendors.openai import Endpoint, make_tuner
from adapters.vendors.tuning import Plan, Uploaded
async def main():
    at = make_tuner(Endpoint(api_key="{KEY}", base_url="{stage.server.url}/v1"))
    await at.create(Plan("{OURS}", "counsel", "sft", "{MODEL}", Uploaded("{plan.train.id}", "train")))
asyncio.run(main())
"""
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    await stage.server.hung.wait()
    program.kill()
    assert await program.wait() == -signal.SIGKILL
    found = await stage.at().find(OURS)
    assert found is not None
    assert [found.id] == list(stage.server.jobs)


# --- what a job tells


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("validating_files", "preparing"),
        ("queued", "queued"),
        ("running", "running"),
        ("pausing", "paused"),
        ("paused", "paused"),
        ("resuming", "running"),
        ("cancelling", "cancelling"),
        ("cancelled", "cancelled"),
        ("canceled", "cancelled"),
        ("CANCELLED", "cancelled"),
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("failed", "failed"),
        ("Not Started", "preparing"),
        ("polishing", "running"),
        ("", "running"),
        (None, "running"),
    ],
)
async def test_every_word_for_a_state_is_one_of_ours(stage: Stage, said: Any, status: str) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.say(job.id, said)
    now = await tuner.poll(job.id)
    assert (now.status, now.said) == (status, said or "")
    assert now.ended == (status in {"cancelled", "failed"})


async def test_a_job_is_followed_to_its_end(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.by_itself = True
    assert [(await tuner.poll(job.id)).status for _ in range(4)] == [
        "queued",
        "running",
        "succeeded",
        "succeeded",
    ]


async def test_a_running_job_tells_how_far_it_is(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    assert (await tuner.poll(job.id)).done is None
    stage.server.run(job.id, steps=3, of=12)
    now = await tuner.poll(job.id)
    assert now.done == 0.25
    assert now.ends_at is not None
    assert now.ends_at > 10**12
    stage.server.faults.append(Fault(path="/events$", times=None))
    now = await tuner.poll(job.id)
    assert (now.status, now.done) == ("running", None)
    assert stage.hits("GET", f"/fine_tuning/jobs/{job.id}/events") == 2


async def test_a_job_that_went_well_has_a_model_and_checkpoints(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.run(job.id)
    stage.server.succeed(job.id)
    end = await tuner.poll(job.id)
    assert end.model.startswith(f"ft:{MODEL}:org:counsel-2:")
    assert (end.trained_tokens, end.done, end.ends_at) == (4321, 1.0, None)
    assert [(each.step, each.loss) for each in end.checkpoints] == [(3, 2.3 / 3), (6, 2.3 / 6)]
    assert all(each.model.startswith("ft:") for each in end.checkpoints)


async def test_a_job_whose_model_has_no_name_yet_is_not_done(stage: Stage) -> None:
    job = await stage.job(stage.at())
    stage.server.succeed(job.id, name=None)
    now = await stage.at().poll(job.id)
    assert (now.status, now.said, now.model) == ("finishing", "succeeded", "")
    # Elsewhere the last checkpoint is the model.
    end = await stage.at(dialect="compatible").poll(job.id)
    assert (end.status, end.model) == ("succeeded", end.checkpoints[-1].model)


async def test_a_failed_job_says_what_is_wrong_with_what(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.fail(job.id, "Row 3 has no\nassistant message.")
    end = await tuner.poll(job.id)
    assert end.error == "Row 3 has no assistant message. (invalid_training_file, training_file)"


async def test_many_events_are_read_page_by_page_and_only_as_far_as_needed(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    for number in range(250):
        stage.server.tell(job.id, f"Said {number}", level="warn")
    told = await tuner.events(job.id)
    assert [event.message for event in told[2:]] == [f"Said {number}" for number in range(250)]
    assert told[-1].level == "warning"
    path = f"/fine_tuning/jobs/{job.id}/events"
    assert stage.hits("GET", path) == 3
    assert [event.message for event in await tuner.events(job.id, after=told[-2].id)] == ["Said 249"]
    assert stage.hits("GET", path) == 4
    assert len(await tuner.events(job.id, after="forgotten")) == 252


def test_events_of_one_second_keep_their_order() -> None:
    rows = [
        {"id": id, "created_at": at, "message": id} for id, at in (("a", 7), ("b", 8), ("c", 8), ("d", 8))
    ]
    assert [event.id for event in jobs.events(rows[::-1])] == ["a", "b", "c", "d"]
    assert [event.id for event in jobs.events(rows)] == ["a", "b", "c", "d"], (
        "some vendors tell the oldest first"
    )
    assert [event.id for event in jobs.events(rows[:0:-1])] == ["b", "c", "d"]


@pytest.mark.parametrize("plain", [False, True], ids=["base64", "plain"])
async def test_losses_come_from_the_result_file(stage: Stage, plain: bool) -> None:
    stage.server.plain_results = plain
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.run(job.id, steps=2)
    stage.server.succeed(job.id, steps=4)
    points = await tuner.metrics(job.id)
    assert points[:3] == [
        Point(1, "train", 2.0, 0.5),
        Point(1, "validation", 2.2, 0.4),
        Point(2, "train", 1.0, 0.5),
    ]
    assert [point.step for point in points if point.split == "validation"] == [1, 3]


async def test_losses_of_a_running_job_come_from_its_events(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.run(job.id, steps=3)
    points = await tuner.metrics(job.id)
    assert [(point.step, point.split) for point in points] == [
        (step, split) for step in (1, 2, 3) for split in ("train", "validation")
    ]


async def test_without_a_result_file_the_events_tell_the_losses(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.run(job.id, steps=3)
    stage.server.succeed(job.id)
    await tuner.delete_file(stage.server.jobs[job.id]["result_files"][0])
    assert len(await tuner.metrics(job.id)) == 6


@pytest.mark.parametrize("content", [b"", b"no table", b"%PDF", b"\xff\xfe", b"bm8gdGFibGU=", b"step"])
def test_what_is_no_table_of_losses_is_none(content: bytes) -> None:
    assert jobs.points_of_results(content) is None


def test_cells_that_are_no_numbers_are_left_out() -> None:
    table = b"step,train_loss,valid_loss,train_accuracy\n1,nan,,1\n2,0.5,inf,7\nx,1,1,1\n0,1,1,1\n3.0,0.25,0.3,-0\n3,0.2\n"
    assert jobs.points_of_results(table) == [
        Point(2, "train", 0.5),
        Point(3, "train", 0.2),
        Point(3, "validation", 0.3),
    ]


async def test_pausing_twice_is_as_good_as_once(stage: Stage) -> None:
    stage.server.paused_word = "pausing"
    tuner = stage.at()
    job = await stage.job(tuner)
    assert "validating_files" in str(await failure(tuner.pause(job.id)))
    stage.server.run(job.id)
    assert (await tuner.resume(job.id)).status == "running"
    assert [(await tuner.pause(job.id)).status for _ in range(2)] == ["paused", "paused"]
    assert (await tuner.resume(job.id)).status == "queued"
    stage.server.succeed(job.id)
    assert type(await failure(tuner.resume(job.id))) is BadRequest


async def test_a_vendor_that_cannot_pause_says_so(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.faults.append(Fault(Failure(404, body=b'{"detail": "Not Found"}'), "POST", "/pause$"))
    error = await failure(tuner.pause(job.id))
    assert (type(error), str(error)) == (BadRequest, "openai cannot pause jobs")


@pytest.mark.parametrize("word", ["cancelled", "canceled", "cancelling"])
async def test_cancelling_in_any_spelling(stage: Stage, word: str) -> None:
    stage.server.cancelled_word = word
    tuner = stage.at()
    job = await stage.job(tuner)
    assert (await tuner.cancel(job.id)).status in {"cancelled", "cancelling"}
    stage.server.faults.append(Fault(Failure(409, None, "Already so."), "POST", "/cancel$"))
    assert (await tuner.cancel(job.id)).status in {"cancelled", "cancelling"}


# --- what goes wrong


async def test_the_wind_down_is_told_with_what_to_do_instead(stage: Stage) -> None:
    tuner = stage.at()
    plan = await stage.plan(tuner)
    stage.server.wound_down = True
    error = await failure(tuner.create(plan))
    assert type(error) is Denied
    assert not error.retryable
    for word in (
        "this organisation",
        "2027-01-06",
        "2027-01-14",
        "finetune port",
        "local",
        "embedded",
        "google",
        "Nebius",
    ):
        assert word in str(error)
    assert stage.hits("POST", "/fine_tuning/jobs") == 1


@pytest.mark.parametrize(
    ("dialect", "answer"), [("openai", MISSING_SCOPE), ("compatible", Failure(403, None, "No."))]
)
async def test_another_403_is_not_the_wind_down(stage: Stage, dialect: str, answer: Failure) -> None:
    tuner = stage.at(dialect=dialect)
    plan = await stage.plan(tuner)
    stage.server.faults.append(Fault(answer, "POST", "/jobs$"))
    error = await failure(tuner.create(plan))
    assert type(error) is Denied
    assert "permissions" in str(error)
    assert "2027" not in str(error)


async def test_a_wrong_key_is_told(stage: Stage) -> None:
    stage.server.key = "sk-another-one"
    error = await failure(stage.at().poll("ftjob-1"))
    assert type(error) is Denied
    assert "API key" in str(error)


async def test_what_may_be_repeated_is_repeated_with_pauses(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.faults.append(Fault(path="/jobs/", times=2))
    assert (await tuner.poll(job.id)).id == job.id
    assert stage.pauses == [0.5, 1.0]
    stage.server.faults.append(Fault(path="/jobs/", times=None))
    assert type(await failure(tuner.poll(job.id))) is Unavailable
    assert stage.hits("GET", f"/fine_tuning/jobs/{job.id}") == 6


async def test_a_broken_connection_is_not_the_end(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.faults.append(Fault("cut", path="/jobs/"))
    assert (await tuner.poll(job.id)).id == job.id
    stage.server.faults.append(Fault("cut", path="/jobs/", times=None))
    assert "broke the connection" in str(await failure(tuner.poll(job.id)))


async def test_the_wait_that_a_server_asks_for_is_kept(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    stage.server.faults.append(Fault(TOO_FAST, path="/jobs/"))
    assert (await tuner.poll(job.id)).id == job.id
    assert stage.pauses == [2.0]
    late = replace(TOO_FAST, headers={"Retry-After": "300"})
    stage.server.faults.append(Fault(late, path="/jobs/"))
    error = await failure(tuner.poll(job.id))
    assert (type(error), error.retry_after) == (RateLimited, 300.0)
    assert stage.pauses == [2.0]


@pytest.mark.parametrize("verb", ["upload", "create"])
async def test_what_costs_something_is_not_repeated(stage: Stage, verb: str) -> None:
    tuner = stage.at()
    plan = await stage.plan(tuner)
    stage.server.faults.append(Fault(TOO_FAST, "POST", times=None))
    asked = tuner.create(plan) if verb == "create" else tuner.upload(stage.file("validation"), OURS)
    error = await failure(asked)
    assert (type(error), error.retry_after) == (RateLimited, 2.0)
    assert not stage.pauses
    assert len(stage.server.files) == 1
    assert not stage.server.jobs


async def test_a_used_up_budget_is_not_waited_for(stage: Stage) -> None:
    tuner = stage.at()
    stage.server.faults.append(Fault(OUT_OF_QUOTA, "GET"))
    assert type(await failure(tuner.find(OURS))) is QuotaExhausted
    assert not stage.pauses


async def test_a_hung_vendor_is_left_after_one_wait(stage: Stage) -> None:
    tuner = stage.at(first_seconds=0.2)
    stage.server.faults.append(Fault("hang", times=None))
    asks: list[Callable[[], Any]] = [
        tuner.capabilities,
        lambda: tuner.upload(stage.file("train"), OURS),
        lambda: tuner.find(OURS),
        lambda: tuner.poll("ftjob-1"),
        lambda: tuner.events("ftjob-1"),
        lambda: tuner.metrics("ftjob-1"),
        lambda: tuner.cancel("ftjob-1"),
    ]
    for number, ask in enumerate(asks, 1):
        error = await failure(ask())
        assert type(error) is Unavailable
        assert "in time" in str(error)
        assert len(stage.server.hits) <= number


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with TuningServer() as server:
        url = server.url
    tuner = OpenAITuner(Endpoint(api_key=KEY, base_url=f"{url}/v1"), pause=lambda _: asyncio.sleep(0))
    assert "cannot be reached" in str(await failure(tuner.poll("ftjob-1")))
    await tuner.close()


NONSENSE = {
    "a web page": WEB_PAGE,
    "no JSON": Failure(200, body=b"{", headers={"Content-Type": "application/json"}),
    "a list": Failure(200, body=b"[1]", headers={"Content-Type": "application/json"}),
    "another object": Failure(200, body=b'{"data": 7}', headers={"Content-Type": "application/json"}),
    "rows without ids": Failure(200, body=b'{"data": [{}, 1]}', headers={"Content-Type": "application/json"}),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_told(stage: Stage, answer: Failure) -> None:
    tuner = stage.at()
    plan = await stage.plan(tuner)
    job = await tuner.create(plan)
    stage.server.faults.append(Fault(answer, times=None))
    asks: list[Callable[[], Any]] = [
        tuner.capabilities,
        lambda: tuner.upload(stage.file("train"), OURS),
        lambda: tuner.create(plan),
        lambda: tuner.find(OURS),
        lambda: tuner.poll(job.id),
        lambda: tuner.events(job.id),
        lambda: tuner.metrics(job.id),
        lambda: tuner.cancel(job.id),
    ]
    for ask in asks:
        error = await failure(ask())
        assert type(error) is Unavailable
        assert "base_url" in str(error)


async def test_a_path_that_is_not_there_is_no_vanished_job(stage: Stage) -> None:
    tuner = stage.at()
    job = await stage.job(tuner)
    for body in (b'{"detail": "Not Found"}', b"404 page not found"):
        stage.server.faults.append(Fault(Failure(404, body=body), path="/jobs/"))
        error = await failure(tuner.poll(job.id))
        assert type(error) is ModelNotFound
        assert "base_url" in str(error)
    stage.server.vanish(job.id)
    assert type(await failure(tuner.poll(job.id))) is JobGone


@pytest.mark.parametrize(("model", "status"), [("gpt-9", 404), ("gpt-5-mini", 400)])
async def test_a_model_that_cannot_be_tuned_is_told(stage: Stage, model: str, status: int) -> None:
    error = await failure(stage.job(stage.at(), base_model=model))
    assert type(error) is ModelNotFound
    assert str(error).startswith(f"openai does not tune {model} with this key: choose another model (")
    assert stage.server.exchanges[-1]["status"] == status


async def test_the_vendors_words_come_without_secrets(stage: Stage) -> None:
    stage.server.faults.append(Fault(Failure(400, None, f"The key {KEY} is odd."), "POST", "/jobs$"))
    error = await failure(stage.job(stage.at()))
    assert "***" in str(error)


async def test_rows_that_leave_out_much_are_read(stage: Stage) -> None:
    tuner = stage.at(dialect="compatible")
    job = await stage.job(tuner)
    row = {"id": job.id, "status": "RUNNING", "error": "none yet", "metadata": [], "result_files": None}
    stage.server.jobs[job.id] = row
    stage.server.events[job.id] = [{"id": "1", "message": "Hi", "created_at": 1_790_000_000}, {"id": "2"}]
    assert (await tuner.poll(job.id)).status == "running"
    assert [event.message for event in await tuner.events(job.id)] == ["", "Hi"]
    assert not await tuner.metrics(job.id)
