"""What a failed attempt means. Pure: a failure and a count in, an event and a delay out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from daemon.states import JobEvent
from pipeline.errors import FILE_CODES, FileCode


class FailureKind(StrEnum):
    """How an attempt ended, if not with a result."""

    CONTENT = "content"  # the file is at fault: trying again cannot help
    TRANSIENT = "transient"  # the surroundings are at fault
    TIMEOUT = "timeout"  # the worker ran past its deadline and was killed
    MEMORY = "memory"  # the worker needed more memory than it may have
    CRASHED = "crashed"  # the worker died
    INTERNAL = "internal"  # a mistake of our own
    STOPPING = "stopping"  # the daemon stopped the worker: not the file's doing
    CANCELLED = "cancelled"  # a person asked for it


_POISON = {
    FailureKind.TIMEOUT: FileCode.POISON_TIMEOUT,
    FailureKind.MEMORY: FileCode.POISON_MEMORY,
    FailureKind.CRASHED: FileCode.POISON_CRASH,
    FailureKind.INTERNAL: FileCode.INTERNAL,
    FailureKind.TRANSIENT: FileCode.STORAGE,
}
_LOST_WORKER = (FailureKind.TIMEOUT, FailureKind.MEMORY, FailureKind.CRASHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt brought no result. `note` and `details` hold no cell values."""

    kind: FailureKind
    note: str
    code: FileCode | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait: base_s, 2*base_s, 4*base_s ... up to cap_s.

    `max_setbacks` is for trouble with the surroundings: a disk that is full over a weekend must
    not cost a file, one whose sector stays unreadable ends in the error folder all the same.
    """

    max_attempts: int = 3
    max_setbacks: int = 12
    base_s: float = 30.0
    cap_s: float = 3600.0

    def delay_s(self, attempts: int) -> float:
        """Seconds to wait after the `attempts`-th failure (the first is 1)."""
        return min(self.cap_s, self.base_s * 2.0 ** (attempts - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to record about a failed attempt. `attempts` is the count that stays on the job."""

    event: JobEvent
    attempts: int
    code: FileCode | None = None
    note: str | None = None
    details: tuple[str, ...] = ()
    delay_s: float = 0.0


def judge(failure: Failure, attempts: int, policy: RetryPolicy, *, setbacks: int = 0) -> Verdict:
    """Decide whether a failed attempt (the `attempts`-th) is worth repeating.

    An attempt that we stopped ourselves is given back, and so is one that the surroundings
    spoiled; `setbacks` is how many of those the job has had before. A lost worker may have been
    shot by somebody else, so its file is tried again at once, then with the usual pauses.
    """
    if failure.kind in (FailureKind.STOPPING, FailureKind.CANCELLED):
        return Verdict(event=JobEvent.ATTEMPT_INTERRUPTED, attempts=attempts - 1)
    if failure.kind is FailureKind.TRANSIENT and setbacks + 1 < policy.max_setbacks:
        return Verdict(
            event=JobEvent.ATTEMPT_FAILED,
            attempts=attempts - 1,
            code=failure.code or FileCode.STORAGE,
            note=failure.note,
            details=failure.details,
            delay_s=policy.delay_s(setbacks + 1),
        )
    code = failure.code or _POISON.get(failure.kind, FileCode.INTERNAL)
    if failure.kind is FailureKind.CONTENT:
        event, delay_s = JobEvent.ATTEMPT_REFUSED, 0.0
    elif attempts >= policy.max_attempts or failure.kind is FailureKind.TRANSIENT:
        event, delay_s = JobEvent.ATTEMPTS_EXHAUSTED, 0.0
    else:
        first_loss = attempts == 1 and failure.kind in _LOST_WORKER
        event, delay_s = JobEvent.ATTEMPT_FAILED, 0.0 if first_loss else policy.delay_s(attempts)
    return Verdict(
        event=event,
        attempts=attempts,
        code=code,
        note=failure.note,
        details=failure.details,
        delay_s=delay_s,
    )


def after_daemon_loss(attempts: int, policy: RetryPolicy, *, counts: bool) -> Verdict:
    """Decide about an attempt that was open when the daemon itself stopped without warning.

    It `counts` if a worker had begun it and is not known to have outlived the daemon: a file that
    brings down the whole machine must not be tried for ever. Any other is given back.
    """
    if not counts:
        return Verdict(event=JobEvent.ATTEMPT_INTERRUPTED, attempts=attempts - 1)
    if attempts < policy.max_attempts:
        return Verdict(event=JobEvent.ATTEMPT_INTERRUPTED, attempts=attempts)
    return Verdict(
        event=JobEvent.ATTEMPTS_EXHAUSTED,
        attempts=attempts,
        code=FileCode.POISON_CRASH,
        note=f"the service itself stopped during each of {attempts} attempts",
    )


def meaning(code: str) -> str:
    """The plain sentence of a file code; an unknown (older, newer) code stands for itself."""
    known = FileCode.__members__.get(code)
    return FILE_CODES[known].meaning if known else code


def advice(code: str) -> str:
    """What a person should do about a file code."""
    known = FileCode.__members__.get(code)
    return FILE_CODES[known].advice if known else "Ask the administrator of the service."
