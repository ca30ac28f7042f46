"""What is learnt from a rated exchange: jobs that make examples and preferences follow from ratings and consent.

``converge`` looks at the ratings of one exchange as they are now and puts what follows from them in place, or takes it
away: it can be run again at any time, and nothing of it remembers the order in which things happened.

- Stars: an exchange with a mean of ``example_stars`` or more proposes its question and reply. Below that, or without stars,
  the example is withdrawn unless a person reviewed it.
- A better answer proposes the question with that answer, and a preference of it over the reply. A reviewer's is approved
  at once. It goes when its writer takes it back or writes another, reviewed or not: these are their words.
- Everything is held to ``may_learn``. The pair of a rated reply counts the people of the earlier turns in, since the reply
  was made with their words in view; the pair of a better answer holds only those of asker and writer; a preference holds
  all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.teaching import pattern_of
from storage import avatars, conversations, examples, exchanges, people, preferences, ratings
from storage.avatars import Avatar
from storage.database import Tx
from storage.examples import Example, NewExample, Status
from storage.exchanges import Exchange, Line
from storage.people import Author
from storage.preferences import NewPreference
from storage.ratings import Better, MarkEvent, Shrinkage, Standing


@dataclass(frozen=True, slots=True)
class Rules:
    """From ratings to examples: see ``[feedback]`` in config.toml.

    ``earlier_turns`` is how many exchanges before it count as what a reply was made from; ``better_quality``, 0..1, is that
    of a better answer whose writer is no reviewer: what one rating of five stars makes of a reply.
    """

    example_stars: float = ratings.LIKED
    shrinkage: Shrinkage = field(default_factory=Shrinkage)
    earlier_turns: int = 10
    better_quality: float = 0.75


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one thing that could be learnt; ``status`` is empty where there is nothing of it.

    ``allowed`` is False where it was wanted and somebody's consent is missing.
    """

    status: str = ""
    allowed: bool = True
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Learnt:
    """What follows from the ratings of an exchange: from its stars, and from each person's better answer."""

    standing: Standing
    liked: Fate
    betters: Mapping[str, Fate]


@dataclass(frozen=True, slots=True)
class _Case:
    """An exchange with all that its examples need."""

    exchange: Exchange
    avatar: Avatar
    audience: str
    asker: Author
    earlier: tuple[Line, ...]

    @property
    def heard(self) -> tuple[Author, ...]:
        """Who spoke before, as far as the reply was made from it."""
        return tuple(Author(line.person_id, line.created_at) for line in self.earlier)


def converge(tx: Tx, exchange_id: str, rules: Rules, *, rewritten: str = "") -> Learnt:
    """Bring quality, examples and preferences of an exchange in line with its ratings and everyone's consent.

    ``rewritten`` is the person whose better answer has just changed its words: what was decided about the old ones is void.
    """
    ratings.requality(tx, exchange_id, rules.shrinkage)
    standing = ratings.standing(tx, exchange_id, rules.shrinkage)
    case = _case(tx, exchanges.get(tx, exchange_id), rules)
    there = {
        (example.source, example.source_key): example for example in examples.of_exchange(tx, exchange_id)
    }
    liked = _settle_liked(tx, case, there.get(("exchange", exchange_id)), standing, rules)
    betters: dict[str, Fate] = {}
    standing_keys: set[str] = set()
    for better in ratings.betters(tx, exchange_id):
        key = better_key(exchange_id, better.person_id)
        standing_keys.add(key)
        old = there.get(("better", key))
        if old is not None and rewritten == better.person_id:
            examples.remove(tx, old.id)
            preferences.remove(tx, case.avatar.id, "better", key)
            old = None
        betters[better.person_id] = _settle_better(tx, case, better, old, rules)
    for (source, key), example in there.items():
        if source == "better" and key not in standing_keys:
            fate = _take_away(tx, case, example)
            betters[key.rpartition(":")[2]] = fate
    return Learnt(standing, liked, betters)


def better_key(exchange_id: str, person_id: str) -> str:
    """What the example and the preference of a better answer are found again by."""
    return f"{exchange_id}:{person_id}"


def _case(tx: Tx, exchange: Exchange, rules: Rules) -> _Case:
    conversation = conversations.get(tx, exchange.conversation_id)
    # A reply given again repeats somebody's question; the words stay theirs, whoever pressed the button.
    question = exchanges.siblings(tx, exchange)[0]
    earlier = exchanges.history(
        tx, exchange.conversation_id, limit=rules.earlier_turns, before=question.created_at
    )
    return _Case(
        exchange=exchange,
        avatar=avatars.get(tx, exchange.avatar_id),
        audience=conversation.channel if conversation.private else "",
        asker=Author(question.person_id, question.created_at),
        earlier=tuple(earlier),
    )


def _settle_liked(tx: Tx, case: _Case, old: Example | None, standing: Standing, rules: Rules) -> Fate:
    exchange = case.exchange
    liked = standing.mean is not None and standing.mean >= rules.example_stars
    fit = exchange.status == "complete" and exchange.known and bool(exchange.reply_text.strip())
    authors = (case.asker, *case.heard)
    return _settle(
        tx,
        _pair(case, exchange.reply_text, authors, "exchange", exchange.id, _quality(standing, rules)),
        old,
        wanted=liked and fit and exchange.origin != "import",  # an import brings its own examples
        approve=case.avatar.auto_approve,
    )


def _quality(standing: Standing, rules: Rules) -> float:
    """Without any stars it is what the formula makes of none: the prior."""
    return rules.shrinkage.prior if standing.quality is None else standing.quality


def _settle_better(tx: Tx, case: _Case, better: Better, old: Example | None, rules: Rules) -> Fate:
    exchange = case.exchange
    # A platform's clock may lag behind ours; nobody improves on a reply before its question.
    writer = Author(better.person_id, max(better.said_at, exchange.created_at))
    key = better_key(exchange.id, better.person_id)
    quality = 1.0 if better.by_reviewer else rules.better_quality
    pair = _pair(case, better.text, (case.asker, writer), "better", key, quality)
    approve = better.by_reviewer or case.avatar.auto_approve
    fate = _settle(tx, pair, old, wanted=True, approve=approve)
    authors = (case.asker, writer, *case.heard)
    if exchange.reply_text.strip() and exchange.user_text.strip() and people.may_learn(tx, authors):
        preferences.put(tx, _preference(case, better.text, authors, key))
    else:
        preferences.remove(tx, case.avatar.id, "better", key)
    return fate


def _settle(tx: Tx, pair: NewExample, old: Example | None, *, wanted: bool, approve: bool) -> Fate:
    """Put one example into the state that it should be in; what it says is never written over."""
    # Whoever edited an example is among its authors too.
    allowed = people.may_learn(tx, (*pair.authors, *(examples.authors(tx, old.id) if old else ())))
    after = wanted_status(
        old, wanted=wanted and bool(pair.user_text.strip()), allowed=allowed, approve=approve
    )
    if after is None:
        return Fate("", allowed or not wanted)
    if old is None:
        examples.put(tx, replace(pair, status=after))
        return Fate(after, changed=True)
    if old.quality != pair.quality:
        examples.set_quality(tx, old.id, pair.quality)
    if after != old.status:
        examples.set_status(tx, old.id, after, reviewed=old.reviewed)
    return Fate(after, allowed or not wanted, after != old.status)


def wanted_status(old: Example | None, *, wanted: bool, allowed: bool, approve: bool) -> Status | None:
    """The status that an example should have; ``None`` where there should be none.

    Consent goes before everything; then what a person decided; then what the ratings say.
    """
    if old is None:
        return ("approved" if approve else "proposed") if wanted and allowed else None
    if not allowed:
        return "rejected" if old.status == "rejected" else "withdrawn"
    if old.reviewed:
        return old.status
    if not wanted:
        return "withdrawn"
    return "approved" if approve or old.status == "approved" else "proposed"


def _take_away(tx: Tx, case: _Case, example: Example) -> Fate:
    """The writer took the better answer back."""
    preferences.remove(tx, case.avatar.id, "better", example.source_key)
    if example.status in ("withdrawn", "rejected"):
        return Fate(example.status)
    examples.set_status(tx, example.id, "withdrawn", reviewed=example.reviewed)
    return Fate("withdrawn", changed=True)


def _pair(
    case: _Case, reply: str, authors: Sequence[Author], source: str, key: str, quality: float
) -> NewExample:
    exchange = case.exchange
    return NewExample(
        workspace_id=exchange.workspace_id,
        avatar_id=exchange.avatar_id,
        user_text=exchange.user_text,
        assistant_text=reply,
        authors=_each_once(authors),
        audience=case.audience,
        pattern=pattern_of(exchange.user_text),
        quality=quality,
        source=source,
        source_key=key,
        exchange_id=exchange.id,
        conversation_id=exchange.conversation_id,
    )


def _preference(case: _Case, chosen: str, authors: Sequence[Author], key: str) -> NewPreference:
    exchange = case.exchange
    turns = [
        turn for line in case.earlier for turn in (("user", line.user_text), ("assistant", line.reply_text))
    ]
    return NewPreference(
        workspace_id=exchange.workspace_id,
        avatar_id=exchange.avatar_id,
        context=(*turns, ("user", exchange.user_text)),
        chosen=chosen,
        rejected=exchange.reply_text,
        authors=_each_once(authors),
        source="better",
        source_key=key,
        exchange_id=exchange.id,
    )


def _each_once(authors: Sequence[Author]) -> tuple[Author, ...]:
    """One entry for each person, at the time of their earliest words: those are the hardest to have consent for."""
    earliest: dict[str, int] = {}
    for author in authors:
        earliest[author.person_id] = min(author.said_at, earliest.get(author.person_id, author.said_at))
    return tuple(Author(person_id, said_at) for person_id, said_at in earliest.items())


def replace_lesson(tx: Tx, exchange: Exchange, person_id: str, event: MarkEvent, rules: Rules) -> bool:
    """Take away the examples that a reply came from when a lesson has just contradicted it; whether there were any.

    Only those of the same question: to another question their answer may be right. A person's own earlier lesson is taken
    back as they would do it themselves; what others taught or approved gives way to a reviewer only.
    """
    replaced = False
    for example in examples.many(tx, exchange.answered_from):
        if example.exchange_id == exchange.id or example.status != "approved":
            continue
        if _plain(example.user_text) != _plain(exchange.user_text):
            continue
        earlier = example.exchange_id or ""
        if example.source == "better" and example.source_key == better_key(earlier, person_id):
            ratings.apply(tx, earlier, person_id, MarkEvent("better", event.at, rates=False, better=""))
            converge(tx, earlier, rules)
            replaced = True
        elif event.by_reviewer:
            examples.set_status(tx, example.id, "withdrawn", reviewed=True)
            replaced = True
    return replaced


def own_lesson(tx: Tx, exchange: Exchange, person_id: str) -> str:
    """The id of the exchange at which this person taught what the reply came from; empty where they did not."""
    for example in examples.many(tx, exchange.answered_from):
        taught_at = example.exchange_id or ""
        if example.status == "approved" and example.source_key == better_key(taught_at, person_id):
            return taught_at
    return ""


def _plain(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.casefold()))


def relearn(tx: Tx, person_id: str, since: int, rules: Rules) -> int:
    """Derive what this person's consent covers from ``since`` on; how many rated exchanges were looked at."""
    concerned = ratings.concerning(tx, person_id, since)
    for exchange_id in concerned:
        converge(tx, exchange_id, rules)
    return len(concerned)
