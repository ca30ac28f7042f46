"""Menus and forms: what a person's choices and entries become in the data of an interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.servers.discord.commands import resolve
from tests.servers.discord.errors import NotPossible
from tests.servers.discord.ids import Json

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.world import World

ROW, TEXT_INPUT, TEXT_DISPLAY, LABEL, UPLOAD, RADIO, CHECKBOXES, CHECKBOX = 1, 4, 10, 18, 19, 21, 22, 23
STRING_SELECT = 3


def picked(channel: Channel, menu: Json, values: Sequence[Any]) -> tuple[list[str], Json]:
    """The values chosen from a menu, and what they refer to."""
    resolved: Json = {}
    if menu["type"] in (STRING_SELECT, RADIO, CHECKBOXES):
        named = {o[key]: o["value"] for o in menu["options"] for key in ("label", "value")}
        unknown = [value for value in values if value not in named]
        if unknown:
            raise NotPossible(f"{unknown} cannot be chosen, only {[o['label'] for o in menu['options']]}")
        chosen = [named[value] for value in values]
    else:
        for value in values:
            resolve(channel, value, resolved)
        chosen = [str(value.id) for value in values]
    fewest = menu.get("min_values", 1) if menu.get("required", True) else 0
    if not fewest <= len(chosen) <= menu.get("max_values", len(chosen) if menu["type"] == CHECKBOXES else 1):
        raise NotPossible(f"{len(chosen)} choices are too few or too many")
    return chosen, resolved


def filled(world: World, channel: Channel, modal: Json, values: Mapping[str, Any]) -> Json:
    """The data of an interaction that sends ``modal`` filled in with ``values``; what is not named keeps its default."""
    resolved: Json = {}
    left = dict(values)
    sent = [_sent(world, channel, one, left, resolved) for one in modal["components"]]
    if left:
        raise NotPossible(f"the form {modal['title']!r} has no field {sorted(left)}")
    data: Json = {"custom_id": modal["custom_id"], "components": sent}
    return data | ({"resolved": resolved} if resolved else {})


def labels(modal: Json) -> list[str]:
    """The labels of a form's fields."""
    inner = [
        (row, row["component"]) if row["type"] == LABEL else (row, row["components"][0])
        for row in _rows(modal)
    ]
    return [str(row.get("label") or field.get("label")) for row, field in inner]


def _rows(modal: Json) -> list[Json]:
    return [row for row in modal["components"] if row["type"] in (ROW, LABEL)]


def _sent(world: World, channel: Channel, one: Json, left: dict[str, Any], resolved: Json) -> Json:
    if one["type"] == ROW:
        field = one["components"][0]
        inner = _entered(world, channel, field, field.get("label"), left, resolved)
        return {"type": ROW, "id": 1, "components": [inner]}
    if one["type"] == LABEL:
        inner = _entered(world, channel, one["component"], one.get("label"), left, resolved)
        return {"type": LABEL, "id": 1, "component": inner}
    return {"type": one["type"], "id": 1}


def _entered(
    world: World, channel: Channel, field: Json, label: str | None, left: dict[str, Any], resolved: Json
) -> Json:
    key, kind = field["custom_id"], field["type"]
    name = next((name for name in (key, label) if name in left), None)
    value = left.pop(name) if name is not None else _default(field)
    required = field.get("required", kind != CHECKBOX)
    found: Json = {"type": kind, "id": 2, "custom_id": key}
    if required and value in (None, "", [], ()):
        raise NotPossible(f"the field {label or key!r} must be filled in")
    if kind == TEXT_INPUT:
        text = str(value or "")
        least = field.get("min_length") or 0
        if (text or required) and not least <= len(text) <= (field.get("max_length") or 4000):
            raise NotPossible(f"the field {label or key!r} does not take {len(text)} characters")
        return found | {"value": text}
    if kind == CHECKBOX:
        return found | {"value": bool(value)}
    if kind == UPLOAD:
        files = [world.store(channel, *one, ephemeral=True) for one in value or ()]
        resolved.setdefault("attachments", {}).update({str(file.id): file.json() for file in files})
        return found | {"values": [str(file.id) for file in files]}
    chosen, refers = picked(channel, field, _many(value)) if value not in (None, []) else ([], {})
    for section, entries in refers.items():
        resolved.setdefault(section, {}).update(entries)
    if kind == RADIO:
        return found | {"value": chosen[0] if chosen else None}
    return found | {"values": chosen}


def _default(field: Json) -> Any:
    if field["type"] == TEXT_INPUT:
        return field.get("value")
    if field["type"] == CHECKBOX:
        return field.get("default", False)
    return [o["value"] for o in field.get("options") or () if o.get("default")]


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
