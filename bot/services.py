"""What commands work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.platforms.base import Call, UserError
from bot import attachments
from bot.building import Builds
from bot.conversation import Conversations
from bot.faces import Face
from bot.feedback import Feedback
from bot.listening import Listening
from bot.models import Models
from bot.notices import Notices
from bot.scenes import Scene, Scenes
from bot.settings import Configuration
from bot.tuners import Training
from storage import exchanges
from storage.database import Database
from storage.exchanges import Exchange

if TYPE_CHECKING:
    from training.runs import Runs


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the application that a command may ask for something.

    ``interactive`` is False where nobody could answer a question, such as in a script.
    """

    configuration: Configuration
    database: Database
    scenes: Scenes
    models: Models
    conversations: Conversations
    feedback: Feedback
    listening: Listening
    notices: Notices
    attachments: attachments.Rules
    builds: Builds
    training: Training
    faces: tuple[Face, ...] = ()
    interactive: bool = True

    @property
    def runs(self) -> Runs:
        """The training runs; what they need is loaded at the first use."""
        return self.training.runs

    async def scene(self, call: Call) -> Scene:
        """Who gives this command, to which avatar."""
        return await self.scenes.find(call.place, call.who)

    async def latest(self, call: Call) -> tuple[Scene, Exchange]:
        """The last exchange of this conversation. Raises ``UserError`` when there is none."""
        scene = await self.scene(call)
        exchange = await self.conversations.latest(scene)
        if exchange is None:
            raise UserError("There is no reply here yet. Say something first.")
        return scene, exchange

    async def exchange(self, call: Call, name: str = "exchange") -> tuple[Scene, Exchange]:
        """The exchange that the call names, else the last one. Raises ``UserError``."""
        wanted = call.text(name)
        if not wanted:
            return await self.latest(call)
        scene = await self.scene(call)
        found = await self.database.read(
            lambda tx: exchanges.visible(tx, scene.workspace.id, wanted, call.place.channel)
        )
        if found is None:
            raise UserError(f"There is no exchange {wanted} here; `/history` lists them.")
        return scene, found
