"""What can be seen of one waiting file from outside: what belongs to it, who writes it."""

from __future__ import annotations

import stat

import psutil

from daemon.folders.linux import read_lease
from daemon.folders.spool import Spool
from daemon.inbox.completeness import Company
from daemon.inbox.profiles import profiles_of
from daemon.inbox.settle import Candidate, Lease
from daemon.settings import Settings
from daemon.starting import folders_of

_WORDS = {
    Lease.FREE: "It is finished as far as can be seen",
    Lease.UNKNOWN: "This filesystem cannot tell whether a program still writes it",
    Lease.BUSY: "A program has it open for writing",
    Lease.UNREADABLE: "The service may not read it; give its user read permission",
    Lease.CHANGED: "It is changing at this moment",
    Lease.GONE: "It has just left the inbox",
}


def condition(settings: Settings, candidate: Candidate) -> str:
    """What can be seen of one waiting file from outside: who writes it, whether it is readable."""
    if candidate.kind != "file":
        what = "link" if stat.S_ISLNK(candidate.mode_bits) else "pipe, socket or device"
        return f"It is a {what}, not a file; the service refuses it"
    reason = _company(settings).why_not(candidate.source, lambda source: True)
    if reason is not None:
        return reason[:1].upper() + reason[1:]
    path = settings.folder("inbox") / candidate.source.decode("utf-8", "surrogateescape")
    lease = read_lease(path, candidate)
    words = _WORDS[lease]
    if lease in (Lease.BUSY, Lease.UNKNOWN):
        writers = _writers(str(path))
        if writers:
            words = f"It is open for writing by {', '.join(writers)}"
    if candidate.size_bytes == 0:
        words = f"It is empty; a sender may still fill it. {words}"
    return words


def _company(settings: Settings) -> Company:
    """What belongs together in the inbox as it lies there."""
    spool = Spool(folders_of(settings), settings.intake.left_alone)
    return Company(spool.scan().candidates, profiles_of(settings.sources), spool.peek)


def _writers(path: str) -> list[str]:
    """Programs on this machine that have the file open for writing, as far as we may look."""
    found = []
    for process in psutil.process_iter(["name", "username"]):
        try:
            files = process.open_files()
        except (psutil.Error, OSError):
            continue
        if any(file.path == path and set(file.mode) & set("wa+") for file in files):
            info = process.info
            found.append(f"{info['name']} (process {process.pid}, user {info['username']})")
    return found
