"""Which workspace made a model is found by the model's name."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. The models are those that the runs so far know of."""
    made = op.create_table(
        "tuned_model",
        sa.Column("vendor", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), sa.ForeignKey("training_run.id"), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "model", "run_id"),
        sqlite_with_rowid=False,
    )
    known = op.get_bind().execute(
        sa.text(
            "SELECT id, workspace_id, vendor, model, checkpoints FROM training_run "
            "WHERE model != '' OR checkpoints != '[]'"
        )
    )
    rows = [
        {"vendor": vendor, "model": name, "run_id": run_id, "workspace_id": workspace_id}
        for run_id, workspace_id, vendor, model, checkpoints in known
        for name in {model, *(each["model"] for each in json.loads(checkpoints))} - {""}
    ]
    op.bulk_insert(made, rows)


def downgrade() -> None:
    """Take back."""
    op.drop_table("tuned_model")
