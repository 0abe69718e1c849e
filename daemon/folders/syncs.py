"""Makes what many jobs wrote durable at once, and lets them go on only then.

A job alone syncs a file, goes on, syncs a folder, goes on. A hundred jobs would make the disk flush
a hundred times for each of these steps. So the way of a job is a generator that notes what has to
be durable and stops; when all have stopped, that is synced, each path once, and they go on. The
order within each job is what it would be alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from daemon.folders.linux import sync_filesystem

Key = TypeVar("Key")
Result = TypeVar("Result")
Steps = Generator[None, None, Result]  # stops wherever what it noted must be durable

_SIDE_BY_SIDE = 8  # flushes that a disk joins; more threads only cost
_WORTH_THREADS = 3  # paths
_WORTH_A_FILESYSTEM = 32  # paths
_FILES_IN_A_FOLDER = 4  # at least, where whole folders are synced: data, report, page, description
_MOST_DIRTY_KB = 64 * 1024  # of all programs: what is written in a moment


class Syncs:
    """What one job needs to be durable before it goes on. Files and folders alike, by path."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def want(self, *paths: Path | str) -> None:
        """These must be durable at the next stop."""
        self.paths.update([os.fspath(path) for path in paths])


def in_step(
    ways: Mapping[Key, Callable[[Syncs], Steps[Result]]],
) -> tuple[dict[Key, Result], dict[Key, OSError]]:
    """Go all ways, step by step side by side; returns the results, and the ways that failed.

    What a sync raises is raised where the way stopped. Other ways go on.

    Raises:
        Exception: anything but an OSError that a way raises; the others stop where they are.
    """
    noted = {key: Syncs() for key in ways}
    going = {key: way(noted[key]) for key, way in ways.items()}
    results: dict[Key, Result] = {}
    failed: dict[Key, OSError] = {}
    refused: Mapping[str, OSError] = {}
    while going:
        for key, steps in list(going.items()):
            errors = [refused[path] for path in noted[key].paths if path in refused]
            noted[key].paths.clear()
            try:
                if errors:
                    steps.throw(errors[0])
                else:
                    next(steps)
            except StopIteration as end:
                results[key] = end.value
            except OSError as error:
                failed[key] = error
            else:
                continue
            del going[key]
        refused = _synced({path for key in going for path in noted[key].paths})
    return results, failed


def alone(way: Callable[[Syncs], Steps[Result]]) -> Result:
    """Go one way by itself.

    Raises: what the way raises.
    """
    results, failed = in_step({None: way})
    for error in failed.values():
        raise error
    return results[None]


def sync_all(paths: Iterable[Path | str]) -> dict[Path, OSError]:
    """Make files and folders durable; returns those the system refused, each with its error.

    Very many at once are left to the filesystem as a whole, which is ten times cheaper, unless
    other programs have much unwritten: a large upload is not to be waited for.
    """
    return {
        Path(path): error for path, error in _synced([os.fspath(path) for path in paths]).items()
    }


def sync_trees(folders: Iterable[str]) -> dict[str, OSError]:
    """The same for private folders and the files directly in them; returns the folders refused.

    Where filesystems are synced as a whole, the files need not even be listed.
    """
    left = sorted(set(folders))
    if len(left) * _FILES_IN_A_FOLDER >= _WORTH_A_FILESYSTEM and _little_is_dirty():
        left = _left_by_filesystems(left, least=_WORTH_A_FILESYSTEM // _FILES_IN_A_FOLDER)
    folder_of = {path: folder for folder in left for path in _with_files(folder)}
    refused = _synced(folder_of)
    return {folder_of[path]: error for path, error in refused.items()}


def _with_files(folder: str) -> list[str]:
    with contextlib.suppress(OSError):  # the folder itself is refused by name
        return [f"{folder}/{name}" for name in os.listdir(folder)] + [folder]
    return [folder]


def _synced(paths: Iterable[str]) -> dict[str, OSError]:
    wanted = sorted(set(paths))
    if len(wanted) >= _WORTH_A_FILESYSTEM and _little_is_dirty():
        wanted = _left_by_filesystems(wanted, least=_WORTH_A_FILESYSTEM)
    each = map if len(wanted) < _WORTH_THREADS else _threads().map
    found = each(_refusal, wanted)
    return {path: error for path, error in zip(wanted, found, strict=True) if error is not None}


def _refusal(path: str) -> OSError | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return error
    return None


def _left_by_filesystems(paths: list[str], *, least: int) -> list[str]:
    """Sync each filesystem that has `least` of the paths; returns those it does not answer for."""
    by_device: dict[int, list[str]] = {}
    left = []
    for path in paths:
        try:
            by_device.setdefault(os.lstat(path).st_dev, []).append(path)
        except OSError:
            left.append(path)  # it is refused by name
    for several in by_device.values():
        if len(several) < least or not sync_filesystem(several[0]):
            left += several
    return left


def _little_is_dirty() -> bool:
    """Whether all programs together have little that waits to be written (proc(5), meminfo)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("Dirty:"):
                return int(line.split()[1]) <= _MOST_DIRTY_KB
    return False


_pool: list[ThreadPoolExecutor] = []


def _threads() -> ThreadPoolExecutor:
    if not _pool:
        _pool.append(ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="sync"))
    return _pool[0]
