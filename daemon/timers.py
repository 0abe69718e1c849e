"""APScheduler only wakes: every timer posts a chore, and the coordinator's thread does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from daemon.settings import Settings


class Chore(StrEnum):
    """Something that is due; the coordinator decides what that means."""

    RESCAN = "rescan"
    RETRIES = "retries"
    HEARTBEAT = "heartbeat"
    CANARY = "canary"
    LOG_RETENTION = "log_retention"
    ARCHIVE_RETENTION = "archive_retention"
    BACKUP = "backup"


_HOUR_S = 3600.0
_RETRY_LOOK_S = 1.0  # a due retry or an operator's command waits no longer than this


def intervals(settings: Settings) -> dict[Chore, float]:
    """Seconds between two postings of each chore."""
    return {
        Chore.RESCAN: settings.intake.scan_interval_s,
        Chore.RETRIES: _RETRY_LOOK_S,
        Chore.HEARTBEAT: settings.service.heartbeat_s,
        Chore.CANARY: settings.intake.canary_interval_s,
        Chore.LOG_RETENTION: _HOUR_S,
        Chore.ARCHIVE_RETENTION: _HOUR_S,
        Chore.BACKUP: settings.retention.backup_interval_s,
    }


class Timers:
    """Posts chores at their intervals until stopped. Schedules live in memory: they are code."""

    def __init__(self, settings: Settings, post: Callable[[Chore], None]) -> None:
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            # a late chore is still due, and one posting is as good as five
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
            daemon=True,
        )
        for chore, seconds in intervals(settings).items():
            self._scheduler.add_job(
                post,
                "interval",
                args=[chore],
                seconds=seconds,
                id=chore,
                replace_existing=True,
                # the first backup waits a minute, so that a crash loop does not fill the disk
                next_run_time=datetime.now(UTC) + timedelta(seconds=min(seconds, 60.0)),
            )

    def start(self) -> None:
        """Begin to post."""
        self._scheduler.start()

    def stop(self) -> None:
        """Post nothing more. A posting under way is awaited; it only sets a flag."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
