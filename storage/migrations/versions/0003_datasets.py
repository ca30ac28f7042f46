"""Datasets with their rows and whose words are in them, and the indexes that building one reads by."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LONE = "status = 'approved' AND (source NOT IN ('exchange', 'import') OR exchange_id IS NULL)"


def _only(condition: str) -> dict[str, Any]:
    """An index of the rows for which the condition holds."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("avatar_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("train", sa.Integer(), nullable=False),
        sa.Column("validation", sa.Integer(), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("workspace_id", "name_key", "version"),
    )
    op.create_table(
        "dataset_line",
        sa.Column("dataset_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("exchange_id", sa.String(), nullable=True),
        sa.Column("example_id", sa.String(), nullable=True),
        sa.Column("preference_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("dataset_number", "position"),
        sqlite_with_rowid=False,
    )
    for of in ("exchange", "example"):
        op.create_index(
            f"ix_dataset_line_{of}", "dataset_line", [f"{of}_id"], **_only(f"{of}_id IS NOT NULL")
        )
    op.create_table(
        "dataset_author",
        sa.Column("dataset_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_number", "position", "person_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_dataset_author_person", "dataset_author", ["person_id", "dataset_number", "position"])
    op.create_index("ix_conversation_avatar", "conversation", ["avatar_id", "id"])
    op.create_index("ix_exchange_rated", "exchange", ["avatar_id", "ratings"], **_only("ratings > 0"))
    op.create_index("ix_example_lone", "example", ["avatar_id", "id"], **_only(_LONE))
    op.create_index("ix_preference_avatar", "preference", ["avatar_id", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_preference_avatar", "preference")
    op.drop_index("ix_example_lone", "example")
    op.drop_index("ix_exchange_rated", "exchange")
    op.drop_index("ix_conversation_avatar", "conversation")
    for table in ("dataset_author", "dataset_line", "dataset"):
        op.drop_table(table)
