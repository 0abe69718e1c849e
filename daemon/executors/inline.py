"""Runs each task right here, at once. For tests, for `harmonizer plan`, and for breakpoints."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from daemon.executors.base import BusyWorker, settle
from daemon.executors.worker import HARMONIZE, run_task
from pipeline.messages import HarmonizeResult, HarmonizeTask


class InlineExecutor:
    """An executor without workers: a future is done before `submit` returns it.

    The same answers as the pool's, but nothing can be killed: deadlines and limits do not apply.
    """

    capacity = 1

    def __init__(
        self, on_done: Callable[[], None] | None = None, *, entry: str = HARMONIZE
    ) -> None:
        self._on_done = on_done
        self._entry = entry

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        """Run the task now; its future holds the outcome, whatever it was."""
        future: Future[HarmonizeResult] = Future()
        future.set_running_or_notify_cancel()
        settle(future, run_task(task.to_json(), self._entry))
        if self._on_done is not None:
            self._on_done()
        return future

    def cancel(self, future: Future[HarmonizeResult]) -> None:
        """Too late: the task has been answered."""

    def stop(self, grace_s: float = 0.0) -> None:
        """Nothing to release."""

    def busy(self) -> list[BusyWorker]:
        """Nothing is under way between two calls."""
        return []

    @property
    def has_ended(self) -> bool:
        """There is nothing that could end."""
        return False

    def trouble(self) -> str | None:
        """There is nothing that could be missing."""
        return None
