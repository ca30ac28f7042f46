"""A host without an application behind it: it echoes, remembers what it was told, and offers one command of each sort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adapters.platforms.base import (
    Answer,
    Button,
    Call,
    Command,
    End,
    Field,
    File,
    Form,
    Mark,
    Message,
    Param,
    Place,
    Reply,
    Spoken,
    Table,
    UserError,
    Welcome,
    Who,
)
from adapters.platforms.terminal.session import Session

PLACE = Place("terminal", "local", "terminal", "terminal")
ME = Who("me", "Me")
WELCOME = Welcome("Guide", "I show you around.", "#33aa77", ("What is this?", "Why?", "A joke?"), "fake:echo")
THANKS = Answer("Thank you.")
CONSENT = Answer(
    "Thank you.\nMay Guide learn from this? It stays on this machine",
    buttons=(
        Button("Yes", "privacy consent"),
        Button("No", "privacy decline"),
        Button("What is kept?", "privacy show"),
    ),
)


@dataclass
class FakeHost:
    """Says back what it hears, upside down where there is nothing better."""

    marks: list[Mark] = field(default_factory=list[Mark])
    calls: list[Call] = field(default_factory=list[Call])
    messages: list[Message] = field(default_factory=list[Message])
    pieces: Sequence[str] = ()
    spoken: Spoken | None = None
    welcomes: Welcome = WELCOME
    thanks: Answer = THANKS
    on_speak: Callable[[], None] | None = None
    speaking: asyncio.Event | None = None
    error: Exception | None = None

    @property
    def commands(self) -> Sequence[Command]:
        names = ("history", "danger", "many", "ask", "file", "regenerate", "bad", "avatar use", "import")
        params = {
            "avatar use": (Param("name", "Whom.", required=True),),
            "ask": (Param("colour", "Which colour?", "choice", choices=("red", "blue")),),
            "import": (Param("path", "The file.", required=True), Param("avatar", "For whom.")),
        }
        listed = [
            Command(
                name,
                f"Do {name}.",
                self._run,
                params=params.get(name, ()),
                confirm="Delete everything?" if name == "danger" else "",
            )
            for name in names
        ]
        return [
            *listed,
            *(Command(f"privacy {verb}", verb, self._run) for verb in ("consent", "decline", "show")),
        ]

    async def welcome(self, place: Place) -> Welcome:
        if place.avatar == "nobody":
            raise UserError("There is no avatar called nobody.")
        return self.welcomes

    async def speak(self, message: Message, reply: Reply) -> Spoken:
        self.messages.append(message)
        if self.error:
            raise self.error
        if self.spoken is not None and self.spoken.status == "failed":
            await reply.fail(self.spoken.text, self.spoken.reference)
        if self.spoken is not None:
            return self.spoken
        return await self._speak(message.text, reply)

    async def _speak(self, text: str, reply: Reply) -> Spoken:
        number = f"e{len(self.messages)}"
        said = ""
        for piece in self.pieces or (f"You said: {text}",):
            said += piece
            await reply.grow(said)
        note = ""
        if self.on_speak:
            self.speaking = asyncio.Event()
            self.on_speak()
            await self.speaking.wait()
            self.speaking = None
            note = "stopped"
        await reply.finish(End(number, said, note=note))
        return Spoken(
            "cancelled" if note else "complete",
            number,
            said,
            "Guide",
            "fake:echo",
            True,
            ("x1",),
            3,
            5,
            7,
            0.25,
            12,
        )

    async def mark(self, mark: Mark) -> Answer:
        self.marks.append(mark)
        return self.thanks

    async def command(self, call: Call, reply: Reply | None = None) -> Answer:
        self.calls.append(call)
        if call.command == "regenerate" and reply is not None:
            await self._speak("again", reply)
            return Answer()
        command = next(each for each in self.commands if each.name == call.command)
        return await command.run(call)

    async def _run(self, call: Call) -> Answer:
        if call.command == "import":
            await call.progress("reading", 0.5)
        return {
            "history": Answer(
                "**History**",
                fields=(Field("Rated", "3"),),
                table=Table(("when", "what"), (("now", "a"), ("then", "bb"))),
            ),
            "many": Answer("Which?", buttons=(Button("Red", "ask", {"colour": "red"}), Button("Bad", "bad"))),
            "ask": Answer(f"Chosen: {call.text('colour')}")
            if call.values
            else Answer(
                form=Form(
                    "A colour", "ask", (Param("colour", "Which colour?", "choice", choices=("red", "blue")),)
                )
            ),
            "file": Answer("Here.", files=(File("../export.jsonl", b"{}"),)),
            "bad": Answer("`that` cannot be done.", ok=False),
            "privacy show": Answer("Kept: nothing."),
        }.get(call.command, Answer(f"Done: {call.command}"))

    def stop_speaking(self, place: Place, exchange_id: str = "") -> bool:
        if self.speaking is None or self.speaking.is_set():
            return False
        self.speaking.set()
        return True

    async def listens(self, place: Place) -> bool:
        return False

    async def left(self, platform: str, workspace: str) -> None:
        raise AssertionError("nobody leaves the terminal")


def session(host: FakeHost, place: Place = PLACE) -> Session:
    """Somebody at a terminal of this host; time stands still."""
    return Session(
        host, place, ME, lambda: 1_000, lambda: f"m{len(host.messages)}", lambda error: "Ours, reference r1."
    )
