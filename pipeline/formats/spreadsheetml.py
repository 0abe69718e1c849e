"""Spreadsheets as one XML document (Excel 2003 XML), exported by many programs as .xls or .xml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.celltexts import (
    ERROR,
    LOST_DIGITS,
    UNCACHED,
    NumberTexts,
    place_of_cell,
)
from pipeline.formats.grid import GridReader
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Heads, Merge, Sheet
from pipeline.formats.numberformats import MOST_DIGITS, loses_digits
from pipeline.formats.plugin import Format, Head
from pipeline.formats.xmlpull import Attributes, XmlEvents
from pipeline.formats.xmltext import XmlText
from pipeline.messages import Limits

NAME = "an Excel 2003 XML workbook"
_NAMESPACE = "urn:schemas-microsoft-com:office:spreadsheet"
_MIDNIGHT = re.compile(r"T00:00:00(\.0*)?$")
_DAY_ZERO = re.compile(r"^1899-12-31T")
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WRITTEN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MOST_ROWS = 1 << 20
_MOST_COLUMNS = 1 << 14
_NAMED_FORMATS = {
    "General Number": "General",
    "Fixed": "0.00",
    "Standard": "#,##0.00",
    "Currency": "#,##0.00",
    "Euro Currency": "#,##0.00",
    "Percent": "0.00%",
    "Scientific": "0.00E+00",
    "General Date": "yyyy-mm-dd h:mm",
    **dict.fromkeys(("Long Date", "Medium Date", "Short Date"), "yyyy-mm-dd"),
    **dict.fromkeys(("Long Time", "Medium Time", "Short Time"), "h:mm:ss"),
}
"""Formats that have a name here and a code elsewhere."""


def open_spreadsheetml(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a workbook; see `GridReader`.

    Raises:
        ContentError: ENCODING, DAMAGED, TRUNCATED or UNSUPPORTED (entities) too.
    """
    return GridReader(_Book(path), limits, read_as)


class _Book:
    """See `Grids`."""

    kind = NAME
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._text = XmlText(path)
        self.size_bytes = path.stat().st_size
        self._merges: dict[str, list[Merge]] = {}
        self.sheets: list[Sheet] = []
        self.heads = Heads()
        for parser in self._parsed():
            for name, row in parser.done:
                self.heads.note(name, row)
            self.sheets = parser.sheets
            self._merges = parser.merges
        if not self.sheets:
            raise ContentError(FileCode.EMPTY, "the workbook has no sheet")

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells."""
        return self._merges.get(sheet, [])

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows of a sheet that have cells."""
        for parser in self._parsed():
            yield from (row for name, row in parser.done if name == sheet)
            parser.done.clear()

    def _parsed(self) -> Iterator[_Parser]:
        """The parser, after each piece of the document."""
        parser = _Parser()
        events = XmlEvents(parser.start, parser.end, parser.text, encoding="utf-8")
        try:
            for _ in events.fed(self._text.pieces()):
                yield parser
                parser.done.clear()
        except ValueError:
            raise ContentError(FileCode.DAMAGED, "a cell of the workbook is damaged") from None


class _Parser:
    """Turns the events of the document into rows."""

    def __init__(self) -> None:
        self.sheets: list[Sheet] = []
        self.merges: dict[str, list[Merge]] = {}
        self.done: list[tuple[str, GridRow]] = []
        self._row = GridRow(number=0, cells={})
        self._at = -1
        self._kind: str | None = None
        self._formula = False
        self._across = self._down = 0
        self._parts: list[str] = []
        self._styles: dict[str, tuple[str | None, str | None]] = {}
        self._style = ""
        self._columns: dict[int, str] = {}
        self._column = -1
        self._row_style: str | None = None
        self._cell_style: str | None = None
        self._texts = NumberTexts(self._code_of)

    def start(self, tag: str, attributes: Attributes) -> None:
        """Open an element."""
        told = {name.rpartition(":")[2]: value for name, value in attributes.items()}
        if tag == "Data":
            self._kind = told.get("Type", "String")
            self._parts.clear()
        elif tag == "Cell":
            self._at = int(told["Index"]) - 1 if "Index" in told else self._at + 1
            self._across = int(told.get("MergeAcross", 0))
            self._down = int(told.get("MergeDown", 0))
            self._formula, self._kind = "Formula" in told, None
            self._cell_style = told.get("StyleID")
            self._merge()
        elif tag == "Row":
            number = int(told.get("Index", self._row.number + 1))
            if not self._row.number < number <= _MOST_ROWS:
                raise ValueError("rows are out of order")
            self._row = GridRow(number=number, cells={})
            self._at = -1
            self._row_style = told.get("StyleID")
        elif tag == "Worksheet":
            self.sheets.append(Sheet(name=told.get("Name", f"sheet {len(self.sheets) + 1}")))
            self._row = GridRow(number=0, cells={})
            self._columns, self._column = {}, -1
        elif tag == "Column":
            self._describe_columns(told)
        elif tag == "Style":
            self._style = told.get("ID", "")
            self._styles[self._style] = (None, told.get("Parent"))
        elif tag == "NumberFormat" and self._style in self._styles:
            self._styles[self._style] = (told.get("Format"), self._styles[self._style][1])

    def text(self, piece: str) -> None:
        """Text counts within `Data` alone."""
        if self._kind is not None:
            self._parts.append(piece)

    def end(self, tag: str) -> None:
        """Close an element."""
        if tag == "Data" and self._kind is not None:
            written = "".join(self._parts)
            text = _text(written, self._kind)
            if self._kind == "Number" and _WRITTEN.fullmatch(text.strip()):  # sloppy ones are text
                text = self._number(text.strip())
                if len(written) > MOST_DIGITS and loses_digits(written.strip()):
                    self._row.faults[self._at] = LOST_DIGITS
            if text:
                self._row.cells[self._at] = text
                if self._kind == "Error":
                    self._row.faults[self._at] = ERROR
            elif self._formula and self._kind != "String":
                self._row.cells[self._at] = "="
                self._row.faults[self._at] = UNCACHED
            self._kind = None
        elif tag == "Cell":
            self._at += self._across
        elif tag == "Row" and self._row.cells and self.sheets:
            self.done.append((self.sheets[-1].name, self._row))

    def _describe_columns(self, told: dict[str, str]) -> None:
        """A style for columns; the cells in them may have their own."""
        self._column = int(told["Index"]) - 1 if "Index" in told else self._column + 1
        last = self._column + int(told.get("Span", 0))
        if not 0 <= self._column <= last < _MOST_COLUMNS:
            raise ValueError("a column is outside of any sheet")
        if "StyleID" in told:
            self._columns |= dict.fromkeys(range(self._column, last + 1), told["StyleID"])
        self._column = last

    def _number(self, written: str) -> str:
        """A number by its format; without one its digits stay as they are written."""
        style = self._style_of_cell()
        is_short = len(written) <= MOST_DIGITS and _PLAIN.fullmatch(written) is not None
        if is_short and self._code_of(style) == "General":
            return written
        return self._texts.text(written, style)

    def _style_of_cell(self) -> str:
        return self._cell_style or self._row_style or self._columns.get(self._at) or "Default"

    def _code_of(self, style: str) -> str:
        """The number format of a style, or of one that it inherits from."""
        for _ in range(20):
            code, parent = self._styles.get(style, (None, None))
            if code is not None or parent is None:
                return _NAMED_FORMATS.get(code or "", code or "General")
            style = parent
        return "General"

    def _merge(self) -> None:
        if not 0 <= self._at < _MOST_COLUMNS or not 0 <= self._across < _MOST_COLUMNS:
            raise ValueError("a cell is outside of any sheet")
        if (self._across or self._down) and self.sheets:
            merges = self.merges.setdefault(self.sheets[-1].name, [])
            merges.append(
                Merge(
                    first_row=self._row.number,
                    last_row=self._row.number + self._down,
                    first_column=self._at,
                    last_column=self._at + self._across,
                )
            )
            check_merges(len(merges))


def _text(text: str, kind: str) -> str:
    """Moments lose a time of day that is none, and times the day before all days."""
    if kind == "DateTime":
        return _MIDNIGHT.sub("", _DAY_ZERO.sub("", text)).removesuffix(".000")
    if kind == "Boolean":
        return "true" if text == "1" else "false"
    return text


def _is_spreadsheetml(head: Head) -> bool:
    text = head.text
    return text is not None and text.lstrip().startswith("<") and _NAMESPACE in text[:4096]


FORMAT = Format(
    name=NAME,
    recognises=_is_spreadsheetml,
    open=open_spreadsheetml,
    extensions=("xls", "xml"),
)
