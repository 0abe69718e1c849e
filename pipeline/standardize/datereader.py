"""Read the parts of one layout out of a byte matrix, arithmetically. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.standardize.civil import Flags, Ints, Longs
from pipeline.standardize.datelayout import Family, Layout
from pipeline.standardize.datewords import MONTHS

Matrix = npt.NDArray[np.uint8]

BAD_TIME = -2
NO_OFFSET = 10_000
_SECOND = 1_000_000  # microseconds
_DAY = 86_400 * _SECOND
_MOST_EAST, _MOST_WEST = 14 * 60, -12 * 60  # minutes: no zone lies further from UTC


def _code(word: bytes) -> int:
    return word[0] << 16 | word[1] << 8 | word[2]


_MONTH_CODES = np.array([_code(name.lower().encode()) for name in MONTHS], dtype=np.int32)
_BY_CODE = np.argsort(_MONTH_CODES)
_SORTED_CODES = _MONTH_CODES[_BY_CODE]


@dataclass(slots=True)
class Parts:
    """The parts of a group of rows; None stands for "none written, in any row".

    fits: rows whose letters are what the layout needs (a month, AM or PM, T, Z).
    The others are as in `dateshapes.Parsed`.
    """

    first: Ints
    second: Ints
    third: Ints
    fits: Flags | None = None
    micros: Longs | None = None
    offset: Ints | None = None
    shortened: Flags | None = None

    def only_fitting(self) -> Parts:
        """The parts of the rows that fit."""
        kept = self.fits

        def keep(array: npt.NDArray[Any] | None) -> Any:
            return None if array is None else array[kept]

        return Parts(**{name: keep(getattr(self, name)) for name in self.__slots__})


def read_parts(matrix: Matrix, layout: Layout) -> Parts:
    """Read a group of texts that all have the picture of `layout` (rows x bytes)."""
    spans = layout.spans
    match layout.shape.family:
        case Family.ORDERED:
            names = ("a", "b", "c")
        case Family.NUMBER:
            return _read_number(matrix, layout)
        case _:
            names = ("y", "m", "d")
    first, second, third = (
        _number(matrix, spans[name]) if name in spans else _ones(matrix) for name in names
    )
    parts = Parts(first, second, third)
    if "n" in spans:
        parts.second = _month(matrix, spans["n"])
        _require(parts, parts.second > 0)
    if layout.shape.timed:
        _read_time(matrix, layout, parts)
    return parts


def _ones(matrix: Matrix) -> Ints:
    return np.ones(len(matrix), dtype=np.int32)


def _number(matrix: Matrix, span: tuple[int, int]) -> Ints:
    """Value of at most nine digits. The zeros of ASCII are taken off once, at the end."""
    low, high = span
    total: Ints = matrix[:, low].astype(np.int32)
    for column in range(low + 1, high):
        total *= 10
        total += matrix[:, column]
    # int32 wraps around in the sum and back in the difference, so nine digits come out right
    zeros = int("1" * (high - low)) * ord("0")
    total -= np.array(zeros % 2**32, dtype=np.uint32).astype(np.int32)
    return total


def _require(parts: Parts, condition: Flags) -> None:
    parts.fits = condition if parts.fits is None else parts.fits & condition


def _lower(matrix: Matrix, column: int) -> Matrix:
    return matrix[:, column] | np.uint8(0x20)


def _month(matrix: Matrix, span: tuple[int, int]) -> Ints:
    """Month of a three-letter English name, 0 for another word."""
    code = np.zeros(len(matrix), dtype=np.int32)
    for column in range(*span):
        code <<= 8
        code |= _lower(matrix, column)
    place = np.minimum(np.searchsorted(_SORTED_CODES, code), 11)
    return np.where(_SORTED_CODES[place] == code, _BY_CODE[place] + 1, 0).astype(np.int32)


def _read_time(matrix: Matrix, layout: Layout, parts: Parts) -> None:
    spans = layout.spans
    hour = _number(matrix, spans["h"])
    minute = _number(matrix, spans["i"])
    good = minute < 60
    if "p" in spans:
        hour, is_on_dial = _afternoon(matrix, spans["p"][0], hour, parts)
        good &= is_on_dial
    good &= hour < 24  # 24:00 and second 60 are refused: neither is a time of the day named
    micros: Longs = (hour * 60 + minute).astype(np.int64) * (60 * _SECOND)
    if "s" in spans:
        second = _number(matrix, spans["s"])
        good &= second < 60
        micros += second.astype(np.int64) * _SECOND
    if "f" in spans:
        micros += _fraction(matrix, spans["f"], parts)
    if "t" in spans:
        _require(parts, _lower(matrix, spans["t"][0]) == ord("t"))
    if "o" in spans:
        good &= _read_offset(matrix, spans["o"], parts)
    parts.micros = micros if good.all() else np.where(good, micros, BAD_TIME)


def _afternoon(matrix: Matrix, column: int, hour: Ints, parts: Parts) -> tuple[Ints, Flags]:
    """Hours of a twelve-hour clock: 12 AM is 0, 12 PM is 12; 0 and 13 are not on its dial."""
    half = _lower(matrix, column)
    _require(parts, ((half == ord("a")) | (half == ord("p"))) & (_lower(matrix, column + 1) == 109))
    is_on_dial = (hour >= 1) & (hour <= 12)
    return hour % 12 + np.where(half == ord("p"), 12, 0).astype(np.int32), is_on_dial


def _fraction(matrix: Matrix, span: tuple[int, int], parts: Parts) -> Longs:
    """Microseconds of a fraction of a second; digits below a microsecond are dropped."""
    low, high = span
    kept = min(high - low, 6)
    if high - low > 6:
        parts.shortened = _number(matrix, (low + 6, high)) > 0
    micros: Longs = _number(matrix, (low, low + kept)).astype(np.int64) * 10 ** (6 - kept)
    return micros


def _read_offset(matrix: Matrix, span: tuple[int, int], parts: Parts) -> Flags:
    """Read Z, +hh, +hhmm or +hh:mm into minutes; return where such an offset can be."""
    low, high = span
    if high - low == 1:
        _require(parts, _lower(matrix, low) == ord("z"))
        parts.offset = np.zeros(len(matrix), dtype=np.int32)
        return np.ones(len(matrix), dtype=np.bool_)
    hours = _number(matrix, (low + 1, low + 3))
    minutes = np.zeros_like(hours) if high - low == 3 else _number(matrix, (high - 2, high))
    distance = hours * 60 + minutes
    offset: Ints = np.where(matrix[:, low] == ord("-"), -distance, distance).astype(np.int32)
    parts.offset = offset
    return (minutes < 60) & (offset <= _MOST_EAST) & (offset >= _MOST_WEST)


def _read_number(matrix: Matrix, layout: Layout) -> Parts:
    """Whole part, zero and number of digits; decimals are a share of the day."""
    low, high = layout.spans["w"]
    digits = np.full(len(matrix), high - low, dtype=np.int32)
    whole = _number(matrix, (low, high)) if high - low <= 9 else np.zeros_like(digits)
    parts = Parts(whole, np.zeros_like(digits), digits)
    if "e" in layout.spans:
        low, high = layout.spans["e"]
        share = np.zeros(len(matrix), dtype=np.float64)
        for column in reversed(range(low, high)):
            share = (share + (matrix[:, column] - ord("0"))) / 10
        # Spreadsheets keep about a tenth of a millisecond of a day number: round to the whole one.
        micros: Longs = np.rint(share * 86_400_000).astype(np.int64) * 1000
        parts.micros = np.where(micros < _DAY, micros, BAD_TIME)
    return parts
