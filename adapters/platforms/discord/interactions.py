"""What people press, send and command on Discord, handed to whoever attends to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
import discord
import structlog
from discord import app_commands

from adapters.platforms.base import Answer, Call, Command, Host, UserError
from adapters.platforms.commandline import complete_values, convert
from adapters.platforms.discord import commands, controls
from adapters.platforms.discord.answers import KEPT, Step, press_id, question
from adapters.platforms.discord.forms import Target, filled, sheet_of
from adapters.platforms.discord.options import Options
from adapters.platforms.discord.ratings import Ratings
from adapters.platforms.discord.reactions import Reactions
from adapters.platforms.discord.replies import DiscordReply
from adapters.platforms.discord.sending import wire_of
from adapters.platforms.discord.sync import sync
from adapters.platforms.discord.visits import ACKNOWLEDGED, EXPIRED, Bar, Desk, Interaction, Visit
from adapters.platforms.usage import Value

log = structlog.get_logger()

_SOMEBODY_ELSE = "This question is for somebody else."
_OLD_BUTTON = "This button is from before I was started again. Give the command once more, please."
_OLD_COMMAND = "I do not know that command any more. Discord will show the new ones soon; `/help` lists them."
_NOTHING = "Nothing was changed."
_NO_MEMBER = (
    "I am no member of this server, so I cannot know who may do what here. Have an admin invite me again."
)
_WAKING = "I have only just come back. Try again in a moment, please."


async def attach(
    client: discord.Client,
    host: Host,
    options: Options,
    owners: frozenset[int],
    clock: Callable[[], int],
) -> None:
    """Have this client serve commands, buttons, forms and reactions from now on, and tell Discord the commands.

    Call it once, before the client connects. ``owners`` own the application; ``clock`` gives milliseconds since the epoch.
    """
    desk = Desk(client, host, options, owners, clock)
    interactions, reactions = Interactions(desk), Reactions(desk)
    controls.listen(client, interactions.pressed)
    client.event(interactions.on_interaction)
    client.event(reactions.on_raw_reaction_add)
    client.event(reactions.on_raw_reaction_remove)
    client.event(reactions.on_raw_reaction_clear)
    client.event(reactions.on_raw_reaction_clear_emoji)
    # Discord may make us wait for long when commands change often, and nobody waits with us.
    declared = commands.declare(host.commands, options)
    wire_of(client, options).start(sync(client, declared, options.development_guilds))


class Interactions:
    """Attends to the interactions of one client; none of them fails without a word to the person."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ratings = Ratings(desk)

    async def on_interaction(self, interaction: Interaction) -> None:
        """A command, what is typed into one, or a form that was sent; buttons come by ``pressed``."""
        visit = Visit(self._desk, interaction)
        if interaction.type is discord.InteractionType.application_command:
            await self._attend(visit, self._commanded)
        elif interaction.type is discord.InteractionType.autocomplete:
            await self._attend(visit, self._typed)
        elif interaction.type is discord.InteractionType.modal_submit:
            await self._attend(visit, self._sent)

    async def pressed(self, interaction: Interaction) -> None:
        """A button of ours."""
        await self._attend(Visit(self._desk, interaction), self._pressed)

    async def _attend(self, visit: Visit, work: Callable[[Visit], Awaitable[None]]) -> None:
        try:
            problem = self._stranger(visit)
            if not problem:
                await work(visit)
            elif visit.interaction.type is not discord.InteractionType.autocomplete:
                await visit.say(problem)
        except UserError as error:
            await self._apologise(visit, str(error))
        except Exception as error:
            code = error.code if isinstance(error, discord.HTTPException) else 0
            if code in EXPIRED or code == ACKNOWLEDGED:
                log.info("an interaction was over", interaction=visit.interaction.id, code=code)
                return
            log.exception("an interaction failed", reference=visit.reference, exc_info=error)
            sentence = f"Something went wrong on my side. Tell an admin this reference: `{visit.reference}`."
            await self._apologise(visit, sentence)

    def _stranger(self, visit: Visit) -> str:
        """Why nothing can be done where this came from: without its server's roles nobody's level is known."""
        if visit.interaction.guild_id is None:
            return ""
        guild = self._desk.client.get_guild(visit.interaction.guild_id)
        if guild is None:
            return _NO_MEMBER
        return _WAKING if guild.unavailable else ""

    async def _apologise(self, visit: Visit, sentence: str) -> None:
        try:
            await visit.show(Answer(sentence, ok=False))
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("nobody could be told", reference=visit.reference, error=str(error))

    # Commands

    async def _commanded(self, visit: Visit) -> None:
        data = visit.data
        menus = {commands.RATE_MENU: self._ratings.menu_rate, commands.TEACH_MENU: self._ratings.menu_teach}
        if data.get("type") == 3 and data.get("name") in menus:
            await menus[str(data["name"])](visit)
            return
        given = commands.given(data)
        command = commands.find(self._desk.host.commands, given.name)
        if command is None:
            await visit.say(_OLD_COMMAND)
            return
        if visit.who.access < command.access:
            # The host refuses whatever the values are, and notes down that somebody tried.
            await self._answer(visit, command, {})
            return
        values = commands.values_of(command, given.options)
        if command.confirm:
            await visit.put(question(command.confirm, Step(command.name, _written(values)), visit.person))
        else:
            await self._answer(visit, command, values)

    async def _typed(self, visit: Visit) -> None:
        given = commands.given(visit.data)
        proposed = await self._proposals(visit, given)
        choices = [
            app_commands.Choice(name=each["name"], value=each["value"])
            for each in commands.choices_of(proposed)
        ]
        await visit.interaction.response.autocomplete(choices)

    async def _proposals(self, visit: Visit, given: commands.Given) -> Sequence[str]:
        """What could be meant; nothing for somebody who may not give the command, or when it cannot be told."""
        command = commands.find(self._desk.host.commands, given.name)
        if command is None or visit.who.access < command.access:
            return ()
        param = next((each for each in command.params if each.name == given.focused), None)
        if param is None or param.complete is None:
            return ()
        others = {name: value for name, value in given.options.items() if name != param.name}
        try:
            call = await visit.call(
                command.name, commands.values_of(command, others, partial=True), Bar(visit, draws=False)
            )
            return await param.complete(call, str(given.options.get(param.name) or ""))
        except UserError:
            return ()
        except Exception as error:
            log.exception("no proposals", command=command.name, param=param.name, exc_info=error)
            return ()

    async def _answer(
        self,
        visit: Visit,
        command: Command,
        values: Mapping[str, Value],
        *,
        sure: bool = False,
        in_place: bool = False,
    ) -> None:
        """Run a command and say its answer; in place, over the question that was confirmed."""
        if in_place:
            await visit.unbutton()
        else:
            await visit.defer(private=command.private)
        await visit.show(await self._run(visit, command, values, sure=sure), in_place=in_place)

    async def _run(
        self,
        visit: Visit,
        command: Command,
        values: Mapping[str, Value],
        *,
        sure: bool = False,
        draws: bool = True,
    ) -> Answer:
        bar = Bar(visit, draws=draws)
        call = await visit.call(command.name, values, bar, confirmed=sure)
        reply = self._reply(visit, call)
        if command.name == "regenerate":
            reply.start_typing()
        try:
            answer = await self._desk.host.command(call, reply)
        finally:
            reply.stop_typing()
            await bar.close()
        # A reply that was given again speaks for itself, and for what went wrong with it.
        return Answer() if command.name == "regenerate" and not answer.text else answer

    def _reply(self, visit: Visit, call: Call) -> DiscordReply:
        """Where a command that makes the avatar speak shows it: below the question, when a reply was pressed."""
        message = visit.interaction.message
        question = ""
        if message is not None:
            answered = message.reference.message_id if message.reference is not None else None
            question = str(answered or message.id)
        return DiscordReply(self._desk.client, self._desk.options, call.place, question, visit.person)

    # Buttons

    async def _pressed(self, visit: Visit) -> None:
        ratings, custom_id = self._ratings, visit.custom_id
        if found := controls.UP.fullmatch(custom_id):
            await ratings.up(visit, found["exchange"])
        elif found := controls.DOWN.fullmatch(custom_id):
            await ratings.down(visit, found["exchange"])
        elif found := controls.AGAIN.fullmatch(custom_id):
            await self._again(visit, found["exchange"])
        elif found := controls.STOP.fullmatch(custom_id):
            await ratings.stop(visit, found["exchange"], found["asker"] or "")
        else:
            await self._asked(visit)

    async def _asked(self, visit: Visit) -> None:
        """A button below a question, which may be somebody's own."""
        for pattern in (controls.FORM, controls.RUN, controls.KEPT, controls.DROP):
            found = pattern.fullmatch(visit.custom_id)
            if found is not None:
                break
        else:
            await visit.say(_OLD_BUTTON)
            return
        if found["person"] not in (controls.ANYBODY, visit.person):
            await visit.say(_SOMEBODY_ELSE)
        elif pattern is controls.FORM:
            await self._ratings.form(visit, found["exchange"])
        elif pattern is controls.DROP:
            await visit.interaction.response.edit_message(content=_NOTHING, view=None)
        else:
            step = _step(found)
            if step is None:
                await visit.say(_forgotten(found))
            else:
                await self._step(visit, step)

    async def _step(self, visit: Visit, step: Step) -> None:
        if step.form is not None:
            await visit.open(sheet_of(step.form, press_id(Step(step.command, step.values), visit.person)))
            return
        command = commands.find(self._desk.host.commands, step.command)
        if command is None:
            await visit.say(_OLD_COMMAND)
            return
        values = _read(command, step.values)
        if command.confirm and not step.sure and visit.who.access >= command.access:
            await visit.put(question(command.confirm, step, visit.person))
        elif step.sure:
            await self._answer(visit, command, values, sure=True, in_place=True)
        elif _settles(visit):
            await self._settle(visit, command, values)
        else:
            await self._answer(visit, command, values)

    async def _settle(self, visit: Visit, command: Command, values: Mapping[str, Value]) -> None:
        """A yes or no that was asked for: the question goes, and what follows is for the person alone."""
        await visit.unbutton()
        answer = await self._run(visit, command, values, draws=False)
        message = visit.interaction.message
        await visit.show(answer, in_place=message is not None and message.flags.ephemeral)

    async def _again(self, visit: Visit, exchange_id: str) -> None:
        command = commands.find(self._desk.host.commands, "regenerate")
        if command is None:
            await visit.say(_OLD_COMMAND)
            return
        await visit.defer_update()
        values = complete_values(command, {"exchange": exchange_id})
        await visit.show(await self._run(visit, command, values, draws=False))

    # Forms

    async def _sent(self, visit: Visit) -> None:
        values, custom_id = filled(visit.data), visit.custom_id
        if found := controls.RATED.fullmatch(custom_id):
            await self._ratings.rated(visit, Target.read(found["by"], found["id"]), values)
        elif found := controls.TAUGHT.fullmatch(custom_id):
            target = Target.read(found["by"], found["id"])
            await self._ratings.taught(visit, target, found["digest"], values)
        elif found := controls.RUN.fullmatch(custom_id) or controls.KEPT.fullmatch(custom_id):
            step = _step(found)
            command = commands.find(self._desk.host.commands, step.command) if step else None
            if step is None or command is None:
                await visit.say(_forgotten(found))
            else:
                await self._answer(visit, command, _read(command, {**step.values, **values}))


def _step(found: Any) -> Step | None:
    """What a button runs; ``None`` when that is forgotten."""
    if found.re is controls.KEPT:
        return KEPT.get(found["key"])
    return Step(found["command"], controls.run_values(found["values"]), sure=found["kind"] == "sure")


def _forgotten(found: Any) -> str:
    """What to do instead of a button whose step was kept in memory by a process that is gone."""
    command = found["command"] if found.re is controls.KEPT else ""
    return _OLD_BUTTON.replace("the command", f"`/{command}`") if command else _OLD_BUTTON


def _read(command: Command, given: Mapping[str, str]) -> dict[str, Value]:
    """The values of a button or a form, each of its declared type. Raises ``UserError``."""
    params = {param.name: param for param in command.params}
    values = {name: convert(params[name], text) for name, text in given.items() if name in params}
    return complete_values(command, values)


def _written(values: Mapping[str, Value]) -> dict[str, str]:
    """Values as a button carries them."""
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _settles(visit: Visit) -> bool:
    """Whether this is the yes or the no of a question that has both, so that pressing it answers the question."""
    message = visit.interaction.message
    if message is None:
        return False
    labels = {
        each.custom_id: (each.label or "").casefold()
        for row in message.components
        if isinstance(row, discord.ActionRow)
        for each in row.children
        if isinstance(each, discord.Button)
    }
    words = ("yes", "no")
    asked = all(any(label.startswith(word) for label in labels.values()) for word in words)
    return asked and labels.get(visit.custom_id, "").startswith(words)
