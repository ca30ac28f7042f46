"""Answers that want an answer: confirmations, buttons and forms, each as a line to type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from adapters.platforms.base import Answer, Button, Command, Form, UserError
from adapters.platforms.commandline import complete_values, convert
from adapters.platforms.terminal.screen import Screen
from adapters.platforms.usage import Value

Run: TypeAlias = Callable[[Command, dict[str, Value]], Awaitable[Answer]]

_DEEP = 8  # an answer may offer the next question, but not for ever


class Asks(Protocol):
    """Somebody who can be asked; ``None`` is "leave me alone"."""

    async def ask(self, question: str) -> str | None:
        """The answer, empty when the question was skipped."""
        ...


class Dialog:
    """Runs commands and shows what they say, with the questions that belong to it.

    ``later`` takes what somebody says instead of choosing: it was meant for the chat.
    """

    def __init__(
        self,
        screen: Screen,
        asks: Asks,
        commands: Sequence[Command],
        run: Run,
        later: Callable[[str], None] | None = None,
    ) -> None:
        self._screen = screen
        self._later = later
        self._asks = asks
        self._commands = {command.name: command for command in commands}
        self._run = run
        self._depth = 0

    async def command(self, command: Command, values: dict[str, Value], *, confirmed: bool = False) -> None:
        """Ask for confirmation where it is due, run the command and show its answer."""
        if command.confirm and not confirmed and not await self._sure(command.confirm):
            self._screen.hint("Nothing was changed.")
            return
        await self.show(await self._run(command, values))

    async def show(self, answer: Answer) -> None:
        """An answer with the questions that belong to it."""
        if answer.buttons and _yes_no(answer.buttons) and not answer.fields and answer.table is None:
            first, _, question = answer.text.strip().rpartition("\n")
            self._screen.answer(Answer(first, picture=answer.picture, files=answer.files, ok=answer.ok))
            await self.offer(answer, question=question)
            return
        self._screen.answer(answer)
        await self.offer(answer)

    async def offer(self, answer: Answer, *, question: str = "") -> None:
        """The buttons and the form of an answer."""
        self._depth += 1
        try:
            if answer.buttons and self._depth <= _DEEP:
                pressed = await self._choose(answer.buttons, question)
                if pressed is not None:
                    await self._press(pressed.command, pressed.args, answer, question)
            if answer.form is not None and self._depth <= _DEEP:
                await self._fill(answer.form)
        finally:
            self._depth -= 1

    async def _sure(self, question: str) -> bool:
        said = await self._asks.ask(f"{question} [y/N]")
        return (said or "").lower() in {"y", "yes"}

    async def _choose(self, buttons: Sequence[Button], question: str) -> Button | None:
        if _yes_no(buttons):
            return await self._yes_or_no(buttons, question)
        for number, button in enumerate(buttons, 1):
            self._screen.say(f"  {number}  {button.label}")
        said = await self._asks.ask(f"{question} {_numbers(len(buttons))}, or Enter for none:".strip())
        if said and said.isdecimal() and 1 <= int(said) <= len(buttons):
            return buttons[int(said) - 1]
        chosen = next((b for b in buttons if said and b.label.lower() == said.lower()), None)
        if said and chosen is None and self._later is not None:
            self._later(said)
        return chosen

    async def _yes_or_no(self, buttons: Sequence[Button], question: str) -> Button | None:
        """One line. Enter takes Yes unless No is the recommended one; a third button is behind ``?``."""
        yes, no = _yes_no(buttons)[:2]
        more = [button for button in buttons if button not in (yes, no)]
        no_first = no.style == "good" or yes.style == "danger"
        keys = ("y/N" if no_first else "Y/n") + ("/?" if more else "")
        hint = f" (? {more[0].label.rstrip('?').lower()})" if more else ""
        while True:
            said = await self._asks.ask(f"{question or 'Yes or no?'} [{keys}]{hint}")
            if said is None:
                return None
            word = said.lower()
            if word in {"y", "yes"} or (not word and not no_first):
                return yes
            if word in {"n", "no"} or not word:
                return no
            if more and word in {"?", more[0].label.lower()}:
                return more[0]

    async def _press(self, name: str, args: Mapping[str, str], answer: Answer, question: str) -> None:
        command, values = self._ready(name, args)
        if command is None:
            self._screen.problem(f"There is no command {name} behind this choice.")
            return
        await self.command(command, values)
        choice = _yes_no(answer.buttons)
        if choice and name not in {choice[0].command, choice[1].command}:
            await self.offer(
                answer, question=question
            )  # what was asked for in between is shown; the question stands

    def _ready(self, name: str, args: Mapping[str, str]) -> tuple[Command | None, dict[str, Value]]:
        command = self._commands.get(name)
        if command is None:
            return None, {}
        kinds = {param.name: param for param in command.params}
        values = {key: convert(kinds[key], text) for key, text in args.items() if key in kinds}
        return command, complete_values(command, values)

    async def _fill(self, form: Form) -> None:
        self._screen.say(form.title, "bold")
        filled = dict(form.args)
        for param in form.inputs:
            while True:
                said = await self._asks.ask(
                    f"{param.help.rstrip('.')}{'' if param.required else ' (Enter to skip)'}:"
                )
                if said is None:
                    self._screen.hint("Nothing was changed.")
                    return
                try:
                    if said:
                        convert(param, said)
                        filled[param.name] = said
                    elif param.required:
                        continue
                    break
                except UserError as error:
                    self._screen.problem(str(error))
        await self._press(form.command, filled, Answer(), "")


def _numbers(many: int) -> str:
    return "1" if many == 1 else f"1–{many}"


def _yes_no(buttons: Sequence[Button]) -> tuple[Button, ...]:
    """The Yes and the No among the buttons, or nothing when that is not what they ask."""
    yes = next((button for button in buttons if button.label.lower().startswith("yes")), None)
    no = next((button for button in buttons if button.label.lower().startswith("no")), None)
    return (yes, no) if yes is not None and no is not None else ()
