"""What Slack takes as blocks, texts and views, and what it says of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from tests.servers.slack.errors import Refused, invalid
from tests.servers.slack.ids import Ids, Json

MOST_BLOCKS, MOST_VIEW_BLOCKS = 50, 100
MARKDOWN = 12_000
KINDS = {
    "actions",
    "alert",
    "card",
    "carousel",
    "context",
    "context_actions",
    "divider",
    "file",
    "header",
    "image",
    "input",
    "markdown",
    "plan",
    "rich_text",
    "section",
    "table",
    "task_card",
    "video",
}
IN_VIEWS = KINDS - {"context_actions", "plan", "task_card", "markdown", "file"}
ELEMENTS = {
    "button",
    "checkboxes",
    "channels_select",
    "conversations_select",
    "datepicker",
    "datetimepicker",
    "email_text_input",
    "external_select",
    "file_input",
    "multi_channels_select",
    "multi_conversations_select",
    "multi_external_select",
    "multi_static_select",
    "multi_users_select",
    "number_input",
    "overflow",
    "plain_text_input",
    "radio_buttons",
    "rich_text_input",
    "static_select",
    "timepicker",
    "url_text_input",
    "users_select",
    "workflow_button",
}

Problems = Iterator[tuple[str, str]]


def checked(blocks: Any, ids: Ids, *, where: str = "/blocks", view: str = "") -> list[Json]:
    """The blocks with the ids that Slack gives them; refused where Slack refuses them."""
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    made = cast("list[Json]", blocks)
    problems = [f"{text} [json-pointer:{where}{at}]" for text, at in _all(made, view)]
    if problems:
        raise invalid("invalid_arguments" if view else "invalid_blocks", *problems, plural=not view)
    for block in made:
        block.setdefault("block_id", ids("b"))
    return made


def checked_view(view: Any, ids: Ids, kinds: tuple[str, ...]) -> Json:
    """A view that Slack takes."""
    if not isinstance(view, dict):
        raise invalid("invalid_arguments", "missing required field: view")
    made = cast("Json", view)
    kind = made.get("type")
    if kind not in kinds:
        raise invalid("invalid_arguments", f"must be one of {', '.join(kinds)} [json-pointer:/view/type]")
    problems: list[str] = []
    if kind == "modal" and not made.get("title"):
        problems.append("missing required field: title [json-pointer:/view]")
    for name in ("title", "close", "submit"):
        problems += [f"{text} [json-pointer:/view/{name}{at}]" for text, at in _plain(made.get(name), 24, "")]
    for name, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if len(str(made.get(name) or "")) > most:
            problems.append(f"must be less than {most + 1} characters [json-pointer:/view/{name}]")
    has_input = any(one.get("type") == "input" for one in made.get("blocks") or ())
    if kind == "modal" and has_input and not made.get("submit"):
        problems.append("missing required field: submit [json-pointer:/view]")
    if problems:
        raise invalid("invalid_arguments", *problems)
    made["blocks"] = checked(made.get("blocks") or [], ids, where="/view/blocks", view=str(kind))
    return made


def _all(blocks: list[Json], view: str) -> Problems:
    most = MOST_VIEW_BLOCKS if view else MOST_BLOCKS
    if len(blocks) > most:
        yield f"no more than {most} items allowed", ""
    ids: set[str] = set()
    for number, block in enumerate(blocks):
        at = f"/{number}"
        kind = block.get("type")
        if kind not in (IN_VIEWS if view else KINDS):
            yield f"unsupported type: {kind}", f"{at}/type"
            continue
        if "block_id" in block:
            key = str(block["block_id"])
            if not 0 < len(key) <= 255:
                yield "must be less than 256 characters", f"{at}/block_id"
            if key in ids:
                yield f"`block_id` {key} already exists", f"{at}/block_id"
            ids.add(key)
        yield from _block(block, str(kind), at)
    written = sum(len(str(one.get("text", ""))) for one in blocks if one.get("type") == "markdown")
    if written > MARKDOWN:
        yield f"must be less than {MARKDOWN + 1} characters in all markdown blocks", ""


def _block(block: Json, kind: str, at: str) -> Problems:
    if kind == "section":
        text, fields = block.get("text"), block.get("fields")
        if not text and not fields:
            yield "missing required field: text", at
        yield from _text(text, 3000, f"{at}/text")
        if fields and len(fields) > 10:
            yield "no more than 10 items allowed", f"{at}/fields"
        for number, one in enumerate(fields or ()):
            yield from _text(one, 2000, f"{at}/fields/{number}")
        if block.get("accessory"):
            yield from _element(block["accessory"], f"{at}/accessory", also=("image",))
    elif kind == "header":
        yield from _plain(block.get("text"), 150, f"{at}/text", required=True)
    elif kind in ("context", "actions", "context_actions"):
        yield from _row(block, kind, at)
    elif kind == "markdown":
        if not block.get("text"):
            yield "missing required field: text", at
    elif kind == "input":
        yield from _plain(block.get("label"), 2000, f"{at}/label", required=True)
        yield from _plain(block.get("hint"), 2000, f"{at}/hint")
        element = block.get("element")
        if not isinstance(element, dict):
            yield "missing required field: element", at
        else:
            yield from _element(cast("Json", element), f"{at}/element")
    elif kind == "image":
        if not block.get("alt_text"):
            yield "missing required field: alt_text", at
        if not block.get("image_url") and not block.get("slack_file"):
            yield "missing required field: image_url", at
    elif kind == "table":
        rows = block.get("rows") or []
        if len(rows) > 100 or any(len(row) > 20 for row in rows):
            yield "no more than 100 rows of 20 cells allowed", f"{at}/rows"


def _row(block: Json, kind: str, at: str) -> Problems:
    most = {"context": 10, "actions": 25, "context_actions": 5}[kind]
    inner = block.get("elements") or []
    if not inner:
        yield "missing required field: elements", at
    if len(inner) > most:
        yield f"no more than {most} items allowed", f"{at}/elements"
    actions: set[str] = set()
    for number, one in enumerate(inner):
        there = f"{at}/elements/{number}"
        if kind == "context":
            if one.get("type") == "image":
                continue
            yield from _text(one, 2000, there)
            continue
        action = str(one.get("action_id") or "")
        if action and action in actions:
            yield f"`action_id` {action} already exists", f"{there}/action_id"
        actions.add(action)
        also = ("feedback_buttons", "icon_button") if kind == "context_actions" else ()
        yield from _element(one, there, also=also, only=kind == "context_actions")


def _element(one: Json, at: str, *, also: tuple[str, ...] = (), only: bool = False) -> Problems:
    kind = one.get("type")
    if kind not in also and (only or kind not in ELEMENTS):
        yield f"unsupported type: {kind}", f"{at}/type"
        return
    if len(str(one.get("action_id") or "")) > 255:
        yield "must be less than 256 characters", f"{at}/action_id"
    one.setdefault("action_id", f"a{at.replace('/', '-')}") if kind != "image" else None
    if kind in ("button", "icon_button"):
        yield from _plain(one.get("text"), 75, f"{at}/text", required=True)
        yield from _short(one, "value", 2000, at)
        if kind == "button" and one.get("style") not in (None, "primary", "danger"):
            yield "must be a valid enum value", f"{at}/style"
        if kind == "icon_button" and not one.get("icon"):
            yield "missing required field: icon", at
    if kind == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            button = one.get(name)
            if not isinstance(button, dict):
                yield f"missing required field: {name}", at
                continue
            made = cast("Json", button)
            yield from _plain(made.get("text"), 75, f"{at}/{name}/text", required=True)
            yield from _short(made, "value", 2000, f"{at}/{name}")
            yield from _short(made, "accessibility_label", 75, f"{at}/{name}")
            if not made.get("value"):
                yield "missing required field: value", f"{at}/{name}"
    yield from _plain(one.get("placeholder"), 150, f"{at}/placeholder")
    if "options" in one:
        options = one["options"]
        most = {"radio_buttons": 10, "checkboxes": 10, "overflow": 5}.get(str(kind), 100)
        if not 1 <= len(options) <= most:
            yield f"must hold 1 to {most} options", f"{at}/options"
        for number, option in enumerate(options):
            yield from _text(option.get("text"), 75, f"{at}/options/{number}/text")
            yield from _short(option, "value", 150, f"{at}/options/{number}")
    elif kind in ("static_select", "radio_buttons", "checkboxes") and not one.get("option_groups"):
        yield "missing required field: options", at


def _short(one: Json, name: str, most: int, at: str) -> Problems:
    if len(str(one.get(name) or "")) > most:
        yield f"must be less than {most + 1} characters", f"{at}/{name}"


def _text(value: Any, most: int, at: str) -> Problems:
    if value is None:
        return
    if not isinstance(value, dict) or value.get("type") not in ("plain_text", "mrkdwn"):
        yield "must be a text object", at
        return
    text = str(value.get("text") or "")
    if not text:
        yield "must be more than 0 characters", f"{at}/text"
    if len(text) > most:
        yield f"must be less than {most + 1} characters", f"{at}/text"


def _plain(value: Any, most: int, at: str, *, required: bool = False) -> Problems:
    if value is None:
        if required:
            yield "missing required field: text", at
        return
    if isinstance(value, dict) and value.get("type") == "mrkdwn":
        yield "must be a plain_text object", at
        return
    yield from _text(value, most, at)
