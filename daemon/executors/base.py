"""What every place that runs attempts promises: one task in, one future out, and exact blame.

A future raises a PipelineError (the file was refused), AttemptLost (the worker did not live to
answer) or InternalFailure (our mistake). Nothing else, and never with a cell value in it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from daemon.errors import may_pass
from pipeline import errors
from pipeline.errors import FileCode, PipelineError
from pipeline.messages import HarmonizeResult, HarmonizeTask

LossKind: TypeAlias = Literal["timeout", "memory", "crashed", "killed", "cancelled", "stopping"]
Outcome: TypeAlias = "Future[HarmonizeResult]"


class AttemptLost(Exception):
    """The worker ended, or was ended, while it held this task and no other.

    kind: `timeout` past its deadline; `memory` more than it may use; `crashed` by a signal of its
    own making or an early exit; `killed` by somebody else; `cancelled` and `stopping` by request.
    `detail` names the exit code or signal and, where known, the line of code. It holds no values.
    """

    def __init__(self, kind: LossKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


class InternalFailure(Exception):
    """A mistake of the program: the error's type and its `file:line:function` lines, no values."""

    def __init__(self, type_name: str, trace: tuple[str, ...]) -> None:
        super().__init__(type_name, trace)
        self.type_name, self.trace = type_name, trace

    @property
    def is_storage(self) -> bool:
        """True when it was the system that refused: an operating-system error that may pass."""
        number = getattr(errno, self.type_name.rpartition(" ")[2], None)
        return isinstance(number, int) and may_pass(OSError(number, ""))

    def __str__(self) -> str:
        return f"{self.type_name} at {self.trace[-1] if self.trace else 'an unknown place'}"


class BusyWorker(NamedTuple):
    """A worker with a task in hand. `since_monotonic_s` is on the clock of `time.monotonic`."""

    job: str
    pid: int
    since_monotonic_s: float


class Executor(Protocol):
    """Runs tasks somewhere. `capacity` is how many run at once; more than that wait in order."""

    @property
    def capacity(self) -> int:
        """How many tasks run at the same time."""
        ...

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        """Start the task as soon as a worker is free; its time runs from then. Never raises."""
        ...

    def cancel(self, future: Future[HarmonizeResult]) -> None:
        """End this task, running or waiting: it raises AttemptLost('cancelled') soon after.

        One that has just been answered keeps its answer.
        """
        ...

    def stop(self, grace_s: float = 0.0) -> None:
        """Give running tasks `grace_s` to end, then kill all workers. Safe to call twice."""
        ...

    def busy(self) -> list[BusyWorker]:
        """The tasks being worked on now, in the order of their workers."""
        ...

    @property
    def has_ended(self) -> bool:
        """True when nothing can run any more and only a restart of the daemon helps."""
        ...

    def trouble(self) -> str | None:
        """Why no worker can be had at the moment, in one sentence; None when all is well."""
        ...


def settle(future: Future[HarmonizeResult], answer: dict[str, Any]) -> None:
    """Complete `future` with a worker's plain answer (see `daemon.executors.worker`)."""
    try:
        outcome = _outcome_in(answer)
    except Exception as mistake:  # noqa: BLE001 - an answer we cannot read must not hang the future
        outcome = InternalFailure(type(mistake).__name__, errors.trace_of(mistake))
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _outcome_in(answer: dict[str, Any]) -> HarmonizeResult | Exception:
    match answer:
        case {"refused": refusal}:
            kind: Callable[..., PipelineError] = getattr(errors, refusal["class"], PipelineError)
            return kind(FileCode(refusal["code"]), refusal["note"], tuple(refusal["details"]))
        case {"lost": loss}:
            return AttemptLost(loss["kind"], loss["detail"])
        case {"failed": failure}:
            return InternalFailure(failure["type"], tuple(failure["trace"]))
    return HarmonizeResult.from_json(answer["ok"])
