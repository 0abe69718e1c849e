from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FileCode, RowCode
from pipeline.standardize.identifiers import (
    _DATE_MADE_OF_ID,
    _ROUNDED,
    IdentifierDecision,
    IdentifierEvidence,
    convert_identifiers,
    decide_identifiers,
    loinc_valid,
    luhn_valid,
    npi_valid,
)


@pytest.mark.parametrize(
    ("hazard", "text"),
    [
        ("C38", "02134"),
        ("C40", "1E5"),
        ("C41", "5e309130"),
        ("C43", "172184"),
        ("C47", "1234567890123456789"),
        ("C49", "250.00"),
        ("C49", "401.10"),
        ("C52", "NA"),
        ("case", "aB-007"),
    ],
)
def test_an_identifier_comes_out_as_it_went_in(hazard: str, text: str) -> None:
    result = convert_identifiers(pa.array([text, None]))
    assert result.values.to_pylist() == [text, None], hazard
    assert (result.bad, result.marked, result.changed) == ({}, {}, {})


@pytest.mark.parametrize("text", ["12345678901234500000", "1234567890123450", "1.23457E+19"])
def test_c46_digits_a_spreadsheet_rounded_away_are_marked(text: str) -> None:
    result = convert_identifiers(pa.array(["1", text]))
    assert result.marked[RowCode.PRECISION_LOST].tolist() == [1]
    assert result.values.to_pylist() == ["1", text]


def test_c50_an_npi_is_checked_not_corrected() -> None:
    values = pa.array(["1234567893", "1234567890", "PROV1", None])
    result = convert_identifiers(values, check="npi")
    assert result.bad[RowCode.CHECK_DIGIT].tolist() == [1]
    assert result.bad[RowCode.PATTERN].tolist() == [2]
    assert npi_valid("1234567893")
    assert not npi_valid("1234567890")
    assert not npi_valid("3234567893")


@pytest.mark.parametrize("code", ["2345-7", "2160-0", "718-7", "4548-4", "2951-2", "2823-3"])
def test_loinc_codes_in_use_have_a_right_check_digit(code: str) -> None:
    assert loinc_valid(code)
    wrong = f"{code[:-1]}{(int(code[-1]) + 1) % 10}"
    assert not loinc_valid(wrong)
    assert convert_identifiers(pa.array([wrong]), check="loinc").bad == {RowCode.CHECK_DIGIT: [0]}


def test_c53_dates_among_ids_are_asked_because_a_spreadsheet_made_them() -> None:
    evidence = IdentifierEvidence()
    evidence.observe(pa.array(["MARCH1", "1-2", "3/4", "1-Mar", "2025-03-04", None]))
    questions = decide_identifiers(evidence, column="sample_id")
    assert isinstance(questions, list)
    assert questions[0].code is FileCode.COLUMN_MISFIT
    assert "2 of 5 identifiers" in questions[0].sentence


def test_c53_ids_that_only_could_become_dates_are_fine() -> None:
    evidence = IdentifierEvidence()
    evidence.observe(pa.array(["MARCH1", "1-2", "3/4", "PT-1924-59", "20250304"]))
    assert decide_identifiers(evidence, column="sample_id") == IdentifierDecision()
    assert evidence.as_dict() == {"values": 5, "dates": 0, "precision_lost": 0}


@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_exactly_one_check_digit_is_right_and_a_typing_error_is_seen(digits: str) -> None:
    right = [str(check) for check in range(10) if luhn_valid(digits + str(check))]
    assert len(right) == 1
    mistyped = str((int(digits[0]) + 1) % 10) + digits[1:]
    assert not luhn_valid(mistyped + right[0])


@pytest.mark.parametrize("text", ["", "7", "12a4", "١٢٣٤", "12 34", "-18"])
def test_what_is_not_digits_has_no_check_digit(text: str) -> None:
    assert not luhn_valid(text)


SPREADSHEET_IDS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "Mar-05", "1-Dec", "MAR-77", "2019-03-01", "3/4/2020", "1.2.2020", "mai 07",
            "123456789012345000", "1.23457E+19", "PT-00012", "12-345", "0123", "junk", "",
        ]
    ),
    st.text("0123456789-/.JanMEe+", max_size=12),
)  # fmt: skip


@given(st.lists(SPREADSHEET_IDS, max_size=20))
def test_ids_of_a_column_are_looked_at_as_each_alone(column: list[str | None]) -> None:
    def counted_of(texts: list[str | None]) -> dict[str, int]:
        evidence = IdentifierEvidence()
        evidence.observe(pa.array(texts, pa.string()))
        return evidence.as_dict()

    made = re.compile(_DATE_MADE_OF_ID)
    rounded = re.compile(_ROUNDED)
    present = [text for text in column if text is not None]
    assert counted_of(column) == {
        "values": len(present),
        "dates": sum(made.search(text) is not None for text in present),
        "precision_lost": sum(rounded.fullmatch(text) is not None for text in present),
    }
