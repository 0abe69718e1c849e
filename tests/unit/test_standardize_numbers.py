from __future__ import annotations

import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FileCode, RowCode
from pipeline.standardize.base import Converted
from pipeline.standardize.numbers import (
    NumberDecision,
    NumberEvidence,
    NumberHint,
    convert_numbers,
    decide_numbers,
)
from tests.unit.counting import counted

POINT = NumberDecision(decimal=".", group=",' ")
COMMA = NumberDecision(decimal=",", group=".' ")


def texts(*values: str | None) -> pa.StringArray:
    return pa.array(values, pa.string())


def evidence_of(*values: str | None) -> NumberEvidence:
    evidence = NumberEvidence()
    evidence.observe(texts(*values))
    return evidence


def decided(*values: str | None, **more: object) -> NumberDecision:
    decision = decide_numbers(evidence_of(*values), column="value", **more)  # type: ignore[arg-type]
    assert isinstance(decision, NumberDecision), decision
    return decision


def is_asked(*values: str, **more: object) -> bool:
    decision = decide_numbers(evidence_of(*values), column="value", **more)  # type: ignore[arg-type]
    if isinstance(decision, NumberDecision):
        return False
    assert [question.code for question in decision] == [FileCode.NUMBER_AMBIGUOUS]
    return True


def converted(*values: str | None) -> Converted:
    return convert_numbers(texts(*values), decided(*values))


def is_refused(text: str, decision: NumberDecision = POINT, **split: bool) -> bool:
    result = convert_numbers(texts("1", text), decision, **split)
    rows = {code: rows.tolist() for code, rows in result.bad.items()}
    return rows == {RowCode.TYPE_ERROR: [1]} and result.values.to_pylist() == ["1", None]


# --- hazards, area F ---


def test_bookkeeping_writes_the_minus_behind_or_brackets_where_two_decimals_prove_it() -> None:
    given = converted("(5)", "(1,234.50)", "3.50-", "7-", "2")
    assert given.values.to_pylist() == ["-5", "-1234.50", "-3.50", "-7", "2"]
    assert converted("1.234,50-", "2,5").values.to_pylist() == ["-1234.50", "2.5"]


@pytest.mark.parametrize("values", [("5-", "3"), ("(5)", "3"), ("(5.0)", "3"), ("5.00-", "-3")])
def test_a_minus_elsewhere_without_proof_is_no_minus(values: tuple[str, ...]) -> None:
    assert converted(*values).bad[RowCode.TYPE_ERROR].tolist() == [0]


@pytest.mark.parametrize(
    ("text", "comparator"),
    [("less than 5", "<"), ("Greater than 5", ">"), ("at least 5", ">="), ("At most 5", "<=")],
)
def test_a_comparator_may_be_words(text: str, comparator: str) -> None:
    result = convert_numbers(texts(text), POINT, split_comparator=True)
    assert result.values.to_pylist() == ["5"]
    assert result.extra["comparator"].to_pylist() == [comparator]
    assert is_refused(text)


def test_f95_a_column_with_one_digit_after_the_comma_has_a_decimal_comma() -> None:
    result = converted("1,5", "12,25", "7")
    assert result.values.to_pylist() == ["1.5", "12.25", "7"]
    assert result.extra["number"].to_pylist() == [1.5, 12.25, 7.0]
    assert counted(result.changed) == {"number-reformatted": 2}


@pytest.mark.parametrize(
    ("text", "right"),
    [("12,34,567", "1234567"), ("1'234.50", "1234.50"), ("1’234,50", "1234.50"),
     ("1 234,5", "1234.5"), ("1\u202f234,5", "1234.5"), ("1\u00a0234\u00a0567.5", "1234567.5"),
     ("1,234,567.89", "1234567.89"), ("1.234.567,89", "1234567.89"), ("1.234.567", "1234567")],
)  # fmt: skip
def test_f97_groups_of_every_country(text: str, right: str) -> None:
    assert converted(text).values.to_pylist() == [right]


def test_f98_a_group_of_two_is_refused_where_the_comma_groups_thousands() -> None:
    values = ("1,234.50", "2,000.00", "1,23")
    result = converted(*values)
    assert result.values.to_pylist() == ["1234.50", "2000.00", None]
    assert result.bad[RowCode.TYPE_ERROR].tolist() == [2]


def test_f100_a_percent_sign_is_the_unit() -> None:
    result = convert_numbers(texts("50%", "7.5 %"), POINT, split_unit=True)
    assert result.values.to_pylist() == ["50", "7.5"]
    assert result.extra["unit"].to_pylist() == ["%", "%"]


def test_f101_a_comparator_stands_apart_from_its_number() -> None:
    values = ("<5", ">1000", "≤0,1", "≥ 2", "=<3", "4")
    result = convert_numbers(texts(*values), decided(*values), split_comparator=True)
    assert result.values.to_pylist() == ["5", "1000", "0.1", "2", "3", "4"]
    assert result.extra["comparator"].to_pylist() == ["<", ">", "<=", ">=", "<=", None]
    assert len(result.changed["comparator-split"]) == 5


def test_f101_without_a_field_for_it_a_comparator_is_refused_and_not_dropped() -> None:
    assert is_refused("<5")


@pytest.mark.parametrize(
    "text", ["5-10", "2nd 140", "1.2.3", "12 34", "1..5", "--5", "5-", "(5.0)"]
)
@pytest.mark.parametrize("split", [False, True])
def test_f103_what_is_no_number_is_refused(text: str, split: bool) -> None:
    assert is_refused(text, split_text=split, split_unit=split, split_comparator=split)


@pytest.mark.parametrize(
    "text", ["NaN", "nan", "Inf", "-inf", "Infinity", "#DIV/0!", "#N/A", "#NULL!"]
)
@pytest.mark.parametrize("split", [False, True])
def test_f104_words_a_float_would_take_are_refused(text: str, split: bool) -> None:
    assert is_refused(text, split_text=split, split_unit=split)


def test_f106_a_small_number_is_not_rounded() -> None:
    assert converted("0.85", "0.004").values.to_pylist() == ["0.85", "0.004"]


def test_f107_digits_stay_as_reported() -> None:
    result = converted("1.10", "80", "-0.0", "7.000")
    assert result.values.to_pylist() == ["1.10", "80", "-0.0", "7.000"]
    assert counted(result.changed) == {}


@pytest.mark.parametrize(
    "text",
    ["+1", "1+", "+++", "Trace", "Positive", "Negative", "Not detected", "Positive 2+", "1:80",
     "<1:10", "陽性", "Non-reactive"],
)  # fmt: skip
def test_f109_results_in_words_grades_and_titres_stand_apart(text: str) -> None:
    result = convert_numbers(texts(text, "3.5"), POINT, split_text=True)
    assert result.extra["text"].to_pylist() == [text, None]
    assert result.values.to_pylist() == [None, "3.5"]
    assert not result.bad
    assert counted(result.changed) == {"text-split": 1}


def test_f109_without_a_field_for_them_words_are_refused() -> None:
    assert is_refused("Trace")


# --- which sign is decimal ---


def test_both_signs_in_one_value_prove_the_convention() -> None:
    assert decided("1.234,5", "1.234").decimal == ","
    assert decided("1,234.5", "1,234").decimal == "."


def test_groups_follow_from_a_proof_elsewhere_in_the_column() -> None:
    assert converted("5.5", "1,234").values.to_pylist() == ["5.5", "1234"]
    assert converted("5,5", "1.234").values.to_pylist() == ["5.5", "1234"]


def test_a_group_never_begins_with_zero_so_the_sign_is_decimal() -> None:
    assert decided("0.123", "1.234").decimal == "."
    assert decided("0,123", "1,234").decimal == ","


def test_commas_that_nothing_explains_are_asked() -> None:
    assert is_asked("1,234", "2,500", "17")


def test_a_person_or_an_integer_field_explains_them() -> None:
    column = ("1,234", "2,500", "17")
    as_comma = decided(*column, hint=NumberHint(decimal=","))
    as_point = decided(*column, hint=NumberHint(decimal="."))
    assert convert_numbers(texts("1,234"), as_comma).values.to_pylist() == ["1.234"]
    assert convert_numbers(texts("1,234"), as_point).values.to_pylist() == ["1234"]
    assert decided(*column, integer=True).group == ","


def test_a_point_alone_is_decimal() -> None:
    assert converted("7.412", "7.350").values.to_pylist() == ["7.412", "7.350"]
    assert "speaks against" in decided("7.412").sentences[0]


@pytest.mark.parametrize(
    ("values", "more"),
    [
        (("1.234", "2.500"), {"delimiter": ";"}),
        (("1.234", "2.500"), {"integer": True}),
        (("1.234", "2.500", "3.750", "980"), {}),
        (("1.234", "2,500"), {}),
    ],
    ids=["semicolon file", "integer field", "beside numbers below a thousand", "both signs"],
)
def test_a_point_is_asked_where_it_may_well_group_thousands(
    values: tuple[str, ...], more: dict[str, object]
) -> None:
    assert is_asked(*values, **more)


def test_a_column_of_both_kinds_is_asked() -> None:
    assert is_asked("1.5", "1,5")


def test_a_few_strays_are_refused_and_counted_but_do_not_stop_the_column() -> None:
    values = (*(f"{number}.5" for number in range(99)), "1,5")
    decision = decided(*values)
    assert decision.decimal == "."
    assert "1 written with a decimal comma are refused" in decision.sentences[0]
    assert decision.parse_share == 0.99
    assert is_asked(*values, "1,234")


def test_the_evidence_is_the_same_in_any_batches() -> None:
    values = ("1.5", "1,234.5", "12", "<5", "Trace", "x1", None, "5 mg", "1e5", "1 234.5", "1.234")
    split = NumberEvidence()
    for value in values:
        split.observe(texts(value))
    assert split.as_dict() == evidence_of(*values).as_dict()
    assert all(isinstance(count, int) for count in split.as_dict().values())


def test_shares_tell_numbers_from_words() -> None:
    decision = decided("1", "2", "Trace", "United States 7")
    assert (decision.parse_share, decision.text_share) == (0.5, 0.25)
    assert decided().parse_share == 1.0


def test_a_decision_survives_a_round_trip() -> None:
    decision = decided("1.234,5", "1e5")
    assert NumberDecision.from_dict(decision.to_dict()) == decision


# --- single values ---


@pytest.mark.parametrize(
    ("text", "right", "reason"),
    [
        ("+5", "5", "number-reformatted"),
        ("\u22125.5", "-5.5", "number-reformatted"),
        ("007", "7", "number-reformatted"),
        (".5", "0.5", "number-reformatted"),
        ("5.", "5", "number-reformatted"),
        ("1e5", "100000", "scientific-notation"),
        ("-1.50E+3", "-1500", "scientific-notation"),
        ("12e-3", "0.012", "scientific-notation"),
    ],
)
def test_other_writings_are_brought_to_one_and_counted(text: str, right: str, reason: str) -> None:
    result = convert_numbers(texts(text), POINT)
    assert result.values.to_pylist() == [right]
    assert counted(result.changed) == {reason: 1}
    assert result.extra["number"].to_pylist() == [float(right)]


@pytest.mark.parametrize(
    "text",
    ["5e309130", "1E99", "9" * 400, "９", "٣", "1_000", "0x10", "1,234'567", "1.234 567", "e5",
     ".", ",", "-", "+", "", "5,", "½", "²"],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_refused(text: str) -> None:
    assert is_refused(text)


def test_g127_number_and_unit_in_one_cell() -> None:
    result = convert_numbers(
        texts("25mg", "98.6 F", "1,000 mg", "5 10", "< 3 mg/dL", "4"),
        POINT,
        split_unit=True,
        split_comparator=True,
    )
    assert result.values.to_pylist() == ["25", "98.6", "1000", None, "3", "4"]
    assert result.extra["unit"].to_pylist() == ["mg", "F", "mg", None, "mg/dL", None]
    assert result.bad[RowCode.TYPE_ERROR].tolist() == [3]


def test_an_unknown_unit_behind_a_number_is_named_as_that() -> None:
    result = convert_numbers(texts("25 foo"), POINT, split_unit=True)
    assert result.bad[RowCode.UNIT_UNKNOWN].tolist() == [0]


def test_an_integer_field_takes_a_fraction_of_zero_and_says_so() -> None:
    result = convert_numbers(texts("80", "80.0", "80.5", "1,000", None), POINT, integer=True)
    assert result.values.to_pylist() == ["80", "80", None, "1000", None]
    assert result.bad[RowCode.TYPE_ERROR].tolist() == [2]
    assert counted(result.changed) == {"number-reformatted": 1, "fraction-of-zero-dropped": 1}


def test_missing_values_stay_missing() -> None:
    result = converted(None, "1", None)
    assert result.values.to_pylist() == [None, "1", None]
    assert not result.bad
    assert convert_numbers(texts(), POINT).values.to_pylist() == []
    assert convert_numbers(texts(None), COMMA, split_unit=True).extra["unit"].to_pylist() == [None]


# --- properties ---

numbers = st.decimals(
    min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=3
)
conventions = st.sampled_from(
    [(".", ""), (".", ","), (".", "'"), (".", " "), (",", ""), (",", "."), (",", "\u202f")]
)


@given(numbers, conventions)
def test_what_was_written_is_what_is_read(number: Decimal, convention: tuple[str, str]) -> None:
    decimal, group = convention
    text = f"{number:,f}".translate({ord(","): group, ord("."): decimal})
    accepted = {"\u202f": " "}.get(group, group)
    result = convert_numbers(
        texts(text),
        NumberDecision(decimal=decimal, group=accepted),  # type: ignore[arg-type]
    )
    assert Decimal(result.values.to_pylist()[0]) == number
    assert result.values.to_pylist() == [f"{number:f}"]


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=20), st.from_regex(r"[0-9.,'+\-eE <]{1,12}")))
)
def test_no_text_raises_and_nothing_is_lost(values: list[str | None]) -> None:
    evidence = NumberEvidence()
    column = pa.array(values, pa.string())
    evidence.observe(column)
    decide_numbers(evidence, column="value")
    for decision in (POINT, COMMA):
        result = convert_numbers(
            column, decision, split_comparator=True, split_text=True, split_unit=True
        )
        refused = {int(row) for rows in result.bad.values() for row in rows}
        for row, value in enumerate(values):
            number = result.values[row].as_py()
            text = result.extra["text"][row].as_py()
            ways = (value is None) + (row in refused) + (number is not None) + (text is not None)
            assert ways == 1
            assert number is None or math.isfinite(result.extra["number"][row].as_py())
