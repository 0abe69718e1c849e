"""Turns the events of an OpenDocument spreadsheet into rows of text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pipeline.errors import RowCode
from pipeline.formats.celltexts import (
    ERROR,
    ERROR_TEXTS,
    LOST_DIGITS,
    UNCACHED,
    NumberTexts,
)
from pipeline.formats.grid import GridRow, Merge
from pipeline.formats.numberformats import MOST_DIGITS, kind_of_format, loses_digits, shown
from pipeline.formats.odsstyles import OdsStyles
from pipeline.formats.xmlpull import Attributes

_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14
_MOST_SPACES = 32_767
_SPACE = re.compile(r"[ \t\r\n]+")
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?)?")
_ERROR_SHOWN = re.compile(r"#[A-Z0-9/]+[!?]|#N/A|Err:\d{3}")
_VALUES = {
    **dict.fromkeys(("float", "percentage", "currency"), "value"),
    "date": "date-value",
    "time": "time-value",
    "boolean": "boolean-value",
}
_DAY = 86_400
_CELLS = ("table-cell", "covered-table-cell")


class OdsCells:
    """Listens to a document.

    sheet: whose rows are wanted; None while looking around, when only sheets and merges are.
    done: rows that have cells, and how often each is repeated. is_over: the sheet has ended.
    """

    def __init__(
        self, styles: OdsStyles, sheet: str | None, texts: NumberTexts | None = None
    ) -> None:
        self.sheets: list[tuple[str, bool]] = []
        self.merges: dict[str, list[Merge]] = {}
        self.done: list[tuple[GridRow, int]] = []
        self.is_1904 = self.is_over = False
        self._styles, self._wanted, self._texts = styles, sheet, texts
        self._stack: list[str] = []
        self._sheet = ""
        self._is_in = False
        self._columns: list[tuple[int, str | None]] = []
        self._row = GridRow(number=0, cells={})
        self._row_style: str | None = None
        self._times = 1
        self._at = 0
        self._cell: dict[str, str] = {}
        self._paragraphs: list[list[str]] = []
        self._listens = False

    def start(self, tag: str, attributes: Attributes) -> None:
        """Open an element."""
        above = self._stack[-1] if self._stack else ""
        self._stack.append(tag)
        if self._is_in:
            if tag in _CELLS and above == "table-row":
                self._cell = _local(attributes)
                self._paragraphs.clear()
            elif tag == "p" and above in _CELLS:
                self._paragraphs.append([])
                self._listens = True
            elif self._listens:
                self._say(tag, attributes)
            elif tag == "table-row" and above != "table-cell":
                self._begin_row(_local(attributes))
            elif tag == "table-column":
                told = _local(attributes)
                self._columns.append(
                    (_times(told, "number-columns-repeated"), told.get("default-cell-style-name"))
                )
        elif tag == "table" and above == "spreadsheet":
            self._begin_sheet(_local(attributes))
        elif tag == "null-date":
            self.is_1904 = _local(attributes).get("date-value", "").startswith("1904")
        else:
            self._styles.start(tag, attributes)

    def text(self, piece: str) -> None:
        """Text counts within the paragraphs of a cell."""
        if self._listens:
            said = self._paragraphs[-1]
            text = _SPACE.sub(" ", piece)
            is_first = not said or said[-1].endswith((" ", "\n"))
            said.append(text.lstrip(" ") if is_first and text.startswith(" ") else text)
        elif not self._is_in:
            self._styles.text(piece)

    def end(self, tag: str) -> None:
        """Close an element."""
        self._stack.pop()
        above = self._stack[-1] if self._stack else ""
        if not self._is_in:
            self._styles.end(tag)
        elif tag == "p" and above in _CELLS:
            self._listens = False
        elif tag in _CELLS and above == "table-row":
            self._end_cell()
        elif tag == "table-row" and self._row.cells:
            self.done.append((self._row, self._times))
        elif tag == "table" and above == "spreadsheet":
            self._is_in = False
            self.is_over = self._sheet == self._wanted

    def _begin_sheet(self, told: dict[str, str]) -> None:
        self._sheet = told.get("name", f"sheet {len(self.sheets) + 1}")
        self.sheets.append((self._sheet, told.get("style-name", "") in self._styles.hidden))
        self._is_in = True
        self._row, self._times = GridRow(number=0, cells={}), 1
        self._columns = []

    def _begin_row(self, told: dict[str, str]) -> None:
        number = self._row.number + self._times
        self._times = _times(told, "number-rows-repeated")
        self._row = GridRow(number=number, cells={})
        self._row_style = told.get("default-cell-style-name")
        self._at = 0

    def _end_cell(self) -> None:
        told, at = self._cell, self._at
        repeated = _times(told, "number-columns-repeated")
        self._at += repeated
        self._merge(told, at)
        if self._texts is None or self._sheet != self._wanted:
            return
        text, fault = self._value(told, at, self._texts)
        if not text:
            return
        if at + repeated > _MOST_COLUMNS or self._row.number + self._times - 1 > _MOST_ROWS:
            raise ValueError("a cell is outside of any sheet")
        for column in range(at, at + repeated):
            self._row.cells[column] = text
            if fault is not None:
                self._row.faults[column] = fault

    def _value(
        self, told: dict[str, str], at: int, texts: NumberTexts
    ) -> tuple[str, tuple[RowCode, str, bool] | None]:
        """The text of a cell, and what is wrong with it."""
        said = "\n".join("".join(one).rstrip(" ") for one in self._paragraphs)
        kind, formula = told.get("value-type"), told.get("formula")
        is_error = _ERROR_SHOWN.fullmatch(said) and (formula is not None or said in ERROR_TEXTS)
        if is_error or told.get("calcext:value-type") == "error":
            return said or "#N/A", ERROR
        name = _VALUES.get(kind or "")
        value = told.get(name, "") if name else said or told.get("string-value", "")
        if not value:
            if formula is not None and kind != "string":
                return f"={formula.partition('=')[2]}", UNCACHED
            return said, None
        if kind == "boolean":
            return value, None
        if kind == "date":
            return moment(value, self._styles.format_of(self._style(told, at))), None
        if kind == "time":
            return clock(value, self._styles.format_of(self._style(told, at))), None
        if name is None:
            return value, None
        text = texts.text(value, self._style(told, at))
        is_long = len(value) > MOST_DIGITS and loses_digits(value.strip())
        return text, LOST_DIGITS if is_long else None

    def _style(self, told: dict[str, str], at: int) -> str | None:
        """The style of a cell: its own, its row's or its column's."""
        own = told.get("style-name", self._row_style)
        if own is not None:
            return own
        for columns, style in self._columns:
            if at < columns:
                return style
            at -= columns
        return None

    def _merge(self, told: dict[str, str], at: int) -> None:
        across = _times(told, "number-columns-spanned")
        down = _times(told, "number-rows-spanned")
        if across > 1 or down > 1:
            self.merges.setdefault(self._sheet, []).append(
                Merge(
                    first_row=self._row.number,
                    last_row=self._row.number + down - 1,
                    first_column=at,
                    last_column=at + across - 1,
                )
            )

    def _say(self, tag: str, attributes: Attributes) -> None:
        """What stands in a paragraph for signs that XML does not keep."""
        if tag == "s":
            count = _times(_local(attributes), "c")
            if count > _MOST_SPACES:
                raise ValueError("more spaces than a cell holds")
            self._paragraphs[-1].append(" " * count)
        elif tag == "tab":
            self._paragraphs[-1].append("\t")
        elif tag == "line-break":
            self._paragraphs[-1].append("\n")


def moment(value: str, code: str) -> str:
    """A date as it is stored, to the millisecond; with its midnight where the format has a time."""
    if len(value) == 10:
        return f"{value}T00:00:00" if kind_of_format(code) == "datetime" else value
    try:
        exact = datetime.fromisoformat(value)
    except ValueError:
        return value
    exact += timedelta(microseconds=500)
    return exact.isoformat(timespec="milliseconds" if exact.microsecond >= 1000 else "seconds")


def clock(value: str, code: str) -> str:
    """A time of day or, where it is longer or the format says so, a duration.

    Raises:
        ValueError: it is neither.
    """
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError("no time")
    days, hours, minutes = (int(part or 0) for part in found.groups()[1:4])
    seconds = float((found[5] or "0").replace(",", "."))
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    is_elapsed = found[1] or total >= _DAY or kind_of_format(code) == "duration"
    return shown((-total if found[1] else total) / _DAY, "[h]:mm:ss" if is_elapsed else "h:mm:ss")


def _local(attributes: Attributes) -> dict[str, str]:
    """Attributes without their prefixes; LibreOffice says some again in a namespace of its own."""
    return {
        name if name.startswith("calcext:") else name.rpartition(":")[2]: value
        for name, value in attributes.items()
    }


def _times(told: dict[str, str], name: str) -> int:
    """How often something is repeated, or how far it reaches; 1 when nothing is said.

    Raises:
        ValueError: it is no count.
    """
    times = int(told.get(name, 1))
    if times < 1:
        raise ValueError("less than once")
    return times
