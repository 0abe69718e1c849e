"""The numbers of an old workbook (.xls) with the formats of their cells.

python-calamine reads such a workbook well, its texts above all, and does not tell number formats;
xlrd does, and fails on notes, names and formulas that nobody asked about. So the numbers, which are
four kinds of records, are looked up here.

Source: MS-XLS 2.3 and 2.4.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.formats.biff import rk_number
from pipeline.formats.celltexts import NumberTexts, by_number, written_of
from pipeline.formats.numberformats import BUILT_IN
from pipeline.formats.ole import stream_of

_STREAMS = ("Workbook", "Book", "WORKBOOK", "BOOK")
_BEGIN, _END, _SHEET = 0x0809, 0x000A, 0x0085
_IS_1904, _FORMAT, _STYLE, _LOCKED = 0x0022, 0x041E, 0x00E0, 0x002F
_NUMBER, _RK, _SEVERAL_RK = 0x0203, 0x027E, 0x00BD
_FORMULAS = (0x0006, 0x0206, 0x0406)
_CELLS = frozenset({_NUMBER, _RK, _SEVERAL_RK, *_FORMULAS, 0x00FD, 0x0204, 0x00D6, 0x0205})
_VERSION_8 = 0x0600
_CELL = struct.Struct("<HHH")
_DOUBLE = struct.Struct("<d")
_HEAD = struct.Struct("<HH")


class XlsNumbers:
    """Finds the text of a number by where it stands."""

    def __init__(self, path: Path) -> None:
        """Read the styles.

        Raises:
            ValueError, struct.error, IndexError: the workbook is damaged.
        """
        self._stream = stream_of(path, _STREAMS) or b""
        self._starts: list[int] = []
        self._last: tuple[int, SheetNumbers] | None = None
        own: dict[int, str] = {}
        used: list[int] = []
        self.is_1904 = self.is_locked = False
        version = 0
        for kind, at, length in _records(self._stream, 0):
            data = self._stream[at : at + length]
            if kind == _BEGIN and not version:
                (version,) = struct.unpack_from("<H", data)
            elif kind == _SHEET:
                self._starts.append(struct.unpack_from("<I", data)[0])
            elif kind == _LOCKED:
                self.is_locked = True
                break
            elif kind == _IS_1904:
                self.is_1904 = data[:1] == b"\1"
            elif kind == _FORMAT:
                own[_HEAD.unpack_from(data)[0]] = _code(data, version)
            elif kind == _STYLE:
                used.append(struct.unpack_from("<H", data, 2)[0])
        formats = [own.get(number, BUILT_IN.get(number, "General")) for number in used]
        self._texts = NumberTexts(by_number(formats), from_1904=self.is_1904)

    def area(self) -> int:
        """How many cells all sheets would have with every gap filled."""
        total = 0
        for start in self._starts:
            rows, columns = [0], [0]
            for kind, at, length in _records(self._stream, start):
                if kind in _CELLS:
                    row, column = _HEAD.unpack_from(self._stream, at)
                    rows.append(row)
                    several = (length - 6) // 6 - 1 if kind == _SEVERAL_RK else 0
                    columns.append(column + several)
            total += (max(rows) + 1) * (max(columns) + 1)
        return total

    def of_sheet(self, number: int) -> SheetNumbers:
        """The numbers of a sheet, 0 for the first."""
        if self._last is None or self._last[0] != number:
            cells = self._cells(self._starts[number])
            self._last = (number, SheetNumbers(cells, self._texts))
        return self._last[1]

    def _cells(self, start: int) -> Iterator[tuple[int, int, int, float]]:
        """Row, column, style and number."""
        stream = self._stream
        for kind, at, length in _records(stream, start):
            if kind == _NUMBER:
                yield *_CELL.unpack_from(stream, at), _DOUBLE.unpack_from(stream, at + 6)[0]
            elif kind == _RK:
                yield *_CELL.unpack_from(stream, at), rk_number(stream, at + 6)
            elif kind == _SEVERAL_RK:
                row, column = _HEAD.unpack_from(stream, at)
                for step, place in enumerate(range(at + 4, at + length - 2, 6)):
                    (style,) = struct.unpack_from("<H", stream, place)
                    yield row, column + step, style, rk_number(stream, place + 2)
            elif kind in _FORMULAS and stream[at + 12 : at + 14] != b"\xff\xff":
                yield *_CELL.unpack_from(stream, at), _DOUBLE.unpack_from(stream, at + 6)[0]


class SheetNumbers:
    """The numbers of one sheet, 16 bytes each."""

    def __init__(self, cells: Iterator[tuple[int, int, int, float]], texts: NumberTexts) -> None:
        places, styles, numbers = array("I"), array("H"), array("d")
        for row, column, style, number in cells:
            places.append(row << 16 | column)
            styles.append(style)
            numbers.append(number)
        whole = np.array(places, dtype=np.uint32)
        order = np.argsort(whole, kind="stable")
        whole = whole[order]
        self._columns = (whole & 0xFFFF).astype(np.uint16)
        self._styles = np.array(styles, dtype=np.uint16)[order]
        self._numbers = np.array(numbers, dtype=np.float64)[order]
        rows, starts = np.unique(whole >> 16, return_index=True)
        ends = np.append(starts[1:], len(whole))[: len(rows)].tolist()
        self._rows = dict(zip(rows.tolist(), zip(starts.tolist(), ends, strict=True), strict=True))
        self._texts = texts

    def row(self, row: int) -> dict[int, tuple[str, str]]:
        """By column, the number as it is stored and its text. Both count from 0."""
        start, end = self._rows.get(row, (0, 0))
        columns, styles = self._columns[start:end].tolist(), self._styles[start:end].tolist()
        found = {}
        for column, style, number in zip(
            columns, styles, self._numbers[start:end].tolist(), strict=True
        ):
            written = written_of(number)
            found[column] = (written, self._texts.text(written, style))
        return found


def _records(stream: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and length of each record of the part that begins at `start`, to its end.

    Parts within a part, which are charts, are passed over.
    """
    at, depth = start, 0
    while at + 4 <= len(stream):
        kind, length = _HEAD.unpack_from(stream, at)
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 0:
            break
        if depth == 1:
            yield kind, at + 4, length
        at += 4 + length


def _code(data: bytes, version: int) -> str:
    """A number format; its texts are in two bytes a letter only where a flag says so."""
    if version < _VERSION_8:
        return data[3 : 3 + data[2]].decode("cp1252", errors="replace")
    (letters,) = struct.unpack_from("<H", data, 2)
    if data[4] & 1:
        return data[5 : 5 + 2 * letters].decode("utf-16-le", errors="replace")
    return data[5 : 5 + letters].decode("latin-1")
