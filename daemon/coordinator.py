"""One turn of the crank: collect, obey, finish, look, ask, claim, confirm, start.

The only place where decisions meet effects, run by one thread. Other threads (watchdog,
APScheduler, worker futures, signals) never call in here: they wake the loop, and the loop looks. A
lost wake-up costs latency, never a file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from loguru import logger

from daemon.attempts import Attempts
from daemon.commands import Commands
from daemon.executors.base import Executor
from daemon.fairness import heavy_slots
from daemon.finishing import Finishing
from daemon.folders.groups import group_number
from daemon.folders.space import shortage
from daemon.housekeeping import Housekeeping
from daemon.inbox.fragments import FiledOriginals
from daemon.intake import Intake
from daemon.review.holding import Holding
from daemon.settings import Settings
from daemon.shell import Shell
from daemon.states import JobState
from daemon.timers import Chore

_UNDER_WAY = (JobState.CLAIMING, JobState.QUEUED, JobState.RUNNING, JobState.FINALIZING)
_LEAST_SCAN_PAUSE_S = 0.05  # events come in thousands; a scan answers all of them at once
_SCAN_SHARE = 10  # ... and scanning may take a tenth of the time
_LONGEST_WAIT_S = 1.0
_SPACE_PAUSE_S = 1.0
_MOST_CLAIMED = 500  # in one turn, so that no turn takes long


class Coordinator:
    """Owns every decision about every job. Not thread-safe, by design: one thread calls it."""

    def __init__(
        self, *, shell: Shell, executor: Executor, contracts_dir: str, wake: threading.Event
    ) -> None:
        self._shell = shell
        self._executor = executor
        self.intake = Intake(shell, wake.set)
        self.holding = Holding(shell, wake.set, contracts_dir)
        self.attempts = Attempts(shell, executor, contracts_dir, self.holding)
        self.finishing = Finishing(shell)
        self.housekeeping = Housekeeping(shell)
        self._filed = FiledOriginals(shell)
        self._commands = Commands(shell, self.intake, self.attempts, self.holding)
        self._look_is_wanted = True
        self._scan_took_s = 0.0
        self._orphans_wait = False
        self._space_seen_s = float("-inf")
        self.draining = False

    def recover(self, progress: Callable[[int, int], None] = lambda done, of: None) -> None:
        """Make disk and rows agree after a stop of any kind. Run once, before `step`.

        Claims and moves under way are finished by the ordinary steps, however many there are, while
        new files are served already; only attempts that were open when the daemon was lost, and
        folders no job knows, need a decision of their own. Job numbers that folders bear already
        are not given again: the database may be a backup.
        """
        live = (JobState.CLAIMING, JobState.RUNNING, JobState.FINALIZING, JobState.HELD)
        total = sum(self._shell.store.counts_by_state()[state] for state in live)

        def tell() -> None:
            counts = self._shell.store.counts_by_state()
            waits = live[:3]  # held jobs wait for people; the coordinator tends to them
            progress(max(0, total - sum(counts[state] for state in waits)), total)

        tell()
        self._shell.store.skip_ids(self._shell.spool.highest_filed())
        self.attempts.take_back(tell)
        self.finishing.finish()
        self.intake.confirm()
        tell()
        self.holding.recover()
        if self._shell.places.absence("inbox") is None:
            self.housekeeping.offer_orphans_again()
        else:
            self._orphans_wait = True  # nothing is put beneath a mount that is away
        progress(total, total)
        if total:
            logger.bind(jobs=total).info("recovered")

    def step(self) -> None:
        """Advance everything that can advance."""
        self.attempts.collect()
        self._commands.obey()  # after `collect`: a cancelled attempt must not be started anew
        self.finishing.finish()
        self.holding.tend(look=self._look_if_due())
        self._watch_workers()
        if not self.draining and not self.is_paused and not self.is_broken:
            has_space = self._has_space()
            if has_space:
                self._claim()
            self.intake.confirm()
            if has_space:
                self.attempts.start()
        self.attempts.collect()  # an inline attempt has ended already
        self.holding.tend()
        self.finishing.finish()
        self.finishing.refresh_index()
        if self._has_time():
            self.finishing.tidy()

    def _has_time(self) -> bool:
        """Whether nothing is under way, and nothing was a moment ago."""
        counts = self._shell.store.counts_by_state()
        is_busy = any(counts[state] for state in _UNDER_WAY)
        return not is_busy and not self.attempts.pace.is_fast(self._shell.monotonic())

    def do(self, chore: Chore) -> None:
        """Carry out what a timer says is due."""
        match chore:
            case Chore.RESCAN:
                self.look_soon()
            case Chore.LOG_RETENTION:
                self.housekeeping.forget_old_logs()
            case Chore.ARCHIVE_RETENTION:
                self.housekeeping.prune_archive()
            case Chore.BACKUP:
                self.housekeeping.back_up()
            case Chore.HEARTBEAT:
                self.housekeeping.see_backup()
                self._filed.look()
            case Chore.RETRIES | Chore.CANARY:
                pass  # being awake is all they are for

    def look_soon(self) -> None:
        """Scan the inbox in the next step."""
        self._look_is_wanted = True

    @property
    def is_paused(self) -> bool:
        """True while an operator has stopped new work."""
        return self._shell.store.meta_get("paused") is not None

    @property
    def is_idle(self) -> bool:
        """True when nothing waits in the inbox and no job is queued, running or moving.

        Held jobs wait for people, not for us.
        """
        counts = self._shell.store.counts_by_state()
        if any(counts[state] for state in _UNDER_WAY) or self.intake.pending:
            return False
        return not self.holding.is_busy

    @property
    def is_broken(self) -> bool:
        """True when no attempt can be made any more by this process."""
        return self._executor.has_ended

    def watcher_says(self, state: str, why: str, unwatched: int) -> None:
        """Show what the watcher cannot see; files are found by the scan all the same."""
        pause_s = self._shell.settings.intake.scan_interval_s
        slower = f"new files are found by a look every {pause_s:g} s"
        what = f"the watcher is {state} ({why}): {slower}"
        if state == "watching" and unwatched:
            what = (
                f"{unwatched} folders in the inbox are not watched by the kernel: {slower} (raise "
                "fs.inotify.max_user_watches, and let the service's user read the folders)"
            )
        elif state == "watching" or not self.intake.is_inbox_there:
            self._shell.troubles.over("watcher")
            return
        self._shell.troubles.note("watcher", what, self._shell.monotonic())

    def _has_space(self) -> bool:
        """Whether the disks take more; looked at every second, shown while they do not."""
        now_s = self._shell.monotonic()
        if now_s - self._space_seen_s >= _SPACE_PAUSE_S:
            self._space_seen_s = now_s
            intake, folders = self._shell.settings.intake, self._shell.spool.folders
            names = ("work", "outbox", "archive", "error", "review")
            look = partial(
                shortage,
                {name: getattr(folders, name) for name in names},
                min_free_mb=intake.min_free_mb,
                min_free_inodes=intake.min_free_inodes,
            )
            what = look()
            if what is not None and not self.finishing.is_tidy:
                self.finishing.clear_up()
                what = look()
            if what is None:
                self._shell.troubles.over("space")
            else:
                self._shell.troubles.note("space", what, now_s)
        return self._shell.troubles.why("space") is None

    def _watch_workers(self) -> None:
        trouble = self._executor.trouble()
        if trouble is None:
            self._shell.troubles.over("workers")
        else:
            self._shell.troubles.note("workers", trouble, self._shell.monotonic())

    @property
    def troubles(self) -> list[str]:
        """What the system refuses just now, one sentence each."""
        return [what for what, _ in self._shell.troubles.shown()]

    @property
    def left(self) -> int:
        """How many claims and moves the last turn had no time for: thousands after a crash."""
        return self.finishing.left + self.intake.left

    def wait_s(self) -> float:
        """Seconds the loop may sleep unless something wakes it."""
        if self.holding.is_behind or self.left:
            return 0.0
        if not self.finishing.is_tidy and self._has_time():
            return 0.0
        now_s = self._shell.monotonic()
        due_s = min(self.intake.next_look_s(), self._shell.troubles.next_try_s(now_s))
        if self._look_is_wanted:
            due_s = min(due_s, self.intake.looked_at_s + self._scan_pause_s)
        return min(_LONGEST_WAIT_S, max(0.0, due_s - now_s))

    def reconfigure(self, settings: Settings, contracts_dir: str) -> None:
        """Take over settings that may change while running; folders and workers need a restart."""
        self._shell.settings = settings
        self._shell.places.marker = settings.intake.marker
        self._shell.spool.reconfigure(
            settings.intake.left_alone,
            int(settings.output.file_mode, 8),
            group_number(settings.output.group),
        )
        self.intake.reconfigure()
        self.look_soon()
        self.attempts.contracts_dir = contracts_dir
        self.holding.reconfigure(contracts_dir)

    def give_back(self) -> None:
        """At a stop: end the open attempts and give each back to its job."""
        self._executor.stop()
        self.attempts.collect()
        self.finishing.finish()
        self.finishing.refresh_index(at_once=True)
        self.finishing.clear_up()

    def close(self) -> None:
        """Release what this object started."""
        self.intake.close()
        self.holding.close()
        self.housekeeping.close()

    @property
    def _scan_pause_s(self) -> float:
        return max(_LEAST_SCAN_PAUSE_S, _SCAN_SHARE * self._scan_took_s)

    def _look_if_due(self) -> bool:
        now_s = self._shell.monotonic()
        since_s = now_s - self.intake.looked_at_s
        wanted = self._look_is_wanted and since_s >= self._scan_pause_s
        is_due = wanted or since_s >= self._shell.settings.intake.scan_interval_s
        if is_due:
            self._look_is_wanted = False
            self.intake.look()
            if self._orphans_wait and self.intake.is_inbox_there:
                self._orphans_wait = False
                self.housekeeping.offer_orphans_again()
            self._scan_took_s = self._shell.monotonic() - now_s
        return is_due

    def _claim(self) -> None:
        room, large_room = self._room()
        ahead, now_s = self._shell.settings.intake.claim_ahead, self._shell.monotonic()
        if room and self.attempts.pace.claims_now(room, ahead, now_s):
            self.intake.claim(room, large_room)

    def _room(self) -> tuple[int, int]:
        """How many files may be claimed now, and how many of them may be large ones.

        For free workers, and a few for the next ones. Large files under way take no small one's
        place, and jobs that came back all at once (answered, retried) not that of all new files.
        """
        workers, now_s = self._shell.settings.workers, self._shell.clock()
        ours = (JobState.CLAIMING, JobState.QUEUED, JobState.RUNNING)
        large_bytes = workers.large_file_mb * 1024 * 1024
        jobs = self._shell.store.in_state(*ours, due_by_s=now_s)
        large = sum(job.fingerprint.size_bytes >= large_bytes for job in jobs)
        again = sum(
            job.state is JobState.QUEUED and bool(job.attempts or job.parent_id) for job in jobs
        )
        capacity, at_least = self._executor.capacity, self._shell.settings.intake.claim_ahead
        ahead = self.attempts.pace.ahead(at_least, self._shell.monotonic())
        room = capacity + ahead - (len(jobs) - large - again)
        return min(_MOST_CLAIMED, max(0, room)), max(0, heavy_slots(capacity) + 1 - large)
