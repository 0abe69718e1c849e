"""What the store hands out and takes in: frozen plain data, safe to keep, compare and print."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from daemon.db.files import Fingerprint, Owner, shown
from daemon.states import Disposition, JobEvent, JobState
from pipeline.messages import OutputFile, RowCounts

__all__ = [
    "AttemptRecord",
    "ClaimIntent",
    "CommandRecord",
    "Dossier",
    "EventRecord",
    "Fingerprint",
    "JobRecord",
    "KnownFile",
    "LogLine",
    "LogRecord",
    "Move",
    "Owner",
    "parent_folder",
    "shown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimIntent:
    """A file we are about to take. `source` is its path relative to the inbox, as bytes."""

    source: bytes
    fingerprint: Fingerprint
    owner: Owner
    parent_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it stood when it was read. `*_at_s` are UTC epoch seconds.

    `events` counts its history so far. It is also the version an update is checked against: a
    record that is one event behind cannot move the job, even if the state is the same again.
    """

    id: int
    state: JobState
    source: bytes
    fingerprint: Fingerprint
    owner: Owner
    parent_id: int | None
    duplicate_of: int | None
    sha256: str | None
    attempts: int
    not_before_s: float
    disposition: Disposition | None
    reason_code: str | None
    reason_note: str | None
    reason_details: tuple[str, ...]
    contract: str | None
    contract_version: str | None
    counts: RowCounts | None
    delivery: str | None
    created_at_s: float
    updated_at_s: float
    finished_at_s: float | None
    events: int = 0

    @property
    def label(self) -> str:
        """The job's name for people, logs and folders: j42."""
        return f"j{self.id}"

    @property
    def name(self) -> bytes:
        """The file's own name, without its folders."""
        return self.source.rsplit(b"/", 1)[-1]

    @property
    def shown_source(self) -> str:
        """The path for people: control characters and bytes that are not UTF-8 escaped."""
        return shown(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of one job along the transition table, with everything it changes.

    `changes` are JobRecord fields to set (sha256, fingerprint, attempts, not_before_s,
    disposition, reason_code, reason_note, reason_details, contract, contract_version, counts,
    delivery, duplicate_of, parent_id). `outputs` are recorded with ATTEMPT_SUCCEEDED. `detail`
    goes into the event row: numbers and codes, no names, no values. `opens` are jobs that come out
    of this one; they are recorded in the same transaction, each naming it as its parent.
    """

    job: JobRecord
    event: JobEvent
    changes: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[OutputFile, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    opens: tuple[ClaimIntent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One line of a job's history."""

    job_id: int
    seq: int
    at_s: float
    kind: JobEvent
    from_state: JobState | None
    to_state: JobState
    code: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try at a job. `outcome` is None while it is open."""

    job_id: int
    number: int
    started_at_s: float
    ended_at_s: float | None
    outcome: str | None
    code: str | None
    note: str | None


class Dossier(NamedTuple):
    """What is recorded about one job besides its row: outputs by name, the others in order."""

    outputs: list[OutputFile]
    attempts: list[AttemptRecord]
    story: list[EventRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file we put somewhere ourselves: if it comes back, it belongs to the story of `job_id`."""

    device: int
    inode: int
    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line to be stored. `fields` hold numbers and codes; no names, no values."""

    at_s: float
    level: str
    message: str
    job_id: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line the program said."""

    id: int
    at_s: float
    level: str
    job_id: int | None
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """Something an operator asked for. `ok` is None until the daemon has answered."""

    id: int
    kind: str
    args: dict[str, Any]
    requested_by: str
    created_at_s: float
    done_at_s: float | None
    ok: bool | None
    answer: str | None


def parent_folder(source: bytes) -> PurePosixPath:
    """The inbox sub-folder a file was dropped in; '.' for the inbox itself."""
    return PurePosixPath(source.decode("utf-8", "surrogateescape")).parent
