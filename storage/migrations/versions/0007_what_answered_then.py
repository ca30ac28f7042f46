"""A release says which base model answered then; a training run counts the rows that were taken back since."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Which base model an older release had is not known: it is the one that it would answer with today."""
    op.add_column("release", sa.Column("base_model", sa.String(), nullable=True))
    op.execute(
        "UPDATE release SET base_model = (SELECT base_model FROM avatar WHERE avatar.id = release.avatar_id)"
    )
    op.drop_column("avatar", "base_model")
    op.add_column(
        "training_run", sa.Column("forgotten", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.execute(
        "UPDATE training_run SET forgotten = COALESCE("
        "(SELECT erased FROM dataset WHERE dataset.number = training_run.dataset_number), 0)"
    )


def downgrade() -> None:
    """Take back: the avatar's base model is that of its current release."""
    op.drop_column("training_run", "forgotten")
    op.add_column("avatar", sa.Column("base_model", sa.String(), nullable=True))
    op.execute(
        "UPDATE avatar SET base_model = (SELECT base_model FROM release WHERE release.id = avatar.release_id)"
    )
    op.drop_column("release", "base_model")
