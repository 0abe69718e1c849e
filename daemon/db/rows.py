"""Rows to records and back. SQLite holds signed integers, UTF-8 text and JSON; we hold more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row

from daemon.db.records import (
    AttemptRecord,
    CommandRecord,
    EventRecord,
    Fingerprint,
    JobRecord,
    LogRecord,
    Owner,
)
from daemon.states import Disposition, JobEvent, JobState
from pipeline.messages import OutputFile, RowCounts

AnyRow = Row[*tuple[Any, ...]]
_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode  # made once: it is hot


def signed(number: int) -> int:
    """An unsigned 64-bit device or inode number, as CIFS and ZFS have them, in SQLite's terms."""
    return number - (1 << 64) if number >= 1 << 63 else number


def unsigned(number: int) -> int:
    """Inverse of `signed`."""
    return number + (1 << 64) if number < 0 else number


def plain_text(text: str) -> str:
    """Text that is valid UTF-8: a lone surrogate, as in an odd file name, becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_json(document: Any) -> str:
    """JSON text; ASCII only, so that every string can be stored."""
    return _ENCODE(document)


def fingerprint_columns(value: Fingerprint) -> dict[str, Any]:
    """The four columns of a fingerprint."""
    return {
        "device": signed(value.device),
        "inode": signed(value.inode),
        "size_bytes": value.size_bytes,
        "mtime_ns": value.mtime_ns,
    }


def _counts_columns(value: RowCounts | None) -> dict[str, Any]:
    names = ("read", "added", "written", "rejected", "duplicate", "skipped")
    return {f"rows_{name}": None if value is None else getattr(value, name) for name in names}


_FLATTENED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "fingerprint": fingerprint_columns,
    "counts": _counts_columns,
}
_STORED: dict[str, Callable[[Any], Any]] = {  # None is stored as NULL without asking these
    "sha256": str,
    "attempts": int,
    "not_before_s": float,
    "disposition": lambda value: Disposition(value).value,
    "reason_code": str,
    "reason_note": plain_text,
    "reason_details": lambda value: to_json(list(value)),
    "contract": plain_text,
    "contract_version": plain_text,
    "delivery": os.fsencode,
    "duplicate_of": int,
    "parent_id": int,
}


def changed_columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Column values for changes of JobRecord fields.

    Raises:
        ValueError: a field that a move may not set; names the field, not the value.
    """
    columns: dict[str, Any] = {}
    for name, value in changes.items():
        if name in _FLATTENED:
            columns |= _FLATTENED[name](value)
        elif name in _STORED:
            columns[name] = None if value is None else _STORED[name](value)
        else:
            raise ValueError(f"a move cannot change '{name}'")
    return columns


def changed_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` as a record read back from the database would show them."""
    fields = dict(changes)
    for name in fields.keys() & _SHOWN.keys():
        if fields[name] is not None:
            fields[name] = _SHOWN[name](fields[name])
    return fields


_SHOWN: dict[str, Callable[[Any], Any]] = {
    **{name: _STORED[name] for name in ("sha256", "not_before_s", "reason_code", "reason_note")},
    **{name: _STORED[name] for name in ("contract", "contract_version")},
    "disposition": Disposition,
    "reason_details": tuple,
}


def job_record(row: AnyRow) -> JobRecord:
    """The record of one full row of `job`."""
    return JobRecord(
        id=row.id,
        state=JobState(row.state),
        events=row.events,
        source=row.source,
        fingerprint=Fingerprint(
            device=unsigned(row.device),
            inode=unsigned(row.inode),
            size_bytes=row.size_bytes,
            mtime_ns=row.mtime_ns,
        ),
        owner=Owner(uid=row.uid, gid=row.gid, mode=row.mode),
        parent_id=row.parent_id,
        duplicate_of=row.duplicate_of,
        sha256=row.sha256,
        attempts=row.attempts,
        not_before_s=row.not_before_s,
        disposition=None if row.disposition is None else Disposition(row.disposition),
        reason_code=row.reason_code,
        reason_note=row.reason_note,
        reason_details=() if row.reason_details == "[]" else tuple(json.loads(row.reason_details)),
        contract=row.contract,
        contract_version=row.contract_version,
        counts=_counts(row),
        delivery=None if row.delivery is None else os.fsdecode(row.delivery),
        created_at_s=row.created_at_s,
        updated_at_s=row.updated_at_s,
        finished_at_s=row.finished_at_s,
    )


def _counts(row: AnyRow) -> RowCounts | None:
    if row.rows_read is None:
        return None
    return RowCounts(
        read=row.rows_read,
        added=row.rows_added,
        written=row.rows_written,
        rejected=row.rows_rejected,
        duplicate=row.rows_duplicate,
        skipped=row.rows_skipped,
    )


def event_record(row: AnyRow) -> EventRecord:
    """The record of one row of `event`."""
    return EventRecord(
        job_id=row.job_id,
        seq=row.seq,
        at_s=row.at_s,
        kind=JobEvent(row.kind),
        from_state=None if row.from_state is None else JobState(row.from_state),
        to_state=JobState(row.to_state),
        code=row.code,
        detail={} if row.detail == "{}" else json.loads(row.detail),
    )


def attempt_record(row: AnyRow) -> AttemptRecord:
    """The record of one row of `attempt`."""
    return AttemptRecord(
        job_id=row.job_id,
        number=row.number,
        started_at_s=row.started_at_s,
        ended_at_s=row.ended_at_s,
        outcome=row.outcome,
        code=row.code,
        note=row.note,
    )


def output_file(row: AnyRow) -> OutputFile:
    """The file of one row of `output`."""
    return OutputFile(name=row.name, sha256=row.sha256, size_bytes=row.size_bytes)


def command_record(row: AnyRow) -> CommandRecord:
    """The record of one row of `command`."""
    return CommandRecord(
        id=row.id,
        kind=row.kind,
        args=json.loads(row.args),
        requested_by=row.requested_by,
        created_at_s=row.created_at_s,
        done_at_s=row.done_at_s,
        ok=None if row.ok is None else bool(row.ok),
        answer=row.answer,
    )


def log_record(row: AnyRow) -> LogRecord:
    """The record of one row of `log`."""
    return LogRecord(
        id=row.id,
        at_s=row.at_s,
        level=row.level,
        job_id=row.job_id,
        message=row.message,
        fields=json.loads(row.fields),
    )
