"""Tests every assumption the service makes of its machine, for real, and says what to do.

Each check makes its own small files, removes them again, and touches nobody's data.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, NamedTuple

import psutil

from daemon.app import check_contracts, check_mappings
from daemon.db.errors import StateError, StateMissing
from daemon.db.store import JobStore
from daemon.errors import Refused
from daemon.linux import is_remote, read_lease, rename_noreplace
from daemon.lock import daemon_pid
from daemon.settings import Folders, Settings
from daemon.settle import Lease

_LOW_BYTES = 1024**3
_LOW_INODES = 10_000
_FEW_WATCHES = 1_024
_OLDEST_SANE_S = 1_760_000_000.0  # a clock before October 2025 was never set
_DISTRIBUTION = "file-harmonizer"


class Finding(NamedTuple):
    """One check: `level` is ok, warning (works, but worse) or error (must not go on like this)."""

    level: Literal["ok", "warning", "error"]
    finding: str
    advice: str = ""


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Run every check. Each answer has check, level, finding and advice."""
    checks: dict[str, Callable[[Settings], Finding]] = {
        "python": _python,
        "packages": _packages,
        "contracts": _contracts,
        "mappings": _mappings,
        "folders": _folders,
        "renames": _renames,
        "leases": _leases,
        "events": _events,
        "space": _space,
        "state": _state,
        "clock": _clock,
        "memory": _memory,
        "daemon": _daemon,
    }
    findings = []
    for name, check in checks.items():
        try:
            found = check(settings)
        except OSError as error:
            found = Finding(
                "error", f"the check failed: {error.strerror}", "See the folders above."
            )
        findings.append({"check": name, **found._asdict()})
    return findings


def _python(_settings: Settings) -> Finding:
    """An older Python does not get this far: installing refuses it."""
    in_own = sys.prefix != sys.base_prefix
    version = ".".join(map(str, sys.version_info[:3]))
    if in_own:
        return Finding("ok", f"Python {version} in an environment of its own")
    return Finding(
        "warning",
        f"Python {version}, in an environment shared with other programs",
        "Install the service into a virtual environment of its own.",
    )


def _packages(_settings: Settings) -> Finding:
    """Another distribution may own a package of our name and silently replace it."""
    owners = packages_distributions()
    for package in ("daemon", "pipeline"):
        if set(owners.get(package, [])) - {_DISTRIBUTION}:
            return Finding(
                "error",
                f"another distribution also installs '{package}': {', '.join(owners[package])}",
                "Give the service a virtual environment of its own.",
            )
    return Finding("ok", "nobody else owns our package names")


def _contracts(settings: Settings) -> Finding:
    try:
        names = check_contracts(settings)
    except Refused as refused:
        return Finding("error", refused.sentence, refused.hint)
    return Finding("ok", ", ".join(names))


def _mappings(settings: Settings) -> Finding:
    try:
        names = check_mappings(settings)
    except Refused as refused:
        return Finding("error", refused.sentence, refused.hint)
    folder = settings.mappings_dir
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "error",
            f"{folder} cannot be written by this user",
            "Give the service's user that right; confirmed mappings are kept there.",
        )
    return Finding("ok", ", ".join(names) or "none is confirmed yet")


def _folders(settings: Settings) -> Finding:
    for name in Folders.model_fields:
        path = settings.folder(name)
        if not path.is_dir():
            return Finding("error", f"{path} is not there", "Make the folders: harmonizer init.")
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return Finding(
                "error",
                f"{path} cannot be read and written by this user",
                "Give the service's user these rights; it moves files out of the inbox.",
            )
    seen = settings.folder("inbox").stat()
    if seen.st_mode & 0o1000 and seen.st_uid != os.geteuid() and os.geteuid() != 0:
        return Finding(
            "error",
            "the inbox has the sticky bit: files of other users cannot be moved out of it",
            "Remove it: chmod -t on the inbox.",
        )
    return Finding("ok", "all six are there and writable")


def _renames(settings: Settings) -> Finding:
    """Real renames between every pair that files travel: st_dev alone does not tell bind mounts."""
    work = settings.folder("work")
    slow = []
    for name in ("inbox", "outbox", "archive", "error", "review"):
        with _scratch(work) as here, _scratch(settings.folder(name)) as there:
            (here / "probe").touch()
            try:
                rename_noreplace(here / "probe", there / "probe")
            except OSError as error:
                slow.append(f"{name} ({error.strerror})")
    if slow:
        return Finding(
            "warning",
            f"files must be copied, not renamed, between work and {', '.join(slow)}",
            "Keep all folders on one filesystem and one mount; copies are verified, but slower.",
        )
    return Finding("ok", "every move is one atomic rename")


def _leases(settings: Settings) -> Finding:
    with _scratch(settings.folder("inbox")) as there:
        probe = there / "probe"
        probe.write_bytes(b"probe")
        free = read_lease(probe)
        with probe.open("ab"):
            busy = read_lease(probe)
    if (free, busy) == (Lease.FREE, Lease.BUSY):
        foreign = "" if os.geteuid() == 0 or _has_cap_lease() else _FOREIGN
        return Finding("warning" if foreign else "ok", "the kernel tells who writes", foreign)
    return Finding(
        "warning",
        "this filesystem cannot tell whether a program still writes a file",
        f"Files must be unchanged for {settings.intake.no_lease_quiet_period_s:g} s instead of "
        f"{settings.intake.quiet_period_s:g} s; senders should rename files into place.",
    )


_FOREIGN = (
    "For files of other users the service needs CAP_LEASE (the shipped unit grants it); without "
    "it they wait for the longer quiet period."
)


def _has_cap_lease() -> bool:
    cap_lease = 28  # <linux/capability.h>
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> cap_lease & 1)
    return False


def _events(settings: Settings) -> Finding:
    descriptor = os.open(settings.folder("inbox"), os.O_RDONLY | os.O_DIRECTORY)
    try:
        if is_remote(descriptor, os.fstat(descriptor).st_dev):
            return Finding(
                "warning",
                "the inbox lies on another machine: what others write there makes no events",
                f"Files are found by a look every {settings.intake.scan_interval_s:g} s.",
            )
    finally:
        os.close(descriptor)
    limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    if limit < _FEW_WATCHES:
        return Finding(
            "warning",
            f"only {limit} folders can be watched",
            "Raise fs.inotify.max_user_watches; until then files wait for the next look.",
        )
    return Finding("ok", f"up to {limit} folders can be watched")


def _space(settings: Settings) -> Finding:
    for name in ("work", "outbox", "archive", "error"):
        seen = os.statvfs(settings.folder(name))
        free = seen.f_bavail * seen.f_frsize
        if free < _LOW_BYTES or (seen.f_files and seen.f_favail < _LOW_INODES):
            return Finding(
                "warning",
                f"{name} has {free // 1024**2} MB and {seen.f_favail} inodes free",
                "Free some space, or set retention.archive_days.",
            )
    return Finding("ok", "more than 1 GB everywhere")


def _state(settings: Settings) -> Finding:
    path = settings.state_path
    try:
        store = JobStore.open_readonly(path, time.time)
    except StateMissing:
        return Finding("ok", "none yet; the first start makes it")
    except StateError as error:
        return Finding("error", error.problem, error.hint)
    try:
        problems = store.check()
    except StateError as error:
        return Finding("error", error.problem, error.hint)
    finally:
        store.close()
    if problems:
        return Finding("error", "; ".join(problems), "Restore the newest good backup.")
    return Finding("ok", "the database is sound")


def _clock(_settings: Settings) -> Finding:
    if time.time() < _OLDEST_SANE_S:
        return Finding(
            "error", "the clock is years behind", "Set it, and let a time service keep it."
        )
    return Finding("ok", time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _memory(settings: Settings) -> Finding:
    wanted = settings.worker_count * settings.workers.memory_limit_mb
    there = psutil.virtual_memory().total // 1024**2
    if wanted > there:
        return Finding(
            "warning",
            f"workers may use {wanted} MB together; the machine has {there} MB",
            "Lower workers.count or workers.memory_limit_mb.",
        )
    return Finding("ok", f"{there} MB; workers may use {wanted} MB together")


def _daemon(settings: Settings) -> Finding:
    pid = daemon_pid(settings.folder("work"))
    if pid is None:
        return Finding("ok", "none is running here")
    return Finding("ok", f"process {pid} serves this folder")


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A hidden folder that scans ignore, gone afterwards."""
    path = Path(mkdtemp(prefix=".harmonizer-doctor-", dir=parent))
    try:
        yield path
    finally:
        for child in path.iterdir():
            child.unlink()
        path.rmdir()
