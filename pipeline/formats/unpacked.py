"""Compressed files: unpacked once, in pieces, into a file without a name.

Readers then open it like any other. The file has no name, so nothing is left of it, whatever ends
the process; and it is on disk, so that memory does not depend on its size.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline.ends.binary import is_cut
from pipeline.ends.packed import ZSTD_MARKS
from pipeline.errors import ContentError, FileCode, TransientError
from pipeline.formats.source import open_source
from pipeline.formats.streams import ZstdStreams, bzip2_streams, xz_streams
from pipeline.formats.zipdirectory import MOST_DIRECTORY_BYTES, zip_directory_bytes
from pipeline.messages import Limits

_CHUNK = 1 << 20
RATIO_FROM_BYTES = 64 << 20
"""Below this a high ratio harms nobody."""
MOST_LAYERS = 4

COMPRESSED: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda raw: gzip.GzipFile(fileobj=raw)),
    b"BZh": ("bzip2", bzip2_streams),
    b"\xfd7zXZ\x00": ("xz", xz_streams),
    **dict.fromkeys(ZSTD_MARKS, ("zstd", ZstdStreams)),
}
_DAMAGED = (
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    pa.ArrowException,
)


class UnpackedFile:
    """The bytes of a compressed file, as a file that is gone when this object is.

    path: opens it as often as wanted. layers: what it was wrapped in, outermost first.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.layers: list[str] = []
        self.path = path
        while (found := compression_of(self.path)) is not None:
            name, opened = found
            if len(self.layers) == MOST_LAYERS:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"the file is compressed more than {MOST_LAYERS} times over",
                )
            self.layers.append(name)
            self._unpack(name, opened, path.parent, limits)

    def _unpack(
        self, name: str, opened: Callable[[BinaryIO], Any], folder: Path, limits: Limits
    ) -> None:
        target = nameless_file(folder)
        weakref.finalize(self, os.close, target)
        with open_source(self.path) as raw:
            _copy(name, opened(raw), raw, target, limits, self.path)
        self.path = Path(f"/proc/self/fd/{target}")


def compression_of(path: Path) -> tuple[str, Callable[[BinaryIO], Any]] | None:
    """How the file at `path` is compressed; None when it is not."""
    with open_source(path) as source:
        head = source.read(8)
    return next((known for mark, known in COMPRESSED.items() if head.startswith(mark)), None)


def nameless_file(folder: Path) -> int:
    """A descriptor of a file for ourselves alone that no folder lists, beside the source if can be.

    Raises:
        TransientError: STORAGE, when there is room for it nowhere.
    """
    for place in (folder, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            return os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        handle, name = tempfile.mkstemp()
        Path(name).unlink()
    except OSError as error:
        raise TransientError(FileCode.STORAGE, f"no room to unpack: {error.strerror}") from None
    return handle


def _copy(name: str, stream: Any, raw: BinaryIO, target: int, limits: Limits, source: Path) -> None:
    done = 0
    while True:
        try:
            piece = stream.read(_CHUNK)
        except EOFError:
            raise ContentError(
                FileCode.TRUNCATED, f"the {name} data end before their end mark"
            ) from None
        except _DAMAGED as error:
            raise _damage(name, error, source) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise _damage(name, error, source) from None
        if not piece:
            break
        done += len(piece)
        check_unpacked(done, raw.tell(), limits)
        try:
            write_all(target, piece)
        except OSError as error:
            raise TransientError(FileCode.STORAGE, f"no room to unpack: {error.strerror}") from None


def write_all(target: int, piece: bytes) -> None:
    """Write all of a piece to a descriptor."""
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(target, rest) :]


def check_unpacked(done: int, packed: int, limits: Limits) -> None:
    """Stop data that unpack to more than anybody would send.

    Raises:
        ContentError: LIMIT_EXCEEDED.
    """
    if done > limits.max_unpacked_bytes:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED, f"it unpacks to more than {limits.max_unpacked_bytes} bytes"
        )
    if done > RATIO_FROM_BYTES and done > limits.max_unpacked_ratio * max(packed, 1):
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"it unpacks to more than {limits.max_unpacked_ratio} times its size",
        )


def check_directory(path: Path) -> None:
    """Stop a ZIP container whose list of files would not fit into memory.

    Raises:
        ContentError: LIMIT_EXCEEDED.
    """
    if zip_directory_bytes(path) > MOST_DIRECTORY_BYTES:
        raise ContentError(FileCode.LIMIT_EXCEEDED, "it lists more files than can be looked at")


def _damage(name: str, error: BaseException, source: Path) -> ContentError:
    words = str(error).casefold()
    says_so = "end" in words and ("stream" in words or "file" in words)
    if says_so or (name == "zstd" and is_cut(source)):
        return ContentError(FileCode.TRUNCATED, f"the {name} data end before their end mark")
    return ContentError(FileCode.DAMAGED, f"the {name} data are damaged")
