"""Reactions, buttons, stars, comments and better answers: from what people think of a reply to what is learnt from it.

A mark and all that follows from it are one write: the rating, the exchange's quality, its examples and preferences. The next
message can find what was approved. What follows is worked out in bot/learning.py; here people are answered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from adapters.platforms.base import Access, Answer, Button, Mark
from bot import learning
from bot.learning import Fate
from bot.learning import Rules as Rules
from bot.teaching import parse_teaching as parse_teaching
from bot.teaching import pattern_of as pattern_of
from storage import clock, examples, people, ratings
from storage.avatars import Avatar
from storage.conversations import Conversation
from storage.database import Database, Tx
from storage.examples import NewExample
from storage.exchanges import Exchange
from storage.people import Author, Person
from storage.ratings import MarkEvent, Rating
from storage.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mark or a lesson did, and what to tell the person.

    ``ask`` says that this is the one time to offer consent. ``example`` is what became of the example that hangs on it:
    ``proposed``, ``approved``, ``withdrawn``, or empty where there is none. ``lesson`` is the exchange at which the person
    taught what this reply came from, offered to be taken back where there was nothing else to take.
    """

    sentence: str
    ask: bool = False
    changed: bool = True
    example: str = ""
    exchange_id: str = ""
    lesson: str = ""

    def answer(self, *, local: bool = False) -> Answer:
        """The same for the person's eyes, with the question about consent where it is due."""
        data = {"exchange_id": self.exchange_id, "changed": self.changed, "example": self.example}
        offer = self.offer(local=local)
        if offer is None and self.lesson:
            back = Button("Take back what you taught", "rate", {"stars": "none", "exchange": self.lesson})
            return Answer(self.sentence, buttons=(back,), data=data)
        if offer is None:
            return Answer(self.sentence, data=data)
        return replace(offer, text=f"{self.sentence}\n\n{offer.text}", data=data)

    def offer(self, *, local: bool = False) -> Answer | None:
        """The question about consent, where it is due."""
        return consent_offer(local=local, exchange=self.exchange_id) if self.ask else None


def consent_offer(*, local: bool = False, exchange: str = "") -> Answer:
    """The question that is put once: may what you write be learnt from? ``local`` says that it stays on this machine.

    ``exchange`` raised the question: a yes covers it, whatever else is said before the yes comes.
    """
    if local:
        text = "May I learn from what you write? It stays on this machine"
    else:
        text = (
            "May I learn from what you write, starting with this? With your yes, good replies and better answers become "
            "examples here; you can take it back at any time."
        )
    return Answer(
        text,
        buttons=(
            Button("Yes", "privacy consent", {"exchange": exchange} if exchange else {}, style="good"),
            Button("No", "privacy decline"),
            Button("What is kept?", "privacy show"),
        ),
    )


class Feedback:
    """Takes what people think of replies."""

    def __init__(self, database: Database, rules: Rules | None = None) -> None:
        self._database = database
        self._rules = rules or Rules()

    async def mark(
        self,
        workspace: Workspace,
        person: Person,
        access: Access,
        exchange: Exchange,
        mark: Mark,
        *,
        may_ask: bool = True,
    ) -> Outcome:
        """Take one mark on an exchange, with all that follows, in one durable write.

        ``access`` is what the platform says of the person now. ``may_ask`` is False where nobody could answer a question,
        such as in a script: then it is kept for another time. Raises ``Missing`` when the exchange was deleted meanwhile.
        """
        event = MarkEvent(
            source=mark.source,
            at=mark.at,
            stars=mark.stars,
            rates=mark.rates,
            clear=mark.clear,
            comment=mark.comment,
            better=mark.better,
            by_reviewer=access >= Access.REVIEWER,
        )
        return await self._database.write(
            lambda tx: self._apply(tx, workspace, person, exchange, event, may_ask)
        )

    def _apply(
        self,
        tx: Tx,
        workspace: Workspace,
        person: Person,
        exchange: Exchange,
        event: MarkEvent,
        may_ask: bool,
    ) -> Outcome:
        applied = ratings.apply(tx, exchange.id, person.id, event)
        before, after = applied.before, applied.after
        rewritten = before is not None and before.better != after.better
        learnt = learning.converge(tx, exchange.id, self._rules, rewritten=person.id if rewritten else "")
        ask = may_ask and not after.empty and _due(tx, workspace, person)
        own = learnt.betters.get(person.id, Fate())
        said = [_noted(event, after), _withdrawn(before, after)]
        if event.better:
            mine = Author(person.id, max(event.at, exchange.created_at))
            said.append(lesson_sentence(own, agreed=people.may_learn(tx, (mine,)), asking=ask))
            if own.status == "approved" and learning.replace_lesson(
                tx, exchange, person.id, event, self._rules
            ):
                said.append("It takes the place of the answer that I had before.")
        fate = own if own.changed else learnt.liked
        sentence = " ".join(filter(None, said))
        lesson = "" if sentence or not after.empty else learning.own_lesson(tx, exchange, person.id)
        return Outcome(
            sentence or _as_it_is(after, lesson),
            ask=ask,
            changed=applied.changed,
            example=fate.status if fate.changed else "",
            exchange_id=exchange.id,
            lesson=lesson,
        )

    async def teach(
        self,
        workspace: Workspace,
        person: Person,
        access: Access,
        avatar: Avatar,
        conversation: Conversation | None,
        question: str,
        answer: str,
        exchange: Exchange | None,
        *,
        at: int | None = None,
        may_ask: bool = True,
    ) -> Outcome:
        """Learn ``answer`` to ``question``. On an exchange it is a better answer, and its stars stay as they are.

        ``at`` is when it was said, milliseconds since the epoch, and now when left out. Somebody who has not agreed to be
        learnt from is told so; nothing is learnt then.
        """
        at = clock.now() if at is None else at
        by_reviewer = access >= Access.REVIEWER
        if exchange is not None:
            event = MarkEvent("teach", at, rates=False, better=answer, by_reviewer=by_reviewer)
            return await self._database.write(
                lambda tx: self._apply(tx, workspace, person, exchange, event, may_ask)
            )
        approve = by_reviewer or avatar.auto_approve
        new = replace(
            _lesson(person, avatar, conversation, question, answer, at),
            quality=1.0 if by_reviewer else self._rules.better_quality,
            status="approved" if approve else "proposed",
        )

        def job(tx: Tx) -> Outcome:
            ask = may_ask and _due(tx, workspace, person)
            agreed = people.may_learn(tx, new.authors)
            fate = Fate(examples.put(tx, new).status if agreed else "", agreed, agreed)
            return Outcome(lesson_sentence(fate, agreed=agreed, asking=ask), ask, agreed, fate.status)

        return await self._database.write(job)

    async def relearn(self, person: Person, since: int) -> int:
        """Derive what this person's consent covers now; how many rated exchanges were looked at."""
        return await self._database.write(lambda tx: learning.relearn(tx, person.id, since, self._rules))


def _due(tx: Tx, workspace: Workspace, person: Person) -> bool:
    """Whether this is the one time to ask this person for consent; from then on they count as asked."""
    now = people.get(tx, person.id)
    if workspace.consent == "opt-out" or now.consent != "unset" or now.asked_at is not None:
        return False
    people.mark_asked(tx, person.id, clock.now())
    return True


def _lesson(
    person: Person, avatar: Avatar, conversation: Conversation | None, question: str, answer: str, at: int
) -> NewExample:
    """A lesson outside of any exchange; the same one, given twice by the same person, is one example."""
    digest = hashlib.sha256(f"{question}\0{answer}".encode("utf-8", "replace")).hexdigest()[:32]
    return NewExample(
        workspace_id=avatar.workspace_id,
        avatar_id=avatar.id,
        user_text=question,
        assistant_text=answer,
        authors=(Author(person.id, at),),
        audience=conversation.channel if conversation and conversation.private else "",
        pattern=pattern_of(question),
        source="teach",
        source_key=f"{person.id}:{digest}",
        conversation_id=conversation.id if conversation else None,
    )


def _noted(event: MarkEvent, after: Rating) -> str:
    things: list[str] = []
    if event.rates and not event.clear and event.stars is not None and after.stars is not None:
        things.append(f"{after.stars} of 5")
    if event.comment and after.comment:
        things.append("your comment")
    return f"Thanks — noted {' and '.join(things)}." if things else ""


def _withdrawn(before: Rating | None, after: Rating) -> str:
    if before is None:
        return ""
    things: list[str] = []
    if before.stars is not None and after.stars is None:
        things.append("your rating")
    if before.comment and not after.comment:
        things.append("your comment")
    if before.better and not after.better:
        things.append("your better answer")
    if not things:
        return ""
    *some, last = things
    together = f"{', '.join(some)} and {last}" if some else last
    return f"{together[0].upper()}{together[1:]} {'are' if some else 'is'} withdrawn."


def _as_it_is(after: Rating, lesson: str) -> str:
    """Where an event changed nothing, or brought back an older mark; ``lesson`` is the exchange they taught this at."""
    if after.stars is not None:
        return f"Your rating is {after.stars} of 5."
    if not after.empty:
        return "Your rating is as it was."
    told = "There is no rating of yours on this reply."
    if not lesson:
        return told
    return f"{told} It came from what you taught: `/rate none exchange:{lesson}` takes that back."


def lesson_sentence(fate: Fate, *, agreed: bool, asking: bool) -> str:
    """What somebody who taught an answer is told. ``agreed`` is their own consent; ``asking``, that they are asked now."""
    if fate.allowed:
        return {
            "approved": "Thanks — learnt: the next message can use it.",
            "proposed": "Thanks — noted: I use it once a reviewer approves it.",
        }.get(fate.status, "Thanks — noted, but a reviewer decided against using it.")
    if agreed:
        return "I have not learnt it, because somebody whose words are in it has not agreed to that."
    if asking:
        return "I have not learnt it yet, because you have not agreed that I may."
    return "I have not learnt it, because you have not agreed that I learn from you; `/privacy consent` changes that."
