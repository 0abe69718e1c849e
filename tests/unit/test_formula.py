"""Formulas are typed when they are read, and answered for whole columns with three answers."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formula.evaluate import Moment, broken_rows
from pipeline.formula.language import Column, FormulaError, Kind, parse_check

COLUMNS = {
    "born": Column(Kind.DATE),
    "died": Column(Kind.DATE),
    "seen": Column(Kind.TIME),
    "value": Column(Kind.NUMBER),
    "low": Column(Kind.NUMBER),
    "note": Column(Kind.TEXT),
    "vital": Column(Kind.TEXT, frozenset({"systolic", "diastolic"})),
    "active": Column(Kind.YES_NO),
}
PIECES = (
    *("value", "born", "note", "active", "3", "'a'", "'2020-01-01'", "true", "(", ")", ","),
    *("+", "-", "*", "/", "<", "<=", "=", "!=", "in", "is", "not", "null", "and", "or"),
    *("today()", "now()", "age(", "length(", "abs("),
)
MOMENT = Moment.at(datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp())


def broken(formula: str, **columns: list[object] | pa.Array) -> list[int]:
    """Rows that definitely break a formula."""
    types = {
        Kind.DATE: pa.date32(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
        Kind.NUMBER: pa.float64(),
        Kind.TEXT: pa.string(),
        Kind.YES_NO: pa.bool_(),
    }
    arrays = {
        name: values
        if isinstance(values, pa.Array)
        else pa.array(values, types[COLUMNS[name].kind])
        for name, values in columns.items()
    }
    return [int(row) for row in broken_rows(parse_check(formula, COLUMNS), arrays, MOMENT)]


def complaint(formula: str) -> str:
    with pytest.raises(FormulaError) as caught:
        parse_check(formula, COLUMNS)
    return str(caught.value)


# --- answers


def test_a_date_after_today_breaks_a_rule_about_today() -> None:
    days = [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert broken("born <= today()", born=days) == [2]


def test_a_time_after_now_breaks_a_rule_about_now() -> None:
    times = [datetime(2026, 2, 28, hour, tzinfo=UTC) for hour in (11, 12, 13)]
    assert broken("seen <= now()", seen=times) == [2]


def test_today_is_the_date_of_the_zone_that_was_asked_for() -> None:
    late = datetime(2026, 1, 1, 2, tzinfo=UTC).timestamp()
    assert Moment.at(late).today == date(2026, 1, 1)
    assert Moment.at(late, "America/New_York").today == date(2025, 12, 31)


def test_an_empty_field_breaks_nothing() -> None:
    assert broken("value > 3", value=[None, 1, 5]) == [1]
    assert broken("not (value > 3)", value=[None, 1, 5]) == [2]
    assert broken("died >= born", died=[None, date(2000, 1, 1)], born=[date(2001, 1, 1)] * 2) == [1]


def test_unknown_or_yes_is_yes_and_unknown_and_no_is_no() -> None:
    assert broken(
        "value > 3 or note is not null", value=[None, None, 1], note=["a", None, None]
    ) == [2]
    assert broken("value > 3 and note is not null", value=[None, None], note=["a", None]) == [1]


@pytest.mark.parametrize(
    ("formula", "rows"),
    [
        ("value = 1.1", [1, 2]),
        ("value == 1.1", [1, 2]),
        ("value != 1.1", [0]),
        ("value <> 1.1", [0]),
        ("value < 2", [2]),
        ("value <= 2", [2]),
        ("value > 2", [0, 1]),
        ("value >= 2", [0, 1]),
        ("value in (1.1, 20)", [1]),
        ("value not in (1.1, 20)", [0, 2]),
        ("-value < -2", [0, 1]),
        ("abs(value) > 1", []),
        ("value + 1 * 2 = 3.1", [1, 2]),
        ("(value + 1) * 2 = 4.2", [1, 2]),
        ("value - 1 - 1 < 0", [2]),
        ("value / 2 / 5 > 1", [0, 1]),
        ("not not value > 2", [0, 1]),
        ("value > 2 or value < -1 and value < 0", [0]),
        ("value > 2 and value < 0 or value = 20", [0, 1]),
    ],
)
def test_operators_mean_what_they_mean_in_sql(formula: str, rows: list[int]) -> None:
    assert broken(formula, value=[1.1, -2, 20]) == rows


def test_dividing_by_zero_is_unknown_and_not_infinite() -> None:
    assert broken("1 / value < 5", value=[0, 0.1, 1]) == [1]


def test_digits_kept_as_text_are_compared_as_numbers() -> None:
    assert broken("value < 10", value=pa.array(["9.50", "10", None])) == [1]


def test_dictionary_encoded_text_is_compared_as_text() -> None:
    assert broken("note = 'a'", note=pa.array(["a", "b", None]).dictionary_encode()) == [1]


def test_words_and_lengths() -> None:
    notes = ["abc", "ABC", "ab", None]
    assert broken("lower(note) = 'abc'", note=notes) == [2]
    assert broken("upper(note) = 'ABC'", note=notes) == [2]
    assert broken("length(note) = 3", note=notes) == [2]
    assert broken("note in ('abc', 'ab')", note=notes) == [1]


def test_length_counts_characters_and_not_bytes() -> None:
    assert broken("length(note) = 2", note=["é患"]) == []


def test_yes_no_fields_are_questions_by_themselves() -> None:
    assert broken("active", active=[True, False, None]) == [1]
    assert broken("not active", active=[True, False, None]) == [0]
    assert broken("active = false", active=[True, False, None]) == [0]


@pytest.mark.parametrize(
    ("born", "age"),
    [
        (date(2000, 2, 28), 26),
        (date(2000, 2, 29), 25),
        (date(2000, 3, 1), 25),
        (date(2026, 2, 28), 0),
        (date(1906, 2, 28), 120),
    ],
)
def test_age_is_in_whole_years_lived(born: date, age: int) -> None:
    assert broken(f"age(born) = {age}", born=[born]) == []
    assert broken(f"age(born) != {age}", born=[born]) == [0]


def test_dates_and_times_subtracted_give_days() -> None:
    assert broken("died - born <= 1", died=[date(2000, 3, 1)], born=[date(2000, 2, 28)]) == [0]
    assert broken("now() - seen < 0.5", seen=[datetime(2026, 2, 28, 0, tzinfo=UTC)]) == [0]


def test_a_text_beside_a_date_is_read_as_a_date() -> None:
    assert broken("born >= '1900-01-01'", born=[date(1899, 12, 31), date(1900, 1, 1)]) == [0]
    assert broken("'1900-01-01' <= born", born=[date(1899, 12, 31), date(1900, 1, 1)]) == [0]
    assert broken("born in ('1900-01-01')", born=[date(1899, 12, 31), date(1900, 1, 1)]) == [0]
    times = [datetime(2025, 1, 1, 4, tzinfo=UTC)]
    assert broken("seen >= '2025-01-01T00:00:00-05:00'", seen=times) == [0]


def test_no_rows_break_nothing() -> None:
    assert broken("value > 1", value=[]) == []


# --- mistakes are found when the formula is read


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("borne <= today()", "'borne' is not a field; did you mean 'born'?"),
        ("born <= todya()", "'todya' is not a function; did you mean 'today'?"),
        ("born <= today", "'today' is not a field; it is written today()"),
        ("born <= now()", "'born' (a date) cannot be compared with now() (a time)"),
        ("born > 5", "'born' (a date) cannot be compared with a number"),
        ("value > 'high'", "'value' (a number) cannot be compared with a text"),
        ("note > value", "'note' (a text) cannot be compared with 'value' (a number)"),
        ("born > '31.12.1999'", "'31.12.1999' is not a date like 2025-01-31"),
        ("born > '2025-02-30'", "'2025-02-30' is not a date like 2025-01-31"),
        ("born in (5)", "'born' (a date) cannot be compared with a number"),
        ("vital = 'sistolic'", "'sistolic' is never a value of 'vital'; did you mean 'systolic'?"),
        ("vital in ('systolic', 'bp')", "'bp' is never a value of 'vital'"),
        ("active > true", "yes/no values have no order"),
        ("note + 1 > 2", "'+' needs a number, but 'note' (a text) stands there"),
        ("-note = 'a'", "'-' needs a number"),
        ("age(note) > 3", "age() needs a date, but 'note' (a text) stands there"),
        ("age() > 3", "age() takes 1 value(s), not 0"),
        ("age(born, died) > 3", "age() takes 1 value(s), not 2"),
        ("value and active", "'and' needs a yes/no, but 'value' (a number) stands there"),
        ("not value", "'not' needs a yes/no"),
        ("value", "this is a number, not a yes/no question"),
        ("1 < 2", "it names no field"),
        ("value < 1 < 2", "'<' does not belong there"),
        ("(value > 1", "a ')' is missing"),
        ("value > 1)", "')' does not belong there"),
        ("value >", "it ends too early"),
        ("", "it ends too early"),
        ("value is 3", "after 'is' stands 'null' or 'not null'"),
        ("value in ()", "')' does not belong there"),
        ("value in (low)", "inside in (...) stand only numbers and quoted texts"),
        ("note = 'a", "''' does not belong in a formula"),
        ("value.real > 1", "'.' does not belong in a formula"),
        ("value > 1; value", "';' does not belong in a formula"),
        ("__import__('os')", "'__import__' is not a function"),
        ("value > 1 and and value < 2", "'and' does not belong there"),
        ("(" * 60 + "value > 1" + ")" * 60, "it is nested too deeply"),
        ("value > 1 or " * 500 + "value > 1", "it has more than 250 words and signs"),
    ],
)
def test_a_mistake_is_named_when_the_formula_is_read(formula: str, sentence: str) -> None:
    assert sentence in complaint(formula)


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(PIECES),
            max_size=25,
        ).map(" ".join),
    )
)
def test_any_text_is_either_a_formula_that_can_be_answered_or_refused(text: str) -> None:
    columns = {
        "born": pa.array([date(2000, 1, 1), None]),
        "value": pa.array([1.5, None]),
        "note": pa.array(["a", None]),
        "active": pa.array([True, None]),
        "low": pa.array([0.0, None]),
        "died": pa.array([date(2000, 1, 1), None]),
        "vital": pa.array(["systolic", None]),
        "seen": pa.array([datetime(2000, 1, 1, tzinfo=UTC), None], pa.timestamp("us", tz="UTC")),
    }
    try:
        rule = parse_check(text, COLUMNS)
    except FormulaError:
        return
    assert set(broken_rows(rule, columns, MOMENT).tolist()) <= {0, 1}


def test_the_longest_formula_can_be_answered() -> None:
    assert broken("value" + " + 1" * 120 + " > 1000", value=[0.0]) == [0]


def test_keywords_may_be_written_large() -> None:
    assert broken("value IS NOT NULL AND NOT value > 2", value=[1, 3, None]) == [1, 2]
