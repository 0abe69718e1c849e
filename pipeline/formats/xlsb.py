"""Binary Excel workbooks (.xlsb), streamed record by record.

python-calamine reads their values and neither number formats nor merged cells; what else reads
them was last looked after in 2020. Each cell is its number shown by its format, as in `excel`.

Source of the records' numbers: MS-XLSB 2.3.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.biff import binary_records, rk_number, wide_text
from pipeline.formats.celltexts import (
    ERROR,
    ERRORS,
    LOST_DIGITS,
    NumberTexts,
    Texts,
    by_number,
    place_of_cell,
    written_of,
)
from pipeline.formats.grid import GridReader
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Merge, Sheet
from pipeline.formats.numberformats import BUILT_IN, MOST_DIGITS, loses_digits
from pipeline.formats.package import Package, check_strings, part_of_kind, resolved
from pipeline.formats.plugin import ZIP_MARK, Format, Head
from pipeline.messages import Limits

NAME = "a binary Excel workbook (.xlsb)"
_BOOK = "xl/workbook.bin"
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14
_ROW, _ITEM, _FORMAT, _CELL_STYLE = 0, 19, 44, 47
_ABOUT_BOOK, _SHEET, _MERGE = 153, 156, 176
_CELL_STYLES, _CELL_STYLES_END = 617, 618
_INT = struct.Struct("<I")
_HEAD = struct.Struct("<II")
_DOUBLE = struct.Struct("<d")
_DAMAGED = (ValueError, struct.error, IndexError, OverflowError)

# The kinds of cells; those of the second row have no column of their own: they follow the last.
_RK, _ERROR, _BOOL, _REAL = "rk", "error", "bool", "real"
_TEXT, _SHARED, _RICH = "text", "shared", "rich"
_CELLS = {2: _RK, 3: _ERROR, 4: _BOOL, 5: _REAL, 6: _TEXT, 7: _SHARED, 62: _RICH}
_CELLS |= {8: _TEXT, 9: _REAL, 10: _BOOL, 11: _ERROR}  # of formulas: the result that was saved
_SHORT = {13: _RK, 14: _ERROR, 15: _BOOL, 16: _REAL, 17: _TEXT, 18: _SHARED}
_BLANK, _SHORT_BLANK = 1, 12


class BinaryWorkbook:
    """The parts of a workbook; see `Grids`."""

    kind = NAME

    def __init__(self, path: Path, limits: Limits) -> None:
        self._package = package = Package(path, limits)
        self.size_bytes = path.stat().st_size
        self._strings: list[str] | None = None
        self._targets: dict[str, str] = {}
        self.sheets: list[Sheet] = []
        with _plain_errors(), package.opened() as archive:
            relations = package.relations(archive, _BOOK)
            is_1904 = self._contents(archive, relations)
            self._string_part = part_of_kind(archive, relations, "sharedStrings", "xl")
            styles = part_of_kind(archive, relations, "styles", "xl")
            formats = [] if styles is None else self._styles(archive, styles)
        self._texts = NumberTexts(by_number(formats), from_1904=is_1904)
        self.notes = ("days are counted from 1904",) if is_1904 else ()

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells stand behind the rows of a sheet."""
        found: list[Merge] = []
        with _plain_errors(), self._package.opened() as archive:
            for kind, data in self._records(archive, self._targets[sheet]):
                if kind == _MERGE:
                    top, bottom, left, right = struct.unpack_from("<4I", data)
                    found.append(
                        Merge(
                            first_row=top + 1,
                            last_row=bottom + 1,
                            first_column=left,
                            last_column=right,
                        )
                    )
                    check_merges(len(found))
        return found

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        row, column = GridRow(number=0, cells={}), -1
        with _plain_errors(), self._package.opened() as archive:
            self._load_strings(archive)
            for kind, data in self._records(archive, self._targets[sheet]):
                if kind == _ROW:
                    if row.cells:
                        yield row
                    number = _INT.unpack_from(data)[0] + 1
                    if not row.number < number <= _MOST_ROWS:
                        raise ValueError("rows are out of order")
                    row, column = GridRow(number=number, cells={}), -1
                elif kind in _CELLS or kind == _BLANK:
                    column, style = _HEAD.unpack_from(data)
                    self._put(row, column, style & 0xFFFFFF, _CELLS.get(kind), data, 8)
                elif kind in _SHORT or kind == _SHORT_BLANK:
                    column += 1
                    (style,) = _INT.unpack_from(data)
                    self._put(row, column, style & 0xFFFFFF, _SHORT.get(kind), data, 4)
            if row.cells:
                yield row

    def _put(
        self, row: GridRow, column: int, style: int, kind: str | None, data: bytes, at: int
    ) -> None:
        """Put a cell into its row; its value begins at `at`."""
        if column >= _MOST_COLUMNS:
            raise ValueError("a cell is outside of any sheet")
        text = ""
        if kind in (_RK, _REAL):
            number = rk_number(data, at) if kind == _RK else _DOUBLE.unpack_from(data, at)[0]
            written = written_of(number)
            text = self._texts.text(written, style)
            if len(written) > MOST_DIGITS and loses_digits(written):
                row.faults[column] = LOST_DIGITS
        elif kind == _SHARED:
            assert self._strings is not None  # noqa: S101 - loaded before any row
            text = self._strings[_INT.unpack_from(data, at)[0]]
        elif kind in (_TEXT, _RICH):
            text = wide_text(data, at + (kind == _RICH))[0]
        elif kind == _BOOL:
            text = "true" if data[at] else "false"
        elif kind == _ERROR:
            text = ERRORS.get(data[at], "#N/A")
            row.faults[column] = ERROR
        if text:
            row.cells[column] = text

    def _records(self, archive: ZipFile, part: str) -> Iterator[tuple[int, bytes]]:
        with self._package.part(archive, part) as stream:
            yield from binary_records(self._package.pieces(stream))

    def _contents(self, archive: ZipFile, relations: dict[str, tuple[str, str]]) -> bool:
        """List the sheets; whether days are counted from 1904."""
        is_1904 = False
        for kind, data in self._records(archive, _BOOK):
            if kind == _ABOUT_BOOK:
                is_1904 = bool(data[0] & 1)
            elif kind == _SHEET:
                relation, at = wide_text(data, 8)
                name, _ = wide_text(data, at)
                of, target = relations.get(relation, ("", ""))
                if of == "worksheet":
                    is_hidden = _INT.unpack_from(data)[0] != 0
                    about = "hidden" if is_hidden else ""
                    self.sheets.append(Sheet(name=name, about=about, is_hidden=is_hidden))
                    self._targets[name] = resolved("xl", target)
        return is_1904

    def _styles(self, archive: ZipFile, part: str) -> list[str]:
        """The number format of each cell style."""
        own: dict[int, str] = {}
        used: list[int] = []
        is_inside = False
        for kind, data in self._records(archive, part):
            if kind == _FORMAT:
                own[struct.unpack_from("<H", data)[0]] = wide_text(data, 2)[0]
            elif kind in (_CELL_STYLES, _CELL_STYLES_END):
                is_inside = kind == _CELL_STYLES
            elif kind == _CELL_STYLE and is_inside:
                used.append(struct.unpack_from("<H", data, 2)[0])
        return [own.get(number, BUILT_IN.get(number, "General")) for number in used]

    def _load_strings(self, archive: ZipFile) -> None:
        if self._strings is not None:
            return
        strings = Texts()
        if self._string_part is not None:
            check_strings(archive, self._string_part)
            for kind, data in self._records(archive, self._string_part):
                if kind == _ITEM:
                    strings.take(wide_text(data, 1)[0])
        self._strings = strings


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what damaged records lead to into our words."""
    try:
        yield
    except _DAMAGED as error:
        raise ContentError(
            FileCode.DAMAGED, f"the workbook is damaged ({type(error).__name__})"
        ) from None


def open_xlsb(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a workbook; see `GridReader`.

    Raises:
        ContentError: DAMAGED, TRUNCATED or LIMIT_EXCEEDED too.
    """
    return GridReader(BinaryWorkbook(path, limits), limits, read_as)


def _is_xlsb(head: Head) -> bool:
    names = head.members
    return _BOOK in names or (
        not names and head.data.startswith(ZIP_MARK) and _BOOK.encode() in head.data
    )


FORMAT = Format(
    name=NAME,
    recognises=_is_xlsb,
    open=open_xlsb,
    extensions=("xlsb",),
)
