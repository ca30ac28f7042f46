"""Texts on Slack: what Markdown and Slack's markup become in each other, how long ones are parted, what is found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.base import Place, UserError
from adapters.platforms.slack.markup import escape, harmless, mrkdwn, plainly, unescape, without_half
from adapters.platforms.slack.options import Options
from adapters.platforms.slack.parts import LIMIT, beginning, finished, growing
from adapters.platforms.slack.people import check_access
from adapters.platforms.slack.places import key_of, parts_of, place_of, target_of
from adapters.platforms.slack.posted import digest_of, find_note, find_reply, note_metadata, reply_metadata

PINGS = (
    "<!here>",
    "<!channel>",
    "<!everyone>",
    "<@U0ADA>",
    "<!subteam^S123>",
    "<#C123|x>",
    "@here",
    "@channel",
)


@pytest.mark.parametrize("ping", PINGS)
def test_nothing_pings(ping: str) -> None:
    for text in (ping, f"Hello {ping}, read this", f"`{ping}`", f"**{ping}**", f"[{ping}](https://x.org)"):
        assert ping not in harmless(text)
        assert ping.strip("@") in harmless(text).replace("\u2060", "")
        assert ping not in plainly(text)
        assert ping not in mrkdwn(text)


def test_what_pings_nobody_stays_as_it_is() -> None:
    for text in ("ada@here.org", "@classmethod", "<!DOCTYPE html>", "a < b", "<!-- @hereby -->", "@channels"):
        assert harmless(text) == text


@given(st.text(alphabet="<!@#here chanel^U0|>x\n`", max_size=60))
def test_a_growing_text_never_takes_back_what_was_shown(text: str) -> None:
    shown = ""
    for end in range(1, len(text) + 1):
        now = harmless(without_half(text[:end]))
        if len(now) >= len(shown):
            assert now.startswith(shown)
            shown = now
    assert harmless(text).startswith(shown)


@pytest.mark.parametrize(
    "text", ["Ask @hereabouts or @channels.", "Go <!hereabouts> on", "<@U0ADA> <#C1>", "@everyone's"]
)
def test_a_growing_text_goes_on_past_what_could_have_become_a_ping(text: str) -> None:
    grown = [harmless(without_half(text[:end])) for end in range(1, len(text) + 1)]
    assert all(harmless(text).startswith(each) for each in grown)
    assert all(len(grown[at]) >= at - 12 for at in range(len(grown)))


def test_markdown_in_slacks_own_markup() -> None:
    told = mrkdwn("# Title\n\n**bold** and ~~struck~~ & [a link](https://x.org/a_(b)?c=1&d)\n- one\n* two\n")
    assert (
        told == "*Title*\n\n*bold* and ~struck~ &amp; <https://x.org/a_(b)?c=1&amp;d|a link>\n• one\n• two\n"
    )
    assert mrkdwn("```python\nif a < b: **x**\n```") == "```\nif a &lt; b: **x**\n```"
    assert mrkdwn("[click](javascript:alert)") == "[click](javascript:alert)"


@given(st.text(max_size=200))
def test_what_is_escaped_reads_as_before(text: str) -> None:
    assert unescape(escape(text)) == text


def test_a_short_reply_is_one_part_and_an_empty_one_says_so() -> None:
    assert finished("Hello.") == ["Hello."]
    assert finished(" \n") == ["_Nothing was said._"]
    assert growing("") == []


def test_long_code_is_closed_and_opened_again() -> None:
    text = "Look:\n\n```python\n" + "x = 1  # a line of code\n" * 1200 + "```\n\nThat is all."
    parts = finished(text)
    assert len(parts) > 1
    assert all(len(part) <= LIMIT and part.count("```") % 2 == 0 for part in parts)
    assert parts[1].startswith("```python\n")
    assert "".join(parts).count("x = 1") == 1200


def test_a_growing_part_only_ever_becomes_longer() -> None:
    text = (
        "Intro.\n\n```python\n" + "print('x')\n" * 1500 + "```\nDone `here` and *there*.\n" + "Words. " * 900
    )
    shown: list[str] = []
    for end in range(1, len(text), 97):
        parts = growing(text[:end])
        for at, part in enumerate(parts):
            if at < len(shown):
                assert part.startswith(shown[at]) or at < len(parts) - 1
                shown[at] = part
            else:
                shown.append(part)
    final = finished(text)
    assert [part.rstrip("`\n") for part in final][:-1] == [
        part.rstrip("`\n") for part in shown[: len(final) - 1]
    ]


def test_a_table_that_is_cut_has_its_headings_again() -> None:
    head = "| bird | song |\n|:-----|-----:|\n"
    rows = [f"| bird number {at} | sings song number {at} |\n" for at in range(600)]
    parts = finished(f"Birds:\n\n{head}{''.join(rows)}\nThat is all.")
    assert len(parts) > 2
    assert all(head in part for part in parts)
    assert all(sum(row.strip() in part for part in parts) == 1 for row in rows)
    assert growing(f"Birds:\n\n{head}{''.join(rows)}")[1].startswith(head)
    assert all(len(part) < 12_000 for part in parts)


def test_a_reply_that_comes_as_a_file_says_so() -> None:
    assert beginning("word " * 1000).endswith("_The whole reply is in the file._")


def test_places_and_where_they_are() -> None:
    direct = place_of("T1", "D1", "im")
    assert (direct.private, target_of(direct)) == (True, ("D1", None))
    mention = place_of("T1", "C1", "channel", "12.34", team_name="Birds")
    assert mention == Place("slack", "T1", "C1", "C1:12.34", False, "Birds")
    assert target_of(mention) == ("C1", "12.34")
    assert place_of("T1", "C2", "group").private
    assert place_of("T1", "C3").private
    assert parts_of(f"{key_of('C1', '5.6')} {key_of('C1', '5.5')}") == ("C1", "5.6")
    assert parts_of("C1:5.6:7.8") == ("C1", "5.6")


def test_a_misspelt_role_is_named_with_the_nearest() -> None:
    check_access(Options(owner=("U0ADA", "@helpers", "S123", "helpers")))
    with pytest.raises(UserError, match='did you mean "workspace_owner"'):
        check_access(Options(owner=("workspace_owners",)))
    with pytest.raises(UserError, match="no role on Slack"):
        check_access(Options(rater=("every_one",)))


def _said(
    ts: str, kind: dict[str, object] | None = None, user: str = "BOT", **more: object
) -> dict[str, object]:
    return {"ts": ts, "user": user, **({"metadata": kind} if kind else {}), **more}


def test_parts_are_found_by_what_they_carry() -> None:
    messages = [
        _said("1.0", None, "U1"),
        _said("2.0", reply_metadata("other", 0)),
        _said("3.0", reply_metadata("mine", 0, "d0")),
        _said("4.0", reply_metadata("mine", 0, "again")),
        _said("5.0", reply_metadata("mine", 1, "d1")),
        _said("6.0", reply_metadata("mine", 0), "U2"),
    ]
    found = find_reply(messages, "BOT", "mine", "1.0")
    assert [(each.ts, each.part, each.digest) for each in found] == [
        ("3.0", 0, "d0"),
        ("5.0", 1, "d1"),
        ("4.0", 0, "again"),
    ]


def test_a_stream_that_was_cut_short_is_found_where_there_are_streams() -> None:
    messages = [
        _said("1.5"),
        _said("2.0", reply_metadata("other", 0)),
        _said("3.0"),
        _said("4.0", note_metadata("n")),
    ]
    found = find_reply(messages, "BOT", "mine", "1.0", streamed=True)
    assert [(each.ts, each.open) for each in found] == [("3.0", True)]
    assert find_reply(messages, "BOT", "mine", "1.0") == []
    assert find_note(messages, "BOT", "n") == "4.0"
    assert find_note(messages, "BOT", "m") == ""


def test_a_digest_tells_texts_and_buttons_apart() -> None:
    assert digest_of("a", []) == digest_of("a", ())
    assert len({digest_of("a", []), digest_of("b", []), digest_of("a", [{"type": "context"}])}) == 3
