"""Composes the status page: what only the daemon knows, for other processes and for systemd."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon import notify
from daemon.coordinator import Coordinator
from daemon.db.errors import StateUnavailable
from daemon.db.records import shown
from daemon.executors.base import Executor
from daemon.inbox.watch import InboxWatcher
from daemon.shell import Shell
from daemon.statusfile import write_status

_LEAST_PAUSE_S = 0.5
_LIST_PAUSE_S = 3.0
_LONG_LIST = 100  # entries; of those, the reason of one is mostly that of all
_LONG_LIST_PAUSE_S = 15.0
_MOST_ENTRIES = 500  # a page, not a database: `why PATH` answers for any further file
_RECOVERY_STEP_S = 120.0  # far more than the time between two reports of a recovery
_STALE_SCANS = 3.0  # a scan this many intervals old means the loop is stuck
_STALE_TESTS = 12.0  # the watcher is looked after at every heartbeat while the timers live


class StatusPage:
    """Writes the page, tells systemd, and shows the observer (a progress bar) the same."""

    def __init__(
        self,
        state_dir: Path,
        shell: Shell,
        coordinator: Coordinator,
        executor: Executor,
        watcher: InboxWatcher,
        observe: Callable[[dict[str, Any]], None],
    ) -> None:
        self._state_dir = state_dir
        self._shell = shell
        self._coordinator = coordinator
        self._executor = executor
        self._watcher = watcher
        self._observe = observe
        self._started_at_s = shell.clock()
        self._written_s = float("-inf")
        self._is_ready = False
        self._phase = "running"
        self._jobs: dict[str, int] = {}
        self._list: dict[str, Any] = {}
        self._listed = (float("-inf"), 0)
        self._listed_s = float("-inf")

    def recovering(self, done: int, total: int) -> None:
        """Progress of the recovery after a start."""
        notify.status(f"recovering {done} of {total} jobs")
        notify.extend_start(_RECOVERY_STEP_S)
        self._observe({"phase": "recovering", "done": done, "total": total})
        now_s = self._shell.monotonic()
        if now_s - self._written_s >= _LEAST_PAUSE_S:
            self._written_s = now_s
            progress = {"phase": "recovering", "recovery": {"done": done, "total": total}}
            with contextlib.suppress(OSError):
                write_status(self._state_dir, {**self._page(now_s), **progress})

    def refresh(self) -> None:
        """Write the page if the last one is old enough, and feed the service watchdog."""
        now_s = self._shell.monotonic()
        if now_s - self._written_s < _LEAST_PAUSE_S:
            return
        self._written_s = now_s
        page = self._page(now_s)
        with contextlib.suppress(OSError):  # a full disk costs the page, not the service
            write_status(self._state_dir, page)
        self._observe(page)
        if not self._is_ready:
            notify.ready()
            self._is_ready = True
        jobs = page["jobs"]
        notify.status(
            f"{page['phase']}: {page['waiting']['count']} waiting, "
            f"{jobs.get('running', 0)} running, {jobs.get('held', 0)} held, "
            f"{jobs.get('quarantined', 0)} in error"
            + (f"; {left} claims and moves to be finished" if (left := page["left"]) else "")
        )
        if self._sees(now_s):
            notify.watchdog()

    def ended(self) -> None:
        """Say that no daemon stands behind the page any more."""
        with contextlib.suppress(OSError, StateUnavailable):
            page = self._page(self._shell.monotonic())
            write_status(self._state_dir, {**page, "phase": "stopped"})

    def _sees(self, now_s: float) -> bool:
        """Alive but blind is not alive: systemd hears from us only while we really look.

        The scan must be fresh, and so must the test of the watcher: one that found the watcher
        lost is fresh too, since scans then do without it.
        """
        intake = self._shell.settings.intake
        looked_s = now_s - self._coordinator.intake.looked_at_s
        tested_s = now_s - self._watcher.checked_s
        stale_s = _STALE_TESTS * self._shell.settings.service.heartbeat_s
        if intake.use_watcher and tested_s > stale_s:
            return False
        return looked_s <= _STALE_SCANS * intake.scan_interval_s

    def _ask_the_store(self) -> None:
        """While the state database cannot even be read, the page shows what was known last."""
        with contextlib.suppress(StateUnavailable):
            self._phase = "paused" if self._coordinator.is_paused else "running"
            counts = self._shell.store.counts_by_state()
            self._jobs = {str(state): jobs for state, jobs in counts.items()}

    def _waiting(self, now_s: float, to_clock: float) -> dict[str, Any]:
        """Who waits. While nobody comes or goes, the list is not made anew every second."""
        intake = self._coordinator.intake
        as_of = (intake.looked_at_s, intake.candidates)
        pause_s = _LIST_PAUSE_S if intake.candidates <= _LONG_LIST else _LONG_LIST_PAUSE_S
        is_old = as_of != self._listed or now_s - self._listed_s >= pause_s
        if is_old or not intake.candidates:
            self._listed, self._listed_s = as_of, now_s
            waiting = intake.waiting(_MOST_ENTRIES)
            self._list = {
                "count": intake.candidates,
                "oldest_s": min((w.since_s for w in waiting), default=now_s) + to_clock,
                "entries": [
                    {
                        "source": shown(w.source),
                        "reason": w.reason,
                        "since_s": w.since_s + to_clock,
                        "size_bytes": w.size_bytes,
                    }
                    for w in waiting
                ],
            }
        return self._list

    def _page(self, now_s: float) -> dict[str, Any]:
        clock_s = self._shell.clock()
        coordinator = self._coordinator
        self._ask_the_store()
        to_clock = clock_s - now_s  # settle clocks are monotonic; people want the time of day
        scan = coordinator.intake.scan
        health = self._watcher.health
        return {
            "phase": "draining" if coordinator.draining else self._phase,
            "pid": os.getpid(),
            "at_s": clock_s,
            "started_at_s": self._started_at_s,
            "scan": {
                "at_s": coordinator.intake.looked_at_s + to_clock,
                "inbox": scan.inbox_identity is not None,
                "unreadable": [shown(path) for path in scan.unreadable[:_MOST_ENTRIES]],
            },
            "watcher": {
                "state": health.state,
                "why": health.why,
                "since_s": max(health.since_s + to_clock, self._started_at_s),
                "overflows": self._watcher.overflows,
                "faults": self._watcher.faults,
                "replaced": self._watcher.replaced,
                "unwatched": [shown(path) for path in self._watcher.unwatched[:_MOST_ENTRIES]],
            },
            "workers": {
                "capacity": self._executor.capacity,
                "busy": [
                    {"job": job, "pid": pid, "since_s": since_s + to_clock}
                    for job, pid, since_s in self._executor.busy()
                ],
            },
            "troubles": [
                {"what": what, "since_s": since_s + to_clock}
                for what, since_s in self._shell.troubles.shown()
            ],
            "obstacles": [
                what
                for key in ("state", "system", "space", "workers", "inbox")
                if (what := self._shell.troubles.why(key))
            ],
            "waiting": self._waiting(now_s, to_clock),
            "ignored": {
                "count": len(scan.ignored),
                "entries": [
                    {"source": shown(i.source), "reason": i.reason}
                    for i in scan.ignored[:_MOST_ENTRIES]
                ],
            },
            "jobs": self._jobs,
            "left": coordinator.left,
        }
