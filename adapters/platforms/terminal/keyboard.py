"""What a person types: the prompt with its history and completion, questions, and the keys while a reply is coming."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from adapters.platforms.base import Command, UserError
from adapters.platforms.completion import CallFor, propose
from adapters.platforms.terminal.plain import clean

STYLE = Style.from_dict(
    {
        "you": "bold",
        "placeholder": "#808080",
        "auto-suggestion": "#808080",
        "bottom-toolbar": "noreverse #808080",
        "completion-menu": "noreverse",
        "completion-menu.completion": "noreverse",
        "completion-menu.completion.current": "reverse",
        "completion-menu.meta.completion": "noreverse #808080",
        "completion-menu.meta.completion.current": "reverse",
        "scrollbar.background": "noreverse",
        "scrollbar.button": "reverse",
    }
)


class Commands(Completer):
    """Completes slash commands. ``commands`` is asked at each key: an application may learn new ones."""

    def __init__(self, commands: Callable[[], list[Command]], call_for: CallFor) -> None:
        self._commands = commands
        self._call_for = call_for

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> list[Completion]:
        """Nothing: proposals may ask the application, which is asynchronous."""
        return []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """What may follow a slash command that is being typed."""
        line = document.text_before_cursor
        if not line.startswith("/"):
            return
        try:
            proposals = await propose(self._commands(), line, self._call_for)
        except UserError:  # a parameter cannot say what it takes; the command will say why
            return
        for proposal in proposals:
            yield Completion(
                proposal.text, start_position=-proposal.replaces, display_meta=clean(proposal.note)
            )


def history_at(path: Path | None) -> History:
    """The history in a file that only its owner reads; one that ends with the session where there can be none."""
    if path is None:
        return InMemoryHistory()
    try:
        path.touch(mode=0o600, exist_ok=True)
        with path.open("ab"):
            return FileHistory(path)
    except OSError:
        return InMemoryHistory()


class Questions:
    """Asks questions, each on a line of its own."""

    def __init__(self, source: Input | None = None, output: Output | None = None) -> None:
        self._session: PromptSession[str] = PromptSession(
            input=source, output=output, style=STYLE, history=InMemoryHistory()
        )

    @property
    def app(self) -> Application[str]:
        """What asks."""
        return self._session.app

    async def ask(self, question: str) -> str | None:
        """The answer to a question, empty when it was skipped; ``None`` when the person wants none of it."""
        try:
            return (await self._session.prompt_async(FormattedText([("", clean(question) + " ")]))).strip()
        except (KeyboardInterrupt, EOFError):
            return None


class Keyboard:
    """The prompt of a chat, questions in between, and the keys pressed while a reply is coming."""

    def __init__(
        self,
        completer: Completer,
        history: History,
        *,
        status: Callable[[], str],
        reminder: Callable[[], str],
        suggestions: Callable[[], tuple[str, ...]],
        source: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._input = source or create_input()
        self._suggestions = suggestions
        self._status = status
        self._reminder = reminder
        self._waiting = ""
        self._entered = False
        self._left = False
        self._session: PromptSession[str] = PromptSession(
            message=FormattedText([("class:you", "› ")]),
            completer=completer,
            complete_while_typing=Condition(self._is_command),
            auto_suggest=AutoSuggestFromHistory(),
            history=history,
            bottom_toolbar=self._toolbar,
            placeholder=self._placeholder,
            key_bindings=self._bindings(),
            reserve_space_for_menu=6,
            style=STYLE,
            input=self._input,
            output=output,
        )
        self.questions = Questions(self._input, output)

    @contextmanager
    def sitting(self) -> Generator[None]:
        """While somebody sits there: what is typed between two prompts waits for the next one, Ctrl-D too.

        Without it the terminal would make something of its own of such keys.
        """
        with self._input.raw_mode():
            yield

    async def line(self, before: Callable[[], None] | None = None) -> str:
        """The next line, or several that were pasted; ``before`` is called right before anything can be typed.

        Raises ``KeyboardInterrupt`` and ``EOFError``.
        """
        if self._left and not self._waiting:
            raise EOFError
        typed, entered = self._waiting, self._entered
        self._waiting, self._entered = "", False
        return await self._session.prompt_async(default=typed, accept_default=entered, pre_run=before)

    def next(self, line: str) -> None:
        """Take this as the next line, as if it were typed there."""
        self._waiting, self._entered = line, True

    async def above(self, show: Callable[[], None]) -> None:
        """Show something above the line that is being typed; nothing while none is."""
        if (app := self._running) is not None:
            with set_app(app):
                await run_in_terminal(show)

    @property
    def typing(self) -> bool:
        """Whether something can be typed: a line, or the answer to a question."""
        return self._running is not None

    @property
    def _running(self) -> Application[str] | None:
        apps = (self._session.app, self.questions.app)
        return next((app for app in apps if app.is_running), None)

    @contextmanager
    def listening(self, interrupt: Callable[[], None]) -> Generator[None]:
        """While a reply is coming: Ctrl-C interrupts, ``/stop`` too; anything else, Ctrl-D too, waits for the next line."""

        def pressed() -> None:
            for press in self._input.read_keys():
                if press.key == Keys.ControlC:
                    interrupt()
                elif not self._entered:
                    self._keep(press.key, press.data, interrupt)

        with self._input.raw_mode(), self._input.attach(pressed):
            yield

    def _keep(self, key: Keys | str, data: str, interrupt: Callable[[], None]) -> None:
        if key in {Keys.ControlM, Keys.ControlJ}:
            if self._waiting.strip() == "/stop":
                self._waiting = ""
                interrupt()
            elif self._waiting.strip():
                self._entered = True
        elif key == Keys.ControlD:
            self._left = not self._waiting
        elif key in {Keys.ControlH, Keys.Backspace}:
            self._waiting = self._waiting[:-1]
        elif key == Keys.BracketedPaste or not isinstance(key, Keys):
            self._waiting += clean(data.replace("\r", "\n"))

    def _is_command(self) -> bool:
        return self._session.default_buffer.text.startswith("/")

    def _toolbar(self) -> FormattedText:
        return FormattedText([("class:bottom-toolbar", f" {clean(self._status())}")])

    def _placeholder(self) -> FormattedText:
        return FormattedText([("class:placeholder", clean(self._reminder()))])

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @Condition
        def choosing() -> bool:
            text = self._session.default_buffer.text
            return bool(self._suggestions()) and (not text or text in self._suggestions())

        @bindings.add("tab", filter=choosing)
        def _(event: KeyPressEvent) -> None:
            self._next_suggestion(1)

        @bindings.add("s-tab", filter=choosing)
        def _(event: KeyPressEvent) -> None:
            self._next_suggestion(-1)

        @bindings.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        return bindings

    def _next_suggestion(self, step: int) -> None:
        buffer = self._session.default_buffer
        known = self._suggestions()
        at = known.index(buffer.text) + step if buffer.text in known else (0 if step > 0 else -1)
        buffer.document = Document(known[at % len(known)])
