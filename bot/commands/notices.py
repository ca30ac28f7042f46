"""Notices: where the admins of a workspace are warned."""

from __future__ import annotations

from adapters.platforms.base import Access, Answer, Call, Command, Param, UserError
from bot.services import Services
from storage import audit, workspaces
from storage.database import Tx


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def run(call: Call) -> Answer:
        return await _notices(services, call)

    return (
        Command(
            "notices",
            "choose the channel in which admins are warned, of a model that fails or will be shut down",
            run,
            access=Access.OWNER,
            params=(Param("where", "this channel, or nowhere", "choice", True, choices=("here", "off")),),
        ),
    )


async def _notices(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    if call.place.platform == "terminal":
        raise UserError(
            "In the terminal there is nobody else to warn: what admins should know is in the log."
        )
    channel = call.place.channel if call.text("where") == "here" else ""

    def choose(tx: Tx) -> None:
        workspaces.set_notices(tx, scene.workspace.id, channel)
        audit.write(tx, scene.workspace.id, "notices", person_id=scene.person.id, target=channel)

    await services.database.write(choose)
    if not channel:
        return Answer("Admins are not warned in any channel any more; what they should know is in the log.")
    return Answer(
        "Admins are warned in this channel: when a model fails, and before its vendor shuts it down."
    )
