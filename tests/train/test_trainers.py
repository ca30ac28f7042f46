"""TRL's trainers take our files: each is built and makes one step, with a tiny model and a tokenizer made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.train.exported import files

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
datasets: Any = pytest.importorskip("datasets", reason="the train extra is not installed")
peft: Any = pytest.importorskip("peft", reason="the train extra is not installed")
tokenizers: Any = pytest.importorskip("tokenizers", reason="the train extra is not installed")
transformers: Any = pytest.importorskip("transformers", reason="the train extra is not installed")
trl: Any = pytest.importorskip("trl", reason="the train extra is not installed")

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]  # of libraries, not of ours

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<pad>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def made_tokenizer(file: Path) -> Any:
    """A tokenizer of bytes and what is frequent in a file, with a chat template."""
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(file.read_text("utf-8").splitlines()[:200], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<|end|>", chat_template=TEMPLATE
    )


def made_model(size: int) -> Any:
    """A Llama with random weights, small enough for a moment on a processor."""
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
    )


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_a_trainer_makes_a_step(tmp_path: Path, method: str) -> None:
    name = f"trl-{method}"
    paths = files(tmp_path, name)
    loaded = datasets.load_dataset(
        "json",
        data_files={split: str(path) for split, path in paths.items()},
        cache_dir=str(tmp_path / "cache"),
    )
    tokenizer = made_tokenizer(paths["train"])
    config, trainer = getattr(trl, f"{method.upper()}Config"), getattr(trl, f"{method.upper()}Trainer")
    made = trainer(
        model=made_model(len(tokenizer)),
        args=config(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            learning_rate=0.1,
            per_device_train_batch_size=4,
            per_device_eval_batch_size=4,
            max_length=2048,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=loaded["train"],
        eval_dataset=loaded["validation"].select(range(4)),
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    result = made.train()
    assert result.global_step == 1
    assert result.training_loss > 0
    learnt = [value for key, value in made.model.named_parameters() if "lora_B" in key]
    assert learnt
    assert any(value.abs().sum() > 0 for value in learnt)  # they begin as zeros
    evaluated = made.evaluate()
    assert evaluated["eval_loss"] > 0


def test_only_the_reply_is_learnt_from(tmp_path: Path) -> None:
    paths = files(tmp_path, "trl-sft")
    loaded = datasets.load_dataset("json", data_files=str(paths["train"]), cache_dir=str(tmp_path / "cache"))
    tokenizer = made_tokenizer(paths["train"])
    made = trl.SFTTrainer(
        model=made_model(len(tokenizer)),
        args=trl.SFTConfig(
            output_dir=str(tmp_path / "out"),
            max_length=4096,
            use_cpu=True,
            bf16=False,
            report_to="none",
        ),
        train_dataset=loaded["train"].select(range(4)),
        processing_class=tokenizer,
    )
    for number, line in enumerate(paths["train"].read_bytes().splitlines()[:4]):
        batch = made.data_collator([made.train_dataset[number]])
        learnt = batch["input_ids"][0][batch["labels"][0] != -100]
        reply = orjson.loads(line)["completion"][0]["content"]
        assert tokenizer.decode(learnt) == f"{reply}<|end|>"
