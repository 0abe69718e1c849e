"""Compressed streams one behind the other, and nothing else behind them.

Python's BZ2File and LZMAFile end without a word where anything but a stream follows. Of a file of
many streams, as programs for many cores write them, all that is behind a damaged one would be lost.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable
from typing import BinaryIO, Protocol

import pyarrow as pa

from pipeline.ends.packed import xz_decompressor

_CHUNK = 1 << 18


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class Streams:
    """What a file of compressed streams holds.

    Raises:
        EOFError: while it is read; a stream ends within its data.
        OSError, lzma.LZMAError: while it is read; it is damaged, or something else follows.
    """

    def __init__(self, raw: BinaryIO, make: Callable[[], _Decompressor]) -> None:
        self._raw, self._make = raw, make
        self._stream: _Decompressor | None = make()

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        while self._stream is not None:
            data = b""
            if self._stream.eof:
                data = self._following(self._stream.unused_data)
                self._stream = self._make() if data else None
            elif self._stream.needs_input and not (data := self._raw.read(_CHUNK)):
                raise EOFError("a stream ends within its data")
            if self._stream is not None and (piece := self._stream.decompress(data, most)):
                return piece
        return b""

    def _following(self, rest: bytes) -> bytes:
        """What follows a stream and the zeros behind it."""
        while not (found := rest.lstrip(b"\0")):
            rest = self._raw.read(_CHUNK)
            if not rest:
                return b""
        return found


def bzip2_streams(raw: BinaryIO) -> Streams:
    """What a .bz2 holds."""
    return Streams(raw, bz2.BZ2Decompressor)


def xz_streams(raw: BinaryIO) -> Streams:
    """What an .xz holds."""
    return Streams(raw, xz_decompressor)


class ZstdStreams:
    """What a .zst holds. Arrow reads it into our memory: what it takes itself it keeps on an error.

    Raises:
        OSError, pa.ArrowException: while it is read; it is damaged, or ends within its data.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._stream = pa.CompressedInputStream(raw, "zstd")
        self._memory = bytearray()

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        if len(self._memory) != most:
            self._memory = bytearray(most)
        found: int = self._stream.readinto(self._memory)
        return bytes(memoryview(self._memory)[:found])
