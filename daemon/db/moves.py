"""How jobs are written: new ones and moves, each with its event row, in the caller's transaction.

A group costs one statement per table, not one per job: that is what lets thousands of small files
share a commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Integer,
    Update,
    bindparam,
    cast,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from daemon.db.errors import StaleJob
from daemon.db.models import attempt, event, job, meta, output
from daemon.db.records import ClaimIntent, JobRecord, Move, shown
from daemon.db.rows import (
    changed_columns,
    changed_fields,
    fingerprint_columns,
    plain_text,
    to_json,
)
from daemon.states import JobEvent, JobState, advance

SKIPPED_IDS = "skipped_ids"  # key in `meta`
_IDS_IN_USE = union_all(
    select(func.coalesce(func.max(job.c.id), 0)),
    select(cast(meta.c.value, Integer)).where(meta.c.key == SKIPPED_IDS),
)
_INSERT_JOB = insert(job)
_INSERT_EVENT = insert(event)
_INSERT_ATTEMPT = insert(attempt)
_INSERT_OUTPUT = insert(output)
_CLOSE_ATTEMPT = (
    update(attempt)
    .where(attempt.c.job_id == bindparam("of_job"), attempt.c.ended_at_s.is_(None))
    .values(
        ended_at_s=bindparam("ended"),
        outcome=bindparam("how"),
        code=bindparam("why"),
        note=bindparam("remark"),
    )
)


def insert_jobs(
    connection: Connection, intents: Sequence[ClaimIntent], now_s: float
) -> list[JobRecord]:
    """Insert a `claiming` job and its first event for each intent; ids ascend in their order."""
    last = max(connection.scalars(_IDS_IN_USE), default=0)
    opened = [_opened(last + n, intent, now_s) for n, intent in enumerate(intents, start=1)]
    _run(connection, _INSERT_JOB, [_new_row(record) for record in opened])
    _run(
        connection,
        _INSERT_EVENT,
        [
            _event_row(record, JobEvent.CLAIM_INTENDED, None, None, intent.detail)
            for record, intent in zip(opened, intents, strict=True)
        ],
    )
    return opened


def apply_moves(connection: Connection, moves: Sequence[Move], now_s: float) -> list[JobRecord]:
    """Apply every move, or raise before the transaction can commit.

    Raises:
        InvalidTransition: an event that cannot happen in its job's state.
        StaleJob: some of these jobs are not as their records say.
        ValueError: a change that a move may not make.
    """
    moved = [_moved(move, now_s) for move in moves]
    _update_jobs(connection, moves, moved)
    events = [
        _event_row(after, move.event, move.job.state, _code(move), move.detail)
        for move, after in zip(moves, moved, strict=True)
    ]
    _run(connection, _INSERT_EVENT, events)
    _write_attempts(connection, moves, moved)
    outputs = [
        {
            "job_id": move.job.id,
            "name": plain_text(file.name),
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
        }
        for move in moves
        for file in move.outputs
    ]
    if outputs:
        _run(connection, _INSERT_OUTPUT, outputs)
    opened = [intent for move in moves for intent in move.opens]
    if opened:
        insert_jobs(connection, opened, now_s)
    return moved


def _moved(move: Move, now_s: float) -> JobRecord:
    """The job as it will stand after the move."""
    if move.outputs and move.event is not JobEvent.ATTEMPT_SUCCEEDED:
        raise ValueError(f"{move.event} has no outputs")
    if move.event is JobEvent.ATTEMPT_STARTED and "attempts" not in move.changes:
        raise ValueError(f"{move.event} must count its attempt")
    to_state = advance(move.job.state, move.event)
    return replace(
        move.job,
        **changed_fields(move.changes),
        state=to_state,
        events=move.job.events + 1,
        updated_at_s=now_s,
        finished_at_s=now_s if to_state.is_finished else None,
    )


def _update_jobs(connection: Connection, moves: Sequence[Move], moved: Sequence[JobRecord]) -> None:
    """One UPDATE per set of changed columns, so that no untouched index is rewritten."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for move, after in zip(moves, moved, strict=True):
        columns = changed_columns(move.changes)
        groups[tuple(sorted(columns))].append(
            {f"new_{name}": value for name, value in columns.items()}
            | {
                "new_state": after.state.value,
                "new_events": after.events,
                "new_updated_at_s": after.updated_at_s,
                "new_finished_at_s": after.finished_at_s,
                "of_job": move.job.id,
                "in_state": move.job.state.value,
                "after_events": move.job.events,
            }
        )
    for names, rows in groups.items():
        if _run(connection, _update_of(names), rows) != len(rows):
            raise StaleJob(tuple(move.job.id for move in moves))


@cache
def _update_of(names: tuple[str, ...]) -> Update:
    """Guarded twice: by the state, and by the event count, since a state can come round again."""
    columns = (*names, "state", "events", "updated_at_s", "finished_at_s")
    return (
        update(job)
        .where(
            job.c.id == bindparam("of_job"),
            job.c.state == bindparam("in_state"),
            job.c.events == bindparam("after_events"),
        )
        .values({name: bindparam(f"new_{name}") for name in columns})
    )


def _write_attempts(
    connection: Connection, moves: Sequence[Move], moved: Sequence[JobRecord]
) -> None:
    """Open the attempts that start and close those that are over."""
    opened = [
        {"job_id": after.id, "number": after.attempts, "started_at_s": after.updated_at_s}
        for after in moved
        if after.state is JobState.RUNNING
    ]
    closed = [
        {
            "of_job": after.id,
            "ended": after.updated_at_s,
            "how": move.event.value,
            "why": _code(move),
            "remark": _note(move),
        }
        for move, after in zip(moves, moved, strict=True)
        if move.job.state is JobState.RUNNING
    ]
    if closed:
        _run(connection, _CLOSE_ATTEMPT, closed)
    if opened:
        _run(connection, _INSERT_ATTEMPT, opened)


def _opened(job_id: int, intent: ClaimIntent, now_s: float) -> JobRecord:
    return JobRecord(
        id=job_id,
        state=JobState.CLAIMING,
        events=1,
        source=bytes(intent.source),
        fingerprint=intent.fingerprint,
        owner=intent.owner,
        parent_id=intent.parent_id,
        duplicate_of=None,
        sha256=None,
        attempts=0,
        not_before_s=0.0,
        disposition=None,
        reason_code=None,
        reason_note=None,
        reason_details=(),
        contract=None,
        contract_version=None,
        counts=None,
        delivery=None,
        created_at_s=now_s,
        updated_at_s=now_s,
        finished_at_s=None,
    )


def _new_row(record: JobRecord) -> dict[str, Any]:
    return fingerprint_columns(record.fingerprint) | {
        "id": record.id,
        "state": record.state.value,
        "events": record.events,
        "source": record.source,
        "source_shown": shown(record.source),
        "uid": record.owner.uid,
        "gid": record.owner.gid,
        "mode": record.owner.mode,
        "parent_id": record.parent_id,
        "attempts": record.attempts,
        "not_before_s": record.not_before_s,
        "reason_details": to_json(record.reason_details),
        "created_at_s": record.created_at_s,
        "updated_at_s": record.updated_at_s,
    }


def _event_row(
    after: JobRecord,
    kind: JobEvent,
    from_state: JobState | None,
    code: str | None,
    detail: dict[str, Any],
) -> dict[str, Any]:
    return {
        "job_id": after.id,
        "seq": after.events,
        "at_s": after.updated_at_s,
        "kind": kind.value,
        "from_state": None if from_state is None else from_state.value,
        "to_state": after.state.value,
        "code": code,
        "detail": to_json(detail),
    }


def _code(move: Move) -> str | None:
    """The reason code this move brings, if any."""
    code = move.changes.get("reason_code", move.detail.get("code"))
    return None if code is None else str(code)


def _note(move: Move) -> str | None:
    note = move.changes.get("reason_note", move.detail.get("note"))
    return None if note is None else plain_text(str(note))


def _run(connection: Connection, statement: Update | Insert, rows: list[dict[str, Any]]) -> int:
    """Execute for every row of a group (all with the same keys); returns how many rows it met.

    The statement is compiled once and then bound by position: SQLAlchemy's own way through
    `execute` takes longer than SQLite does.
    """
    sql, names = _compiled(statement, tuple(rows[0]))
    values = [tuple([row[name] for name in names]) for row in rows]
    return connection.exec_driver_sql(sql, values).rowcount


@cache
def _compiled(statement: Update | Insert, keys: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=keys)
    return str(compiled), tuple(compiled.positiontup or ())
