"""The entries of a tar archive, one after the other, and whether the archive ends as it should.

Python's tarfile reads them. It takes a damaged head for the end of the archive without a word,
follows lengths below nothing in a ring, and keeps every entry; here each of them is told.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, Self

from pipeline.errors import ContentError, FileCode

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 20
_MOST_HEAD_BYTES = 1 << 15
"""What stands before an entry for want of room in its head: a long name, times, rights."""
_MOST_ENTRIES = 200_000
_EXTENDS = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
BROKEN = (tarfile.TarError, EOFError, ValueError, OSError, OverflowError, IndexError)
"""What reading a damaged archive leads to; RecursionError too, which is a RuntimeError."""


class _Entry(tarfile.TarInfo):
    """A head that is believed only when its lengths can be."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _EXTENDS and found.size > _MOST_HEAD_BYTES):
            raise tarfile.HeaderError("a length that cannot be")
        return found


def opened_tar(source: BinaryIO) -> tarfile.TarFile:
    """Open an archive that is not compressed.

    Raises:
        BROKEN, RecursionError: its first head is damaged.
    """
    return tarfile.TarFile(fileobj=source, tarinfo=_Entry)


def entries(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every entry, folders included, in their order.

    Raises:
        ContentError: TRUNCATED or DAMAGED where the archive cannot be read on, LIMIT_EXCEEDED.
    """
    count, at = 0, -1
    try:
        while (entry := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            count += 1
            if count > _MOST_ENTRIES:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED, f"the archive has more than {_MOST_ENTRIES} entries"
                )
            if entry.size < 0 or archive.offset <= at:
                raise _damaged()
            at = archive.offset
            yield entry
        _check_end(archive)
    except (*BROKEN, RecursionError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if isinstance(error, tarfile.ReadError | EOFError):
            raise ContentError(
                FileCode.TRUNCATED,
                f"the archive cannot be read to its end ({type(error).__name__})",
            ) from None
        raise _damaged() from None


def _check_end(archive: tarfile.TarFile) -> None:
    """Refuse to take a damaged head, or a cut between two entries, for the end."""
    source = archive.fileobj
    assert source is not None  # noqa: S101 - it was given when the archive was opened
    source.seek(archive.offset)
    head = source.read(_BLOCK)
    if len(head) < _BLOCK and not head.strip(b"\0"):
        raise ContentError(FileCode.TRUNCATED, "the archive ends without its end mark")
    if head.strip(b"\0"):
        raise _damaged() if len(head) == _BLOCK else _cut()
    while piece := source.read(_PIECE):
        if piece.strip(b"\0"):
            raise ContentError(
                FileCode.DAMAGED, "something follows the end of the archive, and is not read"
            )


def _damaged() -> ContentError:
    return ContentError(FileCode.DAMAGED, "the archive is damaged there, and is not read on")


def _cut() -> ContentError:
    return ContentError(FileCode.TRUNCATED, "the archive ends in the middle")
