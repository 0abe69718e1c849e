"""What a person's answer does: the mapping is kept, every job it is for goes on.

A confirmed mapping is on the shelf, durably, before any job moves because of it; a crash in between
repeats the answer, which finds it there. One yes is for every held job of the same layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from loguru import logger

from daemon.db.records import JobRecord, Move
from daemon.folders.review_folder import PROPOSAL
from daemon.folders.syncs import alone
from daemon.review.mapping_shelf import AnswerRefused, MappingShelf
from daemon.review.review_desk import ReviewDesk
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import FileCode
from pipeline.messages import HarmonizeResult

_EVENTS_WITHOUT_ANSWER = 3  # intended, confirmed, started: a job with no more was never held


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


@dataclass(frozen=True, slots=True)
class Asked:
    """What kind of file a question is about: fingerprints, see `HarmonizeResult`."""

    layout: str | None = None
    labels: str | None = None

    @classmethod
    def of(cls, detail: dict[str, Any]) -> Asked:
        """Read from the detail of a `question_asked` event."""
        return cls(detail.get("layout"), detail.get("labels"))


class Answers:
    """Carries out what people answer. `moved` hears of each job that is held no longer."""

    def __init__(
        self,
        shell: Shell,
        desk: ReviewDesk,
        shelf: MappingShelf,
        moved: Callable[[JobRecord], None],
    ) -> None:
        self._shell = shell
        self._moved = moved
        self.desk = desk
        self.shelf = shelf
        self._count = 0
        self._answered: dict[str, tuple[int, str]] = {}  # layout -> (serial, mapping)
        self._relearned: dict[str, int] = {}  # labels -> serial

    @property
    def serial(self) -> int:
        """Counts the answers given so far; an attempt that starts now knows all of them."""
        return self._count

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
                name = event.detail.get("mapping")
                path = self.shelf.place(str(name)) if name else None
                return str(path) if path is not None and path.is_file() else None
        return None

    def repeat(self, job: JobRecord, asked: Asked, serial: int) -> bool:
        """Give a job the answer that came while its question was being asked, if one did."""
        meanwhile = {"by": "an answer given meanwhile"}
        count, mapping = self._answered.get(asked.layout or "", (0, ""))
        if count > serial:
            self._advance([self._goes_on(job, {"mapping": mapping, **meanwhile})])
        elif self._relearned.get(asked.labels or "", 0) > serial:
            self._advance([self._goes_on(job, meanwhile)])
        else:
            return False
        return True

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
        asked = self._asked(job)
        stored = self.shelf.store(
            self._proposal(job) if content is None else content,
            given.file or PROPOSAL,
            answers,
            by=given.by,
            at_s=self._shell.clock(),
            layout=asked.layout,
            mode=self._shell.spool.modes.file,
        )
        covered, outdated = [job], []
        for other in self._shell.store.in_state(JobState.HELD):
            if other.id == job.id:
                continue
            if asked.layout is not None and self._asked(other).layout == asked.layout:
                covered.append(other)
            elif self._is_outdated(other, asked.labels):
                outdated.append(other)
        self._remember(asked, stored)
        moves = [self._goes_on(one, {"mapping": stored, **given.detail()}) for one in covered]
        again = {"asked_again": True, **given.detail()}
        moves += [self._goes_on(one, again) for one in outdated]
        return self._advance(moves)[: len(covered)]

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
        self._moved(job)

    def _proposal(self, job: JobRecord) -> bytes:
        edited = self.desk.edited_proposal(job)
        content = edited if edited is not None else self.desk.proposal(job)
        if content is None:
            raise AnswerRefused(
                "its proposed mapping was removed; save a mapping in the review folder, or "
                "cancel the job and retry it"
            )
        return content

    def _remember(self, asked: Asked, stored: str) -> None:
        self._count += 1
        if asked.layout is not None:
            self._answered[asked.layout] = (self._count, stored)
        if asked.labels is not None:
            self._relearned[asked.labels] = self._count

    def _is_outdated(self, job: JobRecord, labels: str | None) -> bool:
        """Whether a proposal rests on the mapping as it was before this answer.

        It is made anew, unless somebody has begun to edit it.
        """
        if labels is None or self._asked(job).labels != labels:
            return False
        try:
            return self.desk.edited_proposal(job) in (None, self.desk.proposal(job))
        except OSError:
            return False

    def _goes_on(self, job: JobRecord, detail: dict[str, Any]) -> Move:
        return Move(
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
            detail=detail,
        )

    def _advance(self, moves: Sequence[Move]) -> list[JobRecord]:
        queued = self._shell.store.advance_all(moves)
        for job in queued:
            self._moved(job)
            logger.bind(job=job.label).info("answer confirmed")
        return queued

    def _same_bytes_elsewhere(self, job: JobRecord) -> dict[str, Any]:
        """After an original was brought back from its copy: how it looks now."""
        known = self._shell.spool.stat_input(job)
        if known is None or known[0] == job.fingerprint:
            return {}
        try:
            sha256, fingerprint = alone(partial(self._shell.spool.digest, job))
        except OSError:
            return {}
        return {"fingerprint": fingerprint} if sha256 == job.sha256 else {}

    def _asked(self, job: JobRecord) -> Asked:
        for event in reversed(self._shell.store.story(job.id)):
            if event.kind is JobEvent.QUESTION_ASKED:
                return Asked.of(event.detail)
        return Asked()
