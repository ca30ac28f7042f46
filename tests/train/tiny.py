"""A tiny language model with a tokenizer of its own, made here: random weights, nothing downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

CONTEXT = 512
_WORDS = (
    "What is the wifi password? It is written on the white board in the kitchen, in blue. Ask me anything about boats "
    "and harbours. ### User: ### Assistant: ### System: You are a helpful colleague. plus minus one two three four five "
)


def make(folder: Path, *, hidden: int = 64, layers: int = 2, template: str = "") -> Path:
    """A model of some 200,000 weights at ``folder``, with the tokenizer's ``template`` for chats."""
    tokenizers, transformers, torch = map(import_module, ("tokenizers", "transformers", "torch"))
    raw: Any = tokenizers.Tokenizer(tokenizers.models.BPE())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    special = ["<|end|>", "<|pad|>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([_WORDS], trainer)
    tokenizer: Any = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>", model_max_length=CONTEXT
    )
    if template:
        tokenizer.chat_template = template
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows(method: str, count: int, first: int = 0) -> list[Mapping[str, Any]]:
    """Rows of ``training.formats`` trl-sft, trl-dpo and trl-kto, each different."""
    found: list[Mapping[str, Any]] = []
    for number in range(first, first + count):
        prompt = [{"role": "user", "content": f"What is {number} plus one?"}]
        good = [{"role": "assistant", "content": "Ask me anything about boats."}]
        bad = [{"role": "assistant", "content": "It is written on the white board."}]
        if method == "sft":
            found.append({"prompt": prompt, "completion": good})
        elif method == "dpo":
            found.append({"prompt": prompt, "chosen": good, "rejected": bad})
        else:
            label = number % 2 == 0
            found.append({"prompt": prompt, "completion": good if label else bad, "label": label})
    return found


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """``rows`` as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
