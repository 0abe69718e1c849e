"""The bytes of one file: reading them, and saying in our codes why they cannot be read.

A small file is read from the disk once, by whoever hashes it; all others read what was hashed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import ContentError, FileCode, TransientError

SMALL_BYTES = 1 << 16
_held: dict[str, tuple[bytes, dict[str, Any]]] = {}


@contextmanager
def held(path: Path, content: bytes | None) -> Iterator[None]:
    """Meanwhile `path` is taken to hold this; None for a file that is read where it lies."""
    if content is None:
        yield
        return
    _held[str(path)] = (content, {})
    try:
        yield
    finally:
        _held.pop(str(path), None)


def noted_of(path: Path) -> dict[str, Any]:
    """What was found out about a file while it is held; of another file it is forgotten."""
    known = _held.get(str(path))
    return {} if known is None else known[1]


@contextmanager
def open_source(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for reading; whatever the system refuses meanwhile becomes a PipelineError.

    Raises:
        TransientError: INPUT_MISSING when the file is gone, STORAGE when reading fails.
        ContentError: UNREADABLE when permission is missing.
    """
    try:
        known = _held.get(str(path))
        with path.open("rb", buffering=0) if known is None else io.BytesIO(known[0]) as source:
            yield source
    except (FileNotFoundError, NotADirectoryError):
        raise TransientError(FileCode.INPUT_MISSING, "the file is no longer there") from None
    except PermissionError:
        raise ContentError(FileCode.UNREADABLE, "permission to read is missing") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TransientError(FileCode.STORAGE, f"reading failed: {reason}") from None


def chunks(source: BinaryIO, start: int, end: int, chunk_bytes: int) -> Iterator[bytes]:
    """Yield the bytes [start, end) of `source`, at most `chunk_bytes` at a time.

    Raises:
        TransientError: TAMPERED when the file has become shorter than `end`.
    """
    source.seek(start)
    while start < end:
        chunk = source.read(min(chunk_bytes, end - start))
        if not chunk:
            raise TransientError(FileCode.TAMPERED, "the file became shorter while it was read")
        start += len(chunk)
        yield chunk
