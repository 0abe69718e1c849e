"""Spreadsheets in older and other formats (.xls, .xlsb, .ods), read by python-calamine.

It holds a sheet in memory; such files are small, and one that is not is refused.
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
from pipeline.formats.excel import ERROR, LOST_DIGITS, place_of_cell
from pipeline.formats.grid import GridReader, GridRow, Merge, Sheet
from pipeline.formats.numberformats import loses_digits, plain
from pipeline.formats.ole import MAGIC, NAMED, streams_of
from pipeline.formats.plugin import Format, Head
from pipeline.formats.unpacked import check_unpacked
from pipeline.messages import Limits

XLS = "an old Excel workbook (.xls)"
XLSB = "a binary Excel workbook (.xlsb)"
ODS = "an OpenDocument spreadsheet (.ods)"
_MOST_BYTES = 256 << 20
_ERRORS = frozenset(
    {"#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA"}
)


class CalamineBook:
    """A workbook as calamine reads it; see `Grids`."""

    def __init__(self, path: Path, limits: Limits, kind: str) -> None:
        import python_calamine as calamine  # only whoever opens such a file pays for it

        self.kind = kind
        self.notes: tuple[str, ...] = ()
        _check_size(path, limits, kind)
        with _plain_errors(path):
            try:
                self._book = calamine.CalamineWorkbook.from_path(str(path))
            except calamine.PasswordError:
                raise ContentError(FileCode.UNSUPPORTED, "the workbook has a password") from None
        self._path = path
        shown = calamine.SheetVisibleEnum.Visible
        self.sheets = [
            Sheet(
                name=one.name,
                about="" if one.visible == shown else "hidden",
                is_hidden=one.visible != shown,
            )
            for one in self._book.sheets_metadata
            if one.typ == calamine.SheetTypeEnum.WorkSheet
        ]

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells, of formats in which they are told."""
        found = getattr(self._sheet(sheet), "merged_cell_ranges", None)
        return [
            Merge(
                first_row=first[0] + 1,
                last_row=last[0] + 1,
                first_column=first[1],
                last_column=last[1],
            )
            for first, last in found or ()
        ]

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        opened = self._sheet(sheet)
        left = 0 if opened.start is None else opened.start[1]
        top = 0 if opened.start is None else opened.start[0]
        with _plain_errors(self._path):
            values = opened.to_python(skip_empty_area=True)
        for number, cells in enumerate(values, top + 1):
            row = GridRow(number=number, cells={})
            for at, value in enumerate(cells, left):
                if value != "":
                    _put(row, at, value)
            if row.cells:
                yield row

    def _sheet(self, sheet: str) -> Any:
        with _plain_errors(self._path):
            return self._book.get_sheet_by_name(sheet)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn what calamine raises into our words; where it panics that is not even an Exception."""
    try:
        yield
    except (PipelineError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        raise _damaged(error, path) from None


def _put(row: GridRow, at: int, value: object) -> None:
    row.cells[at] = text_of(value)
    if isinstance(value, str) and value in _ERRORS:
        row.faults[at] = ERROR
    elif isinstance(value, int | float) and loses_digits(row.cells[at]):
        row.faults[at] = LOST_DIGITS


def text_of(value: object) -> str:
    """The text of a typed value: ISO for times, no exponents, true and false."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return plain(value)
        case datetime():
            return value.isoformat() if value.time() != time() else value.date().isoformat()
        case timedelta():
            total = int(value.total_seconds())
            return f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}"
        case date() | time():
            return value.isoformat()
        case None:
            return ""
        case _:
            return str(value)


def _check_size(path: Path, limits: Limits, kind: str) -> None:
    """Refuse what would not fit into memory."""
    size = path.stat().st_size
    if kind != XLS:
        from zipfile import BadZipFile, ZipFile

        try:
            with ZipFile(path) as archive:
                parts = archive.infolist()
        except (BadZipFile, OSError, ValueError, NotImplementedError):
            return  # calamine says what is wrong with it
        packed = size
        size = max((one.file_size for one in parts), default=0)
        check_unpacked(sum(one.file_size for one in parts), packed, limits)
    if size > _MOST_BYTES:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"the workbook has parts of {size} bytes; {_MOST_BYTES} are allowed in this format",
        )


def _damaged(error: BaseException, path: Path) -> ContentError:
    if is_cut(path):
        return ContentError(FileCode.TRUNCATED, "the workbook ends before its end mark")
    return ContentError(FileCode.DAMAGED, f"the workbook is damaged ({type(error).__name__})")


def _format(kind: str, recognises: Any, extensions: tuple[str, ...]) -> Format:
    def opened(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
        return GridReader(CalamineBook(path, limits, kind), limits, read_as)

    return Format(name=kind, recognises=recognises, open=opened, extensions=extensions)


def _is_xls(head: Head) -> bool:
    if not head.data.startswith(MAGIC):
        return False
    streams = streams_of(head.path)
    has_no_end = not streams & NAMED and is_cut(head.path)
    return has_no_end or not streams.isdisjoint({"Workbook", "Book", "WORKBOOK", "BOOK"})


def _is_ods(head: Head) -> bool:
    return b"opendocument.spreadsheet" in head.data[:512] or (
        "content.xml" in head.members and b"opendocument.spreadsheet" in head.data
    )


FORMATS = (
    _format(XLS, _is_xls, ("xls", "xlt")),
    _format(XLSB, lambda head: "xl/workbook.bin" in head.members, ("xlsb",)),
    _format(ODS, _is_ods, ("ods", "ots")),
)
