"""Dates, for all of them: what is written in a proven shape is read back, and nothing raises."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.standardize.base import Converted
from pipeline.standardize.dates import (
    DateDecision,
    DateEvidence,
    DateHint,
    DateKind,
    convert_dates,
    decide_dates,
    format_datetimes,
)
from pipeline.standardize.timezones import resolve
from tests.unit.counting import counted

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

TODAY = date(2026, 11, 21)
days = st.dates(date(1000, 1, 1), date(9999, 12, 31))
recent_days = st.dates(date(1926, 11, 22), TODAY)
zones = st.sampled_from(
    [
        "America/New_York",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
    ]
)


def plain(number: int) -> str:
    return str(number)


def padded(number: int) -> str:
    return f"{number:02d}"


ORDERED = {
    f"{order}{gap}{pad.__name__}": (order, gap, pad)
    for order in ("dmy", "mdy", "ymd")
    for gap in "-/."
    for pad in (plain, padded)
}


def write(day: date, order: str, gap: str, pad: object) -> str:
    spell = pad if callable(pad) else str
    parts = {"d": spell(day.day), "m": spell(day.month), "y": f"{day.year:04d}"}
    return gap.join(parts[part] for part in order)


def observed(texts: list[str | None]) -> DateEvidence:
    evidence = DateEvidence()
    evidence.observe(pa.array(texts, pa.string()))
    return evidence


def decided(
    texts: list[str | None], kind: DateKind = "date", hint: DateHint | None = None
) -> DateDecision:
    decision = decide_dates(
        observed(texts), column="c", kind=kind, timezone="America/New_York", century="past",
        today=TODAY, hint=hint,
    )  # fmt: skip
    assert isinstance(decision, DateDecision), decision
    return decision


def read_dates(texts: list[str | None], hint: DateHint | None = None) -> list[date | None]:
    found: list[date | None] = convert_dates(
        pa.array(texts, pa.string()), decided(texts, hint=hint)
    ).values.to_pylist()
    return found


@pytest.mark.parametrize("shape", ORDERED)
@settings(max_examples=30)
@given(st.lists(days, min_size=1, max_size=20))
def test_a_date_written_in_a_proven_shape_is_read_back(shape: str, written: list[date]) -> None:
    order, gap, pad = ORDERED[shape]
    written = [*written, date(2024, 12, 31)]
    assert read_dates([write(day, order, gap, pad) for day in written]) == written


@pytest.mark.parametrize("order", ["dmy", "mdy"])
@given(st.lists(recent_days, min_size=1, max_size=20))
def test_a_two_digit_year_is_read_back_under_a_confirmed_order(
    order: str, written: list[date]
) -> None:
    texts: list[str | None] = [
        write(day, order, "/", padded)[:-4] + f"{day.year % 100:02d}" for day in written
    ]
    assert read_dates(texts, DateHint(order=order)) == written


NAMED = [
    "%d-%b-%Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%A, %d %B %Y",
    "%Y-%b-%d",
    "%d%b%Y",
    "%a %b %d %Y",
]


@pytest.mark.parametrize("form", [*NAMED, "%Y%m%d"])
@given(st.lists(st.dates(date(1800, 1, 1), date(2199, 12, 31)), min_size=1, max_size=10))
def test_a_date_with_a_named_month_or_without_separators_is_read_back(
    form: str, written: list[date]
) -> None:
    assert read_dates([day.strftime(form) for day in written]) == written
    assert read_dates([day.strftime(form).upper() for day in written]) == written


@given(st.lists(st.integers(10_000, 80_000), min_size=1, max_size=10))
def test_a_spreadsheets_day_number_is_read_back(numbers: list[int]) -> None:
    right = [date(1899, 12, 30) + timedelta(days=number) for number in numbers]
    assert read_dates([str(number) for number in numbers]) == right


moments = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 - zones below
offsets = st.integers(-12 * 60, 14 * 60)


def back(converted: Converted) -> list[datetime | None]:
    assert not converted.bad
    texts = format_datetimes(converted.values, converted.extra["offset_minutes"])
    return [None if text is None else datetime.fromisoformat(text) for text in texts.to_pylist()]


@pytest.mark.parametrize("gap", ["T", " "])
@given(st.lists(st.tuples(moments, offsets), min_size=1, max_size=10))
def test_a_time_with_its_offset_is_read_back(gap: str, pairs: list[tuple[datetime, int]]) -> None:
    written = [m.replace(tzinfo=timezone(timedelta(minutes=o))) for m, o in pairs]
    texts: list[str | None] = [moment.isoformat(gap) for moment in written]
    read = back(convert_dates(pa.array(texts, pa.string()), decided(texts, "datetime")))
    assert read == written
    assert [m and m.utcoffset() for m in read] == [m.utcoffset() for m in written]


@given(st.lists(st.tuples(moments, offsets), min_size=1, max_size=10))
def test_what_is_written_out_is_read_back_unchanged(pairs: list[tuple[datetime, int]]) -> None:
    instants = pa.array([m.replace(tzinfo=UTC) for m, _ in pairs], pa.timestamp("us", tz="UTC"))
    minutes = pa.array([offset for _, offset in pairs], pa.int16())
    texts = format_datetimes(instants, minutes).to_pylist()
    converted = convert_dates(pa.array(texts, pa.string()), decided(texts, "datetime"))
    assert converted.values.equals(instants)
    assert converted.extra["offset_minutes"].equals(minutes)
    assert counted(converted.changed) == {}


CLOCKS = [
    "%d/%m/%Y %H:%M:%S",
    "%m-%d-%Y %I:%M:%S %p",
    "%d-%b-%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%d.%m.%Y %H:%M:%S",
]


@pytest.mark.parametrize("form", CLOCKS)
@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), min_size=1, max_size=10))  # noqa: DTZ001
def test_a_local_time_is_read_back_unless_the_clock_was_changed(
    form: str, written: list[datetime]
) -> None:
    written = [moment.replace(microsecond=0) for moment in written]
    zone = ZoneInfo("America/New_York")
    proof = datetime(2024, 12, 31, 12, 0)  # noqa: DTZ001 - a local clock
    texts: list[str | None] = [moment.strftime(form) for moment in [*written, proof]]
    converted = convert_dates(pa.array(texts), decided(texts, "datetime"))
    for moment, read in zip(written, converted.values.to_pylist(), strict=False):
        early, late = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if early == late:
            assert read == moment.replace(tzinfo=zone)
        else:
            assert read is None


@given(st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), min_size=1), zones)  # noqa: DTZ001
def test_offsets_agree_with_the_standard_library(written: list[datetime], zone: str) -> None:
    local = np.array(written, dtype="M8[s]").astype(np.int64)
    years = np.array([moment.year for moment in written], dtype=np.int32)
    found = resolve(local, years, zone)
    for row, moment in enumerate(written):
        early, late = (
            moment.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)
        )
        assert early is not None
        assert late is not None
        assert bool(found.twice[row]) == (early > late)
        assert bool(found.never[row]) == (early < late)
        if early == late:
            assert found.offset_s[row] == early.total_seconds()


fragments = st.sampled_from(
    ["1", "12", "31", "99", "2025", "0", "45000", "-", "/", ".", ":", " ", "T", "Z", "AM", "pm",
     "Mar", "März", "Friday", ",", "+", "05:30", "EST", "é", "٣", "\u00a0", "th", "of", "00"]
)  # fmt: skip
texts = st.one_of(st.none(), st.text(max_size=45), st.lists(fragments, max_size=9).map("".join))
columns = st.lists(texts, max_size=30)
hints = st.sampled_from(
    [DateHint(), DateHint(order="dmy", languages=("de",), zones={"EST": "-05:00"}, serials="1900"),
     DateHint(order="mdy", zones={"EST": "America/New_York"}), DateHint(order="ymd")]
)  # fmt: skip


def in_full(order: str | None) -> dict[str, str]:
    names = [
        f"99{gap}99{gap}{year}{time}"
        for gap in "-/."
        for year in ("99", "9999")
        for time in ("", " 99:99", " 99:99 AM")
    ]
    more = {"number": "serial", "number with decimals": "serial", "99999999": "ymd"}
    return dict.fromkeys(names, order or "dmy") | more


@settings(max_examples=300)
@given(columns, st.sampled_from(["date", "datetime"]), hints)
def test_any_text_gets_a_value_or_a_code_and_never_an_error(
    column: list[str | None], kind: DateKind, hint: DateHint
) -> None:
    decide_dates(
        observed(column),
        column="c",
        kind=kind,
        timezone=None,
        century="nearest",
        today=TODAY,
        hint=hint,
    )
    decision = DateDecision(
        kind=kind, orders=in_full(hint.order), timezone="America/New_York", century="future",
        today=TODAY, languages=("de",), zones=hint.zones, serials="1900",
    )  # fmt: skip
    converted = convert_dates(pa.array(column, pa.string()), decision)
    refused = sorted(int(row) for rows in converted.bad.values() for row in rows)
    assert len(refused) == len(set(refused))
    nulls = [row for row, value in enumerate(column) if value is None]
    empty = np.flatnonzero(converted.values.is_null().to_numpy(zero_copy_only=False)).tolist()
    assert sorted(refused + nulls) == empty


@given(columns, st.integers(0, 30), st.sampled_from(["date", "datetime"]))
def test_it_does_not_matter_where_a_batch_ends(
    column: list[str | None], cut: int, kind: DateKind
) -> None:
    array = pa.array([*column, "25/04/2025", "2025-03-04 10:15"], pa.string())
    head, tail = array.slice(0, cut), array.slice(min(cut, len(array)))
    apart, rest, whole = DateEvidence(), DateEvidence(), DateEvidence()
    apart.observe(head)
    rest.observe(tail)
    apart.merge(rest)
    whole.observe(array)
    assert apart.as_dict() == whole.as_dict()
    settled: dict[str, Any] = {
        "column": "c",
        "kind": kind,
        "timezone": "Europe/Berlin",
        "century": "past",
        "today": TODAY,
    }
    decision = decide_dates(whole, **settled)
    assert decide_dates(apart, **settled) == decision
    if isinstance(decision, DateDecision):
        parts = [convert_dates(part, decision).values for part in (head, tail)]
        assert pa.concat_arrays(parts).equals(convert_dates(array, decision).values)


@pytest.mark.parametrize("count", [30, 4000])
@given(st.lists(texts, min_size=1, max_size=6))
def test_a_column_that_repeats_itself_is_read_like_one_that_does_not(
    count: int, column: list[str | None]
) -> None:
    once, often = observed(column).as_dict(), observed(column * count).as_dict()
    for name, found in once["shapes"].items():
        many = often["shapes"][name]
        assert {k: v * count for k, v in found.items() if k != "different"} == {
            k: v for k, v in many.items() if k != "different"
        }
        assert found.get("different") == many.get("different")
    assert often["unreadable"] == once["unreadable"] * count
