"""The embedded model: the contract, what it answers and what it leaves alone, its files, its speed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.vendors.base import (
    BadRequest,
    ChatModel,
    ChatRequest,
    Delta,
    Finished,
    ModelNotFound,
    Shot,
    Turn,
)
from adapters.vendors.embedded import Embedded, chat_model
from adapters.vendors.embedded.artefact import Artefact, base, checkpoint, digest, dump, load, save
from adapters.vendors.embedded.fit import Pair, epochs, fit, floor_for, matrix
from adapters.vendors.embedded.model import UNKNOWN, Loaded, chunks
from adapters.vendors.embedded.similarity import FEATURES, Weights, features, score, typo
from adapters.vendors.embedded.text import Lexicon
from adapters.vendors.embedded.tokens import count, truncate
from tests.adapters.vendors.contract import CHECKS

LEXICON = Lexicon()
BASE = base()
FLOOR = BASE.weights.floor
TEXTS = st.text(max_size=200) | st.text(
    alphabet="how do i delete my data? 🙂שלום 世界'-\n\u200b\u202e", max_size=80
)
ROWS = [
    json.loads(line) for line in Path(__file__).with_name("paraphrases.jsonl").read_text("utf-8").splitlines()
]
WORKSHOP = Shot("What are the opening hours of the workshop?", "From nine to five, on weekdays.", "workshop")
WIFI = Shot("what is the wifi password", "It hangs in the kitchen.", "wifi")


def ask(
    model: Embedded, text: str, *shots: Shot, name: str = "base", unknown: str = "", limit: int | None = None
) -> tuple[str, Finished]:
    """The whole reply and its end."""

    async def run() -> tuple[str, Finished]:
        said, end = "", None
        asked = ChatRequest(name, "", (Turn("user", text),), shots, unknown, max_output_tokens=limit)
        async for event in model.stream(asked):
            if isinstance(event, Delta):
                said += event.text
            else:
                end = event
        assert end is not None
        return said, end

    return asyncio.run(run())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[ChatModel, str], Awaitable[None]]) -> None:
    async def run() -> None:
        model = chat_model()
        await check(model, "base")
        await model.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("when is the workshop open?", "workshop"),
        ("workshop opening times", "workshop"),
        ("wifi password?", "wifi"),
        ("whats the wifi pasword", "wifi"),
        ("What is the capital of Peru?", None),
        ("how do I reset my password", None),
        ("who runs the workshop?", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_answers_in_other_words_and_nothing_else(asked: str, wanted: str | None) -> None:
    said, end = ask(Embedded(), asked, WORKSHOP, WIFI)
    shot = next((shot for shot in (WORKSHOP, WIFI) if shot.id == wanted), None)
    assert said == (shot.assistant if shot else UNKNOWN)
    assert end.known is (shot is not None)
    assert end.example_ids == ((shot.id,) if shot else ())
    assert end.usage.cost == 0.0


def test_says_that_it_does_not_know_in_the_avatars_voice() -> None:
    assert (
        ask(Embedded(), "What is the capital of Peru?", WIFI, unknown="Ahoy, no idea.")[0] == "Ahoy, no idea."
    )


def test_answers_only_the_last_user_turn() -> None:
    async def run() -> Finished:
        turns = (
            Turn("user", WIFI.user),
            Turn("assistant", WIFI.assistant),
            Turn("user", "who won the cup in 1954?"),
        )
        events = [event async for event in Embedded().stream(ChatRequest("base", "", turns, (WIFI,)))]
        assert isinstance(events[-1], Finished)
        return events[-1]

    assert not asyncio.run(run()).known


def test_a_reply_cut_short_says_so() -> None:
    said, end = ask(Embedded(), WIFI.user, WIFI, limit=3)
    assert WIFI.assistant.startswith(said)
    assert end.reason == "length"
    assert end.usage.tokens_out <= 3


def test_a_slow_listener_can_cancel_between_pieces() -> None:
    async def run() -> int:
        heard = 0
        started = asyncio.Event()

        async def listen() -> None:
            nonlocal heard
            shot = replace(WIFI, assistant="word " * 10_000)
            async for _ in Embedded().stream(ChatRequest("base", "", (Turn("user", WIFI.user),), (shot,))):
                heard += 1
                started.set()

        task = asyncio.create_task(listen())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return heard

    assert asyncio.run(run()) < 10


def test_explain_gives_each_example_its_score_best_first() -> None:
    found = asyncio.run(Embedded().explain("wifi password?", [WORKSHOP, WIFI]))
    assert [name for name, _ in found] == ["wifi", "workshop"]
    assert found[0][1] >= FLOOR > found[1][1]


def _verdicts() -> tuple[int, int, int]:
    taught = [Shot(text, text, text) for text in sorted({row["question"] for row in ROWS})]
    fits = {(row["question"], row["asked"].strip("?").casefold()) for row in ROWS if row["same"]}
    loaded = Loaded(Artefact("all", BASE.weights, tuple(taught)))
    right = wrong = 0
    for row in ROWS:
        match = loaded.best(row["asked"], ())
        if match is None or match.score < FLOOR:
            continue
        asked = row["asked"].strip("?").casefold()
        ok = (match.shot.id, asked) in fits or match.shot.id.strip("?").casefold() == asked
        right, wrong = right + ok, wrong + (not ok)
    return right, wrong, sum(row["same"] for row in ROWS)


def test_written_paraphrases_come_back_and_near_misses_do_not() -> None:
    right, wrong, answerable = _verdicts()
    assert answerable >= 100
    assert len(ROWS) - answerable >= 60
    assert right / (right + wrong) >= 0.92
    assert right / answerable >= 0.7


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_any_text_has_a_score(question: str, candidate: str, answer: str) -> None:
    vector = features(LEXICON, question, candidate, answer)
    assert len(vector) == len(FEATURES)
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in vector)
    assert 0.0 <= score(LEXICON, BASE.weights, question, candidate, answer) <= 1.0


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_the_same_question_is_known(question: str) -> None:
    found = score(LEXICON, BASE.weights, question, question)
    assert found == (1.0 if LEXICON.prepare(question).whole.key else 0.0)
    assert found >= FLOOR or not question.strip()


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_features_are_symmetric_where_they_say_so(one: str, other: str) -> None:
    # Longer texts are compared by one of several views, and equally good views may differ: the first line is enough.
    one, other = one.partition("\n")[0].replace(".", ""), other.partition("\n")[0].replace(".", "")
    forth: dict[str, float] = dict(zip(FEATURES, features(LEXICON, one, other), strict=True))
    back: dict[str, float] = dict(zip(FEATURES, features(LEXICON, other, one), strict=True))
    if len(LEXICON.prepare(one).views) > 1 or len(LEXICON.prepare(other).views) > 1:
        return
    for name, value in forth.items():
        mirror = (
            name.replace("_question", "_?").replace("_candidate", "_question").replace("_?", "_candidate")
        )
        assert value == pytest.approx(back[mirror]), name


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_tokens_grow_with_the_text(one: str, other: str) -> None:
    assert max(count(one), count(other)) <= count(one + other) <= count(one) + count(other)
    assert "".join(chunks(one)) == one
    assert count(truncate(one, 5)) <= 5
    assert one.startswith(truncate(one, 5))


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "word " * 20_000, "世" * 100_000, "🙂" * 100_000, "?! " * 33_000]
)
def test_very_long_texts_take_bounded_time(text: str) -> None:
    started = time.process_time()
    ask(Embedded(), text, WORKSHOP, Shot(text + " x", "yes", "long"))
    assert time.process_time() - started < 1.0


def test_eight_examples_are_scored_in_about_a_millisecond() -> None:
    shots = [Shot(row["question"], "yes", str(at)) for at, row in enumerate(ROWS[::41][:8])]
    loaded = Loaded(BASE)
    loaded.best("warm the caches", shots)
    best = 1.0
    for row in ROWS[:40]:
        started = time.process_time()
        loaded.best(row["asked"], shots)
        best = min(best, time.process_time() - started)
    assert best < 0.004  # four times the aim: the machine may be busy


def test_numpy_is_not_imported_to_answer() -> None:
    code = "import sys, adapters.vendors.embedded as e; e.chat_model(); print('numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_a_typo_is_forgiven_but_two_known_words_are_two_words() -> None:
    assert typo("pasword", "password")
    assert typo("disocrd", "discord")
    assert not typo("house", "mouse")
    assert not typo("lima", "peru")


# --- artefacts


def trained(pairs: tuple[Shot, ...] = (WORKSHOP, WIFI)) -> Artefact:
    """A small trained model."""
    return Artefact("counsel-3", BASE.weights, pairs, {"workshop": 0.5}, {"dataset": "counsel 3"})


def test_an_artefact_answers_from_what_it_was_trained_on(tmp_path: Path) -> None:
    save(trained(), tmp_path)
    model = Embedded(tmp_path)
    said, end = ask(model, "when is the workshop open?", name="counsel-3")
    assert (said, end.example_ids, end.known) == (WORKSHOP.assistant, ("workshop",), True)
    save(replace(trained(), name=checkpoint("counsel-3", 12)), tmp_path)
    assert [info.name for info in asyncio.run(model.models())] == ["base", "counsel-3"]
    assert ask(model, WIFI.user, name="counsel-3-epoch-12")[1].known  # for whoever knows it
    # What an avatar was shown for this message wins over what it was trained on.
    assert (
        ask(model, WIFI.user, replace(WIFI, assistant="It changed.", id="new"), name="counsel-3")[0]
        == "It changed."
    )


def test_an_artefact_survives_the_disk(tmp_path: Path) -> None:
    written = trained()
    read = load(save(written, tmp_path))
    assert dump(read) == dump(written)
    assert read.pairs == written.pairs
    assert list(tmp_path.iterdir()) == [tmp_path / "counsel-3.json"]


def test_an_artefact_that_changes_is_read_again(tmp_path: Path) -> None:
    save(trained(), tmp_path)
    model = Embedded(tmp_path)
    assert ask(model, WIFI.user, name="counsel-3")[1].known
    save(trained((WORKSHOP,)), tmp_path)
    assert not ask(model, WIFI.user, name="counsel-3")[1].known


@pytest.mark.parametrize("name", ["../counsel-3", "counsel-4", "", "COUNSEL", "a/b", "base.json\0"])
def test_names_without_a_file_are_not_found(tmp_path: Path, name: str) -> None:
    save(trained(), tmp_path)
    with pytest.raises(ModelNotFound):
        ask(Embedded(tmp_path / "."), WIFI.user, name=name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 3}, "version"),
        ({"format": "other"}, "format"),
        ({"features": ["one"]}, "features"),
        ({"weights": [1.0]}, "weights"),
        ({"weights": ["x"] * len(FEATURES)}, "float"),
        ({"bias": float("nan")}, "finite"),
        ({"floor": 0}, "floor"),
        ({"terms": {"a": 2}}, "term"),
        ({"pairs": [{"user": "a"}]}, "assistant"),
        ({"pairs": [1]}, "user"),
    ],
)
def test_a_file_that_is_not_valid_is_told(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    path = tmp_path / "bad.json"
    document = json.loads(dump(trained())) | change
    path.write_text(json.dumps(document | {"digest": digest(document)}), "utf-8")
    with pytest.raises(BadRequest, match=reason):
        load(path)


def test_a_file_that_was_changed_by_hand_or_cut_is_told(tmp_path: Path) -> None:
    path = save(trained(), tmp_path)
    path.write_text(path.read_text("utf-8").replace("nine to five", "ten to five"), "utf-8")
    with pytest.raises(BadRequest, match=r"counsel-3\.json is no model of this vendor: it is damaged"):
        load(path)


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    document = json.loads(dump(trained())) | {"version": 1}
    del document["digest"], document["learned"]
    path = tmp_path / "counsel-3.json"
    path.write_text(json.dumps(document), "utf-8")
    assert load(path) == trained()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b"null", b"[" * 100_000])
def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(BadRequest, match=r"bad\.json"):
        ask(Embedded(tmp_path), "hello", name="bad")


def test_ten_thousand_trained_pairs_are_searched_quickly() -> None:
    pairs = [Shot(f"how do i {verb} the {noun} number{at}", "so", str(at)) for at in range(5_000) for verb, noun in
             (("paint", "fence"), ("water", "garden"))]  # fmt: skip
    loaded = Loaded(Artefact("large", BASE.weights, (*pairs, WIFI)))
    started = time.process_time()
    match = loaded.best("whats the wifi pasword", ())
    assert time.process_time() - started < 0.1
    assert match is not None
    assert match.shot == WIFI
    found = loaded.best("paint the fence number4321, how?", ())
    assert found is not None
    assert found.shot.user == "how do i paint the fence number4321"


# --- fitting


def test_fit_is_reproducible_and_keeps_the_signs() -> None:
    pairs = [Pair(row["asked"], row["question"]) for row in ROWS]
    labels = [int(row["same"]) for row in ROWS]
    weights = fit(pairs, labels, count=60)
    assert weights == fit(pairs, labels, count=60)
    assert weights.values[FEATURES.index("coverage_both")] >= 0
    assert weights.values[FEATURES.index("opposite")] <= 0
    assert 0 < weights.floor < 1


def test_loss_falls_from_epoch_to_epoch() -> None:
    import numpy as np

    rows = matrix([Pair(row["asked"], row["question"]) for row in ROWS])
    losses = [epoch.loss for epoch in epochs(rows, np.array([float(row["same"]) for row in ROWS]), count=60)]
    assert losses[-1] < losses[0] * 0.9


def test_fit_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit([Pair("a", "b")], [1])


def test_the_floor_is_the_lowest_that_keeps_the_precision() -> None:
    assert floor_for([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], precision=0.75) == 0.6
    assert floor_for([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0], precision=0.95) == 0.8
    assert floor_for([0.9, 0.8], [0, 0]) > 0.9


def test_weights_are_checked() -> None:
    with pytest.raises(ValueError, match="weights are needed"):
        Weights((1.0,), 0.0, 0.5)
