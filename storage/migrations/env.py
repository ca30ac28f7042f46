"""Run by Alembic, on the connection that ``upgrade`` gives."""

from alembic import context

from storage import training_schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=training_schema.SQLModel.metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
