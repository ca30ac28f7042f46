"""Training runs as people order them: what they are asked and told, and that one click is one job."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.platforms.base import Access, Answer, Who
from adapters.platforms.discord.answers import Step, press_id
from adapters.vendors.base import NotConfigured, Unavailable
from adapters.vendors.tuning import BaseModel, Checkpoint, Point, Tuner
from bot import tuners as registry
from bot.app import tuners_of
from bot.finetuning.launching import follow
from bot.schedule import watch_runs
from bot.settings import Configuration, LocalSettings, Secrets, Settings, VendorSettings
from storage import audit, avatars, clock, releases, workspaces
from storage.database import Database, Tx
from storage.runs import Run
from tests.adapters.vendors.openai_bench import OpenAIBench, bench
from tests.bot.test_main import understudy
from tests.bot.theatre import ADA, BOB, ELSEWHERE, HERE, Theatre, play
from tests.training.runs_stage import BASE, MINUTE, START, Hands, ScriptedTuner, Vendor, dataset_of, lines

TRAINER = Who("tess", "Tess", Access.TRAINER)
ROWS, CHECKED = 20, 3


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture
def far() -> Vendor:
    return Vendor()


@pytest.fixture
async def theatre(database: Database, tmp_path: Path, hands: Hands, far: Vendor) -> AsyncIterator[Theatre]:
    """An application with a dataset, and a vendor in memory."""
    made = await opened(database, tmp_path, far)
    await stocked(made)
    yield made
    await made.services.training.close()


async def opened(database: Database, folder: Path, far: Vendor, **more: Tuner) -> Theatre:
    """A process, as it were."""
    found = {name: (lambda made=made: made) for name, made in more.items()}
    return play(database, folder, tuners={far.name: lambda: ScriptedTuner(far), **found})


async def stocked(theatre: Theatre, rows: int = ROWS, method: Any = "sft") -> None:
    assert (await theatre.say("hello")).status == "complete"
    await dataset_of(theatre.database, await workspace(theatre), lines(rows, CHECKED, method), method)


async def workspace(theatre: Theatre) -> str:
    def find(tx: Tx) -> str:
        found = workspaces.find(tx, HERE.platform, HERE.workspace)
        assert found is not None
        return found.id

    return await theatre.database.read(find)


async def give(theatre: Theatre, name: str, /, **values: Any) -> Answer:
    given: dict[str, Any] = {"who": TRAINER} | values
    return await theatre.command(f"finetune {name}", **given)


async def done(theatre: Theatre, name: str, /, **values: Any) -> Answer:
    answer = await give(theatre, name, **values)
    assert answer.ok, answer.text
    return answer


async def refused(theatre: Theatre, name: str, /, **values: Any) -> str:
    answer = await give(theatre, name, **values)
    assert not answer.ok
    assert "Its reference is" not in answer.text, answer.text
    return answer.text


async def launched(theatre: Theatre, **values: Any) -> Run:
    answer = await done(
        theatre, "launch", dataset="Counsel", confirmed=True, **({"vendor": "vendor"} | values)
    )
    return await run_of(theatre, answer)


async def run_of(theatre: Theatre, answer: Answer) -> Run:
    return await theatre.services.runs.numbered(await workspace(theatre), data(answer)["run"])


async def press(theatre: Theatre, answer: Answer, number: int = 0) -> Answer:
    button = answer.buttons[number]
    values: dict[str, Any] = dict(button.args)
    return await theatre.command(button.command, who=TRAINER, **values)


def data(answer: Answer) -> Any:
    return answer.data


def fields(answer: Answer) -> dict[str, str]:
    return {each.name: each.value for each in answer.fields}


# -- before


async def test_an_estimate_says_what_it_comes_to_and_launches_nothing(theatre: Theatre, far: Vendor) -> None:
    answer = await done(theatre, "estimate", dataset="Counsel", vendor="vendor", epochs=2)
    seen = fields(answer)
    assert seen["trains"] == f"vendor:{BASE} by sft"
    assert seen["dataset"] == "Counsel:1, as openai-sft"
    assert seen["rows"].startswith("20 to train on, 3 to check with")
    assert seen["epochs"] == "2"
    assert seen["takes"] == "about 2 minutes"
    assert "The price of training" in answer.text
    assert "Nothing was launched." in answer.text
    assert data(answer)["estimate"]["epochs"] == 2
    assert not far.plans
    assert (await press(theatre, answer)).ok
    assert [plan.hyperparameters.epochs for plan in far.plans] == [2]


async def test_a_launch_asks_first_and_a_double_click_is_one_job(theatre: Theatre, far: Vendor) -> None:
    asked = await done(theatre, "launch", dataset="Counsel", vendor="vendor", model=f"vendor:{BASE}")
    assert asked.text.endswith(f"Train vendor:{BASE} on Counsel:1 at a cost unknown?")
    assert not far.plans
    first, second = await asyncio.gather(press(theatre, asked), press(theatre, asked))
    assert first.ok
    assert second.ok
    assert data(first)["run"] == data(second)["run"]
    assert len(far.plans) == 1
    assert str(data(first)["run"]) in first.text


async def test_a_script_is_told_that_nothing_was_launched(theatre: Theatre, far: Vendor) -> None:
    object.__setattr__(theatre.services, "interactive", False)
    said = await refused(theatre, "launch", dataset="Counsel", vendor="vendor")
    assert said.endswith("Nothing was launched; add `--yes` to say so.")
    assert not far.plans


async def test_a_dry_run_launches_nothing_even_with_yes(theatre: Theatre, far: Vendor) -> None:
    answer = await done(theatre, "launch", dataset="Counsel", vendor="vendor", dry_run=True, confirmed=True)
    assert "Nothing was launched." in answer.text
    assert not far.plans


async def test_a_model_that_ends_soon_wants_a_second_yes(theatre: Theatre, far: Vendor) -> None:
    far.models = (BaseModel(BASE, ("sft",), shutdown_date="2026-12-24"),)
    first = await done(theatre, "launch", dataset="Counsel", vendor="vendor", confirmed=True)
    assert "2026-12-24" in first.text
    assert not far.plans
    assert data(first)["run"] is None
    assert (await press(theatre, first)).ok
    assert len(far.plans) == 1


async def test_an_offer_keeps_the_word_that_it_is_done_once_under(theatre: Theatre, far: Vendor) -> None:
    far.models = (BaseModel(BASE, ("sft",), shutdown_date="2026-12-24"),)
    word = "nightly/2026-11-21, 100 % of " + "it" * 10
    first = await done(theatre, "launch", dataset="Counsel", vendor="vendor", once=word)
    assert not far.plans
    pressed = await press(theatre, first)
    again = await done(theatre, "launch", dataset="Counsel", vendor="vendor", once=word, anyway=True)
    assert data(again)["run"] == data(pressed)["run"]
    assert len(far.plans) == 1


async def test_a_script_reads_what_to_add_for_a_model_that_ends_soon(theatre: Theatre, far: Vendor) -> None:
    far.models = (BaseModel(BASE, ("sft",), shutdown_date="2026-12-24"),)
    object.__setattr__(theatre.services, "interactive", False)
    order: dict[str, Any] = {"dataset": "Counsel", "vendor": "vendor", "who": ADA, "local": True}
    answer = await give(theatre, "launch", confirmed=True, **order)
    assert answer.text.endswith("Nothing was launched; add `--yes --anyway` to say so.")
    assert (answer.ok, answer.buttons) == (False, ())
    assert (await give(theatre, "launch", confirmed=True, anyway=True, **order)).ok


async def test_an_offer_is_taken_after_a_restart_as_it_was_made(
    theatre: Theatre, tmp_path: Path, far: Vendor, hands: Hands
) -> None:
    """Its button says all of it, in what the platform with the fewest characters keeps."""
    how = {"epochs": 3, "batch": 8, "rate": 0.12345678}
    asked = await done(theatre, "launch", dataset="Counsel", vendor="vendor", **how)
    (button,) = asked.buttons
    assert "us1.kept" not in press_id(Step(button.command, button.args), "1" * 19)
    # A newer version of the dataset and another first model came meanwhile: what was shown is what is launched.
    await stocked(theatre, rows=30)
    far.models = (BaseModel("newer-model", ("sft",)), *far.models)
    restarted = await opened(theatre.database, tmp_path, far)
    first, second = await press(restarted, asked), await press(restarted, asked)
    assert data(first)["run"] == data(second)["run"]
    (plan,) = far.plans
    assert (plan.base_model, plan.hyperparameters.epochs) == (BASE, 3)
    assert (plan.hyperparameters.batch_size, plan.hyperparameters.learning_rate) == (8, 0.12345678)
    assert {each.rows for each in far.files.values()} == {ROWS, CHECKED}
    await restarted.services.training.close()


async def test_an_offer_that_does_not_stand_any_more_says_so(theatre: Theatre, far: Vendor) -> None:
    asked = await done(theatre, "launch", dataset="Counsel", vendor="vendor")
    (button,) = asked.buttons
    values = dict(button.args)
    said = await refused(theatre, "launch", **(values | {"asked": "vendor/whatever"}))
    assert said == "That is none of the questions that buttons answer; leave out `asked`."
    said = await refused(theatre, "launch", **(values | {"dataset": "~99"}))
    assert said == "That dataset is not there (any more); `/finetune datasets` lists those that are."
    far.least_rows = 30
    assert "vendor trains on" in await refused(theatre, "launch", **values)
    far.models = (BaseModel("newer-model", ("sft",)),)
    assert await refused(theatre, "launch", **values) == (
        "vendor does not have the model of this offer any more, so nothing was launched: ask for a new one with "
        "`/finetune estimate`."
    )
    assert not far.plans


async def test_an_offer_for_one_workspace_is_nothing_in_another(theatre: Theatre, far: Vendor) -> None:
    asked = await done(theatre, "launch", dataset="Counsel", vendor="vendor")
    assert (await theatre.say("hello", place=ELSEWHERE)).status == "complete"
    said = await refused(theatre, "launch", place=ELSEWHERE, **dict(asked.buttons[0].args))
    assert said.startswith("That dataset is not there")
    assert not far.plans


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dataset": "Nothing"}, "There is no dataset 'Nothing'; there are: Counsel:1."),
        ({"vendor": "nobody"}, "no vendor of that name trains; there are: "),
        ({"model": "huge"}, f"vendor cannot train huge with sft; it can train {BASE}."),
        ({"vendor": "google"}, "google cannot train now"),
        ({"vendor": "local"}, "pip install 'understudy[train]'"),
        ({"vendor": "openai"}, "openai cannot train now"),
    ],
)
async def test_refusals_are_told_as_they_are(
    theatre: Theatre, far: Vendor, values: dict[str, Any], words: str
) -> None:
    order = {"dataset": "Counsel", "vendor": "vendor"} | values
    for command in ("estimate", "launch", "port"):
        assert words in await refused(theatre, command, **order)
    assert words in await refused(theatre, "launch", confirmed=True, **order)
    assert not far.plans


async def test_all_reasons_against_a_launch_are_told(theatre: Theatre, far: Vendor) -> None:
    far.least_rows = 30
    estimated = await done(theatre, "estimate", dataset="Counsel", vendor="vendor")
    assert "It would not be launched:" in estimated.text
    assert "vendor trains on" in estimated.text
    assert not estimated.buttons
    order = {"dataset": "Counsel", "vendor": "vendor"}
    for more in ({}, {"dry_run": True}, {"confirmed": True}):
        assert "vendor trains on" in await refused(theatre, "launch", **order, **more)


async def test_only_trainers_may(theatre: Theatre, far: Vendor) -> None:
    for command in (
        "estimate",
        "launch",
        "port",
        "jobs",
        "status",
        "logs",
        "pause",
        "resume",
        "cancel",
        "discard",
    ):
        answer = await give(theatre, command, who=BOB, dataset="Counsel", vendor="vendor", confirmed=True)
        assert not answer.ok, command
    assert not far.plans


async def test_who_did_what_is_in_the_log(theatre: Theatre) -> None:
    run = await launched(theatre)
    await done(theatre, "cancel", name=str(run.number))
    home = await workspace(theatre)
    entries = await theatre.database.read(lambda tx: audit.listed(tx, home, limit=100))
    acts = [(each.action, each.target) for each in entries if each.action.startswith("finetune")]
    assert ("finetune launch", str(run.number)) in acts
    assert ("finetune cancel", str(run.number)) in acts


# -- on the way


async def test_a_run_is_watched_shown_and_ended(theatre: Theatre, far: Vendor, hands: Hands) -> None:
    run = await launched(theatre)
    assert run.state == "queued"
    far.move("running", done=0.25)
    far.tell("step 1 of 4")
    far.losses += [Point(1, "train", 2.0), Point(1, "validation", 2.1, 0.25)]
    hands.now += MINUTE
    await watch_runs(theatre.services)
    shown = await done(theatre, "status")
    assert "25%" in shown.text
    assert {each.label for each in shown.buttons} >= {"Cancel"}
    far.losses += [Point(2, "train", 1.0), Point(2, "validation", 1.2, 0.5)]
    far.move("succeeded", checkpoints=(Checkpoint("ck", 1, 2.0),))
    hands.now += 5 * MINUTE
    shown = await done(theatre, "status", run=run.number)
    assert data(shown)["state"] == "succeeded"
    assert shown.picture is not None
    assert shown.picture.data.startswith(b"\x89PNG")
    listed = await done(theatre, "jobs")
    assert listed.table is not None
    assert data(listed)[0]["model"] == "vendor:tuned-job-0"
    logs = (await done(theatre, "logs", run=run.number)).text
    assert re.match(r"\*\*\d+ \w+ \d{4}\*\* \(UTC\)\n- `\d\d:\d\d:\d\d` ", logs), logs
    assert re.search(r"^- `\S+` step 1 of 4$", logs, re.MULTILINE), logs
    names = [each["model"] for each in data(await done(theatre, "models"))]
    assert names == ["vendor:tuned-job-0", "vendor:ck"]


async def test_pause_resume_and_cancel(theatre: Theatre, far: Vendor, hands: Hands) -> None:
    run = await launched(theatre)
    far.move("running", done=0.1)
    hands.now += MINUTE
    await watch_runs(theatre.services)
    assert data(await done(theatre, "pause"))["state"] == "paused"
    assert "is paused already" in await refused(theatre, "pause", run=run.number)
    assert data(await done(theatre, "resume", run=run.number))["state"] == "running"
    assert "is not paused" in await refused(theatre, "resume", run=run.number)
    assert data(await done(theatre, "cancel"))["state"] == "cancelled"
    assert "has ended" in await refused(theatre, "cancel", name=str(run.number))
    assert "There is no training run 99" in await refused(theatre, "status", run=99)


async def test_which_one_to_cancel_is_asked(theatre: Theatre) -> None:
    assert "Nothing is being built" in await refused(theatre, "cancel")
    first = await launched(theatre)
    second = await launched(theatre, epochs=2)
    assert f"run {first.number}, run {second.number}" in await refused(theatre, "cancel")
    assert data(await done(theatre, "cancel", name=str(second.number)))["state"] == "cancelled"


async def test_two_processes_share_a_run(
    theatre: Theatre, database: Database, tmp_path: Path, far: Vendor, hands: Hands
) -> None:
    other = await opened(database, tmp_path, far)
    run = await launched(theatre)
    far.move("running")
    hands.now += MINUTE
    before = far.calls["poll"]
    ticked = await asyncio.gather(watch_runs(theatre.services), watch_runs(other.services))
    assert sum(ticked) == 1
    assert far.calls["poll"] - before == 1
    assert data(await done(other, "status", run=run.number))["state"] == "running"
    assert len(far.plans) == 1
    await other.services.training.close()


async def test_a_vendor_that_is_down_is_told(theatre: Theatre, far: Vendor, hands: Hands) -> None:
    far.slip("upload", Unavailable("vendor is down", vendor="vendor"))
    answer = await done(theatre, "launch", dataset="Counsel", vendor="vendor", confirmed=True)
    run = await run_of(theatre, answer)
    assert (run.state, run.trouble) == ("uploading", "vendor is down")
    hands.now += 5 * MINUTE
    await watch_runs(theatre.services)
    assert (await run_of(theatre, answer)).state == "queued"


async def test_waiting_goes_along_until_the_end(theatre: Theatre, far: Vendor, hands: Hands) -> None:
    lines_seen: list[tuple[str, float | None]] = []
    run = await launched(theatre)

    async def progress(text: str, done: float | None = None) -> None:
        lines_seen.append((text, done))

    async def pause(seconds: float) -> None:
        hands.now += round(seconds * 1000) + 1000
        far.move("succeeded" if len(lines_seen) > 3 else "running", done=0.5)

    run = await follow(theatre.services, run, progress, pause)
    assert run.state == "succeeded"
    assert run.next_at is None
    assert not far.files
    assert lines_seen[-1][0].startswith(f"Run {run.number}: ✅ It has succeeded")


async def test_a_run_that_fails_fails_the_command_that_waits(
    theatre: Theatre, far: Vendor, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pause(seconds: float) -> None:
        hands.now += round(seconds * 1000) + 1000
        far.move("failed", error="The rows taught it nothing.")

    monkeypatch.setattr("bot.finetuning.launching.launch.__defaults__", (pause,))
    values: dict[str, Any] = {"dataset": "Counsel", "vendor": "vendor", "wait": True}
    answer = await give(theatre, "launch", who=ADA, local=True, confirmed=True, **values)
    assert not answer.ok
    assert "The rows taught it nothing." in answer.text


# -- elsewhere


async def test_porting_says_what_does_not_fit(theatre: Theatre, far: Vendor) -> None:
    asked = await done(theatre, "port", dataset="Counsel", vendor="vendor")
    assert asked.text.startswith("Counsel:1 as openai-sft for vendor: 23 rows fit, and none is left out.")
    assert (await press(theatre, asked)).ok
    assert len(far.plans) == 1


async def test_who_deletes_a_dataset_is_told_which_model_learnt_from_it(
    theatre: Theatre, far: Vendor, hands: Hands
) -> None:
    await launched(theatre)
    far.move("succeeded", checkpoints=(Checkpoint("early", 10),))
    hands.now += MINUTE
    await watch_runs(theatre.services)
    answer = await done(theatre, "delete", dataset="Counsel", confirmed=True)
    assert answer.text.startswith("Counsel:1 is deleted. vendor:tuned-job-0 learnt from it and stays: ")
    assert data(answer) == {"dataset": "Counsel:1", "trained": ["vendor:tuned-job-0"]}


async def test_a_tuned_model_is_deleted_with_its_checkpoints_unless_one_of_them_answers(
    theatre: Theatre, far: Vendor, hands: Hands
) -> None:
    await launched(theatre)
    far.move("succeeded", checkpoints=(Checkpoint("early", 10), Checkpoint("late", 20)))
    hands.now += MINUTE
    await watch_runs(theatre.services)
    model = "vendor:tuned-job-0"
    assert "for good" in await refused(theatre, "discard", model=model)
    home = await workspace(theatre)

    def answer_with(tx: Tx, model: str | None, base: str | None = None) -> str:
        avatar = avatars.listed(tx, home)[0]
        version = releases.current(tx, avatar.id).prompt_version_id
        releases.add(tx, avatar.id, model=model, base_model=base, prompt_version_id=version)
        return avatar.name

    name = await theatre.database.write(lambda tx: answer_with(tx, "vendor:late"))
    text = await refused(theatre, "discard", model=model, confirmed=True)
    assert f"{name} answers with vendor:late: `/finetune rollback` first." in text
    await theatre.database.write(lambda tx: answer_with(tx, None, model))  # as /model does
    assert f"{name} answers with {model}" in await refused(theatre, "discard", model=model, confirmed=True)
    assert not far.deleted
    assert (await done(theatre, "discard", model="vendor:early", confirmed=True)).text == (
        "vendor:early was deleted at vendor."
    )
    await theatre.database.write(lambda tx: answer_with(tx, None))
    text = (await done(theatre, "discard", model=model, confirmed=True)).text
    assert text == f"{model} was deleted at vendor, and its checkpoint with it."
    assert data(await done(theatre, "models")) == []
    assert far.deleted == ["early", "tuned-job-0", "late"]


async def test_names_are_completed(theatre: Theatre) -> None:
    run = await launched(theatre)
    command = next(each for each in theatre.app.commands if each.name == "finetune launch")
    by_name = {each.name: each for each in command.params}
    status = next(each for each in theatre.app.commands if each.name == "finetune status")

    async def offered(complete: Any, typed: str, **values: Any) -> list[str]:
        from adapters.platforms.base import Call

        async def silent(text: str, done: float | None = None) -> None:
            del text, done

        return list(await complete(Call("finetune", HERE, TRAINER, values, silent, START), typed))

    assert await offered(by_name["vendor"].complete, "em") == ["embedded"]
    assert await offered(by_name["model"].complete, "", vendor="vendor") == [BASE]
    assert await offered(by_name["model"].complete, "", vendor="nobody") == []
    assert await offered(status.params[0].complete, "") == [str(run.number)]


# -- real vendors


@pytest.fixture
async def openai(tmp_path: Path) -> AsyncIterator[OpenAIBench]:
    async with bench(tmp_path / "bench") as made:
        yield made


async def test_a_run_at_openai(
    database: Database, tmp_path: Path, openai: OpenAIBench, far: Vendor, hands: Hands
) -> None:
    theatre = await opened(database, tmp_path, far, openai=openai.tuner())
    await stocked(theatre)
    asked = await done(theatre, "launch", dataset="Counsel", vendor="openai", model=openai.base_model)
    if data(asked)["confirm"]:
        asked = await press(theatre, asked)
        assert data(asked)["run"] is None
    run = await run_of(theatre, await press(theatre, asked))
    (job,) = openai.jobs
    assert run.job_id == job
    openai.server.queue(job)
    openai.server.run(job)
    hands.now += MINUTE
    await watch_runs(theatre.services)
    assert data(await done(theatre, "status"))["state"] == "running"
    openai.server.succeed(job)
    hands.now += 20 * MINUTE
    await watch_runs(theatre.services)
    shown = await done(theatre, "status", run=run.number)
    assert data(shown)["state"] == "succeeded"
    assert data(shown)["model"].startswith("openai:ft:")
    assert not openai.files
    await theatre.services.training.close()


@pytest.mark.timeout(180)
async def test_a_run_of_the_embedded_model(database: Database, tmp_path: Path) -> None:
    theatre = play(database, tmp_path)
    await stocked(theatre, rows=40)
    answer = await give(
        theatre, "launch", who=ADA, local=True, confirmed=True, dataset="Counsel", epochs=2, wait=True
    )
    assert answer.ok, answer.text
    model = data(answer)["model"]
    assert model.startswith("embedded:")
    (row,) = [each for each in data(await done(theatre, "models")) if each["step"] is None]
    assert row["model"] == model
    chat, name = theatre.services.models.find(model)
    assert name in [each.name for each in await chat.models()]
    await theatre.services.training.close()


@pytest.mark.timeout(180)
def test_a_shell_waits_for_the_end_and_scripts_can_tell(data_dir: Path, tmp_path: Path) -> None:
    del data_dir
    file = tmp_path / "sums.jsonl"
    asked = [(f"What is {n} plus {n}, and why?", f"It is {n + n}, which is {n} twice.") for n in range(40)]
    file.write_bytes(
        b"\n".join(
            orjson.dumps(
                {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": said}]}
            )
            for q, said in asked
        )
    )
    given = ("--path", str(file), "--format", "openai-sft", "--consented")
    assert understudy("finetune", "import", *given).returncode == 0
    unsaid = understudy("finetune", "launch", "--dataset", "sums")
    assert unsaid.returncode == 1
    assert b"Nothing was launched; add `--yes` to say so." in unsaid.stderr
    order = ("--dataset", "sums", "--epochs", "2", "--wait", "--yes", "--json")
    waited = understudy("finetune", "launch", *order)
    assert waited.returncode == 0, waited.stderr
    told = orjson.loads(waited.stdout)
    assert (told["run"], told["state"]) == (1, "succeeded")
    (listed,) = orjson.loads(understudy("finetune", "jobs", "--json").stdout)
    assert listed["model"] == told["model"]
    refusal = understudy("finetune", "launch", "--dataset", "sums", "--vendor", "openai", "--yes")
    assert refusal.returncode == 1
    assert b"OPENAI_API_KEY" in refusal.stderr


# -- who trains


def configured(folder: Path, **settings: Any) -> Configuration:
    return Configuration(settings=Settings(**settings), secrets=Secrets(), data_dir=folder, source=None)


def test_vendors_are_made_by_name(tmp_path: Path) -> None:
    found = tuners_of(configured(tmp_path, local=LocalSettings(models={"tiny": "./tiny"})), {})
    assert found.vendors[:2] == ("embedded", "local")
    assert found.find("embedded") is found.find("embedded")
    assert found.find("local").vendor == "local"
    for _ in range(2):
        with pytest.raises(NotConfigured, match="key"):
            found.find("openai")
    assert "openai" not in found.vendors


def test_each_vendor_that_speaks_openais_protocol_trains(tmp_path: Path) -> None:
    address = VendorSettings(base_url="http://127.0.0.1:9/v1")
    found = tuners_of(configured(tmp_path, vendors={"one": address, "two": address}), {})
    assert [found.find(name).vendor for name in ("one", "two")] == ["one", "two"]
    assert found.find("google").vendor == "google"


def test_others_join_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far: Vendor) -> None:
    class Theirs:
        def load(self) -> Any:
            return lambda configuration: ScriptedTuner(far)  # pyright: ignore[reportUnknownLambdaType]

    class Broken:
        def load(self) -> Any:
            raise ModuleNotFoundError("No module named 'tinker'", name="tinker")

    monkeypatch.setattr(registry, "_others", lambda: {"theirs": Theirs(), "broken": Broken()})
    found = tuners_of(configured(tmp_path), {})
    assert found.vendors[-2:] == ("theirs", "broken")
    assert found.find("theirs").vendor == "vendor"
    with pytest.raises(NotConfigured, match="broken needs tinker, which is not installed"):
        found.find("broken")


def test_our_own_entry_points_are_those_of_the_program() -> None:
    import tomllib

    from tests.conftest import ROOT

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][registry.GROUP]
    import bot.app

    for name, place in listed.items():
        module, _, function = place.partition(":")
        assert module == "bot.app"
        assert callable(getattr(bot.app, function)), name
