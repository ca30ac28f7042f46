"""What is read of a training run in each of its states."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from adapters.platforms.base import Answer
from adapters.platforms.discord.controls import ANYBODY, run_control
from bot.finetuning import standing
from bot.finetuning.standing import About
from storage.run_history import Loss, Told
from storage.runs import ENDED, End, Live, Run
from training.hosts import Elsewhere

NOW = 1_795_000_000_000  # 2026-11-18, 11:06:40 UTC
MINUTE, HOUR = 60_000, 3_600_000
MODEL = "ft:gpt-4.1-mini:hive::B1"
DATASET = "guide-sft:2"
HEAD = "**Training run 7** · `openai:gpt-4.1-mini` on `guide-sft:2` (sft)"
STATES = ("prepared", "uploading", "creating", *get_args(Live), *get_args(End))

FALLING = [
    *(Loss("train", step, 2.0 / step, None, None) for step in range(1, 41)),
    Loss("validation", 20, 0.91, 0.7, 1.0),
    Loss("validation", 40, 0.943, 0.72, 2.0),
]


def run(state: str = "running", **other: Any) -> Run:
    """A run of openai that began forty minutes ago."""
    values: dict[str, Any] = dict.fromkeys(Run.__slots__)
    values |= dict.fromkeys(
        ("wanted", "job_id", "model", "said", "error", "trouble", "message", "told", "host"), ""
    )
    values |= dict.fromkeys(("polls", "quiet", "looked", "failures", "forgotten", "idle_ms"), 0)
    values |= {"number": 7, "vendor": "openai", "base_model": "gpt-4.1-mini", "method": "sft", "state": state}
    values |= {"checkpoints": [], "estimate": {}, "expected": 1.2, "created_at": NOW - 40 * MINUTE}
    values |= {"ended_at": NOW if state in ENDED else None, "model": MODEL if state == "succeeded" else ""}
    return Run(**(values | other))


def answer(made: Run, losses: list[Loss] | None = None) -> Answer:
    return standing.answer_of(made, DATASET, losses or [], NOW, avatar="Guide")


def figures(made: Run, losses: list[Loss] | None = None) -> dict[str, str]:
    return {field.name: field.value for field in answer(made, losses).fields}


@pytest.mark.parametrize(
    ("made", "text", "buttons"),
    [
        (run("prepared"), "🕐 It begins in a moment.", ["Cancel"]),
        (run("uploading"), "📤 Its rows are being brought to openai.", ["Cancel"]),
        (run("creating"), "📤 It is being ordered at openai.", ["Cancel"]),
        (
            run("creating", looked=1),
            "🔎 Whether openai has begun with it is being looked up; it is not ordered twice.",
            ["Cancel"],
        ),
        (run("preparing"), "🔎 Its rows are being looked through at openai.", ["Cancel"]),
        (run("queued"), "🕐 It waits for its turn at openai.", ["Cancel"]),
        (
            run("running", done=0.43),
            "⚙️ The model is being trained at openai.\n`▰▰▰▰▰▱▱▱▱▱▱▱` 43%",
            ["Cancel"],
        ),
        (run("running", vendor="embedded"), "⚙️ The model is being trained on this machine.", ["Cancel"]),
        (
            run("finishing", done=1.0),
            "🏁 The training is done; the model is being made ready at openai.\n`▰▰▰▰▰▰▰▰▰▰▰▰` 100%",
            ["Cancel"],
        ),
        (run("paused", done=0.5), "⏸️ It is paused.\n`▰▰▰▰▰▰▱▱▱▱▱▱` 50%", ["Resume", "Cancel"]),
        (run("cancelling"), "🛑 It is being cancelled at openai.", []),
        (
            run("running", wanted="cancel"),
            "⚙️ The model is being trained at openai.\nSomebody has cancelled it; openai has not confirmed it yet.",
            [],
        ),
        (
            run("running", wanted="pause"),
            "⚙️ The model is being trained at openai.\nSomebody has paused it; openai has not confirmed it yet.",
            ["Cancel"],
        ),
        (
            run("running", failures=3, trouble="openai did not answer in time"),
            (
                "⚙️ The model is being trained at openai.\n"
                "⚠️ Just now openai cannot be asked, and is asked again later: openai did not answer in time."
            ),
            ["Cancel"],
        ),
        (
            run("succeeded", done=1.0),
            f"✅ It has succeeded after about 40 minutes: the model is `openai:{MODEL}`.",
            ["Try it", "Activate …"],
        ),
        (
            run("failed", error="The file has\ninvalid rows"),
            "❌ It has failed after about 40 minutes. The file has invalid rows.",
            ["What happened?"],
        ),
        (run("cancelled"), "🛑 It was cancelled after about 40 minutes.", ["What happened?"]),
    ],
)
def test_the_words_and_buttons_of_each_state(made: Run, text: str, buttons: list[str]) -> None:
    shown = answer(made)
    named = HEAD.replace("openai", made.vendor)
    assert shown.text == f"{named}\n{text}"
    assert [button.label for button in shown.buttons] == buttons
    assert not shown.private


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_words_and_the_same_headline(state: str) -> None:
    first, *rest = answer(run(state)).text.splitlines()
    assert (first, bool(rest)) == (HEAD, True)
    assert "{" not in "".join(rest)


def test_buttons_give_the_commands() -> None:
    cancel = answer(run()).buttons[0]
    assert (cancel.command, cancel.args) == ("finetune cancel", {"name": "7"})
    try_, activate = answer(run("succeeded")).buttons
    asked = {"model": "run:7"}  # whose run it is says for whom
    assert (try_.command, try_.args) == ("finetune try", asked)
    assert (activate.command, activate.args) == ("finetune activate", {"model": "run:7"})
    assert answer(run("succeeded", model="")).buttons == ()
    long = run("succeeded", model="ft:gpt-4.1-mini-2025-04-14:hive::Babc123x")
    for button in (*answer(long).buttons, *answer(run()).buttons):
        assert run_control(ANYBODY, button.command, button.args), "it would be lost with the process"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (run(ends_at=NOW + 12 * MINUTE), "about 12 minutes left, until 11:18 UTC"),
        (run(ends_at=NOW + 30), "less than a minute left, until 11:06 UTC"),
        (run(ends_at=NOW + 125 * MINUTE), "about 2 hours 5 minutes left, until 13:11 UTC"),
        (run(ends_at=NOW + 20 * HOUR), "about 20 hours left, until 19 November, 07:06 UTC"),
        (run(ends_at=NOW + 70 * HOUR), "about 3 days left, until 21 November, 09:06 UTC"),
        (run(ends_at=NOW - 1), None),
        (run("queued", estimate={"seconds": 1200.0}), "about 20 minutes in all, as estimated"),
        (run(done=0.2, estimate={"seconds": 1200.0}), None),
        (run("paused", ends_at=NOW + HOUR), None),
        (run("succeeded", ends_at=NOW + HOUR), None),
    ],
)
def test_when_it_may_be_done(made: Run, text: str | None) -> None:
    assert figures(made).get("Time") == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (run(), "estimated at $1.20"),
        (run(cost=0.42), "$0.42 so far, estimated at $1.20 in all"),
        (run(cost=0.42, expected=None), "$0.42 so far"),
        (run(expected=None), "not known: there is no price for this model"),
        (run(expected=0.0, vendor="embedded"), "nothing: it runs on this machine"),
        (run("succeeded", cost=1.1), "$1.10, estimated at $1.20"),
        (run("succeeded"), "estimated at $1.20; openai does not say what it came to"),
        (run("failed", expected=None), "not known; look at openai for it"),
        (run("cancelled", cost=0.0), "$0, estimated at $1.20"),
        (
            run("succeeded", cost=1.1, estimate={"hosting": 30.0}),
            "$1.10, estimated at $1.20; the model costs $30.00 a month while it is kept",
        ),
    ],
)
def test_what_it_costs(made: Run, text: str) -> None:
    assert figures(made)["Cost"] == text


def test_the_last_losses_and_that_validation_rises() -> None:
    assert figures(run(), FALLING)["Loss"] == (
        "0.050 training at step 40; 0.943 validation at step 40, up from 0.910 at step 20"
    )
    assert "Loss" not in figures(run())
    assert "Memory" not in figures(run())
    assert figures(run(memory_bytes=3 << 30))["Memory"] == "at most 3.0 GiB"
    assert figures(run("succeeded", memory_bytes=700 << 20))["Memory"] == "at most 700 MiB"


def test_a_host_that_never_said_that_it_is_there_may_be_gone() -> None:
    never = Elsewhere("trainer-1", None)
    assert standing.place_of(run(), never).startswith(
        "⚠️ It is on the host trainer-1, which has never been heard from. Start Understudy there"
    )
    assert standing.place_of(run("failed"), never) == ""
    assert standing.place_of(run(), None) == ""


ROSE = [
    Loss("validation", 1, 3.9, 0.25, 0),
    Loss("validation", 19, 3.4, 0.45, 1.0),
    Loss("validation", 37, 3.6, 0.4, 2.0),
]


@pytest.mark.parametrize(
    ("kept", "text", "data"),
    [
        (None, "accuracy 25% at step 1, 40% at step 37", (0.25, 0.4, None)),
        (
            Loss("validation", 38, 3.4, 0.45, 1.0),
            "accuracy 25% at step 1, 45% in the end: the model of epoch 1 is kept",
            (0.25, 0.45, 1.0),
        ),
        (
            Loss("validation", 38, 3.6, 0.42, 2.0),
            "accuracy 25% at step 1, 42% in the end: the model of epoch 2 is kept",
            (0.25, 0.42, 2.0),
        ),
        (
            Loss("validation", 38, 3.9, 0.25, 0),
            "accuracy 25% at step 1, 25% in the end: the model that is kept answers as before the first epoch",
            (0.25, 0.25, 0),
        ),
    ],
)
def test_the_score_is_that_of_the_model_that_is_kept(
    kept: Loss | None, text: str, data: tuple[float, float, float | None]
) -> None:
    losses = [*ROSE, *([kept] if kept else [])]
    shown = figures(run("succeeded"), losses)
    assert shown["Held out"] == text
    assert shown["Loss"] == "3.600 validation at step 37, up from 3.400 at step 19", "the way to the end"
    assert standing.end_of(run("succeeded"), DATASET, losses=losses).text.endswith(f": {text}.")
    assert standing.held_out_data(losses) == dict(zip(("before", "after", "epoch"), data, strict=True))
    assert standing.picture_of(run("succeeded"), losses).data == standing.picture_of(run(), ROSE).data


def test_a_vendor_that_measures_twice_in_an_epoch_has_kept_none_of_them() -> None:
    losses = [*ROSE, Loss("validation", 55, 3.3, 0.5, 2.0)]
    assert figures(run("succeeded"), losses)["Held out"] == "accuracy 25% at step 1, 50% at step 55"
    assert standing.kept_of([]) is None


def test_checkpoints_are_named_once_they_can_be_used() -> None:
    made = [{"model": "a", "step": 20, "loss": 0.9}, {"model": "b", "step": 40, "loss": 0.8}]
    assert figures(run("succeeded", checkpoints=made))["Checkpoints"] == "2; `/finetune models` lists them"
    assert "Checkpoints" not in figures(run(checkpoints=made))


def test_a_curve_is_drawn_of_more_than_a_point() -> None:
    assert not standing.drawable([])
    assert not standing.drawable([FALLING[0], FALLING[40]])
    assert standing.drawable(FALLING)
    picture = standing.picture_of(run(), FALLING)
    assert (picture.name, picture.data[:4]) == ("Loss of training run 7.png", b"\x89PNG")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            run("succeeded"),
            (
                f"✅ Training run 7 on `guide-sft:2` has succeeded after about 40 minutes: try `openai:{MODEL}` before "
                "you activate it."
            ),
        ),
        (
            run("failed", error="No rows."),
            "❌ Training run 7 on `guide-sft:2` has failed after about 40 minutes. No rows.",
        ),
        (run("cancelled"), "🛑 Training run 7 on `guide-sft:2` was cancelled after about 40 minutes."),
    ],
)
def test_whoever_launched_it_reads_how_it_ended(made: Run, text: str) -> None:
    assert standing.end_of(made, DATASET, "Guide").text == text


def test_what_was_decided_unasked_is_told_and_can_be_taken_back() -> None:
    made = run("succeeded", avatar_id="01a1ff06-298b-70e7-bb37-af300b1847bb")
    released = About(Told("x", NOW, "info", "Guide answers with it: release 3."))
    kept = About(Told("x", NOW, "warning", "Guide was not given it: it does not answer."))
    for about, words, label in (
        (released, "Guide answers with it: release 3.", "Roll back …"),
        (kept, "Guide was not given it: it does not answer.", "Activate …"),
    ):
        shown = standing.answer_of(made, DATASET, [], NOW, avatar="Guide", about=about)
        end = standing.end_of(made, DATASET, "Guide", about=about)
        for each in (shown, end):
            assert words in each.text
            assert [button.label for button in each.buttons] == ["Try it", label]
        assert "before you activate it" not in end.text
    back = standing.buttons_of(made, "Ж" * 60, released=True)[1]
    assert (back.command, back.args) == ("finetune rollback", {"avatar": "~1847bb"})


def test_whoever_asks_reads_every_trouble_and_what_was_told_last() -> None:
    events = [Told(str(at), NOW, "info", f"event {at}") for at in range(4)]
    hiccup = run("running", failures=1, trouble="it is down")
    assert "it is down" not in answer(hiccup).text

    def asked(made: Run) -> str:
        about = About(asked=True, events=events)
        shown = standing.answer_of(made, DATASET, [], NOW, about=about)
        assert shown.private
        return shown.text

    assert asked(hiccup).splitlines()[-2:] == [
        "⚠️ Just now openai cannot be asked, and is asked again later: it is down.",
        "Last told: event 3",
    ]
    assert asked(run("succeeded")).splitlines()[-2:] == ["event 2", "event 3"]
    assert asked(run("failed", trouble="it is down")).endswith("is tried again later: it is down.")
