"""The first avatar, a guide to Understudy: who it is, what it knows from the start, and a sample to import."""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal, cast, get_args

Pattern = Literal["greeting", "question", "statement", "joke", "story"]

_GUIDE_KEYS = frozenset({"name", "colour", "tagline", "prompt", "unknown", "suggestions", "examples"})
_EXAMPLE_KEYS = frozenset({"question", "also", "answer", "pattern", "pinned"})
_SHORTEST_ANSWER = 20


class GuideError(ValueError):
    """The guide's file breaks one of its own rules."""


@dataclass(frozen=True, slots=True)
class GuideExample:
    """One answer and every wording that asks for it; a pinned one belongs to the stable block."""

    question: str
    answer: str
    also: tuple[str, ...]
    pattern: Pattern
    pinned: bool

    @property
    def wordings(self) -> tuple[str, ...]:
        """All questions that this answer serves, the main one first."""
        return (self.question, *self.also)


@dataclass(frozen=True, slots=True)
class Guide:
    """Everything the first avatar is made from; `picture` is a PNG."""

    name: str
    colour: str
    tagline: str
    prompt: str
    suggestions: tuple[str, str, str]
    unknown: str
    examples: tuple[GuideExample, ...]
    picture: bytes


def load_guide() -> Guide:
    """Reads the guide that ships with the package."""
    folder = resources.files(__name__)
    return parse_guide(
        folder.joinpath("guide.toml").read_text("utf-8"), folder.joinpath("picture.png").read_bytes()
    )


def parse_guide(text: str, picture: bytes) -> Guide:
    """Makes a guide of the text of a `guide.toml`, or says what is wrong with it."""
    try:
        table = cast(dict[str, object], tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise GuideError(f"guide.toml: {error}") from error
    where = "guide.toml"
    _refuse_unknown(table, _GUIDE_KEYS, where)
    colour = _text(table, "colour", where)
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise GuideError(f"{where}: colour is #RRGGBB, not {colour!r}")
    examples = _examples(table)
    return Guide(
        name=_text(table, "name", where),
        colour=colour,
        tagline=_text(table, "tagline", where),
        prompt=_text(table, "prompt", where),
        suggestions=_suggestions(table, examples),
        unknown=_text(table, "unknown", where),
        examples=examples,
        picture=picture,
    )


def _examples(table: dict[str, object]) -> tuple[GuideExample, ...]:
    entries = table.get("examples")
    if not isinstance(entries, list) or not entries:
        raise GuideError("guide.toml: [[examples]] is missing")
    examples = tuple(_example(entry, n) for n, entry in enumerate(cast(list[object], entries), start=1))
    seen: set[str] = set()
    for wording in (wording for example in examples for wording in example.wordings):
        if wording.casefold() in seen:
            raise GuideError(f"guide.toml: two examples ask {wording!r}")
        seen.add(wording.casefold())
    return examples


def _example(entry: object, number: int) -> GuideExample:
    where = f"guide.toml: example {number}"
    if not isinstance(entry, dict):
        raise GuideError(f"{where}: is not a table")
    table = cast(dict[str, object], entry)
    question = _text(table, "question", where)
    where = f"{where} ({question})"
    _refuse_unknown(table, _EXAMPLE_KEYS, where)
    answer = _text(table, "answer", where)
    if len(answer) <= _SHORTEST_ANSWER:
        raise GuideError(f"{where}: answer has {_SHORTEST_ANSWER} characters or fewer")
    pattern = _text(table, "pattern", where)
    if pattern not in get_args(Pattern):
        raise GuideError(f"{where}: pattern is one of {', '.join(get_args(Pattern))}, not {pattern!r}")
    pinned = table.get("pinned", False)
    if not isinstance(pinned, bool):
        raise GuideError(f"{where}: pinned is true or false")
    also = _texts(table, "also", where) if "also" in table else ()
    return GuideExample(question, answer, also, cast(Pattern, pattern), pinned)


def _suggestions(table: dict[str, object], examples: tuple[GuideExample, ...]) -> tuple[str, str, str]:
    suggestions = _texts(table, "suggestions", "guide.toml")
    if len(suggestions) != 3:
        raise GuideError(f"guide.toml: there are three suggestions, not {len(suggestions)}")
    questions = {example.question for example in examples}
    for suggestion in suggestions:
        if suggestion not in questions:
            raise GuideError(f"guide.toml: no example answers the suggestion {suggestion!r}")
    first, second, third = suggestions
    return first, second, third


def _text(table: dict[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise GuideError(f"{where}: {key} is missing or not a text")
    return value.strip()


def _texts(table: dict[str, object], key: str, where: str) -> tuple[str, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not values:
        raise GuideError(f"{where}: {key} is missing or not a list of texts")
    return tuple(_text({key: value}, key, where) for value in cast(list[object], values))


def _refuse_unknown(table: dict[str, object], known: frozenset[str], where: str) -> None:
    for key in sorted(table.keys() - known):
        raise GuideError(f"{where}: there is no key {key!r}")
