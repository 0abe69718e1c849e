"""The doctor's checks of folders and filesystems: each does for real what the service will do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import permutations
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal, NamedTuple

from daemon.db.errors import StateError
from daemon.db.store import JobStore
from daemon.folders.files import fsync_dir, remove_tree, write_durably
from daemon.folders.linux import is_pinned, is_remote, rename_noreplace
from daemon.settings import Folders, Settings
from daemon.starting import places_of

_LOW_BYTES = 1024**3
_LOW_INODES = 10_000
_SKEW_S = 5.0


class Finding(NamedTuple):
    """One check: `level` is ok, warning (works, but worse) or error (must not go on like this)."""

    level: Literal["ok", "warning", "error"]
    finding: str
    advice: str = ""


def folders(settings: Settings) -> Finding:
    """Every folder is there, and this user may make, read and remove things in it."""
    for name in Folders.model_fields:
        path = settings.folder(name)
        if not path.is_dir():
            return Finding("error", f"{path} is not there", "Make the folders: harmonizer init.")
        if is_pinned(path):
            return Finding(
                "error",
                f"{path} is marked immutable or append-only: nothing can be moved out of it",
                f"Take that off with chattr -i -a, or mount what belongs on {path}.",
            )
        if not _is_usable(path):
            return Finding(
                "error",
                f"{path} cannot be read and written by this user",
                "Give the service's user these rights; it moves files out of the inbox.",
            )
    seen = settings.folder("inbox").stat()
    if seen.st_mode & stat.S_ISVTX and os.geteuid() not in (0, seen.st_uid):
        return Finding(
            "error",
            "the inbox has the sticky bit: files of other users cannot be moved out of it",
            "Remove it: chmod -t on the inbox.",
        )
    return Finding("ok", "all six are there and writable")


def _is_usable(path: Path) -> bool:
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return False
    try:
        with scratch(path) as there:
            write_durably(there / "probe", b"probe")
    except OSError:
        return False
    return True


def mounts(settings: Settings) -> Finding:
    """No folder is the bare mount point of a filesystem that is away."""
    try:
        store = JobStore.open_readonly(settings.state_path, time.time)
    except StateError:
        return Finding("ok", "nothing is known yet; the first start looks")
    with closing(store):
        places = places_of(settings, store)
        away = [why for name in Folders.model_fields if (why := places.absence(name))]
    if away:
        return Finding(
            "error", "; ".join(away), "Look at 'findmnt' and mount it again; see operations.md."
        )
    return Finding("ok", "every folder is where it was")


def renames(settings: Settings) -> Finding:
    """Real renames between all folders, in both directions: st_dev does not tell bind mounts."""
    slow: set[str] = set()
    for one, two in permutations(Folders.model_fields, 2):
        with scratch(settings.folder(one)) as here, scratch(settings.folder(two)) as there:
            (here / "probe").touch()
            try:
                rename_noreplace(here / "probe", there / "probe")
            except OSError as error:
                first, second = sorted((one, two))
                slow.add(f"{first} and {second} ({error.strerror})")
    if slow:
        return Finding(
            "warning",
            f"files must be copied, not renamed, between {', '.join(sorted(slow))}",
            "Keep all folders on one filesystem and one mount; copies are verified, but slower.",
        )
    return Finding("ok", "every move is one atomic rename")


def no_overwriting(settings: Settings) -> Finding:
    """A rename onto a name that is taken is refused, and touches neither file."""
    for name in Folders.model_fields:
        with scratch(settings.folder(name)) as here:
            (here / "one").write_bytes(b"one")
            (here / "two").write_bytes(b"two")
            with contextlib.suppress(FileExistsError):
                rename_noreplace(here / "one", here / "two")
            if not (here / "one").exists() or (here / "two").read_bytes() != b"two":
                return Finding(
                    "error",
                    f"the filesystem of {name} lets a rename overwrite a file",
                    "Use a local filesystem (ext4, XFS, btrfs) for that folder.",
                )
    return Finding("ok", "a rename never overwrites")


def durability(settings: Settings) -> Finding:
    """Files and the names in folders can be made durable."""
    slowest_s = 0.0
    for name in Folders.model_fields:
        with scratch(settings.folder(name)) as here:
            began_s = time.monotonic()
            try:
                write_durably(here / "probe", b"probe")
                fsync_dir(here)
            except OSError as error:
                return Finding(
                    "error",
                    f"{name} cannot be made durable: {error.strerror}",
                    "Use a filesystem that supports fsync; after a power cut files could be lost.",
                )
            slowest_s = max(slowest_s, time.monotonic() - began_s)
    return Finding("ok", f"fsync works everywhere; the slowest took {1000 * slowest_s:.0f} ms")


def locking(settings: Settings) -> Finding:
    """The state database can be locked, and its log can be shared with readers."""
    work = settings.folder("work")
    descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if is_remote(descriptor, os.fstat(descriptor).st_dev):
            return Finding(
                "error",
                "work lies on a network mount, where locks do not hold",
                "Keep 'folders.work' on a local disk.",
            )
    finally:
        os.close(descriptor)
    with scratch(work) as here:
        path = here / "probe.db"
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as one:
            mode = one.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            one.execute("CREATE TABLE probe (x)")
            one.execute("BEGIN IMMEDIATE")
            with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as two:
                two.execute("SELECT count(*) FROM probe").fetchone()
                try:
                    two.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    holds = True
                else:
                    holds = False
            one.execute("ROLLBACK")
    if mode != "wal" or not holds:
        return Finding(
            "error",
            "the state database could not be locked here",
            "Keep 'folders.work' on a local filesystem.",
        )
    return Finding("ok", "one writer, many readers")


def privacy(settings: Settings) -> Finding:
    """What is ours alone can be entered and read by nobody else."""
    wanted = {settings.folder("work"): 0o700, settings.state_path.parent: 0o700}
    wanted |= dict.fromkeys(settings.state_path.parent.glob("harmonizer.db*"), 384)
    for path, mode in wanted.items():
        with contextlib.suppress(FileNotFoundError):
            seen = path.stat()
            if seen.st_mode & 0o777 & ~mode:
                return Finding(
                    "error",
                    f"{path} can be used by others (mode {stat.S_IMODE(seen.st_mode):04o})",
                    f"chmod {mode:04o} {path}",
                )
            if seen.st_uid != os.geteuid() and os.geteuid() != 0:
                return Finding(
                    "error",
                    f"{path} belongs to uid {seen.st_uid}, not to this user",
                    f"chown -R it to the service's user: {path}",
                )
    return Finding("ok", "work and state are for the service alone")


def space(settings: Settings) -> Finding:
    """Bytes and inodes, in every folder that is written to."""
    for name in ("work", "outbox", "archive", "error", "review"):
        seen = os.statvfs(settings.folder(name))
        free = seen.f_bavail * seen.f_frsize
        if free < _LOW_BYTES or (seen.f_files and seen.f_favail < _LOW_INODES):
            return Finding(
                "warning",
                f"{name} has {free // 1024**2} MB and {seen.f_favail} inodes free",
                "Free some space, or set retention.archive_days.",
            )
    return Finding("ok", "more than 1 GB everywhere")


def file_times(settings: Settings) -> Finding:
    """The inbox's filesystem and this machine agree about the time."""
    with scratch(settings.folder("inbox")) as here:
        (here / "probe").touch()
        skew_s = (here / "probe").stat().st_mtime - time.time()
    if abs(skew_s) > _SKEW_S:
        return Finding(
            "warning",
            f"files in the inbox get times {skew_s:+.0f} s from this machine's clock",
            "Keep both machines in time; the service itself does not rely on these times.",
        )
    return Finding("ok", "files get this machine's time")


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A hidden folder that scans ignore, gone afterwards."""
    path = Path(mkdtemp(prefix=".harmonizer-doctor-", dir=parent))
    try:
        yield path
    finally:
        remove_tree(path)
