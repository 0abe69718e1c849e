"""Whether a file looks cut off, told by its end alone: what a dead sender leaves behind.

Only the head and the end are read, of packed files the stream. A probe says what is missing, as a
short sentence without values, or None when nothing speaks against the file; it never raises for
what is in it. A format is registered by one line in PROBES.
"""

from __future__ import annotations

import bz2
import lzma
import os
import re
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from pipeline import endrow

HEAD_BYTES = 65_536
TAIL_BYTES = 70_000  # a ZIP archive's end may have a comment of 65,535 bytes
_ZEROS = 16  # so many NUL bytes at the end of a text are no padding of it
_MOST_SCANNED_BYTES = 256 * 1024 * 1024
_HOLE = b"\x00" * 4096  # aligned or not: no text has that many in a row
_MOST_PACKED_BYTES = 64 * 1024 * 1024
_MOST_UNPACKED_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


class Ends(NamedTuple):
    """A file as a probe sees it. `tail` begins `size - len(tail)` bytes into it."""

    stream: BinaryIO
    size: int
    head: bytes
    tail: bytes


Probe = Callable[[Ends], str | None]


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
        made = len(inner.decompress(chunk, _CHUNK_BYTES))  # type: ignore[attr-defined]
        self.rest = inner.unconsumed_tail or inner.unused_data  # type: ignore[attr-defined]
        return made + 1


class _Needing(_Unpacker):
    """bz2 and lzma keep what they were fed until it is asked for."""

    def feed(self, chunk: bytes) -> int:
        inner = self._inner
        made = len(inner.decompress(chunk, _CHUNK_BYTES))  # type: ignore[attr-defined]
        while not inner.eof and not inner.needs_input and made < _MOST_UNPACKED_BYTES:  # type: ignore[attr-defined]
            made += len(inner.decompress(b"", _CHUNK_BYTES))  # type: ignore[attr-defined]
        self.rest = inner.unused_data if inner.eof else b""  # type: ignore[attr-defined]
        return made + 1


def takes_long(head: bytes) -> bool:
    """True for the first bytes of a packed file: to look at its end, it is unpacked."""
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"))


def missing_end(stream: BinaryIO) -> str | None:
    """What is missing at the end of an open file; None when nothing seems to be.

    Raises:
        OSError: it cannot be read.
    """
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return None
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    stream.seek(max(0, size - TAIL_BYTES))
    ends = Ends(stream, size, head, stream.read(TAIL_BYTES))
    if not head.strip(b"\x00") and not ends.tail.strip(b"\x00"):
        return "it begins and ends with zeros: its space was reserved, its content never came"
    for matches, probe in PROBES:
        if matches(head):
            return probe(ends)
    return _text(ends)


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _zip(ends: Ends) -> str | None:
    """The end-of-central-directory record must reach exactly to the end."""
    at = ends.tail.rfind(b"PK\x05\x06")
    while at >= 0:
        record = ends.tail[at : at + 22]
        if len(record) == 22:
            comment_bytes = struct.unpack("<H", record[20:])[0]
            if at + 22 + comment_bytes == len(ends.tail):
                return None
        at = ends.tail.rfind(b"PK\x05\x06", 0, at)
    return "the directory at the end of the ZIP archive is missing"


def _last_mark(mark: bytes, what: str) -> Probe:
    def probe(ends: Ends) -> str | None:
        whole = ends.size > len(mark) and ends.tail.endswith(mark)
        return None if whole else f"the mark at the end of the {what} is missing"

    return probe


def _parquet(ends: Ends) -> str | None:
    if ends.size >= 12 and ends.tail.endswith((b"PAR1", b"PARE")):
        footer_bytes = struct.unpack("<I", ends.tail[-8:-4])[0]
        if footer_bytes + 12 <= ends.size:
            return None
    return "the directory at the end of the Parquet file is missing"


def _packed(what: str, make: Callable[[], _Unpacker], ignores_rest: bool = False) -> Probe:
    """Unpack to the end, up to a limit; what lies behind a whole stream is not looked at."""

    def probe(ends: Ends) -> str | None:
        if ends.size > _MOST_PACKED_BYTES:
            return None
        ends.stream.seek(0)
        unpacker, unpacked, rest = make(), 0, b""
        while unpacked < _MOST_UNPACKED_BYTES:
            chunk = rest or ends.stream.read(_CHUNK_BYTES)
            if not chunk:
                return f"the {what} ends within its data"
            try:
                unpacked, rest = unpacked + unpacker.feed(chunk), unpacker.rest
            except (zlib.error, OSError, EOFError, lzma.LZMAError):
                return _damage(ends, what)
            if unpacker.is_whole:
                if ignores_rest or not rest.strip(b"\x00"):
                    more = rest + ends.stream.read(_CHUNK_BYTES)
                    if not more.strip(b"\x00"):
                        return None
                    rest = more
                unpacker = make()  # several streams, one after the other
        return None

    return probe


def _damage(ends: Ends, what: str) -> str | None:
    """Damage is a worker's business, unless zeros at the end tell where it comes from."""
    zeros = len(ends.tail) - len(ends.tail.rstrip(b"\x00"))
    return f"the {what} ends in zeros" if zeros >= _ZEROS else None


def _seven_zip(ends: Ends) -> str | None:
    """The start header says where the last header ends."""
    if len(ends.head) >= 32:
        offset, size = struct.unpack("<QQ", ends.head[12:28])
        if 32 + offset + size <= ends.size and offset + size:
            return None
    return "the directory at the end of the 7-Zip archive is missing"


def _sqlite(ends: Ends) -> str | None:
    if len(ends.head) < 100:
        return "the database ends within its header"
    page_bytes = struct.unpack(">H", ends.head[16:18])[0]
    pages = struct.unpack(">I", ends.head[28:32])[0]
    whole = ends.size >= pages * (65_536 if page_bytes == 1 else page_bytes)
    return None if whole else "the database has fewer pages than its header says"


def _binary(ends: Ends) -> str | None:
    """Formats whose end says nothing: their readers find out."""
    return None


PROBES: list[tuple[Callable[[bytes], bool], Probe]] = [
    (_starts(b"PK\x03\x04", b"PK\x05\x06"), _zip),
    (_starts(b"PAR1"), _parquet),
    (_starts(b"ARROW1"), _last_mark(b"ARROW1", "Arrow file")),
    (_starts(b"FEA1"), _last_mark(b"FEA1", "Feather file")),
    (_starts(b"\x1f\x8b"), _packed("gzip file", _Gzip)),
    (_starts(b"BZh"), _packed("bzip2 file", lambda: _Needing(bz2.BZ2Decompressor))),
    (_starts(b"\xfd7zXZ\x00"), _packed("xz file", lambda: _Needing(lzma.LZMADecompressor))),
    (_starts(b"7z\xbc\xaf\x27\x1c"), _seven_zip),
    (_starts(b"SQLite format 3\x00"), _sqlite),
    (
        _starts(b"%PDF-", b"\xd0\xcf\x11\xe0", b"\x28\xb5\x2f\xfd", b"\x89", b"\xff\xd8\xff"),
        _binary,
    ),
    (
        _starts(b"GIF8", b"II*\x00", b"MM\x00*", b"Rar!", b"$FL2", b"<stata_dta>", b"\x7fELF"),
        _binary,
    ),
    (lambda head: head[257:262] == b"ustar" or head[128:132] == b"DICM", _binary),
]
"""Which probe is for which head, the first that matches; text when none does."""


# -- text ---------------------------------------------------------------------------------------

_CODECS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_XML_OPENS = re.compile(  # atomic: a head made for it must not be parted in endless ways
    r"\s*+(?:(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?+>)\s*+)*+"
    r"<([A-Za-z_][\w:.-]*+)",
    re.DOTALL | re.IGNORECASE,
)
_XML_AFTER = re.compile(r"(?:\s|<!--(?:(?!-->).)*+-->|<\?(?:(?!\?>).)*+\?>)*+\Z", re.DOTALL)
_JSON_OPENS = re.compile(r'\s*(?:\{\s*(?:"|\})|\[\s*(?:[\[{"\]\d-]|true|false|null))')
_CLOSING = {"{": "}", "[": "]"}


def _text(ends: Ends) -> str | None:
    codec = next((codec for mark, codec in _CODECS if ends.head.startswith(mark)), "utf-8")
    zeros = len(ends.tail) - len(ends.tail.rstrip(b"\x00"))
    if zeros >= _ZEROS:
        return "it ends in zeros: its space was reserved, the rest of its content never came"
    if _has_hole(ends):
        return "a part of it is zeros: its space was reserved, that part of its content never came"
    if codec != "utf-8" and ends.size % 2:
        return "it ends in the middle of a character"
    if codec == "utf-8" and _cut_character(ends.tail):
        return "it ends in the middle of a character"
    skew = (ends.size - len(ends.tail)) % 2 if codec != "utf-8" else 0
    head = ends.head.decode(codec, "replace").removeprefix("\ufeff")
    tail = ends.tail[skew:].decode(codec, "replace")
    return _structured(head, tail, is_all=ends.size <= HEAD_BYTES)


def _structured(head: str, tail: str, *, is_all: bool) -> str | None:
    if _JSON_OPENS.match(head):
        closing = _CLOSING[head.lstrip()[0]]
        closed = tail.rstrip().endswith(closing)
        return None if closed else f"the closing {closing} at the end of the JSON is missing"
    opened = _XML_OPENS.match(head)
    if opened:
        return _xml(opened[1], head if is_all else tail)
    if head.startswith("FHS") and "\rFTS" not in tail.replace("\n", "\r"):
        return "the HL7 batch has no trailer (FTS)"
    if head.startswith("ISA*") and not re.search(r"IEA\*\d+\*\w+", tail):
        return "the X12 message has no trailer (IEA)"
    return endrow.cut_row(head, tail, is_all=is_all)


def _xml(root: str, text: str) -> str | None:
    """The root element must be closed; browsers forgive HTML a lot, but not a cut table."""
    if root.casefold() in ("html", "table", "body", "head", "div", "meta"):
        lower = text.casefold()
        opened = max(map(lower.rfind, ("<table", "<tr", "<td", "<th")))
        closed = max(map(lower.rfind, ("</table", "</html", "</body")))
        return "the table on the page is not closed" if closed < opened else None
    tail = text.rstrip()
    at = max(tail.rfind(f"</{root}"), 0)
    end = tail.find(">", at)
    closes_itself = re.search(rf"<{re.escape(root)}(?:\s[^<>]*)?/>", text) is not None
    if tail.startswith(f"</{root}", at) and end >= 0 and _XML_AFTER.match(tail, end + 1):
        return None
    return None if closes_itself else f"the closing </{root}> at the end of the XML is missing"


def _cut_character(tail: bytes) -> bool:
    """UTF-8 that was cut within a character; text of another code page is not judged."""
    for length in (1, 2, 3):
        start = len(tail) - length
        if start < 0:
            return False
        byte = tail[start]
        if byte < 0x80:
            return False
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length < needed and _is_utf8(tail[:start])
    return False


def _is_utf8(text: bytes) -> bool:
    """Valid, and with characters beyond ASCII: a single odd byte at the end may be cp1252."""
    while text and text[0] & 0xC0 == 0x80:  # the tail may begin within a character
        text = text[1:]
    try:
        return not text.isascii() and bool(text.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _has_hole(ends: Ends) -> bool:
    """Zeros in the middle, as writers leave them that fill a file out of order."""
    if ends.size > _MOST_SCANNED_BYTES or ends.size < len(_HOLE):
        return False
    ends.stream.seek(0)
    before = b""
    while chunk := ends.stream.read(_CHUNK_BYTES):
        if _HOLE in before + chunk:
            return True
        before = chunk[-len(_HOLE) :]
    return False
