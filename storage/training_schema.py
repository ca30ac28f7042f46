"""The SQLModel tables of datasets, moderation and training runs, as those of storage/schema.py.

They are apart because whoever only talks does not wait until they are loaded.
"""

# SQLModel declares __tablename__ as something that only it can assign.
# pyright: reportAssignmentType=false

from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.schema import text_column, time_column


class DatasetRow(SQLModel, table=True):
    """What a model is trained on: frozen once it is ready; before that, and while it is deleted, it is nobody's to see."""

    __tablename__ = "dataset"
    __table_args__ = (UniqueConstraint("workspace_id", "name_key", "version"),)
    id: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, nullable=False, unique=True))
    workspace_id: str = Field(foreign_key="workspace.id")
    avatar_id: str | None = None
    name: str
    name_key: str  # the name casefolded
    version: int | None = None  # counted for each name; none while it is building
    method: str  # sft | dpo | kto
    status: str  # building | ready
    origin: str  # build | import
    system: str = Field(sa_column=text_column())  # the system prompt in front of lines that have none
    settings: str = Field(sa_column=text_column())
    report: str = Field(sa_column=text_column())
    hash: str
    lines: int
    train: int
    validation: int
    erased: int = 0  # lines that were deleted because of whose words they held
    person_id: str | None = None  # who built it
    created_at: int = Field(sa_column=time_column())


class DatasetLineRow(SQLModel, table=True):
    """One row of a dataset and what it came from, which may be gone meanwhile."""

    __tablename__ = "dataset_line"
    __table_args__ = (
        Index(
            "ix_dataset_line_exchange",
            "exchange_id",
            sqlite_where=text("exchange_id IS NOT NULL"),
        ),
        Index(
            "ix_dataset_line_example",
            "example_id",
            sqlite_where=text("example_id IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False},
    )
    dataset_number: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    split: str  # train | validation
    hash: str
    content: str = Field(sa_column=text_column())  # JSON, as training/rows.py has it
    conversation: str  # what stays on one side of the split
    exchange_id: str | None = None
    example_id: str | None = None
    preference_id: str | None = None


class DatasetAuthorRow(SQLModel, table=True):
    """Whose words are inside a row of a dataset, and when they were said."""

    __tablename__ = "dataset_author"
    __table_args__ = (
        Index("ix_dataset_author_person", "person_id", "dataset_number", "position"),
        {"sqlite_with_rowid": False},
    )
    dataset_number: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    person_id: str = Field(primary_key=True)
    said_at: int = Field(sa_column=time_column())


class VerdictRow(SQLModel, table=True):
    """What moderation said of a row, by the hash of its content, so that nothing is asked twice."""

    __tablename__ = "verdict"
    __table_args__ = (
        Index(
            "ix_verdict_flagged",
            "workspace_id",
            "at",
            "hash",
            sqlite_where=text("flagged"),
        ),
    )
    workspace_id: str = Field(primary_key=True)
    hash: str = Field(primary_key=True)
    flagged: bool
    categories: str = Field(default="[]", sa_column=text_column())  # JSON list
    released: bool = False  # a person let it pass
    rejected: bool = False  # a person keeps it out, whatever is said before it
    said: str = ""  # names the question and the replies of a flagged row
    content: str | None = Field(
        default=None, sa_column=Column(Text)
    )  # the flagged row, until somebody decides
    at: int = Field(sa_column=time_column())


class VerdictAuthorRow(SQLModel, table=True):
    """Whose words are inside a row that is kept to be decided on."""

    __tablename__ = "verdict_author"
    __table_args__ = (Index("ix_verdict_author_person", "person_id"), {"sqlite_with_rowid": False})
    workspace_id: str = Field(primary_key=True)
    hash: str = Field(primary_key=True)
    person_id: str = Field(primary_key=True)


class TrainingRunRow(SQLModel, table=True):
    """One fine-tuning job of one dataset at one vendor; storage/runs.py says what its columns mean."""

    __tablename__ = "training_run"
    __table_args__ = (
        Index("ix_training_run_workspace", "workspace_id", "created_at"),
        # Only what is to be looked at: every poll of every replica asks for it.
        Index("ix_training_run_next", "next_at", sqlite_where=text("next_at IS NOT NULL")),
    )
    id: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, nullable=False, unique=True))
    workspace_id: str = Field(foreign_key="workspace.id")
    avatar_id: str | None = None
    dataset_number: int
    vendor: str
    method: str  # sft | dpo | kto
    base_model: str
    hyperparameters: str = Field(sa_column=text_column())
    key: str = Field(unique=True)
    state: str
    wanted: str = ""  # cancel | pause | resume
    job_id: str = ""
    files: str = Field(sa_column=text_column())
    uploaded: str = Field(sa_column=text_column())
    model: str = ""
    checkpoints: str = Field(sa_column=text_column())
    done: float | None = None
    said: str = ""
    error: str = Field(sa_column=text_column())
    trouble: str = Field(sa_column=text_column())
    estimate: str = Field(sa_column=text_column())
    expected: float | None = None
    cost: float | None = None
    trained_tokens: int | None = Field(default=None, sa_column=time_column(nullable=True))
    memory_bytes: int | None = Field(default=None, sa_column=time_column(nullable=True))
    ends_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    person_id: str | None = None
    host: str = ""  # the only one that may ask after it; empty for anyone
    place: str = Field(sa_column=text_column())
    message: str = ""
    told: str = ""
    seen: str = ""
    polls: int = 0
    quiet: int = 0
    looked: int = 0
    failures: int = 0
    forgotten: int = 0  # rows it was given that were erased since, because of whose words they held
    idle_ms: int = Field(sa_column=time_column())
    polled_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    next_at: int | None = Field(default=None, sa_column=time_column(nullable=True))
    lease_by: str = ""
    lease_until: int | None = Field(default=None, sa_column=time_column(nullable=True))
    created_at: int = Field(sa_column=time_column())
    updated_at: int = Field(sa_column=time_column())
    ended_at: int | None = Field(default=None, sa_column=time_column(nullable=True))


class TunedModelRow(SQLModel, table=True):
    """A model, or a checkpoint of one, that a training run made and that nobody deleted, by its name at the vendor."""

    __tablename__ = "tuned_model"
    __table_args__ = ({"sqlite_with_rowid": False},)
    vendor: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    run_id: str = Field(primary_key=True, foreign_key="training_run.id")
    workspace_id: str


class RunEventRow(SQLModel, table=True):
    """Something that was told of a training run, by its vendor or by us; ``position`` is the order of telling."""

    __tablename__ = "run_event"
    __table_args__ = (UniqueConstraint("run_id", "event_id"),)
    run_id: str = Field(primary_key=True, foreign_key="training_run.id")
    position: int = Field(primary_key=True)
    event_id: str
    at: int = Field(sa_column=time_column())
    level: str = "info"  # info | warning | error
    message: str = Field(sa_column=text_column())


class RunPointRow(SQLModel, table=True):
    """The loss of a training run at a step, on one split."""

    __tablename__ = "run_point"
    run_id: str = Field(primary_key=True, foreign_key="training_run.id")
    split: str = Field(primary_key=True)  # train | validation
    step: int = Field(primary_key=True)
    loss: float
    accuracy: float | None = None
    epoch: float | None = None
