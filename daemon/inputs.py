"""What has become of a claimed file in work/: fit to be read, changed, lost, flawed, or cut off.

Asked before and after every attempt. A file that a worker finds cut off goes back to the inbox
once, to wait there for its end; the intent is recorded before it moves.
"""

from __future__ import annotations

import contextlib
import os
import stat
from functools import partial
from typing import NamedTuple

from daemon.db.errors import JobUnknown
from daemon.db.records import JobRecord, KnownFile, Move
from daemon.folders.files import FileVanished, Lease
from daemon.folders.syncs import alone
from daemon.intake import was_asked_for
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import FileCode

_FOUND_AT_INTAKE = frozenset(
    {
        FileCode.CHECKSUM,
        FileCode.INCOMPLETE,
        FileCode.SPLIT,
        FileCode.TRUNCATED,
        FileCode.UNPAIRED,
    }
)


class Finding(NamedTuple):
    """Whether a job's input can be read now; if not, the move to make, or none to wait."""

    is_fit: bool
    move: Move | None = None


class Inputs:
    """Looks at claimed files. One thread calls it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._busy_since_s: dict[int, float] = {}

    def before(self, job: JobRecord, now_s: float) -> Finding:
        """Look at the input of a queued job before an attempt."""
        if job.attempts and job.reason_code == FileCode.TRUNCATED:
            return Finding(False, self._back(job))
        known = self._shell.spool.stat_input(job)
        if known is None:
            return Finding(False, self.lost(job))
        fingerprint, mode = known
        if not stat.S_ISREG(mode):
            code = FileCode.SYMLINK if stat.S_ISLNK(mode) else FileCode.SPECIAL
            return Finding(False, self._refused(job, code))
        if fingerprint != job.fingerprint:
            return Finding(False, self.changed(job, now_s))
        if not job.attempts and job.reason_code in _FOUND_AT_INTAKE:
            return Finding(False, self._refused(job, FileCode(job.reason_code)))
        return Finding(not self._is_being_written(job))

    def after(self, job: JobRecord) -> Move | None:
        """The move to make instead of the attempt's result: what was read is not what lies there.

        None when the input is as it was.
        """
        known = self._shell.spool.stat_input(job)
        if known is None:
            return self.lost(job)
        if known[0] != job.fingerprint:
            return self.read_again(job)
        return None

    def read_again(self, job: JobRecord) -> Move:
        """The input was written to during an attempt: its result is dropped, and nobody's fault."""
        changed = self.changed(job, self._shell.clock())
        if changed is None:  # somebody writes at this very moment
            changed = Move(job=job, event=JobEvent.ATTEMPT_INTERRUPTED)
        if changed.event in (JobEvent.INPUT_CHANGED, JobEvent.ATTEMPT_INTERRUPTED):
            changed.changes["attempts"] = job.attempts - 1
        return changed

    def changed(self, job: JobRecord, now_s: float) -> Move | None:
        """Somebody still writes: hash anew, and let another quiet period pass.

        None while not even a hash can be had, because he writes at this very moment.
        """
        key = ("hash", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return None
        try:
            sha256, fingerprint = alone(partial(self._shell.spool.digest, job))
            mismatch = self._shell.spool.flaw(job, sha256)
        except FileVanished:
            return self.lost(job)
        except OSError as error:
            what = f"a claimed file cannot be read: {error.strerror or type(error).__name__}"
            self._shell.troubles.note(key, what, self._shell.monotonic())
            return None
        self._shell.troubles.over(key)
        return Move(
            job=job,
            event=JobEvent.INPUT_CHANGED,
            changes={
                "sha256": sha256,
                "fingerprint": fingerprint,
                "not_before_s": now_s + self._shell.settings.intake.no_lease_quiet_period_s,
                "reason_code": FileCode.CHECKSUM if mismatch else None,
                "reason_note": mismatch,
            },
        )

    def lost(self, job: JobRecord) -> Move:
        """The input is gone from work/."""
        return Move(
            job=job,
            event=JobEvent.INPUT_LOST,
            changes={
                "disposition": Disposition.LOST,
                "reason_code": FileCode.TAMPERED,
                "reason_note": "the claimed file was removed from the work folder",
            },
        )

    def may_go_back(self, job: JobRecord) -> bool:
        """Whether a file that was found cut off may wait in the inbox for its end.

        Not when a person sent it, when its sender vouched for it, or when it has waited before.
        """
        if self._shell.settings.intake.incomplete_grace_s <= 0:
            return False
        if self._shell.spool.has_companions(job) or was_asked_for(self._shell.store, job):
            return False
        if job.parent_id is None:
            return True
        with contextlib.suppress(JobUnknown):
            parent = self._shell.store.get(job.parent_id)
            one, other = parent.fingerprint, job.fingerprint
            same = (one.size_bytes, one.mtime_ns) == (other.size_bytes, other.mtime_ns)
            return parent.state is JobState.WITHDRAWN and not same
        return True

    def _back(self, job: JobRecord) -> Move | None:
        """Repeat, after a crash too, the return to the inbox that was recorded as a failure."""
        key = ("back", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return None
        try:
            if self._shell.spool.stat_input(job) is not None:
                if not self._shell.spool.unclaim(job):  # a newer file bears its name by now
                    return self._refused(job, FileCode.TRUNCATED)
                self._remember(job)
        except OSError as error:
            what = f"a file cannot go back to the inbox: {error.strerror or type(error).__name__}"
            self._shell.troubles.note(key, what, self._shell.monotonic())
            return None
        self._shell.troubles.over(key)
        return Move(job=job, event=JobEvent.CLAIM_ABANDONED)

    def _remember(self, job: JobRecord) -> None:
        with contextlib.suppress(OSError):
            path = self._shell.spool.folders.inbox / os.fsdecode(job.source)
            seen = path.lstat()
            known = KnownFile(device=seen.st_dev, inode=seen.st_ino, job_id=job.id)
            self._shell.store.remember_files([known])

    def _is_being_written(self, job: JobRecord) -> bool:
        """Whether a program opened it before it was claimed, and has it open still.

        Some servers keep a finished file open for long, so this is waited for, but not for ever:
        what they write is noticed in any case.
        """
        intake, key = self._shell.settings.intake, ("open", job.id)
        now_s = self._shell.monotonic()
        if intake.use_lease and self._shell.troubles.is_pausing(key, now_s):
            return True
        if not intake.use_lease or self._shell.spool.probe_input(job) is not Lease.BUSY:
            self._busy_since_s.pop(job.id, None)
            self._shell.troubles.over(key)
            return False
        since_s = self._busy_since_s.setdefault(job.id, now_s)
        if now_s - since_s >= max(intake.incomplete_grace_s, intake.no_lease_quiet_period_s):
            return False
        what = f"{job.label} was taken, and a program still has it open for writing"
        self._shell.troubles.note(key, what, now_s)
        return True

    def _refused(self, job: JobRecord, code: FileCode) -> Move:
        return Move(
            job=job,
            event=JobEvent.INPUT_REFUSED,
            changes={"disposition": Disposition.QUARANTINED, "reason_code": code},
        )
