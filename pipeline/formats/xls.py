"""Old Excel workbooks (.xls). A sheet is held in memory, 15 bytes a cell and its texts once."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.celltexts import (
    ERROR,
    ERROR_TEXTS,
    LOST_DIGITS,
    NumberTexts,
    by_number,
    place_of_cell,
    written_of,
)
from pipeline.formats.grid import GridReader
from pipeline.formats.gridparts import GridRow, Merge, Sheet
from pipeline.formats.numberformats import MOST_DIGITS, loses_digits
from pipeline.formats.ole import MAGIC, NAMED, stream_of, streams_of
from pipeline.formats.package import damage
from pipeline.formats.plugin import Format, Head
from pipeline.formats.xlsrecords import ListedSheet, Value, XlsCells, XlsGlobals
from pipeline.messages import Limits

NAME = "an old Excel workbook (.xls)"
_MOST_BYTES = 256 << 20
_STREAMS = ("Workbook", "Book", "WORKBOOK", "BOOK")
_BARE = b"\x09\x08"
_DAMAGED = (ValueError, struct.error, IndexError, OverflowError, KeyError)


def open_xls(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a workbook; see `GridReader`.

    Raises:
        ContentError: DAMAGED, TRUNCATED, UNSUPPORTED (a password) or LIMIT_EXCEEDED too.
    """
    return GridReader(OldWorkbook(path), limits, read_as)


class OldWorkbook:
    """A workbook; see `Grids`."""

    kind = NAME

    def __init__(self, path: Path) -> None:
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the workbook has {size} bytes; {_MOST_BYTES} are allowed in this format",
            )
        self._path, self.size_bytes = path, size
        with _plain_errors(path):
            stream = path.read_bytes() if _is_bare(path) else stream_of(path, _STREAMS)
            if stream is not None and _is_bare(path) and is_cut(path):
                raise ValueError("its end mark is missing")
            if stream is None:
                raise ValueError("no stream of a workbook")
            self._book = XlsGlobals(stream)
        if self._book.is_locked:
            raise ContentError(FileCode.UNSUPPORTED, "the workbook has a password")
        sheets = [one for one in self._book.sheets if one.is_worksheet]
        if self._book.is_sheet:
            sheets = [ListedSheet(name="sheet 1", start=0, is_hidden=False, is_worksheet=True)]
        self._starts = {one.name: one.start for one in sheets}
        self._last: tuple[str, XlsCells] | None = None
        self._texts = NumberTexts(by_number(self._book.formats), from_1904=self._book.is_1904)
        self.sheets = [
            Sheet(name=one.name, about="hidden" if one.is_hidden else "", is_hidden=one.is_hidden)
            for one in sheets
        ]
        self.notes = ("days are counted from 1904",) if self._book.is_1904 else ()

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells."""
        return [
            Merge(first_row=top + 1, last_row=bottom + 1, first_column=left, last_column=right)
            for top, bottom, left, right in self._cells(sheet).merges
        ]

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        with _plain_errors(self._path):
            for at, cells in self._cells(sheet).rows():
                row = GridRow(number=at + 1, cells={})
                for column, style, value, is_error in cells:
                    self._put(row, column, style, value)
                    if is_error or value in ERROR_TEXTS:
                        row.faults[column] = ERROR
                yield row

    def _put(self, row: GridRow, at: int, style: int, value: Value) -> None:
        if isinstance(value, bool):
            row.cells[at] = "true" if value else "false"
        elif isinstance(value, str):
            row.cells[at] = value
        else:
            written = written_of(value)
            row.cells[at] = self._texts.text(written, style)
            if len(written) > MOST_DIGITS and loses_digits(written):
                row.faults[at] = LOST_DIGITS

    def _cells(self, sheet: str) -> XlsCells:
        if self._last is None or self._last[0] != sheet:
            with _plain_errors(self._path):
                self._last = (sheet, XlsCells(self._book, self._starts[sheet]))
        return self._last[1]


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn what damaged records lead to into our words."""
    try:
        yield
    except _DAMAGED as error:
        raise damage(path, error) from None


def _is_bare(path: Path) -> bool:
    """Whether the records stand without a container, as scripts for web pages write them."""
    with path.open("rb") as source:
        return source.read(2) == _BARE


def _is_xls(head: Head) -> bool:
    if head.data.startswith(_BARE) and head.data[2:4] in (b"\x08\0", b"\x10\0"):
        return True
    if not head.data.startswith(MAGIC):
        return False
    streams = streams_of(head.path)
    has_no_end = not streams & NAMED and is_cut(head.path)
    return has_no_end or not streams.isdisjoint(_STREAMS)


FORMAT = Format(name=NAME, recognises=_is_xls, open=open_xls, extensions=("xls", "xlt"))
