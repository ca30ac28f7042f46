"""The SQLModel tables of who talks and what is said; storage/training_schema.py has those of datasets and training runs.

They do not leave storage: each noun's module hands out frozen records.

Ids are text (UUIDv7), times are integers (milliseconds since the epoch, UTC), lists and mappings are JSON text. An
``audience`` is empty for the whole workspace, else the key of the one channel that may see it.

An index with a condition has it on Postgres too, where the migration alone says so: to name it here would load all of
SQLAlchemy's Postgres dialect at every start.
"""

# SQLModel declares __tablename__ as something that only it can assign.
# pyright: reportAssignmentType=false

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def text_column(*, nullable: bool = False) -> Column[str]:
    """Text of any length."""
    return Column(Text, nullable=nullable)


def time_column(*, nullable: bool = False, index: bool = False) -> Column[int]:
    """Milliseconds since the epoch."""
    return Column(BigInteger, nullable=nullable, index=index)


LONE_EXAMPLE = "status = 'approved' AND (source NOT IN ('exchange', 'import') OR exchange_id IS NULL)"
"""Which examples are not the very exchange that they came from, in the words that their index and its queries share."""


class WorkspaceRow(SQLModel, table=True):
    """A Discord guild, a Slack team or the local terminal: the tenant."""

    __tablename__ = "workspace"
    __table_args__ = (UniqueConstraint("platform", "key"),)
    id: str = Field(primary_key=True)
    platform: str
    key: str
    name: str
    consent: str  # opt-in | opt-out
    default_avatar_id: str | None = None
    notices: str = ""  # key of the channel in which admins are warned
    created_at: int = Field(sa_column=time_column())


class PersonRow(SQLModel, table=True):
    """Somebody in a workspace, and whether what they write may be learnt from."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    key: str
    name: str
    consent: str = "unset"  # unset | given | withdrawn
    given_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    withdrawn_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    asked_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    created_at: int = Field(sa_column=time_column())


class AvatarRow(SQLModel, table=True):
    """A persona people talk to."""

    __tablename__ = "avatar"
    __table_args__ = (UniqueConstraint("workspace_id", "name_key"),)
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    name: str
    name_key: str  # the name casefolded: two avatars do not differ by case alone
    tagline: str = ""
    colour: str = ""
    picture: bytes | None = None
    unknown: str = ""
    suggestions: str = "[]"
    auto_approve: bool = False
    auto_activate: bool = False
    release_id: str | None = None
    created_at: int = Field(sa_column=time_column())


class PromptVersionRow(SQLModel, table=True):
    """A numbered system prompt of an avatar."""

    __tablename__ = "prompt_version"
    __table_args__ = (UniqueConstraint("avatar_id", "number"),)
    id: str = Field(primary_key=True)
    avatar_id: str = Field(foreign_key="avatar.id")
    number: int
    text: str = Field(sa_column=text_column())
    source: str = "hand"  # hand | learned
    person_id: str | None = None
    created_at: int = Field(sa_column=time_column())


class ReleaseRow(SQLModel, table=True):
    """From now on this avatar answers with this model and this prompt version."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("avatar_id", "number"),)
    id: str = Field(primary_key=True)
    avatar_id: str = Field(foreign_key="avatar.id")
    number: int
    model: str | None = None  # vendor:name; without one the base model
    base_model: str | None = None  # vendor:name; without one it follows models.default
    prompt_version_id: str = Field(foreign_key="prompt_version.id")
    few_shot: str = "{}"
    person_id: str | None = None
    why: str = ""
    evaluated: str = Field(
        default="{}", sa_column=text_column()
    )  # JSON: what was seen of it before it answered anybody
    repeats: int | None = None  # the number of the release that it goes back to, which repeats none itself
    created_at: int = Field(sa_column=time_column())


class ChannelBindingRow(SQLModel, table=True):
    """Which avatar answers in a channel, and whether it does so unasked."""

    __tablename__ = "channel_binding"
    __table_args__ = (UniqueConstraint("workspace_id", "channel"),)
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    channel: str
    avatar_id: str = Field(foreign_key="avatar.id")
    always_on: bool = False
    created_at: int = Field(sa_column=time_column())


class ConversationRow(SQLModel, table=True):
    """One strand of talk between people and an avatar; at most one is open for each key and avatar."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index(
            "ix_conversation_open",
            "workspace_id",
            "key",
            "avatar_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index("ix_conversation_key", "workspace_id", "key"),
        Index("ix_conversation_avatar", "avatar_id", "id"),  # page by page
    )
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    avatar_id: str = Field(foreign_key="avatar.id")
    channel: str
    key: str
    private: bool = False
    started_at: int = Field(sa_column=time_column())
    ended_at: int | None = Field(default=None, sa_column=time_column(nullable=True))


class ExchangeRow(SQLModel, table=True):
    """One user message and the avatar's reply to it, with its provenance."""

    __tablename__ = "exchange"
    __table_args__ = (
        UniqueConstraint("workspace_id", "message_key"),
        Index("ix_exchange_conversation", "conversation_id", "created_at"),
        Index("ix_exchange_person", "person_id"),
        # Two indexes that hold few rows, so that they cost nothing when a pending row is written.
        Index(
            "ix_exchange_reply",
            "workspace_id",
            "reply_key",
            sqlite_where=text("reply_key IS NOT NULL"),
        ),
        Index(
            "ix_exchange_sibling",
            "sibling_of",
            sqlite_where=text("sibling_of IS NOT NULL"),
        ),
        Index("ix_exchange_avatar", "avatar_id", "created_at"),
        # With what it asks for in it, so that counting reads no texts.
        Index(
            "ix_exchange_rated",
            "avatar_id",
            "ratings",
            sqlite_where=text("ratings > 0"),
        ),
        # Only the few that are still owed: recovery looks for them at every start.
        Index(
            "ix_exchange_held",
            "holder",
            sqlite_where=text("holder <> ''"),
        ),
    )
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    conversation_id: str = Field(foreign_key="conversation.id")
    avatar_id: str = Field(foreign_key="avatar.id")
    person_id: str = Field(foreign_key="person.id")
    message_key: str  # the platform's id of the message; a regeneration adds its own number
    sibling_of: str | None = None  # the first exchange of the same question
    reply_key: str | None = None
    status: str  # pending | complete | failed | cancelled | interrupted
    holder: str = ""  # the process that owes the reply; empty once it is shown
    origin: str = "chat"  # chat | import
    user_text: str = Field(sa_column=text_column())
    reply_text: str = Field(default="", sa_column=text_column())
    known: bool = True
    vendor: str = ""
    model: str = ""
    prompt_version_id: str | None = None
    release_id: str | None = None
    example_ids: str = "[]"  # of the examples that were shown to the model
    example_scores: str = "[]"  # how much each of these resembled the message, 0..1
    answered_from: str = "[]"  # of those the model says it used
    arm: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    first_token_ms: int | None = None
    latency_ms: int | None = None
    error: str = ""
    reference: str = ""
    quality: float | None = None
    ratings: int = 0
    created_at: int = Field(sa_column=time_column())
    completed_at: int | None = Field(default=None, sa_column=time_column(nullable=True))


class RatingRow(SQLModel, table=True):
    """One person's verdict on one exchange; ``marks`` holds what makes it converge (storage/ratings.py)."""

    __tablename__ = "rating"
    __table_args__ = (UniqueConstraint("exchange_id", "person_id"), Index("ix_rating_person", "person_id"))
    id: str = Field(primary_key=True)
    exchange_id: str = Field(foreign_key="exchange.id")
    person_id: str = Field(foreign_key="person.id")
    stars: int | None = None
    comment: str = Field(default="", sa_column=text_column())
    better: str = Field(default="", sa_column=text_column())
    better_by_reviewer: bool = False
    marks: str = Field(default="{}", sa_column=text_column())
    created_at: int = Field(sa_column=time_column())
    updated_at: int = Field(sa_column=time_column())


class ExampleRow(SQLModel, table=True):
    """A (user message, assistant message) pair fit to imitate."""

    __tablename__ = "example"
    __table_args__ = (
        UniqueConstraint("avatar_id", "source", "source_key"),
        Index("ix_example_avatar", "avatar_id", "status"),
        Index("ix_example_exchange", "exchange_id"),
        # Every message asks for the few pinned ones of perhaps a million.
        Index(
            "ix_example_pinned",
            "avatar_id",
            "number",
            sqlite_where=text("pinned = 1"),
        ),
        # What to imitate that no exchange tells by itself: a few, to be read page by page beside a million others.
        Index(
            "ix_example_lone",
            "avatar_id",
            "id",
            sqlite_where=text(LONE_EXAMPLE),
        ),
    )
    id: str = Field(primary_key=True)
    # FTS and postings want a small integer that VACUUM leaves alone.
    number: int = Field(sa_column=Column(Integer, nullable=False, unique=True))
    workspace_id: str = Field(foreign_key="workspace.id")
    avatar_id: str = Field(foreign_key="avatar.id")
    audience: str = ""
    user_text: str = Field(sa_column=text_column())
    assistant_text: str = Field(sa_column=text_column())
    pattern: str = "statement"  # greeting | question | statement | joke | story
    quality: float = 1.0
    status: str = "proposed"  # proposed | approved | rejected | withdrawn
    reviewed: bool = False  # a person decided; ratings no longer change the status
    pinned: bool = False  # in the stable block
    source: str = "hand"  # exchange | better | teach | import | hand | guide
    source_key: str = ""  # unique within avatar and source: re-proposing finds it again
    exchange_id: str | None = None
    conversation_id: str | None = None
    created_at: int = Field(sa_column=time_column())
    updated_at: int = Field(sa_column=time_column())


class PreferenceRow(SQLModel, table=True):
    """One context with a chosen and a rejected reply."""

    __tablename__ = "preference"
    __table_args__ = (
        UniqueConstraint("avatar_id", "source", "source_key"),
        Index("ix_preference_exchange", "exchange_id"),
        Index("ix_preference_avatar", "avatar_id", "id"),
    )
    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    avatar_id: str = Field(foreign_key="avatar.id")
    context: str = Field(
        sa_column=text_column()
    )  # JSON list of {"role", "content"}; the user's message is the last
    chosen: str = Field(sa_column=text_column())
    rejected: str = Field(sa_column=text_column())
    source: str = "import"  # import | better
    source_key: str = ""
    exchange_id: str | None = None
    created_at: int = Field(sa_column=time_column())


class AuthorRow(SQLModel, table=True):
    """Whose words are inside an example or a preference, and when they were said."""

    __tablename__ = "author"
    __table_args__ = (Index("ix_author_person", "person_id"),)
    owner_id: str = Field(primary_key=True)  # of the example or preference
    person_id: str = Field(primary_key=True, foreign_key="person.id")
    said_at: int = Field(sa_column=time_column())


class AuditRow(SQLModel, table=True):
    """Who did what that others may want to know later."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_workspace", "workspace_id", "created_at"),)
    id: str = Field(primary_key=True)
    workspace_id: str
    person_id: str | None = None
    action: str
    target: str = ""
    detail: str = "{}"
    allowed: bool = True
    created_at: int = Field(sa_column=time_column())


class CounterRow(SQLModel, table=True):
    """The last number that was given out for something: a number is never given twice, whatever is deleted."""

    __tablename__ = "counter"
    name: str = Field(primary_key=True)
    value: int = Field(sa_column=Column(BigInteger, nullable=False))


class HolderRow(SQLModel, table=True):
    """A running process: whose pending exchanges are being answered, and until when that can be believed."""

    __tablename__ = "holder"
    id: str = Field(primary_key=True)
    host: str
    pid: int
    started: str  # when the process began, as its system tells, so that a reused pid is not mistaken for it
    until: int = Field(sa_column=time_column())


class MomentRow(SQLModel, table=True):
    """When something happened that is told once, or was last so: a warning given, a platform connected."""

    __tablename__ = "moment"
    name: str = Field(primary_key=True)
    at: int = Field(sa_column=time_column())


class PartRow(SQLModel, table=True):
    """A further message of a reply that was posted in several; the first one is the exchange's ``reply_key``."""

    __tablename__ = "part"
    __table_args__ = (Index("ix_part_exchange", "exchange_id"),)
    workspace_id: str = Field(primary_key=True)
    reply_key: str = Field(primary_key=True)
    exchange_id: str = Field(foreign_key="exchange.id")
