"""Fine-tuning on this machine without torch: job folders, what is read from them, and processes that die, wait and stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.vendors.base import BadRequest, NotConfigured, Unavailable
from adapters.vendors.local import Options, make_tuner, processes
from adapters.vendors.local.folder import TRAIN, JobFolder, short
from adapters.vendors.local.tuner import LocalTuner
from adapters.vendors.tuning import Hyperparameters, Method
from tests.adapters.vendors.local_bench import LocalBench
from tests.adapters.vendors.local_bench import bench as open_bench
from tests.adapters.vendors.tuner_contract import KEY, OTHER_KEY, created, plan

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the end of a process is seen with Linux's pidfd"
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LocalBench]:
    """Real processes that do what they are told."""
    async with open_bench(tmp_path) as running:
        yield running


async def test_a_folder_says_all_that_is_to_be_done(bench: LocalBench) -> None:
    tuner = bench.tuner(job={"lora": {"r": 8}, "merge": True}, max_length=777)
    asked = replace(await plan(bench, tuner), hyperparameters=Hyperparameters(2, 4, 0.001, None, 5))
    await tuner.create(asked)
    folder = bench.root / KEY
    job = json.loads((folder / "job.json").read_text())
    assert job.pop("created_at") > 10**12
    assert job == {
        "key": KEY,
        "name": "counsel-2",
        "model": f"counsel-2-{short(KEY)}",
        "method": "sft",
        "base": "tiny",
        "base_model": "tiny/random",
        "max_length": 777,
        "lora": {"r": 8},
        "merge": True,
        "seed": 5,
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.001,
    }
    assert {path.name for path in folder.iterdir()} >= {
        "train.jsonl",
        "validation.jsonl",
        "train.py",
        "README.md",
    }
    assert len((folder / "README.md").read_text().splitlines()) == 2
    assert folder.stat().st_mode & 0o077 == 0, "what people wrote is nobody else's"


async def test_a_job_is_created_once(bench: LocalBench) -> None:
    first = await created(bench, bench.tuner())
    await bench.run(first.id)
    pid = JobFolder(bench.root, KEY).process["pid"]
    again = await created(bench, bench.tuner())
    assert (again.id, again.status) == (first.id, "running")
    assert JobFolder(bench.root, KEY).process["pid"] == pid


async def test_a_dead_process_is_started_again(bench: LocalBench) -> None:
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.die(job.id)
    now = await bench.tuner().poll(job.id)
    assert (now.status, now.done, now.memory_bytes) == ("running", 0.5, 3 << 30)
    await bench.begun(job.id)
    await bench.succeed(job.id)
    assert (await tuner.poll(job.id)).status == "succeeded"


async def test_one_that_dies_on_and_on_has_failed(bench: LocalBench) -> None:
    tuner = bench.tuner(restarts=2)
    job = await created(bench, tuner)
    for _ in range(2):
        await bench.begun(job.id)
        await bench.die(job.id, "Killed")
        assert not (await tuner.poll(job.id)).ended
    await bench.begun(job.id)
    await bench.die(job.id, "CUDA error: an illegal memory access was encountered")
    end = await tuner.poll(job.id)
    assert end.status == "failed"
    assert end.error == (
        "the process that trains ended 3 times at step 0 without a result; the last it said: "
        "CUDA error: an illegal memory access was encountered"
    )
    assert (await tuner.poll(job.id)) == end


async def test_whoever_gets_further_may_die_again(bench: LocalBench) -> None:
    tuner = bench.tuner(restarts=1)
    job = await created(bench, tuner)
    await bench.begun(job.id)
    await bench.die(job.id)
    assert not (await tuner.poll(job.id)).ended
    await bench.begun(job.id)
    await bench.run(job.id)
    await bench.die(job.id)
    assert not (await tuner.poll(job.id)).ended


async def test_jobs_wait_for_each_other(bench: LocalBench) -> None:
    tuner = bench.tuner()
    first, second = await created(bench, tuner), await created(bench, tuner, OTHER_KEY)
    await bench.run(first.id)
    assert second.status == "queued"
    assert (await tuner.poll(second.id)).said == "waiting"
    with bench.ending(first.id):
        await bench.succeed(first.id)
        (await bench.tell(first.id, "die"))
    assert (await tuner.poll(second.id)).status == "preparing"
    await bench.run(second.id)
    assert (await tuner.poll(second.id)).status == "running"


async def test_a_paused_job_is_not_started_until_it_is_resumed(bench: LocalBench) -> None:
    tuner = bench.tuner(restarts=0)
    job = await created(bench, tuner)
    await bench.run(job.id)
    with bench.ending(job.id):
        assert (await tuner.pause(job.id)).status == "paused"
    assert (await bench.tuner().poll(job.id)).said == "paused"
    assert (await tuner.resume(job.id)).status == "running"
    await bench.begun(job.id)
    await bench.succeed(job.id)
    assert (await tuner.poll(job.id)).status == "succeeded"


async def test_a_cancelled_job_stays_cancelled(bench: LocalBench) -> None:
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    with bench.ending(job.id):
        assert (await tuner.cancel(job.id)).status in {"cancelling", "cancelled"}
    assert (await tuner.pause(job.id)).status == "cancelled"
    assert (await tuner.resume(job.id)).status == "cancelled"
    assert [point.step for point in await tuner.metrics(job.id) if point.split == "train"] == [1, 2]


async def test_one_that_does_not_heed_is_ended(bench: LocalBench) -> None:
    job = await created(bench, bench.tuner())
    await bench.run(job.id)
    folder = JobFolder(bench.root, KEY)
    folder.ask("cancel")  # by hand, without a signal
    later = LocalTuner(bench.options(), clock=lambda: folder.asked_at + 3600)
    with bench.ending(job.id):
        await later.poll(job.id)
    assert (await later.poll(job.id)).status == "cancelled"


async def test_an_interrupted_one_goes_on(bench: LocalBench) -> None:
    """The machine was shut down in good order: that is no death."""
    tuner = bench.tuner(restarts=0)
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.die(job.id)
    JobFolder(bench.root, KEY).end("interrupted")
    assert not (await tuner.poll(job.id)).ended


async def test_a_number_given_again_is_no_process_of_ours(bench: LocalBench) -> None:
    """After a restart of the machine somebody else has the number."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    await bench.die(job.id)
    JobFolder(bench.root, KEY).note_process(pid=os.getpid(), started="long ago")
    await tuner.cancel(job.id)  # which must not end this very process
    assert (await tuner.poll(job.id)).status == "cancelled"


async def test_a_process_that_nobody_noted_is_seen(bench: LocalBench) -> None:
    """We crashed between starting it and writing its number down."""
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    folder = JobFolder(bench.root, KEY)
    pid = folder.process["pid"]
    folder.note_process(pid=None, started="")
    assert (await tuner.poll(job.id)).status == "running"
    assert folder.process["pid"] is None
    folder.note_process(pid=pid, started=processes.started(pid))


async def test_a_process_that_has_not_come_to_its_own_lock_is_seen(bench: LocalBench) -> None:
    """We crashed right after starting it, and it still loads its libraries."""
    bench.script.write_text(bench.script.read_text().replace("fcntl.flock(lock, fcntl.LOCK_EX)", ""))
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.begun(job.id)
    folder = JobFolder(bench.root, KEY)
    pid, at = folder.process["pid"], folder.process["started"]
    folder.note_process(pid=None, started="")
    await tuner.poll(job.id)
    assert folder.process["pid"] is None, "no second one was started"
    folder.note_process(pid=pid, started=at)
    await bench.succeed(job.id)


async def test_what_a_crash_left_half_written_is_deleted(bench: LocalBench) -> None:
    tuner = bench.tuner()
    folder = bench.root / KEY
    folder.mkdir()
    for name in (".train.jsonl.1.new", ".validation.jsonl.1.new", ".job.json.1.new", ".process.json.1.new"):
        (folder / name).write_text("What somebody wrote")
    job = await created(bench, tuner)
    assert not list(folder.glob(".*.new"))
    (folder / ".train.jsonl.2.new").write_text("What somebody wrote")
    await bench.succeed(job.id)
    await tuner.delete_file(f"{KEY}/train")
    assert not list(folder.glob(".*.new"))


async def test_a_process_is_given_no_secrets(bench: LocalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISCORD_TOKEN", "OPENAI_API_KEY", "SLACK_BOT_TOKEN", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    job = await created(bench, bench.tuner())
    assert await bench.tell(job.id, "secrets") == "HF_TOKEN"


async def test_a_job_outlives_whoever_created_it(bench: LocalBench, tmp_path: Path) -> None:
    await plan(bench, bench.tuner())
    program = f"""
import asyncio
from pathlib import Path
from adapters.vendors.local import Options
from adapters.vendors.local.tuner import LocalTuner
from adapters.vendors.tuning import Plan, Uploaded

options = Options(Path({str(bench.root)!r}), {{"tiny": "tiny/random"}})
tuner = LocalTuner(options, script=Path({str(bench.script)!r}), libraries=())
print(asyncio.run(tuner.create(Plan({KEY!r}, "a", "sft", "tiny", Uploaded("{KEY}/train", "train")))).status)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() in {"preparing", "queued"}, done.stderr
    await bench.run(KEY)
    job = await bench.tuner().poll(KEY)
    assert (job.status, job.done) == ("running", 0.5)
    pid = int(JobFolder(bench.root, KEY).process["pid"])
    assert os.getsid(pid) != os.getsid(0), "neither Ctrl-C nor a closed terminal is for it"


async def test_what_a_crash_cut_is_not_read(bench: LocalBench) -> None:
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    before = await tuner.events(job.id), await tuner.metrics(job.id)
    for name in ("events.jsonl", "metrics.jsonl"):
        with (bench.root / KEY / name).open("a") as file:
            file.write('{"at": 1, "mess')
    assert (await tuner.events(job.id), await tuner.metrics(job.id)) == before
    (bench.root / KEY / "checkpoints" / "checkpoint-3").mkdir()
    assert [each.step for each in (await tuner.poll(job.id)).checkpoints] == [1, 2]


async def test_models_are_deleted_and_the_record_stays(bench: LocalBench) -> None:
    tuner = bench.tuner()
    job = await created(bench, tuner)
    await bench.run(job.id)
    name = f"counsel-2-{short(KEY)}"
    with pytest.raises(BadRequest, match="cancel it first"):
        await tuner.delete_model(name)
    await bench.succeed(job.id)
    await tuner.delete_model(f"{name}-step-3")
    assert [each.step for each in (await tuner.poll(job.id)).checkpoints] == [1, 2, 4]
    await tuner.delete_model(name)
    end = await tuner.poll(job.id)
    assert (end.status, end.model, end.checkpoints) == ("succeeded", name, ())
    assert await tuner.metrics(job.id)


async def test_the_time_of_the_next_job_is_known_from_the_last(bench: LocalBench) -> None:
    tuner, file = bench.tuner(), bench.file("train")
    assert await tuner.seconds(file, Hyperparameters(), "tiny") is None
    job = await created(bench, tuner)
    await bench.succeed(job.id)
    # 400 tokens in 8 seconds.
    assert await tuner.seconds(
        replace(file, tokens=1000), Hyperparameters(epochs=2), "tiny"
    ) == pytest.approx(40)
    assert await tuner.seconds(file, Hyperparameters(), "other") is None


async def test_a_missing_extra_says_what_to_install(bench: LocalBench) -> None:
    tuner = LocalTuner(bench.options(), libraries=("json", "no_such_library"))
    assert "no_such_library" in (await tuner.capabilities()).notice
    with pytest.raises(NotConfigured, match=r"needs no_such_library: pip install 'understudy\[train\]'"):
        await created(bench, tuner)
    assert not bench.jobs


async def test_the_other_python_is_asked_too(bench: LocalBench, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o700)
    tuner = LocalTuner(bench.options(python=str(other)), libraries=("json", "no_such_library"))
    assert "no_such_library" in (await tuner.capabilities()).notice
    gone = LocalTuner(bench.options(python="/no/such/python"), libraries=("json",))
    with pytest.raises(NotConfigured, match="/no/such/python, cannot be run"):
        await gone.capabilities()


async def test_a_base_model_that_is_no_folder_is_told(bench: LocalBench) -> None:
    tuner = bench.tuner(models={"tiny": "/no/such/model"})
    with pytest.raises(NotConfigured, match="there is no folder /no/such/model"):
        await created(bench, tuner)


@pytest.mark.parametrize("key", ["../elsewhere", "", "a/b", ".hidden", "x" * 65])
async def test_a_key_is_no_path(bench: LocalBench, key: str) -> None:
    with pytest.raises(BadRequest):
        await bench.tuner().upload(bench.file("train"), key)
    assert await bench.tuner().find(key) is None
    await bench.tuner().delete_file(f"{key}/train")


async def test_a_disk_that_fails_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = make_tuner(Options(root=tmp_path / "file"))
    with pytest.raises(Unavailable, match="cannot be used"):
        async with open_bench(tmp_path) as bench:
            await broken.upload(bench.file("train"), KEY)


def test_every_method_has_its_format() -> None:
    methods: tuple[Method, ...] = ("sft", "dpo", "kto")
    from training.formats.registry import FORMATS

    assert all(FORMATS[f"trl-{method}"].method == method for method in methods)


def test_the_script_stands_alone() -> None:
    """It is copied into folders that engines run elsewhere."""
    lines = TRAIN.read_text().splitlines()
    imported = [line for line in lines if line.startswith(("import ", "from "))]
    assert imported
    assert not [line for line in imported if "adapters" in line or "orjson" in line]


def test_the_start_of_a_process_tells_it_from_others() -> None:
    mine = processes.started(os.getpid())
    assert mine
    assert processes.alive(os.getpid(), mine)
    assert not processes.alive(os.getpid(), "long ago")
    assert not processes.alive(None, "")
    processes.send(os.getpid(), "long ago", signal.SIGKILL)
