"""What the trainers are really given: the reply whole, and nothing but the reply to learn from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from adapters.vendors.local import train
from adapters.vendors.local.inprocess import Engine
from tests.train import tiny

REPLY = "It is written on the white board in the kitchen, in blue."
WORSE = "Ask me anything about boats and harbours."
MOST = 96


def long_row(method: str) -> Mapping[str, Any]:
    """Some 1,000 tokens of talk before a reply of thirty."""
    talk = [{"role": "system", "content": "You are a colleague."}]
    for number in range(30):
        talk.append({"role": "user", "content": f"What is {number} plus one?"})
        talk.append({"role": "assistant", "content": f"It is {number + 1}, in the kitchen."})
    talk.append({"role": "user", "content": "What is the wifi password?"})
    reply, worse = ([{"role": "assistant", "content": text}] for text in (REPLY, WORSE))
    if method == "messages":
        return {"messages": talk + reply}
    if method == "dpo":
        return {"prompt": talk, "chosen": reply, "rejected": worse}
    return {"prompt": talk, "completion": reply} | ({"label": True} if method == "kto" else {})


def trainer(
    tmp_path: Path, model: Path, method: str, rows: Sequence[Mapping[str, Any]], **job: object
) -> Any:
    """TRL's trainer, set up as a job would set it up."""
    tiny.write(tmp_path / "train.jsonl", rows)
    told = {"method": method, "base_model": str(model), "max_length": MOST, "device": "cpu", **job}
    (tmp_path / "job.json").write_text(json.dumps(told))
    folder = train.Folder(tmp_path)
    return train.trainer_of(folder, folder.job(), import_module("torch"), 1)


def test_sft_learns_the_whole_reply_and_nothing_else(tmp_path: Path, model: Path) -> None:
    for kind in ("sft", "messages"):
        (tmp_path / kind).mkdir()
        made = trainer(tmp_path / kind, model, "sft", [long_row(kind)])
        row = made.train_dataset[0]
        assert len(row["input_ids"]) <= MOST
        learnt = [token for token, label in zip(row["input_ids"], row["labels"]) if label != -100]
        text = made.processing_class.decode(learnt)
        assert text.strip() == f"{REPLY}<|end|>"
        shown = made.processing_class.decode(row["input_ids"])
        assert shown.startswith("### System:\nYou are a colleague.")
        assert "What is the wifi password?" in shown
        assert "What is 0 plus one?" not in shown
        batch = made.data_collator([row])
        assert batch["input_ids"].shape[1] == len(row["input_ids"]), "the collator cuts nothing either"


def test_dpo_and_kto_see_whole_replies(tmp_path: Path, model: Path) -> None:
    (tmp_path / "dpo").mkdir()
    made = trainer(tmp_path / "dpo", model, "dpo", [long_row("dpo")])
    row, decode = made.train_dataset[0], made.processing_class.decode
    assert decode(row["chosen_ids"]).strip() == f"{REPLY}<|end|>"
    assert decode(row["rejected_ids"]).strip() == f"{WORSE}<|end|>"
    assert len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])) <= MOST
    (tmp_path / "kto").mkdir()
    made = trainer(
        tmp_path / "kto", model, "kto", [long_row("kto"), {**tiny.rows("kto", 2)[1]}], batch_size=1
    )
    row = made.train_dataset[0]
    assert decode(row["completion_ids"]).strip() == f"{REPLY}<|end|>"
    assert len(row["prompt_ids"]) + len(row["completion_ids"]) <= MOST
    assert made.args.per_device_train_batch_size > 1


def test_all_turns_are_learnt_where_that_is_wanted(tmp_path: Path, model: Path) -> None:
    talk = [
        {"role": "user", "content": "What is one plus one?"},
        {"role": "assistant", "content": "It is two."},
        {"role": "user", "content": "Ask me."},
        {"role": "assistant", "content": REPLY},
    ]
    made = trainer(tmp_path, model, "sft", [{"messages": talk}], loss="assistant")
    row = made.train_dataset[0]
    learnt = [token for token, label in zip(row["input_ids"], row["labels"]) if label != -100]
    assert made.processing_class.decode(learnt) == f"It is two.<|end|>{REPLY}<|end|>"


def test_a_reply_that_is_too_long_is_left_out(tmp_path: Path, model: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": "Ask me."}],
        "completion": [{"role": "assistant", "content": REPLY * 9}],
    }
    made = trainer(tmp_path, model, "sft", [row, *tiny.rows("sft", 3)])
    assert len(made.train_dataset) == 3
    assert "1 of 4 rows (train) were left out: the reply alone is over 96 tokens" in (
        (tmp_path / "events.jsonl").read_text()
    )


def test_a_question_that_is_too_long_keeps_its_end(tmp_path: Path, model: Path) -> None:
    question = "What is one plus two? " * 60 + "Ask me anything."
    row = {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": REPLY}],
    }
    made = trainer(tmp_path, model, "sft", [row])
    shown = made.processing_class.decode(made.train_dataset[0]["input_ids"])
    assert shown.rstrip().endswith(f"Ask me anything.\n### Assistant:\n{REPLY}<|end|>")
    assert MOST - 3 <= len(made.train_dataset[0]["input_ids"]) <= MOST


def test_a_template_without_system_prompts_is_no_obstacle(tmp_path: Path) -> None:
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" + train.TEMPLATE
    model = tiny.make(tmp_path / "strict", template=strict)
    (tmp_path / "job").mkdir()
    made = trainer(tmp_path / "job", model, "sft", [long_row("sft")])
    shown = made.processing_class.decode(made.train_dataset[0]["input_ids"])
    assert "### System" not in shown
    assert shown.rstrip().endswith(f"{REPLY}<|end|>")


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_rows_of_another_method_are_told(method: str, tmp_path: Path, model: Path) -> None:
    other = {"sft": "dpo", "dpo": "kto", "kto": "sft"}[method]
    with pytest.raises(train.Problem, match=f"Row 1 has no .*, which {method} needs"):
        trainer(tmp_path, model, method, tiny.rows(other, 3))


def test_the_engine_is_made_without_a_library() -> None:
    """What is imported when the application starts is a matter of milliseconds."""
    assert Engine(100)
