"""Whether a file stayed as it was while it was read: what was made of a moving one is worthless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import FileCode, TransientError


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Compare the file before and after. A change explains any other error, so it comes first.

    Compared are device, inode, size, and both times: mtime can be set back, ctime cannot.

    Raises:
        TransientError: INPUT_CHANGED.
        OSError: it is not there.
    """
    before = _stamp(path)
    try:
        yield
    except BaseException:
        _compare(before, path)
        raise
    _compare(before, path)


def changed() -> TransientError:
    """What is raised about a file that did not stay as it was."""
    return TransientError(FileCode.INPUT_CHANGED, "the file was written to while it was read")


def _compare(before: tuple[int, ...], path: Path) -> None:
    try:
        after = _stamp(path)
    except FileNotFoundError:
        return  # whoever looks for it next says so
    if before != after:
        raise changed() from None


def _stamp(path: Path) -> tuple[int, ...]:
    seen = path.stat()
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
