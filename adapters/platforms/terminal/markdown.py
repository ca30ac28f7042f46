"""Markdown while it is still being written: what of it is settled, and how it looks on a terminal."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.constrain import Constrain
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.segment import Segment
from rich.text import Text

# Lines longer than this are hard to read, however wide the window is.
WIDTH = 96

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# A block that follows is surely a new one when it begins like this; a list or a table might still go on.
_NEW_BLOCK = re.compile(r"[^\s\d\-*+|]")


class _PlainHeading(Heading):
    """A heading at the left and in bold: rich's own puts the first level into a centred box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize("bold underline" if self.tag == "h1" else "bold")
        yield self.text


class _ChatMarkdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _PlainHeading,
    }


def markdown(text: str) -> Constrain:
    """Markdown to print, in lines of a readable length."""
    return Constrain(_ChatMarkdown(text, code_theme="ansi_dark", hyperlinks=True), WIDTH)


def settled(text: str, start: int = 0) -> int:
    """How far from ``start`` on ``text`` is sure not to change its look, whatever follows: whole blocks only."""
    fence = ""
    boundary = start
    blank = False
    at = start
    for line in text[start:].splitlines(keepends=True):
        if fence:
            closing = line.strip()
            if closing.startswith(fence) and not closing.strip(fence[0]):
                fence = ""
            blank = False
        elif not line.strip():
            blank = line.endswith("\n")
        else:
            if blank and _NEW_BLOCK.match(line):
                boundary = at
            blank = False
            opening = _FENCE.match(line)
            if opening:
                fence = opening.group(1)
        at += len(line)
    return boundary


class Tail:
    """The last lines of what is being written, as many as fit the window, so that redrawing never scrolls."""

    def __init__(self, text: str, height: int) -> None:
        self._text = text
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        source = markdown(self._text) if self._text.strip() else Text("…", style="dim")
        lines = console.render_lines(source, options, pad=False)
        for line in lines[-max(self._height, 1) :]:
            yield from line
            yield Segment.line()
