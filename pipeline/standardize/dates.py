"""Dates and times are converted as the column's decision says; what it does not cover is refused.

No date is rolled over (30 February), no midnight is invented for a bare date in a `datetime`
field, and no time of day is dropped silently in a `date` field: a birth "1965-11-23 23:00" is most
often a birth on the 24th that went through another time zone.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RowCode
from pipeline.standardize.base import Converted, where
from pipeline.standardize.civil import Century, Flags, Ints, Longs, days_of, full_year
from pipeline.standardize.datedecision import DateDecision, DateHint, DateKind
from pipeline.standardize.dateevidence import DateEvidence, is_plausible_compact, number_kinds
from pipeline.standardize.dateformat import format_datetimes
from pipeline.standardize.datelayout import Family, Shape
from pipeline.standardize.dateproof import decide_dates
from pipeline.standardize.datereader import BAD_TIME, NO_OFFSET
from pipeline.standardize.dateshapes import (
    MISSING,
    NO_TIME,
    UNREADABLE,
    Parsed,
    lengths_of,
    parse,
)
from pipeline.standardize.distinct import is_true
from pipeline.standardize.wholetexts import FEW
from pipeline.standardize.zonedtimes import find_offsets

__all__ = [
    "Century", "DateDecision", "DateEvidence", "DateHint", "DateKind", "convert_dates",
    "decide_dates", "format_datetimes",
]  # fmt: skip

_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECOND = 1_000_000  # microseconds
_MINUTE = 60 * _SECOND
_DAY = 86_400 * _SECOND
# Day 0 of a spreadsheet's day numbers. Counting from 1900 there is a 29 February 1900, number 60,
# that never was: the numbers before it start a day later.
_EPOCH_1900 = (date(1899, 12, 30) - date(1970, 1, 1)).days
_EPOCH_1904 = (date(1904, 1, 1) - date(1970, 1, 1)).days
_DAY_THAT_NEVER_WAS = 60

_GOOD, _MISSING = 0, 1
_CODES = (
    RowCode.TYPE_ERROR,
    RowCode.IMPOSSIBLE_DATE,
    RowCode.PARTIAL_DATE,
    RowCode.TIMEZONE_MISSING,
    RowCode.AMBIGUOUS_TIME,
    RowCode.NONEXISTENT_TIME,
)
_STATE_OF = {code: state for state, code in enumerate(_CODES, start=_MISSING + 1)}

States = npt.NDArray[np.int8]
"""Per value: _GOOD, _MISSING or the place of its reject code."""


def convert_dates(
    values: pa.StringArray, decision: DateDecision, today: date | None = None
) -> Converted:
    """Convert cleaned texts to date32, or to timestamp('us', UTC) with extra["offset_minutes"].

    today: which day two-digit years look from; the decision's own when None.
    Refusals: TYPE_ERROR (no date, a time that is on no clock, a time of day in a date field),
    IMPOSSIBLE_DATE, PARTIAL_DATE (no day; no time of day in a datetime field), TIMEZONE_MISSING,
    AMBIGUOUS_TIME, NONEXISTENT_TIME.
    """
    if len(values) <= FEW and (plain := _iso_dates(values, decision)) is not None:
        return Converted(values=plain)
    parsed = parse(values)
    states = np.full(len(values), _GOOD, dtype=np.int8)
    states[parsed.shape == MISSING] = _MISSING
    _refuse(states, parsed.shape == UNREADABLE, RowCode.TYPE_ERROR)
    days = _read_days(parsed, decision, today or decision.today, states)
    _check_words(parsed, decision, days, states)
    if decision.kind == "date":
        return _as_dates(values, parsed, decision, days, states)
    return _as_datetimes(values, parsed, decision, days, states)


def _iso_dates(values: pa.StringArray, decision: DateDecision) -> pa.Date32Array | None:
    """The dates of a few texts that are all written yyyy-mm-dd and in the calendar; else None."""
    if decision.kind != "date" or decision.orders.get("9999-99-99", "ymd") != "ymd":
        return None
    texts = values.to_pylist()
    if not all(text is None or _ISO_DATE.fullmatch(text) for text in texts):
        return None
    try:
        days = [None if text is None else date.fromisoformat(text) for text in texts]
    except ValueError:
        return None
    return pa.array(days, pa.date32())


def _refuse(states: States, where: Flags, code: RowCode) -> None:
    """Give `code` to the values that are good so far."""
    if where.any():
        states[where & (states == _GOOD)] = _STATE_OF[code]


def _read_days(parsed: Parsed, decision: DateDecision, today: date, states: States) -> Ints:
    """Days since 1970-01-01 of every value; states of those that have none are set."""
    days = np.zeros(len(states), dtype=np.int32)
    for shape, rows in parsed.rows_by_shape():
        parts = (parsed.first[rows], parsed.second[rows], parsed.third[rows])
        part_states = states[rows]  # a view for a slice, else a copy that is written back
        match shape.family:
            case Family.NUMBER:
                days[rows] = _days_of_numbers(shape, parts, decision, part_states)
            case Family.PARTIAL:
                is_month = (parts[1] >= 1) & (parts[1] <= 12)
                _refuse(part_states, ~is_month, RowCode.TYPE_ERROR)
                _refuse(part_states, is_month, RowCode.PARTIAL_DATE)
            case _:
                days[rows] = _days_of_parts(shape, parts, decision, today, part_states)
        states[rows] = part_states
    return days


def _days_of_parts(
    shape: Shape,
    parts: tuple[Ints, Ints, Ints],
    decision: DateDecision,
    today: date,
    states: States,
) -> Ints:
    order = decision.orders.get(shape.name)
    if order is None and shape.family in (Family.YEAR_FIRST, Family.NAMED):
        order = "ymd"  # readable in one way only, decided or not
    if order is None:  # nothing was decided because nothing can come of it, or it was never seen
        _refuse_undecided(shape, parts, decision, states)
        return np.zeros_like(parts[0])
    match order:
        case "dmy":
            day, month, year = parts
        case "mdy":
            month, day, year = parts
        case _:
            year, month, day = parts
    if shape.year_digits == 2:
        year = full_year(year, month, day, decision.century, today)
    days, exists = days_of(year, month, day)
    _refuse(states, ~exists, RowCode.IMPOSSIBLE_DATE)
    return days


def _refuse_undecided(
    shape: Shape, parts: tuple[Ints, Ints, Ints], decision: DateDecision, states: States
) -> None:
    is_bare_date = decision.needs_time and not shape.timed
    if is_bare_date and shape.family is Family.COMPACT:
        _refuse(states, is_plausible_compact(*parts), RowCode.PARTIAL_DATE)
    elif is_bare_date:
        _refuse(states, np.ones(len(states), dtype=np.bool_), RowCode.PARTIAL_DATE)
    _refuse(states, np.ones(len(states), dtype=np.bool_), RowCode.TYPE_ERROR)


def _days_of_numbers(
    shape: Shape, parts: tuple[Ints, Ints, Ints], decision: DateDecision, states: States
) -> Ints:
    """Read day numbers of a spreadsheet; a year alone is a partial date."""
    number, _, digits = parts
    kinds = number_kinds(number, digits)
    is_bare_date = decision.needs_time and not shape.timed
    _refuse(states, kinds["year-like"], RowCode.PARTIAL_DATE)
    if is_bare_date:
        _refuse(states, kinds["serial"], RowCode.PARTIAL_DATE)
    if decision.orders.get(shape.name) != "serial":
        _refuse(states, np.ones(len(states), dtype=np.bool_), RowCode.TYPE_ERROR)
        return np.zeros_like(number)
    _refuse(states, kinds["other"], RowCode.TYPE_ERROR)
    if decision.serials == "1904":
        return number + np.int32(_EPOCH_1904)
    _refuse(states, number == _DAY_THAT_NEVER_WAS, RowCode.IMPOSSIBLE_DATE)
    return number + np.where(number < _DAY_THAT_NEVER_WAS, _EPOCH_1900 + 1, _EPOCH_1900).astype(
        np.int32
    )


def _check_words(parsed: Parsed, decision: DateDecision, days: Ints, states: States) -> None:
    """Refuse languages nobody confirmed, and weekdays that the date does not fall on."""
    for index, languages in enumerate(parsed.languages[1:], start=1):
        if languages and not languages & set(decision.languages):
            _refuse(states, parsed.language == index, RowCode.TYPE_ERROR)
    named = parsed.weekday >= 0
    if named.any():  # 1970-01-01 was a Thursday
        _refuse(states, named & ((days + 3) % 7 != parsed.weekday), RowCode.IMPOSSIBLE_DATE)


def _as_dates(
    values: pa.StringArray, parsed: Parsed, decision: DateDecision, days: Ints, states: States
) -> Converted:
    # A time on no clock and a time of day are refused alike; midnight is a date written long.
    _refuse(states, (parsed.micros != NO_TIME) & (parsed.micros != 0), RowCode.TYPE_ERROR)
    good = states == _GOOD
    return Converted(
        values=pa.array(days, pa.int32(), mask=~good).view(pa.date32()),
        bad=_bad_rows(states),
        marked=_lone_serials(parsed, decision, good),
        changed=where(
            date_reformatted=good & ~_are_iso_dates(values, parsed),
            century_added=good & _have_two_digit_years(parsed),
        ),
    )


def _as_datetimes(
    values: pa.StringArray, parsed: Parsed, decision: DateDecision, days: Ints, states: States
) -> Converted:
    bare, micros = parsed.micros == NO_TIME, parsed.micros
    if decision.start_of_day:
        micros = np.where(bare, 0, micros)
    else:
        _refuse(states, bare, RowCode.PARTIAL_DATE)
    _refuse(states, micros == BAD_TIME, RowCode.TYPE_ERROR)
    local = days.astype(np.int64) * _DAY + micros
    offset, zone_added = _offsets(local, parsed, decision, states)
    good = states == _GOOD
    instants = pa.array(local - offset.astype(np.int64) * _MINUTE, pa.int64(), mask=~good)
    moments = instants.cast(pa.timestamp("us", tz="UTC"))
    minutes = pa.array(offset.astype(np.int16), pa.int16(), mask=~good)
    return Converted(
        values=moments,
        bad=_bad_rows(states),
        marked=_lone_serials(parsed, decision, good),
        extra={"offset_minutes": minutes},
        changed=where(
            date_reformatted=_are_reformatted(values, parsed, moments, minutes, good),
            time_added=good & bare,
            timezone_added=good & zone_added,
            century_added=good & _have_two_digit_years(parsed),
            fraction_shortened=good & parsed.shortened,
        ),
    )


def _offsets(
    local: Longs, parsed: Parsed, decision: DateDecision, states: States
) -> tuple[Ints, Flags]:
    """Offset in minutes of every value, and where it had to be found."""
    offset = np.where(parsed.offset == NO_OFFSET, 0, parsed.offset).astype(np.int32)
    unknown = (parsed.offset == NO_OFFSET) & (states == _GOOD)
    if not unknown.any():
        return offset, unknown
    groups: list[tuple[str | None, Flags]] = [(None, unknown & (parsed.zone < 0))]
    groups += [(name, unknown & (parsed.zone == i)) for i, name in enumerate(parsed.zones)]
    for abbreviation, rows in groups:
        if rows.any():
            found = find_offsets(local[rows], abbreviation, decision.timezone, decision.zones)
            offset[rows] = found.minutes
            for flags, code in (
                (found.no_zone, RowCode.TIMEZONE_MISSING),
                (found.twice, RowCode.AMBIGUOUS_TIME),
                (found.never, RowCode.NONEXISTENT_TIME),
            ):
                where = np.zeros(len(local), dtype=np.bool_)
                where[rows] = flags
                _refuse(states, where, code)
    return offset, unknown


def _are_iso_dates(values: pa.StringArray, parsed: Parsed) -> Flags:
    """Where the text is exactly yyyy-mm-dd already."""
    shapes = [shape.name == "9999-99-99" for shape in parsed.shapes]
    is_iso_shape = np.array([*shapes, False, False], dtype=np.bool_)[parsed.shape]
    iso: Flags = is_iso_shape & (lengths_of(values) == len("9999-99-99"))
    return iso


def _are_reformatted(
    values: pa.StringArray,
    parsed: Parsed,
    moments: pa.TimestampArray,
    minutes: pa.Int16Array,
    good: Flags,
) -> Flags:
    """Where the text is not exactly what is written out for it. Only full ones can be."""
    reformatted = good.copy()
    whole = np.flatnonzero(good & (parsed.offset != NO_OFFSET))
    if len(whole):
        rows = pa.array(whole)
        written = format_datetimes(moments.take(rows), minutes.take(rows))
        reformatted[whole] = is_true(pa.compute.not_equal(written, values.take(rows)))
    return reformatted


def _have_two_digit_years(parsed: Parsed) -> Flags:
    short = [shape.year_digits == 2 for shape in parsed.shapes]
    flags: Flags = np.array([*short, False, False], dtype=np.bool_)[parsed.shape]
    return flags


def _lone_serials(
    parsed: Parsed, decision: DateDecision, good: Flags
) -> dict[RowCode, npt.NDArray[np.int64]]:
    """Day numbers of a spreadsheet among dates written otherwise: right perhaps, but looked at."""
    if decision.serials is None or set(decision.orders.values()) == {"serial"}:
        return {}
    numbers = [shape.family is Family.NUMBER for shape in parsed.shapes]
    rows = np.flatnonzero(good & np.array([*numbers, False, False], dtype=np.bool_)[parsed.shape])
    return {RowCode.SERIAL_DATE: rows} if len(rows) else {}


def _bad_rows(states: States) -> dict[RowCode, npt.NDArray[np.int64]]:
    if not (states > _MISSING).any():
        return {}
    found = {code: np.flatnonzero(states == state) for code, state in _STATE_OF.items()}
    return {code: rows for code, rows in found.items() if len(rows)}
