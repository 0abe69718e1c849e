"""Jobs for the store's tests: a clock that is set by hand, and ways to bring a job anywhere."""

from __future__ import annotations

from collections import deque
from typing import Any

from daemon.db.records import ClaimIntent, Fingerprint, JobRecord, Move, Owner
from daemon.db.store import JobStore
from daemon.states import FINALIZED, TRANSITIONS, Disposition, JobEvent, JobState
from pipeline.messages import OutputFile

OWNER = Owner(uid=1000, gid=1000, mode=0o640)
OUTPUTS = (
    OutputFile(name="vitals.csv", sha256="c" * 64, size_bytes=120),
    OutputFile(name="report.json", sha256="d" * 64, size_bytes=900),
)


class HandClock:
    """UTC epoch seconds that move only when told to."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def intent(source: bytes = b"ward/labs.csv", **fields: Any) -> ClaimIntent:
    fingerprint = Fingerprint(device=64769, inode=4711, size_bytes=2048, mtime_ns=1_699_999_999_123)
    given: dict[str, Any] = {"source": source, "fingerprint": fingerprint, "owner": OWNER}
    return ClaimIntent(**given | fields)


def open_job(store: JobStore, source: bytes = b"ward/labs.csv", **fields: Any) -> JobRecord:
    [job] = store.open_jobs([intent(source, **fields)])
    return job


def move(job: JobRecord, event: JobEvent, **changes: Any) -> Move:
    """The move with whatever the event cannot do without."""
    if event is JobEvent.ATTEMPT_STARTED:
        changes.setdefault("attempts", job.attempts + 1)
    outputs = OUTPUTS if event is JobEvent.ATTEMPT_SUCCEEDED else ()
    return Move(job=job, event=event, changes=changes, outputs=outputs)


def bring_to(
    store: JobStore,
    state: JobState,
    ending: Disposition | None = None,
    source: bytes = b"ward/labs.csv",
    **changes: Any,
) -> JobRecord:
    """A new job, moved to `state` by the shortest way; `changes` are made at the last step.

    `ending` is how a finalizing job is to end; a finished state says it itself.
    """
    if state.value in set(Disposition):
        ending = Disposition(state.value)
    job = open_job(store, source)
    way = _way_to(state)
    for step, event in enumerate(way, start=1):
        needed = dict(changes) if step == len(way) else {}
        if TRANSITIONS[job.state, event] is JobState.FINALIZING:
            needed["disposition"] = ending or Disposition.QUARANTINED
        job = store.advance(move(job, event, **needed))
    return job


def deliver(store: JobStore, source: bytes = b"ward/labs.csv") -> JobRecord:
    """A job that was run and delivered, with its attempt and outputs."""
    job = bring_to(store, JobState.RUNNING, source=source)
    job = store.advance(
        move(job, JobEvent.ATTEMPT_SUCCEEDED, disposition=Disposition.DELIVERED, contract="vitals")
    )
    return store.advance(move(job, JobEvent.FINALIZED_DELIVERED))


def _way_to(goal: JobState) -> list[JobEvent]:
    ways: deque[tuple[JobState, list[JobEvent]]] = deque([(JobState.CLAIMING, [])])
    while ways:
        state, way = ways.popleft()
        if state is goal:
            return way
        ways.extend(
            (after, [*way, event])
            for (before, event), after in TRANSITIONS.items()
            if before is state and after is not state
        )
    raise AssertionError(f"no way leads to {goal}")


def ending_of(event: JobEvent) -> Disposition | None:
    """The disposition a job must have for this event to finish it."""
    return next((ending for ending, last in FINALIZED.items() if last is event), None)
