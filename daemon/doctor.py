"""Tests every assumption the service makes of its machine, for real, and says what to do.

Each check makes its own small files, removes them again, and touches nobody's data.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import psutil

from daemon import doctor_disk as disk
from daemon.db.errors import StateError, StateMissing
from daemon.db.store import JobStore
from daemon.doctor_disk import Finding
from daemon.errors import Refused
from daemon.folders.linux import is_remote, read_lease
from daemon.inbox.names import ignored_reason
from daemon.inbox.scan import scan_inbox
from daemon.inbox.settle import Lease
from daemon.inbox.watch import InboxWatcher
from daemon.lock import daemon_pid
from daemon.settings import Settings
from daemon.starting import check_contracts, check_group, check_mappings

_FEW_WATCHES = 1_024
_FEW_FILES = 1_024
_EVENT_WAIT_S = 5.0
_OLDEST_SANE_S = 1_760_000_000.0  # a clock before October 2025 was never set
_DISTRIBUTION = "file-harmonizer"


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Run every check. Each answer has check, level, finding and advice."""
    checks: dict[str, Callable[[Settings], Finding]] = {
        "python": _python,
        "packages": _packages,
        "contracts": _contracts,
        "sources": _sources,
        "mappings": _mappings,
        "user": _user,
        "group": _group,
        "folders": disk.folders,
        "mounts": disk.mounts,
        "renames": disk.renames,
        "overwriting": disk.no_overwriting,
        "durability": disk.durability,
        "leases": _leases,
        "events": _events,
        "space": disk.space,
        "privacy": disk.privacy,
        "locking": disk.locking,
        "state": _state,
        "file times": disk.file_times,
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


def _sources(settings: Settings) -> Finding:
    """What senders are to send along must be names that the service looks at."""
    for source in settings.sources:
        for wanted in filter(None, (source.complete.marker, source.complete.manifest)):
            name = wanted.replace("{name}", "a.csv").replace("{stem}", "a").replace("*", "a")
            reason = ignored_reason(os.fsencode(name), settings.intake.left_alone)
            if reason is not None:
                return Finding(
                    "error",
                    f"the source {source.path} waits for '{wanted}', a name that is left alone",
                    f"Such names are {reason}. Agree on another one with the sender.",
                )
        if not (settings.folder("inbox") / source.path).is_dir():
            return Finding(
                "warning",
                f"the source {source.path} has no folder in the inbox yet",
                "Make it, so that its sender finds it; or correct the path in the settings.",
            )
    return Finding("ok", f"{len(settings.sources)} in the settings, each with its folder")


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


def _user(_settings: Settings) -> Finding:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < _FEW_FILES:
        return Finding(
            "warning",
            f"only {files} files may be open at once",
            "Raise LimitNOFILE in the unit, or 'ulimit -n'.",
        )
    if os.geteuid() == 0:
        return Finding(
            "warning",
            "this is root, who may do anything; the service needs no such rights",
            "Run it as a user of its own; the shipped unit does.",
        )
    return Finding("ok", f"an ordinary user (uid {os.geteuid()})")


def _group(settings: Settings) -> Finding:
    try:
        group = check_group(settings)
    except Refused as refused:
        return Finding("error", refused.sentence, refused.hint)
    if group is None:
        return Finding("ok", "published files get the group of the folder they appear in")
    return Finding("ok", f"published files get group {settings.output.group}")


def _leases(settings: Settings) -> Finding:
    with disk.scratch(settings.folder("inbox")) as there:
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
    scan = scan_inbox(settings.folder("inbox"), settings.intake.left_alone)
    limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    if limit < max(_FEW_WATCHES, 2 * len(scan.folders)):
        return Finding(
            "warning",
            f"only {limit} folders can be watched, and the inbox has {len(scan.folders)}",
            "Raise fs.inotify.max_user_watches; until then files wait for the next look.",
        )
    with disk.scratch(settings.folder("inbox")) as there:
        why = _no_event_from(there)
    if why is not None:
        return Finding(
            "warning",
            f"a file made as a test gave no event: {why}",
            f"Files are found by a look every {settings.intake.scan_interval_s:g} s; raise "
            "fs.inotify.max_user_instances and fs.inotify.max_user_watches.",
        )
    return Finding("ok", f"a test file gave its event; up to {limit} folders can be watched")


def _no_event_from(folder: Path) -> str | None:
    """Why a real file in a watched folder is not noticed; None when it is."""
    noticed = threading.Event()
    watcher = InboxWatcher(folder, lambda source, renamed: noticed.set())
    try:
        health = watcher.start()
        if health.state != "watching":
            return health.why
        (folder / "probe").write_bytes(b"probe")
        return None if noticed.wait(_EVENT_WAIT_S) else "it did not come in time"
    finally:
        watcher.stop()


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
