"""The few figures of the state database that `status` shows, read by plain SQL.

SQLAlchemy takes longer to import than all else that command does. Anything unusual is left to
`daemon.db.queries`, which can say what is wrong.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from daemon.db.opening import connect_to_read
from daemon.db.version import HEAD
from daemon.states import LIVE, JobState

_VERSION = "SELECT version_num FROM alembic_version"
_JOBS = """
    SELECT state, count(*) FROM job WHERE state IN ({}) GROUP BY state
    UNION ALL SELECT state, sum(jobs) FROM tally GROUP BY state
"""
_PAUSED = "SELECT value FROM meta WHERE key = 'paused'"
_LAST = "SELECT finished_at_s FROM job WHERE state = 'delivered' ORDER BY id DESC LIMIT 1"
_ERRORS = "SELECT code, jobs FROM tally WHERE state = 'quarantined' ORDER BY jobs DESC, code"


class Figures(NamedTuple):
    """jobs: by state, every state there. errors: refused files by code, most frequent first."""

    jobs: dict[str, int]
    errors: dict[str, int]
    paused: str | None
    last_delivery_s: float | None


def figures(path: Path) -> Figures | None:
    """The figures in the state database at `path`; None when it cannot be read as usual."""
    if not path.exists():
        return None
    try:
        with closing(connect_to_read(path)) as state:
            return _figures_in(state)
    except (sqlite3.Error, OSError, UnicodeError):
        return None


def _figures_in(state: sqlite3.Connection) -> Figures | None:
    live = sorted(str(one) for one in LIVE)
    state.execute("BEGIN")  # all of one moment
    version = state.execute(_VERSION).fetchone()
    if version is None or version[0] != HEAD:
        return None
    counts = dict(state.execute(_JOBS.format(", ".join("?" * len(live))), live).fetchall())
    paused = state.execute(_PAUSED).fetchone()
    last = state.execute(_LAST).fetchone()
    return Figures(
        jobs={str(one): counts.get(str(one), 0) for one in JobState},
        errors=dict(state.execute(_ERRORS).fetchall()),
        paused=paused[0] if paused else None,
        last_delivery_s=last[0] if last else None,
    )
