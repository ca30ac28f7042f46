"""Replies that are owed and of how many messages, moments that are told once, and the channel in which admins are warned."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _only(condition: str) -> dict[str, Any]:
    """An index of the rows for which the condition holds."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Apply."""
    op.add_column("workspace", sa.Column("notices", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "moment",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "part",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("reply_key", sa.String(), nullable=False),
        sa.Column("exchange_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"]),
        sa.PrimaryKeyConstraint("workspace_id", "reply_key"),
    )
    op.create_index("ix_part_exchange", "part", ["exchange_id"])
    op.drop_index("ix_exchange_pending", "exchange")
    # What was complete before was shown where it was asked.
    op.execute("UPDATE exchange SET holder = '' WHERE status <> 'pending'")
    op.create_index("ix_exchange_held", "exchange", ["holder"], **_only("holder <> ''"))


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_exchange_held", "exchange")
    op.create_index("ix_exchange_pending", "exchange", ["holder"], **_only("status = 'pending'"))
    op.drop_table("part")
    op.drop_table("moment")
    op.drop_column("workspace", "notices")
