"""A state database with a long past, made by its own rules: every job begins and then ends."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_BEGIN = """
INSERT INTO job (id, state, events, source, source_shown, device, inode, size_bytes, mtime_ns,
                 uid, gid, mode, created_at_s, updated_at_s)
WITH RECURSIVE number (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM number WHERE n < :last)
SELECT n, 'claiming', 1, CAST('f' || n || '.csv' AS BLOB), 'f' || n || '.csv', 1, n, 1000, 0,
       0, 0, 33184, 1.7e9 + n, 1.7e9 + n FROM number
"""
_END = """
UPDATE job SET state = CASE WHEN id % 50 = 0 THEN 'quarantined' ELSE 'delivered' END,
    disposition = CASE WHEN id % 50 = 0 THEN 'quarantined' ELSE 'delivered' END,
    reason_code = CASE WHEN id % 50 = 0 THEN 'TRUNCATED' END,
    sha256 = printf('%064x', id), contract = 'patients', events = 2, attempts = 1,
    finished_at_s = created_at_s + 1, updated_at_s = created_at_s + 1
WHERE id BETWEEN :first AND :last
"""
_SLICE = 100_000


def fill(path: Path, jobs: int) -> None:
    """Add finished jobs to the database at `path`, which no daemon uses now."""
    state = sqlite3.connect(path)
    try:
        for first in range(1, jobs + 1, _SLICE):
            span = {"first": first, "last": min(first + _SLICE - 1, jobs)}
            with state:
                state.execute(_BEGIN, span)
                state.execute(_END, span)
    finally:
        state.close()
