"""A training run whose vendor trains on the machine that asks belongs to that host."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Which host an older run is on is not known: whoever asks after it, as before."""
    op.add_column("training_run", sa.Column("host", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    op.drop_column("training_run", "host")
