"""Whether a binary file has the end its format asks for. A format is registered by one line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from pipeline.ends import packed
from pipeline.ends.seen import Ends, Probe


def takes_long(head: bytes) -> bool:
    """True for the first bytes of a packed file: to look at its end, all of it is gone through."""
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", *packed.ZSTD_MARKS))


def probe_of(head: bytes) -> Probe | None:
    """The probe for a file with these first bytes; None when they are those of a text."""
    return next((probe for matches, probe in PROBES if matches(head)), None)


def is_cut(path: Path) -> bool:
    """True when a binary file ends before its format says that it does."""
    with path.open("rb") as stream:
        ends = Ends.of(stream)
        probe = probe_of(ends.head)
        return probe is not None and probe(ends) is not None


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes is a tar archive; old ones have but their checksum."""
    if head[257:262] == b"ustar":
        return True
    told = head[148:156].strip(b" \0")
    if len(head) < 512 or not head[0] or not told.isdigit() or told.strip(b"01234567"):
        return False
    return int(told, 8) == sum(head[:148]) + 8 * 0x20 + sum(head[156:512])


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_arrow_stream(head: bytes) -> bool:
    length = int.from_bytes(head[4:8], "little")
    return len(head) > 16 and head.startswith(b"\xff\xff\xff\xff") and 0 < length < 1 << 26


def _zip(ends: Ends) -> str | None:
    """The end record must reach to the end, and the directory it points to lie before it."""
    at = ends.tail.rfind(b"PK\x05\x06")
    while at >= 0:
        record = ends.tail[at : at + 22]
        if len(record) == 22:
            length, offset, comment = struct.unpack("<IIH", record[12:])
            end = ends.size - len(ends.tail) + at
            fits = offset == 0xFFFFFFFF or offset + length <= end
            if fits and at + 22 + comment == len(ends.tail):
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


def _seven_zip(ends: Ends) -> str | None:
    """The start header says where the last header ends."""
    if len(ends.head) >= 32:
        offset, size = struct.unpack("<QQ", ends.head[12:28])
        if 32 + offset + size <= ends.size and offset + size:
            return None
    return "the directory at the end of the 7-Zip archive is missing"


def _ole(ends: Ends) -> str | None:
    """An old Office file has at least as many sectors as its allocation table uses."""
    missing = "the Office file has fewer sectors than its directory says"
    if len(ends.head) < 512:
        return missing
    (shift,), (count,) = (
        struct.unpack_from("<H", ends.head, 30),
        struct.unpack_from("<I", ends.head, 44),
    )
    if shift not in (9, 12) or not 0 < count <= 109:
        return None
    sector, last = 1 << shift, 0
    for number in range(count):
        (at,) = struct.unpack_from("<I", ends.head, 76 + 4 * number)
        ends.stream.seek((at + 1) * sector)
        table = ends.stream.read(sector)
        if len(table) < sector:
            return missing
        entries = struct.unpack(f"<{sector // 4}I", table)
        used = [place for place, entry in enumerate(entries) if ~entry & 0xFFFFFFFF]
        last = max(last, number * (sector // 4) + (used[-1] if used else 0))
    # the last sector may have been written short of its padding
    return None if ends.size > (last + 1) * sector else missing


def _bare_workbook(ends: Ends) -> str | None:
    """The records of an old workbook without a container end with one that says so."""
    whole = ends.tail.rstrip(b"\0").endswith(b"\x0a")
    return None if whole else "the record at the end of the workbook is missing"


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
    (_starts(b"PAR1", b"PARE"), _parquet),
    (_starts(b"ARROW1"), _last_mark(b"ARROW1", "Arrow file")),
    (_starts(b"FEA1"), _last_mark(b"FEA1", "Feather file")),
    (_is_arrow_stream, _last_mark(b"\xff\xff\xff\xff\0\0\0\0", "Arrow stream")),
    (_starts(b"\x1f\x8b"), packed.gzip_end),
    (_starts(b"BZh"), packed.bzip2_end),
    (_starts(b"\xfd7zXZ\x00"), packed.xz_end),
    (_starts(*packed.ZSTD_MARKS), packed.zstd_end),
    (_starts(b"7z\xbc\xaf\x27\x1c"), _seven_zip),
    (_starts(b"\xd0\xcf\x11\xe0"), _ole),
    (_starts(b"\x09\x08\x08\x00", b"\x09\x08\x10\x00"), _bare_workbook),
    (_starts(b"SQLite format 3\x00"), _sqlite),
    (
        _starts(b"%PDF-", b"\x89", b"\xff\xd8\xff"),
        _binary,
    ),
    (
        _starts(b"GIF8", b"II*\x00", b"MM\x00*", b"Rar!", b"$FL2", b"<stata_dta>", b"\x7fELF"),
        _binary,
    ),
    (lambda head: is_tar(head) or head[128:132] == b"DICM", _binary),
]
"""Which probe is for which head, the first that matches; what none is for is text."""
