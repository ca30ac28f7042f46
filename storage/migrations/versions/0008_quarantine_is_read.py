"""What moderation flagged is kept to be read until somebody decides, and what they reject stays out."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("verdict", sa.Column("rejected", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("verdict", sa.Column("said", sa.String(), nullable=False, server_default=""))
    op.add_column("verdict", sa.Column("content", sa.Text(), nullable=True))
    op.create_index(
        "ix_verdict_flagged",
        "verdict",
        ["workspace_id", "at", "hash"],
        sqlite_where=sa.text("flagged"),
        postgresql_where=sa.text("flagged"),
    )
    op.create_table(
        "verdict_author",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "hash", "person_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_verdict_author_person", "verdict_author", ["person_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("verdict_author")
    op.drop_index("ix_verdict_flagged", "verdict")
    for column in ("content", "said", "rejected"):
        op.drop_column("verdict", column)
