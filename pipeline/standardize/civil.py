"""The calendar as arithmetic: a day that is not in it is refused, never rolled over.

Days are counted from 1970-01-01 (day 0) in the proleptic Gregorian calendar, years 1 to 9999.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Century = Literal["past", "future", "nearest"]
"""How a two-digit year finds its century: see `full_year`."""

_FIRST_MONTH_OF_DAY_0 = 1969 * 12  # months from 0001-01 to 1970-01

# First day of every month from 0001-01 to 10000-01: the difference of two entries is a length.
_MONTH_START: Ints = (
    np.arange("0001-01", "10000-02", dtype="M8[M]").astype("M8[D]").astype(np.int64)
).astype(np.int32)


def days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Flags]:
    """Return (days since 1970-01-01, whether that date exists). Days are arbitrary where not."""
    in_range = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1)
    index = year * 12 + month - 13
    if not in_range.all():
        index = np.where(in_range, index, 0)
    start = _MONTH_START[index]
    exists = in_range & (day <= _MONTH_START[index + 1] - start)
    return start + day - 1, exists


def civil_of(days: Longs) -> tuple[Longs, Longs, Longs]:
    """Return (year, month, day) of days since 1970-01-01 within the years 1 to 9999."""
    months = days.astype("M8[D]").astype("M8[M]").astype(np.int64)
    day = days - _MONTH_START[months + _FIRST_MONTH_OF_DAY_0] + 1
    return months // 12 + 1970, months % 12 + 1, day


def full_year(two_digits: Ints, month: Ints, day: Ints, century: Century, today: date) -> Ints:
    """Return the four-digit year a two-digit year stands for.

    past: the last hundred years up to and including `today`; a birth cannot lie ahead.
    future: from ten years before `today` to ninety ahead; an expiry date may just have passed.
    nearest: within fifty years of `today`.
    """
    years_ahead = {"past": 0, "nearest": 50, "future": 90}[century]
    last = (today.year + years_ahead) * 10_000 + today.month * 100 + today.day
    year = two_digits + np.int32((today.year + years_ahead) // 100 * 100)
    is_later = year * 10_000 + month * 100 + day > last
    return np.where(is_later, year - 100, year).astype(np.int32)
