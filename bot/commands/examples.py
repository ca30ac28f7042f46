"""Examples: list, add, edit, approve, reject, remove."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from adapters.platforms.base import Access, Answer, Call, Command, Param, Table, UserError
from bot.commands.talk import shorten
from bot.feedback import pattern_of
from bot.scenes import Scene
from bot.services import Services
from storage import audit, clock, examples, people
from storage.database import Tx
from storage.examples import Example, NewExample
from storage.people import Author

PAGE = 20


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def list_(call: Call) -> Answer:
        return await _list(services, call)

    async def add(call: Call) -> Answer:
        return await _add(services, call)

    async def edit(call: Call) -> Answer:
        return await _edit(services, call)

    async def approve(call: Call) -> Answer:
        return await _decide(services, call, "approved")

    async def reject(call: Call) -> Answer:
        return await _decide(services, call, "rejected")

    async def remove(call: Call) -> Answer:
        return await _remove(services, call)

    number = Param(
        "number", "the example, by the number that `/examples list` shows", "integer", required=True
    )
    status = Param(
        "status", "only these", "choice", choices=("proposed", "approved", "rejected", "withdrawn")
    )
    return (
        Command(
            "examples list",
            "list the examples of the avatar that answers here",
            list_,
            Access.REVIEWER,
            (
                status,
                Param("search", "only those that contain this"),
                Param("page", "which page", "integer", default=1, minimum=1),
            ),
        ),
        Command(
            "examples add",
            "teach an answer by hand",
            add,
            Access.REVIEWER,
            (
                Param("question", "what somebody may ask", required=True, long=True),
                Param("answer", "what to answer", required=True, rest=True, long=True),
                Param("pinned", "show it to the model with every message", "flag"),
            ),
        ),
        Command(
            "examples edit",
            "change an example",
            edit,
            Access.REVIEWER,
            (
                number,
                Param("question", "the new question", long=True),
                Param("answer", "the new answer", long=True),
                Param("pinned", "in the block shown with every message", "choice", choices=("yes", "no")),
                Param("audience", "where it serves", "choice", choices=("everywhere", "here")),
            ),
        ),
        Command("examples approve", "let the avatar use an example", approve, Access.REVIEWER, (number,)),
        Command(
            "examples reject", "keep the avatar from using an example", reject, Access.REVIEWER, (number,)
        ),
        Command(
            "examples remove",
            "delete an example",
            remove,
            Access.REVIEWER,
            (number,),
            confirm="Delete this example for good?",
        ),
    )


async def _list(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    page, status, words = call.integer("page") or 1, call.text("status") or None, call.text("search") or None

    def gather(tx: Tx) -> tuple[list[Example], int]:
        found = examples.listed(
            tx, scene.avatar.id, status=status, limit=PAGE, offset=(page - 1) * PAGE, query=words
        )
        return list(found), examples.count(tx, scene.avatar.id, status, query=words)

    found, total = await services.database.read(gather)
    if not found:
        return Answer(
            "There are no such examples." if status or words else "There are no examples yet.", data=[]
        )
    pages = -(-total // PAGE)
    more = f" Page {page} of {pages}; `/examples list page:{page + 1}` goes on." if page < pages else ""
    rows = tuple(
        (
            str(each.number),
            each.status + (" 📌" if each.pinned else ""),
            f"{each.quality:.2f}",
            each.source,
            "here only" if each.audience else "everywhere",
            shorten(each.user_text, 40),
            shorten(each.assistant_text, 60),
        )
        for each in found
    )
    columns = ("no.", "status", "quality", "from", "serves", "question", "answer")
    data = [
        {
            "number": each.number,
            "id": each.id,
            "status": each.status,
            "quality": each.quality,
            "source": each.source,
            "question": each.user_text,
            "answer": each.assistant_text,
        }
        for each in found
    ]
    return Answer(
        f"{total:,} {'example' if total == 1 else 'examples'} of {scene.avatar.name}.{more}",
        table=Table(columns, rows),
        data=data,
    )


async def _add(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    question, answer = call.text("question").strip(), call.text("answer").strip()
    if not question or not answer:
        raise UserError("An example needs a question and an answer.")
    new = NewExample(
        workspace_id=scene.workspace.id,
        avatar_id=scene.avatar.id,
        user_text=question,
        assistant_text=answer,
        authors=(Author(scene.person.id, clock.now()),),
        audience=call.place.channel if call.place.private and call.place.platform != "terminal" else "",
        pattern=pattern_of(question),
        status="approved",
        reviewed=True,
        pinned=call.flag("pinned"),
        source="hand",
    )

    def add(tx: Tx) -> Example:
        if not people.may_learn(tx, new.authors):
            raise UserError(
                "I learn only from people who agreed to it; `/privacy consent` says yes, then please add it again."
            )
        example = examples.put(tx, new)
        _audit(tx, scene, "examples add", example)
        return example

    example = await services.database.write(add)
    return Answer(
        f"Learnt as example {example.number}; the next message can use it.",
        data={"number": example.number, "id": example.id},
    )


def _find(tx: Tx, scene: Scene, call: Call) -> Example:
    number = call.integer("number") or 0
    example = examples.numbered(tx, scene.avatar.id, number)
    if example is None:
        raise UserError(f"{scene.avatar.name} has no example {number}; `/examples list` shows those it has.")
    return example


def _audit(tx: Tx, scene: Scene, action: str, example: Example) -> None:
    audit.write(tx, scene.workspace.id, action, person_id=scene.person.id, target=example.id)


async def _edit(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    question, answer = call.text("question").strip(), call.text("answer").strip()
    pinned, audience = call.text("pinned"), call.text("audience")
    if not (question or answer or pinned or audience):
        raise UserError("Say what to change: question, answer, pinned or audience.")

    def edit(tx: Tx) -> Example:
        example = _find(tx, scene, call)
        if question or answer:
            mine = Author(scene.person.id, clock.now())
            if not people.may_learn(tx, (mine,)):
                raise UserError("I learn only from people who agreed to it; `/privacy consent` says yes.")
            examples.edit(tx, example.id, question or None, answer or None, author=mine)
        if pinned:
            examples.set_pinned(tx, example.id, pinned == "yes")
        if audience:
            examples.set_audience(tx, example.id, "" if audience == "everywhere" else call.place.channel)
        _audit(tx, scene, "examples edit", example)
        return examples.get(tx, example.id)

    example = await services.database.write(edit)
    return Answer(f"Example {example.number} is changed.", data={"number": example.number})


async def _decide(services: Services, call: Call, status: Literal["approved", "rejected"]) -> Answer:
    scene = await services.scene(call)

    def decide(tx: Tx) -> Example:
        example = _find(tx, scene, call)
        # Somebody's withdrawal of consent outweighs a reviewer's wish.
        if status == "approved" and not people.may_learn(tx, examples.authors(tx, example.id)):
            raise UserError("Somebody whose words are in this example has not agreed that I learn from them.")
        examples.set_status(tx, example.id, status, reviewed=True)
        _audit(tx, scene, f"examples {status}", example)
        return replace(example, status=status)

    example = await services.database.write(decide)
    after = "the next message can use it" if status == "approved" else "it is not used"
    return Answer(f"Example {example.number} is {status}; {after}.", data={"number": example.number})


async def _remove(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)

    def remove(tx: Tx) -> Example:
        example = _find(tx, scene, call)
        _audit(tx, scene, "examples remove", example)
        examples.remove(tx, example.id)
        return example

    example = await services.database.write(remove)
    return Answer(f"Example {example.number} is deleted.", data={"number": example.number})
