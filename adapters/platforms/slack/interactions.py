"""What people press, send, command and react with on Slack, handed to whoever attends to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from adapters.platforms.base import Answer, Button, Command, Host, Place, UserError
from adapters.platforms.commandline import complete_values
from adapters.platforms.slack import commands, controls, forms
from adapters.platforms.slack.answers import KEPT, Shown, Step, press, question
from adapters.platforms.slack.controls import NotOursError, Run
from adapters.platforms.slack.desk import Addresses, Desk
from adapters.platforms.slack.forms import Origin, Sent
from adapters.platforms.slack.home import Home
from adapters.platforms.slack.manifest import RATE_MENU, TEACH_MENU
from adapters.platforms.slack.offers import offers
from adapters.platforms.slack.places import key_of
from adapters.platforms.slack.progress import Bar
from adapters.platforms.slack.ratings import Ratings
from adapters.platforms.slack.reactions import Reactions
from adapters.platforms.slack.replies import SlackReply
from adapters.platforms.slack.sending import Recent, Wire
from adapters.platforms.slack.visits import Visit, visit_of
from adapters.platforms.usage import Value

log = structlog.get_logger()

_REMEMBERED = 4_096
_SOMEBODY_ELSE = "This question is for somebody else."
_OLD_BUTTON = "This button is from before I was started again. Give the command once more, please."
_OLD_COMMAND = "I do not know that command any more; `/help` lists those I know."
_NOTHING = "Nothing was changed."
_NO_TUNING = (
    "There is nothing to fine-tune with yet: I learn from ratings and examples, which `/examples list` shows "
    "and `/help` explains."
)

Work = Callable[[Visit], Awaitable[None]]


def attach(
    app: AsyncApp,
    host: Host,
    wire: Wire,
    clock: Callable[[], int],
    reply_for: Callable[[Place, str, str], SlackReply],
) -> Interactions:
    """Have this app serve commands, buttons, forms, reactions, shortcuts and App Home from now on.

    Call it once, after the listener for messages is registered. ``clock`` gives milliseconds since the epoch; ``reply_for``
    gives a reply in a place to the message with this key (empty: to none) for this person.
    """
    desk = Desk(host, wire, clock, Addresses(clock))
    made, reactions = Interactions(desk, reply_for), Reactions(desk)
    app.command(commands.SLASH)(made.on_command)
    app.command(commands.FINETUNE)(made.on_command)
    app.action(controls.OURS)(made.on_action)
    app.message_shortcut(controls.OURS)(made.on_shortcut)
    app.view_submission(controls.OURS)(made.on_form)
    app.view_closed(controls.OURS)(made.on_closed)
    app.event("reaction_added")(_noting(wire, reactions.added))
    app.event("reaction_removed")(_noting(wire, reactions.removed))
    app.event("app_home_opened")(_noting(wire, made.home.opened))
    return made


def _noting(
    wire: Wire, attend: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> Callable[[dict[str, Any]], Awaitable[None]]:
    """An event behind which nobody waits for a word; one that fails is found in the log."""

    async def listener(event: dict[str, Any]) -> None:
        wire.begin(event_key := object())
        try:
            await attend(event)
        except Exception as error:
            log.exception("an event was not taken", event_name=event.get("type"), exc_info=error)
        finally:
            wire.end(event_key)

    return listener


class Interactions:
    """Attends to all of it in one workspace; nothing fails without a word to the person."""

    def __init__(self, desk: Desk, reply_for: Callable[[Place, str, str], SlackReply]) -> None:
        self._desk = desk
        self._reply_for = reply_for
        self._ratings = Ratings(desk)
        self._seen = Recent(_REMEMBERED)
        self.home = Home(desk)

    # From Slack: each is acknowledged before anything else is done

    async def on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A slash command."""
        await ack()
        line = commands.line_of(str(body.get("command", "")), str(body.get("text") or ""))
        self._start(visit_of(self._desk, body), partial(self._give, line=line))

    async def on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button."""
        await ack()
        self._start(visit_of(self._desk, body), self._pressed)

    async def on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A shortcut on a message."""
        await ack()
        menus: Mapping[str, Work] = {
            RATE_MENU: self._ratings.menu_rate,
            TEACH_MENU: self._ratings.menu_teach,
        }
        work = menus.get(str(body.get("callback_id", "")))
        if work is not None:
            self._start(visit_of(self._desk, body), work)

    async def on_form(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A form that was sent: what is wrong with it is shown in it."""
        view: Mapping[str, Any] = body.get("view") or {}
        try:
            sent = forms.sent(view)
        except NotOursError as error:
            await ack()
            log.warning("a form was not understood", callback=view.get("callback_id"), error=str(error))
            self._start(self._visit(body, Origin()), partial(Visit.say, sentence=_OLD_BUTTON))
            return
        command = commands.find(self._desk.host.commands, sent.command)
        wrong = forms.mistakes(command, {**(sent.fixed or {}), **(sent.values or {})}) if command else {}
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        await ack()
        callback = str(view.get("callback_id", ""))
        self._start(self._visit(body, sent.origin), partial(self._sent, callback=callback, sent=sent))

    async def on_closed(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A form that was closed unsent."""
        await ack()
        view: Mapping[str, Any] = body.get("view") or {}
        if view.get("callback_id") == forms.RATED:
            sent = forms.sent(view)
            self._start(
                self._visit(body, sent.origin), lambda visit: self._ratings.closed(visit, sent.target)
            )

    async def typed(
        self, line: str, *, channel: str, person: str, thread: str = "", message: str = ""
    ) -> None:
        """Run what somebody said as a command: ``line`` is what ``commands.command_in`` made of it.

        ``thread`` and ``message`` are the times of the thread it stands in, if any, and of the message itself.
        """
        origin = Origin(channel, thread, message)
        visit = Visit(self._desk, person, origin, reference=message[-8:], typed=True)
        await self._attend(visit, partial(self._give, line=line))

    def _visit(self, body: Mapping[str, Any], origin: Origin) -> Visit:
        """The visit of a form, which knows by itself where it was opened."""
        trigger, person = str(body.get("trigger_id", "")), str((body.get("user") or {}).get("id", ""))
        reference = trigger or str((body.get("view") or {}).get("id", ""))
        return Visit(self._desk, person, origin, trigger=trigger, reference=reference[-8:])

    def _start(self, visit: Visit, work: Work) -> None:
        # What is delivered again would take back what it said the first time.
        if not visit.trigger or self._seen.add(visit.trigger):
            # What is acknowledged is not delivered again: it is attended to before we go.
            self._desk.wire.begin(visit)
            self._desk.wire.start(self._attend(visit, work))

    async def _attend(self, visit: Visit, work: Work) -> None:
        try:
            await work(visit)
        except UserError as error:
            await self._apologise(visit, str(error))
        except Exception as error:
            log.exception("an interaction failed", reference=visit.reference, exc_info=error)
            sentence = f"Something went wrong on my side. Tell an admin this reference: `{visit.reference}`."
            await self._apologise(visit, sentence)
        finally:
            self._desk.wire.end(visit)

    async def _apologise(self, visit: Visit, sentence: str) -> None:
        try:
            await visit.show(Answer(sentence, ok=False))
        except Exception as error:
            log.exception("nobody could be told", reference=visit.reference, exc_info=error)

    # Commands

    async def _give(self, visit: Visit, line: str) -> None:
        known = self._desk.host.commands
        if line.split(" ", 1)[0].lower() == commands.GROUP and commands.GROUP not in commands.first_words(
            known
        ):
            await visit.say(_NO_TUNING)
            return
        try:
            given = commands.read(known, line)
        except UserError as error:
            # A slip is not known as a command, and yet is written as one.
            slip = line.split(" ", 1)[0]
            sentence = replace(visit.says, words=frozenset({slip, slip.lower()})).text(str(error))
            await visit.show(Answer(sentence, ok=False, buttons=(_explain(known, line),)))
            return
        await self._command(visit, given.command, given.values)

    async def _command(self, visit: Visit, command: Command, values: Mapping[str, Value]) -> None:
        """Run a command, or ask for what is missing or whether it is meant."""
        step = Step(command.name, commands.written(values))
        if refused := await visit.without(command.access):
            # The host refuses whatever the values are, and notes down that somebody tried.
            call = await visit.call(command, {}, Bar(visit, draws=False), who=refused)
            await visit.show(await self._desk.host.command(call))
        elif missing := [p.name for p in command.params if p.required and values.get(p.name) in (None, "")]:
            await self._ask(visit, command, step, missing)
        elif command.confirm:
            await visit.put(question(command.confirm, step, visit.person))
        else:
            await self._answer(visit, command, values)

    async def _ask(self, visit: Visit, command: Command, step: Step, missing: list[str]) -> None:
        """A form for what is missing, or a button that opens it where only that is possible."""
        offered = await offers(visit, command, commands.typed_values(command, step.values))
        if await visit.open(forms.asked(command, step.values, visit.origin, offered=offered)):
            return
        names = " and ".join(f"`{name}:`" for name in missing)
        button = press("Fill it in …", step, visit.person, 0, style="good")
        said = visit.says.text(f"`/{command.name}` needs {names}.")
        await visit.put(Shown(said, (button,)))

    async def _answer(
        self,
        visit: Visit,
        command: Command,
        values: Mapping[str, Value],
        *,
        sure: bool = False,
        in_place: bool = False,
        draws: bool = True,
    ) -> None:
        """Run a command and say its answer; in place, over the question that was answered by pressing."""
        if in_place:
            await visit.settle()
        answer = await self._run(visit, command, values, sure=sure, in_place=in_place, draws=draws)
        await visit.show(answer, in_place=in_place)

    async def _run(
        self,
        visit: Visit,
        command: Command,
        values: Mapping[str, Value],
        *,
        sure: bool = False,
        in_place: bool = False,
        draws: bool = True,
    ) -> Answer:
        bar = Bar(visit, draws=draws, in_place=in_place)
        call = await visit.call(command, values, bar, sure=sure)
        pressed = key_of(visit.origin.channel, visit.origin.message) if visit.origin.message else ""
        reply = self._reply_for(call.place, pressed, visit.person)
        if command.name == "regenerate":
            reply.start_typing()
        try:
            answer = await self._desk.host.command(call, reply)
        finally:
            reply.stop_typing()
            await bar.close()
        # A reply that was given again speaks for itself, and for what went wrong with it.
        return Answer() if command.name == "regenerate" and not answer.text else answer

    # Buttons

    async def _pressed(self, visit: Visit) -> None:
        actions: Any = visit.body.get("actions") or [{}]
        action_id, value = str(actions[0].get("action_id", "")), str(actions[0].get("value") or "")
        kind = ".".join(action_id.split(".")[:2])
        try:
            if kind == controls.RATE:
                await self._ratings.thumb(visit, value)
            elif kind == controls.AGAIN:
                await self._again(visit, controls.exchange_of(value))
            elif kind == controls.STOP:
                await self._ratings.stop(visit, value)
            elif kind == controls.HOME:
                await self._at_home(visit, controls.run_of(value))
            elif kind in (controls.RUN, controls.KEPT, controls.DROP):
                await self._asked(visit, kind, controls.run_of(value))
            else:
                await visit.say(_OLD_BUTTON)
        except NotOursError as error:
            log.warning("a button was not understood", action=action_id, error=str(error))
            await visit.say(_OLD_BUTTON)

    async def _asked(self, visit: Visit, kind: str, run: Run) -> None:
        """A button below a question, which may be somebody's own."""
        if run.person not in (controls.ANYBODY, visit.person):
            await visit.say(_SOMEBODY_ELSE)
            return
        if kind == controls.DROP:
            await visit.settle()
            await visit.put(Shown(_NOTHING), in_place=True)
            return
        step = KEPT.get(run.key) if run.key else Step(run.command, run.values, run.sure, settles=run.settles)
        command = commands.find(self._desk.host.commands, step.command) if step else None
        if step is None or command is None:
            await visit.say(_OLD_BUTTON if step is None else visit.says.text(_OLD_COMMAND))
        elif step.form is not None:
            form = step.form
            view = forms.asked(command, step.values, visit.origin, inputs=form.inputs, title=form.title)
            if not await visit.open(view):
                await visit.say("The form did not open in time. Press the button once more, please.")
        else:
            await self._step(visit, command, step)

    async def _step(self, visit: Visit, command: Command, step: Step) -> None:
        values = commands.typed_values(command, step.values)
        if step.sure:
            whole = complete_values(command, values)
            await self._answer(visit, command, whole, sure=True, in_place=True)
        elif step.settles and not command.confirm:
            # The question goes, and what follows is for the person alone.
            whole = complete_values(command, values)
            await self._answer(visit, command, whole, in_place=True, draws=False)
        else:
            await self._command(visit, command, commands.with_defaults(command, values))

    async def _again(self, visit: Visit, exchange_id: str) -> None:
        command = commands.find(self._desk.host.commands, "regenerate")
        if command is None:
            await visit.say(visit.says.text(_OLD_COMMAND))
            return
        values = complete_values(command, {"exchange": exchange_id})
        await self._answer(visit, command, values, draws=False)

    async def _at_home(self, visit: Visit, run: Run) -> None:
        """A button of App Home: the answer stands there, or in the messages where it is long."""
        command = commands.find(self._desk.host.commands, run.command)
        if command is None:
            await self.home.show(visit.person, visit.says.text(_OLD_COMMAND))
            return
        values = commands.with_defaults(command, commands.typed_values(command, run.values))
        if any(p.required and values.get(p.name) in (None, "") for p in command.params):
            await self._command(visit, command, values)
            return
        answer = await self._run(visit, command, values, sure=run.sure, draws=False)
        note = await self._noted(visit, command, answer)
        await self.home.show(visit.person, note, seen=str((visit.body.get("view") or {}).get("hash") or ""))

    async def _noted(self, visit: Visit, command: Command, answer: Answer) -> str:
        """What App Home says of an answer that is too much for it."""
        if not (answer.table or answer.picture or answer.files or answer.fields or answer.buttons):
            return answer.text if answer.ok else f"⚠️ {answer.text}"
        titled = replace(answer, text=answer.text or f"`/{command.name}`")
        await visit.show(titled)
        return "I have answered under *Messages*."

    # Forms

    async def _sent(self, visit: Visit, *, callback: str, sent: Sent) -> None:
        written = sent.values or {}
        if callback == forms.RATED:
            await self._ratings.rated(visit, sent.target, written)
        elif callback == forms.TAUGHT:
            await self._ratings.taught(visit, sent.target, sent.digest, written)
        else:
            await self._filled(visit, sent, written)

    async def _filled(self, visit: Visit, sent: Sent, written: Mapping[str, str]) -> None:
        command = commands.find(self._desk.host.commands, sent.command)
        if command is None:
            await visit.say(visit.says.text(_OLD_COMMAND))
            return
        values = commands.typed_values(command, {**(sent.fixed or {}), **written})
        await self._command(visit, command, commands.with_defaults(command, values))
        if not sent.origin.channel:
            await self.home.show(visit.person)


def _explain(known: Any, line: str) -> Button:
    """The button below a mistake: how the command is used that was meant, or which there are."""
    name = commands.meant(known, line)
    return Button("How it is used", "help", {"command": name}) if name else Button("All commands", "help")
