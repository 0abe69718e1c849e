"""Looks at the inbox and touches nothing: one listing, one stat an entry, no link followed.

The scan is the truth about what waits; events only say when to look.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from daemon.inbox.names import PAPERS, SIDECAR_REASON, SIDECARS, entry_reason
from daemon.inbox.settle import Candidate

__all__ = ["Candidate", "Ignored", "Scan", "scan_inbox"]

_ENCODING = sys.getfilesystemencoding()
_DEEPEST = 32  # sub-folders; a loop made of bind mounts ends here
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Ignored(NamedTuple):
    """An entry that is left alone, and why. `source` is relative to the inbox."""

    source: bytes
    reason: str


@dataclass(slots=True)
class Scan:
    """What one look saw.

    `candidates` stand in the folders' own order; who takes them in turn is the settle tracker's
    business. `unreadable` are folders that could not be read or lie too deep, `folders` the inode
    numbers of all that were entered, the inbox itself (b"") included. `inbox_identity` is
    (device, inode), None when the inbox itself is not there or cannot be read: then nothing is
    known, least of all that its files are gone.
    """

    candidates: list[Candidate] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    folders: dict[bytes, int] = field(default_factory=dict)
    inbox_identity: tuple[int, int] | None = None


def scan_inbox(inbox: Path, extra_ignore: Sequence[str] = ()) -> Scan:
    """Look at everything in the inbox and its sub-folders. Never raises for what it finds there."""
    found = Scan()
    try:
        descriptor = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return found
    try:
        seen = os.fstat(descriptor)
        found.inbox_identity = (seen.st_dev, seen.st_ino)
        found.folders[b""] = seen.st_ino
        _look(descriptor, b"", 0, found, tuple(extra_ignore))
    except OSError:  # a share that went away in the middle: half a listing is no listing
        return Scan()
    finally:
        os.close(descriptor)
    return found


def _look(folder: int, prefix: bytes, depth: int, found: Scan, extra: tuple[str, ...]) -> None:
    """List one open folder, then its sub-folders.

    Raises:
        OSError: the folder cannot be listed to its end.
    """
    below: list[bytes] = []
    above, add, look = prefix[:-1], found.candidates.append, os.stat
    before = len(found.candidates)
    for text in os.listdir(folder):  # by descriptor: the path cannot be swapped under us
        name = text.encode(_ENCODING, "surrogateescape")
        reason = entry_reason(above, name, extra)
        if reason is not None:
            found.ignored.append(Ignored(prefix + name, reason))
            continue
        try:
            seen = look(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:  # taken away since the listing
            continue
        except OSError:
            if not _is_listed_as_folder(folder, text):
                raise
            below.append(name)  # a mount whose other end is gone: it hides nothing but itself
            continue
        if stat.S_ISDIR(seen.st_mode):
            below.append(name)
        else:
            add(_candidate(prefix + name, seen))
    if prefix:
        _leave_sidecars(found, prefix, before)
    for name in below:
        _enter(folder, name, prefix + name, depth + 1, found, extra)


def _is_listed_as_folder(folder: int, name: str) -> bool:
    """What the listing alone says of an entry that cannot be looked at."""
    with os.scandir(folder) as listing:
        return any(entry.name == name and entry.is_dir(follow_symlinks=False) for entry in listing)


def _leave_sidecars(found: Scan, prefix: bytes, before: int) -> None:
    """An error folder that came back under another name is known by the papers in it."""
    here = {candidate.source for candidate in found.candidates[before:]}
    if not {prefix + paper for paper in PAPERS} <= here:
        return
    papers = {prefix + name for name in SIDECARS} & here
    found.ignored += [Ignored(source, SIDECAR_REASON) for source in sorted(papers)]
    found.candidates[before:] = [c for c in found.candidates[before:] if c.source not in papers]


def _candidate(source: bytes, seen: os.stat_result) -> Candidate:
    # A named tuple's own way takes half as long again, and a scan makes tens of thousands.
    return tuple.__new__(
        Candidate,
        (
            source,
            seen.st_dev,
            seen.st_ino,
            seen.st_size,
            seen.st_mtime_ns,
            seen.st_mode,
            seen.st_uid,
            seen.st_gid,
            seen.st_nlink,
            seen.st_blocks,
        ),
    )


def _enter(
    folder: int, name: bytes, source: bytes, depth: int, found: Scan, extra: tuple[str, ...]
) -> None:
    if depth > _DEEPEST:
        found.unreadable.append(source)
        return
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):  # replaced since the listing
        return
    except OSError:
        found.unreadable.append(source)
        return
    try:
        found.folders[source] = os.fstat(descriptor).st_ino
        _look(descriptor, source + b"/", depth, found, extra)
    except OSError:  # one bad folder does not hide the others
        found.unreadable.append(source)
    finally:
        os.close(descriptor)
