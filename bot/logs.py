"""The log: one line for each thing that happened, under one reference for each message."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TextIO

import structlog

from bot.settings import Configuration


def set_up(configuration: Configuration) -> None:
    """Send structlog's and the libraries' lines to the file, or the stream, of the settings."""
    settings = configuration.settings.logging
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    stream = _stream(settings.file, configuration.data_dir)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    pretty = settings.format == "pretty"
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # The libraries' chatter is theirs: what matters of it is at warning and above.
    root.setLevel(max(level, logging.WARNING))


def _stream(file: str, data_dir: Path) -> TextIO:
    if file == "-":
        return sys.stderr
    path = Path(file) if file else data_dir / "understudy.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")
