"""The words of any chat platform.

A platform turns what happens where people talk into ``Message``, ``Mark`` and ``Call``, hands them to the ``Host`` (the
application), and shows what comes back: a ``Reply`` grows while the avatar speaks, an ``Answer`` is what a command says.
Commands are declared once, as data; each platform gives the same declaration its own face.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, Protocol


class Access(IntEnum):
    """Who somebody is in a workspace; each level may do what the ones below it may."""

    MEMBER = 0
    RATER = 1
    REVIEWER = 2
    TRAINER = 3
    OWNER = 4

    @property
    def label(self) -> str:
        """The level's name as people read it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Who:
    """A person as the platform knows them.

    ``key`` is the platform's id of the person, unique in the workspace; ``access`` is what the platform's own roles
    make of them, established by the platform on every event and never by the text of a message.
    """

    key: str
    name: str
    access: Access = Access.RATER


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is said.

    ``workspace`` is the platform's id of the tenant; ``channel`` the room whose readers see it; ``conversation`` the key
    of one strand of talk (a thread, a reply chain, or the channel itself). What is said in a ``private`` place (a direct
    message, a closed channel) serves only there until a reviewer widens it. ``avatar`` names the avatar that is wanted
    here; empty, it is the one the channel is bound to, else the one of ``parent``, the channel that a closed thread hangs
    on.
    """

    platform: str
    workspace: str
    channel: str
    conversation: str
    private: bool = False
    workspace_name: str = ""
    avatar: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, fetched; ``problem`` says in half a sentence why it could not be."""

    name: str
    media_type: str
    data: bytes = b""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Something a person said. ``key`` is the platform's id of it, unique in the workspace: it is answered once.

    ``addressed`` says that it is for the avatar; ``at`` is when it was said, milliseconds since the epoch, UTC.
    ``reply_to`` is the platform's id of the message that it answers: where that is a reply of an avatar, the message
    belongs to that reply's conversation, whatever ``place`` says.
    """

    key: str
    place: Place
    who: Who
    text: str
    at: int
    addressed: bool = True
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """One change of mind about a reply: a reaction, a button, stars, a comment, a better answer.

    ``exchange_id`` names the exchange (or ``reply_key``, the platform's id of the reply). ``source`` names the mark, such
    as ``stars`` or ``reaction:👍``; ``stars`` is 1..5, or ``None`` when this mark is taken away. With ``clear`` every
    mark whose source begins with ``source`` is taken away. ``comment`` and ``better`` are ``None`` when untouched and
    empty when taken away. ``at`` is when it happened, milliseconds since the epoch: events may come late or twice.
    ``askable`` is False where the person could not be asked anything in return, as with a bare reaction.
    """

    place: Place
    who: Who
    source: str
    at: int
    stars: int | None = None
    rates: bool = True
    clear: bool = False
    comment: str | None = None
    better: str | None = None
    exchange_id: str = ""
    reply_key: str = ""
    askable: bool = True


@dataclass(frozen=True, slots=True)
class Button:
    """A choice offered below a reply or an answer: pressing it runs ``command`` with ``args``."""

    label: str
    command: str
    args: Mapping[str, str] = field(default_factory=dict[str, str])
    style: Literal["plain", "good", "danger"] = "plain"


@dataclass(frozen=True, slots=True)
class Field:
    """A labelled fact of an answer."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file handed to the person."""

    name: str
    data: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Form:
    """Fields to fill in; sending it runs ``command`` with the values added to ``args``."""

    title: str
    command: str
    inputs: tuple[Param, ...]
    args: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says, whole.

    ``text`` is Markdown. ``data`` is the same for scripts (``--json``). A ``private`` answer is for the caller's eyes.
    ``ok`` is False when the command declined or failed for a reason that is the person's to mend.
    """

    text: str = ""
    fields: tuple[Field, ...] = ()
    table: Table | None = None
    picture: File | None = None
    files: tuple[File, ...] = ()
    buttons: tuple[Button, ...] = ()
    form: Form | None = None
    private: bool = True
    ok: bool = True
    data: object = None


class Reply(Protocol):
    """One reply of the avatar while it comes to be, where the person sees it."""

    async def accepted(self, exchange_id: str) -> None:
        """The message is accepted as this exchange: what is posted from now on carries its id, so that it is posted once."""
        ...

    async def grow(self, text: str) -> None:
        """Show ``text``, all of what there is so far. May be called often; the platform decides how often it draws."""
        ...

    async def finish(self, end: End) -> str:
        """Show the final text and the feedback controls; returns the platform's id of what was posted.

        Of a reply in several messages it is all their ids, separated by spaces, the one with the controls first.
        Tries until it is there or cannot be. What it raises leaves the reply to be shown later.
        """
        ...

    async def fail(self, sentence: str, reference: str) -> None:
        """Say in one sentence that there is no reply, with the reference to give to an admin."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """The end of a reply: its final ``text``, and what the platform needs to offer ratings.

    ``note`` is a remark below the text in a quieter voice, such as that the reply was stopped.
    """

    exchange_id: str
    text: str
    known: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of a message.

    ``status`` is ``complete``, ``failed``, ``cancelled``, ``repeated`` (seen before), ``ignored`` (not for the avatar),
    ``taught`` (the message taught an answer; ``text`` says so) or ``declined`` (with the sentence in ``text``).
    ``model`` is written ``vendor:name``. ``offer`` is shown below, such as the question for consent.
    """

    status: Literal["complete", "failed", "cancelled", "repeated", "ignored", "taught", "declined"]
    exchange_id: str = ""
    text: str = ""
    avatar: str = ""
    model: str = ""
    known: bool = True
    example_ids: tuple[str, ...] = ()
    prompt_version: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    latency_ms: int = 0
    error: str = ""
    reference: str = ""
    offer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """Who waits in a place, for a platform that greets: at the start of a session, and again after each command.

    ``colour`` is ``#rrggbb`` or empty; ``suggestions`` are questions to begin with; ``status`` is one line about the
    model and what it can do.
    """

    avatar: str
    tagline: str = ""
    colour: str = ""
    suggestions: tuple[str, ...] = ()
    status: str = ""


MOST_INTEGER = 2**31 - 1
"""What every database takes for a number of something."""

ParamKind = Literal["text", "integer", "number", "flag", "choice"]


@dataclass(frozen=True, slots=True)
class Param:
    """A typed parameter of a command.

    ``rest`` takes everything that is left, spaces and all. ``complete`` proposes values that begin with what was typed.
    ``scripted`` ones are for scripts, buttons and the operator's own machine: no form asks people for them.
    """

    name: str
    help: str
    kind: ParamKind = "text"
    required: bool = False
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    rest: bool = False
    long: bool = False
    complete: Callable[[Call, str], Awaitable[Sequence[str]]] | None = None
    scripted: bool = False


class Progress(Protocol):
    """Where a long command tells how far it is; the platform updates one message in place."""

    async def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done; ``done`` is the finished share, 0..1."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody gives a command: which one, from where, with which values.

    ``values`` holds one value of the declared type for each parameter that was given or has a default. ``local`` is True
    on the operator's own machine, where paths of files mean something. ``confirmed`` answers confirmations beforehand.
    ``reply`` is where a command that makes the avatar speak (regenerate) shows it; the host puts it there.
    """

    command: str
    place: Place
    who: Who
    values: Mapping[str, str | int | float | bool | None]
    progress: Progress
    at: int
    local: bool = False
    confirmed: bool = False
    reply: Reply | None = None

    def text(self, name: str) -> str:
        """The value of a text or choice parameter, empty when it was not given."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str) -> int | None:
        """The value of an integer parameter. Raises ``UserError`` for one that is larger than any number here."""
        value = self.values.get(name)
        if value is not None and abs(int(value)) > MOST_INTEGER:
            raise UserError(f"`{name}` is at most {MOST_INTEGER:,}.")
        return None if value is None else int(value)

    def number(self, name: str) -> float | None:
        """The value of a number parameter."""
        value = self.values.get(name)
        return None if value is None else float(value)

    def flag(self, name: str) -> bool:
        """Whether a flag was given."""
        return bool(self.values.get(name))


@dataclass(frozen=True, slots=True)
class Command:
    """A command, declared once. ``name`` is one word or two ("avatar list"); ``run`` gives the answer.

    ``confirm`` is the question asked first when it cannot be undone.
    """

    name: str
    help: str
    run: Callable[[Call], Awaitable[Answer]]
    access: Access = Access.MEMBER
    params: tuple[Param, ...] = ()
    confirm: str = ""
    private: bool = True


class UserError(Exception):
    """Something the person can mend; ``str()`` is the one helpful sentence they are told."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A reply that is owed: the message ``trigger`` was accepted in ``place``, and no reply to it is known to be shown.

    It may have been posted all the same, whole or in part: the platform looks before it posts again. ``at`` is when the
    message was accepted, milliseconds since the epoch.
    """

    exchange_id: str
    trigger: str
    place: Place
    at: int


class Continuity(Protocol):
    """What a platform that can reach people later needs to lose nothing over an outage, its own or the platform's."""

    async def seen(self, platform: str) -> None:
        """The platform is connected now: everything said up to this moment has arrived.

        Where several processes share a platform's connections, ``platform`` names the part that is this one's.
        """
        ...

    async def last_seen(self, platform: str) -> int | None:
        """When that was last so, in any process, milliseconds since the epoch; ``None`` when never."""
        ...

    async def unsent(self, platform: str) -> Sequence[Unsent]:
        """The replies that processes which are gone still owe; from now on this process does."""
        ...

    async def resume(self, unsent: Unsent, reply: Reply) -> Spoken:
        """Give the reply that is owed, as far as the message is still there."""
        ...


class Host(Protocol):
    """The application, as a platform sees it."""

    @property
    def commands(self) -> Sequence[Command]:
        """Every command, declared once."""
        ...

    async def welcome(self, place: Place) -> Welcome:
        """The avatar of this place; raises ``UserError`` when there is none of that name."""
        ...

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        """One message in, one reply out."""
        ...

    async def mark(self, mark: Mark) -> Answer:
        """A rating, a comment or a better answer; the answer thanks, or asks for consent the first time."""
        ...

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        """Check that the caller may, run the command, and turn every error into a sentence.

        ``reply`` is where a command that makes the avatar speak (regenerate) shows it.
        """
        ...

    def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
        """Stop the reply that is being given as this exchange, else in this conversation; False when there is none."""
        ...

    async def listens(self, place: Place) -> bool:
        """Whether the avatar answers everything that is said in this channel, addressed to it or not. Cheap."""
        ...

    async def left(self, platform: str, workspace: str) -> None:
        """The avatar was put out of this workspace: what it is doing there ends."""
        ...


class Platform(Protocol):
    """A place where people talk."""

    @property
    def name(self) -> str:
        """Such as ``discord``."""
        ...

    async def run(self, host: Host, continuity: Continuity) -> None:
        """Serve until closed or cancelled. Raises ``UserError`` when it cannot, such as for a wrong token."""
        ...

    async def tell(
        self, place: Place, answer: Answer, *, instead_of: str = "", name: str = "", pings: str = ""
    ) -> str:
        """Say something unasked in a place; returns the platform's id of it, of several messages separated by spaces.

        With ``instead_of``, an id that was returned before, that message is changed in place, picture and all; where it is
        gone, a new one is posted. Under one ``name`` it is posted once, whatever crashes, for which its first line has to
        stay the same. Nobody is notified but the person with the key ``pings``, and only by what is posted anew. Raises
        ``UserError`` when the place cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Take no more messages; replies that are being given finish first."""
        ...
