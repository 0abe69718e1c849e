from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowCode
from pipeline.standardize.codes import (
    Code,
    CodeEvidence,
    CodeSet,
    CodeSetError,
    convert_codes,
    nearest,
)
from tests.unit.counting import counted

ANALYTES = CodeSet(
    [
        Code("sodium", ("na", "na+")),
        Code("potassium", ("k", "k+")),
        Code("creatinine", ("crea", "creat")),
        Code("hemoglobin", ("hgb", "hb")),
        Code("hba1c", ("a1c", "hemoglobin a1c")),
        Code("total_cholesterol", ("cholesterol",), label="Total cholesterol"),
        Code("ldl_cholesterol", ("ldl",), label="LDL cholesterol"),
        Code("creatine_kinase", ("ck",), label="Creatine kinase"),
        Code("urinalysis", ()),
    ]
)
FREQUENCIES = CodeSet(
    [
        Code("QD", ("daily", "once daily")),
        Code("BID", ("twice daily",)),
        Code("TID", ("three times daily",)),
        Code("QID", ("four times daily",)),
        Code("QOD", ("every other day",)),
        Code("WK", ("weekly",)),
        Code("WK2", ("biweekly", "bi-weekly"), ask=True),
    ]
)
ROUTES = CodeSet(
    [
        Code("PO", ("oral",)),
        Code("IM", ("intramuscular",)),
        Code("SC", ("subcutaneous",)),
        Code("PR or VG", ("suppository",), ask=True),
    ]
)
SEXES = CodeSet(
    [
        Code("male", ("m",)),
        Code("female", ("f",)),
        Code("other", ("o", "nb", "non-binary", "nonbinary")),
        Code("unknown", ("u",)),
    ]
)
FLAGS = CodeSet(
    [
        Code("N", ("normal",)),
        Code("H", ("high",)),
        Code("HH", ("critical high",)),
        Code("L", ("low",)),
    ]
)
BLOOD = CodeSet([Code(f"{group}{sign}") for group in ("A", "B", "AB", "O") for sign in "+-"])


def coded(text: str, codeset: CodeSet) -> str | RowCode | None:
    """The code of one text, or why it has none."""
    result = convert_codes(pa.array([text]), codeset)
    return next(iter(result.bad), None) or result.values[0].as_py()


@pytest.mark.parametrize(
    ("hazard", "text", "codeset", "right"),
    [
        ("H133", "Urinalysis", ANALYTES, "urinalysis"),
        ("H133", "URINALYSIS", ANALYTES, "urinalysis"),
        ("H134", "HbA1c", ANALYTES, "hba1c"),
        ("H134", "Hemoglobin A1C", ANALYTES, "hba1c"),
        ("H134", "LDL Cholesterol", ANALYTES, "ldl_cholesterol"),
        ("H134", "Creatine Kinase", ANALYTES, "creatine_kinase"),
        ("H136", "Twice daily", FREQUENCIES, "BID"),
        ("H136", "Three times daily", FREQUENCIES, "TID"),
        ("H136", "Four  times-daily", FREQUENCIES, "QID"),
        ("H137", "QOD", FREQUENCIES, "QOD"),
        ("H137", "Biweekly", FREQUENCIES, RowCode.CODE_AMBIGUOUS),
        ("H137", "TID with food", FREQUENCIES, RowCode.CODE_UNKNOWN),  # until it is taken apart
        ("H139", "intramuscular", ROUTES, "IM"),
        ("H139", "suppository", ROUTES, RowCode.CODE_AMBIGUOUS),
        ("H139", "Port-a-cath", ROUTES, RowCode.CODE_UNKNOWN),
        ("H140", "NB", SEXES, "other"),
        ("H140", "Non-binary", SEXES, "other"),
        ("H140", "non binary", SEXES, "other"),
        ("H142", "Critical High", FLAGS, "HH"),
        ("H143", "final", FLAGS, RowCode.CODE_UNKNOWN),
        ("blood", "A-", BLOOD, "A-"),
        ("blood", "A+", BLOOD, "A+"),
        ("blood", "ab-", BLOOD, "AB-"),
        ("sodium", "Na+", ANALYTES, "sodium"),
        ("part of a name", "nap", ANALYTES, RowCode.CODE_UNKNOWN),
    ],
)
def test_a_whole_name_is_a_code_and_a_part_of_one_is_not(
    hazard: str, text: str, codeset: CodeSet, right: str | RowCode
) -> None:
    assert coded(text, codeset) == right, hazard


def test_unknown_words_are_refused_kept_or_reviewed_but_never_replaced() -> None:
    values = pa.array(["oral", "by ear", None, "suppository"])
    for result in (convert_codes(values, ROUTES), convert_codes(values, ROUTES, unknown="review")):
        assert result.values.to_pylist() == ["PO", None, None, None]
        assert result.bad[RowCode.CODE_UNKNOWN].tolist() == [1]
        assert result.bad[RowCode.CODE_AMBIGUOUS].tolist() == [3]
    kept = convert_codes(values, ROUTES, unknown="keep")
    assert kept.values.to_pylist() == ["PO", "by ear", None, "suppository"]
    assert not kept.bad
    assert kept.marked[RowCode.CODE_UNKNOWN].tolist() == [1]


def test_only_changed_cells_are_counted() -> None:
    result = convert_codes(pa.array(["PO", "po", "oral", None]), ROUTES)
    assert result.values.to_pylist() == ["PO", "PO", "PO", None]
    assert counted(result.changed) == {"code-mapped": 2}


def test_a_name_of_two_codes_is_an_error_when_the_set_is_made() -> None:
    with pytest.raises(CodeSetError, match="'Cholesterol' belongs to both LDL and TC") as caught:
        CodeSet([Code("LDL", ("cholesterol",)), Code("TC", ("Cholesterol", "??"))])
    assert len(caught.value.problems) == 2


def test_the_same_name_twice_in_one_code_is_no_error() -> None:
    assert CodeSet([Code("PO", ("po", "P O"), label="po")]).lookup("po") == "PO"


def test_near_names_are_suggested_and_never_accepted() -> None:
    assert nearest(ANALYTES, "potasium") == ["potassium"]
    assert nearest(ANALYTES, "xyz") == []
    assert coded("potasium", ANALYTES) is RowCode.CODE_UNKNOWN
    assert len(nearest(ANALYTES, "cholesterol total" * 100)) <= 3
    assert nearest(FREQUENCIES, "biweekl") == ["WK"]


def test_evidence_counts_and_lists_but_its_dict_holds_no_values() -> None:
    evidence = CodeEvidence(ROUTES)
    evidence.observe(pa.array(["oral", "by ear", "by ear", None, "suppository"]))
    evidence.observe(pa.array([f"word {place}" for place in range(100)] + ["by ear"]))
    assert evidence.as_dict() == {
        "values": 105,
        "unknown": 103,
        "ambiguous": 1,
        "unknown_share": 104 / 105,
    }
    assert evidence.unknown_spellings()[0] == ("by ear", 3)
    assert len(evidence.unknown_spellings()) == 50


@given(st.lists(st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["oral", "IM", "po"]))))
def test_any_text_is_a_code_or_refused(values: list[str | None]) -> None:
    result = convert_codes(pa.array(values, pa.string()), ROUTES)
    refused = {int(row) for rows in result.bad.values() for row in rows}
    for row, value in enumerate(values):
        code = result.values[row].as_py()
        assert code in {None, "PO", "IM", "SC"}
        assert (code is None) == (value is None or row in refused)
