"""Emoji by the names that Slack has for them: those with which people say what they think of something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, str]] = {
    "+1": "👍",
    "thumbsup": "👍",
    "thumbsup_all": "👍",
    "-1": "👎",
    "thumbsdown": "👎",
    "heart": "❤",
    "orange_heart": "🧡",
    "yellow_heart": "💛",
    "green_heart": "💚",
    "blue_heart": "💙",
    "purple_heart": "💜",
    "black_heart": "🖤",
    "white_heart": "🤍",
    "broken_heart": "💔",
    "heart_eyes": "😍",
    "tada": "🎉",
    "clap": "👏",
    "raised_hands": "🙌",
    "pray": "🙏",
    "ok_hand": "👌",
    "muscle": "💪",
    "fire": "🔥",
    "100": "💯",
    "rocket": "🚀",
    "sparkles": "✨",
    "star": "⭐",
    "star2": "🌟",
    "trophy": "🏆",
    "white_check_mark": "✅",
    "heavy_check_mark": "✔",
    "ballot_box_with_check": "☑",
    "x": "❌",
    "heavy_multiplication_x": "✖",
    "negative_squared_cross_mark": "❎",
    "no_entry": "⛔",
    "no_entry_sign": "🚫",
    "warning": "⚠",
    "question": "❓",
    "grey_question": "❔",
    "exclamation": "❗",
    "heavy_exclamation_mark": "❗",
    "confused": "😕",
    "thinking_face": "🤔",
    "slightly_smiling_face": "🙂",
    "slightly_frowning_face": "🙁",
    "smile": "😄",
    "smiley": "😃",
    "grinning": "😀",
    "grin": "😁",
    "joy": "😂",
    "laughing": "😆",
    "satisfied": "😆",
    "rolling_on_the_floor_laughing": "🤣",
    "blush": "😊",
    "sunglasses": "😎",
    "neutral_face": "😐",
    "expressionless": "😑",
    "face_with_rolling_eyes": "🙄",
    "unamused": "😒",
    "disappointed": "😞",
    "cry": "😢",
    "sob": "😭",
    "angry": "😠",
    "rage": "😡",
    "face_palm": "🤦",
    "shrug": "🤷",
    "eyes": "👀",
    "hankey": "💩",
    "poop": "💩",
    "shit": "💩",
    "bulb": "💡",
    "point_up": "☝",
    "wave": "👋",
    "zero": "0⃣",
    "one": "1⃣",
    "two": "2⃣",
    "three": "3⃣",
    "four": "4⃣",
    "five": "5⃣",
    "six": "6⃣",
    "seven": "7⃣",
    "eight": "8⃣",
    "nine": "9⃣",
    "keycap_ten": "🔟",
}
"""What Slack calls an emoji, and the emoji, without the mark that only chooses its colour."""

_VARIATION = "\N{VARIATION SELECTOR-16}"
_TONE = re.compile("[\U0001f3fb-\U0001f3ff]|::skin-tone-[2-6]")


def plain(name: str) -> str:
    """An emoji however it is written, as Unicode where Slack's name of it is known; else its name."""
    bare = _TONE.sub("", name.strip().replace(_VARIATION, ""))
    if len(bare) > 2 and bare.startswith(":") and bare.endswith(":"):
        bare = bare[1:-1]
    return NAMES.get(bare.lower(), bare)
