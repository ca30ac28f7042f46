"""Bringing a database to the newest revision. Imported only when that is due, since Alembic takes its time to import."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from storage.errors import Unusable


def configuration() -> Config:
    """Alembic's configuration, made here: no file needs to be found at run time."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def upgrade(connection: Connection) -> None:
    """Bring it up to date, within the connection's transaction. Raises ``Unusable`` when it is newer than this."""
    config = configuration()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unusable(
            "The database was made by a newer version of Understudy: install that version or a newer one."
        ) from error


def upgrade_sqlite(path: Path) -> None:
    """``upgrade`` for a file; whoever comes second waits for the first and finds nothing to do."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 30})

    # The sqlite3 module would not begin a transaction before DDL, so a crash could leave half a schema: begin it here.
    @event.listens_for(engine, "connect")
    def manual(raw: object, _record: object) -> None:
        raw.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()
