"""Copies of the state database that are complete and proven, or not there at all."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from daemon.db.errors import StateCorrupt, StateUnavailable, plain_errors
from daemon.db.opening import connect_to_read

_NAME = re.compile(r"^harmonizer-\d{8}T\d{6}Z\.db$")


def backup_name(now_s: float) -> str:
    """File name of a backup taken at `now_s` (UTC epoch seconds); names sort by time."""
    return datetime.fromtimestamp(now_s, UTC).strftime("harmonizer-%Y%m%dT%H%M%SZ.db")


def backup_to(source: Path, target: Path) -> None:
    """Copy the live database `source` to `target`: whole, checked and durable, or not at all.

    Raises:
        StateUnavailable: the copy cannot be written.
        StateCorrupt: the copy fails its check; whatever was at `target` is kept.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with plain_errors():
            _copy(source, partial)
        _sync(partial)
        partial.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StateUnavailable(
            f"The backup cannot be written ({error.strerror})",
            "Check the free space and the permissions of the backup folder.",
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def put_back(live: sqlite3.Connection, path: Path) -> None:
    """Make the database `live` is open on anew at `path`, after somebody deleted the file.

    An open connection still has all of it. The log beside it is removed first: it belongs to the
    deleted file, and the new one must not be read together with it.

    Raises: as `backup_to`.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with plain_errors():
            _copy_of(live, partial)
        _sync(partial)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StateUnavailable(
            f"The state database was deleted, and cannot be written again ({error.strerror})",
            "Check the free space and the permissions of its folder.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def prune_backups(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` backups in `folder`; touches no other file.

    Returns the deleted paths, oldest first.
    """
    if not folder.is_dir():
        return []
    backups = sorted(path for path in folder.iterdir() if _NAME.match(path.name))
    surplus = backups[: max(0, len(backups) - keep)]
    for path in surplus:
        path.unlink(missing_ok=True)
    return surplus


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    _sync(folder)


def _copy(source: Path, target: Path) -> None:
    with closing(connect_to_read(source)) as live:
        _copy_of(live, target)


def _copy_of(live: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        live.backup(copy)  # in one step: the writer goes on in its log, the copy is one instant
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable from a read-only place
        findings = [finding for (finding,) in copy.execute("PRAGMA integrity_check")]
    if findings != ["ok"]:
        raise StateCorrupt(
            f"The backup was refused: the state database is damaged in {len(findings)} places",
            "Keep the older backups; stop the daemon and put the newest good one in place.",
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
