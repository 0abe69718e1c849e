"""Whether the last row of delimited text was cut off.

Said only when the rows above agree with each other and the last one, without a line end, begins as
they do and stops before they do. A short line that is something else (a total) is not cut.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from pipeline.footer import looks_like_footer

_DELIMITERS = (",", ";", "\t", "|")
_ROWS_ASKED = 20
_FEWEST_ROWS = 2  # the header and a row of data, or two rows
_LONGEST_BYTES = 60_000
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")


def cut_row(head: str, tail: str, *, is_all: bool) -> str | None:
    """What is missing at the end of delimited text; None when its last row seems whole.

    head, tail: both ends of the file; the tail may begin within a line unless it is all of it.
    """
    if not tail or tail.endswith(("\n", "\r")):
        return None
    lines = _LINE_ENDS.split(tail)
    if not is_all:
        lines = lines[1:]
    if not lines:
        return None
    last, above = lines[-1], [line for line in lines[:-1] if line.strip()][-_ROWS_ASKED:]
    if not last.strip() or len(last) > _LONGEST_BYTES or len(above) < _FEWEST_ROWS:
        return None
    delimiter = delimiter_of(above)
    if delimiter is None or looks_like_footer(last, delimiter):
        return None
    rows = [cells_of(line, delimiter) for line in above]
    width = len(rows[-1] or ())
    if any(row is None or len(row) != width for row in rows) or width < 2:
        return None
    cells = cells_of(last, delimiter)
    if cells is None:
        return "its last record ends within a quoted cell" if last.count('"') % 2 else None
    if len(cells) >= width or not begins_alike(cells, [row for row in rows if row]):
        return None
    return f"its last record has {len(cells)} of {width} cells and no line end"


def delimiter_of(lines: Sequence[str]) -> str | None:
    """The sign that every line has equally often, and most often."""
    counts = {
        sign: {line.count(sign) for line in lines} for sign in _DELIMITERS if sign in lines[-1]
    }
    even = [sign for sign, found in counts.items() if len(found) == 1]
    if not even:  # signs within quotes do not count
        even = [sign for sign in counts if len({len(cells_of(x, sign) or ()) for x in lines}) == 1]
    return max(even, key=lambda sign: lines[-1].count(sign), default=None)


def cells_of(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line; None when its quotes do not match."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), None)
    except csv.Error:
        return None


def begins_alike(cells: list[str], rows: Sequence[list[str]]) -> bool:
    """Whether the cut row's first cells could stand in the columns above them.

    The header may be among the rows, so it is enough to be like one of them. The last cell may be
    cut itself, so it needs only to begin alike.
    """
    firsts = [row[0] for row in rows]
    if len(cells) == 1:
        return _may_begin(cells[0], firsts)
    return _shape(cells[0]) in {_shape(first) for first in firsts}


def _may_begin(text: str, firsts: Sequence[str]) -> bool:
    body = firsts[1:] if len(firsts) > 2 else firsts
    low, high = min(body), max(body)  # what these two share, all between them share
    same = next((n for n, sign in enumerate(low) if sign != high[n : n + 1]), len(low))
    common = low[:same].rstrip("0123456789")
    if common:
        return text.startswith(common) or common.startswith(text)
    return text.isdigit() and all(first[:1].isdigit() for first in body)


def _shape(text: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("9", text))
