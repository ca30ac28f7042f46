"""Privacy: what is kept of the caller, whether it may be learnt from, and having it deleted."""

from __future__ import annotations

from adapters.platforms.base import Access, Answer, Call, Command, Field, Param
from bot.commands.prompts import day
from bot.commands.talk import counted, shorten
from bot.finetuning import takenback
from bot.scenes import Scene
from bot.services import Services
from storage import audit, clock, datasets, people, ratings, workspaces
from storage.database import Tx
from storage.people import Forgotten
from storage.ratings import Rating

_RATED = 3
_QUESTION = 40


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def show(call: Call) -> Answer:
        return await _show(services, call)

    async def consent(call: Call) -> Answer:
        return await _consent(services, call)

    async def decline(call: Call) -> Answer:
        return await _decline(services, call)

    async def withdraw(call: Call) -> Answer:
        return await _withdraw(services, call)

    async def delete(call: Call) -> Answer:
        return await _delete(services, call)

    async def policy(call: Call) -> Answer:
        return await _policy(services, call)

    return (
        Command("privacy show", "what is kept of you, and what you agreed to", show),
        Command(
            "privacy consent",
            "agree that the avatars here may learn from what you write",
            consent,
            params=(Param("exchange", "from this exchange on, by its id; from the last one when left out"),),
        ),
        Command("privacy decline", "say no to that question; nothing you write is learnt from", decline),
        Command(
            "privacy withdraw",
            "take your agreement back; what was learnt from you is not used any more",
            withdraw,
        ),
        Command(
            "privacy delete",
            "delete everything of yours in this workspace",
            delete,
            confirm="Delete for good everything you said, rated and taught here?",
        ),
        Command(
            "privacy policy",
            "what silence means here: learn only from who said yes, or from all who did not say no",
            policy,
            access=Access.OWNER,
            params=(
                Param("policy", "the rule of this workspace", "choice", True, choices=("opt-in", "opt-out")),
            ),
        ),
    )


def _verdict(rating: Rating, question: str) -> str:
    said = f"{rating.stars} of 5" if rating.stars else "a comment" if rating.comment else "a better answer"
    return f"{said} for “{shorten(question, _QUESTION)}”" if question.strip() else said


async def _show(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    person = scene.person
    held, models, rated = await services.database.read(
        lambda tx: (
            people.held(tx, person.id),
            _models_of(tx, person.id),
            ratings.latest(tx, person.id, _RATED),
        )
    )
    trained = f"; {counted(models, 'model')} {_were(models)} trained on them" if models else ""
    policy = {
        "opt-in": "nothing you write is learnt from before you say yes",
        "opt-out": "what you write may be learnt from until you say no",
    }[scene.workspace.consent]
    state = {
        "unset": "you were not asked yet"
        if person.asked_at is None
        else "you were asked and have not answered",
        "given": f"you agreed, for what you write since {day(person.given_at or 0)} UTC",
        "withdrawn": ("you said no" if person.given_at is None else "you took your agreement back")
        + f" on {day(person.withdrawn_at or 0)} UTC",
    }[person.consent]
    where = "on this machine" if call.place.platform == "terminal" else "in the operator's database"
    last = ", ".join(_verdict(rating, question) for rating, question in rated)
    fields = (
        Field("Kept", f"{counted(held.exchanges, 'exchange')}, {counted(held.ratings, 'rating')}, {where}"),
        Field(
            "Learnt",
            f"{counted(held.examples, 'example')}, {counted(held.preferences, 'preference')} and "
            f"{counted(held.dataset_lines, 'row')} of "
            f"datasets with your words{trained}",
        ),
        *((Field("You rated last", last),) if last else ()),
        Field("Your choice", state),
        Field("The rule here", policy),
        Field("Change it", "`/privacy consent`, `/privacy withdraw`, `/privacy delete`"),
    )
    text = (
        "What you say and what is answered is kept so that the conversation can go on, with your ratings. "
        "With your agreement, well rated exchanges and better answers of yours become examples that avatars here "
        "imitate, and may be used to train their models."
    )
    data = {
        "consent": person.consent,
        "policy": scene.workspace.consent,
        "exchanges": held.exchanges,
        "ratings": held.ratings,
        "examples": held.examples,
        "preferences": held.preferences,
        "dataset_lines": held.dataset_lines,
        "models": models,
    }
    return Answer(text, fields=fields, data=data)


def _models_of(tx: Tx, person_id: str) -> int:
    """How many models were made with words of this person, or are being made."""
    return len(
        datasets.models_of(tx, [each.number for each, _ in datasets.datasets_of_person(tx, person_id)])
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _remain(count: int) -> str:
    """What a person is told of models that were made with their words before."""
    if not count:
        return ""
    them = "it" if count == 1 else "them"
    return (
        f" {counted(count, 'model')} that {_were(count)} trained on your words before cannot unlearn them: "
        f"the admins are told, so that they train anew without you and delete {them}."
    )


async def _consent(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    if scene.person.consent == "given":
        return Answer("You agreed already; `/privacy withdraw` takes it back.", data={"consent": "given"})
    covers_from = await _covered_from(services, call)

    def give(tx: Tx) -> None:
        people.give_consent(tx, scene.person.id, at=clock.now(), covers_from=covers_from)
        audit.write(tx, scene.workspace.id, "privacy consent", person_id=scene.person.id)

    await services.database.write(give)
    person = await services.database.read(lambda tx: people.get(tx, scene.person.id))
    await services.feedback.relearn(person, covers_from)
    learnt = (await services.database.read(lambda tx: people.held(tx, person.id))).examples
    now = "I have learnt what you just gave me, and " if learnt else ""
    return Answer(
        f"Thank you: {now}I may learn from what you write from here on. `/privacy withdraw` takes it back.",
        data={"consent": "given"},
    )


async def _covered_from(services: Services, call: Call) -> int:
    """Yes covers the exchange that raised the question: the one named, else their last one in this conversation."""
    if call.text("exchange"):
        _, named = await services.exchange(call)
        return named.created_at
    scene = await services.scene(call)
    exchange = await services.conversations.latest(scene)
    return exchange.created_at if exchange and exchange.person_id == scene.person.id else clock.now()


async def _decline(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def decline(tx: Tx) -> None:
        # A No holds whatever was said before, and whatever the rule of the workspace becomes.
        people.withdraw_consent(tx, scene.person.id, at=clock.now())
        audit.write(tx, scene.workspace.id, "privacy decline", person_id=scene.person.id)

    await services.database.write(decline)
    remain = await _told_of(services, scene)
    return Answer(
        f"Fine: your ratings count, and nothing you write is learnt from.{remain} `/privacy consent` changes that.",
        data={"consent": "withdrawn"},
    )


async def _told_of(services: Services, scene: Scene) -> str:
    """Tell the admins of models that were made with what was taken back; what the person is told of these."""
    models = await services.database.read(lambda tx: _models_of(tx, scene.person.id))
    await takenback.warn(services, scene.workspace)
    return _remain(models)


async def _withdraw(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def withdraw(tx: Tx) -> None:
        people.withdraw_consent(tx, scene.person.id, at=clock.now())
        audit.write(tx, scene.workspace.id, "privacy withdraw", person_id=scene.person.id)

    await services.database.write(withdraw)
    remain = await _told_of(services, scene)
    return Answer(
        "Your agreement is taken back: nothing of yours is learnt from any more, and no example of yours is used."
        f"{remain}",
        data={"consent": "withdrawn"},
    )


async def _delete(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def delete(tx: Tx) -> Forgotten:
        audit.write(tx, scene.workspace.id, "privacy delete", person_id=scene.person.id)
        return people.forget(tx, scene.person.id)

    gone = await services.database.write(delete)
    await takenback.warn(services, scene.workspace)
    return Answer(
        f"Deleted: {counted(gone.exchanges, 'exchange')}, {counted(gone.ratings, 'rating')}, "
        f"{counted(gone.examples, 'example')}, {counted(gone.preferences, 'preference')} and "
        f"{counted(gone.dataset_lines, 'row')} of datasets. I do not know you any more.{_remain(gone.models)}",
        data={
            "exchanges": gone.exchanges,
            "ratings": gone.ratings,
            "examples": gone.examples,
            "preferences": gone.preferences,
            "dataset_lines": gone.dataset_lines,
            "models": gone.models,
        },
    )


async def _policy(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    policy = call.text("policy")
    if policy == scene.workspace.consent:
        return Answer(f"The rule here is {policy} already.", data={"policy": policy})

    def change(tx: Tx) -> None:
        workspaces.set_consent(tx, scene.workspace.id, policy)
        audit.write(
            tx, scene.workspace.id, "privacy policy", person_id=scene.person.id, detail={"policy": policy}
        )

    await services.database.write(change)
    told = {
        "opt-in": "From now on I learn only from people who said yes.",
        "opt-out": "From now on I may learn from everybody who does not say no: tell your people, and that "
        "`/privacy withdraw` is open to them.",
    }[policy]
    return Answer(told, data={"policy": policy})
