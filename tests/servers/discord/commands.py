"""The application's commands: what it registered, who is offered which, and how a typed one becomes data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.servers.discord import errors
from tests.servers.discord.errors import NotPossible, invalid, too_long
from tests.servers.discord.ids import Json
from tests.servers.discord.messages import Attachment
from tests.servers.discord.permissions import Permission

if TYPE_CHECKING:
    from tests.servers.discord.places import Channel
    from tests.servers.discord.users import User
    from tests.servers.discord.world import World

CHAT, USER, MESSAGE = 1, 2, 3
SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, BOOLEAN, USER_OPTION, CHANNEL_OPTION, ROLE_OPTION, MENTIONABLE, NUMBER, ATTACHMENT = range(
    3, 12
)
NAME = re.compile(r"[-_'\w]{1,32}")
LIMIT = 100
WRITTEN = 8000


class Commands:
    """All registered commands, global and of each guild, and how often they were registered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sets: dict[int | None, dict[int, Json]] = {}
        self.overwrites: list[tuple[int | None, list[str]]] = []

    def of(self, guild: int | None = None) -> dict[int, Json]:
        """The commands of one guild, or the global ones."""
        return self._sets.setdefault(guild, {})

    def overwrite(self, guild: int | None, wanted: Sequence[Json]) -> list[Json]:
        """Register exactly ``wanted``: what keeps its name keeps its id, what changed gets a new version."""
        chat = [one for one in wanted if one.get("type", CHAT) == CHAT]
        if len(chat) > LIMIT:
            raise errors.Refusal(400, 30032, "Maximum number of application commands reached (100).")
        self.overwrites.append((guild, [str(one["name"]) for one in wanted]))
        before = {(c["type"], c["name"]): c for c in self.of(guild).values()}
        after = [self._full(guild, one, before, str(index)) for index, one in enumerate(wanted)]
        if len({(c["type"], c["name"]) for c in after}) < len(after):
            raise invalid(
                "name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
            )
        self._sets[guild] = {int(c["id"]): c for c in after}
        self._world.changed()
        return after

    def put(self, guild: int | None, wanted: Json) -> tuple[Json, bool]:
        """Register one command, and say whether it is new."""
        before = {(c["type"], c["name"]): c for c in self.of(guild).values()}
        full = self._full(guild, wanted, before, "")
        self.of(guild)[int(full["id"])] = full
        self._world.changed()
        return full, (full["type"], full["name"]) not in before

    def edit(self, guild: int | None, key: int, change: Json) -> Json:
        """Change one command."""
        known = self.get(guild, key)
        kept = {
            name: known[name] for name in known if name not in ("id", "version", "application_id", "guild_id")
        }
        del self.of(guild)[key]
        full, _ = self.put(guild, kept | change)
        del self.of(guild)[int(full["id"])]
        full["id"] = str(key)
        self.of(guild)[key] = full
        return full

    def get(self, guild: int | None, key: int) -> Json:
        """The command of that id."""
        if key not in self.of(guild):
            raise errors.UNKNOWN_COMMAND
        return self.of(guild)[key]

    def delete(self, guild: int | None, key: int) -> None:
        """Take one command away."""
        self.get(guild, key)
        del self.of(guild)[key]
        self._world.changed()

    def _full(self, guild: int | None, wanted: Json, before: Mapping[tuple[int, str], Json], at: str) -> Json:
        kind = int(wanted.get("type") or CHAT)
        check(wanted, kind, at)
        if _written(wanted) > WRITTEN:
            text = "Command exceeds maximum size (8000)"
            raise invalid(at or "options", "APPLICATION_COMMAND_TOO_LARGE", text)
        full: Json = {
            "application_id": str(self._world.bot.id),
            "type": kind,
            "name": wanted["name"],
            "name_localizations": wanted.get("name_localizations"),
            "description": wanted.get("description") or "",
            "description_localizations": wanted.get("description_localizations"),
            "default_member_permissions": wanted.get("default_member_permissions"),
            "nsfw": bool(wanted.get("nsfw")),
            "integration_types": wanted.get("integration_types") or [0],
        }
        if full["default_member_permissions"] is not None:
            full["default_member_permissions"] = str(full["default_member_permissions"])
        if guild is None:
            full["dm_permission"] = wanted.get("dm_permission") is not False
            full["contexts"] = wanted.get("contexts")
        else:
            full["guild_id"] = str(guild)
        if wanted.get("options"):
            full["options"] = [_option(one) for one in wanted["options"]]
        same = before.get((kind, str(wanted["name"])))
        if same is not None and {k: v for k, v in same.items() if k not in ("id", "version")} == full:
            return same
        key = same["id"] if same is not None else str(self._world.ids())
        return {"id": key, "version": str(self._world.ids())} | full

    # -- what a person is offered

    def find(self, channel: Channel, name: str, kind: int = CHAT) -> Json:
        """The command of that name which is offered in ``channel``: a guild's own goes before a global one."""
        guild = None if channel.guild is None else channel.guild.id
        for scope in (guild, None) if guild is not None else (None,):
            for command in self.of(scope).values():
                if (command["type"], command["name"]) == (kind, name):
                    return command
        raise NotPossible(f"there is no command {name!r} in {channel}")

    def visible(self, command: Json, user: User, channel: Channel) -> bool:
        """Whether Discord's client would offer ``command`` to ``user`` in ``channel``."""
        contexts = command.get("contexts")
        if channel.guild is None:
            return 1 in contexts if contexts is not None else command.get("dm_permission", False)
        if contexts is not None and 0 not in contexts:
            return False
        allowed = channel.allows(user)
        if allowed & Permission.ADMINISTRATOR:
            return True
        wanted = command["default_member_permissions"]
        if not allowed & Permission.USE_APPLICATION_COMMANDS:
            return False
        return wanted is None or (int(wanted) != 0 and allowed & int(wanted) == int(wanted))

    def offered(self, user: User, channel: Channel) -> list[str]:
        """The names of the commands that ``user`` is offered in ``channel``, subcommands spelt out."""
        guild = None if channel.guild is None else channel.guild.id
        names: list[str] = []
        for scope in dict.fromkeys((guild, None)):
            for command in self.of(scope).values():
                if command["type"] == CHAT and self.visible(command, user, channel):
                    names += _paths(command, "")
        return sorted(set(names))


def _paths(node: Json, before: str) -> list[str]:
    path = f"{before} {node['name']}".strip()
    inner = [o for o in node.get("options") or () if o["type"] in (SUBCOMMAND, GROUP)]
    return [found for one in inner for found in _paths(one, path)] if inner else [path]


def check(wanted: Json, kind: int, at: str) -> None:
    """Refuse what Discord refuses in the declaration of a command or an option."""
    before = f"{at}." if at else ""
    name = str(wanted.get("name", ""))
    if kind == CHAT:
        if not NAME.fullmatch(name) or name != name.lower():
            raise invalid(f"{before}name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        if not 1 <= len(str(wanted.get("description") or "")) <= 100:
            raise invalid(
                f"{before}description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length."
            )
    elif not 1 <= len(name) <= 32:
        raise invalid(f"{before}name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
    options: Sequence[Json] = wanted.get("options") or ()
    if len(options) > 25:
        raise invalid(f"{before}options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    optional = False
    for index, option in enumerate(options):
        place = f"{before}options.{index}"
        check(option, CHAT, place)
        if option["type"] > GROUP:
            if option.get("required") and optional:
                code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
                raise invalid(place, code, "Required options must be placed before non-required options")
            optional = optional or not option.get("required")
        choices: Sequence[Json] = option.get("choices") or ()
        if len(choices) > 25:
            raise invalid(f"{place}.choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        for one in choices:
            if len(str(one["name"])) > 100 or len(str(one["value"])) > 100:
                raise too_long(f"{place}.choices", 100)


def _written(wanted: Json) -> int:
    texts = len(str(wanted.get("name", ""))) + len(str(wanted.get("description") or ""))
    choices = sum(len(str(c["name"])) + len(str(c["value"])) for c in wanted.get("choices") or ())
    return texts + choices + sum(_written(one) for one in wanted.get("options") or ())


def _option(wanted: Json) -> Json:
    kept: Json = {k: v for k, v in wanted.items() if v is not None and v not in ([], False)}
    kept |= {"name_localizations": None, "description_localizations": None}
    if "options" in kept:
        kept["options"] = [_option(one) for one in kept["options"]]
    if "choices" in kept:
        kept["choices"] = [{"name_localizations": None} | one for one in kept["choices"]]
    return kept


# -- from what is typed to what is sent


def typed(
    world: World,
    channel: Channel,
    command: Json,
    path: Sequence[str],
    values: Mapping[str, Any],
    focus: str | None = None,
) -> Json:
    """The data of an interaction in which ``path`` of ``command`` was typed with ``values``."""
    resolved: Json = {}
    node, chain = command, list[Json]()
    for name in path:
        inner = [
            o for o in node.get("options") or () if o["name"] == name and o["type"] in (SUBCOMMAND, GROUP)
        ]
        if not inner:
            raise NotPossible(f"/{command['name']} has no subcommand {' '.join(path)!r}")
        node = inner[0]
        chain.append({"name": name, "type": node["type"]})
    declared = {o["name"]: o for o in node.get("options") or ()}
    if any(o["type"] in (SUBCOMMAND, GROUP) for o in declared.values()):
        raise NotPossible(f"/{command['name']} wants one of its subcommands: {', '.join(declared)}")
    unknown = set(values) - set(declared)
    missing = {name for name, o in declared.items() if o.get("required")} - set(values)
    if unknown or (missing and focus is None):
        raise NotPossible(f"/{command['name']}: unknown options {sorted(unknown)}, missing {sorted(missing)}")
    leaves: list[Json] = []
    for name, value in values.items():
        leaf: Json = {"name": name, "type": declared[name]["type"]}
        leaf["value"] = (
            str(value) if name == focus else _value(world, channel, declared[name], value, resolved)
        )
        leaves.append(leaf | ({"focused": True} if name == focus else {}))
    for one in reversed(chain):
        leaves = [one | {"options": leaves}]
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"], "options": leaves}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | ({"resolved": resolved} if resolved else {})


def _value(world: World, channel: Channel, option: Json, value: Any, resolved: Json) -> Any:
    kind, name = option["type"], option["name"]
    if option.get("choices"):
        for one in option["choices"]:
            if value in (one["value"], one["name"]):
                return one["value"]
        raise NotPossible(f"{name}: {value!r} is not one of {[one['name'] for one in option['choices']]}")
    if kind == STRING:
        text = str(value)
        if not option.get("min_length", 0) <= len(text) <= option.get("max_length", 6000):
            raise NotPossible(f"{name}: {len(text)} characters are too few or too many")
        return text
    if kind in (INTEGER, NUMBER):
        number = int(value) if kind == INTEGER else float(value)
        if not option.get("min_value", number) <= number <= option.get("max_value", number):
            raise NotPossible(f"{name}: {number} is out of range")
        return number
    if kind == BOOLEAN:
        return bool(value)
    if kind == ATTACHMENT:
        file = value if isinstance(value, Attachment) else world.store(channel, *value, ephemeral=True)
        resolved.setdefault("attachments", {})[str(file.id)] = file.json()
        return str(file.id)
    resolve(channel, value, resolved)
    return str(value.id)


def resolve(channel: Channel, value: Any, resolved: Json) -> None:
    """Add a person, role or channel to what an interaction's data refers to."""
    key = str(value.id)
    if hasattr(value, "messages"):
        inside = {k: v for k, v in value.json().items() if k != "permission_overwrites"}
        resolved.setdefault("channels", {})[key] = inside | {
            "permissions": str(value.allows(value.world.bot))
        }
    elif hasattr(value, "mentionable"):
        resolved.setdefault("roles", {})[key] = value.json()
    else:
        resolved.setdefault("users", {})[key] = value.json()
        guild = channel.guild
        if guild is not None and value.id in guild.members:
            member = guild.members[value.id].partial() | {"permissions": str(channel.allows(value))}
            resolved.setdefault("members", {})[key] = member
