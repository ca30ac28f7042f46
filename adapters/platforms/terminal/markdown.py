"""Markdown while it is still being written: what of it is settled, and how it looks on a terminal."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
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

    new_line = True  # an empty line behind it, as behind any other block

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


class Block:
    """A part of a text without empty lines around it: the parts' gaps are even, whatever is in them."""

    def __init__(self, text: str, height: int = 0) -> None:
        self._text = text
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(markdown(self._text), options, pad=False)
        while lines and _empty(lines[-1]):
            lines.pop()
        while lines and _empty(lines[0]):
            lines.pop(0)
        for line in lines[-self._height :]:
            yield from line
            yield Segment.line()


def _empty(line: list[Segment]) -> bool:
    return not any(segment.text.strip() for segment in line)


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


def tail(text: str, height: int) -> RenderableType:
    """What is being written: its last lines, as many as fit the window, so that redrawing never scrolls."""
    return Block(text, max(height, 1)) if text.strip() else Text("…", style="dim")
