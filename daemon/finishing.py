"""From a decision to its files: deliver, retire or quarantine, then record, then clear.

Every step may be repeated; a crash anywhere leaves a `finalizing` job whose steps are repeated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from loguru import logger

from daemon import members
from daemon.db.records import Dossier, JobRecord, Move
from daemon.explain import job_document, reason_text
from daemon.folders.files import FileVanished
from daemon.folders.laidout import OneLine
from daemon.folders.syncs import Steps, Syncs, in_step
from daemon.reference_keys import ReferenceKeys, written_beside
from daemon.shell import Shell
from daemon.states import FINALIZED, Disposition, JobState
from pipeline.errors import FileCode

_AT_ONCE = 100  # jobs in one commit
_LONGEST_TURN_S = 1.0
_MOST_ASIDE = 10_000  # folders of finished jobs that wait for their removal, 40 KB each
_LONGEST_TIDYING_S = 0.05  # in one turn: a file may come
_SMALL_BYTES = 256 * 1024
_FEW_ROWS = 5_000
_INDEX_PAUSE_S = 2.0  # a thousand failures in a row rewrite the index once, not a thousand times


_KEPT = (
    *("schema", "job", "parent", "refused", "now_s"),
    *("contract", "engine", "plan", "rejected_records"),
)


_GOES_TO = {
    Disposition.DELIVERED: ("outbox", "archive"),
    Disposition.QUARANTINED: ("error",),
    Disposition.DUPLICATE: ("archive",),
    Disposition.CANCELLED: ("archive",),
}


class Finishing:
    """Owns the moves out of work/. One thread calls it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.left = 0  # jobs that the last turn had no time for
        self._aside: deque[tuple[int, str]] = deque()  # cleared folders that are still to go
        self._index_is_stale = True
        self._index_written_at_s = float("-inf")

    def finish(self) -> None:
        """Move the files of finalizing jobs and record them as finished; a share of them.

        A turn takes about a second at most, and a commit is for a few jobs, so that what was done
        is soon recorded.
        """
        began_s = self._shell.monotonic()
        pausing = self._shell.troubles.is_pausing
        due = [
            job
            for job in self._shell.store.in_state(JobState.FINALIZING)
            if not pausing(("finish", job.id), began_s)
        ]
        done = 0
        while done < len(due) and self._shell.monotonic() - began_s < _LONGEST_TURN_S:
            self._finish(due[done : done + _AT_ONCE])
            done += _AT_ONCE
        self.left = max(0, len(due) - done)
        self._clear_again()

    def _finish(self, jobs: Sequence[JobRecord]) -> None:
        movable = self._with_keys(self._movable(jobs))
        dossiers = self._shell.store.dossiers([job.id for job in movable])
        moves, failed = in_step(
            {job.id: partial(self._moved, job, dossiers[job.id]) for job in movable}
        )
        for job_id, error in failed.items():
            now_s = self._shell.monotonic()
            self._shell.troubles.note(("finish", job_id), self._why_not(error), now_s)
        for job in self._shell.store.advance_all(list(moves.values())) if moves else ():
            for key in ("finish", "stage", "hash"):
                self._shell.troubles.over((key, job.id))
            self._index_is_stale |= job.state is JobState.QUARANTINED or job.parent_id is not None
            said = {"code": job.reason_code} if job.reason_code else {}
            logger.bind(job=job.label, **said).info(str(job.state))
            if _leaves_little(job):
                self._set_aside(job.id)
            else:
                self._clear(job.id)
        self._remove_aside(down_to=_MOST_ASIDE)

    def clear_up(self) -> None:
        """At a stop: try at once, and for the last time, to remove what could not be removed."""
        self._remove_aside(down_to=0)
        self._clear_again(float("inf"))

    def tidy(self) -> None:
        """Remove some of the folders that were set aside: when there is time for it."""
        self._remove_aside(down_to=0, for_s=_LONGEST_TIDYING_S)

    @property
    def is_tidy(self) -> bool:
        """False while folders of finished jobs are still to be removed."""
        return not self._aside

    def _remove_aside(self, *, down_to: int, for_s: float = float("inf")) -> None:
        until_s = self._shell.monotonic() + for_s
        while len(self._aside) > down_to and self._shell.monotonic() <= until_s:
            job_id, folder = self._aside.popleft()
            self._try_to_clear(job_id, partial(self._shell.spool.remove_cleared, folder))

    def _clear_again(self, now_s: float | None = None) -> None:
        """What could not be removed when its job ended is tried again."""
        now_s = self._shell.monotonic() if now_s is None else now_s
        for job_id in self._shell.troubles.due("clear", now_s):
            self._clear(job_id)

    def refresh_index(self, *, at_once: bool = False) -> None:
        """Rewrite error/INDEX.csv when it is stale, not more often than every few seconds."""
        now_s = self._shell.monotonic()
        if not self._index_is_stale:
            return
        if not at_once and now_s - self._index_written_at_s < _INDEX_PAUSE_S:
            return
        self._index_written_at_s = now_s
        if self._shell.places.absence("error") is not None:
            return
        try:
            self._shell.spool.write_error_index(self._shell.store.errors())
        except OSError as error:
            what = f"error/INDEX.csv cannot be written: {error.strerror}"
            self._shell.troubles.note("index", what, now_s)
        else:
            self._shell.troubles.over("index")
            self._index_is_stale = False

    def _movable(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """The jobs all of whose folders are there; the others wait."""
        away = self._away()
        movable = []
        for job in jobs:
            wanted = _GOES_TO.get(job.disposition or Disposition.QUARANTINED, ())
            gone = next((away[name] for name in wanted if name in away), None)
            if gone is None:
                movable.append(job)
            else:
                self._shell.troubles.note(("finish", job.id), gone, self._shell.monotonic())
        return movable

    def _away(self) -> dict[str, str]:
        """The folders that are not the right ones just now, each with the reason."""
        places = self._shell.places
        names = ("outbox", "archive", "error")
        away = {name: why for name in names if (why := places.absence(name)) is not None}
        places.settle_in([name for name in names if name not in away])
        return away

    def _why_not(self, error: OSError) -> str:
        """A folder that went away is not made anew: it may be a mount that comes back."""
        folders = self._shell.spool.folders
        for name in ("outbox", "archive", "error"):
            if not getattr(folders, name).is_dir():
                return f"the {name} folder is not there; mount it again, or make it"
        return f"results cannot be put in place: {error.strerror or type(error).__name__}"

    def _clear(self, job_id: int) -> None:
        """Last of all: until the end is recorded, notes in the folder tell what was done."""
        self._try_to_clear(job_id, partial(self._shell.spool.clear, job_id))

    def _set_aside(self, job_id: int) -> None:
        """The same, but that what is in the folder goes when there is time for it.

        Some filesystems (ext4) do not give the place of a file that was just removed to a new one,
        and search long for others while thousands were.
        """

        def set_aside() -> None:
            self._aside.append((job_id, self._shell.spool.set_aside(job_id)))

        self._try_to_clear(job_id, set_aside)

    def _try_to_clear(self, job_id: int, act: Callable[[], None]) -> None:
        key = ("clear", job_id)
        try:
            act()
        except OSError as error:
            what = f"a finished job's folder cannot be removed: {error.strerror}"
            self._shell.troubles.note(key, what, self._shell.monotonic())
        else:
            self._shell.troubles.over(key)

    def _moved(self, job: JobRecord, dossier: Dossier, syncs: Syncs) -> Steps[Move]:
        disposition = job.disposition or Disposition.QUARANTINED
        changes: dict[str, Any] = {}
        if job.contract is None:  # it may be an archive
            members.take_all(self._shell, job)
        match disposition:
            case Disposition.DELIVERED if job.contract is None:  # an archive: its members deliver
                yield from self._retire(job, dossier, syncs)
            case Disposition.DELIVERED:
                report = self._shell.spool.keep_report(job, _KEPT, syncs)
                yield
                try:
                    changes["delivery"] = self._shell.spool.deliver(job, syncs)
                except FileVanished:  # somebody emptied our folder before the results were out
                    return (yield from self._moved_without_results(job, dossier, syncs))
                yield
                delivered = replace(job, delivery=changes["delivery"])
                yield from self._retire(delivered, dossier, syncs, report)
            case Disposition.QUARANTINED:
                yield from self._quarantine(job, dossier, syncs)
            case Disposition.DUPLICATE | Disposition.CANCELLED:
                yield from self._retire(job, dossier, syncs)
            case Disposition.LOST:
                self._shell.spool.give_back_companions(job)
        return Move(job=job, event=FINALIZED[disposition], changes=changes)

    def _with_keys(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Before others can see a delivery, its rows can be referred to; returns who may go on."""
        keys = ReferenceKeys(self._shell.spool.state_dir)
        delivered: dict[str, list[JobRecord]] = {}
        for job in jobs:
            if job.disposition is Disposition.DELIVERED:
                delivered.setdefault(job.contract or "", []).append(job)
        refused: set[int] = set()
        for contract, several in delivered.items():
            folders = [
                written_beside(self._shell.spool.staging_dir(job.id, job.attempts))
                for job in several
            ]
            try:
                keys.take_in(contract, folders)
            except OSError as error:
                for job in several:
                    what, now_s = self._why_not(error), self._shell.monotonic()
                    self._shell.troubles.note(("finish", job.id), what, now_s)
                    refused.add(job.id)
        return [job for job in jobs if job.id not in refused]

    def _moved_without_results(self, job: JobRecord, dossier: Dossier, syncs: Syncs) -> Steps[Move]:
        changes: dict[str, Any] = {
            "disposition": Disposition.QUARANTINED,
            "reason_code": FileCode.TAMPERED,
            "reason_note": "its results were removed from the work folder before they were out",
        }
        yield from self._quarantine(replace(job, **changes), dossier, syncs)
        event = FINALIZED[Disposition.QUARANTINED]
        return Move(job=job, event=event, changes=changes)

    def _retire(
        self,
        job: JobRecord,
        dossier: Dossier,
        syncs: Syncs,
        report: dict[str, OneLine] | None = None,
    ) -> Steps[None]:
        document = job_document(job, dossier)
        if report is not None:  # what it takes to explain a row later, or to correct its rejects
            document["report"] = {name: report[name] for name in _KEPT if name in report}
        yield from self._shell.spool.retire(job, document, syncs)

    def _quarantine(self, job: JobRecord, dossier: Dossier, syncs: Syncs) -> Steps[None]:
        text, document = partial(reason_text, job), job_document(job, dossier)
        known = yield from self._shell.spool.quarantine(job, text, document, syncs)
        if known is not None:  # so that the file is recognised when somebody moves it back
            self._shell.store.remember_files([known])


def _leaves_little(job: JobRecord) -> bool:
    """Whether what a job leaves in its folder is a few small files: keys, notes, its report."""
    is_small = job.fingerprint.size_bytes <= _SMALL_BYTES
    has_few_rows = job.counts is not None and job.counts.written <= _FEW_ROWS
    is_plain = job.state is JobState.DELIVERED and job.attempts == 1
    return is_plain and is_small and has_few_rows
