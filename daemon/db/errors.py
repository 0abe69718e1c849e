"""How the state database can fail its callers. No message ever holds a stored value.

StateError             the database cannot be used as it is; `hint` says what to do
├── StateMissing       there is none yet
├── StateUnavailable   full disk, lock, read error: trying again may help
└── StateCorrupt       damaged: a backup is needed
StaleJob               the job has moved on; the caller's decision was about the past
JobUnknown             no job has this number
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError

from daemon.errors import ExitCode, Refused

_RESTORE = "Stop the daemon and put the newest good backup in its place; see docs/operations.md."
_TRY_AGAIN = {
    sqlite3.SQLITE_BUSY: ("another process keeps it locked", "It is tried again by itself."),
    sqlite3.SQLITE_LOCKED: ("another process keeps it locked", "It is tried again by itself."),
    sqlite3.SQLITE_PROTOCOL: ("another process keeps it locked", "It is tried again by itself."),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; work then goes on by itself."),
    sqlite3.SQLITE_IOERR: ("the disk cannot be read or written", "Check the disk."),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "Check that its folder exists and that the service's user may write there.",
    ),
    sqlite3.SQLITE_READONLY: (
        "it cannot be written",
        "Check that its folder is writable and that the file was not moved or replaced.",
    ),
    sqlite3.SQLITE_PERM: ("it cannot be opened", "Check the permissions of its folder."),
    sqlite3.SQLITE_NOMEM: ("memory ran out", "Stop other programs or add memory."),
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


class StateError(Exception):
    """The state database cannot be used; `hint` says what to do about it."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem, self.hint = problem, hint

    def __str__(self) -> str:
        return f"{self.problem}. {self.hint}"


class StateMissing(StateError):
    """There is no state database at this place yet."""


class StateUnavailable(StateError):
    """The surroundings are at fault (lock, full disk, read error); trying again may help."""


class StateCorrupt(StateError):
    """The file is damaged or no database; only a backup helps."""


class StaleJob(Exception):
    """The jobs `job_ids` moved first. Nothing of the refused transaction was applied."""

    def __init__(self, job_ids: tuple[int, ...]) -> None:
        super().__init__(job_ids)
        self.job_ids = job_ids

    def __str__(self) -> str:
        names = ", ".join(f"j{job_id}" for job_id in self.job_ids)
        return f"{names} moved on since it was read"


class JobUnknown(LookupError):
    """No job has this number."""

    def __init__(self, job_id: int) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"there is no job j{self.job_id}"


def refusal(error: StateError) -> Refused:
    """How the daemon ends that meets the error: only what may pass is worth a restart."""
    may_pass = isinstance(error, StateUnavailable | StateMissing)
    code = ExitCode.UNAVAILABLE if may_pass else ExitCode.CONFIG
    return Refused(code, f"{error.problem}.", error.hint)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what SQLAlchemy and sqlite3 raise inside the block into a StateError.

    `from None` everywhere: a chained driver error is where a value could still slip through.
    """
    try:
        yield
    except DBAPIError as error:
        raise plain_error(error.orig) from None
    except sqlite3.Error as error:  # the backup speaks to sqlite3 directly
        raise plain_error(error) from None
    except TimeoutError:
        raise StateUnavailable(
            "The state database is busy: another task of this process holds it too long",
            "It is tried again by itself.",
        ) from None
    except SQLAlchemyError as error:
        raise StateError(*_mistake(type(error).__name__)) from None


def plain_error(error: BaseException | None) -> StateError:
    """The StateError that tells what a sqlite3 error means for the operator."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = code & 0xFF if code is not None else None  # the high bits only detail the low ones
    if primary in _DAMAGED:
        return StateCorrupt(f"The state database is damaged ({name})", _RESTORE)
    if primary in _TRY_AGAIN:
        why, hint = _TRY_AGAIN[primary]
        return StateUnavailable(f"The state database is unavailable: {why} ({name})", hint)
    return StateError(*_mistake(name))


def _mistake(name: str) -> tuple[str, str]:
    return (
        f"The state database refused a request of the program ({name})",
        "This is a mistake in the program: please report it.",
    )
