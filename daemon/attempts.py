"""From the queue to a result: start attempts on free workers, collect what became of them.

The attempt is committed before its worker hears of it, so a file that brings the machine down has
still used up one of its attempts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from loguru import logger

from daemon.db.errors import StateUnavailable
from daemon.db.records import JobRecord, Move
from daemon.executors.base import AttemptLost, Executor, InternalFailure
from daemon.fairness import Rota, Turn, heavy_slots
from daemon.folders.syncs import sync_trees
from daemon.inputs import Inputs
from daemon.intake import was_asked_for
from daemon.lineage import past_of
from daemon.members import depth_of, expanded
from daemon.pace import Pace
from daemon.policy import Failure, FailureKind, RetryPolicy, Verdict, after_daemon_loss, judge
from daemon.reference_keys import ReferenceKeys, written_beside
from daemon.review.answers import Asked
from daemon.review.holding import Holding
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import ContentError, FileCode, PipelineError, TransientError
from pipeline.messages import HarmonizeResult, HarmonizeTask, Limits

_MOST_UNMARKED = 10  # attempts of one job that may be lost with the daemon before they began
_TAKEN_BACK_AT_ONCE = 500
_SETBACKS = (FileCode.STORAGE, FileCode.INPUT_MISSING)
_MEMBERS_GONE = Failure(
    kind=FailureKind.TRANSIENT,
    code=FileCode.STORAGE,
    note="a file that was taken out of the archive was removed from the work folder",
)


class Attempts:
    """Owns the attempts in flight. One thread calls it."""

    def __init__(
        self, shell: Shell, executor: Executor, contracts_dir: str, holding: Holding
    ) -> None:
        self._shell = shell
        self._executor = executor
        self._holding = holding
        self._inputs = Inputs(shell)
        self._rota = Rota(lambda turn: shell.profiles.priority(turn))
        self._heavy: set[int] = set()
        self.pace = Pace(executor.capacity)
        self.contracts_dir = contracts_dir
        self._in_flight: dict[int, Future[HarmonizeResult]] = {}
        self._ended: dict[int, None] = {}  # those in flight that are over, in the order they ended
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
    def free(self) -> int:
        """How many more attempts could start now."""
        return max(0, self.pace.in_flight(self._shell.monotonic()) - len(self._in_flight))

    @property
    def company_s(self) -> float:
        """Seconds the next turn may wait, so that more attempts end before it."""
        ended = len(self._ended)
        going_on = len(self._in_flight) - ended
        return self.pace.company_s(ended, going_on, self._shell.monotonic())

    def take_back(self, tell: Callable[[], None] = lambda: None) -> None:
        """Decide about attempts that are recorded as open and are not: the daemon was lost.

        `tell` is called after every few of them.
        """
        running = self._shell.store.in_state(JobState.RUNNING)
        lost = [job for job in running if job.id not in self._in_flight]
        tries = self._shell.store.tries_of_running() if lost else {}
        for start in range(0, len(lost), _TAKEN_BACK_AT_ONCE):
            self._shell.store.advance_all(
                [
                    self._judged(
                        job,
                        after_daemon_loss(
                            job.attempts,
                            self._policy,
                            counts=self._counts(job, tries.get(job.id, 0)),
                        ),
                    )
                    for job in lost[start : start + _TAKEN_BACK_AT_ONCE]
                ]
            )
            tell()

    def _counts(self, job: JobRecord, tries: int) -> bool:
        """Whether the lost attempt may have been the end of the daemon, by the worker's marks.

        A power failure may cost the marks; so after many tries without one, they count.
        """
        if tries > _MOST_UNMARKED:
            return True
        spool = self._shell.spool
        begun = spool.has_begun(job.id, job.attempts)
        return begun and not spool.was_outlived(job.id, job.attempts)

    def start(self) -> None:
        """Give the workers the oldest jobs that are due, a few more than there are workers."""
        free = self.free
        if not free:
            return
        now_s = self._shell.clock()
        moves: list[Move] = []
        hashes = self._hashes_under_way()
        starting = 0
        turns = list(self._in_turn(now_s))
        twins = self._shell.store.delivered_with({t.thing.sha256 for t in turns if t.thing.sha256})
        for turn in turns:
            if starting >= free:
                break
            job, is_heavy = turn.thing, self._is_heavy(turn.thing)
            if is_heavy and len(self._heavy) >= heavy_slots(self._executor.capacity):
                continue
            if job.sha256 is not None and job.sha256 in hashes:
                continue  # its twin is being harmonized; if that succeeds, this is a duplicate
            move = self._next_move(job, now_s, twins.get(job.sha256 or ""))
            if move is None:
                continue
            moves.append(move)
            if move.event is JobEvent.ATTEMPT_STARTED:
                starting += 1
                hashes.add(job.sha256 or "")
                self._rota.served(turn.source)
                if is_heavy:
                    self._heavy.add(job.id)
        same = self._same_for_all() if starting else {}
        for job in self._shell.store.advance_all(moves) if moves else ():
            if job.state is JobState.RUNNING:
                self._submit_or_refuse(job, same)
            elif job.state is JobState.WITHDRAWN:
                with contextlib.suppress(OSError):  # the next start removes it
                    self._shell.spool.clear(job.id)

    def collect(self) -> None:
        """Record what became of every attempt that has ended."""
        before = len(self._in_flight)
        self._collect()
        self._heavy &= self._in_flight.keys()
        self.pace.ended(before - len(self._in_flight), self._shell.monotonic())

    def _collect(self) -> None:
        done = {job_id: self._in_flight[job_id] for job_id in list(self._ended)}
        if not done:
            return
        jobs = {job.id: job for job in self._shell.store.in_state(JobState.RUNNING)}
        for job_id in [number for number in done if number not in jobs]:
            # a commit that seemed to fail had been made: it is recorded already
            del self._in_flight[job_id], self._ended[job_id], done[job_id]
            self._knew.pop(job_id, None)
        done = _made_durable(done)
        moves = [self._outcome(jobs[job_id], future) for job_id, future in done.items()]
        asked = {move.job.id: Asked.of(move.detail) for move in moves}
        for job in self._shell.store.advance_all(moves):
            del self._in_flight[job.id], self._ended[job.id]
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

    def _in_turn(self, now_s: float) -> Iterator[Turn[JobRecord]]:
        """The jobs that are due, as their sources have their turns, small ones before large."""
        suspect_s = self._shell.settings.workers.deadline_s
        return self._rota.order(
            Turn(
                thing=job,
                source=self._shell.profiles.turn(job.source),
                arrived_s=job.created_at_s,
                size_bytes=job.fingerprint.size_bytes,
                delay_s=suspect_s if _is_suspect(job) else 0.0,
            )
            for job in self._shell.store.in_state(JobState.QUEUED, due_by_s=now_s)
        )

    def _is_heavy(self, job: JobRecord) -> bool:
        """Large, or known to have ended a worker: such files never have all the workers."""
        large_bytes = self._shell.settings.workers.large_file_mb * 1024 * 1024
        return job.fingerprint.size_bytes >= large_bytes or _is_suspect(job)

    def cancel(self, job_id: int) -> bool:
        """Kill the worker that holds this job. False when none does."""
        future = self._in_flight.get(job_id)
        if future is None:
            return False
        self._executor.cancel(future)
        return True

    def _hashes_under_way(self) -> set[str]:
        store = self._shell.store
        jobs = store.in_state(JobState.RUNNING, JobState.FINALIZING)  # the latter: as good as done
        return {job.sha256 for job in jobs if job.sha256}

    def _next_move(self, job: JobRecord, now_s: float, twin: int | None) -> Move | None:
        """What to do with a due job: start it, or see that it needs no worker. None: not now.

        twin: the job that delivered the same bytes, if one did.
        """
        finding = self._inputs.before(job, now_s)
        if not finding.is_fit:
            return finding.move
        if twin is not None and not was_asked_for(self._shell.store, job):
            return Move(
                job=job,
                event=JobEvent.DUPLICATE_FOUND,
                changes={
                    "disposition": Disposition.DUPLICATE,
                    "duplicate_of": twin,
                    "reason_code": None,
                    "reason_note": None,  # of an attempt before
                },
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

    def _same_for_all(self) -> dict[str, Any]:
        """What tasks that start together have in common."""
        settings = self._shell.settings
        return {
            "contracts_dir": self.contracts_dir,
            "output_format": settings.output.format,
            "changes": settings.output.changes,
            "limits": Limits(**settings.limits.model_dump()),
            "mappings_dir": str(settings.mappings_dir),
            "references": ReferenceKeys(self._shell.spool.state_dir).folders(),
            "leaves_sync": True,
        }

    def _submit_or_refuse(self, job: JobRecord, same: dict[str, Any]) -> None:
        """A job that is recorded as running is in flight, or is told that it is not."""
        try:
            self._submit(job, same)
        except (OSError, StateUnavailable) as error:
            refusal = error if isinstance(error, OSError) else OSError()
            self._take_along(job.id, _refused_by(refusal))

    def _take_along(self, job_id: int, future: Future[HarmonizeResult]) -> None:
        """The attempt is in flight; the thread in which it ends notes that, and nothing else."""
        self._in_flight[job_id] = future
        future.add_done_callback(lambda _: self._ended.update({job_id: None}))

    def _submit(self, job: JobRecord, same: dict[str, Any]) -> None:
        staging = self._shell.spool.staging_dir(job.id, job.attempts)
        parent, siblings = past_of(self._shell, job)
        task = HarmonizeTask(
            source=str(self._shell.spool.input_path(job)),
            staging_dir=str(staging),
            job=job.label,
            now_s=job.created_at_s,  # the arrival's clock: a retry judges dates as the first try
            source_path=os.fsdecode(job.source),
            answer=self._holding.answers.answer_for(job),
            keys_dir=str(written_beside(staging)),
            parent=parent,
            siblings=siblings,
            sha256=job.sha256,
            contract=self._contract_of(job),
            depth=depth_of(self._shell, job),
            **same,
        )
        self._knew[job.id] = self._holding.answers.serial
        deadline_s = self._shell.settings.workers.deadline_s
        self._take_along(job.id, self._executor.submit(task, deadline_s))
        logger.bind(job=job.label, attempt=job.attempts).info("attempt started")

    def _contract_of(self, job: JobRecord) -> str | None:
        """The contract that the file's source is bound to; a file that came back keeps its own."""
        profiles = self._shell.profiles
        sources = [job.source]
        if job.parent_id is not None:
            sources.append(self._shell.store.get(job.parent_id).source)
        return next((found for one in sources if (found := profiles.of(one).contract)), None)

    def _outcome(self, job: JobRecord, future: Future[HarmonizeResult]) -> Move:
        instead = self._inputs.after(job)
        if instead is not None:  # whatever was read is not what lies there now
            return instead
        error = future.exception()
        if error is None:
            return self._succeeded(job, future.result())
        failure = _failure(error)
        if failure.code is FileCode.INPUT_CHANGED:
            return self._inputs.read_again(job)
        if failure.code is FileCode.TRUNCATED and self._inputs.may_go_back(job):
            return self._goes_back(job, failure)
        return self._failed(job, failure)

    def _failed(self, job: JobRecord, failure: Failure) -> Move:
        setbacks = self._setbacks(job) if failure.kind is FailureKind.TRANSIENT else 0
        return self._judged(job, judge(failure, job.attempts, self._policy, setbacks=setbacks))

    def _setbacks(self, job: JobRecord) -> int:
        """How many attempts the surroundings have spoiled so far."""
        tries = self._shell.store.attempts_of(job.id)
        return sum(
            one.outcome == JobEvent.ATTEMPT_FAILED and one.code in _SETBACKS for one in tries
        )

    def _succeeded(self, job: JobRecord, result: HarmonizeResult) -> Move:
        if result.members:
            try:
                return expanded(self._shell, job, result)
            except FileNotFoundError:  # somebody emptied our folder: they are taken out again
                return self._failed(job, _MEMBERS_GONE)
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

    def _goes_back(self, job: JobRecord, failure: Failure) -> Move:
        """The intent to return it to the inbox; `Inputs` does so before anything else."""
        return Move(
            job=job,
            event=JobEvent.ATTEMPT_FAILED,
            changes={
                "reason_code": failure.code,
                "reason_note": failure.note,
                "not_before_s": self._shell.clock(),
            },
        )


def _made_durable(
    done: dict[int, Future[HarmonizeResult]],
) -> dict[int, Future[HarmonizeResult]]:
    """The same, with what the attempts wrote on disk for good: before any of it is recorded.

    An attempt whose files the system refuses to write has failed.
    """
    unsynced = {
        job_id: future.result().unsynced
        for job_id, future in done.items()
        if future.exception() is None
    }
    refused = sync_trees(folder for folders in unsynced.values() for folder in folders)
    failed: dict[int, Future[HarmonizeResult]] = {}
    for job_id, folders in unsynced.items() if refused else ():
        errors = [refused[folder] for folder in folders if folder in refused]
        if errors:
            failed[job_id] = _refused_by(errors[0])
    return done | failed


def _refused_by(error: OSError) -> Future[HarmonizeResult]:
    refused: Future[HarmonizeResult] = Future()
    refused.set_exception(TransientError(FileCode.STORAGE, error.strerror or "not started"))
    return refused


def _is_suspect(job: JobRecord) -> bool:
    return job.attempts > 0 and (job.reason_code or "").startswith("POISON")


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
        case InternalFailure() if error.is_storage:
            return Failure(kind=FailureKind.TRANSIENT, code=FileCode.STORAGE, note=error.type_name)
        case InternalFailure():
            return Failure(kind=FailureKind.INTERNAL, note=error.type_name, details=error.trace)
        case _:  # a message may quote the data: only the type is told
            return Failure(kind=FailureKind.INTERNAL, note=type(error).__name__)
