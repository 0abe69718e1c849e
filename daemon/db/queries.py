"""Every question the state database answers. Nothing here writes, and nothing scans all jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Integer,
    LargeBinary,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    text,
)

from daemon.db import rows
from daemon.db.checks import problems_of
from daemon.db.engine import reader_engine
from daemon.db.errors import JobUnknown, StateError, StateMissing, StateUnavailable, plain_errors
from daemon.db.models import attempt, command, event, job, log, meta, output, tally
from daemon.db.records import (
    AttemptRecord,
    CommandRecord,
    Dossier,
    EventRecord,
    JobRecord,
    LogRecord,
)
from daemon.db.schema import require_head
from daemon.states import LIVE, JobState
from pipeline.messages import OutputFile

_LIVE = [state.value for state in LIVE]

# What is asked for every file, put together once: SQLAlchemy takes longer to build a question than
# SQLite to answer it.
_JOB_ID = bindparam("job_id", type_=Integer)
_JOB = select(job).where(job.c.id == _JOB_ID)
_IN_STATE = (
    select(job).where(job.c.state.in_(bindparam("states", expanding=True))).order_by(job.c.id)
)
_IN_STATE_AND_DUE = _IN_STATE.where(job.c.not_before_s <= bindparam("due_by_s"))
# Lists are given as JSON, so that the question is the same however long they are.
_OF_SEVERAL = "SELECT * FROM {} WHERE job_id IN (SELECT value FROM json_each(:job_ids)) ORDER BY {}"
_STORIES = text(_OF_SEVERAL.format("event", "job_id, seq"))
_ATTEMPTS_OF = text(_OF_SEVERAL.format("attempt", "job_id, id"))
_OUTPUTS_OF = text(_OF_SEVERAL.format("output", "job_id, name"))
_STORY = select(event).where(event.c.job_id == _JOB_ID).order_by(event.c.seq)
_ATTEMPTS = select(attempt).where(attempt.c.job_id == _JOB_ID).order_by(attempt.c.id)
_OUTPUTS = select(output).where(output.c.job_id == _JOB_ID).order_by(output.c.name)
# One look-up for each: asked for all of them at once, SQLite would go through every finished job.
# The states are literal, since a partial index is used only when its rows are known to be meant.
_WITH_ANY = """
    SELECT wanted.value AS sha256, (
        SELECT {}(job.id) FROM job WHERE job.sha256 = wanted.value AND job.state = '{}'
    ) AS id FROM json_each(:sha256s) AS wanted
"""
_DELIVERED_WITH_ANY = text(_WITH_ANY.format("min", "delivered"))
_QUARANTINED_WITH_ANY = text(_WITH_ANY.format("max", "quarantined"))
_FIRST_OF_NAME = (
    select(job.c.source, func.min(job.c.id).label("id"))
    .where(job.c.source.in_(bindparam("sources", expanding=True)))
    .group_by(job.c.source)
)
_JOBS_OF_FILES = text("""
    SELECT known_file.device, known_file.inode, known_file.job_id
    FROM json_each(:files) AS wanted CROSS JOIN known_file
    WHERE known_file.device = json_extract(wanted.value, '$[0]')
        AND known_file.inode = json_extract(wanted.value, '$[1]')
""")
_EARLIER_OF_NAME = (
    select(job)
    .where(job.c.source == bindparam("source", type_=LargeBinary), job.c.id < _JOB_ID)
    .order_by(job.c.id.desc())
    .limit(3)
)
_PENDING_COMMANDS = select(command).where(command.c.done_at_s.is_(None)).order_by(command.c.id)
_META = select(meta.c.value).where(meta.c.key == bindparam("key"))
_COUNTS = (
    select(job.c.state, func.count().label("jobs"))
    .where(job.c.state.in_(_LIVE))
    .group_by(job.c.state)
    .union_all(select(tally.c.state, func.sum(tally.c.jobs)).group_by(tally.c.state))
)

_T = TypeVar("_T")


class ReadStore:
    """Reads the state database at `path`, with or without a daemon that is writing it.

    Raises (every method, too):
        StateMissing: there is no database yet.
        StateUnavailable, StateCorrupt, StateError: see `daemon.db.errors`.
    """

    _may_write = False

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        _require_file(path)
        self.path = path
        self._clock = clock
        self._reader: Engine = reader_engine(path, beside_writer=self._may_write)
        try:
            with self._reading() as connection:
                require_head(connection)
        except StateError:
            self._reader.dispose()
            raise

    def get(self, job_id: int) -> JobRecord:
        """The job as it stands now.

        Raises:
            JobUnknown: no job has this number.
        """
        found = self._jobs(_JOB, job_id=job_id)
        if not found:
            raise JobUnknown(job_id)
        return found[0]

    def in_state(
        self, *states: JobState, due_by_s: float = math.inf, limit: int | None = None
    ) -> list[JobRecord]:
        """Jobs in any of `states` whose `not_before_s` has come, oldest first."""
        wanted = _IN_STATE
        given: dict[str, Any] = {"states": [state.value for state in states]}
        if due_by_s != math.inf:
            wanted, given["due_by_s"] = _IN_STATE_AND_DUE, due_by_s
        return self._jobs(wanted if limit is None else wanted.limit(limit), **given)

    def counts_by_state(self) -> dict[JobState, int]:
        """How many jobs are in each state; every state is there, with 0 if need be."""
        found = {row.state: row.jobs for row in self._all(_COUNTS)}
        return {state: found.get(state.value, 0) for state in JobState}

    def error_counts(self) -> dict[str, int]:
        """How many jobs are quarantined for each code, most frequent first."""
        wanted = (
            select(tally.c.code, tally.c.jobs)
            .where(tally.c.state == JobState.QUARANTINED.value)
            .order_by(tally.c.jobs.desc(), tally.c.code)
        )
        return {row.code: row.jobs for row in self._all(wanted)}

    def jobs(
        self,
        *,
        state: JobState | None = None,
        since_s: float | None = None,
        contract: str | None = None,
        reason: str | None = None,
        source: bytes | None = None,
        limit: int | None = 100,
        before_id: int | None = None,
    ) -> list[JobRecord]:
        """Jobs that fit every given filter, newest first.

        `since_s` is compared with the time the file was claimed, `source` with its path below the
        inbox. `before_id` continues a listing: pass the last id of the page before.
        """
        wanted = select(job)
        if state is not None:
            wanted = wanted.where(job.c.state == state.value)
        if contract is not None:
            wanted = wanted.where(job.c.contract == contract)
        if reason is not None:
            wanted = wanted.where(job.c.reason_code == reason)
        if source is not None:
            wanted = wanted.where(job.c.source == source)
        if before_id is not None:
            wanted = wanted.where(job.c.id < before_id)
        if since_s is not None:
            wanted = _since(wanted, since_s)
        return self._jobs(wanted.order_by(job.c.id.desc()).limit(limit))

    def errors(self, limit: int | None = 100) -> list[JobRecord]:
        """Quarantined jobs, newest first."""
        return self.jobs(state=JobState.QUARANTINED, limit=limit)

    def delivered_with(self, sha256s: Collection[str]) -> dict[str, int]:
        """For those of these bytes that were delivered: the oldest job that had them."""
        return self._with_any(_DELIVERED_WITH_ANY, sha256s)

    def quarantined_with(self, sha256s: Collection[str]) -> dict[str, int]:
        """For those of these bytes that were quarantined: the newest job that had them."""
        return self._with_any(_QUARANTINED_WITH_ANY, sha256s)

    def _with_any(self, wanted: Executable, sha256s: Collection[str]) -> dict[str, int]:
        if not sha256s:
            return {}
        found = self._all(wanted, sha256s=json.dumps(sorted(sha256s)))
        return {row.sha256: row.id for row in found if row.id is not None}

    def first_of_names(self, sources: Collection[bytes]) -> dict[bytes, int]:
        """The first job there ever was for each of these paths below the inbox, if any."""
        if not sources:
            return {}
        return {row.source: row.id for row in self._all(_FIRST_OF_NAME, sources=list(sources))}

    def last_of_name(self, source: bytes, before_id: int) -> list[JobRecord]:
        """The last three jobs before that one for the same path below the inbox, newest first."""
        return self._jobs(_EARLIER_OF_NAME, source=source, job_id=before_id)

    def job_of_file(self, device: int, inode: int) -> int | None:
        """The job that last put this very file somewhere, see `remember_files`."""
        return self.jobs_of_files([(device, inode)]).get((device, inode))

    def jobs_of_files(self, files: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The same for several files (device, inode), those of which it is known."""
        if not files:
            return {}
        wanted = json.dumps([(rows.signed(device), rows.signed(inode)) for device, inode in files])
        return {
            (rows.unsigned(row.device), rows.unsigned(row.inode)): row.job_id
            for row in self._all(_JOBS_OF_FILES, files=wanted)
        }

    def story(self, job_id: int) -> list[EventRecord]:
        """Everything that happened to a job, in order."""
        return [rows.event_record(row) for row in self._all(_STORY, job_id=job_id)]

    def attempts_of(self, job_id: int) -> list[AttemptRecord]:
        """Every try at a job, in order; the last may still be open."""
        return [rows.attempt_record(row) for row in self._all(_ATTEMPTS, job_id=job_id)]

    def tries_of_running(self) -> dict[int, int]:
        """How many attempts each running job has had, the open one included."""
        wanted = (
            select(attempt.c.job_id, func.count().label("tries"))
            .join(job, job.c.id == attempt.c.job_id)
            .where(job.c.state == JobState.RUNNING.value)
            .group_by(attempt.c.job_id)
        )
        return {row.job_id: row.tries for row in self._all(wanted)}

    def outputs_of(self, job_id: int) -> list[OutputFile]:
        """The files of a job's delivery, by name."""
        return [rows.output_file(row) for row in self._all(_OUTPUTS, job_id=job_id)]

    def dossiers(self, job_ids: Sequence[int]) -> dict[int, Dossier]:
        """What is recorded about each of these jobs, in three questions however many they are."""
        found = {job_id: Dossier([], [], []) for job_id in job_ids}
        ids = json.dumps(list(found))
        for row in self._all(_OUTPUTS_OF, job_ids=ids):
            found[row.job_id].outputs.append(rows.output_file(row))
        for row in self._all(_ATTEMPTS_OF, job_ids=ids):
            found[row.job_id].attempts.append(rows.attempt_record(row))
        for row in self._all(_STORIES, job_ids=ids):
            found[row.job_id].story.append(rows.event_record(row))
        return found

    def live_ids(self) -> set[int]:
        """The ids of all jobs that are not finished."""
        wanted = select(job.c.id).where(job.c.state.in_(_LIVE))
        return {row.id for row in self._all(wanted)}

    def children_of(self, job_id: int) -> list[JobRecord]:
        """The jobs that try this one again, oldest first."""
        return self._jobs(select(job).where(job.c.parent_id == job_id).order_by(job.c.id))

    def pending_commands(self) -> list[CommandRecord]:
        """Commands that wait for an answer, oldest first."""
        return [rows.command_record(row) for row in self._all(_PENDING_COMMANDS)]

    def command(self, command_id: int) -> CommandRecord | None:
        """A command as it stands, None if there is no such."""
        found = self._all(select(command).where(command.c.id == command_id))
        return rows.command_record(found[0]) if found else None

    def logs(
        self, job_id: int | None = None, *, after_id: int = 0, limit: int | None = 1000
    ) -> list[LogRecord]:
        """Log lines in the order they were stored, those after `after_id`."""
        wanted = select(log).where(log.c.id > after_id)
        if job_id is not None:
            wanted = wanted.where(log.c.job_id == job_id)
        return [rows.log_record(row) for row in self._all(wanted.order_by(log.c.id).limit(limit))]

    def last_logs(self, job_id: int | None = None, *, limit: int = 100) -> list[LogRecord]:
        """The newest log lines, oldest of them first; follow on with `logs(after_id=…)`."""
        wanted = select(log).order_by(log.c.id.desc()).limit(limit)
        if job_id is not None:
            wanted = wanted.where(log.c.job_id == job_id)
        return [rows.log_record(row) for row in reversed(self._all(wanted))]

    def meta_get(self, key: str) -> str | None:
        """The value kept under `key`, None if there is none."""
        return self._one(_META, key=key)

    def check(self) -> list[str]:
        """What is wrong inside the database, one sentence each; empty when nothing is."""
        with self._reading() as connection:
            return problems_of(connection)

    def close(self) -> None:
        """Release the file."""
        self._reader.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with plain_errors(), self._reader.connect() as connection:
            yield connection

    def _all(self, wanted: Executable, **given: Any) -> Sequence[rows.AnyRow]:
        with self._reading() as connection:
            return connection.execute(wanted, given).all()

    def _one(self, wanted: Select[_T], **given: Any) -> _T | None:
        with self._reading() as connection:
            return connection.scalar(wanted, given)

    def _jobs(self, wanted: Executable, **given: Any) -> list[JobRecord]:
        return [rows.job_record(row) for row in self._all(wanted, **given)]


def _require_file(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise StateMissing(
            "Nothing is recorded here yet: there is no state database",
            "Start the daemon once with 'harmonizer run', or check --root and --config.",
        ) from None
    except OSError as error:
        raise StateUnavailable(
            f"The state database cannot be opened ({error.strerror})",
            "Run the command as the service's own user, or as root.",
        ) from None


def _since(wanted: Select[*tuple[Any, ...]], since_s: float) -> Select[*tuple[Any, ...]]:
    """Start at the lowest id of that time on, found by index; then compare each row.

    Both are needed: ids ascend with time, except across a clock that was set back. A plus before a
    column keeps SQLite from using it: from looking for the lowest id by walking the table, and
    from sorting all that the second comparison would find by index.
    """
    first = (
        select(func.min(literal_column("+job.id", Integer)))
        .where(job.c.created_at_s >= since_s)
        .scalar_subquery()
    )
    return wanted.where(job.c.id >= first, literal_column("+job.created_at_s") >= since_s)
