"""Who speaks with whom, and where: a place and a person of a platform become the records of storage."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.platforms.base import Place, UserError, Who
from bot.guide import Guide, load_guide
from storage import avatars, channels, conversations, examples, people, releases, workspaces
from storage.avatars import Avatar
from storage.conversations import Conversation
from storage.database import Database, Tx
from storage.examples import NewExample, put_many
from storage.exchanges import Exchange
from storage.people import Person
from storage.releases import Release
from storage.workspaces import Workspace

SUGGESTIONS = 3
"""Questions that an avatar opens with."""

_LOOKED_AT = 100
_SHORT = 75


@dataclass(frozen=True, slots=True)
class Scene:
    """The records behind a place and a person. ``conversation`` is ``None`` before the first word."""

    workspace: Workspace
    person: Person
    avatar: Avatar
    release: Release
    conversation: Conversation | None


class Scenes:
    """Finds scenes, and sets up what is missing: a workspace's first avatar, a person's row."""

    def __init__(self, database: Database, policy: str) -> None:
        self._database = database
        self._policy = policy

    async def find(self, place: Place, who: Who) -> Scene:
        """The scene of this place. Raises ``UserError`` when an avatar was asked for that does not exist."""
        scene = await self._database.read(lambda tx: _find(tx, place, who))
        if scene is None:
            await self._database.write(lambda tx: self._set_up(tx, place, who))
            scene = await self._database.read(lambda tx: _find(tx, place, who))
            assert scene is not None, "a scene that was just set up is there"
        return scene

    async def speaker(self, place: Place) -> tuple[Avatar, Release]:
        """Who speaks in this place, whoever asks. Raises ``UserError`` when an avatar was asked for that does not exist."""
        found = await self._database.read(lambda tx: _speaker(tx, place))
        if found is None:
            await self._database.write(lambda tx: self._set_up(tx, place))
            found = await self._database.read(lambda tx: _speaker(tx, place))
            assert found is not None, "a workspace that was just set up is there"
        return found

    async def of(self, exchange: Exchange) -> Scene:
        """The scene in which an exchange was begun. Raises ``Missing`` when somebody or something of it is gone."""

        def read(tx: Tx) -> Scene:
            return Scene(
                workspaces.get(tx, exchange.workspace_id),
                people.get(tx, exchange.person_id),
                avatars.get(tx, exchange.avatar_id),
                releases.current(tx, exchange.avatar_id),
                conversations.get(tx, exchange.conversation_id),
            )

        return await self._database.read(read)

    def _set_up(self, tx: Tx, place: Place, who: Who | None = None) -> None:
        name = place.workspace_name or place.workspace
        workspace = workspaces.ensure(tx, place.platform, place.workspace, name, self._policy)
        if who is not None:
            people.ensure(tx, workspace.id, who.key, who.name)
        if workspace.default_avatar_id is None:
            avatar = _create_guide(tx, workspace, load_guide())
            workspaces.set_default_avatar(tx, workspace.id, avatar.id)


def _find(tx: Tx, place: Place, who: Who) -> Scene | None:
    workspace = workspaces.find(tx, place.platform, place.workspace)
    if workspace is None or workspace.default_avatar_id is None:
        return None
    person = people.find(tx, workspace.id, who.key)
    if person is None:
        return None
    avatar = avatar_of(tx, workspace, place)
    conversation = conversations.current(tx, workspace.id, place.conversation, avatar.id)
    if conversation is not None and conversation.private != place.private:
        conversation = None  # the channel was closed or opened: what is said from now on has other readers
    return Scene(workspace, person, avatar, releases.current(tx, avatar.id), conversation)


def _speaker(tx: Tx, place: Place) -> tuple[Avatar, Release] | None:
    workspace = workspaces.find(tx, place.platform, place.workspace)
    if workspace is None or workspace.default_avatar_id is None:
        return None
    avatar = avatar_of(tx, workspace, place)
    return avatar, releases.current(tx, avatar.id)


def avatar_of(tx: Tx, workspace: Workspace, place: Place) -> Avatar:
    """The avatar asked for by name, else the channel's own, else the workspace's first."""
    if place.avatar:
        return named(tx, workspace, place.avatar)
    binding = channels.find(tx, workspace.id, place.channel)
    if binding is None and place.parent:
        binding = channels.find(tx, workspace.id, place.parent)
    avatar_id = binding.avatar_id if binding else workspace.default_avatar_id
    assert avatar_id is not None, "a workspace that was set up has a default avatar"
    return avatars.get(tx, avatar_id)


def strand(tx: Tx, workspace: Workspace, place: Place, exchange: Exchange) -> Place:
    """The place of the conversation that the exchange belongs to, while that is open and in this channel; else ``place``."""
    conversation = conversations.get(tx, exchange.conversation_id)
    if conversation.ended_at is not None or conversation.channel != place.channel:
        return place
    other = avatar_of(tx, workspace, place).id != exchange.avatar_id
    avatar = avatars.get(tx, exchange.avatar_id).name if other else place.avatar
    return replace(place, conversation=conversation.key, avatar=avatar)


def suggested(tx: Tx, avatar: Avatar, channel: str) -> tuple[str, ...]:
    """The questions that an avatar opens with: its own, else short ones of its examples that serve in the channel."""
    if avatar.suggestions:
        return avatar.suggestions
    recent = examples.listed(tx, avatar.id, status="approved", limit=_LOOKED_AT)
    recent.sort(key=lambda example: -example.quality)
    found: dict[str, str] = {}
    for example in (*examples.pinned(tx, avatar.id, channel), *recent):
        text = example.user_text
        if example.pattern == "question" and example.audience in ("", channel) and _is_short(text):
            found.setdefault(text.casefold(), text)
    return tuple(found.values())[:SUGGESTIONS]


def _is_short(text: str) -> bool:
    return len(text) <= _SHORT and "\n" not in text


def named(tx: Tx, workspace: Workspace, name: str) -> Avatar:
    """The avatar of that name. Raises ``UserError`` that lists the ones there are."""
    avatar = avatars.find(tx, workspace.id, name)
    if avatar is None:
        known = ", ".join(sorted(each.name for each in avatars.listed(tx, workspace.id)))
        raise UserError(f"There is no avatar named {name!r}; there are: {known}.")
    return avatar


def _create_guide(tx: Tx, workspace: Workspace, guide: Guide) -> Avatar:
    avatar = avatars.create(
        tx,
        workspace.id,
        guide.name,
        prompt=guide.prompt,
        tagline=guide.tagline,
        colour=guide.colour,
        picture=guide.picture,
        unknown=guide.unknown,
        suggestions=guide.suggestions,
    )
    put_many(
        tx,
        [
            NewExample(
                workspace_id=workspace.id,
                avatar_id=avatar.id,
                user_text=wording,
                assistant_text=example.answer,
                authors=(),
                pattern=example.pattern,
                status="approved",
                reviewed=True,
                pinned=example.pinned and wording == example.question,
                source="guide",
                source_key=wording.casefold(),
            )
            for example in guide.examples
            for wording in example.wordings
        ],
    )
    return avatar
