"""What every spreadsheet's cells have in common: their text, their faults, how they are called."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.numberformats import kind_of_format, loses_digits, plain, shown

_MOST_KNOWN = 50_000
_LONGEST_CODE = 1_000
_MOST_TEXT_BYTES = 512 << 20

ERROR = (RowCode.CELL_ERROR, "The cell holds an error of the spreadsheet and no value.", True)
UNCACHED = (
    RowCode.FORMULA_UNCACHED,
    "The cell is a formula whose result was not saved; open the workbook, save it, send it again.",
    True,
)
LOST_DIGITS = (
    RowCode.PRECISION_LOST,
    "The number has more digits than a spreadsheet keeps; the last ones may be lost.",
    False,
)
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
"""Errors of a spreadsheet, by their number in the binary formats."""
ERROR_TEXTS = frozenset(ERRORS.values())


class Texts(list[str]):
    """The texts that cells refer to, as long as they fit into memory."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def take(self, text: str) -> None:
        """Add one.

        Raises:
            ContentError: LIMIT_EXCEEDED.
        """
        self._bytes += sys.getsizeof(text) + 8
        if self._bytes > _MOST_TEXT_BYTES:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its texts take more than {_MOST_TEXT_BYTES} bytes of memory",
            )
        self.append(text)


class NumberTexts:
    """The texts of numbers by the formats of their cells; each is worked out once.

    code_of: the number format of a cell style, by whatever the cells of a format say.
    """

    def __init__(self, code_of: Callable[[Any], str], *, from_1904: bool = False) -> None:
        self._code_of, self._from_1904 = code_of, from_1904
        self._known: dict[tuple[str, Any], str] = {}

    def text(self, written: str, style: Any) -> str:
        """The text of a number as it is stored, under a cell style.

        Raises:
            ValueError, OverflowError: it is no number.
        """
        known = self._known.get((written, style))
        if known is None:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            known = self._known[written, style] = self._text(written.strip(), style)
        return known

    def _text(self, written: str, style: Any) -> str:
        if not written.isascii() or "_" in written:
            raise ValueError("no number")
        code = self._code_of(style)
        if len(code) > _LONGEST_CODE:  # no spreadsheet has such a one, and every number would grow
            code = "General"
        kind = kind_of_format(code)
        if kind in ("general", "text") or (kind == "number" and loses_digits(written)):
            return written if written.lstrip("-").isdigit() else plain(float(written))
        return shown(float(written), code, from_1904=self._from_1904)


def by_number(formats: Sequence[str]) -> Callable[[int | str | None], str]:
    """The number format of a cell style, of formats in which styles are numbered from 0."""

    def code_of(style: int | str | None) -> str:
        at = -1 if style is None or style == "" else int(style)
        return formats[at] if 0 <= at < len(formats) else "General"

    return code_of


def written_of(number: float) -> str:
    """A number as it would be written: the fewest digits that are this number and no other."""
    return repr(number).removesuffix(".0")


def place_of_cell(sheet: str, row: int, column: int | None) -> str:
    """A cell as spreadsheets write it; names with other signs than letters stand in quotes."""
    name = sheet if re.fullmatch(r"\w+", sheet) else "'" + sheet.replace("'", "''") + "'"
    letters = ""
    while column is not None and column >= 0:
        column, rest = divmod(column, 26)
        letters = chr(65 + rest) + letters
        column -= 1
    return f"{name}!{letters}{row}"
