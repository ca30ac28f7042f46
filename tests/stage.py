"""A small cast on an open database, for tests of what people say, rate and agree to."""

from __future__ import annotations

from dataclasses import dataclass

from storage import avatars, conversations, exchanges, people, workspaces
from storage.avatars import Avatar
from storage.conversations import Conversation
from storage.database import Database
from storage.exchanges import Completion, Exchange, Pending
from storage.ids import new_id
from storage.people import Person
from storage.workspaces import Workspace


@dataclass
class Stage:
    """A workspace with one avatar; time passes by one with each exchange."""

    database: Database
    workspace: Workspace
    avatar: Avatar
    at: int = 1000

    async def person(self, name: str, *, agrees: bool = False) -> Person:
        """Somebody, who may have agreed from the beginning."""
        person = await self.database.write(
            lambda tx: people.ensure(tx, self.workspace.id, name.lower(), name)
        )
        if agrees:
            await self.database.write(lambda tx: people.give_consent(tx, person.id, at=0, covers_from=0))
        return await self.now(person)

    async def now(self, person: Person) -> Person:
        """The person as they are now."""
        return await self.database.read(lambda tx: people.get(tx, person.id))

    async def conversation(self, key: str = "here", *, private: bool = False) -> Conversation:
        """A fresh conversation in a channel of the same name."""
        workspace, avatar = self.workspace, self.avatar
        return await self.database.write(
            lambda tx: conversations.start(tx, workspace.id, key, avatar.id, key, private, at=self.at)
        )

    async def exchange(
        self,
        conversation: Conversation,
        person: Person,
        question: str,
        reply: str,
        *,
        known: bool = True,
        sibling_of: str | None = None,
        answered_from: tuple[str, ...] = (),
    ) -> Exchange:
        """Somebody asks, the avatar answers."""
        self.at += 1
        id_, at = new_id(), self.at
        pending = Pending(
            id=id_,
            workspace_id=self.workspace.id,
            conversation_id=conversation.id,
            avatar_id=self.avatar.id,
            person_id=person.id,
            message_key=id_,
            user_text=question,
            holder="",
            reference=id_[-8:],
            created_at=at,
            sibling_of=sibling_of,
        )
        done = Completion(
            id=id_,
            status="complete",
            reply_text=reply,
            vendor="embedded",
            model="embedded:base",
            prompt_version_id=None,
            release_id=None,
            example_ids=(),
            answered_from=answered_from,
            tokens_in=1,
            tokens_out=1,
            cost=None,
            first_token_ms=1,
            latency_ms=2,
            error="",
            known=known,
            completed_at=at,
        )
        await self.database.write(lambda tx: (exchanges.begin(tx, pending), exchanges.complete(tx, done)))
        return await self.database.read(lambda tx: exchanges.get(tx, id_))


async def set_stage(
    database: Database, *, policy: str = "opt-in", auto_approve: bool = False, platform: str = "discord"
) -> Stage:
    """A stage on this database, beside others that may be there."""
    key = new_id()
    workspace = await database.write(lambda tx: workspaces.ensure(tx, platform, key, "Guild", policy))
    avatar = await database.write(
        lambda tx: avatars.create(tx, workspace.id, "Ada", prompt="You are Ada.", auto_approve=auto_approve)
    )
    return Stage(database, workspace, avatar)
