"""What kind of text a cell holds, by its outward shape. It judges layouts, never values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

_STRONG_SHARE = 0.9


class Shape(StrEnum):
    """Outward kinds of cell. Only the first four prove anything about a column."""

    NUMBER = "number"
    DATE = "date"
    EMAIL = "email"
    CODE = "code"
    WORDS = "words"
    OTHER = "other"
    EMPTY = "empty"


_NUMBER = re.compile(r"[<>≤≥~]?\s*[-+−]?[$€£]?\s*\d+(?:[.,' \u00a0]\d+)*(?:[eE][-+]?\d+)?\s*%?")
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    r"|\d{1,2}[-/ .]+[A-Za-zäéû]{3,9}\.?[-/ ,.]+\d{2,4}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})"
    r"(?:[T ]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_WORDS = re.compile(r"[^\W\d_][\w .'’()/%#°µ²³:&+*?!-]*")
_DIGITS = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=65_536)
def shape_of(cell: str) -> Shape:
    """Tell the kind of one cell; outer space does not count."""
    text = cell.strip()
    if not text:
        return Shape.EMPTY
    if _NUMBER.fullmatch(text):
        return Shape.NUMBER
    if _DATE.fullmatch(text):
        return Shape.DATE
    if _EMAIL.fullmatch(text):
        return Shape.EMAIL
    if " " not in text and _DIGITS.search(text) and _LETTERS.search(text):
        return Shape.CODE
    return Shape.WORDS if _WORDS.fullmatch(text) else Shape.OTHER


def mask_of(cell: str) -> str:
    """Write every digit as 9 and every letter as A: `PT-12` becomes `AA-99`."""
    return _LETTERS.sub("A", _DIGITS.sub("9", cell.strip()))


class ColumnShapes:
    """What the cells of each column have in common, taken from a sample of rows.

    strong: for each column the shape that nearly all its cells have, None where there is none.
    """

    def __init__(self, rows: Sequence[Sequence[str]], columns: int) -> None:
        whole = [row for row in rows if len(row) == columns]
        self.columns = columns
        self.strong = [_strong_shape([row[at] for row in whole]) for at in range(columns)]

    def fits(self, cells: Sequence[str]) -> bool:
        """Tell whether `cells` could be a row of this table."""
        if len(cells) != self.columns or not any(cell.strip() for cell in cells):
            return False
        shapes = (shape_of(cell) for cell in cells)
        return all(
            strong is None or shape in (strong, Shape.EMPTY)
            for strong, shape in zip(self.strong, shapes, strict=True)
        )


def _strong_shape(cells: Sequence[str]) -> Shape | None:
    shapes = [shape for shape in map(shape_of, cells) if shape is not Shape.EMPTY]
    for candidate in (Shape.NUMBER, Shape.DATE, Shape.EMAIL, Shape.CODE):
        if shapes and shapes.count(candidate) >= _STRONG_SHARE * len(shapes):
            return candidate
    return None
