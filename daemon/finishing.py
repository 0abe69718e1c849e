"""From a decision to its files: deliver, retire or quarantine, then record, then clear.

Every step may be repeated; a crash anywhere leaves a `finalizing` job whose steps are repeated.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loguru import logger

from daemon import members
from daemon.db.records import JobRecord, Move
from daemon.explain import job_document, reason_text
from daemon.files import FileVanished
from daemon.reference_keys import ReferenceKeys, written_beside
from daemon.shell import Shell
from daemon.states import FINALIZED, Disposition, JobState
from pipeline.errors import FileCode

_INDEX_PAUSE_S = 2.0  # a thousand failures in a row rewrite the index once, not a thousand times


_KEPT = (
    *("schema", "job", "parent", "refused", "now_s"),
    *("contract", "engine", "plan", "rejected_records"),
)


class Finishing:
    """Owns the moves out of work/. One thread calls it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._index_is_stale = True
        self._index_written_at_s = float("-inf")

    def finish(self) -> None:
        """Move the files of every finalizing job and record it as finished."""
        moves = []
        now_s = self._shell.monotonic()
        for job in self._shell.store.in_state(JobState.FINALIZING):
            if self._shell.troubles.is_pausing(("finish", job.id), now_s):
                continue
            try:
                moves.append(self._moved(job))
            except OSError as error:
                self._shell.troubles.note(("finish", job.id), self._why_not(error), now_s)
        for job in self._shell.store.advance_all(moves) if moves else ():
            for key in ("finish", "stage", "hash"):
                self._shell.troubles.over((key, job.id))
            self._index_is_stale |= job.state is JobState.QUARANTINED or job.parent_id is not None
            said = {"code": job.reason_code} if job.reason_code else {}
            logger.bind(job=job.label, **said).info(str(job.state))
            self._clear(job)

    def refresh_index(self, *, at_once: bool = False) -> None:
        """Rewrite error/INDEX.csv when it is stale, not more often than every few seconds."""
        now_s = self._shell.monotonic()
        if not self._index_is_stale:
            return
        if not at_once and now_s - self._index_written_at_s < _INDEX_PAUSE_S:
            return
        try:
            self._shell.spool.write_error_index(self._shell.store.errors())
        except OSError as error:
            what = f"error/INDEX.csv cannot be written: {error.strerror}"
            self._shell.troubles.note("index", what, now_s)
        else:
            self._shell.troubles.over("index")
            self._index_is_stale = False
        self._index_written_at_s = now_s

    @property
    def index_is_stale(self) -> bool:
        """True while error/INDEX.csv lags behind the database."""
        return self._index_is_stale

    def _why_not(self, error: OSError) -> str:
        """A folder that went away is not made anew: it may be a mount that comes back."""
        folders = self._shell.spool.folders
        for name in ("outbox", "archive", "error"):
            if not getattr(folders, name).is_dir():
                return f"the {name} folder is not there; mount it again, or make it"
        return f"results cannot be put in place: {error.strerror or type(error).__name__}"

    def _clear(self, job: JobRecord) -> None:
        """Last of all: until the end is recorded, notes in the folder tell what was done."""
        try:
            self._shell.spool.clear(job.id)
        except OSError as error:  # the next start removes it: no live job knows the folder then
            what = f"a finished job's folder cannot be removed: {error.strerror}"
            self._shell.troubles.note(("clear", job.id), what, self._shell.monotonic())

    def _moved(self, job: JobRecord) -> Move:
        disposition = job.disposition or Disposition.QUARANTINED
        changes: dict[str, Any] = {}
        if job.contract is None:  # it may be an archive
            members.take_all(self._shell, job)
        match disposition:
            case Disposition.DELIVERED if job.contract is None:  # an archive: its members deliver
                self._retire(job)
            case Disposition.DELIVERED:
                self._keep_keys(job)
                report = self._shell.spool.keep_report(job)
                try:
                    changes["delivery"] = self._shell.spool.deliver(job)
                except FileVanished:  # somebody emptied our folder before the results were out
                    return self._moved_without_results(job)
                self._retire(replace(job, delivery=changes["delivery"]), report)
            case Disposition.QUARANTINED:
                self._quarantine(job)
            case Disposition.DUPLICATE | Disposition.CANCELLED:
                self._retire(job)
            case Disposition.LOST:
                pass  # there is nothing left to move
        return Move(job=job, event=FINALIZED[disposition], changes=changes)

    def _keep_keys(self, job: JobRecord) -> None:
        """Before others can see the delivery, its rows can be referred to."""
        staging = self._shell.spool.staging_dir(job.id, job.attempts)
        keys = ReferenceKeys(self._shell.spool.state_dir)
        keys.take_in(job.contract or "", written_beside(staging))

    def _moved_without_results(self, job: JobRecord) -> Move:
        changes: dict[str, Any] = {
            "disposition": Disposition.QUARANTINED,
            "reason_code": FileCode.TAMPERED,
            "reason_note": "its results were removed from the work folder before they were out",
        }
        self._quarantine(replace(job, **changes))
        event = FINALIZED[Disposition.QUARANTINED]
        return Move(job=job, event=event, changes=changes)

    def _retire(self, job: JobRecord, report: dict[str, Any] | None = None) -> None:
        document = self._document(job)
        if report is not None:  # what it takes to explain a row later, or to correct its rejects
            document["report"] = {name: report[name] for name in _KEPT if name in report}
        self._shell.spool.retire(job, document)

    def _quarantine(self, job: JobRecord) -> None:
        known = self._shell.spool.quarantine(
            job, lambda beside: reason_text(job, beside), self._document(job)
        )
        if known is not None:  # so that the file is recognised when somebody moves it back
            self._shell.store.remember_files([known])

    def _document(self, job: JobRecord) -> dict[str, object]:
        store = self._shell.store
        return job_document(
            job,
            outputs=store.outputs_of(job.id),
            attempts=store.attempts_of(job.id),
            story=store.story(job.id),
        )
