"""Whether a packed file has its end: its stream is followed, its content dropped."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from pipeline.ends.seen import CHUNK_BYTES, ZEROS, Ends, Probe

_MOST_PACKED_BYTES = 64 * 1024 * 1024
_MOST_UNPACKED_BYTES = 64 * 1024 * 1024
_MOST_XZ_BYTES = 256 << 20  # the strongest setting of xz takes 65 MB
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
ZSTD_MARKS = (_ZSTD_FRAME, *(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
"""What a .zst may begin with: a frame of data or one to be skipped, as pzstd writes (RFC 8878)."""
_ZSTD_STEPS = 200_000
_ZSTD_HEAD = 18  # the longest head of a frame


class _Unpacker:
    """One stream of a packed file, fed in pieces, its content dropped."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._inner: object = make()
        self.rest = b""

    def feed(self, chunk: bytes) -> int:
        """Unpack a piece; returns how many bytes came of it."""
        raise NotImplementedError

    @property
    def is_whole(self) -> bool:
        """True once the stream's own end was met."""
        return bool(getattr(self._inner, "eof"))  # noqa: B009 - all three libraries have it


class _Gzip(_Unpacker):
    def __init__(self) -> None:
        super().__init__(lambda: zlib.decompressobj(wbits=31))

    def feed(self, chunk: bytes) -> int:
        inner = self._inner
        made = len(inner.decompress(chunk, CHUNK_BYTES))  # type: ignore[attr-defined]
        self.rest = inner.unconsumed_tail or inner.unused_data  # type: ignore[attr-defined]
        return made + 1


class _Needing(_Unpacker):
    """bz2 and lzma keep what they were fed until it is asked for."""

    def feed(self, chunk: bytes) -> int:
        inner = self._inner
        made = len(inner.decompress(chunk, CHUNK_BYTES))  # type: ignore[attr-defined]
        while not inner.eof and not inner.needs_input and made < _MOST_UNPACKED_BYTES:  # type: ignore[attr-defined]
            made += len(inner.decompress(b"", CHUNK_BYTES))  # type: ignore[attr-defined]
        self.rest = inner.unused_data if inner.eof else b""  # type: ignore[attr-defined]
        return made + 1


def unpacked(what: str, make: Callable[[], _Unpacker], *, ignores_rest: bool = False) -> Probe:
    """Unpack to the end, up to a limit; what lies behind a whole stream is not looked at."""

    def probe(ends: Ends) -> str | None:
        if ends.size > _MOST_PACKED_BYTES:
            return None
        ends.stream.seek(0)
        unpacker, unpacked, rest = make(), 0, b""
        while unpacked < _MOST_UNPACKED_BYTES:
            chunk = rest or ends.stream.read(CHUNK_BYTES)
            if not chunk:
                return f"the {what} ends within its data"
            try:
                unpacked, rest = unpacked + unpacker.feed(chunk), unpacker.rest
            except (zlib.error, OSError, EOFError, lzma.LZMAError):
                return _damage(ends, what)
            if unpacker.is_whole:
                if ignores_rest or not rest.strip(b"\x00"):
                    more = rest + ends.stream.read(CHUNK_BYTES)
                    if not more.strip(b"\x00"):
                        return None
                    rest = more
                unpacker = make()  # several streams, one after the other
        return None

    return probe


def _damage(ends: Ends, what: str) -> str | None:
    """Damage is a worker's business, unless zeros at the end tell where it comes from."""
    return f"the {what} ends in zeros" if ends.zeros >= ZEROS else None


def xz_decompressor() -> lzma.LZMADecompressor:
    """One that takes no more memory than any file needs, whatever its head asks for."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_BYTES)


gzip_end = unpacked("gzip file", _Gzip)
bzip2_end = unpacked("bzip2 file", lambda: _Needing(bz2.BZ2Decompressor))
xz_end = unpacked("xz file", lambda: _Needing(xz_decompressor))


def zstd_end(ends: Ends) -> str | None:
    """Frames tell the length of each of their blocks, and which block is the last."""
    at, steps = 0, 0
    while at < ends.size and steps < _ZSTD_STEPS:
        ends.stream.seek(at)
        found = _body(ends.stream.read(_ZSTD_HEAD), at)
        if found is None and ends.size - at >= _ZSTD_HEAD:
            return _damage(ends, "zstd file")
        at, has_checksum = found or (ends.size + 1, None)
        is_last = has_checksum is None  # a frame to be skipped has no blocks
        while not is_last and at <= ends.size and steps < _ZSTD_STEPS:
            ends.stream.seek(at)
            head = ends.stream.read(3)
            block = int.from_bytes(head, "little")
            is_last = bool(block & 1)
            at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
            at += 4 if is_last and has_checksum else 0
            at = at if len(head) == 3 else ends.size + 1
            steps += 1
        steps += 1
    return "the zstd file ends within its data" if at > ends.size else None


def _body(head: bytes, at: int) -> tuple[int, bool | None] | None:
    """Where the blocks of the frame at a place begin, and whether a checksum follows them.

    Of a frame to be skipped: where it ends, and None. None when it is no frame.
    """
    if len(head) >= 8 and head.startswith(ZSTD_MARKS[1:]):
        return at + 8 + int.from_bytes(head[4:8], "little"), None
    if not head.startswith(_ZSTD_FRAME) or len(head) < 6:
        return None
    flags = head[4]
    single = flags >> 5 & 1
    dictionary = (0, 1, 2, 4)[flags & 3]
    length = (single, 2, 4, 8)[flags >> 6]
    return at + 5 + (1 - single) + dictionary + length, bool(flags >> 2 & 1)
