"""What is known of models from their names: the size of their input, whether they see, whether they chat."""

from __future__ import annotations

import re
from typing import Final

# Tokens of input, by what the name begins with; the first that fits. Of the 400,000 of GPT-5, 128,000 are for output.
_CONTEXT: Final = (
    ("gpt-5-chat", 128_000),
    ("gpt-5", 272_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("chatgpt-4o", 128_000),
    ("gpt-4.5", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-1106", 128_000),
    ("gpt-4-0125", 128_000),
    ("gpt-4-vision", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4", 8_192),
    ("gpt-3.5", 16_385),
    ("gpt-35", 16_385),  # Azure's spelling
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4", 200_000),
)  # fmt: skip

# Models that are shown images, by name. Open models come with many spellings: gemma3:4b, qwen2.5-vl, llama-4-scout.
_BLIND: Final = re.compile(
    r"^(o1-mini|o1-preview|o3-mini|gpt-3|gpt-4(-0|-32k|-1106|$)|gpt-4-turbo-preview|gpt-oss)"
    r"|audio|realtime|gemma-?3[:-](1b|270m)"
)
_SEES: Final = re.compile(
    r"^(gpt-4o|chatgpt-4o|gpt-4\.|gpt-4-turbo|gpt-4-vision|gpt-5|o1|o3|o4|gemini|claude-)"
    r"|vision|llava|moondream|pixtral|minicpm-v|internvl|multimodal|gemma-?3|llama-?4|grok-4|mistral-small-?3\.[1-9]"
    r"|(^|[\d.:-])vl([:-]|$)"
)

# What OpenAI lists beside chat models; the last row answers on another path only.
_NO_CHAT: Final = re.compile(
    r"embedding|tts|whisper|dall-e|image|moderation|sora|audio|realtime|transcribe|translate|davinci|babbage|instruct"
    r"|codex|computer-use|deep-research|-pro(-|$)"
)


def family(model: str) -> str:
    """The base's name: ``gpt-4o-2024-08-06`` for ``ft:gpt-4o-2024-08-06:org::id``, ``o3`` for ``openai/o3``."""
    name = model.lower()
    if name.startswith("ft:"):
        name = name[3:].partition(":")[0]
    return name.rpartition("/")[2]


def context_tokens(model: str) -> int | None:
    """How many tokens of input the model takes, None for a family that is not known."""
    name = family(model)
    return next((tokens for start, tokens in _CONTEXT if name.startswith(start)), None)


def sees(model: str) -> bool:
    """Whether a model of this name is known to be shown images."""
    name = family(model)
    return _BLIND.search(name) is None and _SEES.search(name) is not None


def chats(model: str) -> bool:
    """Whether a model that OpenAI lists answers chat completions."""
    return _NO_CHAT.search(family(model)) is None
