"""What an operator may ask, as plain data: every answer is a dict that prints and serialises.

Reading works whether the daemon is up or down. Changing is asking: a `command` row that the daemon
carries out now, or at its next start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.db.errors import JobUnknown, StateError, StateMissing
from daemon.db.glance import Figures
from daemon.db.queries import ReadStore
from daemon.db.records import CommandRecord, EventRecord, JobRecord, LogRecord
from daemon.db.store import JobStore
from daemon.errors import ExitCode, Refused
from daemon.explain import counts_document, iso_time, job_document, sentence, utc_day
from daemon.folders.review_folder import REFUSAL
from daemon.glance import served, status
from daemon.inbox.names import review_folder
from daemon.othertables import about_unread, unread_tables
from daemon.policy import advice, meaning
from daemon.settings import Settings
from daemon.states import JobEvent, JobState
from pipeline.errors import FileCode

_ANSWER_WAIT_S = 5.0
_ANSWER_LOOK_S = 0.05


class Operations:
    """One folder tree, as an operator sees it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @contextmanager
    def reading(self) -> Iterator[ReadStore]:
        """The state database, read only.

        Raises:
            Refused: there is none yet, or it cannot be read.
        """
        try:
            store = JobStore.open_readonly(self.settings.state_path, time.time)
        except StateMissing:
            raise Refused(
                ExitCode.NOT_FOUND,
                f"{self.settings.root} has never been served by a daemon.",
                "Start one with 'harmonizer run', or name the right folder with --root.",
            ) from None
        except StateError as error:
            raise Refused(ExitCode.UNAVAILABLE, f"{error.problem}.", error.hint) from None
        try:
            yield store
        except StateError as error:
            raise Refused(ExitCode.UNAVAILABLE, f"{error.problem}.", error.hint) from None
        finally:
            store.close()

    @property
    def daemon_pid(self) -> int | None:
        """Process id of the daemon that serves this tree, if one does."""
        return served(self.settings).pid

    @property
    def page(self) -> dict[str, Any] | None:
        """The daemon's own status page, if it stands behind it now."""
        return served(self.settings).page

    def status(self) -> dict[str, Any]:
        """One screen: is it up, what waits and why, what runs, what went wrong."""
        return status(self.settings, self.figures)

    def figures(self) -> Figures:
        """What the state database has to say for `status`."""
        with self.reading() as store:
            delivered = store.jobs(state=JobState.DELIVERED, limit=1)
            return Figures(
                jobs={str(state): count for state, count in store.counts_by_state().items()},
                errors=store.error_counts(),
                paused=store.meta_get("paused"),
                last_delivery_s=delivered[0].finished_at_s if delivered else None,
            )

    def jobs(
        self,
        *,
        state: JobState | None = None,
        since_s: float | None = None,
        contract: str | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Jobs, newest first."""
        with self.reading() as store:
            found = store.jobs(state=state, since_s=since_s, contract=contract, limit=limit)
        return [summary(job) for job in found]

    def errors(self, limit: int = 200) -> list[dict[str, Any]]:
        """Files that were refused, newest first, each with its meaning and where it lies."""
        with self.reading() as store:
            found = store.jobs(state=JobState.QUARANTINED, limit=limit)
            children = {job.id: store.children_of(job.id) for job in found}
        return [
            {
                **summary(job),
                "meaning": meaning(job.reason_code or "INTERNAL"),
                "advice": advice(job.reason_code or "INTERNAL"),
                **_children(job, children[job.id]),
                "folder": str(self._error_folder(job)),
            }
            for job in found
        ]

    def review(self, job_id: int | None = None, *, limit: int = 50) -> list[dict[str, Any]]:
        """Held jobs, newest first, each with its questions, its folder and its equals."""
        with self.reading() as store:
            if job_id is not None:
                job = self._job(store, job_id)
                if job.state is not JobState.HELD:
                    raise Refused(
                        ExitCode.NOT_FOUND,
                        f"{job.label} is {job.state}; nothing is asked about it.",
                        "See 'harmonizer review'.",
                    )
            held = store.in_state(JobState.HELD)
            layouts = {job.id: _layout(store.story(job.id)) for job in held}
        wanted = [job for job in reversed(held) if job_id in (None, job.id)][:limit]
        return [
            {
                **summary(job),
                "questions": list(job.reason_details),
                "held_since_s": job.updated_at_s,
                "folder": str(self._review_folder(job)),
                "answer_refused": (self._review_folder(job) / REFUSAL).is_file(),
                "layout": layouts[job.id],
                "same_layout": [
                    other.label
                    for other in held
                    if other.id != job.id and layouts[other.id] == layouts[job.id] is not None
                ],
            }
            for job in wanted
        ]

    def show(self, job_id: int) -> dict[str, Any]:
        """Everything known of one job: its timeline, hashes, counts, attempts and outputs."""
        with self.reading() as store:
            job = self._job(store, job_id)
            document = job_document(job, store.dossiers([job_id])[job_id])
            children = store.children_of(job_id)
        return {
            **document,
            **summary(job),
            **_asked(job),
            **_children(job, children),
            "where": self._where(job),
        }

    def why_job(self, job_id: int) -> dict[str, Any]:
        """Why a job stands where it stands, in one sentence."""
        with self.reading() as store:
            job = self._job(store, job_id)
            paused = store.meta_get("paused")
            moved = store.story(job_id)[-1].kind is JobEvent.INPUT_CHANGED
        said = self._sentence(job, paused)
        if moved:
            said = f"A sender still wrote to it after it was taken; it is read again. {said}"
        where = self._where(job)
        if job.state is JobState.DELIVERED and job.contract is not None:
            said += about_unread(unread_tables(where))
        return {**summary(job), **_asked(job), "where": where, "why": said}

    def last_logs(self, job_id: int | None = None, *, limit: int = 100) -> list[LogRecord]:
        """The newest log rows, oldest of them first."""
        with self.reading() as store:
            if job_id is not None:
                self._job(store, job_id)
            return store.last_logs(job_id, limit=limit)

    def logs(self, job_id: int | None = None, *, after_id: int) -> list[LogRecord]:
        """Log rows that came after `after_id`, in order."""
        with self.reading() as store:
            return store.logs(job_id, after_id=after_id)

    def job_ids_with(self, code: str) -> list[int]:
        """Refused jobs with this code that nobody has sent again yet, oldest first."""
        if code not in FileCode.__members__:
            known = ", ".join(FileCode)
            raise Refused(ExitCode.USAGE, f"'{code}' is not a reason code.", f"Known: {known}.")
        with self.reading() as store:
            found = store.jobs(state=JobState.QUARANTINED, reason=code, limit=1_000_000)
            return [
                job.id
                for job in reversed(found)
                if not _children(job, store.children_of(job.id))["sent_again_as"]
            ]

    def finished_count(self) -> int:
        """How many jobs have an original in the archive."""
        with self.reading() as store:
            counts = store.counts_by_state()
        archived = (JobState.DELIVERED, JobState.DUPLICATE, JobState.CANCELLED)
        return sum(counts[state] for state in archived)

    def must_exist(self, job_ids: Sequence[int]) -> None:
        """Refuse before anything is asked when one of several jobs is not there."""
        with self.reading() as store:
            for job_id in job_ids:
                self._job(store, job_id)

    def ask(self, kind: str, **args: Any) -> dict[str, Any]:
        """Ask the daemon for something and wait a moment for its answer.

        Without a daemon the request is kept and carried out at its next start.
        """
        with self.reading() as store:
            if "job" in args:
                self._job(store, args["job"])
        try:
            writer = JobStore(self.settings.state_path, time.time, create=False)
        except StateError as error:
            raise Refused(ExitCode.UNAVAILABLE, f"{error.problem}.", error.hint) from None
        try:
            return self._answer_to(writer, writer.ask(kind, args, _who()))
        except StateError as error:
            raise Refused(ExitCode.UNAVAILABLE, f"{error.problem}.", error.hint) from None
        finally:
            writer.close()

    def _answer_to(self, store: ReadStore, command_id: int) -> dict[str, Any]:
        """The daemon's answer, or after a moment the promise that it will come."""
        until_s = time.monotonic() + _ANSWER_WAIT_S
        while True:
            command = store.command(command_id)
            answered = command is not None and command.ok is not None
            if answered or self.daemon_pid is None or time.monotonic() > until_s:
                return _answer(command_id, command)
            time.sleep(_ANSWER_LOOK_S)

    def _job(self, store: ReadStore, job_id: int) -> JobRecord:
        try:
            return store.get(job_id)
        except JobUnknown:
            raise Refused(
                ExitCode.NOT_FOUND, f"There is no job j{job_id}.", "See 'harmonizer jobs'."
            ) from None

    def _where(self, job: JobRecord) -> str | None:
        """The folder in which a person finds the file or its results now."""
        match job.state:
            case JobState.DELIVERED if job.delivery:
                return str(self.settings.folder("outbox") / job.delivery)
            case JobState.DELIVERED | JobState.DUPLICATE | JobState.CANCELLED:
                return str(self.settings.folder("archive") / utc_day(job.created_at_s) / job.label)
            case JobState.QUARANTINED:
                return str(self._error_folder(job))
            case JobState.HELD:
                return str(self._review_folder(job))
            case JobState.LOST | JobState.WITHDRAWN:
                return None
        return str(self.settings.folder("work") / job.label)

    def _error_folder(self, job: JobRecord) -> Path:
        name = f"{job.label}__{job.reason_code or 'INTERNAL'}"
        return self.settings.folder("error") / utc_day(job.created_at_s) / name

    def _review_folder(self, job: JobRecord) -> Path:
        return self.settings.folder("review") / review_folder(job.label, job.name)

    def _sentence(self, job: JobRecord, paused: str | None) -> str:
        match job.state:
            case JobState.CLAIMING:
                return "The file is being taken out of the inbox and hashed."
            case JobState.QUEUED if paused is not None:
                return f"The service is paused: {paused}."
            case JobState.QUEUED if job.not_before_s > time.time():
                reason = f" after {job.reason_code}" if job.reason_code else ""
                return f"It is tried again at {iso_time(job.not_before_s)}{reason}."
            case JobState.QUEUED if self.daemon_pid is None:
                return "No daemon is running; it goes on when one starts."
            case JobState.QUEUED:
                return "It waits for a free worker."
            case JobState.RUNNING:
                return f"A worker has it (attempt {job.attempts})."
            case JobState.HELD:
                return _question(job)
            case JobState.FINALIZING:
                return "Its files are being put in place."
            case JobState.DELIVERED if job.contract is None:
                return "It is an archive; each file in it became a job of its own."
            case JobState.DELIVERED:
                return "It was delivered."
            case JobState.DUPLICATE:
                return f"The same bytes were delivered before, as j{job.duplicate_of}."
            case JobState.WITHDRAWN if job.reason_code == FileCode.TRUNCATED:
                return "It looked cut off and went back to the inbox, to wait there for its end."
            case JobState.WITHDRAWN:
                return "The file left the inbox before it could be taken; nothing was done."
            case JobState.CANCELLED:
                return "Somebody cancelled it; the original is in the archive."
        said = meaning(job.reason_code or "INTERNAL")
        return f"{said} {sentence(job.reason_note)}" if job.reason_note else said


def summary(job: JobRecord) -> dict[str, Any]:
    """A job in one line."""
    return {
        "job": job.label,
        "state": str(job.state),
        "source": job.shown_source,
        "contract": job.contract,
        "code": job.reason_code,
        "note": job.reason_note,
        "rows": counts_document(job),
        "size_bytes": job.fingerprint.size_bytes,
        "sha256": job.sha256,
        "attempts_made": job.attempts,
        "parent": f"j{job.parent_id}" if job.parent_id else None,
        "duplicate_of": f"j{job.duplicate_of}" if job.duplicate_of else None,
        "delivery": job.delivery,
        "claimed_at": iso_time(job.created_at_s),
        "changed_at": iso_time(job.updated_at_s),
        "finished_at": iso_time(job.finished_at_s),
        "not_before": iso_time(job.not_before_s) if job.not_before_s else None,
    }


def _children(job: JobRecord, children: Sequence[JobRecord]) -> dict[str, list[str]]:
    """Jobs that name this one as their parent: its members if it is an archive, or later tries."""
    inside = job.source + b"!"
    return {
        "sent_again_as": [one.label for one in children if not one.source.startswith(inside)],
        "members": [one.label for one in children if one.source.startswith(inside)],
    }


def _asked(job: JobRecord) -> dict[str, Any]:
    """What is asked about a held job; nothing about any other."""
    return {"questions": list(job.reason_details)} if job.state is JobState.HELD else {}


def _question(job: JobRecord) -> str:
    """The first question of a held job, and how to answer."""
    more = len(job.reason_details) - 1
    others = f" And {more} more question{'s' if more > 1 else ''}." if more > 0 else ""
    return (
        f"It waits for a person's answer. {sentence(job.reason_note or 'A question is open')}"
        f"{others} Answer in its review folder, or with 'harmonizer confirm {job.label}' or "
        f"'harmonizer refuse {job.label}'."
    )


def _layout(story: Sequence[EventRecord]) -> str | None:
    """The layout that was last asked about."""
    for event in reversed(story):
        if event.kind is JobEvent.QUESTION_ASKED:
            layout = event.detail.get("layout")
            return None if layout is None else str(layout)
    return None


def _answer(command_id: int, command: CommandRecord | None) -> dict[str, Any]:
    later = "asked; the daemon does it as soon as it can, or at its next start"
    return {
        "command": command_id,
        "ok": command.ok if command else None,
        "answer": (command.answer if command else None) or later,
    }


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
