"""The job store: every durable change is one method, one transaction, one event row a job."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from daemon.db import backup
from daemon.db.engine import create_file, writer_engine
from daemon.db.errors import (
    JobUnknown,
    StaleJob,
    StateCorrupt,
    StateError,
    StateMissing,
    StateUnavailable,
    plain_errors,
)
from daemon.db.live import LiveJobs
from daemon.db.models import command, job, known_file, log, meta
from daemon.db.moves import SKIPPED_IDS, apply_moves, insert_jobs
from daemon.db.opening import connect_to_read
from daemon.db.queries import ReadStore
from daemon.db.records import ClaimIntent, JobRecord, KnownFile, LogLine, Move
from daemon.db.rows import plain_text, signed, to_json
from daemon.db.schema import migrate
from daemon.states import LIVE, JobState

__all__ = [
    "JobStore",
    "JobUnknown",
    "ReadStore",
    "StaleJob",
    "StateCorrupt",
    "StateError",
    "StateMissing",
    "StateUnavailable",
]

_MOST_META = 1_000  # keys that are kept in memory
_SLICE = 5_000  # rows deleted in one transaction: the coordinator never waits long for a purge


class JobStore(ReadStore):
    """Jobs and their history in SQLite: all that `ReadStore` reads, and every change.

    `create` makes the database if it is missing and migrates it to the present schema; it is for
    the daemon. Without it the database must be there and be up to date. `clock` gives UTC epoch
    seconds. Safe to share between threads.

    Raises (every method, too):
        StateMissing: there is no database, and `create` is off.
        StateError: the database is newer than the program, or not ours.
        StateUnavailable: lock, full disk or read error; whether the change was made must be read
            again before anything is decided upon it.
        StateCorrupt: the file is damaged.
    """

    _may_write = True

    def __init__(self, path: Path, clock: Callable[[], float], *, create: bool = True) -> None:
        if create:
            _make(path)
        super().__init__(path, clock)
        self._writer = writer_engine(path)
        self._turn = threading.RLock()
        self._live: LiveJobs | None = None  # until somebody asks, and after every failure
        self._meta: dict[str, str | None] = {}  # what was asked for
        self._hold_open()

    @staticmethod
    def open_readonly(path: Path, clock: Callable[[], float]) -> ReadStore:
        """A store that cannot write, for any process, with the daemon up or down."""
        return ReadStore(path, clock)

    def open_jobs(self, intents: Sequence[ClaimIntent]) -> list[JobRecord]:
        """Record the intent to claim files, before any of them is touched. One transaction."""
        if not intents:
            return []
        with self._turn:
            with self._writing() as connection:
                opened = insert_jobs(connection, intents, self._clock())
            if self._live is not None:
                self._live.opened(opened)
        return opened

    def skip_ids(self, highest: int) -> None:
        """Give no new job a number up to `highest`: folders on disk already bear them.

        Needed after a backup was put in place, which knows nothing of the jobs since.
        """
        if highest > int(self.meta_get(SKIPPED_IDS) or 0):
            self.meta_set(SKIPPED_IDS, str(highest))

    def advance(self, move: Move) -> JobRecord:
        """Apply one move and return the job as it then stands; see `advance_all`."""
        return self.advance_all([move])[0]

    def advance_all(self, moves: Sequence[Move]) -> list[JobRecord]:
        """Apply all moves with their event rows in one transaction, or none of them.

        Raises:
            InvalidTransition: an event cannot happen in its job's state.
            StaleJob: names the jobs that are not any more as their records say.
            ValueError: a change that a move may not make, or outputs without a success.
        """
        if not moves:
            return []
        with self._turn:
            try:
                with self._writing() as connection:
                    moved = apply_moves(connection, moves, self._clock())
            except StaleJob as stale:
                raise StaleJob(self._outdated(moves) or stale.job_ids) from None
            known = self._live
            if any(move.opens for move in moves) or (
                known is not None and not known.moved([move.job for move in moves], moved)
            ):
                self._live = None
        return moved

    def remember_files(self, files: Sequence[KnownFile]) -> None:
        """Note which file on disk came from which job; the newest note wins."""
        if not files:
            return
        now_s = self._clock()
        statement = upsert(known_file)
        statement = statement.on_conflict_do_update(
            index_elements=["device", "inode"],
            set_={
                "job_id": statement.excluded.job_id,
                "recorded_at_s": statement.excluded.recorded_at_s,
            },
        )
        noted = [
            {
                "device": signed(file.device),
                "inode": signed(file.inode),
                "job_id": file.job_id,
                "recorded_at_s": now_s,
            }
            for file in files
        ]
        with self._writing() as connection:
            connection.execute(statement, noted)

    def forget_files(self, before_s: float) -> int:
        """Drop notes older than that: an inode number is used again. Returns how many."""
        with self._writing() as connection:
            gone = connection.execute(
                delete(known_file).where(known_file.c.recorded_at_s < before_s)
            )
            return gone.rowcount

    def ask(self, kind: str, args: dict[str, Any], requested_by: str) -> int:
        """Leave a command for the daemon; returns its id, to look for the answer under."""
        asked = {
            "kind": kind,
            "args": to_json(args),
            "requested_by": plain_text(requested_by),
            "created_at_s": self._clock(),
        }
        with self._writing() as connection:
            return int(connection.execute(insert(command), asked).lastrowid)

    def answer(
        self, command_id: int, ok: bool, answer: str, *, args: dict[str, Any] | None = None
    ) -> None:
        """Record how a command ended. The first answer stands.

        `args` takes the place of what was asked: what was needed to do it need not be kept.
        """
        given: dict[str, Any] = {
            "ok": int(ok),
            "answer": plain_text(answer),
            "done_at_s": self._clock(),
        }
        if args is not None:
            given["args"] = to_json(args)
        with self._writing() as connection:
            connection.execute(
                update(command)
                .where(command.c.id == command_id, command.c.done_at_s.is_(None))
                .values(given)
            )

    def add_logs(self, lines: Sequence[LogLine]) -> None:
        """Store log lines, in order, in one transaction."""
        if not lines:
            return
        stored = [
            {
                "at_s": line.at_s,
                "level": line.level,
                "job_id": line.job_id,
                "message": plain_text(line.message),
                "fields": to_json(line.fields),
            }
            for line in lines
        ]
        with self._writing() as connection:
            connection.execute(insert(log), stored)

    def purge_logs(self, before_s: float) -> int:
        """Delete log lines older than that, in short transactions. Returns how many."""
        old = select(log.c.id).where(log.c.at_s < before_s).limit(_SLICE)
        purged = 0
        while True:
            with self._writing() as connection:
                gone = connection.execute(delete(log).where(log.c.id.in_(old))).rowcount
            purged += gone
            if gone < _SLICE:
                return purged

    def meta_set(self, key: str, value: str | None) -> None:
        """Keep `value` under `key`; None removes it."""
        with self._turn:
            self._meta.pop(key, None)
            with self._writing() as connection:
                connection.execute(delete(meta).where(meta.c.key == key))
                if value is not None:
                    connection.execute(insert(meta), {"key": key, "value": plain_text(value)})

    def meta_get(self, key: str) -> str | None:
        """As `ReadStore`; asked once, since no other process writes there."""
        with self._turn:
            if key not in self._meta:
                if len(self._meta) >= _MOST_META:
                    self._meta.clear()
                self._meta[key] = super().meta_get(key)
            return self._meta[key]

    def counts_by_state(self) -> dict[JobState, int]:
        """As `ReadStore`, without a question: no other process moves jobs."""
        return self._jobs_at_hand().counts

    def in_state(
        self, *states: JobState, due_by_s: float = math.inf, limit: int | None = None
    ) -> list[JobRecord]:
        """As `ReadStore`; live jobs are known without a question."""
        if not LIVE.issuperset(states):
            return super().in_state(*states, due_by_s=due_by_s, limit=limit)
        return self._jobs_at_hand().in_state(states, due_by_s, limit)

    def _jobs_at_hand(self) -> LiveJobs:
        with self._turn:
            if self._live is None:
                self._live = LiveJobs(super().in_state(*LIVE), super().counts_by_state())
            return self._live

    def probe(self) -> None:
        """Write something over a new connection, to learn whether the database takes anything now.

        Raises:
            StateUnavailable: it does not.
        """
        with self._turn:
            self._start_afresh()
            self.meta_set("written_at_s", repr(self._clock()))

    def backup_to(self, path: Path) -> None:
        """Write a consistent, checked copy to `path`, whole or not at all; work goes on meanwhile.

        Raises:
            StateCorrupt: the copy does not pass its check; an older file at `path` is kept.
        """
        backup.backup_to(self.path, path)

    def keep_in_place(self) -> bool:
        """Put the database back if somebody deleted it under us. False when it was replaced.

        Cheap when all is well. A file that was moved away and back is the same file.

        Raises:
            StateUnavailable: it was deleted and cannot be written again.
        """
        now = _identity_of(self.path)
        if now is not None:
            return now == self._identity
        backup.put_back(self._kept, self.path)
        self._kept.close()
        self._writer.dispose()
        self._reader.dispose()
        self._forget()
        self._hold_open()
        return True

    def _hold_open(self) -> None:
        """Keep one connection whatever the pools do: it is what a deleted file is saved from.

        The writer comes first, since it turns the log on: a connection that has not read with the
        log would look for it by name, and find nothing, once the files are deleted.
        """
        with plain_errors():
            self._writer.connect().close()
            self._kept = connect_to_read(self.path)
            self._kept.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        self._identity = _identity_of(self.path)

    def close(self) -> None:
        """Fold the write-ahead log into the database and release the files."""
        self._kept.close()
        try:
            with plain_errors(), self._writer.connect() as connection:
                driver: Any = connection.connection.dbapi_connection
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except StateError:
            pass  # the log stays beside the database and is read from there next time
        finally:
            self._writer.dispose()
            super().close()

    def _outdated(self, moves: Sequence[Move]) -> tuple[int, ...]:
        expected = {move.job.id: move.job.events for move in moves}
        wanted = select(job.c.id, job.c.events).where(job.c.id.in_(expected))
        found = {row.id: row.events for row in self._all(wanted)}
        return tuple(job_id for job_id in expected if found.get(job_id) != expected[job_id])

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._turn:  # one thread writes, and when it starts afresh, no other is half-way
            try:
                with plain_errors(), self._writer.begin() as connection:
                    yield connection
            except StateError:
                self._start_afresh()
                raise
            except BaseException:
                self._forget()
                raise

    def _forget(self) -> None:
        """What is kept of the database is asked for again."""
        self._live = None
        self._meta.clear()

    def _start_afresh(self) -> None:
        """Close every connection: one that met an error may be stuck in it.

        A lock that could not be given back is kept by the process until the last one is closed,
        and none is while a cursor of its lives on in the traces of the errors it met.
        """
        self._forget()  # also a commit that seemed to fail may have been made
        self._writer.dispose()
        self._reader.dispose()
        gc.collect()


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:  # it may well be there: nothing must be put in its place
        raise StateUnavailable(
            f"The state database cannot be looked at ({error.strerror})", "Check the disk."
        ) from None
    return seen.st_dev, seen.st_ino


def _make(path: Path) -> None:
    """Make the file if need be, and bring its tables to the present schema."""
    try:
        create_file(path)
        backup.sync_folder(path.parent)
    except OSError as error:
        raise StateUnavailable(
            f"The state database cannot be created ({error.strerror})",
            "Check that its folder exists and that the service's user may write there.",
        ) from None
    engine = writer_engine(path)
    try:
        with plain_errors():
            migrate(engine)
    finally:
        engine.dispose()
