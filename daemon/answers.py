"""What a person's answer does: the mapping is kept, every job it is for goes on.

A confirmed mapping is on the shelf, durably, before any job moves because of it; a crash in between
repeats the answer, which finds it there. One yes is for every held job of the same layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger

from daemon.db.records import JobRecord, Move
from daemon.mapping_shelf import AnswerRefused, MappingShelf
from daemon.review_desk import ReviewDesk
from daemon.review_folder import PROPOSAL
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
                path = self.shelf.place(str(event.detail.get("mapping")))
                return str(path) if path.is_file() else None
        return None

    def repeat(self, job: JobRecord, layout: str | None, serial: int) -> bool:
        """Give a job the answer that came while its question was being asked, if one did."""
        answered = self._answered.get(layout or "")
        if answered is None or answered[0] <= serial:
            return False
        self._requeue([job], answered[1], {"by": "an answer given meanwhile"})
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
            self._count += 1
            self._answered[layout] = (self._count, stored)
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
