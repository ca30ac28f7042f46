"""The command line: ``understudy chat``, ``understudy run``, and every command of the registry.

Exit codes: 0 it worked, 1 it did not, 2 it was asked wrongly; 130 and 143 it was stopped. Whatever happens, the person
gets one sentence on standard error and never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bot.lean  # noqa: F401  # pyright: ignore[reportUnusedImport] - before anything that imports structlog
from adapters.platforms.base import Answer, Call, Command, Param, UserError
from adapters.platforms.commandline import command_help, parse
from adapters.platforms.usage import SHELL
from bot.collector import loading

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, MISUSED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

OPTIONS = (
    ("--config PATH", "take the settings from this file"),
    ("--avatar NAME", "speak with this avatar, not the one that is in use here"),
    ("--json", "print one JSON object, for scripts"),
    ("--yes", "go ahead with a command that asks first"),
    ("--help, --version", ""),
)


async def _elsewhere(_call: Call) -> Answer:
    raise UserError("A chat, or the service, is started from the shell: `understudy chat`, `understudy run`.")


CHAT = Command(
    "chat",
    "talk with an avatar; with --message or piped text, print one reply and end",
    _elsewhere,
    params=(
        Param("message", "what to say; without it, all of standard input is one message", rest=True),
        Param("avatar", "the avatar to talk to, when it is not the one in use here"),
    ),
)
RUN = Command("run", "serve every platform whose token is set, until stopped", _elsewhere)
INVITE = Command("discord invite", "print the address that adds the bot to a Discord server", _elsewhere)
MANIFEST = Command(
    "slack manifest",
    "print the manifest from which a Slack app is made",
    _elsewhere,
    params=(Param("url", "where Slack reaches this machine over HTTP; over a socket it need not"),),
)
OWN = (CHAT, RUN, INVITE, MANIFEST)


@dataclass(slots=True)
class Options:
    """What may stand anywhere on the line."""

    config: Path | None = None
    avatar: str = ""
    json: bool = False
    yes: bool = False
    help: bool = False
    version: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if argv is None:
        loading()
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    code = FAILED
    try:
        code = _guarded(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except OSError as error:
        # What is still in the buffer must not complain at exit; nor do we, where whoever read our output has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED if code or isinstance(error, BrokenPipeError) else _tell(*_explain(error))


def _open_closed_streams() -> None:
    """Standard streams that were closed before we started lead nowhere: no file of ours may be opened in their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # so Python says that the descriptor is closed
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good


def _guarded(words: list[str]) -> int:
    """Every error as one sentence and an exit code."""
    try:
        return _dispatch(words)
    except UserError as error:
        return _tell(str(error), MISUSED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - told in one sentence, and logged where it is ours
        return _tell(*_explain(error))


def _explain(error: Exception) -> tuple[str, int]:
    from bot.settings import SettingsError
    from storage.errors import StorageError

    if isinstance(error, SettingsError):
        return str(error), MISUSED
    if isinstance(error, StorageError):
        return str(error), FAILED
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "There is no space left for what is written.", FAILED
    from bot.report import report

    return report(error), FAILED


def _tell(sentence: str, code: int) -> int:
    print("understudy: " + " ".join(sentence.split()), file=sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    options, words = split_options(words)
    if options.version:
        print(f"understudy {_version()}")
        return DONE
    if words[:1] == ["help"]:
        options.help, words = True, words[1:]
    if not words:
        return _help(_declared())
    own = words[0] in {command.name.split()[0] for command in OWN}
    declared = OWN if own else _declared()
    if options.help:
        return _help(_matching(declared, words))
    command, values = parse(declared, words)

    from bot import shell
    from bot.settings import load

    configuration = load(options.config)
    if command is RUN:
        return shell.serve(configuration)
    if command is INVITE:
        return shell.invite(configuration)
    if command is MANIFEST:
        return shell.manifest(configuration, str(values.get("url") or ""))
    if command is CHAT:
        message = values.get("message")
        return shell.chat(
            configuration,
            avatar=options.avatar,
            message=None if message is None else str(message),
            as_json=options.json,
        )
    return shell.command(
        configuration,
        command,
        values,
        avatar=options.avatar,
        as_json=options.json,
        confirmed=options.yes,
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("understudy")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "(from a checkout)"


def split_options(words: Sequence[str]) -> tuple[Options, list[str]]:
    """The options that may stand anywhere, and the other words. What follows ``--`` is left alone."""
    options = Options()
    others: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            others += [word, *left]
            break
        if name in {"--config", "--avatar"} and not (name == "--avatar" and _own_avatar(others)):
            if not equals:
                if not left:
                    raise UserError(f"`{name}` is without a value.")
                value = left.pop(0)
            if name == "--config":
                options.config = Path(value).expanduser()
            else:
                options.avatar = value
        elif word in {"--json", "--yes", "--help", "--version"}:
            setattr(options, word[2:], True)
        elif word == "-h":
            options.help = True
        else:
            others.append(word)
            if word == "--message" and left:
                others.append(left.pop(0))  # a message may look like an option
    return options, others


def _own_avatar(words: Sequence[str]) -> bool:
    """Whether the command has a parameter of its own called avatar, which then means what it says there."""
    if not words or words[0] in {"chat", "run", "discord", "slack"}:
        return False
    from adapters.platforms.commandline import find

    try:
        command, _ = find(_declared(), words[:2], SHELL)
    except UserError:
        return False
    return any(param.name == "avatar" for param in command.params)


def _declared() -> tuple[Command, ...]:
    from bot.shell import declared

    return declared()


def _matching(commands: Sequence[Command], words: Sequence[str]) -> tuple[Command, ...]:
    """The commands that ``words`` name: one, or a group."""
    from adapters.platforms.commandline import find

    group = tuple(command for command in commands if command.name.split(" ")[0] == words[0].lower())
    if len(words) == 1 and group:
        return group
    return (find(commands, words[:2], SHELL)[0],)


def _help(commands: Sequence[Command]) -> int:
    if len(commands) == 1:
        print(command_help(commands[0], SHELL).replace("`", ""))
        own = {f"--{param.name}" for param in commands[0].params}
        others = [option for option in OPTIONS if option[0].split()[0] not in own]
        print("\nOptions of every command:\n\n" + _columns(others))
        return DONE
    listed = [(command.name, command.help.replace("`", "")) for command in commands]
    if any(command.name == "help" for command in commands):  # all of them, not a group
        print("Understudy: a chat avatar that learns its part from its audience.\n")
        listed = [*((each.name, each.help) for each in OWN), *listed]
    print("understudy COMMAND [VALUES] [OPTIONS]\n")
    print(_columns(listed))
    print("\nOptions, anywhere on the line:\n\n" + _columns(OPTIONS))
    print("\nunderstudy COMMAND --help explains one command.")
    return DONE


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {text}".rstrip() for name, text in rows)


if __name__ == "__main__":
    sys.exit(main())
