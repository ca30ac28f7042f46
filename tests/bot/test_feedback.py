"""From what people think of a reply to what the next message can find, and no further than everyone's consent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.platforms.base import Access, Mark, Place, Who
from bot.feedback import Feedback, Outcome, Rules, consent_offer
from storage import examples, exchanges, people, preferences, search
from storage.conversations import Conversation
from storage.database import Database
from storage.examples import Example
from storage.exchanges import Exchange
from storage.people import Author, Person
from tests.stage import Stage, set_stage

PLACE = Place("discord", "guild", "here", "here")
WHO = Who("key", "name")
LEARNT = "Thanks — learnt: the next message can use it."


class Table:
    """A stage with feedback, an asker who agreed, and one exchange of hers."""

    def __init__(self, stage: Stage, ann: Person, talk: Conversation, exchange: Exchange) -> None:
        self.stage, self.database = stage, stage.database
        self.feedback = Feedback(stage.database)
        self.ann, self.talk, self.exchange = ann, talk, exchange
        self.at = 5000

    async def mark(
        self,
        person: Person,
        *,
        access: Access = Access.RATER,
        exchange: Exchange | None = None,
        source: str = "stars",
        at: int | None = None,
        **change: Any,
    ) -> Outcome:
        self.at += 1
        mark = Mark(PLACE, WHO, source, self.at if at is None else at, **change)
        return await self.feedback.mark(self.stage.workspace, person, access, exchange or self.exchange, mark)

    async def better(self, person: Person, text: str, access: Access = Access.RATER, **more: Any) -> Outcome:
        return await self.mark(person, access=access, source="form", rates=False, better=text, **more)

    async def examples(self, exchange: Exchange | None = None) -> dict[str, Example]:
        wanted = exchange or self.exchange
        found = await self.database.read(lambda tx: examples.of_exchange(tx, wanted.id))
        return {example.source: example for example in found}

    async def statuses(self, exchange: Exchange | None = None) -> dict[str, str]:
        return {source: example.status for source, example in (await self.examples(exchange)).items()}

    async def preferences(self) -> list[preferences.Preference]:
        return await self.database.read(lambda tx: preferences.listed(tx, self.stage.avatar.id, 100))

    async def found(self, query: str, channel: str = "elsewhere") -> list[str]:
        hits = await self.database.read(
            lambda tx: search.search(tx, self.stage.avatar.id, channel, query, limit=8)
        )
        return sorted(hit.example.assistant_text for hit in hits)


async def table(
    database: Database, *, agrees: bool = True, private: bool = False, known: bool = True, **stage: Any
) -> Table:
    set_ = await set_stage(database, **stage)
    ann = await set_.person("Ann", agrees=agrees)
    talk = await set_.conversation(private=private)
    exchange = await set_.exchange(talk, ann, "How tall is the tower?", "As tall as you like.", known=known)
    return Table(set_, ann, talk, exchange)


# Stars


async def test_a_well_rated_exchange_proposes_an_example(database: Database) -> None:
    at = await table(database)
    outcome = await at.mark(at.ann, stars=5)
    assert outcome == Outcome("Thanks — noted 5 of 5.", example="proposed", exchange_id=at.exchange.id)
    example = (await at.examples())["exchange"]
    assert (example.user_text, example.assistant_text) == ("How tall is the tower?", "As tall as you like.")
    assert (example.status, example.pattern, example.quality) == ("proposed", "question", 0.75)
    assert (example.audience, example.source_key) == ("", at.exchange.id)
    assert await at.found("tower") == []


async def test_an_avatar_may_approve_by_itself(database: Database) -> None:
    at = await table(database, auto_approve=True)
    assert (await at.mark(at.ann, stars=4)).example == "approved"
    assert await at.found("tower") == ["As tall as you like."]


async def test_the_mean_of_all_raters_decides(database: Database) -> None:
    at = await table(database, auto_approve=True)
    bob, cid = await at.stage.person("Bob"), await at.stage.person("Cid")
    await at.mark(bob, stars=3)
    assert await at.statuses() == {}
    await at.mark(at.ann, stars=5)
    assert await at.statuses() == {"exchange": "approved"}
    assert (await at.mark(cid, stars=2)).example == "withdrawn"
    assert await at.found("tower") == []


async def test_a_rating_taken_back_takes_its_strength_back(database: Database) -> None:
    at = await table(database, auto_approve=True)
    bob = await at.stage.person("Bob")
    await at.mark(at.ann, stars=5)
    await at.mark(bob, stars=5)
    assert (await at.examples())["exchange"].quality == pytest.approx(2.5 / 3)
    await at.mark(bob)
    assert (await at.examples())["exchange"].quality == 0.75
    outcome = await at.mark(at.ann, source="", clear=True)
    assert (outcome.sentence, outcome.example) == ("Your rating is withdrawn.", "withdrawn")
    assert await at.found("tower") == []
    assert (await at.mark(at.ann, stars=5)).example == "approved"
    assert await at.found("tower") == ["As tall as you like."]


async def test_what_a_person_reviewed_is_left_to_people(database: Database) -> None:
    at = await table(database)
    await at.mark(at.ann, stars=5)
    example = (await at.examples())["exchange"]
    await database.write(lambda tx: examples.set_status(tx, example.id, "approved", reviewed=True))
    outcome = await at.mark(at.ann, stars=1)
    assert outcome.example == ""
    after = (await at.examples())["exchange"]
    assert (after.status, after.quality) == ("approved", 0.25)
    await database.write(lambda tx: examples.set_status(tx, example.id, "rejected", reviewed=True))
    await at.mark(at.ann, stars=5)
    assert await at.statuses() == {"exchange": "rejected"}


async def test_what_people_changed_is_not_written_over(database: Database) -> None:
    at = await table(database, private=True, auto_approve=True)
    await at.mark(at.ann, stars=5)
    example = (await at.examples())["exchange"]
    assert example.audience == "here"
    editor = Author(at.ann.id, 10)
    await database.write(lambda tx: examples.edit(tx, example.id, None, "330 metres.", author=editor))
    await database.write(lambda tx: examples.set_audience(tx, example.id, ""))
    await at.mark(at.ann, stars=4)
    after = (await at.examples())["exchange"]
    assert (after.assistant_text, after.audience) == ("330 metres.", "")


async def test_an_honest_i_do_not_know_is_nothing_to_imitate(database: Database) -> None:
    at = await table(database, known=False)
    await at.mark(at.ann, stars=5)
    assert await at.statuses() == {}


async def test_how_many_stars_it_takes_is_a_setting(database: Database) -> None:
    at = await table(database)
    at.feedback = Feedback(database, Rules(example_stars=3))
    assert (await at.mark(at.ann, stars=3)).example == "proposed"


async def test_an_example_of_a_private_place_serves_there_only(database: Database) -> None:
    at = await table(database, private=True, auto_approve=True)
    await at.mark(at.ann, stars=5)
    await at.better(at.ann, "330 metres.", Access.REVIEWER)
    assert await at.found("tower", "elsewhere") == []
    assert await at.found("tower", "here") == ["330 metres.", "As tall as you like."]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ([{"stars": 2, "comment": "too short"}], "Thanks — noted 2 of 5 and your comment."),
        ([{"rates": False, "comment": "too short"}], "Thanks — noted your comment."),
        ([{"stars": 2}, {"stars": None}], "Your rating is withdrawn."),
        ([{"stars": 2}, {"stars": 2, "at": 1}], "Thanks — noted 2 of 5."),
        ([{"stars": None}], "There is no rating of yours on this reply."),
        (
            [{"stars": 2, "comment": "no", "better": "yes"}, {"source": "", "clear": True}],
            "Your rating, your comment and your better answer are withdrawn.",
        ),
        (
            [{"source": "a", "stars": 5}, {"source": "b", "stars": 1}, {"source": "b"}],
            "Your rating is 5 of 5.",
        ),
    ],
)
async def test_one_friendly_sentence(
    database: Database, changes: list[dict[str, Any]], sentence: str
) -> None:
    at = await table(database)
    outcomes = [await at.mark(at.ann, **change) for change in changes]
    assert outcomes[-1].sentence == sentence


# Better answers


async def test_a_reviewers_better_answer_is_found_by_the_next_message(database: Database) -> None:
    at = await table(database)
    outcome = await at.better(at.ann, "330 metres.", Access.REVIEWER)
    assert (outcome.sentence, outcome.example) == (LEARNT, "approved")
    assert await at.found("how tall is that tower") == ["330 metres."]
    (preference,) = await at.preferences()
    assert (preference.chosen, preference.rejected) == ("330 metres.", "As tall as you like.")
    assert preference.context == (("user", "How tall is the tower?"),)


async def test_anyone_elses_better_answer_waits_for_a_reviewer(database: Database) -> None:
    at = await table(database)
    outcome = await at.better(at.ann, "330 metres.")
    assert outcome.example == "proposed"
    assert "once a reviewer approves it" in outcome.sentence
    assert await at.found("tower") == []
    assert len(await at.preferences()) == 1


async def test_a_better_answer_taken_back_is_gone(database: Database) -> None:
    at = await table(database)
    await at.better(at.ann, "330 metres.", Access.REVIEWER)
    example = (await at.examples())["better"]
    await database.write(lambda tx: examples.set_status(tx, example.id, "approved", reviewed=True))
    outcome = await at.better(at.ann, "")
    assert (outcome.sentence, outcome.example) == ("Your better answer is withdrawn.", "withdrawn")
    assert (await at.found("tower"), await at.preferences()) == ([], [])


async def test_approval_does_not_carry_over_to_other_words(database: Database) -> None:
    at = await table(database)
    await at.better(at.ann, "330 metres.")
    example = (await at.examples())["better"]
    await database.write(lambda tx: examples.set_status(tx, example.id, "approved", reviewed=True))
    assert await at.found("tower") == ["330 metres."]
    assert (await at.better(at.ann, "Buy my towers!")).example == "proposed"
    assert await at.found("tower") == []
    assert [each.chosen for each in await at.preferences()] == ["Buy my towers!"]


async def test_a_preference_holds_the_earlier_turns_and_needs_their_authors(database: Database) -> None:
    at = await table(database)
    bob = await at.stage.person("Bob")
    await at.stage.exchange(at.talk, bob, "Hi all", "Hello Bob.")
    later = await at.stage.exchange(at.talk, at.ann, "And the bridge?", "Quite long.")
    await at.better(at.ann, "80 metres.", Access.REVIEWER, exchange=later)
    assert await at.statuses(later) == {"better": "approved"}
    assert await at.preferences() == []
    await database.write(lambda tx: people.give_consent(tx, bob.id, at=5, covers_from=0))
    assert await at.feedback.relearn(bob, 0) == 1
    (preference,) = await at.preferences()
    assert preference.context == (
        ("user", "How tall is the tower?"),
        ("assistant", "As tall as you like."),
        ("user", "Hi all"),
        ("assistant", "Hello Bob."),
        ("user", "And the bridge?"),
    )


# Consent


async def test_without_a_yes_nothing_is_learnt(database: Database) -> None:
    at = await table(database, agrees=False, auto_approve=True)
    outcome = await at.mark(at.ann, stars=5)
    assert (outcome.sentence, outcome.ask, outcome.example) == ("Thanks — noted 5 of 5.", True, "")
    taught = await at.better(at.ann, "330 metres.", Access.OWNER)
    assert "`/privacy consent` changes that" in taught.sentence
    assert (taught.ask, taught.example) == (False, "")
    assert (await at.statuses(), await at.preferences()) == ({}, [])
    stored = await database.read(lambda tx: exchanges.get(tx, at.exchange.id))
    assert (stored.quality, stored.ratings) == (0.75, 1)  # a bare rating needs no consent


async def test_a_yes_covers_the_exchange_at_hand(database: Database) -> None:
    at = await table(database, agrees=False, auto_approve=True)
    before = await at.stage.exchange(at.talk, at.ann, "Who painted it?", "Somebody.")
    await at.mark(at.ann, stars=5, exchange=before)
    later = await at.stage.exchange(await at.stage.conversation("other"), at.ann, "How old is it?", "Old.")
    await at.mark(at.ann, stars=5, exchange=later)
    await at.better(at.ann, "Of 1889.", exchange=later)
    covers_from = later.created_at
    await database.write(lambda tx: people.give_consent(tx, at.ann.id, at=9999, covers_from=covers_from))
    await at.feedback.relearn(at.ann, covers_from)
    assert await at.statuses(later) == {"exchange": "approved", "better": "approved"}
    assert await at.statuses(before) == {}
    assert await at.found("old") == ["Of 1889.", "Old."]


async def test_consent_taken_back_takes_back_what_was_learnt(database: Database) -> None:
    at = await table(database, auto_approve=True)
    bob = await at.stage.person("Bob", agrees=True)
    await at.mark(at.ann, stars=5)
    await at.better(bob, "330 metres.")
    example = (await at.examples())["better"]
    await database.write(lambda tx: examples.set_status(tx, example.id, "approved", reviewed=True))
    await database.write(lambda tx: people.withdraw_consent(tx, bob.id, at=9999))
    assert await at.found("tower") == ["As tall as you like."]
    assert await at.preferences() == []
    await at.mark(bob, stars=5)
    assert await at.statuses() == {"exchange": "approved", "better": "withdrawn"}
    await database.write(lambda tx: people.withdraw_consent(tx, at.ann.id, at=9999))
    assert await at.found("tower") == []


async def test_words_need_everyones_yes(database: Database) -> None:
    at = await table(database, auto_approve=True)
    bob, cid = await at.stage.person("Bob"), await at.stage.person("Cid", agrees=True)
    his = await at.stage.exchange(at.talk, bob, "And how wide?", "Wide enough.")
    outcome = await at.better(cid, "125 metres.", Access.REVIEWER, exchange=his)
    assert "somebody whose words are in it has not agreed" in outcome.sentence
    after = await at.stage.exchange(at.talk, at.ann, "And how deep?", "Bob asked how wide.")
    await at.mark(at.ann, stars=5, exchange=after)
    assert (await at.statuses(his), await at.statuses(after)) == (
        {},
        {},
    )  # the reply was made with his words in view


async def test_a_question_asked_again_by_somebody_else_keeps_its_author(database: Database) -> None:
    at = await table(database, agrees=False)
    bob = await at.stage.person("Bob", agrees=True)
    again = await at.stage.exchange(
        at.talk, bob, at.exchange.user_text, "330 metres.", sibling_of=at.exchange.id
    )
    await at.mark(bob, stars=5, exchange=again)
    assert await at.statuses(again) == {}


async def test_an_editor_who_withdraws_takes_the_edit_along(database: Database) -> None:
    at = await table(database, auto_approve=True)
    bob = await at.stage.person("Bob", agrees=True)
    await at.mark(at.ann, stars=5)
    example = (await at.examples())["exchange"]
    edit = Author(bob.id, 10)
    await database.write(lambda tx: examples.edit(tx, example.id, None, "330 metres.", author=edit))
    await database.write(lambda tx: people.withdraw_consent(tx, bob.id, at=9999))
    await at.mark(at.ann, stars=4)
    assert await at.statuses() == {"exchange": "withdrawn"}


async def test_consent_is_offered_once(database: Database) -> None:
    at = await table(database, agrees=False)
    assert not (await at.mark(at.ann, source="", clear=True)).ask
    first = await at.mark(at.ann, stars=3)
    assert first.ask
    said = first.answer()
    assert said.text.startswith("Thanks — noted 3 of 5.\n\nMay I learn")
    assert [(each.label, each.command) for each in said.buttons] == [
        ("Yes", "privacy consent"),
        ("No", "privacy decline"),
        ("What is kept?", "privacy show"),
    ]
    assert said.private
    second = await at.mark(at.ann, stars=4)
    assert (second.ask, second.answer().buttons) == (False, ())
    person = await at.stage.now(at.ann)
    assert person.consent == "unset"
    assert person.asked_at is not None


@pytest.mark.parametrize("policy", ["opt-in", "opt-out"])
async def test_who_need_not_be_asked_is_not(database: Database, policy: str) -> None:
    at = await table(database, agrees=policy == "opt-in", policy=policy)
    assert not (await at.mark(at.ann, stars=3)).ask


async def test_a_script_is_not_asked_and_the_question_is_kept(database: Database) -> None:
    at = await table(database, agrees=False)
    mark = Mark(PLACE, WHO, "stars", 1, stars=5)
    workspace = at.stage.workspace
    silent = await at.feedback.mark(workspace, at.ann, Access.OWNER, at.exchange, mark, may_ask=False)
    assert not silent.ask
    assert (await at.mark(at.ann, stars=4)).ask


async def test_the_offer_is_private() -> None:
    assert consent_offer().private


# Teaching


async def teach(at: Table, person: Person, answer: str, access: Access, **more: Any) -> Outcome:
    stage, question = at.stage, more.pop("question", at.exchange.user_text)
    exchange = more.pop("exchange", at.exchange)
    at.at += 1
    return await at.feedback.teach(
        stage.workspace, person, access, stage.avatar, at.talk, question, answer, exchange, at=at.at, **more
    )


async def test_a_reviewer_teaches_in_one_line_and_takes_it_back(database: Database) -> None:
    at = await table(database)
    outcome = await teach(at, at.ann, "330 metres.", Access.OWNER)
    assert (outcome.sentence, outcome.example) == (LEARNT, "approved")
    assert await at.found("how tall is the tower please") == ["330 metres."]
    stored = await database.read(lambda tx: exchanges.get(tx, at.exchange.id))
    assert (stored.quality, stored.ratings) == (None, 0)  # a lesson is no star
    await at.mark(at.ann, source="", clear=True, at=9000)
    assert await at.found("how tall is the tower please") == []


async def test_who_said_no_teaches_nothing_and_is_told_how(database: Database) -> None:
    at = await table(database, agrees=False)
    asked = await teach(at, at.ann, "330 metres.", Access.OWNER)
    assert asked.ask
    await database.write(lambda tx: people.mark_asked(tx, at.ann.id, 8001))
    outcome = await teach(at, at.ann, "331 metres.", Access.OWNER)
    assert not outcome.ask
    assert "`/privacy consent`" in outcome.sentence
    assert await at.found("tower") == []


async def test_a_lesson_without_an_exchange(database: Database) -> None:
    at = await table(database)
    bob = await at.stage.person("Bob")
    how = {"exchange": None, "question": "Where is the mill?"}
    assert (await teach(at, at.ann, "By the river.", Access.REVIEWER, **how)).example == "approved"
    await teach(at, at.ann, "By the river.", Access.REVIEWER, **how)
    assert await at.found("mill") == ["By the river."]
    refused = await teach(at, bob, "Gone.", Access.REVIEWER, **how)
    assert (refused.example, refused.ask) == ("", True)
    assert (await teach(at, at.ann, "Up the hill.", Access.RATER, **how)).example == "proposed"


async def test_a_new_lesson_takes_the_place_of_the_one_it_contradicts(database: Database) -> None:
    at = await table(database)
    await teach(at, at.ann, "33 metres.", Access.REVIEWER)
    old = (await at.examples())["better"]
    ask = at.stage.exchange
    again = await ask(at.talk, at.ann, "how tall is the tower", "33 metres.", answered_from=(old.id,))
    outcome = await at.better(at.ann, "330 metres.", Access.REVIEWER, exchange=again)
    assert outcome.sentence == f"{LEARNT} It takes the place of the answer that I had before."
    assert await at.found("tower") == ["330 metres."]
    assert await at.statuses() == {"better": "withdrawn"}


async def test_who_takes_back_a_reply_of_their_own_lesson_is_told_where_it_is(database: Database) -> None:
    at = await table(database)
    await teach(at, at.ann, "330 metres.", Access.REVIEWER)
    lesson = (await at.examples())["better"]
    again = await at.stage.exchange(at.talk, at.ann, "The tower?", "330 metres.", answered_from=(lesson.id,))
    outcome = await at.mark(at.ann, exchange=again, source="", clear=True)
    assert f"`/rate none exchange:{at.exchange.id}` takes that back" in outcome.sentence
    await at.mark(at.ann, source="", clear=True)
    assert await at.found("tower") == []


@pytest.mark.parametrize("access", [Access.RATER, Access.REVIEWER])
async def test_what_others_taught_gives_way_to_a_reviewer_only(database: Database, access: Access) -> None:
    at = await table(database, auto_approve=True)
    bob = await at.stage.person("Bob", agrees=True)
    await at.better(at.ann, "33 metres.")
    old = (await at.examples())["better"]
    again = await at.stage.exchange(at.talk, bob, old.user_text, "33 metres.", answered_from=(old.id,))
    await at.better(bob, "330 metres.", access, exchange=again)
    kept = ["33 metres."] if access < Access.REVIEWER else []
    assert await at.found("tower") == sorted([*kept, "330 metres."])


async def test_an_answer_that_fits_another_question_stays(database: Database) -> None:
    at = await table(database)
    await teach(at, at.ann, "330 metres.", Access.REVIEWER)
    old = (await at.examples())["better"]
    other = await at.stage.exchange(
        at.talk, at.ann, "How tall is Bob?", "330 metres.", answered_from=(old.id,)
    )
    await at.better(at.ann, "Two metres.", Access.REVIEWER, exchange=other)
    assert await at.statuses() == {"better": "approved"}


# Everything at once


@st.composite
def deeds(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    who, at = draw(st.integers(0, 1)), draw(st.integers(5000, 5004))
    deed = draw(st.sampled_from(["stars", "clear", "better", "comment"]))
    if deed == "stars":
        return who, {
            "at": at,
            "stars": draw(st.sampled_from([None, 1, 4, 5])),
            "source": draw(st.sampled_from("ab")),
        }
    if deed == "clear":
        return who, {"at": at, "clear": True, "source": draw(st.sampled_from(["", "a", "better"]))}
    return who, {"at": at, "rates": False, "source": "form", deed: draw(st.sampled_from(["", "x", "y"]))}


async def picture(at: Table) -> object:
    kept = await at.database.read(lambda tx: examples.of_exchange(tx, at.exchange.id))
    serving = sorted(
        (each.source, each.user_text, each.assistant_text, each.status, each.quality)
        for each in kept
        if each.status != "withdrawn"
    )
    stored = await at.database.read(lambda tx: exchanges.get(tx, at.exchange.id))
    chosen = sorted(each.chosen for each in await at.preferences())
    return serving, await at.found("tower"), stored.quality, stored.ratings, chosen


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.data(), history=st.lists(deeds(), min_size=1, max_size=6))
async def test_what_is_learnt_does_not_depend_on_the_order_of_events(
    database: Database, data: st.DataObject, history: list[tuple[int, dict[str, Any]]]
) -> None:
    shuffled = data.draw(st.permutations(history + history[:1]))
    pictures: list[object] = []
    for deeds_ in (history, shuffled):
        at = await table(database, auto_approve=True)
        people_ = [at.ann, await at.stage.person("Bob", agrees=True)]
        for who, change in deeds_:
            await at.mark(people_[who], **change)
        pictures.append(await picture(at))
    assert pictures[0] == pictures[1]
