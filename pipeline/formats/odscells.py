"""Turns the events of an OpenDocument spreadsheet into rows of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.celltexts import (
    ERROR,
    ERROR_TEXTS,
    LOST_DIGITS,
    UNCACHED,
    NumberTexts,
)
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Merge
from pipeline.formats.numberformats import MOST_DIGITS, kind_of_format, loses_digits, shown
from pipeline.formats.odsstyles import OdsStyles
from pipeline.formats.xmlpull import MOST_DEPTH, Attributes, LocalNames

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
CELLS = frozenset({"table-cell", "covered-table-cell"})
_KEPT_SPACE, _KEPT_TAB, _KEPT_BREAK = "\0", "\1", "\2"  # no text of XML can hold these
_KEPT = str.maketrans({_KEPT_SPACE: " ", _KEPT_TAB: "\t", _KEPT_BREAK: "\n"})


class OdsSurvey:
    """Listens to a document as a whole: its styles, its sheets, their merged cells.

    merges: by sheet. sheets: names, and whether they are hidden. begins: at which byte each of them
    begins, as `where` tells. is_1904: where days are counted from.
    """

    def __init__(self, styles: OdsStyles) -> None:
        self.sheets: list[tuple[str, bool]] = []
        self.merges: dict[str, list[Merge]] = {}
        self.begins: dict[str, int] = {}
        self.where: Callable[[], int] = int
        self.is_1904 = False
        self._styles = styles
        self._local = Names()
        self._depth = self._inside = 0
        self._row, self._times, self._at = 0, 1, 0
        self._found: list[Merge] = []
        self._above: list[str] = [""]

    def start(self, name: str, attributes: Attributes) -> None:
        """Open an element."""
        tag = self._local[name]
        self._depth += 1
        check_depth(self._depth)
        if self._inside:
            if tag in CELLS:
                if attributes:
                    self._cell(self._local.of(attributes))
                else:
                    self._at += 1
            elif tag == "table-row" and self._depth > self._inside:
                told = self._local.of(attributes)
                self._row, self._at = self._row + self._times, 0
                self._times = times(told, "number-rows-repeated")
            return
        if tag == "table" and self._above[-1] == "spreadsheet":
            self._begin(self._local.of(attributes))
        elif tag == "null-date":
            said = self._local.of(attributes).get("date-value", "")
            self.is_1904 = said.startswith("1904")
        else:
            self._styles.start(tag, attributes)
        self._above.append(tag)

    def text(self, piece: str) -> None:
        """Text counts within styles alone."""
        if not self._inside:
            self._styles.text(piece)

    def end(self, name: str) -> None:
        """Close an element."""
        if not self._inside:
            self._above.pop()
            self._styles.end(self._local[name])
        elif self._depth == self._inside:
            self._inside = 0
            self._above.pop()
        self._depth -= 1

    def _begin(self, told: dict[str, str]) -> None:
        sheet = told.get("name", f"sheet {len(self.sheets) + 1}")
        self.sheets.append((sheet, told.get("style-name", "") in self._styles.hidden))
        self.begins.setdefault(sheet, self.where())
        self._found = self.merges.setdefault(sheet, [])
        self._inside = self._depth
        self._row, self._times = 0, 1

    def _cell(self, told: dict[str, str]) -> None:
        at, self._at = self._at, self._at + times(told, "number-columns-repeated")
        across = times(told, "number-columns-spanned")
        down = times(told, "number-rows-spanned")
        if across > 1 or down > 1:
            self._found.append(
                Merge(
                    first_row=self._row,
                    last_row=self._row + down - 1,
                    first_column=at,
                    last_column=at + across - 1,
                )
            )
            check_merges(len(self._found))


class OdsCells:
    """Listens to a document for the rows of its first sheet.

    done: rows that have cells, and how often each is repeated. is_over: the sheet has ended.
    """

    def __init__(self, styles: OdsStyles, texts: NumberTexts) -> None:
        self.done: list[tuple[GridRow, int]] = []
        self.is_over = False
        self._styles, self._texts = styles, texts
        self._local = Names()
        self._above: list[str] = [""]
        self._depth = self._inside = self._row_at = self._cell_at = 0
        self._columns: list[tuple[int, str | None]] = []
        self._row = GridRow(number=0, cells={})
        self._row_style: str | None = None
        self._times = 1
        self._at = 0
        self._cell: dict[str, str] = {}
        self._paragraphs: list[str] = []
        self._parts: list[str] | None = None

    def start(self, name: str, attributes: Attributes) -> None:
        """Open an element. A cell stands in its row, a paragraph in its cell."""
        self._depth += 1
        depth, tag = self._depth, self._local[name]
        if self._parts is not None:
            self._say(tag, attributes)
        elif self._cell_at:
            if tag == "p" and depth == self._cell_at + 1:
                self._parts = []
        elif self._row_at:
            if tag in CELLS:
                self._cell_at = depth
                self._cell = self._local.of(attributes) if attributes else {}
                self._paragraphs.clear()
        elif self._inside:
            if tag == "table-row":
                self._begin_row(self._local.of(attributes))
            elif tag == "table-column":
                told = self._local.of(attributes)
                self._columns.append(
                    (times(told, "number-columns-repeated"), told.get("default-cell-style-name"))
                )
        else:
            if tag == "table" and self._above[-1] == "spreadsheet" and not self.is_over:
                self._inside = depth
            self._above.append(tag)

    def text(self, piece: str) -> None:
        """Text counts within the paragraphs of a cell."""
        if self._parts is not None:
            self._parts.append(piece)

    def end(self, _name: str) -> None:
        """Close an element."""
        depth = self._depth
        self._depth -= 1
        if self._parts is not None:
            if depth == self._cell_at + 1:
                self._paragraphs.append(_paragraph(self._parts))
                self._parts = None
        elif self._cell_at:
            if depth == self._cell_at:
                self._cell_at = 0
                self._end_cell()
        elif self._row_at:
            if depth == self._row_at:
                self._row_at = 0
                if self._row.cells:
                    self.done.append((self._row, self._times))
        elif self._inside:
            if depth == self._inside:
                self._inside = 0
                self.is_over = True
                self._above.pop()
        else:
            self._above.pop()

    def _begin_row(self, told: dict[str, str]) -> None:
        number = self._row.number + self._times if self._row.number else 1
        self._times = times(told, "number-rows-repeated")
        self._row = GridRow(number=number, cells={})
        self._row_style = told.get("default-cell-style-name")
        self._row_at, self._at = self._depth, 0

    def _end_cell(self) -> None:
        told, at = self._cell, self._at
        if not told:
            self._at += 1
            return
        repeated = times(told, "number-columns-repeated")
        self._at += repeated
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
        said = "\n".join(self._paragraphs)
        kind, formula = told.get("value-type"), told.get("formula")
        is_error = said[:1] in ("#", "E") and _ERROR_SHOWN.fullmatch(said) is not None
        is_error = is_error and (formula is not None or said in ERROR_TEXTS)
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

    def _say(self, tag: str, attributes: Attributes) -> None:
        """What stands in a paragraph for signs that XML does not keep."""
        assert self._parts is not None  # noqa: S101 - asked within a paragraph alone
        if tag == "s":
            count = times(self._local.of(attributes), "c")
            if count > _MOST_SPACES:
                raise ValueError("more spaces than a cell holds")
            self._parts.append(_KEPT_SPACE * count)
        elif tag == "tab":
            self._parts.append(_KEPT_TAB)
        elif tag == "line-break":
            self._parts.append(_KEPT_BREAK)


def _paragraph(parts: list[str]) -> str:
    """The text of a paragraph: space is one blank, but for what was said to be kept."""
    text = _SPACE.sub(" ", "".join(parts)).strip(" ")
    return text.translate(_KEPT) if "\0" <= min(text, default=" ") < " " else text


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


class Names(LocalNames):
    """Local names; LibreOffice says some attributes again in a namespace of its own."""

    def __missing__(self, name: str) -> str:
        local = self[name] = name if name.startswith("calcext:") else name.rpartition(":")[2]
        return local

    def of(self, attributes: Attributes) -> dict[str, str]:
        """Attributes by their local names."""
        return {self[name]: value for name, value in attributes.items()}


def check_depth(depth: int) -> None:
    """Refuse a document that is nested without measure.

    Raises:
        ContentError: LIMIT_EXCEEDED.
    """
    if depth > MOST_DEPTH:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED, f"its elements are nested deeper than {MOST_DEPTH} levels"
        )


def times(told: dict[str, str], name: str) -> int:
    """How often something is repeated, or how far it reaches; 1 when nothing is said.

    Raises:
        ValueError: it is no count.
    """
    said = told.get(name)
    count = 1 if said is None else int(said)
    if count < 1:
        raise ValueError("less than once")
    return count
