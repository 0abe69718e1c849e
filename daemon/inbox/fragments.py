"""Second parts: what a sender adds to a file that was taken already, by name or by open handle.

Both are told, never joined by guess: a new file that goes on where an earlier one of the same name
ended is refused (SPLIT), and an original that grew after it was filed is shown as a trouble.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from loguru import logger

from daemon.db.records import JobRecord
from daemon.folders.files import fingerprint_of
from daemon.folders.kept import archive_place, original_of
from daemon.shell import Shell
from daemon.states import JobState
from pipeline.fragment import continues

_WINDOW_S = 3600.0  # a sender that pauses for longer has most likely made another file
_WATCHED_S = 600.0  # so long originals are looked at after they were filed
_MOST_WATCHED = 500
_HEAD_BYTES, _TAIL_BYTES = 16_384, 65_536


def first_part_of(shell: Shell, job: JobRecord) -> JobRecord | None:
    """The earlier job of the same name that the claimed file continues; None for any other."""
    earlier = [
        one
        for one in shell.store.last_of_name(job.source, job.id)
        if one.state is not JobState.WITHDRAWN
    ]
    if not earlier or job.created_at_s - earlier[0].created_at_s > _WINDOW_S:
        return None
    first = _place_of(shell, earlier[0])
    with suppress(OSError):
        if first is not None and continues(*_ends(first), _ends(shell.spool.input_path(job))[0]):
            return earlier[0]
    return None


class FiledOriginals:
    """Originals that were filed a short while ago: do they stay as they are?"""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._grown: set[int] = set()
        self._places: dict[int, Path] = {}  # where they were found last: looking is not for free

    def look(self) -> None:
        """Compare each with what was harmonized; a sender may have it open still."""
        since_s = self._shell.clock() - _WATCHED_S
        recent = self._shell.store.jobs(since_s=since_s, limit=_MOST_WATCHED)
        self._places = {job.id: self._places[job.id] for job in recent if job.id in self._places}
        grown = {job.id for job in recent if job.state.is_finished and self._has_grown(job)}
        for job_id in grown:
            what = (
                f"the original of j{job_id} was written to after it was taken and filed: what was "
                "made of it is not all of it. Let its sender send it again under a temporary name"
            )
            self._shell.troubles.note(("grown", job_id), what, self._shell.monotonic())
            if job_id not in self._grown:
                logger.bind(job=f"j{job_id}").warning("a filed original was written to")
        self._grown |= grown

    def _has_grown(self, job: JobRecord) -> bool:
        if job.state not in (JobState.DELIVERED, JobState.DUPLICATE, JobState.CANCELLED):
            return False  # in the error folder people may edit
        if _lies_unchanged(self._shell, job):
            return False
        seen = self._seen(job)
        known = (job.fingerprint.size_bytes, job.fingerprint.mtime_ns)
        return seen is not None and (seen.st_size, seen.st_mtime_ns) != known

    def _seen(self, job: JobRecord) -> os.stat_result | None:
        """The filed original as it is now; None when it is nowhere."""
        with suppress(OSError, KeyError):
            return self._places[job.id].lstat()
        found = _place_of(self._shell, job)
        with suppress(OSError):
            if found is not None:
                self._places[job.id] = found
                return found.lstat()
        return None


def _lies_unchanged(shell: Shell, job: JobRecord) -> bool:
    """Whether the very file that was claimed lies as it was where it is usually filed."""
    folder = f"{shell.spool.folders.archive}/{archive_place(job)}"
    with suppress(OSError):
        return fingerprint_of(os.lstat(f"{folder}/{os.fsdecode(job.name)}")) == job.fingerprint
    return False


def _place_of(shell: Shell, job: JobRecord) -> Path | None:
    """Where a job's original lies now."""
    folders = shell.spool.folders
    claimed = shell.spool.input_path(job)
    return claimed if claimed.is_file() else original_of(job, folders.archive, folders.error)


def _ends(path: Path) -> tuple[bytes, bytes]:
    """The first and the last bytes of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, os.fstat(descriptor).st_size - _TAIL_BYTES))
        return head, stream.read(_TAIL_BYTES)
