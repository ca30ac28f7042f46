"""Commands as people type them: both grammars, the sentences for mistakes, and the way back to text."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Answer, Call, Command, Param, Place, UserError, Who
from adapters.platforms.commandline import parse
from adapters.platforms.completion import propose
from adapters.platforms.usage import (
    CHAT,
    SHELL,
    command_help,
    format_argv,
    format_line,
    help_table,
    usage,
)


async def _run(call: Call) -> Answer:
    return Answer()


async def _avatars(call: Call, begun: str) -> Sequence[str]:
    return ["counsel", "guide", "old sailor"]


CREATE = Command(
    "avatar create",
    "Create an avatar.",
    _run,
    params=(
        Param("name", "The avatar's name.", required=True),
        Param("prompt", "Who the avatar is."),
        Param("kind", "What sort.", "choice", choices=("Serious", "Funny")),
        Param("bound", "Bind this channel.", "flag"),
    ),
)
USE = Command(
    "avatar use", "Talk to another.", _run, params=(Param("name", "Whom.", required=True, complete=_avatars),)
)
RATE = Command(
    "rate",
    "Rate the last reply.",
    _run,
    params=(
        Param("stars", "How good.", "integer", required=True, minimum=1, maximum=5),
        Param("comment", "Why.", rest=True),
    ),
)
HISTORY = Command(
    "history",
    "What was said.",
    _run,
    params=(
        Param("limit", "How many.", "integer", default=10, minimum=1),
        Param("floor", "From which quality.", "number", minimum=0, maximum=1),
        Param("all", "Everybody's.", "flag"),
    ),
)
WHY = Command("why", "Why it was said.", _run)
HELP = Command("help", "This list.", _run, params=(Param("command", "Of one command.", rest=True),))
ALL = (CREATE, USE, RATE, HISTORY, WHY, HELP)


@pytest.mark.parametrize(
    ("typed", "command", "values"),
    [
        ('/avatar create name:Bob prompt:"You are Bob"', CREATE, {"name": "Bob", "prompt": "You are Bob"}),
        (
            "/avatar create Bob “You are Bob” funny",
            CREATE,
            {"name": "Bob", "prompt": "You are Bob", "kind": "Funny"},
        ),
        (
            "/Avatar  Create name: Bob prompt:'a b' bound:yes",
            CREATE,
            {"name": "Bob", "prompt": "a b", "bound": True},
        ),
        ("/avatar create --name Bob --bound", CREATE, {"name": "Bob", "bound": True}),
        ("/avatar create —name=Bob bound:no", CREATE, {"name": "Bob", "bound": False}),
        ('/avatar create Bob prompt:"say \\"hi\\" \\\\"', CREATE, {"name": "Bob", "prompt": 'say "hi" \\'}),
        ("/avatar use counsel", USE, {"name": "counsel"}),
        ("/avatar use 'old sailor'", USE, {"name": "old sailor"}),
        ("/avatar use 'tis", USE, {"name": "'tis"}),
        ("/avatar use http://x", USE, {"name": "http://x"}),
        ('/avatar use name:""', USE, {"name": ""}),
        ("/rate 4 nice answer", RATE, {"stars": 4, "comment": "nice answer"}),
        ("/rate 4   it's  so:  --nice", RATE, {"stars": 4, "comment": "it's  so:  --nice"}),
        ('/rate 4 "nice answer"', RATE, {"stars": 4, "comment": "nice answer"}),
        ('/rate 4 "nice" she said', RATE, {"stars": 4, "comment": '"nice" she said'}),
        ("/rate comment:nice, four stars:4", None, None),
        ('/rate 4 "nice" "but" short', RATE, {"stars": 4, "comment": '"nice" "but" short'}),
        ('/rate 4 "never closed', RATE, None),
        ('/rate comment:"nice one" stars:4', RATE, {"stars": 4, "comment": "nice one"}),
        ("/rate stars:4 comment:nice answer", RATE, {"stars": 4, "comment": "nice answer"}),
        ("/rate 4 two\nlines", RATE, {"stars": 4, "comment": "two\nlines"}),
        ("/history", HISTORY, {"limit": 10}),
        ("/history 3 0.5 all", HISTORY, {"limit": 3, "floor": 0.5, "all": True}),
        ("why", WHY, {}),
        ("/help avatar create", HELP, {"command": "avatar create"}),
    ],
)
def test_chat_grammar(typed: str, command: Command | None, values: dict[str, Any] | None) -> None:
    if command is None or values is None:
        with pytest.raises(UserError):
            parse(ALL, typed)
        return
    assert parse(ALL, typed) == (command, values)


@pytest.mark.parametrize(
    ("words", "command", "values"),
    [
        (
            ["avatar", "create", "--name", "Bob", "--prompt", "You are Bob"],
            CREATE,
            {"name": "Bob", "prompt": "You are Bob"},
        ),
        (["avatar", "create", "Bob", "--bound"], CREATE, {"name": "Bob", "bound": True}),
        (["avatar", "use", "name:Bob"], USE, {"name": "name:Bob"}),
        (["avatar", "use", "--", "--odd"], USE, {"name": "--odd"}),
        (["avatar", "use", "--name=--odd"], USE, {"name": "--odd"}),
        (["avatar", "use", "--name", ""], USE, {"name": ""}),
        (["rate", "4", "nice", "answer"], RATE, {"stars": 4, "comment": "nice answer"}),
        (["rate", "--stars=4", "--comment=so nice"], RATE, {"stars": 4, "comment": "so nice"}),
        (["history", "--all"], HISTORY, {"limit": 10, "all": True}),
        (["history", "--floor", "0.25"], HISTORY, {"limit": 10, "floor": 0.25}),
    ],
)
def test_shell_grammar(words: list[str], command: Command, values: dict[str, Any]) -> None:
    assert parse(ALL, words) == (command, values)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("/", "Which command? `/help` lists them."),
        ("/rat 4", "There is no command `/rat`; did you mean `/rate`?"),
        ("/avatar", "`/avatar` wants one more word: create, use."),
        ("/avatar craete", "There is no command `/avatar craete`; did you mean `/avatar create`?"),
        ("/xyzzy now", "There is no command `/xyzzy`; `/help` lists them all."),
        ("/avatar create promt:x", "`/avatar create` has no `promt:`; did you mean `prompt:`?"),
        ("/avatar create Bob x serious y", "`y` is one value too many for `/avatar create`; put quotes"),
        ("/avatar create a --b c", "`/avatar create` has no `b:`; it takes `name:`, `prompt:`, `kind:`, `bound:`."),
        ("/avatar create name:a name:b", "`name:` is given twice."),
        ("/avatar create name:", "`name:` is without a value."),
        ("/avatar create name: prompt:x", "`name:` is without a value."),
        ("/avatar create", "`/avatar create` needs `name:` (the avatar's name): `/avatar create name:… ["),
        ('/avatar use "Bob', 'The quote that begins at "Bob is not closed.'),
        ("/avatar create a b sirious", "`kind:` is one of Serious, Funny, not `sirious`."),
        (
            "/avatar create prompt:Me name:Bob Builder",
            '`kind:` is one of Serious, Funny, not `Builder`. Or is it one value: `name:"Bob Builder"`? Put quotes',
        ),
        ("/avatar create a bound:maybe", "`bound:` is yes or no, not `maybe`."),
        ("/rate five", "`stars:` is a whole number from 1 to 5, not `five`."),
        ("/rate 6", "`stars:` is a number from 1 to 5, and `6` is not."),
        ("/history 0", "`limit:` is a number of at least 1, and `0` is not."),
        ("/history 1 nan", "`floor:` is a number from 0 to 1, not `nan`."),
        ("/why not", "`/why` takes no value such as `not`."),
    ],
)  # fmt: skip
def test_each_mistake_has_one_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(ALL, typed)
    assert str(caught.value).startswith(sentence.removesuffix("."))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Which command? `understudy help` lists them."),
        (["avatar", "use", "--nam", "x"], "`understudy avatar use` has no `--nam`; did you mean `--name`?"),
        (["avatar", "use", "--name"], "`--name` is without a value."),
        (["why", "--loud"], "`understudy why` takes no `--loud`, or any other value."),
        (["rate", "--stars", "9"], "`--stars` is a number from 1 to 5, and `9` is not."),
    ],
)
def test_each_mistake_in_the_shell_too(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(ALL, words)
    assert str(caught.value) == sentence


_pieces = [*"abn 1:\"'\\“”„=-—\n/", "name:", "stars:", "--", "avatar ", "all"]
_odd_text = st.lists(st.sampled_from(_pieces)).map("".join)
_any_line = st.one_of(
    st.text(),
    _odd_text,
    st.builds("/{} {}".format, st.sampled_from([c.name for c in ALL]), _odd_text),
)


def _sentence(typed: str | list[str]) -> str:
    try:
        parse(ALL, typed)
    except UserError as error:
        return str(error)
    return "It was understood."


@given(_any_line)
def test_no_line_raises_anything_but_a_sentence(line: str) -> None:
    assert 0 < len(_sentence(line)) < 400


@given(
    st.lists(st.one_of(st.text(), _odd_text, st.sampled_from(["avatar", "create", "use", "rate", "--stars"])))
)
def test_no_argv_raises_anything_but_a_sentence(words: list[str]) -> None:
    assert 0 < len(_sentence(words)) < 400


_values = {
    "text": st.text(),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "choice": st.sampled_from(["red", "light green"]),
}
_names = st.text(alphabet=string.ascii_lowercase + "_", min_size=1, max_size=6).filter(str.isidentifier)


@st.composite
def commands_with_values(draw: st.DrawFn) -> tuple[Command, dict[str, Any]]:
    names = draw(st.lists(_names, unique=True, max_size=5))
    kinds = [draw(st.sampled_from(sorted(_values))) for _ in names]
    params = [
        Param(name, "Something.", kind, choices=("red", "light green") if kind == "choice" else ())  # pyright: ignore[reportArgumentType]
        for name, kind in zip(names, kinds, strict=True)
    ]
    if params and draw(st.booleans()):
        params[-1] = Param(params[-1].name, "The rest.", rest=True)
    values = {param.name: draw(_values[param.kind]) for param in params if draw(st.booleans())}
    return Command(draw(st.sampled_from(["one", "two words"])), "Do.", _run, params=tuple(params)), values


@given(commands_with_values())
def test_what_is_formatted_is_parsed_back(pair: tuple[Command, dict[str, Any]]) -> None:
    command, values = pair
    assert parse((command,), format_line(command, values)) == (command, values)


@given(commands_with_values())
def test_what_is_formatted_for_the_shell_is_parsed_back(pair: tuple[Command, dict[str, Any]]) -> None:
    command, values = pair
    assert parse((command,), format_argv(command, values)) == (command, values)


def test_usage_and_help() -> None:
    assert usage(RATE) == "/rate stars:… [comment:…]"
    assert (
        usage(CREATE, SHELL)
        == "understudy avatar create --name NAME [--prompt PROMPT] [--kind KIND] [--bound]"
    )
    assert command_help(HISTORY, CHAT).splitlines() == [
        "`/history [limit:…] [floor:…] [all:yes]`",
        "",
        "What was said.",
        "",
        "- `limit:` — How many; a number of at least 1; 10 unless given",
        "- `floor:` — From which quality; a number from 0 to 1",
        "- `all:` — Everybody's",
    ]
    assert help_table(ALL).splitlines()[4] == "- `/why` — Why it was said."


def _call(command: Command, values: dict[str, Any]) -> Call:
    async def progress(text: str, done: float | None = None) -> None:
        return

    return Call(command.name, Place("terminal", "", "", ""), Who("me", "Me"), values, progress, 0)


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("/", [f"/{command.name}" for command in ALL]),
        ("/av", ["/avatar create", "/avatar use"]),
        ("/avatar", ["/avatar create", "/avatar use"]),
        ("/avatar u", ["/avatar use"]),
        ("/avatar use ", ["counsel", "guide", '"old sailor"', "name:"]),
        ("/avatar use c", ["counsel"]),
        ("/avatar use name:ol", ['"old sailor"']),
        ("/avatar create ", ["name:", "prompt:", "kind:", "bound:yes"]),
        ("/avatar create Bob k", ["kind:"]),
        ('/avatar create Bob prompt:"a b" ', ["Serious", "Funny", "kind:", "bound:yes"]),
        ("/avatar create kind:f", ["Funny"]),
        ('/avatar create "Bo', []),
        ("/rate 4 nice", []),
        ("/nothing ", []),
    ],
)
async def test_completion(line: str, texts: list[str]) -> None:
    assert [proposal.text for proposal in await propose(ALL, line, _call)] == texts


@given(_any_line)
async def test_completion_of_anything_is_harmless(line: str) -> None:
    for proposal in await propose(ALL, "/" + line, _call):
        assert 0 <= proposal.replaces <= len(line) + 1
