"""What the operator chooses about Slack; each is explained in ``[slack]`` of config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Options:
    """See ``[slack]`` in config.toml. ``reactions`` maps an emoji to stars, as Unicode or by its name in Slack."""

    owner: tuple[str, ...] = ("workspace_owner", "workspace_admin")
    trainer: tuple[str, ...] = ("workspace_admin",)
    reviewer: tuple[str, ...] = ("workspace_admin",)
    rater: tuple[str, ...] = ("everyone",)
    buttons: bool = True
    reactions: Mapping[str, int] = field(default_factory=lambda: {"👍": 5, "👎": 1})
    seed_reactions: tuple[str, ...] = ()
    regenerate_on_edit: bool = False
    edit_seconds: float = 1.0
    file_characters: int = 0
    attachments: int = 4
    attachment_bytes: int = 8 * 1024 * 1024
    transport: Literal["socket", "http"] = "socket"
    http_host: str = "127.0.0.1"
    http_port: int = 3000
    api_url: str = ""
