"""The declaration of commands: within Discord's limits, and shown to those who may give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import pytest

from adapters.platforms.base import Answer
from adapters.platforms.discord import commands
from adapters.platforms.discord.options import Options
from bot.commands import every_command
from bot.services import Services
from tests.adapters.platforms.discord.interactive import command

NAME = re.compile(r"[a-z0-9_-]{1,32}")
REAL = every_command(cast(Services, None))


def real(options: Options | None = None) -> list[dict[str, Any]]:
    return commands.declare(REAL, options)


def leaves(declared: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in declared:
        inner = [option for option in each.get("options", ()) if option["type"] == 1]
        found += inner or [each]
    return found


def test_the_declaration_of_every_command_is_within_discords_limits() -> None:
    declared = real()
    slash = [each for each in declared if each["type"] == 1]
    menus = [each for each in declared if each["type"] == 3]
    assert len(slash) <= 100
    assert len(menus) <= 5
    assert len({(each["type"], each["name"]) for each in declared}) == len(declared)
    assert {leaf["name"] for leaf in leaves(slash)} == {each.name.split()[-1] for each in REAL}
    for each in slash:
        assert NAME.fullmatch(each["name"])
        assert 1 <= len(each["description"]) <= 100
        assert len(each["options"]) <= 25
        assert _characters(each) <= 8_000
    for leaf in leaves(slash):
        assert NAME.fullmatch(leaf["name"])
        assert 1 <= len(leaf["description"]) <= 100
        assert len(leaf["options"]) <= 25
        needed = [option["required"] for option in leaf["options"]]
        assert needed == sorted(needed, reverse=True), "the required ones come first"
        for option in leaf["options"]:
            assert NAME.fullmatch(option["name"])
            assert 1 <= len(option["description"]) <= 100
            choices = option.get("choices", ())
            assert len(choices) <= 25
            assert not (choices and option.get("autocomplete"))
            assert all(1 <= len(choice["name"]) <= 100 for choice in choices)
    for each in declared:
        assert (each["contexts"], each["integration_types"]) == ([0, 1], [0])


def _characters(declared: dict[str, Any]) -> int:
    """What Discord counts: names, descriptions and values of a command and all that is in it."""
    own = sum(len(str(declared.get(key, ""))) for key in ("name", "description", "value"))
    return own + sum(_characters(each) for key in ("options", "choices") for each in declared.get(key, ()))


def test_the_kinds_of_parameters() -> None:
    by_name = {
        leaf["name"]: {option["name"]: option for option in leaf["options"]} for leaf in leaves(real()[:-2])
    }
    assert by_name["rate"]["stars"]["type"] == 3
    assert [choice["value"] for choice in by_name["rate"]["stars"]["choices"]] == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "none",
    ]
    assert by_name["history"]["count"] == {
        "type": 4,
        "name": "count",
        "description": "How many",
        "required": False,
        "min_value": 1,
        "max_value": 100,
    }
    assert by_name["use"]["everywhere"]["type"] == 5
    assert by_name["use"]["name"]["autocomplete"] is True


def test_who_sees_a_command_follows_from_its_level_and_a_group_from_its_lowest() -> None:
    seen = {each["name"]: each["default_member_permissions"] for each in real()}
    assert {
        name: seen[name]
        for name in ("help", "rate", "stats", "examples", "prompt", "avatar", "check", "import")
    } == {
        "help": None,
        "rate": None,
        "stats": "8192",
        "examples": "8192",
        "prompt": "8192",
        "avatar": None,
        "check": "8",
        "import": "8",
    }
    assert seen["Rate this reply"] is None
    assert seen["Teach this as an example"] == "8192"


def test_a_level_that_goes_by_roles_hides_nothing_from_those_who_hold_them() -> None:
    seen = {
        each["name"]: each["default_member_permissions"]
        for each in real(Options(reviewer=("@Editors",), owner=("manage_guild", "administrator")))
    }
    assert (seen["stats"], seen["check"]) == (None, None)


def test_a_command_that_is_a_group_too_is_refused() -> None:
    both = (command("avatar", Answer()), command("avatar list", Answer()))
    with pytest.raises(ValueError, match="at once"):
        commands.declare(both)
