"""Whether there is room on the disks before a file is taken: better it waits in the inbox.

A file that waits is safe and explained; one that meets the full disk half-way costs attempts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_MB = 1024 * 1024
_SHARE = 20  # a small disk keeps a twentieth free, whatever the settings ask for
_NEEDS = 2  # times its own size a file takes while it is worked on: rows set aside, and results


def shortage(
    folders: Mapping[str, Path], *, min_free_mb: float, min_free_inodes: int
) -> str | None:
    """Why nothing should be taken now, as a sentence; None when there is room everywhere.

    folders: what people call each folder -> where it is. A folder that cannot be looked at is
    passed over: others say what is wrong with it.
    """
    for name, path in folders.items():
        try:
            seen = os.statvfs(path)
        except OSError:
            continue
        least_bytes = min(min_free_mb * _MB, seen.f_blocks * seen.f_frsize / _SHARE)
        free_bytes = seen.f_bavail * seen.f_frsize
        if free_bytes < least_bytes:
            return (
                f"the disk of the {name} folder is nearly full ({free_bytes / _MB:.0f} MB free, "
                f"{least_bytes / _MB:.0f} MB are kept): nothing is taken until there is space"
            )
        least_inodes = min(min_free_inodes, seen.f_files / _SHARE)
        if seen.f_files and seen.f_favail < least_inodes:
            return (
                f"the disk of the {name} folder can hold hardly any more files ({seen.f_favail} "
                f"inodes free, {least_inodes:.0f} are kept): nothing is taken until there are more"
            )
    return None


def free_bytes_of(folder: Path) -> int:
    """How much may still be written where the folder is.

    Raises:
        OSError: the folder cannot be looked at.
    """
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def lacks_room_for(size_bytes: int, free_bytes: int) -> str | None:
    """Why a file of that size should not be taken now; None when it fits.

    free_bytes: how much there is where the work folder is.
    """
    needed_bytes = _NEEDS * size_bytes
    if needed_bytes <= free_bytes:
        return None
    return (
        f"there is not enough space to work on it: about {needed_bytes / _MB:.0f} MB are needed "
        f"where the work folder is, {free_bytes / _MB:.0f} MB are free"
    )
