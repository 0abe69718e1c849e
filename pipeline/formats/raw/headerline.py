"""Column names from a header line that does not have as many cells as the rows below it."""

from __future__ import annotations

from dataclasses import replace

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer
from pipeline.formats.raw.quoteways import Way, ways

_OTHERS = (" ", ";", ",", "\t", "|")


def names_in(text: str, dialect: RawDialect, width: int) -> list[str] | None:
    """The names, one for each of `width` columns; None when no reading has so many."""
    readings = _readings(text, dialect)
    for other in _OTHERS:
        if other != dialect.delimiter and other in text:
            other_dialect = replace(dialect, delimiter=other, skip_space=False)
            readings += [(price + 3, cells) for price, cells in _readings(text, other_dialect)]
    exact = [way for way in readings if len(way[1]) == width and all(map(str.strip, way[1]))]
    if exact:
        return min(exact)[1]
    for _, cells in sorted(readings):
        filled = [cell for cell in cells if cell.strip()]
        if len(cells) > width and len(filled) == width:
            return filled
    same = [way for way in readings if len(way[1]) == width]
    if same:
        return min(same)[1]
    near = [way for way in readings if width - 1 <= len(way[1]) < width and len(way[1]) > 1]
    return [*min(near)[1], ""] if near else None


def _readings(text: str, dialect: RawDialect) -> list[Way]:
    if dialect.quote is not None and dialect.quote in text:
        return ways(text, dialect)
    return [(0.0, Lexer(dialect).split(text))]
