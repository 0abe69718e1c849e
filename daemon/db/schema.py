"""Which version of the tables a database has, and how it gets to ours.

Alembic costs a third of a second to import, so it is imported only when there is work for it.
All pending revisions run in one transaction together with the row that says they ran: after a
crash the database is either at the old version or at the new one.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from sqlalchemy import Connection, Engine, text

from daemon.db.errors import StateCorrupt, StateError
from daemon.db.version import HEAD


def version_of(connection: Connection) -> str | None:
    """The schema version of the database, None for an empty one.

    Raises:
        StateError: the database holds tables, but not ours.
    """
    names = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))
    if "alembic_version" not in names:
        if names:
            raise StateError(
                "The state database belongs to another program",
                "Point the settings at another folder, or move that file away.",
            )
        return None
    version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if version is None:
        raise StateCorrupt(
            "The state database does not say which version it has",
            "Stop the daemon and put the newest good backup in its place.",
        )
    return str(version)


def require_head(connection: Connection) -> None:
    """Refuse a database that this version of the program cannot use as it is.

    Raises:
        StateError: its tables are newer or older than the program's, or not ours.
    """
    version = version_of(connection)
    _refuse_newer(version)
    if version != HEAD:
        raise StateError(
            f"The state database has version {version or 'none'}, the program needs {HEAD}",
            "Start the daemon once: it brings the database up to date.",
        )


def migrate(engine: Engine) -> None:
    """Bring the database of a writer engine to HEAD; does nothing when it is there.

    Raises:
        StateError: the database was made by a newer version of the program, or is not ours.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # a table that is rebuilt is missing a while
        try:
            with connection.begin():
                version = version_of(connection)
                _refuse_newer(version)
                if version != HEAD:
                    _upgrade(connection)
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(resources.files("daemon.db.migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        raise StateCorrupt(
            "The state database has rows that point nowhere and was left as it is",
            "Stop the daemon and put the newest good backup in its place.",
        )


def _refuse_newer(version: str | None) -> None:
    if version is not None and version > HEAD:  # revisions are numbers of four digits
        raise StateError(
            f"The state database was made by a newer version of the program "
            f"(its tables are {version}, this program knows {HEAD})",
            "Install that version again, or put a backup from before the update in place.",
        )
