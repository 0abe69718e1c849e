"""Reference ranges: `70-99`, `<200`, `up to 200`, `>= 60` become ends; anything else stays words.

An end is only taken out when the whole cell is a range. Nothing is removed from inside a word, so
`Negative to trace` stays what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from pipeline.standardize.distinct import read_distinct

_NUMBER = r"[+-]?(?:\d[\d.,'’]*|[.,]\d+)"
_DASH = r"(?:-|–|—|−|\.\.|\.\.\.|…|to|bis)"
_UNIT = r"(?P<unit>[^\d\s.,<>=≤≥()-][^<>=≤≥]*)?"
_BELOW = r"(?:<=?|≤|=<|up to|to|less than|lower than|below|under|at most|bis|unter)"
_ABOVE = r"(?:>=?|≥|=>|from|more than|greater than|higher than|above|over|at least|ab|über)"

_BETWEEN = re.compile(rf"(?P<low>{_NUMBER})\s*{_DASH}\s*(?P<high>{_NUMBER})\s*{_UNIT}", re.I)
_UP_TO = re.compile(rf"{_BELOW}\s*(?P<high>{_NUMBER})\s*{_UNIT}", re.I)
_FROM = re.compile(rf"{_ABOVE}\s*(?P<low>{_NUMBER})\s*{_UNIT}", re.I)
_BRACKETS = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeParts:
    """The parts of one cell, as written. `text` is set when the cell is no range of numbers."""

    low: str | None = None
    high: str | None = None
    unit: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeColumns:
    """The parts of a column's cells: four text arrays, null where a cell has no such part."""

    low: pa.StringArray
    high: pa.StringArray
    unit: pa.StringArray
    text: pa.StringArray


def read_range(cell: str) -> RangeParts:
    """Take one cleaned cell apart."""
    inner = cell
    if len(cell) > 2 and _BRACKETS.get(cell[0]) == cell[-1]:
        inner = cell[1:-1].strip()
    for form in (_BETWEEN, _UP_TO, _FROM):
        if found := form.fullmatch(inner):
            parts = found.groupdict()
            unit = parts.get("unit")
            return RangeParts(
                low=parts.get("low"), high=parts.get("high"), unit=unit.strip() if unit else None
            )
    return RangeParts(text=cell)


def split_ranges(values: pa.StringArray) -> RangeColumns:
    """Take every cell of cleaned text apart; null stays null in every part."""
    parts = read_distinct(values, read_range)
    return RangeColumns(
        low=parts.spread(lambda part: part.low, pa.string()),
        high=parts.spread(lambda part: part.high, pa.string()),
        unit=parts.spread(lambda part: part.unit, pa.string()),
        text=parts.spread(lambda part: part.text, pa.string()),
    )
