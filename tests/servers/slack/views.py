"""Forms and the app's home: views with what is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.servers.slack.errors import NotPossible
from tests.servers.slack.ids import Json
from tests.servers.slack.messages import elements, labels, text_of
from tests.servers.slack.render import rendered

if TYPE_CHECKING:
    from tests.servers.slack.people import Member
    from tests.servers.slack.teams import Team

TEXTS = ("plain_text_input", "number_input", "email_text_input", "url_text_input")
FIELDS = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "rich_text_input": "rich_text_value",
}
ONE = ("static_select", "radio_buttons", "external_select")
MANY = ("checkboxes", "multi_static_select", "multi_external_select")


@dataclass(eq=False)
class View:
    """A form or the app's home as somebody sees it now."""

    id: str
    team: Team
    person: Member
    body: Json
    hash: str
    previous: View | None = None
    closed: bool = False
    errors: dict[str, str] = field(default_factory=dict[str, str])
    revisions: int = 0

    def __repr__(self) -> str:
        return f"<{self.body['type']} {self.title!r} of {self.person.name}>"

    @property
    def title(self) -> str:
        """What stands above it."""
        return text_of(self.body.get("title"))

    @property
    def blocks(self) -> list[Json]:
        """What it is made of."""
        return self.body.get("blocks") or []

    @property
    def root(self) -> View:
        """The form that was opened first."""
        return self if self.previous is None else self.previous.root

    @property
    def shown(self) -> str:
        """What a person reads."""
        head = f"== {self.title} ==\n" if self.title else ""
        buttons = [text_of(self.body.get(name)) for name in ("close", "submit")]
        wrong = "".join(f"\n! {block}: {text}" for block, text in self.errors.items())
        foot = "".join(f" [{one}]" for one in buttons if one)
        below = f"\n{foot.strip()}" if foot else ""
        return f"{head}{rendered(self.team.world, self.blocks)}{wrong}{below}"

    @property
    def labels(self) -> list[str]:
        """What is written on its buttons and fields."""
        return [one for block, element in elements(self.blocks) for one in labels(block, element)]

    def json(self, values: Json | None = None) -> Json:
        """The view as the API writes it."""
        body = self.body
        return {
            "id": self.id,
            "team_id": self.team.id,
            "type": body["type"],
            "blocks": self.blocks,
            "private_metadata": body.get("private_metadata", ""),
            "callback_id": body.get("callback_id", ""),
            "state": {"values": self.state({}, check=False) if values is None else values},
            "hash": self.hash,
            "title": body.get("title") or {"type": "plain_text", "text": "View Title", "emoji": True},
            "clear_on_close": bool(body.get("clear_on_close")),
            "notify_on_close": bool(body.get("notify_on_close")),
            "close": body.get("close"),
            "submit": body.get("submit"),
            "previous_view_id": None if self.previous is None else self.previous.id,
            "root_view_id": self.root.id,
            "app_id": self.team.world.app_id,
            "external_id": body.get("external_id", ""),
            "app_installed_team_id": self.team.id,
            "bot_id": self.team.bot.bot_id,
            "submit_disabled": bool(body.get("submit_disabled")),
        }

    def state(self, values: Mapping[str, Any], *, check: bool = True) -> Json:
        """Every field with what it holds when ``values`` are filled in by label, block, action or ``block/action``."""
        found: Json = {}
        left = dict(values)
        for block, element in elements(self.blocks):
            kind = str(element["type"])
            if kind in ("button", "overflow", "icon_button", "feedback_buttons"):
                continue
            block_id, action = str(block["block_id"]), str(element["action_id"])
            names = (f"{block_id}/{action}", block_id, action, text_of(block.get("label")))
            name = next((one for one in names if one in left), None)
            held = filled(element, left.pop(name)) if name is not None else initial(element)
            if check and block["type"] == "input" and not block.get("optional") and _empty(held):
                raise NotPossible(f"{text_of(block['label'])!r} has to be filled in")
            found.setdefault(block_id, {})[action] = held
        if left:
            raise NotPossible(f"there are no fields {list(left)}, only {self.labels}")
        return found


def option_of(element: Json, wanted: Any) -> Json:
    """The option with this value or text."""
    options = list(element.get("options", ()))
    for group in element.get("option_groups", ()):
        options += group["options"]
    for option in options:
        if str(wanted) in (str(option.get("value")), text_of(option["text"])):
            return option
    raise NotPossible(f"there is no option {wanted!r} in {[text_of(one['text']) for one in options]}")


def filled(element: Json, value: Any) -> Json:
    """A field with ``value`` in it, as the state of a view writes it."""
    kind = str(element["type"])
    if kind in TEXTS:
        text = None if value in (None, "") else str(value)
        least, most = int(element.get("min_length") or 0), int(element.get("max_length") or 3000)
        if kind == "plain_text_input" and text is not None and not least <= len(text) <= most:
            raise NotPossible(f"{len(text)} characters where {least} to {most} are taken")
        return {"type": kind, "value": text}
    if kind in ONE:
        return {"type": kind, "selected_option": None if value is None else option_of(element, value)}
    if kind in MANY:
        return {"type": kind, "selected_options": [option_of(element, one) for one in value or ()]}
    if kind == "file_input":
        return {"type": kind, "files": [one.json() for one in value or ()]}
    if isinstance(value, list | tuple):
        value = [getattr(one, "id", one) for one in value]
    return {"type": kind, FIELDS.get(kind, "value"): getattr(value, "id", value)}


def initial(element: Json) -> Json:
    """A field as it is when nobody touched it."""
    kind = str(element["type"])
    if kind in TEXTS:
        return {"type": kind, "value": element.get("initial_value")}
    if kind in ONE:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in MANY:
        return {"type": kind, "selected_options": element.get("initial_options") or []}
    name = FIELDS.get(kind, "value")
    return {"type": kind, name: element.get(name.replace("selected", "initial"))}


def _empty(held: Json) -> bool:
    return not any(value for key, value in held.items() if key != "type")
