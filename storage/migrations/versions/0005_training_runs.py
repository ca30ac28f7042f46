"""Training runs with what their vendors told of them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _only(condition: str) -> dict[str, Any]:
    """An index of the rows for which the condition holds."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _words(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _counts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _times(*names: str, nullable: bool = True) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _figures(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Float(), nullable=True) for name in names]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "training_run",
        *_words("id"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_words("workspace_id"),
        sa.Column("avatar_id", sa.String(), nullable=True),
        *_counts("dataset_number"),
        *_words("vendor", "method", "base_model"),
        *_texts("hyperparameters"),
        *_words("key", "state", "wanted", "job_id"),
        *_texts("files", "uploaded"),
        *_words("model"),
        *_texts("checkpoints"),
        *_figures("done"),
        *_words("said"),
        *_texts("error", "trouble", "estimate"),
        *_figures("expected", "cost"),
        *_times("trained_tokens", "ends_at"),
        sa.Column("person_id", sa.String(), nullable=True),
        *_texts("place"),
        *_words("message", "told", "seen"),
        *_counts("polls", "quiet", "looked", "failures"),
        *_times("idle_ms", nullable=False),
        *_times("polled_at", "next_at"),
        *_words("lease_by"),
        *_times("lease_until"),
        *_times("created_at", "updated_at", nullable=False),
        *_times("ended_at"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_training_run_workspace", "training_run", ["workspace_id", "created_at"])
    op.create_index("ix_training_run_next", "training_run", ["next_at"], **_only("next_at IS NOT NULL"))
    op.create_table(
        "run_event",
        *_words("run_id"),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        *_words("event_id"),
        *_times("at", nullable=False),
        *_words("level"),
        *_texts("message"),
        sa.ForeignKeyConstraint(["run_id"], ["training_run.id"]),
        sa.PrimaryKeyConstraint("run_id", "position"),
        sa.UniqueConstraint("run_id", "event_id"),
    )
    op.create_table(
        "run_point",
        *_words("run_id", "split"),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        *_figures("accuracy", "epoch"),
        sa.ForeignKeyConstraint(["run_id"], ["training_run.id"]),
        sa.PrimaryKeyConstraint("run_id", "split", "step"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("run_point", "run_event", "training_run"):
        op.drop_table(table)
