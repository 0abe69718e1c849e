"""Worker processes on this machine: one task each, watched one by one, replaced at once.

No ready-made pool will do (measured in 2026 on ProcessPoolExecutor, loky, pebble): one dead worker
fails its innocent neighbours, a hung one cannot be killed, and with `max_tasks_per_child` a backlog
deadlocks on 3.11-3.13 (python/cpython#115634). One thread owns the crew; others leave a wish
and ring its bell.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from loguru import logger

from daemon.executors import process
from daemon.executors.base import AttemptLost, BusyWorker, InternalFailure
from daemon.executors.crew import TROUBLING_STARTS, Assignment, Crew
from daemon.executors.worker import HARMONIZE, WorkerLimits
from pipeline.errors import trace_of
from pipeline.messages import HarmonizeResult, HarmonizeTask

_STOP_LIMIT_S = 60.0  # a start under way, or a process that SIGKILL does not end, is left behind


class WorkerPool:
    """`capacity` worker processes, started at once and kept warm.

    memory_limit_mb: most private writable memory of one worker. tasks_per_worker: after so many a
    worker is replaced. on_done: called from the pool's thread after each future completes. on_log:
    receives {"level", "message", "fields", "job"} for each line a worker logs. contracts_dir: read
    ahead by each worker. entry: what workers run, as `module:function`.
    """

    def __init__(
        self,
        capacity: int,
        *,
        memory_limit_mb: int | None = None,
        tasks_per_worker: int = 5_000,
        on_done: Callable[[], None] | None = None,
        on_log: Callable[[dict[str, Any]], None] | None = None,
        log_level: str = "INFO",
        contracts_dir: str | None = None,
        entry: str = HARMONIZE,
    ) -> None:
        self.capacity = capacity
        limits = WorkerLimits(
            memory_bytes=memory_limit_mb * 1024 * 1024 if memory_limit_mb else None,
            log_level=log_level,
            entry=entry,
            contracts_dir=contracts_dir,
        )
        self._crew = Crew(capacity, limits, tasks_per_worker, on_done, on_log)
        self._wishes: deque[Callable[[], None]] = deque()
        self._door = threading.Lock()  # between `submit` and the thread's last look at the wishes
        self._closed: AttemptLost | None = None
        self._mistake: InternalFailure | None = None
        self._bell_out, self._bell_in = os.pipe()
        os.set_blocking(self._bell_in, False)
        os.set_blocking(self._bell_out, False)
        process.prepare(entry)
        self._thread = threading.Thread(target=self._run, name="pool", daemon=True)
        self._thread.start()

    # --- called from any thread ---------------------------------------------------------------

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        """Run the task on the next free worker. Its time starts when a worker has it."""
        future: Future[HarmonizeResult] = Future()
        future.set_running_or_notify_cancel()  # `cancel` here is the only way back
        assignment = Assignment(task, deadline_s, future)
        if not self._wish(lambda: self._crew.add(assignment)):
            future.set_exception(self._closed)
        return future

    def cancel(self, future: Future[HarmonizeResult]) -> None:
        """Kill the worker that holds this task, or take it out of the queue."""
        self._wish(lambda: self._crew.cancel(future))

    def stop(self, grace_s: float = 0.0) -> None:
        """Drop waiting tasks, give running ones `grace_s`, then kill every worker."""
        self._wish(lambda: self._crew.begin_stop(grace_s))
        if threading.current_thread() is not self._thread:
            self._thread.join(grace_s + _STOP_LIMIT_S)

    def busy(self) -> list[BusyWorker]:
        """Who works on what, since when."""
        return [
            BusyWorker(held.task.job, slot.worker.pid, held.given_s)
            for slot in tuple(self._crew.slots)
            if (held := slot.assignment) is not None
        ]

    @property
    def has_ended(self) -> bool:
        """True after a mistake of the pool's own: nothing runs any more until a restart."""
        return self._mistake is not None

    def trouble(self) -> str | None:
        """Why no worker can be had. While that lasts, tasks wait for it to pass.

        After a mistake of the pool's own it does not pass: restart the daemon. No task is blamed.
        """
        if self._mistake is not None:
            return f"the worker pool has ended: {self._mistake}"
        tries = self._crew.failed_starts
        if tries < TROUBLING_STARTS:
            return None
        return f"workers cannot be started ({tries} tries): {self._crew.start_trouble}"

    def _wish(self, wish: Callable[[], None]) -> bool:
        with self._door:
            if self._closed is not None:
                return False
            self._wishes.append(wish)
            with contextlib.suppress(BlockingIOError):  # it has rung often enough
                os.write(self._bell_in, b"!")
            return True

    # --- the pool's own thread ----------------------------------------------------------------

    def _run(self) -> None:
        end = AttemptLost("stopping", "the service is stopping")
        try:
            while not self._crew.is_gone:
                self._crew.turn(self._bell_out)
                self._grant_wishes()
        except Exception as error:  # noqa: BLE001 - no future may wait for ever
            self._mistake = InternalFailure(type(error).__name__, trace_of(error))
            logger.bind(error=str(self._mistake)).critical("worker pool ended")
            end = AttemptLost("stopping", "the worker pool has ended")  # no file's fault
        with self._door:
            self._closed = end
        self._grant_wishes()
        self._crew.fail_all(end)
        os.close(self._bell_in)
        os.close(self._bell_out)

    def _grant_wishes(self) -> None:
        with contextlib.suppress(BlockingIOError):  # silence the bell before looking, not after
            os.read(self._bell_out, 65_536)
        while self._wishes:
            self._wishes.popleft()()
