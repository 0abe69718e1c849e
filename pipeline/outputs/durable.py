"""When the files of an attempt are durable: all written first, then synced together.

One sync of a disk costs as much for a page as for a file, so the small outputs of many attempts are
better synced at once, by whoever asked for them; large ones are synced where they were written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.messages import HarmonizeTask

_SMALL_BYTES = 1 << 20


def durable_or_left(
    task: HarmonizeTask, folders: Iterable[Path], size_bytes: int
) -> tuple[str, ...]:
    """Make `folders` and the files in them durable, or give back their names if that is left.

    size_bytes: how much was written into them.
    """
    if task.leaves_sync and size_bytes <= _SMALL_BYTES:
        return tuple(str(folder) for folder in folders)
    make_durable(folders)
    return ()


def make_durable(folders: Iterable[Path]) -> None:
    """Make the files in these folders durable, and then their names."""
    for folder in folders:
        for path in sorted(folder.iterdir()):
            _sync(path, os.O_NOFOLLOW)
        _sync(folder, os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
