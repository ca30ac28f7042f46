"""Thumbs, forms and the shortcuts on a message: what people think of a reply, told by pressing something.

A thumb has the source ``stars``, which ``/rate`` has too: the thumbs and stars of one person replace each other. The same
thumb again takes it back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog

from adapters.platforms.base import Access, Answer, Button, Call, Mark, Who
from adapters.platforms.slack import controls, forms
from adapters.platforms.slack.desk import Desk
from adapters.platforms.slack.forms import Target
from adapters.platforms.slack.markup import readable
from adapters.platforms.slack.places import key_of
from adapters.platforms.slack.progress import Bar
from adapters.platforms.slack.visits import Visit

log = structlog.get_logger()

UP: Final = 5
DOWN: Final = 1

_SOURCE = "stars"
_REMEMBERED = 5_000
_NOT_MINE = "That is no reply of mine, so there is nothing to rate or to teach."
_NOTHING_ADDED = "Nothing was added. Your rating stands as it was."
_TOO_LATE = "The form did not open in time. Your rating counts; press 👎 again to take it back."


class Ratings:
    """What follows when somebody presses a thumb, sends a form, or chooses a shortcut on a message."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Who pressed thumb down where, as far as this process remembers.
        self._low: OrderedDict[tuple[str, str], None] = OrderedDict()
        # A form may be closed before the rating is written for which it was opened.
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def thumb(self, visit: Visit, value: str) -> None:
        """One of the two thumbs below a reply."""
        up, exchange_id = controls.thumb_of(value)
        await (self.up if up else self.down)(visit, exchange_id)

    async def up(self, visit: Visit, exchange_id: str) -> None:
        """Thumb up; once more takes it back."""
        self._low.pop((visit.person, exchange_id), None)
        answer = await self._thumb(visit, exchange_id, UP)
        if _unchanged(answer) and not answer.buttons:  # a question that is put once is not to be lost
            answer = await self._thumb(visit, exchange_id, None)
        await visit.show(answer)

    async def down(self, visit: Visit, exchange_id: str) -> None:
        """Thumb down opens the form, and counts whether the form is sent or not; once more takes it back."""
        key = (visit.person, exchange_id)
        async with self._turn(key):
            await self._down(visit, exchange_id, key)

    async def _down(self, visit: Visit, exchange_id: str, key: tuple[str, str]) -> None:
        if key in self._low:
            answer = await self._thumb(visit, exchange_id, DOWN)
            if _unchanged(answer) and not answer.buttons:
                self._low.pop(key, None)
                answer = await self._thumb(visit, exchange_id, None)
            await visit.show(answer)
            return
        # A form opens within three seconds or not at all, so that the rating is written beside it; each is worth having.
        view = forms.what_was_wrong(Target(exchange_id), visit.origin)
        self._remember(key)
        opened, answer = await asyncio.gather(
            visit.open(view), self._thumb(visit, exchange_id, DOWN), return_exceptions=True
        )
        if isinstance(answer, BaseException):
            self._low.pop(key, None)
            raise answer
        if isinstance(opened, BaseException):
            raise opened
        if not answer.ok:
            self._low.pop(key, None)
            await visit.show(answer)
        elif _unchanged(answer):
            back = Button("Take it back", "rate", {"stars": "none", "exchange": exchange_id})
            await visit.show(replace(answer, buttons=(*answer.buttons, back)))
        elif not opened:
            await visit.say(_TOO_LATE)
        # Else the thanks come when the form is sent or closed: until then it stands before everything that is said.

    async def closed(self, visit: Visit, target: Target) -> None:
        """The form was closed unsent: the thumb counts, and whoever is to be asked something is asked now."""
        key = (visit.person, target.exchange_id)
        async with self._turn(key):
            if key in self._low:
                mark = self._mark_at(await self._marked(visit, target), DOWN)
                await visit.show(await self._desk.host.mark(mark))

    async def stop(self, visit: Visit, value: str) -> None:
        """The asker, or a reviewer, stops the reply that is being given."""
        exchange_id, asker, conversation = controls.stop_of(value)
        if visit.person != asker and await visit.without(Access.REVIEWER):
            await visit.say("Only the person who asked, or a reviewer, can stop this reply.")
            return
        place = await visit.place()
        place = replace(place, conversation=conversation or place.conversation)
        stopped = self._desk.host.stop_speaking(place, exchange_id)
        log.info("stop pressed", exchange=exchange_id, stopped=stopped)

    async def rated(self, visit: Visit, target: Target, values: Mapping[str, str]) -> None:
        """A form about a reply was sent."""
        stars, comment, better = values.get("stars"), forms.comment_of(values), values.get("better")
        if not (stars or comment or better):
            await visit.say(_NOTHING_ADDED)
            return
        mark = await self._marked(visit, target)
        if stars is not None and stars.isdecimal():
            mark = self._mark_at(mark, min(5, max(1, int(stars))))
        await visit.show(await self._desk.host.mark(replace(mark, comment=comment or None, better=better)))

    async def menu_rate(self, visit: Visit) -> None:
        """Rate this reply: open the form with the stars."""
        target = self._target(visit)
        if target is None:
            await visit.say(_NOT_MINE)
        else:
            await visit.open(forms.rate(target, visit.origin))

    async def menu_teach(self, visit: Visit) -> None:
        """Teach this as an example: open the form with the reply in it."""
        if refused := await visit.without(Access.REVIEWER):
            await self._refuse(visit, refused)
            return
        target = self._target(visit)
        if target is None:
            await visit.say(_NOT_MINE)
            return
        said = (await self._said(visit.message)).strip()
        if not said:
            await visit.say("There is no text in that message to learn from.")
            return
        await visit.open(forms.teach(target, said, visit.origin))

    async def taught(self, visit: Visit, target: Target, digest: str, values: Mapping[str, str]) -> None:
        """The form that teaches a reply was sent: five stars for what it is, or a better answer for what it became."""
        who = await visit.who(anew=True)
        if who.access < Access.REVIEWER:
            await self._refuse(visit, who)
            return
        said = values.get("answer", "")
        mark = await self._marked(visit, target)
        if not said or forms.digest(said) == digest:
            mark = self._mark_at(mark, UP)
        else:
            mark = replace(mark, source="teach", better=said)
        await visit.show(await self._desk.host.mark(mark))

    async def _refuse(self, visit: Visit, who: Who) -> None:
        """The host refuses it as the command that it stands for, and notes down that somebody tried."""
        call = Call("examples add", await visit.place(), who, {}, Bar(visit, draws=False), visit.at)
        await visit.show(await self._desk.host.command(call))

    async def _thumb(self, visit: Visit, exchange_id: str, stars: int | None) -> Answer:
        mark = self._mark_at(await self._marked(visit, Target(exchange_id)), stars)
        # Behind the form that a thumb down opens nobody reads a question: it comes when the form is gone.
        return await self._desk.host.mark(replace(mark, askable=stars != DOWN))

    async def _marked(self, visit: Visit, target: Target) -> Mark:
        place, who = await asyncio.gather(visit.place(), visit.who())
        return Mark(
            place,
            who,
            "form",
            visit.at,
            rates=False,
            exchange_id=target.exchange_id,
            reply_key=target.reply_key,
        )

    def _mark_at(self, mark: Mark, stars: int | None) -> Mark:
        return replace(mark, source=_SOURCE, rates=True, stars=stars)

    def _target(self, visit: Visit) -> Target | None:
        """The reply in the message that was chosen; ``None`` when it is none of ours."""
        message = visit.message
        if not self._desk.people.is_own(message.get("user"), message.get("bot_id")):
            return None
        for element in _elements(message.get("blocks") or ()):
            if element.get("action_id") == controls.RATE:
                value = str((element.get("positive_button") or {}).get("value", ""))
                return Target(controls.thumb_of(value)[1])
        return Target(reply_key=key_of(visit.origin.channel, visit.origin.message))

    async def _said(self, message: Mapping[str, Any]) -> str:
        """What the reply says: as we wrote it where Slack shows us that, else what Slack made of it."""
        written = [
            str(block.get("text") or "")
            for block in message.get("blocks") or ()
            if block.get("type") == "markdown"
        ]
        return "\n\n".join(written) or await readable(str(message.get("text") or ""), self._desk.people)

    def _turn(self, key: tuple[str, str]) -> asyncio.Lock:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    def _remember(self, key: tuple[str, str]) -> None:
        self._low[key] = None
        while len(self._low) > _REMEMBERED:
            self._low.popitem(last=False)


def _unchanged(answer: Answer) -> bool:
    """Whether the person had said just that before."""
    data: Any = answer.data
    return answer.ok and isinstance(data, Mapping) and data.get("changed") is False


def _elements(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [element for block in blocks for element in block.get("elements") or ()]
