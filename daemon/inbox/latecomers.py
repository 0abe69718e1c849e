"""Checksum files that come when their file was taken already: compared, and filed where it is kept.

Only a match is acted upon. What does not match may be meant for the next file of that name, so it
waits, and says what it was compared with.
"""

from __future__ import annotations

from loguru import logger

from daemon.db.records import JobRecord
from daemon.folders import companions
from daemon.folders.kept import original_of
from daemon.inbox.settle import Candidate
from daemon.shell import Shell
from daemon.states import JobState

_MOST_KNOWN = 10_000
_MOST_COMPARED = 3  # jobs of that name, the newest first


class Latecomers:
    """Looks for the file of a checksum file among those that were taken. One thread calls it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._compared: dict[tuple[tuple[int, ...], int], bool] = {}

    def file(self, late: Candidate, missed: bytes, content: bytes | None) -> str | None:
        """Put a checksum file with its file, `missed`, if that was taken before.

        Returns why it still waits, when that has to do with a file that was taken.
        """
        taken = self._shell.store.jobs(source=missed, limit=_MOST_COMPARED)
        taken = [job for job in taken if job.state is not JobState.WITHDRAWN]
        if not taken or content is None:
            return None
        if not taken[0].state.is_finished:
            return f"its file was taken as {taken[0].label} and is being worked on"
        for job in taken:
            if self._matches(late, job, content) and self._filed(late, job):
                return f"its file was taken as {job.label}, and it is filed there"
        return f"its file is not here; the one taken as {taken[0].label} has another checksum"

    def _matches(self, late: Candidate, job: JobRecord, content: bytes) -> bool:
        key = (late[1:5], job.id)
        if len(self._compared) > _MOST_KNOWN:
            self._compared.clear()
        if key not in self._compared:
            folders = self._shell.spool.folders
            original = original_of(job, folders.archive, folders.error)
            try:
                self._compared[key] = original is not None and companions.is_right(
                    content, job.name, original, job.sha256
                )
            except OSError:
                return False
        return self._compared[key]

    def _filed(self, late: Candidate, job: JobRecord) -> bool:
        folders = self._shell.spool.folders
        original = original_of(job, folders.archive, folders.error)
        if original is None:
            return False
        folder = original.parent.parent if original.parent.name == "original" else original.parent
        try:
            self._shell.spool.file_late(late, folder)
        except OSError as error:
            what = f"a checksum file cannot be filed: {error.strerror or type(error).__name__}"
            self._shell.troubles.note(("late", job.id), what, self._shell.monotonic())
            return False
        self._shell.troubles.over(("late", job.id))
        logger.bind(job=job.label).info("a checksum that came later is right")
        return True
