"""Talking: help, new, stop, regenerate, rate and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.platforms import commandline
from adapters.platforms.base import (
    Access,
    Answer,
    Call,
    Command,
    Mark,
    Param,
    Spoken,
    Table,
    UserError,
)
from bot.access import refusal
from bot.scenes import strand
from bot.services import Services
from storage import clock, conversations, examples, exchanges
from storage.database import Tx
from storage.exchanges import Exchange

EXCHANGE = Param("exchange", "which exchange, by the id that /history shows; the last one when left out")


def help_command(every: Callable[[], Sequence[Command]]) -> Command:
    """The command that lists what the caller may do, or explains one command."""

    async def run(call: Call) -> Answer:
        allowed = [command for command in every() if call.who.access >= command.access]
        wanted = call.text("command").lstrip("/")
        if not wanted:
            return Answer(commandline.help_table(allowed))
        exact = [command for command in allowed if command.name == wanted]
        group = [command for command in allowed if command.name.split()[0] == wanted]
        if exact:
            return Answer("\n\n".join(commandline.command_help(command) for command in exact))
        if group:
            return Answer(commandline.help_table(group))
        closed = [command for command in every() if wanted in (command.name, command.name.split()[0])]
        if closed:
            raise UserError(refusal(min(closed, key=lambda command: command.access), call.who))
        raise UserError(commandline.unknown(wanted, allowed))

    async def complete(_call: Call, typed: str) -> Sequence[str]:
        return [command.name for command in every() if command.name.startswith(typed)]

    return Command(
        "help",
        "list the commands, or explain one",
        run,
        params=(Param("command", "the command to explain", rest=True, complete=complete),),
    )


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    def bound(run: Callable[[Services, Call], Awaitable[Answer]]) -> Callable[[Call], Awaitable[Answer]]:
        return lambda call: run(services, call)

    return (
        Command("new", "start a fresh conversation; the avatar forgets what was said here", bound(_new)),
        Command("stop", "stop the reply that is being given", bound(_stop)),
        Command("regenerate", "answer the last question again", bound(_regenerate), params=(EXCHANGE,)),
        Command(
            "rate",
            "rate the last reply with 1 to 5 stars, or take your rating back with none",
            bound(_rate),
            access=Access.RATER,
            params=(
                Param(
                    "stars", "1 is bad, 5 is great", "choice", True, choices=("1", "2", "3", "4", "5", "none")
                ),
                Param("comment", "what was good or bad about it", rest=True),
                Param("better", "a better answer, which the avatar can learn", long=True),
                EXCHANGE,
            ),
        ),
        Command("why", "show the examples behind the last reply", bound(_why), params=(EXCHANGE,)),
    )


async def _new(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    ended = await services.database.write(
        lambda tx: conversations.end(tx, scene.workspace.id, call.place.conversation, clock.now())
    )
    if not ended:
        return Answer("This conversation is fresh already.")
    return Answer("A fresh start: I have put aside what we said so far.")


async def _stop(services: Services, call: Call) -> Answer:
    if services.conversations.stop(call.place):
        return Answer("Stopped.")
    return Answer("I am not saying anything right now.", ok=False)


async def _regenerate(services: Services, call: Call) -> Answer:
    scene, exchange = await services.exchange(call)
    if exchange.person_id != scene.person.id and call.who.access < Access.REVIEWER:
        raise UserError("Only the person who asked, or a reviewer, can have a reply given again.")
    if call.reply is None:
        raise UserError("A reply can be given again where you talk to me; use `/regenerate` there.")
    # Whoever joined somebody's conversation, or reviews it, has another one of their own in the same channel.
    place = await services.database.read(lambda tx: strand(tx, scene.workspace, call.place, exchange))
    spoken = await services.conversations.regenerate(place, call.who, call.reply, exchange)
    return Answer(data=as_data(spoken), ok=spoken.status != "failed")


def as_data(spoken: Spoken) -> dict[str, object]:
    """A reply for scripts."""
    return {
        "exchange_id": spoken.exchange_id,
        "avatar": spoken.avatar,
        "reply": spoken.text,
        "model": spoken.model,
        "example_ids": list(spoken.example_ids),
        "error": spoken.error,
    }


async def _rate(services: Services, call: Call) -> Answer:
    scene, exchange = await services.exchange(call)
    stars = call.text("stars")
    mark = Mark(
        place=call.place,
        who=call.who,
        source="" if stars == "none" else "stars",
        at=call.at,
        stars=None if stars == "none" else int(stars),
        clear=stars == "none",
        comment=call.text("comment") or None,
        better=call.text("better") or None,
        exchange_id=exchange.id,
    )
    outcome = await services.feedback.mark(
        scene.workspace, scene.person, call.who.access, exchange, mark, may_ask=services.interactive
    )
    return outcome.answer(local=call.local)


async def _why(services: Services, call: Call) -> Answer:
    _, exchange = await services.exchange(call)

    def gather(tx: Tx) -> list[tuple[str, ...]]:
        return [_row(tx, exchange, example) for example in examples.many(tx, exchange.example_ids)]

    rows = await services.database.read(gather)
    data = {
        "exchange_id": exchange.id,
        "model": exchange.model,
        "example_ids": list(exchange.example_ids),
        "answered_from": list(exchange.answered_from),
        "known": exchange.known,
    }
    trained = [each for each in exchange.answered_from if each not in exchange.example_ids]
    learnt = f"{exchange.model} answered from {', '.join(trained)}, which it was trained on."
    if not rows:
        unshown = f"No example was shown to {exchange.model} for that reply."
        return Answer(f"{learnt} No example was shown to it." if trained else unshown, data=data)
    if trained:
        text = f"{learnt} These examples were shown to it too."
    elif exchange.answered_from:
        text = f"{exchange.model} answered from the example marked ●; the others were shown to it too."
    elif not exchange.known:
        text = f"{exchange.model} found none of these close enough to answer from."
    else:
        text = f"These examples were shown to {exchange.model} with the question; what it made of them is its own."
    columns = ("", "no.", "score", "quality", "ratings", "from", "question", "answer")
    return Answer(text, table=Table(columns, tuple(rows)), data=data)


def _row(tx: Tx, exchange: Exchange, example: examples.Example) -> tuple[str, ...]:
    rated = exchanges.get(tx, example.exchange_id) if example.exchange_id else None
    return (
        "●" if example.id in exchange.answered_from else "",
        str(example.number),
        "pinned" if example.pinned else f"{exchange.scores.get(example.id, 0.0):.2f}",
        f"{example.quality:.2f}",
        str(rated.ratings) if rated else "-",
        {"guide": "the guide", "better": "a better answer", "exchange": "a rated reply"}.get(
            example.source, example.source
        ),
        shorten(example.user_text),
        shorten(example.assistant_text),
    )


def counted(number: int, noun: str) -> str:
    """A number of things, such as ``1 exchange`` and ``1,200 exchanges``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, width: int = 60) -> str:
    """One line of at most ``width`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
