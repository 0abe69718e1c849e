"""Whether all of a file has arrived, told by its last bytes; a few reads, whatever its size."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Literal

Ending = Literal["complete", "incomplete", "unknown"]
"""What the last bytes of a file say about whether all of it has arrived."""

MOST_DIRECTORY_BYTES = 16 << 20
"""A longer list of the files in a ZIP container is not loaded; it has some 200 000 of them."""
_TAIL = 66_000  # a ZIP end record with the longest comment
_TEXT_TAIL = 4_096
_COUNTED = 4 << 20
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.S)
_BZIP2_END = 0x177245385090
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCKS = 200_000


def zip_ending(path: Path) -> Ending:
    """The end record of a ZIP file must be there, and the directory it points to before it."""
    size, tail = _tail(path, _TAIL)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at >= 22:
            length, offset, comment = struct.unpack("<IIH", tail[at + 12 : at + 22])
            end = size - len(tail) + at
            if at + 22 + comment == len(tail) and (offset == 0xFFFFFFFF or offset + length <= end):
                return "complete"
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return "incomplete"


def zip_directory_bytes(path: Path) -> int:
    """How long the list of files in a ZIP file is; 0 when it is not there."""
    size, tail = _tail(path, _TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return 0
    (length,) = struct.unpack_from("<I", tail, at + 12)
    if length == 0xFFFFFFFF and tail[at - 20 : at - 16] == b"PK\x06\x07":
        (offset,) = struct.unpack_from("<Q", tail, at - 12)
        with path.open("rb") as source:
            source.seek(min(offset, size))
            record = source.read(56)
        if len(record) == 56:
            (length,) = struct.unpack_from("<Q", record, 40)
    return int(length)


def parquet_ending(path: Path) -> Ending:
    """PAR1 stands at both ends, and before the last one the length of the footer."""
    size, tail = _tail(path, 8)
    if size < 12 or tail[4:] not in (b"PAR1", b"PARE"):
        return "incomplete"
    (footer,) = struct.unpack("<I", tail[:4])
    return "complete" if footer + 12 <= size else "incomplete"


def arrow_ending(path: Path) -> Ending:
    """An Arrow file ends as it begins; a stream may end with a mark of its own."""
    _, tail = _tail(path, 8)
    if tail.endswith((b"ARROW1", b"FEA1")) or tail == b"\xff\xff\xff\xff\0\0\0\0":
        return "complete"
    return "incomplete"


def gzip_ending(path: Path) -> Ending:
    """The trailer is a checksum and a length: only a size that cannot be proves anything."""
    size, _ = _tail(path, 8)
    return "incomplete" if size < 18 else "unknown"


def bzip2_ending(path: Path) -> Ending:
    """The end mark is 48 bits that may begin at any bit, then a checksum of 32."""
    _, tail = _tail(path, 11)
    bits = int.from_bytes(tail, "big")
    ends = any((bits >> shift + 32) & ((1 << 48) - 1) == _BZIP2_END for shift in range(8))
    return "complete" if ends else "incomplete"


def xz_ending(path: Path) -> Ending:
    """A footer that ends with YZ, perhaps padded with zeros."""
    _, tail = _tail(path, _TEXT_TAIL)
    return "complete" if tail.rstrip(b"\0").endswith(b"YZ") else "incomplete"


def zstd_ending(path: Path) -> Ending:
    """Frames tell the length of each of their blocks; the last block says that it is."""
    size = path.stat().st_size
    with path.open("rb") as source:
        at = 0
        for _ in range(_ZSTD_BLOCKS):
            if at == size:
                return "complete"
            source.seek(at)
            after = _zstd_frame(source.read(18), at)
            if after is None:
                return "unknown" if size - at >= 18 else "incomplete"
            body, has_checksum = after
            at = body
            if has_checksum is None:  # a skippable frame
                if at > size:
                    return "incomplete"
                continue
            while True:
                source.seek(at)
                head = source.read(3)
                if len(head) < 3:
                    return "incomplete"
                block = int.from_bytes(head, "little")
                at += 3 + (1 if (block >> 1) & 3 == 1 else block >> 3)
                if block & 1:
                    break
            at += 4 if has_checksum else 0
            if at > size:
                return "incomplete"
    return "unknown"


def _zstd_frame(head: bytes, at: int) -> tuple[int, bool | None] | None:
    """Where the blocks of a frame begin, and whether a checksum follows them."""
    if len(head) >= 8 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return at + 8 + int.from_bytes(head[4:8], "little"), None
    if not head.startswith(_ZSTD_FRAME) or len(head) < 6:
        return None
    flags = head[4]
    single = flags >> 5 & 1
    dictionary = (0, 1, 2, 4)[flags & 3]
    length = (single, 2, 4, 8)[flags >> 6]
    return at + 5 + (1 - single) + dictionary + length, bool(flags >> 2 & 1)


def ole_ending(path: Path) -> Ending:
    """An old Office file has at least as many sectors as its allocation table uses."""
    with path.open("rb") as source:
        head = source.read(512)
        if len(head) < 512:
            return "incomplete"
        shift, count = struct.unpack_from("<H", head, 30)[0], struct.unpack_from("<I", head, 44)[0]
        if shift not in (9, 12) or not 0 < count <= 109:
            return "unknown"
        sector = 1 << shift
        last = 0
        for number in range(count):
            (at,) = struct.unpack_from("<I", head, 76 + 4 * number)
            source.seek((at + 1) * sector)
            table = source.read(sector)
            if len(table) < sector:
                return "incomplete"
            used = [
                n
                for n, one in enumerate(struct.unpack(f"<{sector // 4}I", table))
                if ~one & 0xFFFFFFFF
            ]
            last = max(last, number * (sector // 4) + (used[-1] if used else 0))
    # the last sector may have been written short of its padding
    return "complete" if path.stat().st_size > (last + 1) * sector else "incomplete"


def json_ending(path: Path) -> Ending:
    """A document ends with the bracket that closes it; so does each line of JSON lines.

    In a short one all brackets are counted; of a long one only the last is looked at.
    """
    size, tail = _tail(path, _COUNTED)
    text = tail.replace(b"\0", b"").strip(b" \t\r\n\x1a\xef\xbb\xbf\xff\xfe")
    if not text.endswith((b"}", b"]")):
        return "incomplete"
    if size > _COUNTED:
        return "complete"
    if not text.startswith((b"{", b"[")):
        return "unknown"
    bare = _JSON_TEXT.sub(b"", text)
    opened, closed = bare.count(b"{") + bare.count(b"["), bare.count(b"}") + bare.count(b"]")
    return "complete" if opened == closed and b'"' not in bare else "incomplete"


def xml_ending(path: Path) -> Ending:
    """The last tag closes the root element; comments may follow it."""
    with path.open("rb") as source:
        head = source.read(1 << 16).replace(b"\0", b"")
    _, tail = _tail(path, _TEXT_TAIL)
    end = re.sub(rb"<!--.*?-->|<\?.*?\?>", b"", tail.replace(b"\0", b""), flags=re.S).rstrip()
    root = re.search(rb"<([^\s<>!?/][^\s<>/]*)", re.sub(rb"<!--.*?-->", b"", head, flags=re.S))
    if root is None:
        return "unknown"
    name = re.escape(root[1])
    ends = re.search(rb"</" + name + rb"\s*>\Z", end) or re.fullmatch(
        rb".*<" + name + rb"(\s[^<>]*)?/>", end, flags=re.S
    )
    return "complete" if ends else "incomplete"


def html_ending(path: Path) -> Ending:
    """A page need not be closed; one that is has ended."""
    _, tail = _tail(path, _TEXT_TAIL)
    end = tail.replace(b"\0", b"").rstrip().lower()
    return "complete" if end.endswith((b"</html>", b"</table>")) else "unknown"


def _tail(path: Path, length: int) -> tuple[int, bytes]:
    """The file's size and its last bytes."""
    with path.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        source.seek(max(0, size - length))
        return size, source.read(length)
