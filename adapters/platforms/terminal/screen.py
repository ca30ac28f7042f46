"""What a person sees: the greeting, replies that grow, and answers of commands."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from adapters.platforms.base import Answer, End, File, Table, Welcome
from adapters.platforms.tables import filled, listed
from adapters.platforms.terminal.markdown import WIDTH, Block, settled, tail
from adapters.platforms.terminal.plain import clean, keep_picture, save, with_reference

_LONGEST_ID = 48
_SOFT = re.compile(r"(?<=\S)\n(?=\S)")  # Markdown would make one line of two
_DRAW_SECONDS = 0.07  # about as often as an eye notices


class Screen:
    """Paints on a console. Files of answers are put into ``folder``, and their pictures into ``pictures``."""

    def __init__(
        self, console: Console, folder: Path, pictures: Path, *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self._folder = folder
        self._pictures = pictures
        self._seconds = seconds

    def greet(self, welcome: Welcome) -> None:
        """The avatar introduces itself."""
        lines: list[RenderableType] = []
        if welcome.tagline:
            lines.append(Text(clean(welcome.tagline)))
        if welcome.suggestions:
            lines.append(Text())
            lines += [_suggestion(number, text) for number, text in enumerate(welcome.suggestions, 1)]
        colour = _style(welcome.colour)
        title = Text(f" {clean(welcome.avatar)} ", style=colour + Style(bold=True))
        if lines:
            self.console.print(
                Panel(
                    Group(*lines),
                    title=title,
                    title_align="left",
                    border_style=colour,
                    padding=(1, 2),
                    width=min(self.console.width, 78),
                )
            )
        else:
            self.console.print(title)
        ask = f"Press a number or Tab for one of these, or write to {clean(welcome.avatar)}."
        if not welcome.suggestions:
            ask = f"Write to {clean(welcome.avatar)}."
        self.hint(f"{ask}  /help lists commands, Ctrl-D leaves.")

    def reply(self, welcome: Welcome) -> ScreenReply:
        """Where a reply of the avatar will grow."""
        return ScreenReply(self.console, welcome, self._seconds)

    def paragraph(self, text: str) -> None:
        """Markdown, whole; its lines stay lines."""
        self.console.print(Block(_SOFT.sub("  \n", clean(text))), end="")

    def say(self, text: str, style: str = "") -> None:
        """A line of our own."""
        self.console.print(Text(clean(text), style=style))

    def gap(self) -> None:
        """An empty line."""
        self.console.print()

    def hint(self, text: str) -> None:
        """A quiet line."""
        self.say(text, "dim")

    def problem(self, sentence: str, reference: str = "") -> None:
        """What went wrong."""
        self.say(f"✗ {with_reference(sentence, reference)}".replace("`", ""), "red")

    def answer(self, answer: Answer) -> None:
        """What a command says, without its buttons and form."""
        if answer.text.strip():
            if answer.ok:
                self.paragraph(answer.text)
            else:
                self.say(f"✗ {answer.text.strip().replace('`', '')}", "yellow")
        if answer.fields:
            if answer.text.strip():
                self.gap()
            self.console.print(_fields(answer))
        if answer.table is not None:
            if answer.text.strip() or answer.fields:
                self.gap()
            narrow = listed(answer.table, self.console.width)
            self.console.print(Text(clean(narrow)) if narrow else _table(answer.table))
        if answer.picture is not None:
            self._save(answer.picture, self._pictures, keep_picture)
        for file in answer.files:
            self._save(file, self._folder, save)

    def _save(self, file: File, folder: Path, put: Callable[[File, Path], Path]) -> None:
        try:
            path = put(file, folder)
        except OSError as error:
            self.problem(f"{file.name} could not be saved in {folder}: {error.strerror}.")
        else:
            self.say(f"Saved {path}", "green")


class ScreenReply:
    """A reply that grows in place: what is settled is printed once, only the block being written is drawn again."""

    def __init__(self, console: Console, welcome: Welcome, seconds: Callable[[], float]) -> None:
        self._console = console
        self._seconds = seconds
        self._welcome = welcome
        self._live: Live | None = None
        self._drawn_at = float("-inf")
        self._printed = 0
        self._any = False
        self.end: End | None = None

    def begin(self) -> None:
        """Show whose turn it is, before the first word is there."""
        if self._live is None:
            name = Text(clean(self._welcome.avatar), style=_style(self._welcome.colour) + Style(bold=True))
            self._console.print()
            self._console.print(name)
            self._live = Live(
                tail("", 1),
                console=self._console,
                auto_refresh=False,
                transient=True,
                vertical_overflow="crop",
            )
            self._live.start(refresh=True)

    async def accepted(self, exchange_id: str) -> None:
        """Nothing is posted here that could be posted twice."""

    async def grow(self, text: str) -> None:
        """Draw, unless that was done a moment ago."""
        self.begin()
        if self._seconds() - self._drawn_at < _DRAW_SECONDS:
            return
        self._drawn_at = self._seconds()
        text = clean(text)
        boundary = settled(text, self._printed)
        if boundary > self._printed:
            self._print(text[self._printed : boundary])
            self._printed = boundary
        if self._live is not None:
            self._live.update(tail(text[self._printed :], self._console.height - 4), refresh=True)

    async def finish(self, end: End) -> str:
        """Print what is left; the platform's id of the reply is that of the exchange."""
        self.begin()
        self.close()
        self._print(clean(end.text)[self._printed :])
        if end.note:
            self._console.print(Text(clean(end.note), style="dim italic"))
        self.end = end
        return end.exchange_id

    async def fail(self, sentence: str, reference: str) -> None:
        """Say that there is no reply."""
        self.close()
        self._console.print(
            Text(f"✗ {with_reference(clean(sentence), reference)}".replace("`", ""), style="red")
        )

    def close(self) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.update(Text(), refresh=False)
            self._live.stop()
            self._live = None

    def _print(self, text: str) -> None:
        if not text.strip():
            return
        if self._any:
            self._console.print()
        self._any = True
        self._console.print(Block(text), end="")


def _style(colour: str) -> Style:
    """The avatar's colour; an unknown one is the terminal's own cyan."""
    try:
        return Style.parse(colour) if colour else Style(color="cyan")
    except Exception:  # noqa: BLE001 - rich has several errors for a colour it cannot read, and none matters here
        return Style(color="cyan")


def _suggestion(number: int, text: str) -> Text:
    return Text.assemble((f"{number}  ", "bold"), clean(text))


def _fields(answer: Answer) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(max_width=WIDTH)
    for field in answer.fields:
        grid.add_row(Text(clean(field.name)), Text(clean(field.value).replace("`", "")))
    return grid


def _table(table: Table) -> Grid:
    table = filled(table) if table.rows else table
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    cells = [[_cell(cell) for cell in row] for row in table.rows]
    for at, column in enumerate(table.columns):
        # An id is for copying: it stays in one piece while the sentences beside it make room.
        whole = not any(" " in row[at] or len(row[at]) > _LONGEST_ID for row in cells if at < len(row))
        grid.add_column(clean(column), no_wrap=whole, overflow="fold")
    for row in cells:
        grid.add_row(*(Text(cell) for cell in row))
    return grid


def _cell(text: str) -> str:
    return " ".join(clean(text).replace("`", "").split())
