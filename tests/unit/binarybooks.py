"""Old and binary workbooks made on the spot: text, and numbers with a number format."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence

Cell = str | float | bool | tuple[float, str]
"""Text, a truth value, or a number, which may bring its number format."""
Rows = Sequence[Sequence[Cell]]
Merges = Sequence[tuple[int, int, int, int]]
_FIRST_OWN = 164


def _formats(rows: Rows) -> list[str]:
    found = {cell[1]: None for row in rows for cell in row if isinstance(cell, tuple)}
    return list(found)


def _number(cell: Cell, formats: list[str]) -> tuple[float, int]:
    """A number and its cell style; style 0 is General."""
    if isinstance(cell, tuple):
        return cell[0], 1 + formats.index(cell[1])
    return float(cell), 0


# --- .xlsb (MS-XLSB 2.1.4) -----------------------------------------------------------------------


def _record(kind: int, data: bytes = b"") -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
    length, rest = b"", len(data)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return number + length + bytes([rest]) + data


def _wide(text: str) -> bytes:
    letters = text.encode("utf-16-le")
    return struct.pack("<I", len(letters) // 2) + letters


def _xlsb_cell(column: int, cell: Cell, formats: list[str]) -> bytes:
    if isinstance(cell, str):
        return _record(6, struct.pack("<II", column, 0) + _wide(cell)) if cell else b""
    if isinstance(cell, bool):
        return _record(4, struct.pack("<IIB", column, 0, cell))
    number, style = _number(cell, formats)
    if number == int(number) and abs(number) < 1 << 28:
        small = int(number) << 2 & 0xFFFFFFFF | 2
        return _record(2, struct.pack("<III", column, style, small))
    return _record(5, struct.pack("<IId", column, style, number))


def as_xlsb(
    header: Sequence[str], rows: Rows, *, from_1904: bool = False, merges: Merges = ()
) -> bytes:
    """merges: first and last row, first and last column, all from 0."""
    formats = _formats(rows)
    cells = b"".join(
        _record(0, struct.pack("<IIHHBI", at, 0, 300, 0, 0, 0))
        + b"".join(_xlsb_cell(column, cell, formats) for column, cell in enumerate(row))
        for at, row in enumerate([header, *rows])
    )
    size = struct.pack("<4I", 0, len(rows), 0, len(header) - 1)
    merged = b"".join(_record(176, struct.pack("<4I", *one)) for one in merges)
    sheet = _record(129) + _record(148, size) + _record(145) + cells + _record(146) + merged
    listed = _record(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide("Data"))
    about = _record(153, struct.pack("<II", int(from_1904), 0) + _wide(""))
    own = b"".join(
        _record(44, struct.pack("<H", _FIRST_OWN + at) + _wide(code))
        for at, code in enumerate(formats)
    )
    styles = b"".join(
        _record(47, struct.pack("<HH12x", 0, number))
        for number in [0, *range(_FIRST_OWN, _FIRST_OWN + len(formats))]
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{kind}/{name}" Target="{target}"/>'
        for at, (name, target) in enumerate(
            [("worksheet", "worksheets/sheet1.bin"), ("styles", "styles.bin")], 1
        )
    )
    return _zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.bin": _record(131)
            + about
            + _record(143)
            + listed
            + _record(144)
            + _record(132),
            "xl/_rels/workbook.bin.rels": '<?xml version="1.0"?>'
            f'<Relationships xmlns="{package}">{relations}</Relationships>',
            "xl/worksheets/sheet1.bin": sheet + _record(130),
            "xl/styles.bin": _record(278)
            + own
            + _record(617, struct.pack("<I", len(formats) + 1))
            + styles
            + _record(618)
            + _record(279),
        }
    )


def _zipped(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


# --- .xls (MS-XLS 2.4 in MS-CFB 2) ---------------------------------------------------------------


def _old(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _long(text: str) -> bytes:
    return struct.pack("<HB", len(text.encode("utf-16-le")) // 2, 1) + text.encode("utf-16-le")


def _xls_cell(row: int, column: int, cell: Cell, formats: list[str]) -> bytes:
    if isinstance(cell, str):
        return _old(0x0204, struct.pack("<HHH", row, column, 0) + _long(cell)) if cell else b""
    if isinstance(cell, bool):
        return _old(0x0205, struct.pack("<HHHBB", row, column, 0, cell, 0))
    number, style = _number(cell, formats)
    return _old(0x0203, struct.pack("<HHHd", row, column, style, number))


def as_xls(
    header: Sequence[str], rows: Rows, *, from_1904: bool = False, merges: Merges = ()
) -> bytes:
    """merges: first and last row, first and last column, all from 0."""
    formats = _formats(rows)
    begin = [struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 6) for kind in (0x0005, 0x0010)]
    own = b"".join(
        _old(0x041E, struct.pack("<H", _FIRST_OWN + at) + _long(code))
        for at, code in enumerate(formats)
    )
    styles = b"".join(
        _old(0x00E0, struct.pack("<HH16x", 0, number))
        for number in [0, *range(_FIRST_OWN, _FIRST_OWN + len(formats))]
    )
    name = b"Data"
    before = _old(0x0809, begin[0]) + _old(0x0042, struct.pack("<H", 1200))
    before += _old(0x0022, struct.pack("<H", from_1904)) + own + styles
    start = len(before) + 4 + 8 + len(name) + 4
    listed = _old(0x0085, struct.pack("<IBBBB", start, 0, 0, len(name), 0) + name)
    cells = b"".join(
        _xls_cell(at, column, cell, formats)
        for at, row in enumerate([header, *rows])
        for column, cell in enumerate(row)
    )
    merged = struct.pack("<H", len(merges)) + b"".join(struct.pack("<4H", *one) for one in merges)
    sheet = _old(0x0809, begin[1]) + cells + (_old(0x00E5, merged) if merges else b"")
    return compound(before + listed + _old(0x000A) + sheet + _old(0x000A))


def compound(stream: bytes) -> bytes:
    """An OLE container of one stream, in sectors of 512 bytes."""
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // 512)
    tables = -(-(sectors + 8) // 127)
    more = -(-max(0, tables - 109) // 127)  # sectors that list the sectors of the table
    following = [*range(1, sectors), 0xFFFFFFFE, 0xFFFFFFFE]
    following += [0xFFFFFFFD] * tables + [0xFFFFFFFC] * more
    following += [0xFFFFFFFF] * (tables * 128 - len(following))
    first = sectors + 1
    listed = [first + at for at in range(tables)]
    listed += [0xFFFFFFFF] * (109 + 127 * more - tables)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIII", 62, 3, 0xFFFE, 9, 6, 0, tables, sectors)
    head += struct.pack("<III", 0, 4096, 0xFFFFFFFE)
    head += struct.pack("<III", 0, first + tables if more else 0xFFFFFFFE, more)
    head += struct.pack("<109I", *listed[:109])
    lists = b""
    for at in range(more):
        numbers = listed[109 + 127 * at : 236 + 127 * at]
        after = first + tables + at + 1 if at + 1 < more else 0xFFFFFFFE
        lists += struct.pack("<128I", *numbers, after)

    def entry(name: str, kind: int, child: int, at: int, size: int) -> bytes:
        letters = name.encode("utf-16-le")
        return (
            letters.ljust(64, b"\0")
            + struct.pack("<HBB3I", len(letters) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + bytes(36)
            + struct.pack("<IQ", at, size)
        )

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(
        "Workbook", 2, 0xFFFFFFFF, 0, len(stream)
    )
    directory = directory.ljust(512, b"\0")
    return (
        head
        + stream.ljust(sectors * 512, b"\0")
        + directory
        + struct.pack(f"<{len(following)}I", *following)
        + lists
    )
