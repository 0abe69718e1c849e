"""Constraints and checks: the right rows, the right code, a sentence about the rule alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from pipeline.check import check_field, check_plausible, check_rows, sentence_of
from pipeline.contract.loading import BUILT_IN, Contract, Field, load_contracts, parse_contract
from pipeline.errors import RowCode
from pipeline.formula.evaluate import Moment

MOMENT = Moment.at(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


def times(*texts: str | None) -> pa.Array:
    moments = [None if text is None else datetime.fromisoformat(text) for text in texts]
    return pa.array(moments, pa.timestamp("us", tz="UTC"))


def field_of(kind: str, rules: str) -> Field:
    text = f"name: x\nfields:\n  - {{name: f, type: {kind}, constraints: {rules}}}\n"
    contract, problems = parse_contract("x.contract.yaml", text.encode())
    assert contract is not None, problems
    return contract.fields[0]


def found(kind: str, rules: str, values: pa.Array) -> list[tuple[str, str, list[int]]]:
    return [
        (one.code.value, one.sentence, one.rows.tolist())
        for one in check_field(field_of(kind, rules), values)
    ]


@pytest.mark.parametrize(
    ("kind", "rules", "values", "expected"),
    [
        (
            "string",
            "{required: true}",
            pa.array(["a", None, ""]),
            ("required", "f must have a value", [1]),
        ),
        (
            "string",
            '{pattern: "[A-Z]\\\\d+"}',
            pa.array(["A1", "A1\n", "xA1", "A1x", None, "A"]),
            ("pattern", r"f must have the form [A-Z]\d+", [1, 2, 3, 5]),
        ),
        (
            "string",
            '{pattern: "a|bc"}',
            pa.array(["a", "bc", "abc", "ac"]),
            ("pattern", "f must have the form a|bc", [2, 3]),
        ),
        (
            "string",
            "{minLength: 2}",
            pa.array(["é", "éé", None]),
            ("constraint-error", "f must have at least 2 characters", [0]),
        ),
        (
            "string",
            "{maxLength: 2}",
            pa.array(["éé", "ééé", None]),
            ("constraint-error", "f must have at most 2 characters", [1]),
        ),
        (
            "string",
            '{enum: ["<", ">"]}',
            pa.array(["<", "=", None]),
            ("constraint-error", "f must be one of: <, >", [1]),
        ),
        (
            "integer",
            "{enum: [1, 2]}",
            pa.array([1, 3, None]),
            ("constraint-error", "f must be one of: 1, 2", [1]),
        ),
        (
            "number",
            "{minimum: 0.5}",
            pa.array(["0.50", "0.4", "-1", None]),
            ("constraint-error", "f must not be less than 0.5", [1, 2]),
        ),
        (
            "number",
            "{maximum: 10}",
            pa.array([9.0, 10.0, 10.5, None]),
            ("constraint-error", "f must not be greater than 10", [2]),
        ),
        (
            "number",
            "{exclusiveMinimum: 0}",
            pa.array([0.0, 0.1, None]),
            ("constraint-error", "f must be greater than 0", [0]),
        ),
        (
            "integer",
            "{exclusiveMaximum: 5}",
            pa.array([4, 5, None]),
            ("constraint-error", "f must be less than 5", [1]),
        ),
        (
            "date",
            "{minimum: 1900-01-01}",
            pa.array([date(1899, 12, 31), date(1900, 1, 1), None]),
            ("constraint-error", "f must not be before 1900-01-01", [0]),
        ),
        (
            "date",
            "{exclusiveMaximum: 2000-01-01}",
            pa.array([date(1999, 12, 31), date(2000, 1, 1)]),
            ("constraint-error", "f must be before 2000-01-01", [1]),
        ),
        (
            "datetime",
            "{maximum: 2000-01-01T00:00:00-05:00}",
            times("2000-01-01T05:00Z", "2000-01-01T06:00Z"),
            ("constraint-error", "f must not be after 2000-01-01T00:00:00-05:00", [1]),
        ),
        (
            "datetime",
            "{minimum: 1900-01-01}",
            times("1899-12-31T00:00Z", "1900-01-01T00:00Z"),
            ("constraint-error", "f must not be before 1900-01-01", [0]),
        ),
    ],
)
def test_a_constraint_finds_its_rows(
    kind: str, rules: str, values: pa.Array, expected: tuple[str, str, list[int]]
) -> None:
    assert found(kind, rules, values) == [expected]


def test_several_broken_constraints_are_all_told() -> None:
    values = pa.array([None, "abc", "x"])
    rules = '{required: true, maxLength: 2, pattern: "[a-c]+"}'
    assert [(code, rows) for code, _, rows in found("string", rules, values)] == [
        *(("required", [0]), ("pattern", [2]), ("constraint-error", [1])),
    ]


def test_an_empty_column_breaks_only_required() -> None:
    assert found("number", "{minimum: 1}", pa.nulls(3)) == []
    assert found("date", "{required: true}", pa.nulls(2))[0][2] == [0, 1]
    assert found("string", "{required: true}", pa.array([], pa.string())) == []


def test_no_sentence_repeats_a_value() -> None:
    for _, sentence, _ in found("string", '{pattern: "[a-z]+"}', pa.array(["CANARY-77"])):
        assert "CANARY" not in sentence


# --- ranges by code


def plausible(codes: list[str | None], values: list[Any]) -> list[tuple[str, list[int], bool]]:
    vitals = load_contracts(BUILT_IN)["vitals"]
    violations = check_plausible(
        vitals.field("value"), vitals.codesets["signs"], pa.array(values), pa.array(codes)
    )
    return [(one.sentence, one.rows.tolist(), one.is_warning) for one in violations]


def test_a_value_is_judged_by_the_range_of_its_own_code() -> None:
    codes = ["body_temperature", "heart_rate", "body_temperature", "heart_rate", None]
    assert plausible(codes, ["37.0", "70", "98.6", "500", "9999"]) == [
        ("value of body_temperature must lie between 25 and 45 Cel", [2], False),
        ("value of heart_rate must lie between 0 and 400 /min", [3], False),
    ]


def test_an_unusual_value_is_marked_and_an_impossible_one_is_not_marked_too() -> None:
    assert plausible(["heart_rate"] * 4, ["25", "-1", None, "70"]) == [
        ("value of heart_rate must lie between 0 and 400 /min", [1], False),
        ("value of heart_rate usually lies between 30 and 220 /min", [0], True),
    ]


def test_a_panel_is_not_judged() -> None:
    labs = load_contracts(BUILT_IN)["lab_results"]
    assert (
        check_plausible(
            labs.field("value"),
            labs.codesets["analytes"],
            pa.array(["99999", "1"]),
            pa.array(["lipid_panel", "inr"]),
        )
        == []
    )


# --- rules over several fields


def test_errors_and_warnings_are_kept_apart() -> None:
    patients = load_contracts(BUILT_IN)["patients"]
    columns = {
        "birth_date": pa.array([date(2030, 1, 1), date(1890, 1, 1), date(1980, 1, 1), None]),
        "death_date": pa.array([None, None, date(1979, 1, 1), None], pa.date32()),
    }
    bad, marked = check_rows(columns, patients, MOMENT)
    assert {name: rows.tolist() for name, rows in bad.items()} == {
        "birth_not_in_future": [0],
        "death_after_birth": [2],
    }
    assert {name: rows.tolist() for name, rows in marked.items()} == {"plausible_age": [1]}


def test_a_field_the_file_does_not_have_counts_as_empty() -> None:
    labs = load_contracts(BUILT_IN)["lab_results"]
    columns = {
        "test": pa.array(["glucose", "glucose"]),
        "value": pa.array(["5", None]),
        "collected_at": times("2025-01-01T00:00Z", "2025-01-01T00:00Z"),
    }
    bad, marked = check_rows(columns, labs, MOMENT)
    assert {name: rows.tolist() for name, rows in bad.items()} == {"value_or_text": [1]}
    assert {name: rows.tolist() for name, rows in marked.items()} == {"unit_present": [0]}


def test_a_blood_pressure_that_was_not_split_is_refused() -> None:
    vitals = load_contracts(BUILT_IN)["vitals"]
    bad, _ = check_rows({"vital": pa.array(["systolic", "blood_pressure"])}, vitals, MOMENT)
    assert {name: rows.tolist() for name, rows in bad.items()} == {"pressure_is_split": [1]}


def test_an_end_before_the_start_is_refused_and_an_open_end_is_not() -> None:
    medications = load_contracts(BUILT_IN)["medications"]
    columns = {
        "start_date": times(*["2025-02-01T00:00Z"] * 3),
        "end_date": times("2025-01-01T00:00Z", None, "2025-03-01T00:00Z"),
        "frequency": pa.array(["QD", "QD", None]),
    }
    bad, marked = check_rows(columns, medications, MOMENT)
    assert {name: rows.tolist() for name, rows in bad.items()} == {"end_after_start": [0]}
    assert {name: rows.tolist() for name, rows in marked.items()} == {"frequency_known": [2]}


def test_a_batch_without_rows_breaks_nothing() -> None:
    for contract in load_contracts(BUILT_IN).values():
        assert check_rows({}, contract, MOMENT) == ({}, {})


def contract_with(check: str) -> Contract:
    text = f"name: x\nfields: [{{name: a, type: number}}]\nchecks: [{check}]\n"
    contract, problems = parse_contract("x.contract.yaml", text.encode())
    assert contract is not None, problems
    return contract


def test_a_check_is_told_in_its_own_words_or_by_its_formula() -> None:
    said = contract_with("{id: c, formula: a > 1, message: too small}").checks[0]
    unsaid = contract_with("{id: c, formula: a > 1}").checks[0]
    assert sentence_of(said) == "too small"
    assert sentence_of(unsaid) == "the rule a > 1 does not hold"


def test_every_code_of_a_violation_is_a_row_code() -> None:
    [violation] = check_field(field_of("string", "{required: true}"), pa.nulls(1, pa.string()))
    assert violation.code is RowCode.REQUIRED
    assert violation.rule == "required"
    assert not violation.is_warning
