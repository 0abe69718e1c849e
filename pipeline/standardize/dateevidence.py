"""What all values of a column show about their dates: counts by shape, never a value.

Counts add up: two evidences merge into what one would have seen, wherever a batch ends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.standardize.civil import Flags, Ints, days_of
from pipeline.standardize.datelayout import Family, Shape
from pipeline.standardize.datereader import NO_OFFSET
from pipeline.standardize.dateshapes import MISSING, UNREADABLE, Parsed, parse

_LEAP_YEAR = 2000  # a two-digit year has no century yet, so 29 February may exist
_PAIRS = 12 * 12
_PART_VALUES = 100
YEAR_LIKE = (1850, 2150)
"""Four digits in this range are a year, not a spreadsheet's day number of 1905."""
SERIALS = (10_000, 80_000)
"""Five digits in this range are day numbers of 1927 to 2119."""
_COMPACT_YEARS = (1800, 2199)


@dataclass(slots=True)
class ShapeCount:
    """What the values of one shape show.

    counts: "values", "impossible", and by family
        ORDERED "day-first" and "month-first" (only that reading is in the calendar), "either"
        (both are, and differ), "same" (both are, and agree), "fits-year-first" and "year-first"
        (only that; two-digit years);
        NUMBER "serial", "small", "year-like", "other"; COMPACT and PARTIAL "other" (no date);
        timed shapes "midnight", "no-offset".
    different: one flag for each date that reads both ways; its sum tells how many differ.
    firsts, lasts: how often each value of the first and last part occurs (two-digit years).
    """

    shape: Shape
    counts: Counter[str] = field(default_factory=Counter)
    different: npt.NDArray[np.bool_] | None = None
    firsts: npt.NDArray[np.int64] | None = None
    lasts: npt.NDArray[np.int64] | None = None

    def merge(self, other: ShapeCount) -> None:
        """Add what `other` saw."""
        self.counts.update(other.counts)
        self.different = _joined(self.different, other.different, np.logical_or)
        self.firsts = _joined(self.firsts, other.firsts, np.add)
        self.lasts = _joined(self.lasts, other.lasts, np.add)

    def spreads(self) -> tuple[int, int]:
        """How many different first and last parts occur."""
        return (
            0 if self.firsts is None else int(np.count_nonzero(self.firsts)),
            0 if self.lasts is None else int(np.count_nonzero(self.lasts)),
        )

    def key(self) -> tuple[object, ...]:
        """All that is asked of it: counts in the order they were made, and what it spreads over."""
        different = None if self.different is None else int(np.count_nonzero(self.different))
        return *self.counts.items(), different, self.spreads()

    def as_dict(self) -> dict[str, int]:
        """Counts as plain data."""
        document = {name: count for name, count in sorted(self.counts.items()) if count}
        if self.different is not None:
            document["different"] = int(np.count_nonzero(self.different))
        return document


def _joined(mine: Any, theirs: Any, join: np.ufunc) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return join(mine, theirs)


class DateEvidence:
    """Counts over all values of one column. `observe` every batch, then decide."""

    def __init__(self) -> None:
        self.values = 0
        self.missing = 0
        self.unreadable = 0
        self.named_zones = 0
        self.zones: Counter[str] = Counter()
        self.languages: Counter[frozenset[str]] = Counter()
        self.shapes: dict[str, ShapeCount] = {}

    def observe(self, values: pa.StringArray) -> None:
        """Count one batch of cleaned texts; null is missing."""
        parsed = parse(values)
        missing = int(np.count_nonzero(parsed.shape == MISSING))
        self.values += len(values) - missing
        self.missing += missing
        self.unreadable += int(np.count_nonzero(parsed.shape == UNREADABLE))
        if parsed.zones:
            self.named_zones += int(np.count_nonzero(parsed.zone >= 0))
            for index, name in enumerate(parsed.zones):
                self.zones[name] += int(np.count_nonzero(parsed.zone == index))
        for index, languages in enumerate(parsed.languages[1:], start=1):
            self.languages[languages] += int(np.count_nonzero(parsed.language == index))
        for shape, rows in parsed.rows_by_shape():
            self._add(_count(shape, rows, parsed))

    def merge(self, other: DateEvidence) -> None:
        """Add what `other` saw; the order of merging does not matter."""
        self.values += other.values
        self.missing += other.missing
        self.unreadable += other.unreadable
        self.named_zones += other.named_zones
        self.zones.update(other.zones)
        self.languages.update(other.languages)
        for count in other.shapes.values():
            self._add(count)

    def _add(self, count: ShapeCount) -> None:
        known = self.shapes.setdefault(count.shape.name, ShapeCount(count.shape))
        known.merge(count)

    def key(self) -> tuple[object, ...] | None:
        """All of it as numbers, equal for what shows the same; None where it has texts besides."""
        if self.zones or self.languages:
            return None
        shapes = tuple((name, *count.key()) for name, count in self.shapes.items())
        return self.values, self.missing, self.unreadable, self.named_zones, shapes

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the plan and the report."""
        return {
            "values": self.values,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "named_zones": self.named_zones,
            "languages": {
                "/".join(sorted(needed)): count
                for needed, count in sorted(self.languages.items(), key=lambda i: sorted(i[0]))
                if needed and count
            },
            "shapes": {name: self.shapes[name].as_dict() for name in sorted(self.shapes)},
        }


def _count(shape: Shape, rows: npt.NDArray[np.int64] | slice, parsed: Parsed) -> ShapeCount:
    first, second, third = parsed.first[rows], parsed.second[rows], parsed.third[rows]
    found = ShapeCount(shape)
    found.counts["values"] = len(first)
    if shape.timed:
        found.counts["midnight"] = int(np.count_nonzero(parsed.micros[rows] == 0))
        no_offset = (parsed.offset[rows] == NO_OFFSET) & (parsed.zone[rows] < 0)
        found.counts["no-offset"] = int(np.count_nonzero(no_offset))
    match shape.family:
        case Family.ORDERED:
            _count_ordered(found, first, second, third)
        case Family.NUMBER:
            _count_kinds(found, number_kinds(first, third))
        case Family.PARTIAL:
            _count_kinds(found, {"other": (second < 1) | (second > 12)})
        case Family.COMPACT:
            plausible = is_plausible_compact(first, second, third)
            impossible = plausible & ~days_of(first, second, third)[1]
            _count_kinds(found, {"other": ~plausible, "impossible": impossible})
        case _:
            year = first if shape.year_digits == 4 else np.full_like(first, _LEAP_YEAR)
            _count_kinds(found, {"impossible": ~days_of(year, second, third)[1]})
    return found


def _count_kinds(found: ShapeCount, kinds: dict[str, Flags]) -> None:
    found.counts.update({kind: int(np.count_nonzero(rows)) for kind, rows in kinds.items()})


def _count_ordered(found: ShapeCount, first: Ints, second: Ints, last: Ints) -> None:
    """Count what each value proves: only a reading that is in the calendar counts."""
    two_digits = found.shape.year_digits == 2
    year = np.full_like(last, _LEAP_YEAR) if two_digits else last
    first_is_month = (first >= 1) & (first <= 12)
    second_is_month = (second >= 1) & (second <= 12)
    both = first_is_month & second_is_month & (year >= 1)
    day_first = ~both & days_of(year, second, first)[1]
    month_first = ~both & days_of(year, first, second)[1]
    readable = both | day_first | month_first
    if two_digits:
        year_first = days_of(year, second, last)[1]
        only = year_first & ~readable
        _count_kinds(found, {"fits-year-first": year_first, "year-first": only})
        readable |= year_first
        found.firsts = np.bincount(first[readable], minlength=_PART_VALUES)
        found.lasts = np.bincount(last[readable], minlength=_PART_VALUES)
    either = both & (first != second)
    if either.any():
        found.different = np.zeros(10_000 * _PAIRS, dtype=np.bool_)
        found.different[last[either] * _PAIRS + first[either] * 12 + second[either] - 13] = True
    _count_kinds(
        found,
        {
            "day-first": day_first,
            "month-first": month_first,
            "either": either,
            "same": both & (first == second),
            "impossible": ~readable,
        },
    )


def number_kinds(number: Ints, digits: Ints) -> dict[str, Flags]:
    """Sort whole numbers: "serial" (surely a day number), "small" (perhaps), "year-like", "other".

    number: the whole part, digits: with how many digits it was written; both as in `Parsed`.
    """
    has_zeros = (digits > 9) | (number < 10 ** (np.minimum(digits, 9).astype(np.int64) - 1))
    serial = (digits == 5) & (number >= SERIALS[0]) & (number <= SERIALS[1])
    year_like = (digits == 4) & (number >= YEAR_LIKE[0]) & (number <= YEAR_LIKE[1])
    small = (digits < 5) & ~has_zeros & ~year_like & (number >= 1)
    return {
        "serial": serial,
        "small": small,
        "year-like": year_like,
        "other": ~(serial | small | year_like),
    }


def is_plausible_compact(year: Ints, month: Ints, day: Ints) -> Flags:
    """Where eight digits look like year, month and day, in the calendar or not."""
    low, high = _COMPACT_YEARS
    is_day = (day >= 1) & (day <= 31)
    return (year >= low) & (year <= high) & (month >= 1) & (month <= 12) & is_day
