"""The pool's workers and their tasks: who serves, who is due to be ended, who must be replaced.

Only the pool's thread may touch a Crew; it needs no lock. Every task given to `add` is completed
exactly once, whatever happens to its worker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from loguru import logger

from daemon.executors.base import AttemptLost, settle
from daemon.executors.process import WorkerProcess
from daemon.executors.worker import WorkerLimits
from pipeline.errors import trace_of
from pipeline.messages import HarmonizeResult, HarmonizeTask

_GRACE_S = 1.0  # the worker's own alarm comes first, so that it can tell where it hung
_START_LIMIT_S = 60.0  # to the first word of a worker, imports included
_BURIAL_S = 5.0  # a killed process that stays longer hangs in the kernel (a dead disk or mount)
_RECEIPT_S = 30.0  # a worker that has not begun its task by then never will
_MAX_TIMES_GIVEN = 10
_MUTE_S = 1.0  # a worker without its pipe ends in this time, or is ended
_START_PAUSE_S, _MAX_START_PAUSE_S = 0.1, 30.0  # doubles with every failed start in a row
TROUBLING_STARTS = 3


@dataclass(eq=False, slots=True)
class Assignment:
    """A task on its way. `given_s` (monotonic): when a worker was last handed it."""

    task: HarmonizeTask
    deadline_s: float
    future: Future[HarmonizeResult]
    given_s: float = 0.0
    times_given: int = 0
    is_begun: bool = False  # until the worker has said so, no harm to it is this task's doing

    @property
    def is_overdue(self) -> bool:
        """Past the deadline, which runs from a moment after `given_s`."""
        return self.is_begun and time.monotonic() >= self.given_s + self.deadline_s


@dataclass(eq=False, slots=True)
class Slot:
    """A worker and what it has in hand. `due_s` (monotonic): when it is ended if still there."""

    worker: WorkerProcess
    due_s: float
    assignment: Assignment | None = None
    is_last: bool = False  # it serves no further task, so its successor starts already


class Crew:
    """Keeps `capacity` workers at hand and tasks moving through them. See WorkerPool."""

    def __init__(
        self,
        capacity: int,
        limits: WorkerLimits,
        tasks_per_worker: int,
        on_done: Callable[[], None] | None,
        on_log: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._capacity = capacity
        self._limits = limits
        self._tasks_per_worker = tasks_per_worker
        self._on_done = on_done
        self._on_log = on_log
        self._waiting: deque[Assignment] = deque()
        self.slots: list[Slot] = []
        self._stop_s: float | None = None  # when running tasks are ended; None while serving
        self.failed_starts = 0
        self.start_trouble = ""
        self._next_start_s = 0.0

    @property
    def is_gone(self) -> bool:
        """True once a stop has been carried out."""
        return self._stop_s is not None and not self.slots

    def turn(self, bell: int) -> None:
        """Do what is due, then wait until a worker or the bell (a descriptor) has something."""
        self._end_what_is_due(time.monotonic())
        self._start_missing(time.monotonic())
        self._assign()
        sources = [source for slot in self.slots for source in slot.worker.sources]
        readable = set(wait([bell, *sources], self._pause_s(time.monotonic())))
        for slot in tuple(self.slots):
            if not readable.isdisjoint(slot.worker.sources):
                self._attend(slot, ended=slot.worker.sentinel in readable)

    def add(self, assignment: Assignment) -> None:
        """Queue a task."""
        self._waiting.append(assignment)

    def cancel(self, future: Future[HarmonizeResult]) -> None:
        """End this task, wherever it is."""
        loss = AttemptLost("cancelled", "by request")
        for assignment in tuple(self._waiting):
            if assignment.future is future:
                self._waiting.remove(assignment)
                self._fail(assignment, loss)
        for slot in self.slots:
            if slot.assignment is not None and slot.assignment.future is future:
                self._kill(slot, loss)

    def begin_stop(self, grace_s: float) -> None:
        """Start nothing more; end what still runs after `grace_s`. A later call may shorten it."""
        end_s = time.monotonic() + grace_s
        self._stop_s = end_s if self._stop_s is None else min(self._stop_s, end_s)
        for slot in self.slots:
            if slot.assignment is None and slot.worker.doomed is None:
                self._kill(slot, AttemptLost("stopping", "the service is stopping"))

    def fail_all(self, error: Exception) -> None:
        """Complete every task there is, and leave no worker alive."""
        for slot in tuple(self.slots):
            slot.worker.kill("stopping", "the pool has ended")
            self.slots.remove(slot)
            self._lose(slot, AttemptLost("stopping", "the pool has ended"))
        while self._waiting:
            self._fail(self._waiting.popleft(), error)

    def _pause_s(self, now_s: float) -> float | None:
        """How long nothing can be due."""
        dues = [slot.due_s for slot in self.slots]
        if self._stop_s is not None:
            dues.append(self._stop_s)
        elif self._missing:
            dues.append(self._next_start_s)
        nearest = min(dues, default=float("inf"))
        return None if nearest == float("inf") else max(0.0, nearest - now_s)

    def _end_what_is_due(self, now_s: float) -> None:
        stopping = self._stop_s is not None and now_s >= self._stop_s
        for slot in tuple(self.slots):
            if slot.worker.doomed is None and stopping:
                self._kill(slot, AttemptLost("stopping", "the service is stopping"))
            elif now_s < slot.due_s:
                continue
            elif slot.worker.doomed is not None:
                self._abandon(slot)
            elif slot.worker.mute:
                self._kill(slot, AttemptLost("crashed", "closed its pipe before an answer"))
            elif slot.assignment is not None and not slot.assignment.is_begun:
                self._kill(slot, AttemptLost("killed", "did not take its task"))
            elif slot.assignment is not None:
                limit = f"{slot.assignment.deadline_s:g} s"
                self._kill(slot, AttemptLost("timeout", f"silent past its deadline of {limit}"))
            else:
                self._kill(slot, AttemptLost("crashed", "did not become ready"))
        if stopping:
            self._stop_s = float("inf")  # said once; the burials have their own due times

    @property
    def _missing(self) -> int:
        serving = sum(not slot.is_last and slot.worker.doomed is None for slot in self.slots)
        return 0 if self._stop_s is not None else self._capacity - serving

    def _start_missing(self, now_s: float) -> None:
        for _ in range(self._missing):
            if now_s < self._next_start_s:
                return
            try:
                worker = WorkerProcess(self._limits)
            except (OSError, EOFError) as error:  # no memory, no descriptors, no fork server
                self._count_failed_start(type(error).__name__)
                return
            self.slots.append(Slot(worker, due_s=worker.born_s + _START_LIMIT_S))

    def _count_failed_start(self, why: str) -> None:
        pause_s = min(_START_PAUSE_S * 2 ** min(self.failed_starts, 10), _MAX_START_PAUSE_S)
        self.failed_starts += 1
        self._next_start_s = time.monotonic() + pause_s
        self.start_trouble = why
        if self.failed_starts == TROUBLING_STARTS:
            logger.bind(reason=why).error("workers cannot be started")

    def _assign(self) -> None:
        if self._stop_s is not None:
            while self._waiting:
                loss = AttemptLost("stopping", "the service is stopping")
                self._fail(self._waiting.popleft(), loss)
        free = [slot for slot in self.slots if _is_free(slot)]
        held = sum(slot.assignment is not None for slot in self.slots)
        for slot in free[: max(0, self._capacity - held)]:
            if not self._waiting:
                return
            assignment = slot.assignment = self._waiting.popleft()
            assignment.given_s = time.monotonic()
            assignment.times_given += 1
            slot.due_s = assignment.given_s + _RECEIPT_S
            slot.worker.give(assignment.task.to_json(), assignment.deadline_s)
            slot.is_last = slot.worker.tasks_given >= self._tasks_per_worker

    def _attend(self, slot: Slot, *, ended: bool) -> None:
        try:
            for message in slot.worker.hear(to_the_end=ended):
                self._take(slot, message)
        except (ValueError, KeyError, TypeError):
            self._kill(slot, AttemptLost("crashed", "said what is no message"))
        if ended:
            self._bury(slot)
        elif slot.worker.mute and slot.worker.doomed is None:
            slot.due_s = min(slot.due_s, time.monotonic() + _MUTE_S)

    def _take(self, slot: Slot, message: dict[str, Any]) -> None:
        if "ready" in message:
            slot.worker.ready, slot.due_s = True, float("inf")
            self.failed_starts = 0
        elif "log" in message:
            self._pass_on(message["log"], slot.assignment)
        elif "begun" in message:
            if slot.assignment is not None:
                slot.assignment.is_begun = True
                slot.due_s = time.monotonic() + slot.assignment.deadline_s + _GRACE_S
        elif slot.assignment is not None and slot.worker.doomed is None:
            assignment, slot.assignment = slot.assignment, None
            slot.due_s = float("inf")
            # one at its memory limit may stay there
            if slot.is_last or "lost" in message or self._stop_s is not None:
                self._kill(slot, AttemptLost("killed", "has served its turns"))
            settle(assignment.future, message)
            self._call(self._on_done)

    def _bury(self, slot: Slot) -> None:
        held = slot.assignment
        loss = slot.worker.reap(overdue=held is not None and held.is_overdue)
        self.slots.remove(slot)
        if not slot.worker.ready and slot.worker.doomed is None:
            self._count_failed_start(str(loss))
        self._lose(slot, loss)

    def _abandon(self, slot: Slot) -> None:
        """A process even SIGKILL does not end: its staging directory keeps it from doing harm."""
        logger.bind(pid=slot.worker.pid).error("killed worker does not end")
        slot.worker.let_go()
        self.slots.remove(slot)
        self._lose(slot, slot.worker.doomed or AttemptLost("killed", "does not end"))

    def _lose(self, slot: Slot, loss: AttemptLost) -> None:
        assignment, slot.assignment = slot.assignment, None
        if assignment is None:
            return
        is_asked_for = loss.kind in ("cancelled", "stopping")
        if assignment.is_begun or is_asked_for or assignment.times_given >= _MAX_TIMES_GIVEN:
            self._fail(assignment, loss)
        else:  # the worker was hit while idle: the next one takes over
            self._waiting.appendleft(assignment)

    def _fail(self, assignment: Assignment, error: Exception) -> None:
        assignment.future.set_exception(error)
        self._call(self._on_done)

    def _kill(self, slot: Slot, loss: AttemptLost) -> None:
        slot.worker.kill(loss.kind, loss.detail)
        slot.due_s = time.monotonic() + _BURIAL_S

    def _pass_on(self, line: dict[str, Any], held: Assignment | None) -> None:
        if self._on_log is not None:
            on_log, job = self._on_log, held.task.job if held is not None else None
            self._call(lambda: on_log({**line, "job": job}))

    def _call(self, callback: Callable[[], None] | None) -> None:
        try:
            if callback is not None:
                callback()
        except Exception as error:  # noqa: BLE001 - a mistake of theirs must not end the pool
            logger.bind(error=type(error).__name__, trace=trace_of(error)).error("callback failed")


def _is_free(slot: Slot) -> bool:
    return (
        slot.worker.ready
        and slot.worker.doomed is None
        and not slot.worker.mute
        and slot.assignment is None
        and not slot.is_last
    )
