"""Slack's markup and Markdown, each told in the other's words: mentions by name, links as links, and nobody ever pinged."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from adapters.platforms.slack.people import People
from adapters.platforms.splitting import tidy

_MARK = re.compile(r"<([@#!]?)([^<>|\n]+)(?:\|([^<>\n]*))?>")
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)")
_ROOM = re.compile(r"<#([CGD][A-Z0-9]+)(?:\|)?>")
_TEAM = re.compile(r"<!subteam\^(S[A-Z0-9]+)>")
_GAP = re.compile(r" {2,}")
_START = re.compile(r"^[\s,:;]+")
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
_BOLD_IN = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]*[^\s*])\*(?![\w*])")
_STRUCK_IN = re.compile(r"(?<![\w~])~(?=\S)([^~\n]*[^\s~])~(?![\w~])")

# What Slack reads as a call to people, wherever it stands.
_PING = re.compile(
    r"<(?=!(?:here|channel|everyone|group|subteam)\b|@[UWBS][A-Z0-9]|#[CGD][A-Z0-9])"
    r"|(?<!\w)@(?=(?:here|channel|everyone|group)\b)",
    re.IGNORECASE,
)
_BREAK = "\u2060"
# The beginning of what may become one.
_HALF = re.compile(r"(?:<[!@#]?[\w^]{0,12}|(?<!\w)@\w{0,8})\Z")

_LINK_OUT = re.compile(r"!?\[([^\[\]\n]*)\]\(((?:https?://|mailto:)[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)\)")
_BOLD_OUT = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_STRUCK_OUT = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ITEM = re.compile(r"^(\s*)[-*+] +", re.MULTILINE)
_LANGUAGE = re.compile(r"\A```[\w+.#-]*\n")
_SPECIAL = {"here": "@here", "channel": "@channel", "everyone": "@everyone", "group": "@group"}


async def readable(text: str, people: People) -> str:
    """What somebody wrote as Markdown that one would read aloud, without the mention of the avatar."""
    if "<" in text:
        me = people.identity.user_id
        marks = _Marks(me, *await _looked_up(text, people))
        text = _MARK.sub(marks.spoken, text)
        if marks.addressed:
            text = _GAP.sub(" ", _START.sub("", text))
    if "*" in text or "~" in text:
        text = _outside_code(text, _emphasis)
    return tidy(unescape(text))


async def _looked_up(
    text: str, people: People
) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    """What the people, the channels and the user groups are called that a text names by their ids alone."""
    ids = {each for each in _PERSON.findall(text) if each != people.identity.user_id}
    rooms, teams = set(_ROOM.findall(text)), set(_TEAM.findall(text))
    if not ids and not rooms and not teams:
        return {}, {}, {}
    named = await asyncio.gather(*(people.name_of(each) for each in ids))
    found = await asyncio.gather(*(people.room_of(each) for each in rooms))
    handles = await asyncio.gather(*(people.handle_of(each) for each in teams))
    return (
        dict(zip(ids, named, strict=True)),
        {each.id: each.name for each in found},
        dict(zip(teams, handles, strict=True)),
    )


class _Marks:
    """Reads the marks of one message."""

    def __init__(
        self, me: str, names: Mapping[str, str], rooms: Mapping[str, str], teams: Mapping[str, str]
    ) -> None:
        self._me = me
        self._names = names
        self._rooms = rooms
        self._teams = teams
        self.addressed = False

    def spoken(self, mark: re.Match[str]) -> str:
        sort, what, label = mark[1], mark[2], mark[3] or ""
        if sort == "@":
            if what == self._me:
                self.addressed = True
                return ""
            return "@" + (self._names.get(what) or label.removeprefix("@") or "somebody")
        if sort == "#":
            return "#" + (label.removeprefix("#") or self._rooms.get(what) or "channel")
        if sort == "!":
            handle = self._teams.get(what.removeprefix("subteam^"))
            return label or (f"@{handle}" if handle else _SPECIAL.get(what, ""))
        bare = what.partition(":")[2] if what.startswith(("mailto:", "tel:")) else what
        if not label or label in (what, bare) or what.endswith(f"//{label}"):
            return bare
        return f"[{label}]({what})"


def mentions(text: str, user_id: str) -> bool:
    """Whether the text names this person."""
    return f"<@{user_id}" in text and (f"<@{user_id}>" in text or f"<@{user_id}|" in text)


def addressed_to_other(text: str, user_id: str) -> bool:
    """Whether the text begins by turning to somebody else."""
    found = _PERSON.match(text.lstrip())
    return found is not None and found[1] != user_id


def harmless(text: str) -> str:
    """A model's Markdown in which nothing pings: what Slack would take for a call to people is no longer one."""
    if "@" not in text and "<" not in text:
        return text
    return _PING.sub(lambda found: found[0] + _BREAK, text)


def without_half(text: str) -> str:
    """A text that still grows, without an end that may become a ping."""
    return _HALF.sub("", text) if "@" in text[-16:] or "<" in text[-16:] else text


def escape(text: str) -> str:
    """Text as it stands, for Slack's own markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Text as it was typed."""
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def plainly(text: str, limit: int = 0) -> str:
    """A text without any markup of Slack's, for where blocks are not shown; cut to ``limit``."""
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return escape(harmless(text))


def mrkdwn(markdown: str) -> str:
    """Markdown in Slack's own markup, as sections and contexts take it."""
    return _outside_code(harmless(markdown), _told, lambda code: _LANGUAGE.sub("```\n", escape(code)))


def _told(text: str) -> str:
    links: list[str] = []

    def keep(found: re.Match[str]) -> str:
        url = escape(found[2]).replace("|", "%7C")
        links.append(f"<{url}|{escape(found[1]).replace('|', '¦') or url}>")
        return f"\x00{len(links) - 1}\x00"

    text = escape(_LINK_OUT.sub(keep, text.replace("\x00", "")))
    text = _HEADING.sub(r"**\1**", text)
    text = _ITEM.sub(r"\1• ", text)
    text = _BOLD_OUT.sub(r"*\2*", text)
    text = _STRUCK_OUT.sub(r"~\1~", text)
    return re.sub("\x00(\\d+)\x00", lambda found: links[int(found[1])], text)


def _emphasis(text: str) -> str:
    return _STRUCK_IN.sub(r"~~\1~~", _BOLD_IN.sub(r"**\1**", text))


def _outside_code(text: str, change: Callable[[str], str], inside: Callable[[str], str] = str) -> str:
    if "`" not in text:
        return change(text)
    return "".join(inside(part) if at % 2 else change(part) for at, part in enumerate(_CODE.split(text)))


def shared_text(event: Mapping[str, Any]) -> str:
    """The messages that are passed on with this one."""
    parts = [str(each.get("text") or "") for each in event.get("attachments") or () if each.get("is_share")]
    return "\n\n".join(part for part in parts if part)
