"""Thumbs, forms and the commands on a message: what people think of a reply, told by pressing something.

A thumb has the source ``stars``, which ``/rate`` has too: the thumbs and stars of one person replace each other. The same
thumb again takes it back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import discord
import structlog

from adapters.platforms.base import Access, Answer, Button, Mark
from adapters.platforms.discord import controls, forms
from adapters.platforms.discord.forms import Target
from adapters.platforms.discord.places import place_of
from adapters.platforms.discord.visits import Bar, Desk, Visit

log = structlog.get_logger()

UP: Final = 5
DOWN: Final = 1

_SOURCE = "stars"
_REMEMBERED = 5_000
_NOT_MINE = "That is no reply of mine, so there is nothing to rate or to teach."
_NOTHING_ADDED = "Nothing was added. Your rating stands as it was."


class Ratings:
    """What follows when somebody presses a thumb, sends a form, or chooses a command on a message."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Who pressed thumb down where, with the thanks they were shown, as far as this process remembers.
        self._low: OrderedDict[tuple[str, str], discord.WebhookMessage | None] = OrderedDict()

    async def up(self, visit: Visit, exchange_id: str) -> None:
        """Thumb up; once more takes it back."""
        await visit.defer()
        self._low.pop((visit.person, exchange_id), None)
        answer = await self._thumb(visit, exchange_id, UP)
        if _unchanged(answer) and not answer.buttons:  # a question that is put once is not to be lost
            answer = await self._thumb(visit, exchange_id, None)
        await visit.show(answer)

    async def down(self, visit: Visit, exchange_id: str) -> None:
        """Thumb down opens the form, and counts whether the form is sent or not; once more takes it back."""
        key = (visit.person, exchange_id)
        if key in self._low:
            await visit.defer()
            answer = await self._thumb(visit, exchange_id, DOWN)
            if _unchanged(answer) and not answer.buttons:
                self._low.pop(key, None)
                answer = await self._thumb(visit, exchange_id, None)
            await visit.show(answer)
            return
        # A form can only be the first word, so that the rating is written beside it; each is worth having alone.
        opened, answer = await asyncio.gather(
            visit.open(forms.what_was_wrong(Target(exchange_id))),
            self._thumb(visit, exchange_id, DOWN),
            return_exceptions=True,
        )
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(opened, BaseException):
            raise opened
        if answer.ok:
            self._remember(key, None)
        if _unchanged(answer):
            back = Button("Take it back", "rate", {"stars": "none", "exchange": exchange_id})
            answer = replace(answer, buttons=(*answer.buttons, back))
        note = await visit.show(answer)
        if answer.ok and not answer.buttons:
            self._remember(key, note)

    async def stop(self, visit: Visit, exchange_id: str, asker: str) -> None:
        """The asker, or a reviewer, stops the reply that is being given."""
        asker = asker or _replied_to(visit)
        if visit.person != asker and visit.who.access < Access.REVIEWER:
            await visit.say("Only the person who asked, or a reviewer, can stop this reply.")
            return
        await visit.defer_update()
        stopped = self._desk.host.stop_speaking(await visit.place(), exchange_id)
        log.info("stop pressed", exchange=exchange_id, stopped=stopped)

    async def form(self, visit: Visit, exchange_id: str) -> None:
        """The form, where it was offered after a reaction."""
        await visit.open(forms.what_was_wrong(Target(exchange_id)))

    async def rated(self, visit: Visit, target: Target, values: Mapping[str, str]) -> None:
        """A form about a reply was sent."""
        stars, comment, better = values.get("stars"), forms.comment_of(values), values.get("better")
        if not (stars or comment or better):
            await visit.say(_NOTHING_ADDED)
            return
        await visit.defer()
        mark = self._mark(visit, target)
        if stars is not None and stars.isdecimal():
            mark = replace(mark, source=_SOURCE, rates=True, stars=min(5, max(1, int(stars))))
        answer = await self._desk.host.mark(replace(mark, comment=comment or None, better=better))
        await self._clear_note((visit.person, target.exchange_id))
        await visit.show(answer)

    async def menu_rate(self, visit: Visit) -> None:
        """Rate this reply: open the form with the stars."""
        target = self._target(visit)
        if target is None:
            await visit.say(_NOT_MINE)
        else:
            await visit.open(forms.rate(target))

    async def menu_teach(self, visit: Visit) -> None:
        """Teach this as an example: open the form with the reply in it."""
        if visit.who.access < Access.REVIEWER:
            await self._refuse(visit)
            return
        target = self._target(visit)
        if target is None:
            await visit.say(_NOT_MINE)
            return
        said = str(_chosen(visit).get("content", "")).strip()
        if not said:
            await visit.say("There is no text in that message to learn from.")
            return
        await visit.open(forms.teach(target, said))

    async def taught(self, visit: Visit, target: Target, digest: str, values: Mapping[str, str]) -> None:
        """The form that teaches a reply was sent: five stars for what it is, or a better answer for what it became."""
        if visit.who.access < Access.REVIEWER:
            await self._refuse(visit)
            return
        await visit.defer()
        said = values.get("answer", "")
        mark = self._mark(visit, target)
        if forms.digest(said) == digest:
            mark = replace(mark, source=_SOURCE, rates=True, stars=UP)
        else:
            mark = replace(mark, source="teach", better=said)
        await visit.show(await self._desk.host.mark(mark))

    async def _refuse(self, visit: Visit) -> None:
        """The host refuses it as the command that it stands for, and notes down that somebody tried."""
        await visit.defer()
        call = await visit.call("examples add", {}, Bar(visit, draws=False))
        await visit.show(await self._desk.host.command(call))

    async def _thumb(self, visit: Visit, exchange_id: str, stars: int | None) -> Answer:
        mark = self._mark(visit, Target(exchange_id))
        # Behind the form that a thumb down opens nobody reads a question: it comes with the thanks for what is sent.
        return await self._desk.host.mark(
            replace(mark, source=_SOURCE, rates=True, stars=stars, askable=stars != DOWN)
        )

    def _mark(self, visit: Visit, target: Target) -> Mark:
        place = place_of(visit.room, visit.interaction.guild, visit.interaction.user.id)
        return Mark(
            place,
            visit.who,
            "form",
            visit.at,
            rates=False,
            exchange_id=target.exchange_id,
            reply_key=target.reply_key,
        )

    def _target(self, visit: Visit) -> Target | None:
        """The reply in the message that was chosen; ``None`` when it is none of ours."""
        chosen, user = _chosen(visit), self._desk.client.user
        if user is None or str(chosen.get("author", {}).get("id")) != str(user.id):
            return None
        for custom_id in _custom_ids(chosen.get("components") or ()):
            found = controls.UP.fullmatch(custom_id)
            if found:
                return Target(found["exchange"])
        return Target(reply_key=str(chosen["id"]))

    def _remember(self, key: tuple[str, str], note: discord.WebhookMessage | None) -> None:
        self._low[key] = note
        while len(self._low) > _REMEMBERED:
            self._low.popitem(last=False)

    async def _clear_note(self, key: tuple[str, str]) -> None:
        """The thanks for the thumb gives way to the thanks for the form."""
        note = self._low.get(key)
        if note is None:
            return
        self._low[key] = None
        try:
            await note.delete()
        except discord.HTTPException as error:
            log.info("an earlier thanks stays", error=str(error))


def _unchanged(answer: Answer) -> bool:
    """Whether the person had said just that before."""
    data: Any = answer.data
    return answer.ok and isinstance(data, Mapping) and data.get("changed") is False


def _chosen(visit: Visit) -> Mapping[str, Any]:
    """The message that a command was chosen on."""
    resolved = visit.data.get("resolved") or {}
    return (resolved.get("messages") or {}).get(str(visit.data.get("target_id")), {})


def _replied_to(visit: Visit) -> str:
    """Who wrote the message that the one with the button answers; empty when that is not known."""
    message = visit.interaction.message
    resolved = message.reference.resolved if message is not None and message.reference is not None else None
    return str(resolved.author.id) if isinstance(resolved, discord.Message) else ""


def _custom_ids(components: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for component in components:
        if "custom_id" in component:
            yield str(component["custom_id"])
        yield from _custom_ids(component.get("components") or ())
