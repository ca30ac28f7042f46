"""App Home: who waits here and how to talk to them, what is kept of the person, and for admins how things stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from weakref import WeakValueDictionary

import structlog
from slack_sdk.errors import SlackApiError

from adapters.platforms.base import Access, Answer, Call, Command, Field, UserError, Welcome, Who
from adapters.platforms.slack import commands, controls
from adapters.platforms.slack.answers import Says
from adapters.platforms.slack.controls import Run, Style, plain
from adapters.platforms.slack.desk import Desk
from adapters.platforms.slack.markup import mrkdwn
from adapters.platforms.slack.sending import error_code

log = structlog.get_logger()

BLOCKS: Final = 100
"""Blocks of one view."""

_TEXT = 2_900
_HEADER = 150
_FIELDS = 10
_FIELD = 1_900
_SUGGESTIONS = 4
_CONFLICT = "hash_conflict"
# The lists of fine-tuning whose newest lines stand there, in the order of ``Facts``.
_TRAINED = ("datasets", "jobs", "releases")

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Door:
    """A button to a command."""

    label: str
    command: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    style: Style = "plain"


DOORS: Final = (
    Door("Examples to review", "examples list", {"status": "proposed"}),
    Door("All examples", "examples list"),
    Door("Add an example …", "examples add"),
    Door("Avatars", "avatar list"),
    Door("New avatar …", "avatar create"),
    Door("Models", "models"),
    Door("Datasets", "finetune datasets"),
    Door("Runs", "finetune jobs"),
    Door("Releases", "finetune releases"),
)
"""What reviewers and those above them find there, as far as there is such a command and they may give it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What App Home shows to one person. Everything from ``stats`` on is there for those who may see it."""

    me: str
    who: Who
    known: Sequence[Command]
    welcome: Welcome | None = None
    privacy: Answer | None = None
    stats: Answer | None = None
    model: Answer | None = None
    check: Answer | None = None
    datasets: Answer | None = None
    runs: Answer | None = None
    releases: Answer | None = None
    note: str = ""


def view(facts: Facts) -> Block:
    """App Home, as Slack takes it."""
    says = Says(f"{commands.SLASH} ", commands.first_words(facts.known))
    blocks = [
        *_note(facts.note, says),
        *_who_waits(facts),
        {"type": "divider"},
        *_yours(facts, says),
        *_state(facts, says),
    ]
    return {"type": "home", "blocks": blocks[:BLOCKS]}


class Home:
    """Keeps App Home as things stand."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # What is published last must have been looked up last.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def opened(self, event: Mapping[str, Any]) -> None:
        """Somebody looks at it."""
        if event.get("tab", "home") == "home" and event.get("user"):
            await self.show(str(event["user"]))

    async def show(self, person: str, note: str = "", *, seen: str = "") -> None:
        """Publish it for this person, with a remark on what they just did; ``seen`` is the hash of what they looked at."""
        turn = self._turns.get(person)
        if turn is None:
            turn = self._turns[person] = asyncio.Lock()
        async with turn:
            try:
                await self._publish(person, note, seen)
            except SlackApiError as error:
                if error_code(error) != _CONFLICT:
                    raise
                log.info("app home changed meanwhile", person=person)
                await self._publish(person, note, "")

    async def _publish(self, person: str, note: str, seen: str) -> None:
        asked: dict[str, Any] = {"user_id": person, "view": view(await self._facts(person, note))}
        if seen:
            asked["hash"] = seen
        await self._desk.wire.call("views.publish", **asked)

    async def _facts(self, person: str, note: str) -> Facts:
        desk = self._desk
        who = await desk.people.who_of(person, anew=True)
        place = await desk.place(await desk.direct(person))
        welcome: Welcome | None = None
        try:
            welcome = await desk.host.welcome(place)
        except UserError as error:
            log.info("nobody waits in app home", person=person, error=type(error).__name__)

        async def ask(name: str, needed: Access) -> Answer | None:
            command = commands.find(desk.host.commands, name)
            if command is None or who.access < max(needed, command.access):
                return None
            values = commands.with_defaults(command, {})
            answer = await desk.host.command(Call(name, place, who, values, _silent, desk.clock()))
            return answer if answer.ok or answer.table else None

        privacy = await ask("privacy show", Access.MEMBER)
        stats = await ask("stats", Access.REVIEWER)
        model = await ask("model", Access.REVIEWER)
        check = await ask("check", Access.OWNER)
        trained = [await ask(f"{commands.GROUP} {name}", Access.TRAINER) for name in _TRAINED]
        me, known = desk.people.identity.user_id, desk.host.commands
        return Facts(me, who, known, welcome, privacy, stats, model, check, *trained, note=note)


async def _silent(text: str, done: float | None = None) -> None:
    """Nobody watches how far it is."""


def _note(note: str, says: Says) -> list[Block]:
    return [_section(says.text(note))] if note else []


def _who_waits(facts: Facts) -> list[Block]:
    welcome = facts.welcome
    if welcome is None:
        return [_header("Nobody waits here yet"), _section("An admin can create an avatar.")]
    line = "I am an AI."
    if welcome.tagline:
        line = f"{welcome.tagline.rstrip('.')}. {line}"
    how = (
        f"Write to me under *Messages*, mention <@{facts.me}> in a channel, or go on in a thread that I am in. "
        "The thumbs below my replies teach me.\n"
        f"`{commands.SLASH} help` lists the commands."
    )
    blocks = [_header(f"Hello, I am {welcome.avatar}"), _section(line), _raw(how)]
    if welcome.suggestions:
        asked = "\n".join(f"• {mrkdwn(each)}" for each in welcome.suggestions[:_SUGGESTIONS])
        blocks.append(_raw(f"*To begin with*\n{asked}"))
    if welcome.status:
        blocks.append(_quiet(f"Model: {welcome.status}"))
    return blocks


def _yours(facts: Facts, says: Says) -> list[Block]:
    """What is kept of the person, and their choices."""
    answer = facts.privacy
    if answer is None:
        return []
    blocks = [_header("Your ratings and your privacy")]
    # The commands that change it are the buttons below.
    blocks += _fields([each for each in answer.fields if each.name != "Change it"], says)
    blocks.append(_quiet(says.text(answer.text)))
    data: Any = answer.data
    consent = str(data.get("consent", "")) if isinstance(data, Mapping) else ""
    buttons: list[Block] = []
    if consent != "given":
        buttons.append(_button(0, Door("You may learn from me", "privacy consent", style="good"), facts))
    if consent == "unset":
        buttons.append(_button(1, Door("No, do not", "privacy decline"), facts))
    if consent == "given":
        question = "Nothing of yours will be learnt from, and what was learnt will not be used any more."
        buttons.append(
            _button(
                2,
                Door("Take my yes back", "privacy withdraw"),
                facts,
                sure=("Take it back?", question, "Take it back"),
            )
        )
    delete = commands.find(facts.known, "privacy delete")
    if delete is not None:
        sure = ("Delete everything?", f"{delete.confirm} This cannot be undone.", "Delete")
        buttons.append(
            _button(3, Door("Delete all of mine", "privacy delete", style="danger"), facts, sure=sure)
        )
    return [*blocks, controls.row(*buttons)] if buttons else blocks


def _state(facts: Facts, says: Says) -> list[Block]:
    """How things stand, for those who look after them."""
    doors = [door for door in DOORS if _open(facts, door)] if facts.who.access >= Access.REVIEWER else []
    if facts.stats is None and facts.check is None and not doors:
        return []
    blocks: list[Block] = [{"type": "divider"}, _header("How things stand")]
    if facts.model is not None and facts.model.text:
        blocks.append(_section(says.text(facts.model.text)))
    if facts.stats is not None:
        blocks += _fields(facts.stats.fields, says)
    blocks += _fields(_trained(facts), says)
    if facts.check is not None and facts.check.table is not None:
        lines = [_line(row, says) for row in facts.check.table.rows]
        blocks.append(_raw("\n".join(lines)))
    if doors:
        blocks.append(controls.row(*(_button(number, door, facts) for number, door in enumerate(doors, 10))))
    return blocks


def _trained(facts: Facts) -> list[Field]:
    """Datasets, training runs and releases: how many there are, and what the newest of each is."""
    answers = (facts.datasets, facts.runs, facts.releases)
    found: list[Field] = []
    for (name, newest), answer in zip(_NEWEST.items(), answers, strict=True):
        if answer is None or not isinstance(answer.data, Sequence):
            continue
        data = cast("Sequence[Mapping[str, Any]]", answer.data)
        found.append(Field(name, f"{len(data):,} · {newest(data[0])}" if data else "none yet"))
    return found


def _dataset(data: Mapping[str, Any]) -> str:
    return f"`{data['dataset']}`, {data['train']:,} rows to train on"


def _run(data: Mapping[str, Any]) -> str:
    done = f", {data['done']:.0%}" if data["done"] is not None and data["ended_at"] is None else ""
    return f"run {data['run']} on `{data['dataset'] or 'a deleted dataset'}`: {data['state']}{done}"


def _release(data: Mapping[str, Any]) -> str:
    return f"`{data['answers_with']}` answers, with prompt version {data['prompt_version']}"


_NEWEST: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "Datasets": _dataset,
    "Training runs": _run,
    "Releases": _release,
}


def _line(row: Sequence[str], says: Says) -> str:
    state, *rest = row
    mark = {"ok": "✅", "hint": "💡", "problem": "⚠️"}.get(state, "•")
    what, detail = rest[0], " ".join(rest[1:])
    return f"{mark} *{mrkdwn(what)}* · {mrkdwn(says.text(detail))}"


def _open(facts: Facts, door: Door) -> bool:
    command = commands.find(facts.known, door.command)
    return command is not None and facts.who.access >= command.access


def _button(number: int, door: Door, facts: Facts, *, sure: tuple[str, str, str] | None = None) -> Block:
    """A button; one that asks whether it is meant is confirmed by Slack itself."""
    confirm = None
    if sure is not None:
        title, text, yes = sure
        confirm = {
            "title": plain(title, 100),
            "text": plain(text, 300),
            "confirm": plain(yes, 30),
            "deny": plain("Cancel", 30),
            "style": "danger",
        }
    value = controls.run_value(Run(controls.ANYBODY, door.command, door.values, sure=sure is not None))
    return controls.button(door.label, f"{controls.HOME}.{number}", value, style=door.style, confirm=confirm)


def _fields(fields: Sequence[Field], says: Says) -> list[Block]:
    """Facts side by side."""
    shown = [
        {
            "type": "mrkdwn",
            "text": f"*{mrkdwn(each.name)}*\n{_cut(mrkdwn(says.text(each.value)), _FIELD)}",
            "verbatim": True,
        }
        for each in fields
    ]
    return [{"type": "section", "fields": shown[at : at + _FIELDS]} for at in range(0, len(shown), _FIELDS)]


def _header(text: str) -> Block:
    return {"type": "header", "text": plain(text, _HEADER)}


def _section(markdown: str) -> Block:
    return _raw(mrkdwn(markdown))


def _raw(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _TEXT), "verbatim": True}}


def _quiet(markdown: str) -> Block:
    text = {"type": "mrkdwn", "text": _cut(mrkdwn(markdown), _TEXT), "verbatim": True}
    return {"type": "context", "elements": [text]}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()}…"
