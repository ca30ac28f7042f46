"""Releases keep what was seen of them, and which one they go back to; avatars whether a model may be activated by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("release", sa.Column("evaluated", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("release", sa.Column("repeats", sa.Integer(), nullable=True))
    op.add_column(
        "avatar", sa.Column("auto_activate", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("avatar", "auto_activate")
    op.drop_column("release", "repeats")
    op.drop_column("release", "evaluated")
