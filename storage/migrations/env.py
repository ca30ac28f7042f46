"""Run by Alembic: on the connection that ``upgrade`` gives, or on none to make a new revision."""

from alembic import context
from sqlmodel import SQLModel

import storage.schema  # noqa: F401  (its import fills the metadata)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
