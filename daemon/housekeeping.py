"""What keeps a daemon healthy for years: retention, backups, and folders no job knows."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from loguru import logger

from daemon.db.backup import backup_name, prune_backups
from daemon.db.errors import StateError
from daemon.shell import Shell

_DAY_S = 86_400.0
_RECOGNISED_DAYS = 365.0  # how long a refused file is known by its inode; then by its bytes only


class Housekeeping:
    """Owns the slow chores. One thread calls it; a failure is shown and tried at the next call."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="backup")
        self._backup: Future[None] | None = None

    def forget_old_logs(self) -> None:
        """Delete log rows past their retention, and notes on files nobody will send again."""
        days = self._shell.settings.logs.database_retention_days
        now_s = self._shell.clock()
        self._shell.store.purge_logs(now_s - days * _DAY_S)
        self._shell.store.forget_files(now_s - _RECOGNISED_DAYS * _DAY_S)

    def prune_archive(self) -> None:
        """Delete archived originals past their retention; without one they are kept for ever."""
        days = self._shell.settings.retention.archive_days
        if days is None:
            return
        today = datetime.fromtimestamp(self._shell.clock(), UTC).date()
        try:
            removed = self._shell.spool.prune_archive(today - timedelta(days=days))
        except OSError as error:
            what = f"old originals cannot be removed from the archive: {error.strerror}"
            self._shell.troubles.note("archive", what, self._shell.monotonic())
            return
        self._shell.troubles.over("archive")
        if removed:
            logger.bind(entries=removed).info("archive pruned")

    def back_up(self) -> None:
        """Begin to copy the state database, checked, beside itself, and to drop the oldest copy.

        It happens beside the loop: with years of history a copy takes many seconds.
        """
        if self._backup is None:
            self._backup = self._aside.submit(self._write_backup)

    def see_backup(self) -> None:
        """Show how the last backup ended, if one has."""
        if self._backup is None or not self._backup.done():
            return
        error = self._backup.exception()
        self._backup = None
        if error is None:
            self._shell.troubles.over("backup")
        elif isinstance(error, StateError | OSError):
            what = getattr(error, "strerror", None) or str(error)
            what = f"the state database is not backed up: {what}"
            self._shell.troubles.note("backup", what, self._shell.monotonic())
        else:
            raise error

    def close(self) -> None:
        """Wait for a backup under way."""
        self._aside.shutdown(wait=True)

    def _write_backup(self) -> None:
        folder = self._shell.spool.state_dir / "backups"
        self._shell.store.backup_to(folder / backup_name(self._shell.clock()))
        prune_backups(folder, self._shell.settings.retention.backups_kept)

    def offer_orphans_again(self) -> None:
        """Give files in work/ that no live job knows back to the inbox, under a telling name.

        It happens when the state database was restored from a backup or removed.
        """
        live = self._shell.store.live_ids()
        for orphan in self._shell.spool.orphans(live):
            self._shell.spool.offer_again(orphan)
            logger.bind(job=f"j{orphan}").warning("a folder without a live job was found")
