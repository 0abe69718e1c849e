"""Is the state database sound? Asks SQLite, then compares the facts that are kept twice."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from daemon.db.models import job, tally
from daemon.states import FINISHED

_FINISHED = [state.value for state in FINISHED]


def problems_of(connection: Connection) -> list[str]:
    """What is wrong, one sentence each. Reads everything: seconds for a million jobs."""
    damaged = [
        f"damaged: {finding}"
        for (finding,) in connection.execute(text("PRAGMA integrity_check"))
        if finding != "ok"
    ]
    dangling = [
        f"a row of {row[0]} points to a row of {row[2]} that is not there"
        for row in connection.execute(text("PRAGMA foreign_key_check"))
    ]
    compared = [f"{found} {what}" for what, found in _contradictions(connection) if found]
    return damaged + dangling + compared


def _contradictions(connection: Connection) -> list[tuple[str, int]]:
    """Facts that are kept twice, compared."""
    code = func.coalesce(job.c.reason_code, "").label("code")
    seen = (
        select(job.c.state, code, func.count().label("jobs"))
        .where(job.c.state.in_(_FINISHED))
        .group_by(job.c.state, code)
        .subquery()
    )
    same = (tally.c.state == seen.c.state) & (tally.c.code == seen.c.code)
    miscounted = (
        select(func.count())
        .select_from(seen.outerjoin(tally, same))
        .where(seen.c.jobs.is_distinct_from(tally.c.jobs))
    )
    untold = text("""
        SELECT count(*) FROM job WHERE events IS NOT (
            SELECT max(seq) FROM event WHERE event.job_id = job.id)
        OR state IS NOT (
            SELECT to_state FROM event WHERE event.job_id = job.id ORDER BY seq DESC LIMIT 1)""")
    unattended = text("""
        SELECT count(*) FROM job WHERE (state = 'running') IS NOT EXISTS (
            SELECT 1 FROM attempt WHERE attempt.job_id = job.id AND ended_at_s IS NULL)""")
    return [
        ("counters differ from the jobs they count", connection.scalar(miscounted) or 0),
        ("jobs are not where their history says", connection.scalar(untold) or 0),
        ("jobs run without an attempt, or the reverse", connection.scalar(unattended) or 0),
    ]
