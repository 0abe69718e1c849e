"""Whether the first record names the columns. A patient taken for a header is a patient lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, UnclearLayout
from pipeline.formats.headerlines import HeaderLines, header_below, no_header
from pipeline.formats.shapes import ColumnShapes, Shape, mask_of, shape_of

_NEARLY_ALL = 0.9
_JUDGED_ROWS = 200
_YEAR = re.compile(r"(19|20)\d\d")
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}")


@dataclass(frozen=True, slots=True)
class HeaderPlace:
    """Where the supposed header stands: the file's first lines, its line's index, the delimiter."""

    lines: Sequence[str]
    start: int
    delimiter: str


def check_header(header: Sequence[str], rows: Sequence[Sequence[str]], place: HeaderPlace) -> None:
    """Refuse a table whose first record is not the header of the rows below it.

    `rows` are the sample's records below the first one, without blank ones.

    Raises:
        ContentError: HEADER_MISMATCH, HEADER_MISSING, or LAYOUT_UNCLEAR when lines stand before
            the header.
    """
    _check_width(header, rows, place)
    whole = [row for row in rows if len(row) == len(header) and list(row) != list(header)]
    if _looks_like_data(header, whole[:_JUDGED_ROWS]):
        raise _unclear(
            FileCode.HEADER_MISSING,
            "the cells of the first line look like the cells below them",
            no_header(place.delimiter, place.start + 1),
        )


def _unclear(code: FileCode, note: str, found: HeaderLines) -> UnclearLayout:
    return UnclearLayout(
        code,
        note,
        key="header",
        guess=found.guess,
        answers=found.answers,
        proposed=found.proposed,
    )


def _check_width(header: Sequence[str], rows: Sequence[Sequence[str]], place: HeaderPlace) -> None:
    widths = [len(row) for row in rows]
    longer = sum(width > len(header) for width in widths)
    as_wide = widths.count(len(header))
    misfit = longer >= _NEARLY_ALL * len(widths) or (as_wide == 0 and len(widths) > 2)
    if not widths or not misfit:
        return
    usual = max(set(widths), key=widths.count)
    if usual > len(header) and _header_is_below(rows, usual):
        raise _unclear(
            FileCode.LAYOUT_UNCLEAR,
            "lines stand before the header: the column names seem to come further below",
            header_below(place.lines, place.start, place.delimiter, usual),
        )
    note = (
        f"the header has {len(header)} names, but {widths.count(usual)} of the first "
        f"{len(widths)} rows have {usual} cells"
    )
    if usual < len(header):
        raise ContentError(FileCode.HEADER_MISMATCH, note)
    raise UnclearLayout(
        FileCode.HEADER_MISMATCH,
        note,
        key="header",
        guess=ReadAs(delimiter=place.delimiter, unnamed="first"),
        answers={
            "first": "the first column has no name; the names belong to those behind it",
            "last": "the last column has no name; the names belong to those before it",
        },
    )


def _header_is_below(rows: Sequence[Sequence[str]], width: int) -> bool:
    at = next(index for index, row in enumerate(rows) if len(row) == width)
    below = [row for row in rows[at + 1 :] if len(row) == width]
    names, data = _votes(rows[at], below[:_JUDGED_ROWS])
    return names > 0 and names > data


def _looks_like_data(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    if all(shape_of(cell) in (Shape.NUMBER, Shape.DATE, Shape.EMPTY) for cell in header):
        return not _is_series(header) or any(map(_is_series, rows[:3]))
    names, data = _votes(header, rows)
    return data > 0 and data >= names


def _votes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Count the columns whose first cell is a name above data, and those where it is data too."""
    names = data = in_series = 0
    series = _is_series([cell for cell in header if shape_of(cell) in (Shape.NUMBER, Shape.DATE)])
    strong = ColumnShapes(rows, len(header)).strong
    for at, (label, shape) in enumerate(zip(header, strong, strict=True)):
        below = [row[at] for row in rows]
        if not label.strip():
            continue
        if shape is None:
            data += label.strip() in {cell.strip() for cell in below}
        elif shape_of(label) is not shape:
            names += 1
        elif series and shape in (Shape.NUMBER, Shape.DATE):
            in_series += 1
        elif shape is not Shape.CODE or mask_of(label) in set(map(mask_of, below)):
            data += 1
    # Years above numbers are names only if some other column shows that this is a header at all.
    return names, data if names else data + in_series


def _is_series(labels: Sequence[str]) -> bool:
    """Tell whether labels count something up: years, 1 2 3, or dates, one column for each."""
    texts = [label.strip() for label in labels if label.strip()]
    if not texts or len(set(texts)) < len(texts):
        return False
    if all(map(_YEAR.fullmatch, texts)):
        return True
    if all(text.isascii() and text.isdigit() and len(text) < 5 for text in texts):
        numbers = list(map(int, texts))
        return len(texts) > 1 and numbers == list(range(numbers[0], numbers[0] + len(texts)))
    return len(texts) > 2 and all(map(_PLAIN_DATE.fullmatch, texts))
