"""What operators ask for, carried out in the order they asked, each answered in one sentence.

A command stays pending until it is done, so a crash in the middle repeats it; all are idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from loguru import logger

from daemon.attempts import Attempts
from daemon.db.errors import JobUnknown
from daemon.db.records import CommandRecord, JobRecord, Move
from daemon.intake import Intake
from daemon.review.answers import Given
from daemon.review.holding import Holding
from daemon.review.mapping_shelf import AnswerRefused
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState

Answer = tuple[bool, str]
_CODE_KEY = re.compile(r"(\bcode:[^:]*:)[^',;]+")
_RETRIABLE = (
    JobState.QUARANTINED,
    JobState.DELIVERED,
    JobState.DUPLICATE,
    JobState.CANCELLED,
)


class Commands:
    """Carries out `command` rows. One thread calls it."""

    def __init__(self, shell: Shell, intake: Intake, attempts: Attempts, holding: Holding) -> None:
        self._shell = shell
        self._intake = intake
        self._attempts = attempts
        self._holding = holding
        self._verbs: dict[str, Callable[[CommandRecord], Answer | None]] = {
            "retry": self._retry,
            "cancel": self._cancel,
            "pause": self._pause,
            "resume": self._resume,
            "confirm": self._confirm,
            "refuse": self._refuse,
        }

    def obey(self) -> None:
        """Carry out every pending command; one that needs more time stays pending."""
        for command in self._shell.store.pending_commands():
            verb = self._verbs.get(command.kind)
            try:
                answer = verb(command) if verb else (False, f"'{command.kind}' is not a command")
            except JobUnknown:
                answer = (False, "there is no such job")
            except OSError as error:
                answer = (False, f"the file cannot be moved: {error.strerror}")
            if answer is not None:
                self._shell.store.answer(command.id, *answer, args=_kept(command))
                logger.bind(command=command.kind, ok=answer[0]).info("command answered")

    def _retry(self, command: CommandRecord) -> Answer:
        parent = self._shell.store.get(int(command.args["job"]))
        if parent.state not in _RETRIABLE:
            return False, f"{parent.label} is {parent.state}; only a finished job can be retried"
        asked = self._retry_under_way(parent, command)
        job = asked or self._intake.take_again(parent, command.id)
        return True, f"{job.label} tries {parent.label} again"

    def _retry_under_way(self, parent: JobRecord, command: CommandRecord) -> JobRecord | None:
        """The job that this very command opened before a crash, if it did."""
        for child in self._shell.store.children_of(parent.id):
            if self._shell.store.story(child.id)[0].detail.get("command") == command.id:
                return child
        return None

    def _cancel(self, command: CommandRecord) -> Answer | None:
        job = self._shell.store.get(int(command.args["job"]))
        if job.state is JobState.RUNNING:
            self._attempts.cancel(job.id)
            return None  # once its worker is gone the job is queued again, and cancelled there
        if job.state not in (JobState.QUEUED, JobState.HELD):
            if job.state is JobState.CANCELLED or job.disposition is Disposition.CANCELLED:
                return True, f"{job.label} is cancelled; its original goes to the archive"
            return False, f"{job.label} is {job.state} and can no longer be cancelled"
        changes = {"disposition": Disposition.CANCELLED}
        self._shell.store.advance(Move(job=job, event=JobEvent.CANCEL_REQUESTED, changes=changes))
        self._holding.moved(job)
        return True, f"{job.label} is cancelled; its original goes to the archive"

    def _confirm(self, command: CommandRecord) -> Answer:
        job = self._shell.store.get(int(command.args["job"]))
        if job.state is not JobState.HELD:
            return self._answered_before(job, command, JobEvent.ANSWER_CONFIRMED)
        try:
            queued = self._holding.answers.confirm(
                job, _given(command), dict(command.args.get("answers") or {})
            )
        except AnswerRefused as refused:
            return False, "\n".join(_without_values(one, command) for one in refused.mistakes)
        except OSError as error:
            return False, f"the mapping cannot be stored: {error.strerror}"
        return True, _confirmed(job, len(queued))

    def _refuse(self, command: CommandRecord) -> Answer:
        job = self._shell.store.get(int(command.args["job"]))
        if job.state is not JobState.HELD:
            return self._answered_before(job, command, JobEvent.ANSWER_REFUSED)
        self._holding.answers.refuse(job, _given(command), command.args.get("reason"))
        return True, _refused(job)

    def _answered_before(self, job: JobRecord, command: CommandRecord, event: JobEvent) -> Answer:
        """The answer was this very command's, before a crash; or the job is not held at all."""
        done = [
            one
            for one in self._shell.store.story(job.id)
            if one.kind is event and one.detail.get("command") == command.id
        ]
        if not done:
            return False, f"{job.label} is {job.state}; only a held job waits for an answer"
        if event is JobEvent.ANSWER_REFUSED:
            return True, _refused(job)
        return True, _confirmed(job, 1)

    def _pause(self, command: CommandRecord) -> Answer:
        self._shell.store.meta_set("paused", str(command.args.get("reason") or "no reason given"))
        return True, "paused: no new file is claimed; running ones finish"

    def _resume(self, _command: CommandRecord) -> Answer:
        self._shell.store.meta_set("paused", None)
        return True, "resumed"


def _kept(command: CommandRecord) -> dict[str, Any] | None:
    """The arguments without a person's answers, which may name codes as they stand in the file."""
    if "answers" not in command.args:
        return None
    return {name: value for name, value in command.args.items() if name != "answers"}


def _without_values(mistake: str, command: CommandRecord) -> str:
    """A mistake without words of the file: whoever answered knows them, and this is kept.

    The key of a question about a code ends with the code; questions.txt has it in full.
    """
    for answer in (command.args.get("answers") or {}).values():
        mistake = mistake.replace(f"'{answer}'", "'…'")
    return _CODE_KEY.sub(r"\1…", mistake)


def _given(command: CommandRecord) -> Given:
    return Given(by=str(command.args.get("by") or command.requested_by), command=command.id)


def _confirmed(job: JobRecord, covered: int) -> str:
    others = covered - 1
    also = f", and so do {others} more files of its layout" if others > 1 else ""
    also = ", and so does one more file of its layout" if others == 1 else also
    return f"{job.label} goes on with the confirmed mapping{also}; later ones need nobody"


def _refused(job: JobRecord) -> str:
    return f"{job.label} is set aside; its original goes to the error folder"
