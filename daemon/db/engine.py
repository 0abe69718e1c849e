"""How the state database is opened: one writer, several readers, every pragma with its reason.

SQLite begins no transaction for a SELECT by default, so read-modify-write loses updates without an
error. The writer engine therefore says BEGIN IMMEDIATE itself, and reading has an engine of its
own, so that a forgotten read can never hold the write lock.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from daemon.db.opening import BUSY_TIMEOUT_S, connect, connect_to_read

_BUSY_PAUSE_S = 0.02
_WAL_LIMIT_BYTES = 64 * 1024 * 1024  # a long read lets the log grow; afterwards it shrinks to this


def writer_engine(path: Path) -> Engine:
    """An engine whose transactions hold the write lock from their first statement on."""

    def open_to_write() -> sqlite3.Connection:
        connection = connect(path, "mode=rw")
        _turn_log_on(connection)
        connection.execute("PRAGMA synchronous = FULL")  # an intent must survive a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # INSERT OR REPLACE is a DELETE too
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        return connection

    engine = create_engine(
        "sqlite://",
        creator=open_to_write,
        poolclass=QueuePool,
        pool_size=1,  # SQLite has one writer; threads queue here, not in the busy timeout
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reader_engine(path: Path, *, beside_writer: bool = False) -> Engine:
    """An engine that cannot write. It works while a writer is open and while none is.

    beside_writer: the writer is in this very process; never fall back to a copy nobody changes.
    """

    return create_engine(
        "sqlite://",
        creator=lambda: connect_to_read(path, "mode=rw" if beside_writer else None),
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=12,
        hide_parameters=True,
    )


def create_file(path: Path) -> None:
    """Make an empty database file and its directory, for nobody else's eyes (0600, 0700).

    SQLite gives its -wal and -shm files the mode of the database, so all three are covered.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # somebody else owns it; then it is theirs to set
        path.parent.chmod(0o700)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:  # not opened: closing it would drop every lock this process has on it
        with contextlib.suppress(PermissionError):
            path.chmod(0o600)


def _turn_log_on(connection: sqlite3.Connection) -> None:
    """With a write-ahead log, readers never wait for the writer.

    For this statement SQLite itself does not wait: a process that opens or closes the database at
    the same moment makes it fail at once.
    """
    until_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
