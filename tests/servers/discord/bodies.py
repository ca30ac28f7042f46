"""What a message may hold: the checks of Discord, and the form in which it gives back what it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.servers.discord import errors
from tests.servers.discord.errors import invalid, too_long
from tests.servers.discord.ids import Json
from tests.servers.discord.messages import COMPONENTS_V2, Attachment, Message, walk

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.rest import Upload
    from tests.servers.discord.world import World

CONTENT = 2000
FILES = 10
FILE_SIZE = 10 * 1024 * 1024
EMBED_LIMITS = {"title": 256, "description": 4096}
V2_COMPONENTS, V2_TEXT = 40, 4000
BUTTON, STRING_SELECT, TEXT_DISPLAY = 2, 3, 10
ROW, SECTION, CONTAINER, SEPARATOR = 1, 9, 17, 14


def checked(body: Json, *, files: Sequence[Attachment] = (), before: Message | None = None) -> Json:
    """Refuse what Discord refuses in a message, and give the body as it is kept."""
    kept = dict(body)
    if kept.get("content") is not None:
        kept["content"] = str(kept["content"]).strip()
        if len(kept["content"]) > CONTENT:
            raise too_long("content", CONTENT)
    if kept.get("nonce") is not None and len(str(kept["nonce"])) > 25:
        raise too_long("nonce", 25)
    _mentions(kept.get("allowed_mentions"))
    embeds: Sequence[Json] = kept.get("embeds") or ()
    _embeds(embeds)
    if "embeds" in kept:
        kept["embeds"] = [
            {"type": "rich"} | {k: v for k, v in embed.items() if k != "flags"} for embed in embeds
        ]
    flags = int(kept.get("flags") or (before.flags if before is not None else 0))
    v2 = bool(flags & COMPONENTS_V2)
    if "components" in kept:
        kept["components"] = _components(kept["components"] or (), v2=v2)
    if v2 and (kept.get("content") or embeds):
        field = "content" if kept.get("content") else "embeds"
        text = f"The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise invalid(field, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text)
    content = kept.get("content", before.content if before is not None else "")
    shown = kept.get("embeds", before.embeds if before is not None else ())
    parts = kept.get("components", before.components if before is not None else ())
    if not (content or shown or parts or files or kept.get("sticker_ids") or kept.get("poll")):
        raise errors.EMPTY_MESSAGE
    return kept


def _mentions(allowed: Json | None) -> None:
    if not allowed:
        return
    for name in ("users", "roles"):
        if name in allowed.get("parse", ()) and allowed.get(name):
            text = f"parse:[{name!r}] and {name}: [ids...] are mutually exclusive."
            raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text)
        if len(allowed.get(name) or ()) > 100:
            raise too_long(f"allowed_mentions.{name}", 100)


def _embeds(embeds: Sequence[Json]) -> None:
    if len(embeds) > 10:
        raise too_long("embeds", 10)
    total = 0
    for index, embed in enumerate(embeds):
        at = f"embeds.{index}"
        texts: list[tuple[str, Any, int]] = [(name, embed.get(name), n) for name, n in EMBED_LIMITS.items()]
        texts.append(("footer.text", (embed.get("footer") or {}).get("text"), 2048))
        texts.append(("author.name", (embed.get("author") or {}).get("name"), 256))
        fields: Sequence[Json] = embed.get("fields") or ()
        if len(fields) > 25:
            raise too_long(f"{at}.fields", 25)
        for number, field in enumerate(fields):
            for name, limit in (("name", 256), ("value", 1024)):
                if not field.get(name):
                    raise invalid(
                        f"{at}.fields.{number}.{name}", "BASE_TYPE_REQUIRED", "This field is required"
                    )
                texts.append((f"fields.{number}.{name}", field[name], limit))
        for name, text, limit in texts:
            total += len(text or "")
            if len(text or "") > limit:
                raise too_long(f"{at}.{name}", limit)
    if total > 6000:
        text = "Embed size exceeds maximum size of 6000"
        raise invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", text)


def _components(components: Sequence[Json], *, v2: bool) -> list[Json]:
    every = list(walk(components))
    if v2:
        if len(every) > V2_COMPONENTS:
            raise too_long("components", V2_COMPONENTS)
        if sum(len(c.get("content", "")) for c in every if c["type"] == TEXT_DISPLAY) > V2_TEXT:
            raise invalid(
                "components", "COMPONENT_MAX_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "The text is too long."
            )
    elif len(components) > 5 or any(c["type"] != ROW for c in components):
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 action rows in length.")
    keys = [c["custom_id"] for c in every if "custom_id" in c]
    if len(set(keys)) < len(keys):
        text = "Component custom id cannot be duplicated"
        raise invalid("components", "COMPONENT_CUSTOM_ID_DUPLICATED", text)
    for one in every:
        if len(one.get("custom_id") or "") > 100:
            raise too_long("components.custom_id", 100)
        if len(one.get("label") or "") > 80:
            raise too_long("components.label", 80)
        if one["type"] == ROW:
            row = one["components"]
            if not 1 <= len(row) <= 5 or (len(row) > 1 and any(c["type"] != BUTTON for c in row)):
                raise invalid(
                    "components.components", "BASE_TYPE_BAD_LENGTH", "A row holds 5 buttons or one menu."
                )
        if one["type"] == BUTTON and not ("custom_id" in one or "url" in one or "sku_id" in one):
            raise invalid(
                "components.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required"
            )
        if one["type"] == BUTTON and not (one.get("label") or one.get("emoji")):
            raise invalid("components.label", "BUTTON_COMPONENT_INVALID", "A label or an emoji is required")
        if one["type"] == STRING_SELECT and not 1 <= len(one["options"]) <= 25:
            raise invalid("components.options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.")
    return _numbered(components)


def _numbered(components: Sequence[Json]) -> list[Json]:
    used = {c["id"] for c in walk(components) if c.get("id")}
    free = (number for number in range(1, 1000) if number not in used)

    def number(one: Json) -> Json:
        kept: Json = {
            k: v for k, v in one.items() if v is not None and not (k == "required" and one["type"] < 9)
        }
        kept["id"] = one.get("id") or next(free)
        if kept.get("emoji"):
            kept["emoji"] = {k: v for k, v in kept["emoji"].items() if v is not None}
        if kept["type"] in range(STRING_SELECT, 9):
            kept = {"min_values": 1, "max_values": 1} | kept
        if kept["type"] == CONTAINER:
            kept = {"accent_color": None, "spoiler": False} | kept
        if kept["type"] == SEPARATOR:
            kept = {"divider": True, "spacing": 1} | kept
        if "components" in kept:
            kept["components"] = [number(inner) for inner in kept["components"]]
        if kept["type"] == SECTION:
            kept["accessory"] = number(kept["accessory"])
        return kept

    return [number(one) for one in components]


def attached(
    world: World, channel: Channel, body: Json, uploads: Sequence[Upload], before: Message | None = None
) -> list[Attachment] | None:
    """The files of a message after a request: the uploaded ones and those that are kept; ``None`` for no change."""
    if not uploads and "attachments" not in body:
        return None
    if len(uploads) > FILES:
        raise errors.Refusal(400, 30015, "Maximum number of attachments in a message reached (10).")
    if any(len(upload.data) > FILE_SIZE for upload in uploads):
        raise errors.Refusal(413, 40005, "Request entity too large")
    listed = {str(entry.get("id")): entry for entry in body.get("attachments") or ()}
    kept: list[Attachment] = []
    if before is not None:
        wanted = "attachments" not in body
        kept = [file for file in before.attachments if wanted or str(file.id) in listed]
    for upload in uploads:
        number = upload.field.removeprefix("files[").removesuffix("]")
        entry = listed.get(number, {})
        file = world.store(channel, entry.get("filename") or upload.name, media_type(upload), upload.data)
        file.description = entry.get("description")
        kept.append(file)
    return kept


def media_type(upload: Upload) -> str | None:
    """What Discord finds a file to be, which goes by its name where the request does not say."""
    if upload.content_type != "application/octet-stream":
        return upload.content_type
    known = {
        "txt": "text/plain; charset=utf-8",
        "png": "image/png",
        "jpg": "image/jpeg",
        "pdf": "application/pdf",
    }
    known |= {
        "json": "application/json",
        "csv": "text/csv; charset=utf-8",
        "md": "text/markdown; charset=utf-8",
    }
    return known.get(upload.name.rpartition(".")[2].lower())
