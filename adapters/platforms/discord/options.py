"""What the operator chooses about Discord; each is explained in ``[discord]`` of config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """See ``[discord]`` in config.toml. ``reactions`` maps an emoji, or the name of a custom one, to stars."""

    owner: tuple[str, ...] = ("administrator",)
    trainer: tuple[str, ...] = ("manage_guild",)
    reviewer: tuple[str, ...] = ("manage_messages",)
    rater: tuple[str, ...] = ("everyone",)
    buttons: bool = True
    reactions: Mapping[str, int] = field(default_factory=lambda: {"👍": 5, "👎": 1})
    seed_reactions: tuple[str, ...] = ()
    auto_thread: bool = False
    regenerate_on_edit: bool = False
    edit_seconds: float = 1.0
    file_characters: int = 0
    attachments: int = 4
    attachment_bytes: int = 8 * 1024 * 1024
    missed_minutes: int = 60
    missed_messages: int = 100
    presence: str = ""
    development_guilds: tuple[int, ...] = ()
    shard_count: int = 0
    shard_ids: tuple[int, ...] = ()
    api_url: str = ""
