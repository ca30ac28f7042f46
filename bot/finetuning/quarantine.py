"""What the moderation held back: read by whoever trains, let pass or kept out for good."""

from __future__ import annotations

from adapters.platforms.base import Answer, Button, Call, Field, UserError
from bot.commands.prompts import day
from bot.commands.talk import shorten
from bot.finetuning.datasets import note, row_data, shown_row
from bot.scenes import Scene
from bot.services import Services
from storage import verdicts
from storage.database import Tx
from storage.verdicts import Decision, Held
from training.rows import from_json

SHOWN = 8
PAGE = 1_000
"""Rows in one answer for scripts, which says where the next one begins."""
_TURN = 600
_NOT_KEPT = "Its text is not here; a build that finds the row again keeps it."


async def quarantine(services: Services, call: Call) -> Answer:
    """What was flagged and waits for somebody to decide; one row of it; or the decision."""
    scene = await services.scene(call)
    release, reject = call.text("release").strip(), call.text("reject").strip()
    if release and reject:
        raise UserError("A row is let pass or kept out: give `release` or `reject`, not both.")
    if release:
        return await _decide(services, scene, release, "released")
    if reject:
        return await _decide(services, scene, reject, "rejected")
    if wanted := call.text("row").strip():
        return _one(await services.database.read(lambda tx: _found(tx, scene, wanted)))
    return await _list(services, scene, call.text("after").strip())


def _found(tx: Tx, scene: Scene, wanted: str) -> Held:
    found = verdicts.find(tx, scene.workspace.id, wanted)
    if found is None:
        raise UserError(f"No one flagged row begins with {wanted!r}; `/finetune quarantine` lists them.")
    return found


async def _decide(services: Services, scene: Scene, wanted: str, decision: Decision) -> Answer:
    def job(tx: Tx) -> str:
        verdict = _found(tx, scene, wanted).verdict
        verdicts.decide(tx, scene.workspace.id, verdict, decision)
        return verdict.hash

    hash_ = await services.database.write(job)
    await note(services, scene, "finetune quarantine", hash_, {decision: True})
    data = {"hash": hash_, "decision": decision}
    if decision == "released":
        return Answer(f"`{hash_[:12]}` may be in datasets that are built from now on.", data=data)
    return Answer(
        f"`{hash_[:12]}` stays out of every dataset that is built from now on; `release` takes that back.",
        data=data,
    )


async def _list(services: Services, scene: Scene, after: str) -> Answer:
    def read(tx: Tx) -> tuple[int, list[Held]]:
        behind = _found(tx, scene, after).verdict.hash if after else ""
        return (
            verdicts.waiting(tx, scene.workspace.id),
            verdicts.quarantined(tx, scene.workspace.id, PAGE + 1, after=behind),
        )

    total, found = await services.database.read(read)
    page = found[:PAGE]
    data = {
        "total": total,
        "rows": [_data(each) for each in page],
        "next": page[-1].verdict.hash if len(found) > PAGE else None,
    }
    if not found:
        text = "Nothing more is in quarantine." if after else "Nothing is in quarantine."
        return Answer(text, data=data)
    rows = "1 row was flagged and is" if total == 1 else f"{total:,} rows were flagged and are"
    parts = [
        f"{rows} left out of datasets. `row` shows one whole, `release` lets it pass, `reject` keeps it out for good.",
        *(_read(each) for each in page[:SHOWN]),
    ]
    if len(page) > SHOWN:
        parts.append(f"`after:{page[SHOWN - 1].verdict.hash[:12]}` shows the next ones.")
    return Answer("\n\n".join(parts), data=data)


def _read(held: Held) -> str:
    verdict = held.verdict
    head = f"`{verdict.hash[:12]}` {', '.join(verdict.categories)}, {day(verdict.at)}"
    said = shown_row(from_json(held.content)) if held.content is not None else f"> *{_NOT_KEPT}*"
    return f"{head}  \n{said}"


def _one(held: Held) -> Answer:
    verdict = held.verdict
    parts = [f"**Row `{verdict.hash[:12]}`**"]
    if held.content is None:
        parts.append(_NOT_KEPT)
    else:
        row = from_json(held.content)
        parts += [f"> **{turn.role}:** {shorten(turn.text, _TURN)}" for turn in row.prompt]
        sign = {True: "👍 ", False: "👎 ", None: "✓ " if row.rejected is not None else ""}[row.label]
        parts.append(f"> **assistant:** {sign}{shorten(row.reply, _TURN)}")
        if row.rejected is not None:
            parts.append(f"> **assistant:** ✗ {shorten(row.rejected, _TURN)}")
    state = "released" if verdict.released else "rejected" if verdict.rejected else "waits for a decision"
    return Answer(
        "\n\n".join(parts),
        fields=(
            Field("because of", ", ".join(verdict.categories) or "no category"),
            Field("since", day(verdict.at)),
            Field("state", state),
        ),
        buttons=(
            Button("Let it pass", "finetune quarantine", {"release": verdict.hash}),
            Button("Keep it out for good", "finetune quarantine", {"reject": verdict.hash}),
        ),
        data=_data(held),
    )


def _data(held: Held) -> dict[str, object]:
    verdict = held.verdict
    return {
        "hash": verdict.hash,
        "categories": list(verdict.categories),
        "at": verdict.at,
        "decision": "released" if verdict.released else "rejected" if verdict.rejected else None,
        "row": row_data(from_json(held.content)) if held.content is not None else None,
    }
