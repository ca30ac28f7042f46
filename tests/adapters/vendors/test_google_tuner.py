"""What is Google's own in tuning: what is asked, what its words mean, and how a job and a file are never paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.vendors.base import (
    BadRequest,
    ChatRequest,
    Delta,
    Denied,
    NotConfigured,
    QuotaExhausted,
    RateLimited,
    Turn,
    Unavailable,
    VendorError,
)
from adapters.vendors.google import Endpoint, chat_model, make_tuner
from adapters.vendors.google.tuner import MOST_BYTES, GoogleTuner
from adapters.vendors.tuning import Hyperparameters, Job, JobGone, Plan, Point
from tests.adapters.vendors import google_bench
from tests.adapters.vendors.google_bench import GoogleBench, at_once
from tests.adapters.vendors.tuner_contract import KEY, OTHER_KEY, created, plan
from tests.servers import gcs, gemini_tuning
from tests.servers.gcs import BUCKET
from tests.servers.gemini import BROKEN, OVERLOADED, PROJECT, Failure, bad
from tests.servers.gemini_tuning import NUMBER
from tests.servers.google_faults import Fault

TRAIN = f"gs://{BUCKET}/understudy/{KEY}/train.jsonl"
VALIDATION = f"gs://{BUCKET}/understudy/{KEY}/validation.jsonl"
ENDED = Failure(
    400, "FAILED_PRECONDITION", "The TuningJob is in state JOB_STATE_SUCCEEDED and cannot be canceled."
)

PROGRAM = """
import asyncio, sys
from pathlib import Path
from adapters.vendors.google import Endpoint, make_tuner
from adapters.vendors.tuning import Plan, TrainingFile

async def main(path, key):
    one = make_tuner(Endpoint(project="understudy-tests", tuning_location="us-central1", bucket="understudy-tuning"))
    data = Path(path).read_bytes()
    file = await one.upload(TrainingFile(Path(path), "train", 20, 400, len(data)), key)
    job = await one.find(key) or await one.create(Plan(key, "counsel-2", "sft", "gemini-2.5-pro", file))
    print(job.id, job.status)
    await one.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[GoogleBench]:
    async with google_bench.bench(tmp_path) as opened:
        yield opened


@pytest.fixture
def one(bench: GoogleBench) -> GoogleTuner:
    """A tuner of the bench, which closes it."""
    return bench.tuner()


@pytest.fixture
async def preferences(tmp_path: Path) -> AsyncIterator[GoogleBench]:
    async with google_bench.preferences(tmp_path) as opened:
        yield opened


async def launched(bench: GoogleBench, **chosen: Any) -> Job:
    """A job with these hyperparameters."""
    one = bench.tuner()
    return await one.create(replace(await plan(bench, one), hyperparameters=Hyperparameters(**chosen)))


async def refusal(asked: Any) -> VendorError:
    """The error that it ends with."""
    with pytest.raises(VendorError) as caught:
        await asked
    assert caught.value.vendor == "google"
    assert "\n" not in str(caught.value)
    return caught.value


async def given_up(bench: GoogleBench, asked: Coroutine[Any, Any, object]) -> object:
    """What comes of it when the service hangs until all time has passed: the loop's clock jumps, nobody waits."""
    loop = asyncio.get_running_loop()
    now = loop.time
    task = asyncio.create_task(asked)
    await bench.server.trouble.hung.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: now() + 3600)
        return await task


class TestCreate:
    async def test_what_is_left_to_the_service_is_left_out(self, bench: GoogleBench) -> None:
        job = await launched(bench)
        assert bench.server.bodies == [
            {
                "baseModel": "gemini-3.5-flash-lite",
                "supervisedTuningSpec": {"trainingDatasetUri": TRAIN, "validationDatasetUri": VALIDATION},
                "tunedModelDisplayName": "counsel-2",
                "labels": {"understudy_key": KEY},
            }
        ]
        assert (job.status, job.said) == ("preparing", "PENDING")
        assert job.id.startswith(f"projects/{NUMBER}/locations/us-central1/tuningJobs/")

    async def test_what_was_chosen_is_sent(self, preferences: GoogleBench) -> None:
        one = preferences.tuner(adapter_size=8)
        chosen = Hyperparameters(epochs=3, learning_rate=0.5, beta=0.1)
        await one.create(replace(await plan(preferences, one), hyperparameters=chosen, validation=None))
        body = preferences.server.bodies[0]
        assert body["preferenceOptimizationSpec"] == {
            "trainingDatasetUri": TRAIN,
            "hyperParameters": {
                "epochCount": 3,
                "learningRateMultiplier": 0.5,
                "adapterSize": "ADAPTER_SIZE_EIGHT",
                "beta": 0.1,
            },
        }
        assert "supervisedTuningSpec" not in body

    async def test_beta_is_of_preferences_only(self, bench: GoogleBench) -> None:
        await launched(bench, epochs=2, beta=0.1)
        spec = bench.server.bodies[0]["supervisedTuningSpec"]
        assert spec["hyperParameters"] == {"epochCount": 2}
        assert "preferenceOptimizationSpec" not in bench.server.bodies[0]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"hyperparameters": Hyperparameters(batch_size=8)}, "batch size"),
            ({"method": "kto"}, "choose sft or dpo"),
            ({"key": ""}, "needs a key"),
            ({"base_model": "gemini-1.0-pro"}, "is not supported"),
        ],
    )
    async def test_what_cannot_be_is_said(
        self, bench: GoogleBench, one: GoogleTuner, change: Any, words: str
    ) -> None:
        error = await refusal(one.create(replace(await plan(bench, one), **change)))
        assert isinstance(error, BadRequest)
        assert words in str(error)
        assert not bench.server.jobs

    async def test_an_adapter_has_one_of_few_sizes(self) -> None:
        with pytest.raises(ValueError, match="1, 2, 4, 8, 16, 32"):
            GoogleTuner(Endpoint(), adapter_size=3)

    @pytest.mark.parametrize("answer", ["cut", "hang", BROKEN, OVERLOADED])
    async def test_nobody_knows_and_find_does(
        self, bench: GoogleBench, one: GoogleTuner, answer: Any
    ) -> None:
        right = await plan(bench, one)
        bench.server.trouble.faults.append(Fault(answer, "POST", "/tuningJobs$", after=True))
        error = await refusal(given_up(bench, one.create(right)) if answer == "hang" else one.create(right))
        assert isinstance(error, Unavailable)
        assert len(bench.server.jobs) == 1, "a request to create is sent once"
        found = await one.find(KEY)
        assert found is not None
        assert found.id == next(iter(bench.server.jobs))

    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (gemini_tuning.NO_PERMISSION, Denied),
            (gemini_tuning.NO_QUOTA, RateLimited),
            (Failure(429, "RESOURCE_EXHAUSTED", "The spending cap is reached."), QuotaExhausted),
            (Failure(400, "FAILED_PRECONDITION", "Billing is off."), Denied),
        ],
    )
    async def test_a_refusal_says_what_to_do(
        self, bench: GoogleBench, one: GoogleTuner, failure: Failure, kind: type
    ) -> None:
        right = await plan(bench, one)
        bench.server.trouble.faults.append(Fault(failure, "POST", times=None))
        error = await refusal(one.create(right))
        assert type(error) is kind
        assert "a tuning job of gemini-3.5-flash-lite" in str(error)
        assert not bench.server.jobs


class TestFind:
    async def test_a_key_that_is_no_label_is_hashed(self, bench: GoogleBench, one: GoogleTuner) -> None:
        key = "Run #7 of Counsel / " + "é" * 80
        job = await created(bench, one, key)
        value = bench.server.bodies[0]["labels"]["understudy_key"]
        assert len(value) == 63
        found = await one.find(key)
        assert found is not None
        assert found.id == job.id
        assert await one.find(key + "!") is None

    @pytest.mark.parametrize("filters", ["used", "ignored", "refused"])
    async def test_on_the_last_page(self, bench: GoogleBench, one: GoogleTuner, filters: str) -> None:
        job = await created(bench, one)
        for number in range(7):
            await created(bench, one, f"0199aa00-0000-7000-8000-{number:012d}aa")
        bench.server.page = 3
        bench.server.filters, bench.server.refuses_filters = filters == "used", filters == "refused"
        found = await one.find(KEY)
        assert found is not None
        assert found.id == job.id
        assert await one.find("not-there") is None

    async def test_one_that_goes_on_before_those_that_are_lost(
        self, bench: GoogleBench, one: GoogleTuner
    ) -> None:
        good = await created(bench, one)
        lost = await created(bench, one)
        bench.server.fail(lost.id, "No.")
        found = await one.find(KEY)
        assert found is not None
        assert found.id == good.id
        bench.server.fail(good.id, "No.")
        found = await one.find(KEY)
        assert found is not None
        assert found.status == "failed"


class TestPoll:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("QUEUED", "queued"),
            ("PENDING", "preparing"),
            ("UNSPECIFIED", "preparing"),
            ("UPDATING", "running"),
            ("PAUSED", "paused"),
            ("CANCELLING", "cancelling"),
            ("CANCELLED", "cancelled"),
            ("EXPIRED", "failed"),
            ("PARTIALLY_SUCCEEDED", "failed"),
            ("SUCCEEDED", "finishing"),
            ("REBALANCING", "running"),
        ],
    )
    async def test_words(self, bench: GoogleBench, one: GoogleTuner, word: str, status: str) -> None:
        job = await created(bench, one)
        bench.server.say(job.id, word)
        now = await one.poll(job.id)
        assert (now.status, now.said, now.model) == (status, word, "")
        assert bool(now.error) == (status == "failed")

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("WAITING_FOR_QUOTA", "queued"),
            ("WAITING_FOR_CAPACITY", "queued"),
            ("PROCESSING_DATASET", "preparing"),
            ("TUNING", "running"),
            ("POST_PROCESSING", "finishing"),
            ("PONDERING", "running"),
        ],
    )
    async def test_stages(self, bench: GoogleBench, one: GoogleTuner, word: str, status: str) -> None:
        job = await created(bench, one)
        bench.server.stage(job.id, word)
        now = await one.poll(job.id)
        assert (now.status, now.said) == (status, word)

    async def test_a_part_of_a_success_with_a_model_is_one(
        self, bench: GoogleBench, one: GoogleTuner
    ) -> None:
        job = await created(bench, one)
        bench.server.run(job.id)
        bench.server.succeed(job.id, word="PARTIALLY_SUCCEEDED")
        assert (await one.poll(job.id)).status == "succeeded"

    async def test_progress_tokens_and_checkpoints(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await launched(bench, epochs=4)
        bench.server.run(job.id)
        now = await one.poll(job.id)
        assert (now.done, now.trained_tokens, now.checkpoints) == (0.25, 4800, ())
        bench.server.succeed(job.id)
        end = await one.poll(job.id)
        assert end.done == 1
        assert [one.step for one in end.checkpoints] == [5, 10]
        assert end.checkpoints[-1].model == end.model
        assert end.model in bench.server.deployed

    async def test_an_outage_that_passes_is_waited_for(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        waited: list[float] = []

        async def pause(seconds: float) -> None:
            waited.append(seconds)

        one = GoogleTuner(bench.endpoint(), pause=pause, chance=lambda: 0.5)
        slow = Failure(429, "RESOURCE_EXHAUSTED", "Slow down.", headers={"Retry-After": "3"})
        bench.server.trouble.faults += [Fault(BROKEN), Fault(slow)]
        assert (await one.poll(job.id)).id == job.id
        assert waited == [0.5, 3]
        bench.server.trouble.faults += [
            Fault(Failure(429, "RESOURCE_EXHAUSTED", "", headers={"Retry-After": "60"}))
        ]
        error = await refusal(one.poll(job.id))
        assert (type(error), error.retry_after, len(waited)) == (RateLimited, 60, 2)
        await one.close()

    async def test_a_service_that_hangs_is_left(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.trouble.faults.append(Fault("hang", times=None))
        before = len(bench.server.trouble.hits)
        error = await refusal(given_up(bench, one.poll(job.id)))
        assert isinstance(error, Unavailable)
        assert len(bench.server.trouble.hits) == before + 1, "whoever hangs is not asked again at once"

    @pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b"{}", b'{"state": 7}'])
    async def test_an_answer_of_a_proxy(self, bench: GoogleBench, one: GoogleTuner, body: bytes) -> None:
        job = await created(bench, one)
        bench.server.trouble.faults.append(Fault(Failure(200, "", body=body), times=None))
        assert isinstance(await refusal(one.poll(job.id)), Unavailable)

    @pytest.mark.parametrize(
        "name", ["", "7", "../../x", f"projects/{PROJECT}/locations/l/tuningJobs/1/x", "a b"]
    )
    async def test_what_is_no_name_of_a_job(self, bench: GoogleBench, one: GoogleTuner, name: str) -> None:
        with pytest.raises(JobGone):
            await one.poll(name)
        assert not bench.server.trouble.hits

    async def test_a_job_of_another_region_is_asked_there(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        assert (await bench.tuner(tuning_location="europe-west4").poll(job.id)).id == job.id


class TestEventsAndLosses:
    async def test_what_the_dataset_lost_is_a_warning(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.run(job.id)
        stats = bench.server.jobs[job.id]["tuningDataStats"]["supervisedTuningDataStats"]
        stats |= {
            "totalTruncatedExampleCount": "2",
            "droppedExampleReasons": ["empty model turn", "empty model turn"],
        }
        bench.server.fail(job.id, "The quota ran out.")
        events = await one.events(job.id)
        assert [(event.id, event.level) for event in events] == [
            ("1-created", "info"),
            ("2-started", "info"),
            ("3-dataset", "warning"),
            ("4-ended", "error"),
        ]
        assert events[2].message == (
            "The dataset has 20 examples with 1200 billable tokens, which take 10 steps; 2 were too long and were cut; "
            "some were dropped: empty model turn."
        )
        assert events[3].message == "The job failed: The quota ran out."

    async def test_losses_of_imitation(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.run(job.id, steps=2)
        assert await one.metrics(job.id) == [
            Point(1, "train", 2.0, 0.5),
            Point(1, "validation", 2.2),
            Point(2, "train", 1.0, 0.5),
            Point(2, "validation", 1.1),
        ]

    async def test_steps_that_begin_with_nought(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.run(job.id, steps=1)
        curves = bench.server.curves[bench.server.jobs[job.id]["experiment"]]
        curves["/train_total_loss"] = [{"scalar": {"value": 3.0}}, {"step": "1", "scalar": {"value": 2.0}}]
        points = await one.metrics(job.id)
        assert [(point.step, point.loss) for point in points if point.split == "train"] == [
            (1, 3.0),
            (2, 2.0),
        ]

    @pytest.mark.parametrize("lack", ["tracks", "hides"])
    async def test_no_curves(self, bench: GoogleBench, one: GoogleTuner, lack: str) -> None:
        setattr(bench.server, lack, lack == "hides")
        job = await created(bench, one)
        bench.server.run(job.id)
        assert not await one.metrics(job.id)


class TestCancel:
    async def test_it_takes_a_while(self, bench: GoogleBench, one: GoogleTuner) -> None:
        bench.server.cancels_to = "CANCELLING"
        job = await created(bench, one)
        assert (await one.cancel(job.id)).status == "cancelling"
        assert (await one.cancel(job.id)).status == "cancelling"
        bench.server.say(job.id, "CANCELLED")
        assert (await one.cancel(job.id)).status == "cancelled"

    async def test_one_that_ends_meanwhile(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.trouble.faults.append(Fault(ENDED, path=":cancel", after=True))
        assert (await one.cancel(job.id)).status == "cancelled"

    async def test_a_refusal_is_told(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.trouble.faults.append(Fault(gemini_tuning.NO_PERMISSION, path=":cancel"))
        assert isinstance(await refusal(one.cancel(job.id)), Denied)

    async def test_holding_is_refused(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        for asked in (one.pause(job.id), one.resume(job.id)):
            assert isinstance(await refusal(asked), BadRequest)


class TestFiles:
    async def test_a_large_file_goes_in_pieces(
        self, bench: GoogleBench, one: GoogleTuner, tmp_path: Path
    ) -> None:
        data = b'{"contents": "' + b"\xc3\xa9\r\n" * 17 * 256 * 1024 + b'"}\n'
        path = tmp_path / "large.jsonl"
        path.write_bytes(data)
        file = replace(bench.file("train"), path=path, bytes=len(data))
        uploaded = await one.upload(file, KEY)
        assert uploaded.id == TRAIN
        assert bench.storage.contents[BUCKET, TRAIN.partition(f"{BUCKET}/")[2]] == data
        assert [method for method, _ in bench.storage.trouble.hits].count("PUT") == 2
        assert (
            bench.storage.objects[BUCKET, f"understudy/{KEY}/train.jsonl"]["contentType"]
            == "application/jsonl"
        )

    async def test_a_small_one_goes_at_once_and_once(self, bench: GoogleBench, one: GoogleTuner) -> None:
        file = bench.file("train")
        for _ in range(2):
            await one.upload(file, KEY)
        assert [method for method, _ in bench.storage.trouble.hits] == ["GET", "POST", "GET"]
        assert bench.storage.contents[BUCKET, f"understudy/{KEY}/train.jsonl"] == file.path.read_bytes()

    async def test_other_bytes_under_the_key_replace_it(self, bench: GoogleBench, one: GoogleTuner) -> None:
        file = bench.file("train")
        await one.upload(file, KEY)
        longer = file.path.read_bytes() + b"{}\n"
        file.path.write_bytes(longer)
        await one.upload(replace(file, bytes=len(longer)), KEY)
        assert list(bench.storage.contents.values()) == [longer]

    async def test_whoever_is_slower_takes_what_is_there(self, bench: GoogleBench, one: GoogleTuner) -> None:
        file = bench.file("train")
        first = await one.upload(file, KEY)
        unseen = gcs.refused(404, "notFound", "No such object.")
        bench.storage.trouble.faults.append(Fault(unseen, "GET"))
        assert await one.upload(file, KEY) == first
        assert [method for method, _ in bench.storage.trouble.hits][-3:] == ["GET", "POST", "GET"]
        assert len(bench.storage.objects) == 1

    async def test_an_upload_that_broke_off_is_done_once(self, bench: GoogleBench, one: GoogleTuner) -> None:
        bench.storage.trouble.faults += [
            Fault("cut", "POST"),
            Fault("cut", "POST", after=True),
        ]
        assert (await one.upload(bench.file("train"), KEY)).id == TRAIN
        assert bench.storage.uploads == 1

    async def test_a_storage_that_hangs_is_left(self, bench: GoogleBench) -> None:
        bench.storage.trouble.faults.append(Fault("hang", times=None))
        one = bench.tuner(connect_seconds=0.1, first_seconds=0.1)
        assert isinstance(await refusal(one.upload(bench.file("train"), KEY)), Unavailable)
        assert len(bench.storage.trouble.hits) <= 1, "whoever hangs is not asked again at once"

    async def test_no_such_bucket(self, bench: GoogleBench) -> None:
        error = await refusal(bench.tuner(bucket="elsewhere").upload(bench.file("train"), KEY))
        assert isinstance(error, NotConfigured)
        assert "'elsewhere'" in str(error)
        assert "google.bucket" in str(error)

    async def test_no_permission(self, bench: GoogleBench, one: GoogleTuner) -> None:
        words = "tester@example.com does not have storage.objects.create access."
        bench.storage.denied = gcs.refused(403, "forbidden", words)
        error = await refusal(one.upload(bench.file("train"), KEY))
        assert isinstance(error, Denied)
        assert "storage.objects.create" in str(error)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"bytes": MOST_BYTES * 3 // 2}, "1 GiB"),
            ({"split": "validation", "rows": 5001}, "5000 rows"),
            ({"path": Path("/nowhere/rows.jsonl")}, "rows.jsonl cannot be read"),
        ],
    )
    async def test_what_cannot_be_brought(
        self, bench: GoogleBench, one: GoogleTuner, change: Any, words: str
    ) -> None:
        error = await refusal(one.upload(replace(bench.file("train"), **change), KEY))
        assert isinstance(error, BadRequest)
        assert words in str(error)
        assert not bench.storage.objects

    async def test_only_files_in_cloud_storage_are_deleted(
        self, bench: GoogleBench, one: GoogleTuner
    ) -> None:
        assert isinstance(await refusal(one.delete_file("file-7")), BadRequest)


class TestModels:
    async def test_a_model_goes_with_the_last_of_its_endpoints(
        self, bench: GoogleBench, one: GoogleTuner
    ) -> None:
        job = await created(bench, one)
        bench.server.run(job.id)
        bench.server.succeed(job.id)
        first, last = (await one.poll(job.id)).checkpoints
        await one.delete_model(first.model)
        assert list(bench.server.deployed) == [last.model]
        assert bench.server.registry
        await one.delete_model(last.model)
        assert not bench.server.deployed
        assert not bench.server.registry

    async def test_what_is_not_done_yet_is_tried_again(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        bench.server.succeed(job.id)
        model = (await one.poll(job.id)).model
        bench.server.waits = False
        assert isinstance(await refusal(one.delete_model(model)), Unavailable)
        bench.server.waits = True
        await one.delete_model(model)
        assert model not in bench.server.deployed

    async def test_a_base_model_is_not_deleted(self, bench: GoogleBench, one: GoogleTuner) -> None:
        assert isinstance(await refusal(one.delete_model("gemini-2.5-pro")), BadRequest)
        assert not bench.server.trouble.hits

    async def test_a_tuned_model_answers_where_it_was_tuned(
        self, bench: GoogleBench, one: GoogleTuner
    ) -> None:
        job = await created(bench, one)
        bench.server.succeed(job.id)
        name = (await one.poll(job.id)).model
        model = chat_model(bench.endpoint(location="global"))
        request = ChatRequest(name, "", (Turn("user", "What is 2 plus 2?"),))
        said = [event.text async for event in model.stream(request) if isinstance(event, Delta)]
        await model.close()
        assert said
        assert bench.server.paths == [f"/v1beta1/{name}:streamGenerateContent"]
        assert "/locations/us-central1/endpoints/" in name


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (
                {"project": "", "api_key": "AIza"},
                "the Gemini API no longer tunes; set google.project, google.bucket",
            ),
            ({"bucket": ""}, "set google.bucket"),
            ({"tuning_location": ""}, "set google.tuning_location"),
            ({"tuning_location": "", "location": "global"}, "set google.tuning_location"),
        ],
    )
    async def test_what_is_missing_is_said(self, bench: GoogleBench, change: Any, words: str) -> None:
        one = bench.tuner(**change)
        for asked in (one.capabilities(), one.upload(bench.file("train"), KEY)):
            error = await refusal(asked)
            assert isinstance(error, NotConfigured)
            assert words in str(error)

    async def test_the_location_will_do_for_tuning(self, bench: GoogleBench) -> None:
        one = bench.tuner(tuning_location="", location="europe-west4")
        job = await created(bench, one)
        assert "/locations/europe-west4/" in job.id

    async def test_jobs_go_on_without_a_bucket(self, bench: GoogleBench, one: GoogleTuner) -> None:
        job = await created(bench, one)
        one = bench.tuner(bucket="")
        assert (await one.poll(job.id)).id == job.id
        assert await one.find(KEY) is not None

    async def test_the_extra_is_named(
        self, bench: GoogleBench, one: GoogleTuner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
        error = await refusal(one.capabilities())
        assert isinstance(error, NotConfigured)
        assert "pip install 'understudy[google-tuning]'" in str(error)

    async def test_nothing_is_connected_before_it_is_needed(self) -> None:
        one = make_tuner(Endpoint(), adapter_size=4)
        assert one.vendor == "google"
        await one.close()

    async def test_secrets_stay_out_of_errors(self, bench: GoogleBench, one: GoogleTuner) -> None:
        bench.server.trouble.faults.append(
            Fault(bad("Bad token ya29.a0Af-secret_9 in the request."), times=None)
        )
        job = f"projects/{PROJECT}/locations/us-central1/tuningJobs/1"
        assert "ya29" not in str(await refusal(one.poll(job)))


async def test_the_whole_way_with_a_tuner_for_each_step(bench: GoogleBench) -> None:
    """As after a crash between any two of them."""
    train = await bench.tuner().upload(bench.file("train"), KEY)
    assert await bench.tuner().find(KEY) is None
    job = await bench.tuner().create(Plan(KEY, "counsel-2", "sft", bench.base_model, train))
    assert await bench.tuner().find(OTHER_KEY) is None
    bench.server.run(job.id)
    bench.server.succeed(job.id)
    found = await bench.tuner().find(KEY)
    assert found is not None
    assert (found.id, found.status) == (job.id, "succeeded")
    await bench.tuner().delete_file(train.id)
    assert not bench.storage.objects
    await at_once(0)


async def test_from_another_process_by_the_customary_variables(bench: GoogleBench, tmp_path: Path) -> None:
    """A second start, which recorded nothing of the first, pays for nothing twice."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "1",
                "private_key": pem,
                "client_email": "tester@example.com",
                "token_uri": f"{bench.server.url}/token",
            }
        )
    )
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(account),
        "GOOGLE_VERTEX_BASE_URL": bench.server.url,
        "STORAGE_EMULATOR_HOST": bench.storage.url,
    }
    # An emulator takes whoever comes, so the client does not sign in there.
    bench.storage.anonymous = True
    path = bench.file("train").path
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            str(path),
            KEY,
            env={**os.environ, **variables},
            stdout=PIPE,
            stderr=PIPE,
        )
        said, complained = await process.communicate()
        assert process.returncode == 0, complained.decode()
        assert said.decode().split() == [*bench.jobs, "preparing"]
    assert len(bench.jobs) == len(bench.files) == bench.storage.uploads == 1
