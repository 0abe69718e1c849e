"""How the state database is opened by plain SQLite; what has no time for SQLAlchemy reads so."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

BUSY_TIMEOUT_S = 5.0  # readers of the CLI hold nothing that long; a stuck process might


def connect_to_read(path: Path, mode: str | None = None) -> sqlite3.Connection:
    """A plain connection that cannot write."""
    connection = connect(path, mode or _reading_mode(path))
    connection.execute("PRAGMA query_only = ON")
    return connection


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A plain connection; `mode` is the query of an SQLite URI."""
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path.absolute()))}?{mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,  # we say BEGIN ourselves
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )


def _reading_mode(path: Path) -> str:
    """Read-write if it may be: a reader of a WAL database has to keep its -shm file in order."""
    if all(os.access(place, os.W_OK, effective_ids=True) for place in (path, path.parent)):
        return "mode=rw"
    if path.with_name(path.name + "-wal").exists():
        return "mode=ro"
    return "mode=ro&immutable=1"  # a read-only copy with no log beside it: nobody can change it
