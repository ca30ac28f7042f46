"""What a person reads: blocks and marked-up text as plain lines."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.servers.slack.ids import Json

if TYPE_CHECKING:
    from tests.servers.slack.world import World

ENTITY = re.compile(r"<([@#!])([^|>]+)(?:\|([^>]*))?>|<((?:https?|mailto|tel):[^|>]+)(?:\|([^>]*))?>")
THUMBS = {"positive_button": "👍", "negative_button": "👎"}


def plain(world: World, text: str) -> str:
    """Text with its mentions and links as Slack shows them."""

    def shown(match: re.Match[str]) -> str:
        sign, key, label, url, name = match.groups()
        if url:
            return f"{name} ({url})" if name else url
        if sign == "@":
            user = world.users.get(key)
            return f"@{user.name if user is not None else label or key}"
        if sign == "#":
            channel = world.channels.get(key)
            return f"#{channel.name if channel is not None else label or key}"
        if key.startswith("subteam^"):
            group = world.groups.get(key.removeprefix("subteam^"))
            return f"@{group.handle if group is not None else label or key}"
        return label or f"@{key.partition('^')[0]}"

    return html.unescape(ENTITY.sub(shown, text))


def rendered(world: World, blocks: Iterable[Json], values: Mapping[str, Any] | None = None) -> str:
    """Blocks as lines, fields of forms with what was filled in."""
    lines = [_block(world, block, values or {}) for block in blocks]
    return "\n".join(line for line in lines if line)


def _text(world: World, value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    text = str(value.get("text", ""))
    return plain(world, text) if value.get("type") == "mrkdwn" else text


def _block(world: World, block: Json, values: Mapping[str, Any]) -> str:
    kind = block.get("type")
    if kind == "section":
        lines = [_text(world, block.get("text")), *(_text(world, one) for one in block.get("fields", ()))]
        if accessory := block.get("accessory"):
            lines.append(_element(world, accessory))
        return "\n".join(line for line in lines if line)
    if kind == "header":
        return f"# {_text(world, block['text'])}"
    if kind == "divider":
        return "———"
    if kind == "context":
        return " · ".join(_element(world, one) for one in block.get("elements", ()))
    if kind in ("actions", "context_actions"):
        return " ".join(_element(world, one) for one in block.get("elements", ()))
    if kind == "markdown":
        return plain(world, str(block.get("text", "")))
    if kind == "rich_text":
        return "\n".join(_rich(world, one) for one in block.get("elements", ()))
    if kind == "image":
        title = _text(world, block.get("title"))
        return f"[image: {title or block.get('alt_text', '')}]"
    if kind == "input":
        hint = f" ({_text(world, block['hint'])})" if block.get("hint") else ""
        optional = " (optional)" if block.get("optional") else ""
        label = _text(world, block["label"])
        return f"{label}{optional}{hint}: {_element(world, block['element'])}"
    if kind == "table":
        rows = [" | ".join(_cell(world, cell) for cell in row) for row in block.get("rows", ())]
        return "\n".join(rows)
    if kind == "plan":
        tasks = [f"[task: {_said(world, one.get('title'))}]" for one in block.get("tasks", ())]
        return "\n".join([f"[plan: {_said(world, block.get('title'))}]", *tasks])
    return f"[{kind}: {_said(world, block.get('title') or block.get('alt_text') or block.get('text'))}]"


def _said(world: World, value: Any) -> str:
    return value if isinstance(value, str) else _text(world, value)


def _cell(world: World, cell: Json) -> str:
    return str(cell.get("text", "")) if cell.get("type") == "raw_text" else _block(world, cell, {})


def _element(world: World, one: Json) -> str:
    kind = one.get("type")
    if kind in ("mrkdwn", "plain_text"):
        return _text(world, one)
    if kind in ("button", "workflow_button"):
        return f"[{_text(world, one['text'])}]"
    if kind == "icon_button":
        return f"[{one.get('icon', '')}: {_text(world, one['text'])}]"
    if kind == "feedback_buttons":
        return " ".join(f"[{sign} {_text(world, one[name]['text'])}]" for name, sign in THUMBS.items())
    if kind == "image":
        return f"[image: {one.get('alt_text', '')}]"
    if kind in ("radio_buttons", "checkboxes"):
        chosen = _chosen(one)
        marks = ("(•)", "( )") if kind == "radio_buttons" else ("[x]", "[ ]")
        options = one.get("options", ())
        return " ".join(
            f"{marks[0] if o.get('value') in chosen else marks[1]} {_text(world, o['text'])}" for o in options
        )
    if kind == "overflow":
        return "[…]"
    first = one.get("initial_value") or one.get("initial_date") or one.get("initial_time")
    if option := one.get("initial_option"):
        first = _text(world, option["text"])
    if options := one.get("initial_options"):
        first = ", ".join(_text(world, o["text"]) for o in options)
    arrow = " ▾" if "select" in str(kind) else ""
    return f"[{first or _text(world, one.get('placeholder')) or '…'}{arrow}]"


def _chosen(one: Json) -> set[str]:
    options = [*one.get("initial_options", ())]
    if one.get("initial_option"):
        options.append(one["initial_option"])
    return {str(option.get("value")) for option in options}


def _rich(world: World, one: Json) -> str:
    kind = one.get("type")
    inner = one.get("elements", ())
    if kind == "rich_text_list":
        sign = "1." if one.get("style") == "ordered" else "•"
        return "\n".join(f"{'  ' * int(one.get('indent', 0))}{sign} {_rich(world, each)}" for each in inner)
    text = "".join(_inline(world, each) for each in inner)
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}" for line in text.split("\n"))
    return f"```\n{text}\n```" if kind == "rich_text_preformatted" else text


def _inline(world: World, one: Json) -> str:
    kind = one.get("type")
    if kind == "user":
        return plain(world, f"<@{one['user_id']}>")
    if kind == "channel":
        return plain(world, f"<#{one['channel_id']}>")
    if kind == "usergroup":
        return plain(world, f"<!subteam^{one['usergroup_id']}>")
    if kind == "broadcast":
        return f"@{one['range']}"
    if kind == "emoji":
        return f":{one['name']}:"
    if kind == "link":
        return f"{one['text']} ({one['url']})" if one.get("text") else str(one["url"])
    return str(one.get("text", ""))
