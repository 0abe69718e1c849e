"""Old Excel workbooks (.xls): texts by python-calamine, numbers by the formats of their cells.

Both hold a sheet in memory; such files are small, and one that is not is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.celltexts import ERROR, ERROR_TEXTS, LOST_DIGITS, place_of_cell
from pipeline.formats.grid import GridReader, GridRow, Merge, Sheet
from pipeline.formats.numberformats import MOST_DIGITS, loses_digits
from pipeline.formats.ole import MAGIC, NAMED, streams_of
from pipeline.formats.plugin import Format, Head
from pipeline.formats.xlsnumbers import XlsNumbers
from pipeline.messages import Limits

NAME = "an old Excel workbook (.xls)"
_MOST_BYTES = 256 << 20
_MOST_CELLS = 8_000_000
_NUMBERS = (int, float, datetime, date, time, timedelta)


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
        import python_calamine as calamine  # only whoever opens such a file pays for it

        if (size := path.stat().st_size) > _MOST_BYTES:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the workbook has {size} bytes; {_MOST_BYTES} are allowed in this format",
            )
        self._path = path
        with _plain_errors(path):
            self._numbers = XlsNumbers(path)
            if self._numbers.is_locked:
                raise ContentError(FileCode.UNSUPPORTED, "the workbook has a password")
            if self._numbers.area() > _MOST_CELLS:  # calamine fills every gap between them, twice
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"its sheets reach over more than {_MOST_CELLS} cells; save it as .xlsx",
                )
            try:
                self._book = calamine.CalamineWorkbook.from_path(str(path))
            except calamine.PasswordError:
                raise ContentError(FileCode.UNSUPPORTED, "the workbook has a password") from None
        shown = calamine.SheetVisibleEnum.Visible
        listed = self._book.sheets_metadata
        self._order = {one.name: at for at, one in enumerate(listed)}
        self.sheets = [
            Sheet(
                name=one.name,
                about="" if one.visible == shown else "hidden",
                is_hidden=one.visible != shown,
            )
            for one in listed
            if one.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        self.notes = ("days are counted from 1904",) if self._numbers.is_1904 else ()

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells."""
        return [
            Merge(
                first_row=first[0] + 1,
                last_row=last[0] + 1,
                first_column=first[1],
                last_column=last[1],
            )
            for first, last in self._sheet(sheet).merged_cell_ranges or ()
        ]

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        opened = self._sheet(sheet)
        left = 0 if opened.start is None else opened.start[1]
        with _plain_errors(self._path):
            numbers = self._numbers.of_sheet(self._order[sheet])
            for at, cells in enumerate(opened.iter_rows()):  # from the sheet's first row on
                row = GridRow(number=at + 1, cells={})
                known = numbers.row(at)
                for column, value in enumerate(cells, left):
                    if value != "":
                        _put(row, column, value, known)
                if row.cells:
                    yield row

    def _sheet(self, sheet: str) -> Any:
        with _plain_errors(self._path):
            return self._book.get_sheet_by_name(sheet)


def _put(row: GridRow, at: int, value: object, numbers: dict[int, tuple[str, str]]) -> None:
    if isinstance(value, bool):
        row.cells[at] = "true" if value else "false"
    elif isinstance(value, _NUMBERS):
        if at not in numbers:
            raise ValueError("a number has no record")
        written, row.cells[at] = numbers[at]
        if len(written) > MOST_DIGITS and loses_digits(written):
            row.faults[at] = LOST_DIGITS
    elif value is not None:
        row.cells[at] = str(value)
        if value in ERROR_TEXTS:
            row.faults[at] = ERROR


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn what calamine raises into our words; where it panics that is not even an Exception."""
    try:
        yield
    except (PipelineError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        if is_cut(path):
            raise ContentError(
                FileCode.TRUNCATED, "the workbook ends before its end mark"
            ) from None
        raise ContentError(
            FileCode.DAMAGED, f"the workbook is damaged ({type(error).__name__})"
        ) from None


def _is_xls(head: Head) -> bool:
    if not head.data.startswith(MAGIC):
        return False
    streams = streams_of(head.path)
    has_no_end = not streams & NAMED and is_cut(head.path)
    return has_no_end or not streams.isdisjoint({"Workbook", "Book", "WORKBOOK", "BOOK"})


FORMAT = Format(name=NAME, recognises=_is_xls, open=open_xls, extensions=("xls", "xlt"))
