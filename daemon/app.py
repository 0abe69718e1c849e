"""The composition root: build the daemon from its settings, run its loop, stop it in order."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, TypeVar

from loguru import logger

from daemon import logs, notify
from daemon.coordinator import Coordinator
from daemon.db.errors import StaleJob, StateError, StateUnavailable, refusal
from daemon.db.store import JobStore
from daemon.errors import ExitCode, Refused, SettingsError, may_pass
from daemon.executors.base import Executor
from daemon.executors.inline import InlineExecutor
from daemon.executors.pool import WorkerPool
from daemon.folders.files import ignore_lease_signals
from daemon.folders.places import Places
from daemon.folders.spool import Spool
from daemon.inbox.watch import InboxWatcher
from daemon.settings import Settings
from daemon.shell import Shell
from daemon.starting import (
    check_contracts,
    check_group,
    check_mappings,
    locked,
    ready_spool,
    told_plainly,
)
from daemon.status import StatusPage
from daemon.timers import Chore, Timers

_NEW_OBJECTS = 20_000  # that may hold others, before the youngest of them are looked through
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)  # while the state database, or the system, refuses

Observer = Callable[[dict[str, Any]], None]
T = TypeVar("T")


class Daemon:
    """One running service. Other threads may only append to its queues and set its wake event."""

    def __init__(
        self,
        settings: Settings,
        *,
        adopt: bool = False,
        reload: Callable[[], Settings] | None = None,
        observe: Observer = lambda page: None,
    ) -> None:
        self._settings = settings
        self._adopt = adopt
        self._reload = reload
        self._observe = observe
        self._wake = threading.Event()
        self._chores: deque[Chore] = deque()
        self._arrivals: deque[bytes] = deque()
        self._signals: deque[int] = deque()

    def run(self, *, until_idle: bool = False) -> ExitCode:
        """Serve until a signal, or until nothing is left to do.

        Raises:
            Refused: the daemon must not start like this.
            SettingsError: the log file cannot be written as configured.
        """
        os.umask(int(self._settings.service.umask, 8))
        logs.guard_tracebacks()
        ignore_lease_signals()
        check_contracts(self._settings)
        check_mappings(self._settings)
        logs.configure(self._settings.logs)
        with (
            locked(self._settings),
            self._signals_caught(),
            self._state(patient=not until_idle) as store,
            told_plainly(),
        ):
            spool, places = self._when_possible(
                lambda: ready_spool(store, self._settings, adopt=self._adopt),
                patient=not until_idle,
            )
            return self._serve(store, spool, places, until_idle=until_idle)

    @contextmanager
    def _state(self, *, patient: bool) -> Iterator[JobStore]:
        path = self._settings.state_path
        store = self._when_possible(lambda: JobStore(path, time.time), patient=patient)
        try:
            database = logs.configure(self._settings.logs, write=store.add_logs)
        except SettingsError:
            store.close()
            raise
        try:
            yield store
        finally:
            database.close()
            store.close()

    def _when_possible(self, act: Callable[[], T], *, patient: bool) -> T:
        """Do what a start needs; a service waits for a lock, a full or a failing disk to pass."""
        for failures in count():
            try:
                return act()
            except StateError as error:
                refused = refusal(error)
            except OSError as error:
                refused = Refused(
                    ExitCode.UNAVAILABLE if may_pass(error) else ExitCode.CONFIG,
                    f"The service's folders cannot be used: {error.strerror}.",
                    "Check the disk and its permissions with 'harmonizer doctor'.",
                )
            except Refused as error:
                refused = error
            is_told_to_stop = any(number != signal.SIGHUP for number in self._signals)
            if not patient or is_told_to_stop or refused.code is not ExitCode.UNAVAILABLE:
                raise refused
            if not failures:
                logger.bind(why=refused.sentence).warning("cannot start yet; it is tried again")
            notify.status(str(refused))
            self._pause(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
        raise AssertionError("unreachable")

    def _serve(
        self, store: JobStore, spool: Spool, places: Places, *, until_idle: bool
    ) -> ExitCode:
        shell = Shell(
            store=store,
            spool=spool,
            places=places,
            settings=self._settings,
            clock=time.time,
            monotonic=time.monotonic,
        )
        executor = self._executor()
        coordinator = Coordinator(
            shell=shell,
            executor=executor,
            contracts_dir=str(self._settings.contracts_dir),
            wake=self._wake,
        )
        watcher = InboxWatcher(
            spool.folders.inbox,
            self._saw,
            canary_interval_s=self._settings.intake.canary_interval_s,
        )
        timers = Timers(self._settings, self._post)
        page = StatusPage(spool.state_dir, shell, coordinator, executor, watcher, self._observe)
        try:
            timers.start()
            self._loop(shell, coordinator, watcher, page, until_idle=until_idle)
            self._drain(coordinator, page)
        finally:
            notify.stopping()
            timers.stop()
            watcher.stop()
            executor.stop()
            coordinator.close()
        logger.info("daemon stopped")
        page.ended()
        return ExitCode.OK

    def _executor(self) -> Executor:
        if self._settings.workers.executor == "inline":
            return InlineExecutor(on_done=self._wake.set)
        return WorkerPool(
            self._settings.worker_count,
            memory_limit_mb=self._settings.workers.memory_limit_mb,
            tasks_per_worker=self._settings.workers.tasks_per_worker,
            on_log=logs.repeat,
            log_level=self._settings.logs.level,
            contracts_dir=str(self._settings.contracts_dir),
            on_done=self._wake.set,
        )

    def _loop(
        self,
        shell: Shell,
        coordinator: Coordinator,
        watcher: InboxWatcher,
        page: StatusPage,
        *,
        until_idle: bool,
    ) -> None:
        failures = 0
        has_begun = False
        idle_since_look_s: float | None = None
        while not self._stop_is_asked(shell, coordinator):
            try:
                if failures:
                    shell.store.probe()  # before files are moved that could not be recorded
                    coordinator.attempts.take_back()
                self._keep_state(shell)
                if not has_begun:
                    self._begin(coordinator, watcher, page)
                    _leave_alone_what_stays()
                    has_begun = True
                self._pass_on(coordinator, watcher)
                coordinator.step()
                page.refresh()
                is_idle = coordinator.is_idle
            except (StateUnavailable, StaleJob, OSError) as error:
                self._sit_out(error, failures, shell, coordinator, page)
                failures += 1
                continue
            if failures:
                failures = 0
                for key in ("state", "system"):
                    shell.troubles.over(key)
            if coordinator.is_broken:  # a fresh process can work again; this one cannot
                raise Refused(
                    ExitCode.CRASHED,
                    f"{coordinator.troubles[0]}.",
                    "Start the daemon again and report it; no file is lost.",
                )
            if not is_idle:
                idle_since_look_s = None
            elif until_idle and idle_since_look_s is None:
                idle_since_look_s = coordinator.intake.looked_at_s
                coordinator.look_soon()  # one more look: something may have come meanwhile
            elif until_idle and coordinator.intake.looked_at_s > (idle_since_look_s or 0.0):
                return
            self._pause(coordinator.wait_s())
            while not self._signals and (company_s := coordinator.attempts.company_s):
                self._pause(company_s)

    def _begin(self, coordinator: Coordinator, watcher: InboxWatcher, page: StatusPage) -> None:
        coordinator.recover(progress=page.recovering)
        if self._settings.intake.use_watcher:
            watcher.start(time.monotonic())
        logger.bind(workers=self._settings.worker_count).info("daemon started")

    def _sit_out(
        self,
        error: StateUnavailable | StaleJob | OSError,
        failures: int,
        shell: Shell,
        coordinator: Coordinator,
        page: StatusPage,
    ) -> None:
        """A turn was broken off. Every step may be repeated, so it is, after a pause.

        Meanwhile the inbox is looked at, so that people see what waits, and nothing is claimed.
        """
        if isinstance(error, OSError):
            what = (
                f"the system refuses: {error.strerror or type(error).__name__}; it is tried again"
            )
            shell.troubles.note("system", what, shell.monotonic())
        else:
            shell.troubles.note("state", str(error), shell.monotonic())
        if not failures:
            logger.bind(error=logs.describe_failure(error)).warning("turn broken off")
        with suppress(OSError, StateError):
            coordinator.intake.look()
            page.refresh()
        self._pause(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])

    def _keep_state(self, shell: Shell) -> None:
        """Hands in work/state: a deleted database is put back, another one needs a new start."""
        if not shell.store.keep_in_place():
            raise Refused(
                ExitCode.UNAVAILABLE,
                "The state database was replaced by another file while the service ran.",
                "Start the service again: it then goes on with the file that is there now.",
            )

    def _drain(self, coordinator: Coordinator, page: StatusPage) -> None:
        """Let open attempts finish; a second signal, or the time limit, ends the wait."""
        coordinator.draining = True
        patience_s = time.monotonic() + self._settings.service.drain_s
        with suppress(StateUnavailable, StaleJob, OSError):  # the next start finds what is undone
            while coordinator.attempts.in_flight and time.monotonic() < patience_s:
                if any(number != signal.SIGHUP for number in self._signals):
                    break
                page.refresh()
                self._pause(0.2)
                coordinator.step()
            coordinator.give_back()

    def _pass_on(self, coordinator: Coordinator, watcher: InboxWatcher) -> None:
        while self._arrivals:
            source = self._arrivals.popleft()
            if source:
                coordinator.intake.arrived_by_rename(source)
            coordinator.look_soon()
        while self._chores:
            chore = self._chores.popleft()
            if chore in (Chore.CANARY, Chore.HEARTBEAT) and self._settings.intake.use_watcher:
                self._look_after(coordinator, watcher)
            coordinator.do(chore)

    def _look_after(self, coordinator: Coordinator, watcher: InboxWatcher) -> None:
        """Test the watcher; what it cannot see is said, and is found by the scan all the same."""
        now_s = time.monotonic()
        health = watcher.check(now_s)
        watcher.compare(coordinator.intake.scan.folders, now_s)
        coordinator.watcher_says(health.state, health.why, len(watcher.unwatched))

    def _stop_is_asked(self, shell: Shell, coordinator: Coordinator) -> bool:
        while self._signals:
            if self._signals.popleft() != signal.SIGHUP:
                return True
            self._reconfigure(shell, coordinator)
        return False

    def _reconfigure(self, shell: Shell, coordinator: Coordinator) -> None:
        """SIGHUP: take over what can change while running; bad settings change nothing."""
        if self._reload is None:
            return
        notify.reloading()
        try:
            settings = self._reload()
            check_contracts(settings)
            check_mappings(settings)
            check_group(settings)
        except (SettingsError, Refused) as error:
            logger.bind(error=type(error).__name__).error("new configuration refused")
            shell.troubles.note("config", f"new configuration refused: {error}", shell.monotonic())
        else:
            shell.troubles.over("config")
            self._settings = settings
            coordinator.reconfigure(settings, str(settings.contracts_dir))
            logger.info("configuration reloaded")
        notify.ready()

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _post(self, chore: Chore) -> None:
        self._chores.append(chore)
        self._wake.set()

    def _saw(self, source: bytes | None, renamed: bool) -> None:
        self._arrivals.append(source if source is not None and renamed else b"")
        self._wake.set()

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        def note(number: int, _frame: object) -> None:
            self._signals.append(number)
            self._wake.set()

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _leave_alone_what_stays() -> None:
    """The garbage collector need not look at what was made for good, again and again.

    Looking at all modules and settings every few hundred objects took a twelfth of the loop's time
    while small files came in thousands. What has no cycles goes at once in any case.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
