"""Held jobs and their folders in review/: show what is asked, read what people save, tidy up.

The database says which jobs are held; the folders follow it. One that is missing is made again, one
that nobody waits for is removed, at every look and at every start.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from daemon.db.errors import JobUnknown
from daemon.db.records import JobRecord, Move
from daemon.explain import how_to_answer, refused_answer
from daemon.folders.files import FileVanished
from daemon.folders.review_folder import AnswerFile
from daemon.review.answers import Answers, Asked, Given
from daemon.review.mapping_shelf import AnswerRefused, MappingShelf
from daemon.review.review_desk import ReviewDesk
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import FileCode

_COPIED_AT_ONCE_BYTES = 8 * 1024 * 1024  # larger originals are copied beside the loop
_LOOK_PAUSE_S = 1.0
_LONGEST_TURN_S = 0.5  # thousands of folders must not keep the loop from everything else
_LOOK_SHARE = 10  # looking at review folders may take a tenth of the time


@dataclass(slots=True)
class _Watched:
    """One held job as far as this process knows it."""

    is_shown: bool = False
    seen: tuple[AnswerFile, ...] = ()
    since_s: float = float("-inf")
    examined: tuple[AnswerFile, ...] | None = None
    is_waiting: bool = False
    copying: Future[None] | None = field(default=None, repr=False)


class Holding:
    """Owns the held jobs and their review folders. One thread calls it."""

    def __init__(self, shell: Shell, wake: Callable[[], None], contracts_dir: str) -> None:
        self._shell = shell
        self._wake = wake
        self.desk = ReviewDesk(shell.spool)
        shelf = MappingShelf(shell.settings.mappings_dir, contracts_dir)
        self.answers = Answers(shell, self.desk, shelf, self.moved)
        self._watched: dict[int, _Watched] = {}
        self._due: set[int] = set()  # jobs to tend in the next turn; a look tends to all
        self._looked_at_s = float("-inf")
        self._look_took_s = 0.0
        self._copies: deque[int] = deque()
        self._copier: ThreadPoolExecutor | None = None

    def asked(self, job: JobRecord, asked: Asked, serial: int) -> None:
        """A job is held now. Somebody may have answered its question while it was being asked."""
        self._watched[job.id] = _Watched()
        self._due.add(job.id)
        if self.answers.repeat(job, asked, serial):
            return
        try:  # what an earlier question left there is not about this one
            self.desk.withdraw(job)
        except OSError as error:
            self._note(job, error)

    def recover(self) -> None:
        """After a start: look at every folder there is, whether its job is held or not."""
        for job_id, names in self.desk.shown().items():
            if self._is_known(job_id):
                self._watched[job_id] = _Watched()
            else:  # the state database was restored from a backup, or removed
                for name in names:
                    self._remove_unknown(name)

    def moved(self, job: JobRecord) -> None:
        """A held job waits for no answer any more: its folder must go."""
        self._due.add(job.id)

    def tend(self, *, look: bool = False) -> None:
        """Show what is not shown, take away what is answered, read what people saved."""
        now_s = self._shell.monotonic()
        since_s, pause_s = now_s - self._looked_at_s, _LOOK_SHARE * self._look_took_s
        is_look = since_s >= (pause_s if look else max(_LOOK_PAUSE_S, pause_s))
        if is_look:
            held = self._shell.store.in_state(JobState.HELD)
            self._due.update(self._watched, (job.id for job in held))
            self._looked_at_s = now_s
        while self._copies:
            self._due.add(self._copies.popleft())
        while self.is_behind and self._shell.monotonic() - now_s <= _LONGEST_TURN_S:
            job = self._shell.store.get(self._due.pop())
            if job.state is JobState.HELD:
                self._tend_to(job)
            elif job.id in self._watched:
                self._take_away(job)
        if is_look:
            self._look_took_s = self._shell.monotonic() - now_s

    @property
    def is_behind(self) -> bool:
        """True when there is more to do than one turn may take."""
        return bool(self._due)

    @property
    def is_busy(self) -> bool:
        """True while a folder is still to appear, or a saved answer is still to be read."""
        now_s = self._shell.monotonic()
        pausing = self._shell.troubles.is_pausing
        return self.is_behind or any(
            one.is_waiting or not (one.is_shown or pausing(("review", job_id), now_s))
            for job_id, one in self._watched.items()
        )

    def reconfigure(self, contracts_dir: str) -> None:
        """Take over settings that may change while running."""
        self.answers.shelf = MappingShelf(self._shell.settings.mappings_dir, contracts_dir)

    def close(self) -> None:
        """Stop copying; a half-made folder was not shown and is made again."""
        if self._copier is not None:
            self._copier.shutdown(wait=True, cancel_futures=True)

    def _tend_to(self, job: JobRecord) -> None:
        watched = self._watched.setdefault(job.id, _Watched())
        key = ("review", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return
        try:
            if not self._has_input(job):
                return
            watched.is_shown = self._show(job, watched)
            if watched.is_shown:
                self._read(job, watched)
        except OSError as error:
            self._note(job, error)
        else:
            self._shell.troubles.over(key)

    def _has_input(self, job: JobRecord) -> bool:
        """An original that somebody removed from work/ is brought back from its copy, or lost."""
        if self._shell.spool.stat_input(job) is not None or self.desk.restore_input(job):
            return True
        self._shell.store.advance(
            Move(
                job=job,
                event=JobEvent.INPUT_LOST,
                changes={
                    "disposition": Disposition.LOST,
                    "reason_code": FileCode.TAMPERED,
                    "reason_note": "the claimed file was removed from the work folder",
                },
            )
        )
        self.moved(job)
        return False

    def _show(self, job: JobRecord, watched: _Watched) -> bool:
        """Make the job's review folder appear; False while a large file is being copied."""
        if watched.copying is not None:
            if not watched.copying.done():
                return False
            copying, watched.copying = watched.copying, None
            copying.result()
        if self.desk.is_shown(job):
            return True
        watched.examined = None
        if job.fingerprint.size_bytes <= _COPIED_AT_ONCE_BYTES:
            self.desk.publish(job, how_to_answer(job))
            return True
        if self._copier is None:
            self._copier = ThreadPoolExecutor(1, thread_name_prefix="review")
        watched.copying = self._copier.submit(self.desk.publish, job, how_to_answer(job))
        watched.copying.add_done_callback(lambda _: self._copied(job.id))
        return False

    def _copied(self, job_id: int) -> None:
        """Another thread says that a large copy is made, or failed."""
        self._copies.append(job_id)
        self._wake()

    def _read(self, job: JobRecord, watched: _Watched) -> None:
        """Look for answers saved in the folder, once each, when they have come to rest."""
        files = tuple(self.desk.answers(job))
        if files == watched.examined:
            watched.is_waiting = False
            return
        now_s = self._shell.monotonic()
        if files != watched.seen:
            watched.seen, watched.since_s = files, now_s
        quiet_s = self._shell.settings.intake.quiet_period_s
        changed_s = max((file.changed_at_s for file in files), default=0.0)
        rested = 0 <= quiet_s <= self._shell.clock() - changed_s
        watched.is_waiting = not (rested or now_s - watched.since_s >= quiet_s)
        if not watched.is_waiting:
            try:
                self._examine(job, files)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                watched.is_waiting = True
            else:
                watched.examined = files

    def _examine(self, job: JobRecord, files: Sequence[AnswerFile]) -> None:
        """Take the one answer that is confirmed and right, or say beside it what is wrong."""
        mistakes: list[str] = []
        confirmed: list[tuple[AnswerFile, bytes]] = []
        ours = self.desk.proposal(job)
        for file in files:
            try:
                content = self.desk.read(job, file)
                if content != ours and self.answers.shelf.says_confirmed(content, file.name):
                    confirmed.append((file, content))
            except AnswerRefused as refused:
                mistakes += refused.mistakes
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise
                mistakes.append(f"{file.name} cannot be read: {error.strerror}")
        if len(confirmed) > 1:
            names = " and ".join(file.name for file, _ in confirmed)
            mistakes.append(f"{names} both say 'status: confirmed'; only one of them can")
        if confirmed and not mistakes:
            file, content = confirmed[0]
            given = Given(by=self.desk.saved_by(job, file), file=file.name)
            try:
                self.answers.confirm(job, given, {}, content)
            except AnswerRefused as refused:
                mistakes += refused.mistakes
            else:
                return
        self.desk.refuse(job, refused_answer(mistakes) if mistakes else None)

    def _take_away(self, job: JobRecord) -> None:
        """The job waits for no answer any more: its folder goes."""
        watched, key = self._watched[job.id], ("review", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return
        if watched.copying is not None and not watched.copying.done():
            return
        try:
            self.desk.withdraw(job)
        except OSError as error:
            self._note(job, error)
        else:
            del self._watched[job.id]
            self._shell.troubles.over(key)

    def _remove_unknown(self, name: str) -> None:
        try:
            self.desk.remove(name, None)
        except OSError as error:
            what = f"a review folder cannot be removed: {error.strerror}"
            self._shell.troubles.note(("review", name), what, self._shell.monotonic())

    def _is_known(self, job_id: int) -> bool:
        try:
            self._shell.store.get(job_id)
        except JobUnknown:
            return False
        return True

    def _note(self, job: JobRecord, error: OSError) -> None:
        what = f"a review folder cannot be kept: {error.strerror or type(error).__name__}"
        if isinstance(error, FileVanished):
            what = "a held file is gone from the work folder"
        self._shell.troubles.note(("review", job.id), what, self._shell.monotonic())
