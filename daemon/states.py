"""The life of a job, as a table. Pure: no clock, no disk, no database.

    (none) ─claim_intended─▶ claiming ─claim_confirmed─▶ queued ─attempt_started─▶ running
                                │                        ▲ │ ▲                     │ │ │
                         claim_abandoned                 │ │ └─attempt_failed──────┘ │ │
                                ▼                        │ │   attempt_interrupted   │ │
                            withdrawn      answer_confirmed│   input_changed         │ │
                                                         │ │                         │ │
                                                       held ◀──────question_asked────┘ │
                                             answer_refused│ │ duplicate_found, attempt_succeeded,
                                           cancel_requested▼ ▼ attempt_refused, ...    ▼
                                                        finalizing ──finalized_…──▶ delivered ·
                                          quarantined · duplicate · cancelled · lost

`claiming` and `finalizing` are *intents*: they are committed before the filesystem is touched, so
a crash in between is repaired by repeating an idempotent move. A finished job never changes; a
retry is a new job that names its parent.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    """Where a job stands. The five live states come first."""

    CLAIMING = "claiming"  # intent: the input is in the inbox or already in work/
    QUEUED = "queued"  # ours, hashed, waiting for a worker (perhaps until `not_before`)
    RUNNING = "running"  # an attempt is open
    HELD = "held"  # waiting for a person's answer
    FINALIZING = "finalizing"  # intent: outputs and input are moving to where `disposition` says
    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def is_finished(self) -> bool:
        """True once the job can never change again."""
        return self in FINISHED


class Disposition(StrEnum):
    """How a finalizing job will end, known and committed before files move."""

    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"
    LOST = "lost"


FINISHED = frozenset(
    {
        JobState.DELIVERED,
        JobState.QUARANTINED,
        JobState.DUPLICATE,
        JobState.WITHDRAWN,
        JobState.CANCELLED,
        JobState.LOST,
    }
)
LIVE = frozenset(set(JobState) - FINISHED)


class JobEvent(StrEnum):
    """What can happen to a job. Each becomes one row in the `event` table."""

    CLAIM_INTENDED = "claim_intended"
    CLAIM_CONFIRMED = "claim_confirmed"
    CLAIM_ABANDONED = "claim_abandoned"
    DUPLICATE_FOUND = "duplicate_found"
    ATTEMPT_STARTED = "attempt_started"
    ATTEMPT_SUCCEEDED = "attempt_succeeded"
    ATTEMPT_REFUSED = "attempt_refused"
    ATTEMPT_FAILED = "attempt_failed"
    ATTEMPT_INTERRUPTED = "attempt_interrupted"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INPUT_REFUSED = "input_refused"
    INPUT_CHANGED = "input_changed"
    INPUT_LOST = "input_lost"
    QUESTION_ASKED = "question_asked"
    ANSWER_CONFIRMED = "answer_confirmed"
    ANSWER_REFUSED = "answer_refused"
    CANCEL_REQUESTED = "cancel_requested"
    FINALIZED_DELIVERED = "finalized_delivered"
    FINALIZED_QUARANTINED = "finalized_quarantined"
    FINALIZED_DUPLICATE = "finalized_duplicate"
    FINALIZED_CANCELLED = "finalized_cancelled"
    FINALIZED_LOST = "finalized_lost"


_S, _E = JobState, JobEvent
TRANSITIONS: MappingProxyType[tuple[JobState, JobEvent], JobState] = MappingProxyType(
    {
        (_S.CLAIMING, _E.CLAIM_CONFIRMED): _S.QUEUED,
        (_S.CLAIMING, _E.CLAIM_ABANDONED): _S.WITHDRAWN,
        (_S.CLAIMING, _E.INPUT_LOST): _S.FINALIZING,  # a member: no copy of it is in the inbox
        (_S.QUEUED, _E.DUPLICATE_FOUND): _S.FINALIZING,
        (_S.QUEUED, _E.ATTEMPT_STARTED): _S.RUNNING,
        (_S.QUEUED, _E.INPUT_REFUSED): _S.FINALIZING,  # no worker is needed to refuse a link
        (_S.QUEUED, _E.INPUT_CHANGED): _S.QUEUED,
        (_S.QUEUED, _E.INPUT_LOST): _S.FINALIZING,
        (_S.QUEUED, _E.CLAIM_ABANDONED): _S.WITHDRAWN,  # cut off: it waits in the inbox again
        (_S.QUEUED, _E.CANCEL_REQUESTED): _S.FINALIZING,
        (_S.RUNNING, _E.ATTEMPT_SUCCEEDED): _S.FINALIZING,
        (_S.RUNNING, _E.ATTEMPT_REFUSED): _S.FINALIZING,
        (_S.RUNNING, _E.ATTEMPT_FAILED): _S.QUEUED,
        (_S.RUNNING, _E.ATTEMPT_INTERRUPTED): _S.QUEUED,
        (_S.RUNNING, _E.ATTEMPTS_EXHAUSTED): _S.FINALIZING,
        (_S.RUNNING, _E.INPUT_CHANGED): _S.QUEUED,
        (_S.RUNNING, _E.INPUT_LOST): _S.FINALIZING,
        (_S.RUNNING, _E.QUESTION_ASKED): _S.HELD,
        (_S.HELD, _E.ANSWER_CONFIRMED): _S.QUEUED,
        (_S.HELD, _E.ANSWER_REFUSED): _S.FINALIZING,
        (_S.HELD, _E.CANCEL_REQUESTED): _S.FINALIZING,
        (_S.HELD, _E.INPUT_LOST): _S.FINALIZING,
        (_S.FINALIZING, _E.FINALIZED_DELIVERED): _S.DELIVERED,
        (_S.FINALIZING, _E.FINALIZED_QUARANTINED): _S.QUARANTINED,
        (_S.FINALIZING, _E.FINALIZED_DUPLICATE): _S.DUPLICATE,
        (_S.FINALIZING, _E.FINALIZED_CANCELLED): _S.CANCELLED,
        (_S.FINALIZING, _E.FINALIZED_LOST): _S.LOST,
    }
)

FINALIZED: MappingProxyType[Disposition, JobEvent] = MappingProxyType(
    {
        Disposition.DELIVERED: _E.FINALIZED_DELIVERED,
        Disposition.QUARANTINED: _E.FINALIZED_QUARANTINED,
        Disposition.DUPLICATE: _E.FINALIZED_DUPLICATE,
        Disposition.CANCELLED: _E.FINALIZED_CANCELLED,
        Disposition.LOST: _E.FINALIZED_LOST,
    }
)


class InvalidTransition(Exception):
    """A bug: the event cannot happen to a job in this state."""

    def __init__(self, state: JobState, event: JobEvent) -> None:
        super().__init__(state, event)
        self.state, self.event = state, event

    def __str__(self) -> str:
        return f"{self.event} cannot happen to a job that is {self.state}"


def advance(state: JobState, event: JobEvent) -> JobState:
    """Return the state that follows `event`, or raise InvalidTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise InvalidTransition(state, event) from None
