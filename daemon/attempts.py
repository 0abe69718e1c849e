"""From the queue to a result: start attempts on free workers, collect what became of them.

The attempt is committed before its worker hears of it, so a file that brings the machine down has
still used up one of its attempts.
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import Future

from loguru import logger

from daemon.answers import Asked
from daemon.db.records import JobRecord, Move
from daemon.executors.base import AttemptLost, Executor, InternalFailure
from daemon.files import FileVanished
from daemon.holding import Holding
from daemon.intake import was_asked_for
from daemon.lineage import past_of
from daemon.members import depth_of, expanded
from daemon.policy import Failure, FailureKind, RetryPolicy, Verdict, after_daemon_loss, judge
from daemon.reference_keys import ReferenceKeys, written_beside
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.messages import HarmonizeResult, HarmonizeTask, Limits

_MOST_UNMARKED = 10  # attempts of one job that may be lost with the daemon before they began
_SUBMITTED_PER_WORKER = 4  # small files share commits, and no worker waits for one


class Attempts:
    """Owns the attempts in flight. One thread calls it."""

    def __init__(
        self, shell: Shell, executor: Executor, contracts_dir: str, holding: Holding
    ) -> None:
        self._shell = shell
        self._executor = executor
        self._holding = holding
        self.contracts_dir = contracts_dir
        self._in_flight: dict[int, Future[HarmonizeResult]] = {}
        self._knew: dict[int, int] = {}  # how many answers there were when the attempt started

    @property
    def in_flight(self) -> int:
        """How many attempts are open."""
        return len(self._in_flight)

    @property
    def _policy(self) -> RetryPolicy:
        workers = self._shell.settings.workers
        return RetryPolicy(
            max_attempts=workers.max_attempts,
            base_s=workers.retry_base_s,
            cap_s=workers.retry_cap_s,
        )

    @property
    def deferred(self) -> int:
        """How many queued jobs wait for a time that has not come; they need no worker now."""
        store = self._shell.store
        queued = store.counts_by_state()[JobState.QUEUED]
        return queued - len(store.in_state(JobState.QUEUED, due_by_s=self._shell.clock()))

    @property
    def free(self) -> int:
        """How many more attempts could start now."""
        return max(0, _SUBMITTED_PER_WORKER * self._executor.capacity - len(self._in_flight))

    def take_back(self) -> None:
        """After a start: decide about attempts that were open when the daemon was lost."""
        moves = [
            self._judged(
                job, after_daemon_loss(job.attempts, self._policy, begun=self._has_begun(job))
            )
            for job in self._shell.store.in_state(JobState.RUNNING)
            if job.id not in self._in_flight
        ]
        if moves:
            self._shell.store.advance_all(moves)

    def _has_begun(self, job: JobRecord) -> bool:
        """Whether a worker began the open attempt, by its mark.

        A power failure may cost the mark; so after many tries without one, they count.
        """
        if self._shell.spool.has_begun(job.id, job.attempts):
            return True
        return len(self._shell.store.attempts_of(job.id)) > _MOST_UNMARKED

    def start(self) -> None:
        """Give the workers the oldest jobs that are due, a few more than there are workers."""
        if not self.free:
            return
        now_s = self._shell.clock()
        moves: list[Move] = []
        hashes = self._hashes_under_way()
        starting = 0
        for job in self._shell.store.in_state(JobState.QUEUED, due_by_s=now_s):
            if starting >= self.free:
                break
            if job.sha256 is not None and job.sha256 in hashes:
                continue  # its twin is being harmonized; if that succeeds, this is a duplicate
            move = self._next_move(job, now_s)
            if move is None:
                continue
            moves.append(move)
            if move.event is JobEvent.ATTEMPT_STARTED:
                starting += 1
                hashes.add(job.sha256 or "")
        for job in self._shell.store.advance_all(moves) if moves else ():
            if job.state is JobState.RUNNING:
                self._submit(job)

    def collect(self) -> None:
        """Record what became of every attempt that has ended."""
        done = {job_id: f for job_id, f in self._in_flight.items() if f.done()}
        if not done:
            return
        moves = [self._outcome(self._shell.store.get(job_id), f) for job_id, f in done.items()]
        asked = {move.job.id: Asked.of(move.detail) for move in moves}
        for job in self._shell.store.advance_all(moves):
            del self._in_flight[job.id]
            knew = self._knew.pop(job.id, 0)
            if job.state is JobState.HELD:
                self._holding.asked(job, asked[job.id], knew)
            log = logger.bind(job=job.label, attempt=job.attempts)
            if job.disposition is Disposition.DELIVERED and job.counts:
                log.bind(rows_read=job.counts.read, rows_rejected=job.counts.rejected).info(
                    "attempt succeeded"
                )
            else:
                log.bind(code=job.reason_code, state=job.state).info("attempt ended")

    def cancel(self, job_id: int) -> bool:
        """Kill the worker that holds this job. False when none does."""
        future = self._in_flight.get(job_id)
        if future is None:
            return False
        self._executor.cancel(future)
        return True

    def _hashes_under_way(self) -> set[str]:
        store = self._shell.store
        jobs = [store.get(job_id) for job_id in self._in_flight]
        jobs += store.in_state(JobState.FINALIZING)  # as good as delivered
        return {job.sha256 for job in jobs if job.sha256}

    def _next_move(self, job: JobRecord, now_s: float) -> Move | None:
        """What to do with a due job: start it, or see that it needs no worker. None: not now."""
        known = self._shell.spool.stat_input(job)
        if known is None:
            return self._lost(job)
        fingerprint, mode = known
        if not stat.S_ISREG(mode):
            return self._refused(job, FileCode.SYMLINK if stat.S_ISLNK(mode) else FileCode.SPECIAL)
        if fingerprint != job.fingerprint:
            return self._changed(job, now_s)
        twin = self._shell.store.delivered_with(job.sha256) if job.sha256 else None
        if twin is not None and not was_asked_for(self._shell.store, job):
            return Move(
                job=job,
                event=JobEvent.DUPLICATE_FOUND,
                changes={"disposition": Disposition.DUPLICATE, "duplicate_of": twin},
                detail={"duplicate_of": f"j{twin}"},
            )
        return self._prepared(job)

    def _prepared(self, job: JobRecord) -> Move | None:
        key = ("stage", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return None
        try:
            self._shell.spool.prepare_staging(job.id, job.attempts + 1)
        except OSError as error:
            what = f"no working folder can be made: {error.strerror}"
            self._shell.troubles.note(key, what, self._shell.monotonic())
            return None
        self._shell.troubles.over(key)
        return Move(
            job=job,
            event=JobEvent.ATTEMPT_STARTED,
            changes={"attempts": job.attempts + 1, "reason_code": None, "reason_note": None},
        )

    def _submit(self, job: JobRecord) -> None:
        settings = self._shell.settings
        staging = self._shell.spool.staging_dir(job.id, job.attempts)
        parent, siblings = past_of(self._shell, job)
        task = HarmonizeTask(
            source=str(self._shell.spool.input_path(job)),
            staging_dir=str(staging),
            contracts_dir=self.contracts_dir,
            job=job.label,
            now_s=job.created_at_s,  # the arrival's clock: a retry judges dates as the first try
            output_format=settings.output.format,
            changes=settings.output.changes,
            limits=Limits(**settings.limits.model_dump()),
            mappings_dir=str(settings.mappings_dir),
            source_path=os.fsdecode(job.source),
            answer=self._holding.answers.answer_for(job),
            references=ReferenceKeys(self._shell.spool.state_dir).folders(),
            keys_dir=str(written_beside(staging)),
            parent=parent,
            siblings=siblings,
            depth=depth_of(self._shell, job),
        )
        self._knew[job.id] = self._holding.answers.serial
        self._in_flight[job.id] = self._executor.submit(task, settings.workers.deadline_s)
        logger.bind(job=job.label, attempt=job.attempts).info("attempt started")

    def _outcome(self, job: JobRecord, future: Future[HarmonizeResult]) -> Move:
        known = self._shell.spool.stat_input(job)
        if known is None:
            return self._lost(job)
        if known[0] != job.fingerprint:  # whatever was read is not what lies there now
            return self._changed(job, self._shell.clock()) or Move(
                job=job, event=JobEvent.ATTEMPT_INTERRUPTED
            )
        error = future.exception()
        if error is None:
            return self._succeeded(job, future.result())
        return self._judged(job, judge(_failure(error), job.attempts, self._policy))

    def _succeeded(self, job: JobRecord, result: HarmonizeResult) -> Move:
        if result.members:
            return expanded(self._shell, job, result)
        if result.questions:
            return self._holding.answers.question(job, result)
        return Move(
            job=job,
            event=JobEvent.ATTEMPT_SUCCEEDED,
            changes={
                "disposition": Disposition.DELIVERED,
                "contract": result.contract,
                "contract_version": result.contract_version,
                "counts": result.counts,
            },
            outputs=result.outputs,
            detail={
                "rejects": result.rejects,
                "warnings": result.warnings,
                **({"mapping": result.mapping} if result.mapping else {}),
            },
        )

    def _judged(self, job: JobRecord, verdict: Verdict) -> Move:
        ends = verdict.event in (JobEvent.ATTEMPT_REFUSED, JobEvent.ATTEMPTS_EXHAUSTED)
        return Move(
            job=job,
            event=verdict.event,
            changes={
                "attempts": verdict.attempts,
                "reason_code": verdict.code,
                "reason_note": verdict.note,
                "reason_details": verdict.details,
                "disposition": Disposition.QUARANTINED if ends else None,
                "not_before_s": self._shell.clock() + verdict.delay_s,
            },
        )

    def _changed(self, job: JobRecord, now_s: float) -> Move | None:
        """Somebody still writes: drop what was read, hash anew after another quiet period.

        None while not even a hash can be had, because he writes at this very moment.
        """
        key = ("hash", job.id)
        if self._shell.troubles.is_pausing(key, self._shell.monotonic()):
            return None
        try:
            sha256, fingerprint = self._shell.spool.digest(job)
        except FileVanished:
            return self._lost(job)
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
            },
        )

    def _refused(self, job: JobRecord, code: FileCode) -> Move:
        return Move(
            job=job,
            event=JobEvent.INPUT_REFUSED,
            changes={"disposition": Disposition.QUARANTINED, "reason_code": code},
        )

    def _lost(self, job: JobRecord) -> Move:
        return Move(
            job=job,
            event=JobEvent.INPUT_LOST,
            changes={
                "disposition": Disposition.LOST,
                "reason_code": FileCode.TAMPERED,
                "reason_note": "the claimed file was removed from the work folder",
            },
        )


def _failure(error: BaseException) -> Failure:
    """Translate what a future raises into plain words for `judge`."""
    match error:
        case ContentError():
            kind = FailureKind.CONTENT
            return Failure(kind=kind, code=error.code, note=error.note, details=error.details)
        case PipelineError():
            kind = FailureKind.TRANSIENT
            return Failure(kind=kind, code=error.code, note=error.note, details=error.details)
        case AttemptLost():
            kinds = {"killed": FailureKind.CRASHED}
            kind = kinds.get(error.kind) or FailureKind(error.kind)
            return Failure(kind=kind, note=error.detail)
        case InternalFailure():
            return Failure(kind=FailureKind.INTERNAL, note=error.type_name, details=error.trace)
        case _:  # a message may quote the data: only the type is told
            return Failure(kind=FailureKind.INTERNAL, note=type(error).__name__)
