"""From a question to an answer: hold the job, show it in review/, read what people say, go on.

A confirmed mapping is on the shelf, durably, before any job moves because of it; a crash in between
repeats the answer, which finds it there. One yes is for every held job of the same layout.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from daemon.db.errors import JobUnknown
from daemon.db.records import JobRecord, Move
from daemon.explain import how_to_answer, refused_answer
from daemon.files import FileVanished
from daemon.mapping_shelf import AnswerRefused, MappingShelf
from daemon.review_desk import ReviewDesk
from daemon.review_folder import PROPOSAL, AnswerFile
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import FileCode
from pipeline.messages import HarmonizeResult

_COPIED_AT_ONCE_BYTES = 8 * 1024 * 1024  # larger originals are copied beside the loop
_EVENTS_WITHOUT_ANSWER = 3  # intended, confirmed, started: a job with no more was never held
_LOOK_PAUSE_S = 1.0
_LOOK_SHARE = 10  # looking at review folders may take a tenth of the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Who answers, and how: by a command, or by a file saved in a review folder."""

    by: str
    command: int | None = None
    file: str | None = None

    def detail(self) -> dict[str, Any]:
        """For the event row."""
        said = {"by": self.by, "command": self.command, "file": self.file}
        return {key: value for key, value in said.items() if value is not None}


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
        self.shelf = MappingShelf(shell.settings.mappings_dir, contracts_dir)
        self._watched: dict[int, _Watched] = {}
        self._is_stale = True
        self._looked_at_s = float("-inf")
        self._look_took_s = 0.0
        self._answers = 0
        self._answered: dict[str, tuple[int, str]] = {}  # layout -> (serial, mapping)
        self._copier: ThreadPoolExecutor | None = None

    # -- from attempts ------------------------------------------------------------------------

    @property
    def serial(self) -> int:
        """Counts the answers given so far; an attempt that starts now knows all of them."""
        return self._answers

    def question(self, job: JobRecord, result: HarmonizeResult) -> Move:
        """The move that holds a job because its attempt asks something."""
        questions = tuple(result.questions)
        return Move(
            job=job,
            event=JobEvent.QUESTION_ASKED,
            changes={
                "reason_code": result.question_code or FileCode.SCHEMA_UNKNOWN,
                "reason_note": questions[0],
                "reason_details": questions,
                "contract": result.contract or None,
                "contract_version": result.contract_version or None,
            },
            detail={"layout": result.layout, "labels": result.labels, "questions": len(questions)},
        )

    def answer_for(self, job: JobRecord) -> str | None:
        """The mapping file that was confirmed for this very job; None without or when it is gone.

        Bytes that changed after the answer are not what the person was asked about.
        """
        if job.events <= _EVENTS_WITHOUT_ANSWER:
            return None
        for event in reversed(self._shell.store.story(job.id)):
            if event.kind is JobEvent.INPUT_CHANGED:
                return None
            if event.kind is JobEvent.ANSWER_CONFIRMED:
                path = self.shelf.place(str(event.detail.get("mapping")))
                return str(path) if path.is_file() else None
        return None

    def asked(self, job: JobRecord, layout: str | None, serial: int) -> None:
        """A job is held now. Somebody may have answered its question while it was being asked."""
        self._watched[job.id] = _Watched()
        self._is_stale = True
        answered = self._answered.get(layout or "")
        if answered is not None and answered[0] > serial:
            self._requeue([job], answered[1], {"by": "an answer given meanwhile"})
            return
        try:  # what an earlier question left there is not about this one
            self.desk.withdraw(job)
        except OSError as error:
            self._note(job, error)

    # -- every step ---------------------------------------------------------------------------

    def recover(self) -> None:
        """After a start: remove the folders that ask about jobs which wait for no answer."""
        held = self._shell.store.in_state(JobState.HELD)
        self._watched = {job.id: _Watched() for job in held}
        for job_id, names in self.desk.shown().items():
            for name in names:
                if job_id not in self._watched or name.startswith("."):
                    self._remove(job_id, name)
        self._is_stale = True

    def changed(self) -> None:
        """A held job has been moved by somebody else: its folder must go."""
        self._is_stale = True

    def tend(self, *, look: bool = False) -> None:
        """Show what is not shown, take away what is answered, read what people saved."""
        now_s = self._shell.monotonic()
        pause_s = max(_LOOK_PAUSE_S, _LOOK_SHARE * self._look_took_s)
        look = look or (bool(self._watched) and now_s - self._looked_at_s >= pause_s)
        if not (look or self._is_stale):
            return
        self._is_stale = False
        held = {job.id: job for job in self._shell.store.in_state(JobState.HELD)}
        for job_id in self._watched.keys() - held.keys():
            self._take_away(self._shell.store.get(job_id))
        for job in held.values():
            self._tend_to(job)
        self._looked_at_s = now_s
        self._look_took_s = self._shell.monotonic() - now_s

    @property
    def is_busy(self) -> bool:
        """True while a folder is still to appear, or a saved answer is still to be read."""
        now_s = self._shell.monotonic()
        pausing = self._shell.troubles.is_pausing
        return self._is_stale or any(
            one.is_waiting or not (one.is_shown or pausing(("review", job_id), now_s))
            for job_id, one in self._watched.items()
        )

    def reconfigure(self, contracts_dir: str) -> None:
        """Take over settings that may change while running."""
        self.shelf = MappingShelf(self._shell.settings.mappings_dir, contracts_dir)

    def close(self) -> None:
        """Stop copying; a half-made folder was not shown and is made again."""
        if self._copier is not None:
            self._copier.shutdown(wait=True, cancel_futures=True)

    # -- answers ------------------------------------------------------------------------------

    def confirm(
        self, job: JobRecord, given: Given, answers: Mapping[str, str], content: bytes | None = None
    ) -> list[JobRecord]:
        """Store the mapping and queue every held job of this layout again. Returns those.

        Without `content` it is the proposal as it stands: the one in the review folder, which a
        person may have edited, else the one the attempt left.

        Raises:
            AnswerRefused: the mapping cannot be used; says why, line by line.
            OSError: it cannot be read or stored.
        """
        layout = self._layout_of(job)
        stored = self.shelf.store(
            self._proposal(job) if content is None else content,
            given.file or PROPOSAL,
            answers,
            by=given.by,
            at_s=self._shell.clock(),
            layout=layout,
            mode=self._shell.spool.modes.file,
        )
        covered = [
            one
            for one in self._shell.store.in_state(JobState.HELD)
            if one.id == job.id or (layout is not None and self._layout_of(one) == layout)
        ]
        if layout is not None:
            self._answers += 1
            self._answered[layout] = (self._answers, stored)
        return self._requeue(covered, stored, given.detail())

    def refuse(self, job: JobRecord, given: Given, why: str | None) -> None:
        """Set the file aside: the person does not want it read like this, or at all."""
        note = f"a person looked at the questions and refused the file{f': {why}' if why else ''}"
        self._shell.store.advance(
            Move(
                job=job,
                event=JobEvent.ANSWER_REFUSED,
                changes={"disposition": Disposition.QUARANTINED, "reason_note": note},
                detail=given.detail(),
            )
        )
        self._is_stale = True

    def _proposal(self, job: JobRecord) -> bytes:
        edited = self.desk.edited_proposal(job)
        content = edited if edited is not None else self.desk.proposal(job)
        if content is None:
            raise AnswerRefused(
                "its proposed mapping was removed; save a mapping in the review folder, or "
                "cancel the job and retry it"
            )
        return content

    def _requeue(
        self, jobs: Sequence[JobRecord], mapping: str, detail: dict[str, Any]
    ) -> list[JobRecord]:
        moves = [
            Move(
                job=job,
                event=JobEvent.ANSWER_CONFIRMED,
                changes={
                    "attempts": 0,  # asking was no failure
                    "not_before_s": 0.0,
                    "reason_code": None,
                    "reason_note": None,
                    "reason_details": (),
                    **self._same_bytes_elsewhere(job),
                },
                detail={"mapping": mapping, **detail},
            )
            for job in jobs
        ]
        self._is_stale = True
        queued = self._shell.store.advance_all(moves)
        for job in queued:
            logger.bind(job=job.label).info("answer confirmed")
        return queued

    def _same_bytes_elsewhere(self, job: JobRecord) -> dict[str, Any]:
        """After an original was brought back from its copy: how it looks now."""
        known = self._shell.spool.stat_input(job)
        if known is None or known[0] == job.fingerprint:
            return {}
        try:
            sha256, fingerprint = self._shell.spool.digest(job)
        except OSError:
            return {}
        return {"fingerprint": fingerprint} if sha256 == job.sha256 else {}

    def _layout_of(self, job: JobRecord) -> str | None:
        for event in reversed(self._shell.store.story(job.id)):
            if event.kind is JobEvent.QUESTION_ASKED:
                layout = event.detail.get("layout")
                return None if layout is None else str(layout)
        return None

    # -- one held job -------------------------------------------------------------------------

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
        self._is_stale = True
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
        watched.copying.add_done_callback(lambda _: self._shown_beside())
        return False

    def _shown_beside(self) -> None:
        self._is_stale = True
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
                if content != ours and self.shelf.says_confirmed(content, file.name):
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
                self.confirm(job, given, {}, content)
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

    def _remove(self, job_id: int, name: str) -> None:
        try:
            self.desk.remove(name, self._known(job_id))
        except OSError as error:
            what = f"a review folder cannot be removed: {error.strerror}"
            self._shell.troubles.note(("review", job_id), what, self._shell.monotonic())

    def _known(self, job_id: int) -> JobRecord | None:
        try:
            return self._shell.store.get(job_id)
        except JobUnknown:  # the state database was restored from a backup, or removed
            return None

    def _note(self, job: JobRecord, error: OSError) -> None:
        what = f"a review folder cannot be kept: {error.strerror or type(error).__name__}"
        if isinstance(error, FileVanished):
            what = "a held file is gone from the work folder"
        self._shell.troubles.note(("review", job.id), what, self._shell.monotonic())
