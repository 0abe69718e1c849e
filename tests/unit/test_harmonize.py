from __future__ import annotations

import errno
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import ContentError, FileCode, PipelineError, TransientError
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.registry import READERS
from pipeline.formats.signatures import DELIMITED_TEXT
from pipeline.harmonize import harmonize_file
from tests.unit.harmonizing import Desk, read

PATIENTS = "patient_id,last name,first name,dob,sex,phone"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def patients(*rows: str) -> str:
    return "\n".join([PATIENTS, *rows]) + "\n"


def table(fields: str, more: str = "") -> str:
    return f"name: table\nfields:\n{fields}\n{more}"


# --- rows in, rows out -------------------------------------------------------------------------


def test_rows_come_out_in_the_order_of_the_source(desk: Desk) -> None:
    rows = [f"P{number:04d},Lee,Ann,1980-01-{number % 28 + 1:02d},F," for number in range(300)]
    delivered = desk.harmonize(patients(*rows))

    assert delivered.column("patient_id") == [row.split(",")[0] for row in rows]


def test_a_row_with_several_faults_is_rejected_once_and_all_are_listed(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients(
            "P001,Lee,Ann,1980-02-30,Hombre,",
            *(f"P{number},Lee,Ann,1980-01-02,F," for number in range(200, 300)),
        )
    )

    assert delivered.reasons == [
        (1, "birth_date", "impossible-date"),
        (1, "sex", "code-unknown"),
    ]
    assert delivered.result.counts.rejected == 1
    assert delivered.result.rejects == {"code-unknown": 1, "impossible-date": 1}
    assert delivered.rejects[0]["raw"] == "P001,Lee,Ann,1980-02-30,Hombre,"
    assert delivered.rejects[0]["line"] == "2"


def test_too_few_and_too_many_cells_blank_lines_and_stray_quotes_are_all_accounted_for(
    desk: Desk,
) -> None:
    good = [f"P1{number:02d},Lee,Ann,1980-01-02,F," for number in range(20)]
    delivered = desk.harmonize(
        patients(*good[:5], "P200,Lee,Ann", "", "P201,Lee,Ann,1980-01-02,F,,9", ",,,,,", *good[5:])
    )
    counts = delivered.result.counts

    assert (counts.read, counts.written, counts.rejected, counts.skipped) == (24, 20, 2, 2)
    assert delivered.reasons == [(6, "", "missing-cell"), (8, "", "extra-cell")]
    assert [one["line"] for one in delivered.rejects] == ["7", "9"]
    assert delivered.report["counts"]["skipped_because"] == {"blank": 2}


def test_a_contract_may_read_missing_cells_as_empty(desk: Desk) -> None:
    desk.contract(
        table(
            "".join(f"  - {{name: {name}, type: string}}\n" for name in ("id", "a", "b")),
            "policy: {missingCell: 'null'}",
        )
    )
    delivered = desk.harmonize('id,a,b\n1,x,y\n2,"p,q"\n3\n4,x,y\n5,,z,9\n')

    assert [tuple(row.values()) for row in delivered.rows] == [
        ("1", "x", "y"),
        ("2", "p,q", ""),
        ("3", "", ""),
        ("4", "x", "y"),
    ]
    assert delivered.reasons == [(5, "", "extra-cell")]


def test_identifiers_keep_zeros_case_and_exponents(desk: Desk) -> None:
    desk.contract(
        table("  - {name: id, type: string, semantic: identifier}\n  - {name: zip, type: string}")
    )
    ids = ["1E5", "5e309130", "007", "172184", "NA", "12345678901234567890", "250.00"]
    ids.append("12345678901234500000")  # what a spreadsheet leaves of it
    delivered = desk.harmonize("id,zip\n" + "".join(f"{one},02134\n" for one in ids))

    assert delivered.column("id") == ids
    assert set(delivered.column("zip")) == {"02134"}
    assert delivered.result.warnings == {"precision-lost": 1}


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!"])
def test_a_spreadsheets_error_is_no_value(desk: Desk, error: str) -> None:
    good = [f"P1{number:02d},Lee,Ann,1980-01-02,F," for number in range(20)]
    delivered = desk.harmonize(patients(f"P001,{error},,1980-01-13,F,", *good))

    assert delivered.reasons == [(1, "family_name", "type-error")]


def test_check_digits_are_validated_and_nothing_is_corrected(desk: Desk) -> None:
    for semantic, right, wrong in (
        ("npi", "1234567893", "1234567890"),
        ("loinc", "2345-7", "2345-8"),
        ("luhn", "79927398713", "79927398710"),
    ):
        fields = f"{{name: n, type: integer}}\n  - {{name: x, type: string, semantic: {semantic}}}"
        desk.contract(table(f"  - {fields}"))
        delivered = desk.harmonize(f"n,x\n1,{right}\n2,{wrong}\n3,{right}0a\n")
        assert delivered.column("x") == [right]
        assert [code for _, _, code in delivered.reasons] == ["check-digit", "pattern"]


def test_a_blank_identifier_is_rejected_as_required(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients(
            *(f"P00{number},Lee,Ann,1980-01-13,F," for number in range(9)), " ,Lee,,1980-01-13,F,"
        )
    )

    assert delivered.reasons == [(10, "patient_id", "required")]


def test_ids_that_a_spreadsheet_made_dates_are_asked_about(desk: Desk) -> None:
    held = desk.hold(
        patients("MARCH1,Lee,,1980-01-13,F,", "1-Mar,Lee,,1980-01-13,F,", "P33,Lee,,1980-01-13,F,")
    )

    assert held.code == FileCode.COLUMN_MISFIT


def test_null_none_and_na_are_surnames(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients(
            "P001,Null,,1980-01-13,F,N/A", "P002,None,,1980-01-13,F,-", "P003,NA,,1980-01-13,F,"
        )
    )

    assert delivered.column("family_name") == ["Null", "None", "NA"]
    assert delivered.column("phone") == ["", "", ""]


# --- duplicates --------------------------------------------------------------------------------


def test_rows_equal_after_cleaning_are_dropped_and_counted(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients("P001,Lee,Ann,1980-01-13,F,", "P001, LEE ,ann,13.01.1980,female,")
    )

    assert delivered.column("family_name") == ["Lee"]
    assert delivered.result.counts.duplicate == 1


def test_the_fullest_row_wins_where_the_rows_agree(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients(
            "P001,Lee,,1980-01-13,F,",
            "P002,Ray,,1980-01-13,F,",
            "P001,Lee,Ann,1980-01-13,,405.901.4744",
        )
    )

    assert [(row["patient_id"], row["given_name"], row["sex"]) for row in delivered.rows] == [
        ("P002", "", "female"),
        ("P001", "Ann", "female"),
    ]
    assert delivered.result.counts.duplicate == 1


def test_two_persons_under_one_number_are_kept_out_and_their_text_kept(desk: Desk) -> None:
    rows = [f"P0{number},Lee,Ann,1980-01-13,F," for number in range(10, 30)]
    delivered = desk.harmonize(
        patients(*rows, "P050,Lee,Ann,1980-01-13,F,", "P050,Ray,Bob,1991-02-14,M,")
    )

    assert delivered.reasons == [
        (21, "family_name", "key-conflict"),
        (22, "family_name", "key-conflict"),
    ]
    assert delivered.rejects[1]["raw"] == "P050,Ray,Bob,1991-02-14,M,"
    assert "Ray" not in delivered.rejects[1]["sentence"]


def test_a_person_is_not_believed_whose_number_a_rejected_row_gives_to_another(desk: Desk) -> None:
    rows = [f"P0{number},Lee,Ann,1980-01-13,F," for number in range(10, 30)]
    delivered = desk.harmonize(
        patients(*rows, "P050,Lee,Ann,1980-01-13,F,", "P050,Ray,Bob,1991-02-30,M,")
    )

    assert delivered.reasons == [
        (21, "family_name", "key-conflict"),
        (22, "birth_date", "impossible-date"),
        (22, "family_name", "key-conflict"),
    ]
    assert delivered.result.counts.rejected == 2
    assert "P050" not in delivered.column("patient_id")


def test_a_rejected_row_of_the_same_person_contradicts_nothing(desk: Desk) -> None:
    rows = [f"P0{number},Lee,Ann,1980-01-13,F," for number in range(10, 30)]
    delivered = desk.harmonize(
        patients(*rows, "P050,Lee,Ann,1980-01-13,F,", "P050,LEE,Ann,1980-13-01,,")
    )

    assert delivered.reasons == [(22, "birth_date", "impossible-date")]
    assert "P050" in delivered.column("patient_id")


def test_two_results_of_one_key_are_both_kept_out_when_one_is_rejected_anyway(desk: Desk) -> None:
    rows = [f"Q{number},glucose,2025-01-13 08:00,90,mg/dL,N" for number in range(100, 220)]
    delivered = desk.harmonize(
        "\n".join(
            [
                "patient_id,test,collected_at,value,unit,flag",
                "P001,glucose,2025-01-13 08:00,90,mg/dL,N",
                "P001,glucose,2025-01-13 08:00,300,mg/dL,strange",
                *rows,
            ]
        )
    )

    assert delivered.reasons == [
        (1, "value", "key-conflict"),
        (2, "interpretation", "code-unknown"),
        (2, "value", "key-conflict"),
    ]


# --- several rows of one record ----------------------------------------------------------------

VITALS = "patient_id,observed_at,vital,value,unit"


def vitals(*rows: str) -> str:
    return "\n".join([VITALS, *rows]) + "\n"


def plenty(count: int = 60) -> list[str]:
    return [f"P{number:04d},2025-05-20 10:00,HR,7{number % 10},bpm" for number in range(count)]


def test_a_blood_pressure_becomes_two_rows(desk: Desk) -> None:
    delivered = desk.harmonize(vitals("P001,2025-05-20 10:00,BP,120/80,mmHg", *plenty()))

    assert [(row["vital"], row["value"], row["unit"]) for row in delivered.rows[:2]] == [
        ("systolic", "120", "mm[Hg]"),
        ("diastolic", "80", "mm[Hg]"),
    ]
    assert delivered.result.counts.added == 1


def test_a_unit_behind_the_second_pressure_belongs_to_both(desk: Desk) -> None:
    delivered = desk.harmonize(vitals("P001,2025-05-20 10:00,BP,120/80 mmHg,", *plenty()))

    assert {row["unit"] for row in delivered.rows[:2]} == {"mm[Hg]"}


@pytest.mark.parametrize("value", ["80/120", "120/120"])
def test_a_blood_pressure_with_its_ends_swapped_is_marked(desk: Desk, value: str) -> None:
    delivered = desk.harmonize(vitals(f"P001,2025-05-20 10:00,BP,{value},mmHg", *plenty()))

    assert [row["value"] for row in delivered.rows[:2]] == value.split("/")
    assert delivered.result.warnings == {"row-constraint": 2}


def test_two_pressures_of_a_wide_row_are_compared_too(desk: Desk) -> None:
    good = [f"P1{number},2025-05-20 10:00,120,80" for number in range(10, 40)]
    delivered = desk.harmonize(
        "\n".join(
            [
                "patient_id,observed_at,SBP (mmHg),DBP (mmHg)",
                "P001,2025-05-20 10:00,80,120",
                *good,
            ]
        )
    )

    assert delivered.result.warnings == {"row-constraint": 2}
    assert len(delivered.rows) == 62


def test_an_enzyme_in_international_units_stays_in_them(desk: Desk) -> None:
    delivered = desk.harmonize(
        "patient_id,test,collected_at,value,unit\n"
        "P001,ALT,2025-01-13 08:00,30,IU/L\nP002,ALT,2025-01-13 08:00,30,U/L\n"
    )

    assert [(row["value"], row["unit"]) for row in delivered.rows] == [
        ("30", "[iU]/L"),
        ("30", "U/L"),
    ]
    assert delivered.result.warnings == {"unit-not-convertible": 1}


@pytest.mark.parametrize("value", ["120", "120/", "/80", "120/80/60", "high"])
def test_half_a_blood_pressure_is_rejected_whole(desk: Desk, value: str) -> None:
    delivered = desk.harmonize(vitals(f"P001,2025-05-20 10:00,BP,{value},mmHg", *plenty()))

    assert {record for record, _, _ in delivered.reasons} == {1}
    assert delivered.result.counts.rejected == 1
    assert delivered.result.counts.added == 0
    assert not [row for row in delivered.rows if row["vital"] != "heart_rate"]


def test_rows_of_one_record_are_kept_out_together_and_free_their_duplicates(desk: Desk) -> None:
    delivered = desk.harmonize(
        vitals(
            "P001,2025-05-20 10:00,BP,120/80,mmHg",
            "P001,2025-05-20 10:00,SBP,120,mmHg",
            "P001,2025-05-20 10:00,DBP,85,mmHg",
            *plenty(),
        )
    )
    counts = delivered.result.counts

    # the two diastolic values contradict each other; the systolic one is still known from record 2
    assert [record for record, _, _ in delivered.reasons] == [1, 3]
    assert [row["value"] for row in delivered.rows if row["vital"] == "systolic"] == ["120"]
    assert (counts.read, counts.added, counts.duplicate, counts.rejected) == (63, 0, 0, 2)


def test_a_temperature_written_with_its_unit_is_converted(desk: Desk) -> None:
    delivered = desk.harmonize(vitals("P001,2025-05-20 10:00,Temp,98.6 F,", *plenty()))

    assert (delivered.rows[0]["value"], delivered.rows[0]["unit"]) == ("37.0", "Cel")


def test_a_cell_and_the_unit_column_that_name_different_units_are_not_believed(desk: Desk) -> None:
    delivered = desk.harmonize(vitals("P001,2025-05-20 10:00,Temp,98.6 F,C", *plenty()))

    assert (1, "unit", "type-error") in delivered.reasons


def test_an_implausible_value_is_rejected_and_an_unusual_one_marked(desk: Desk) -> None:
    delivered = desk.harmonize(
        vitals(
            "P001,2025-05-20 10:00,Temp,60,C",
            "P002,2025-05-20 10:00,Temp,33,C",
            *plenty(),
        )
    )

    assert delivered.reasons == [(1, "value", "constraint-error")]
    assert delivered.result.warnings == {"constraint-error": 1}


# --- laboratory results ------------------------------------------------------------------------

LABS = "patient_id,test,collected_at,value,unit,reference range,flag"


def labs(*rows: str) -> str:
    filler = [
        f"Q{number:04d},sodium,2025-05-20 10:00,{130 + number % 10}.5,mmol/L,135-145,N"
        for number in range(60)
    ]
    return "\n".join([LABS, *rows, *filler]) + "\n"


def test_a_range_is_converted_with_its_value(desk: Desk) -> None:
    delivered = desk.harmonize(labs("P001,glucose,2025-05-20 10:00,5.5,mmol/L,3.9-5.5,N"))
    row = delivered.rows[0]

    assert (row["value"], row["unit"]) == ("99.1", "mg/dL")
    assert (row["value_raw"], row["unit_raw"]) == ("5.5", "mmol/L")
    assert (row["range_low"], row["range_high"]) == ("70.3", "99.1")
    assert row["reference_range"] == "3.9-5.5"


@pytest.mark.parametrize(
    ("written", "low", "high", "text"),
    [
        ("70-99", "70", "99", ""),
        ("70 – 99", "70", "99", ""),
        ("(70 to 99)", "70", "99", ""),
        ("<200", "", "200", ""),
        ("up to 200", "", "200", ""),
        ("≤ 200", "", "200", ""),
        (">= 60", "60", "", ""),
        ("3.9-5.5 mmol/L", "70.3", "99.1", ""),
        ("Negative to trace", "", "", "Negative to trace"),
        ("99-70", "", "", "99-70"),
        ("see note 3-4", "", "", "see note 3-4"),
    ],
)
def test_a_reference_range_gives_its_ends_or_stays_words(
    desk: Desk, written: str, low: str, high: str, text: str
) -> None:
    delivered = desk.harmonize(labs(f"P001,glucose,2025-05-20 10:00,90.5,mg/dL,{written},N"))
    row = delivered.rows[0]

    assert (row["range_low"], row["range_high"], row["range_text"]) == (low, high, text)
    assert row["reference_range"] == written


def test_comparator_words_and_digits_go_to_their_own_fields(desk: Desk) -> None:
    delivered = desk.harmonize(
        labs(
            "P001,crp,2025-05-20 10:00,<5,mg/L,,",
            "P002,urinalysis,2025-05-20 10:00,Trace,,Negative,",
            "P003,urinalysis,2025-05-20 10:00,+1,,Negative,",
            "P004,glucose,2025-05-20 10:00,90.50,mg/dL,,",
        )
    )

    parts = [(row["value"], row["comparator"], row["value_text"]) for row in delivered.rows[:4]]
    assert parts == [("5", "<", ""), ("", "", "Trace"), ("", "", "+1"), ("90.50", "", "")]


def test_an_unknown_test_among_many_is_rejected_with_the_nearest_known_ones(desk: Desk) -> None:
    rows = [f"P{number},glucose,2025-05-20 10:00,90,mg/dL,," for number in range(100, 200)]
    delivered = desk.harmonize(labs("P001,Glucos,2025-05-20 10:00,90,mg/dL,,", *rows))

    assert delivered.reasons == [(1, "test", "code-unknown")]
    assert "glucose" in delivered.rejects[0]["sentence"]


def test_an_unknown_test_that_is_not_rare_is_asked_about_with_the_nearest_known_ones(
    desk: Desk,
) -> None:
    held = desk.hold(labs("P001,Glucos,2025-05-20 10:00,90,mg/dL,,"))

    assert held.code == FileCode.CODES_UNKNOWN
    assert "Glucos" not in " ".join(held.result.questions)
    [question] = [one for one in held.proposal.questions if one.key == "code:test:Glucos"]
    assert next(iter(question.answers)) == "glucose"
    assert question.is_open


# --- prescriptions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "code", "as_needed", "instructions"),
    [
        ("Twice daily", "BID", "", ""),
        ("TID with food", "TID", "", "with food"),
        ("BID PRN", "BID", "true", ""),
        ("TID with food, as needed", "TID", "true", "with food"),
        ("As needed", "", "true", ""),
        ("every other day", "QOD", "", ""),
        ("as needed for pain", "", "true", "for pain"),
        ("BID for 10 days", "BID", "", "for 10 days"),
        ("bid x 10 days", "BID", "", "x 10 days"),
        ("Twice daily (BID)", "BID", "", ""),
        ("q6h prn pain", "Q6H", "true", "pain"),
        ("TDS", "TID", "", ""),
        ("2 x daily", "BID", "", ""),
        ("q 12 hrs", "Q12H", "", ""),
        ("daily (on an empty stomach)", "QD", "", "on an empty stomach"),
        ("4 times daily", "QID", "", ""),
        ("2x/day PRN", "BID", "true", ""),
    ],
)
def test_a_frequency_gives_its_code_its_flag_and_its_rest(
    desk: Desk, written: str, code: str, as_needed: str, instructions: str
) -> None:
    delivered = desk.harmonize(
        "patient_id,drug,dose,frequency,start_date\n"
        f'P001,Aspirin,25mg,"{written}",2025-05-20 10:00\n'
    )
    row = delivered.rows[0]

    assert (row["frequency"], row["as_needed"], row["instructions"]) == (
        code,
        as_needed,
        instructions,
    )
    assert (row["dose_value"], row["dose_unit"]) == ("25", "mg")


@pytest.mark.parametrize(
    "written",
    [
        "daily or twice daily",
        "Biweekly",
        "not daily",
        "BID then QD",
        "daily on weekdays",
        "daily Mon Wed Fri",
        "daily 3 times",
        "QD 8am 8pm",
        "daily with breakfast and dinner",
        "TID 2 days a week",
        "daily after dialysis",
    ],
)
def test_a_frequency_that_may_mean_two_things_is_not_guessed(desk: Desk, written: str) -> None:
    rows = [f"P{number},Aspirin,25mg,BID,2025-05-20 10:00" for number in range(100, 200)]
    delivered = desk.harmonize(
        "\n".join(
            [
                "patient_id,drug,dose,frequency,start_date",
                f"P001,Aspirin,25mg,{written},2025-05-20 10:00",
                *rows,
            ]
        )
    )

    assert [reason[:2] for reason in delivered.reasons] == [(1, "frequency")]


def routes(written: str, others: int) -> str:
    """A prescription by this route among others by mouth."""
    rows = [f"P{number},Aspirin,oral,2025-05-20 10:00" for number in range(100, 100 + others)]
    return "\n".join(
        ["patient_id,drug,route,start_date", f"P001,Aspirin,{written},2025-05-20 10:00", *rows]
    )


@pytest.mark.parametrize(("written", "code"), [("p.o.", "PO"), ("I.M.", "IM"), ("s.c.", "SC")])
def test_a_route_is_known_by_its_whole_name(desk: Desk, written: str, code: str) -> None:
    assert desk.harmonize(routes(written, 30)).column("route")[0] == code


def test_an_unknown_route_is_asked_about_among_few_and_rejected_alone_among_many(
    desk: Desk,
) -> None:
    held = desk.hold(routes("IV push", 30))
    assert held.code == FileCode.CODES_UNKNOWN
    assert "1 of 31 values of route" in held.result.questions[0]
    assert "IV push" in held.asked

    assert desk.harmonize(routes("IV push", 120)).reasons == [(1, "route", "code-unknown")]


def test_a_saturation_of_under_one_among_percentages_is_not_believed(desk: Desk) -> None:
    rows = [f"P0{number},SpO2,9{number % 10},%,2025-05-20 10:00" for number in range(10, 40)]
    delivered = desk.harmonize(
        "\n".join(
            ["patient_id,vital,value,unit,observed_at", "P001,SpO2,0.97,%,2025-05-20 10:00", *rows]
        )
    )

    assert delivered.reasons == [(1, "value", "constraint-error")]


def test_one_result_told_with_more_decimals_is_no_contradiction(desk: Desk) -> None:
    delivered = desk.harmonize(
        "patient_id,vital,value,unit,observed_at\n"
        "P001,HR,80,bpm,2025-05-20 10:00\n"
        "P001,HR,80.0,bpm,2025-05-20 10:00\n"
    )

    assert delivered.column("value") == ["80"]
    assert delivered.result.counts.duplicate == 1


# --- files that are refused --------------------------------------------------------------------


def test_too_many_rejected_rows_refuse_the_file_but_leave_the_rejects(desk: Desk) -> None:
    error, staging = desk.refuse(
        patients(
            *(f"P00{number},Lee,,1980-01-13,F," for number in range(7)),
            *(f"P01{number},Lee,,1980-02-30,F," for number in range(3)),
        )
    )

    assert error.code is FileCode.ROWS_REJECTED
    assert error.note == "3 of 10 rows were rejected; patients allows 20%"
    assert error.details == ("3 rows: impossible-date in birth_date",)
    assert sorted(one.name for one in staging.iterdir()) == [
        "rejects.csv",
        "report.html",
        "report.json",
    ]
    assert len(read(staging / "rejects.csv")) == 3
    report = json.loads((staging / "report.json").read_text())
    assert report["refused"] == f"[ROWS_REJECTED] {error.note}"
    assert [one["name"] for one in report["outputs"]] == ["rejects.csv", "report.html"]


def test_exactly_as_many_rejects_as_allowed_pass(desk: Desk) -> None:
    delivered = desk.harmonize(
        patients(
            *(f"P00{number},Lee,,1980-01-13,F," for number in range(8)),
            *(f"P01{number},Lee,,1980-02-30,F," for number in range(2)),
        )
    )

    assert delivered.result.counts.rejected == 2


def test_a_file_of_rejects_only_is_refused_whatever_the_contract_allows(desk: Desk) -> None:
    desk.contract(table("  - {name: id, type: integer}"))
    error, _ = desk.refuse("id\nx\n")

    assert error.code is FileCode.ROWS_REJECTED


def test_a_column_whose_values_are_something_else_vetoes_its_heading(desk: Desk) -> None:
    held = desk.hold(patients(*(f"P0{number},Lee,,Springfield,F," for number in range(10, 30))))

    assert held.code == FileCode.COLUMN_MISFIT
    assert "birth_date" in held.result.questions[0]
    assert "Springfield" not in repr(held.result)
    assert not list(held.staging.glob("*.csv"))


def test_an_unproven_date_order_is_asked_not_guessed(desk: Desk) -> None:
    held = desk.hold(patients("P001,Lee,,03/04/1980,F,", "P002,Lee,,05/06/1980,F,"))

    assert held.code == FileCode.DATE_AMBIGUOUS
    assert held.result.questions[0].startswith("dob: ")


def test_two_columns_for_one_field_are_asked_about(desk: Desk) -> None:
    held = desk.hold("patient_id,last name,surname,dob\nP001,Lee,Li,1980-01-13\n")

    assert held.code == FileCode.COLUMN_CONFLICT
    assert "2 and 3" in held.result.questions[0]


def test_wrongly_decoded_text_is_asked_about(desk: Desk) -> None:
    held = desk.hold(patients("P001,JosÃ©,,1980-01-13,F,", "P002,Lee,,1980-01-13,F,"))

    assert held.code == FileCode.TEXT_DAMAGED


def test_all_questions_of_a_file_are_listed(desk: Desk) -> None:
    held = desk.hold(patients("P001,JosÃ©,,03/04/1980,F,", "P002,Lee,,05/06/1980,F,"))

    assert len(held.result.questions) == 2


def test_no_value_is_in_what_goes_back_of_a_held_file(desk: Desk) -> None:
    surname = "Zzyzx"
    for rows in (
        [f"{surname},{surname},{surname},{surname},{surname},{surname}"] * 3,
        [f"P001,{surname},{surname}Ã©,03/04/1980,{surname},"],
    ):
        assert surname not in repr(desk.hold(patients(*rows)).result)


@pytest.mark.parametrize("content", ["", "\n\n", PATIENTS + "\n", patients("", " ", ",,,,,")])
def test_a_file_without_rows_is_empty(desk: Desk, content: str) -> None:
    error, _ = desk.refuse(content)

    assert error.code is FileCode.EMPTY


def test_a_contract_can_be_forced_by_name(desk: Desk) -> None:
    held = desk.hold(patients("P001,Lee,,1980-01-13 08:00,F,"), contract="vitals")
    assert FileCode.REQUIRED_MISSING in {question.code for question in held.proposal.questions}

    error, _ = desk.refuse(patients("P001,Lee,,1980-01-13,F,"), contract="nowhere")
    assert error.code is FileCode.SCHEMA_UNKNOWN


# --- columns no field claims -------------------------------------------------------------------

NARROW = "  - {name: id, type: string}"


def test_unclaimed_columns_are_rescued_beside_the_data(desk: Desk) -> None:
    desk.contract(table(NARROW + "\n  - {name: n, type: integer}"))
    delivered = desk.harmonize("id,Note,n,\n1, as it stood ,5,\n2,,6,x\n3,lost,no,\n")

    assert read(delivered.staging / "rescued.csv") == [
        {"record": "1", "line": "2", "column": "Note", "value": " as it stood "},
        {"record": "2", "line": "3", "column": "", "value": "x"},
    ]
    assert delivered.reasons == [(3, "n", "type-error")]
    assert {one.name for one in delivered.result.outputs} == {
        "table.csv",
        "rejects.csv",
        "rescued.csv",
        "datapackage.json",
        "report.html",
        "report.json",
    }


def test_what_a_dropped_duplicate_says_beside_the_contract_is_kept(desk: Desk) -> None:
    desk.contract(table(NARROW))
    delivered = desk.harmonize("id,Note\n1,a\n1,b\n")

    assert delivered.column("id") == ["1"]
    assert [row["value"] for row in read(delivered.staging / "rescued.csv")] == ["a", "b"]


def test_unclaimed_columns_are_left_out_or_refused_when_the_contract_says_so(desk: Desk) -> None:
    desk.contract(table(NARROW, "policy: {newColumns: ignore}"))
    delivered = desk.harmonize("id,Note\n1,a\n")
    assert not (delivered.staging / "rescued.csv").exists()
    assert delivered.report["unclaimed_columns"][0]["fate"] == "ignore"

    desk.contract(table(NARROW, "policy: {newColumns: fail}"))
    error, _ = desk.refuse("id,Note\n1,a\n")
    assert error.code is FileCode.COLUMN_NEW
    assert "Note" not in str(error)


# --- constraints and formulas ------------------------------------------------------------------


def test_formulas_constraints_and_unique_fields_are_checked(desk: Desk) -> None:
    desk.contract(
        table(
            "  - {name: id, type: integer, constraints: {minimum: 1}}\n"
            "  - {name: a, type: number, constraints: {maximum: 10}}\n"
            "  - {name: b, type: number}\n"
            "  - {name: mail, type: string, format: email, constraints: {unique: true}}",
            "primaryKey: [id]\n"
            "checks:\n"
            "  - {id: order, formula: a <= b, message: a must not exceed b}\n"
            "  - {id: small, formula: b < 9, severity: warning}\n",
        )
    )
    delivered = desk.harmonize(
        "id,a,b,mail\n0,1,2,\n1,11,12,\n2,5,4,\n3,x,4,\n4,1,2,a@b.org\n5,1,9,a@b.org\n6,1,9.5,\n,1,2,\n"
    )

    assert delivered.reasons == [
        (1, "id", "constraint-error"),
        (2, "a", "constraint-error"),
        (3, "", "row-constraint"),
        (4, "a", "type-error"),
        (5, "mail", "unique-error"),
        (6, "mail", "unique-error"),
        (8, "id", "required"),
    ]
    assert delivered.rejects[2]["sentence"] == "a must not exceed b"
    assert delivered.result.warnings == {"row-constraint": 2}


# --- the promise of the same bytes -------------------------------------------------------------


def test_the_same_task_gives_the_same_bytes(desk: Desk) -> None:
    content = (Path(__file__).parent.parent / "data" / "ehr" / "patients.csv").read_bytes()
    first, second = desk.harmonize(content), desk.harmonize(content)

    for name in ("patients.csv", "rejects.csv"):
        assert (first.staging / name).read_bytes() == (second.staging / name).read_bytes()
    assert {**first.report, "timings_s": {}} == {**second.report, "timings_s": {}}


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
def test_batches_of_any_size_give_the_same_bytes(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (Path(__file__).parent.parent / "data" / "ehr" / f"{name}.csv").read_bytes()
    whole = desk.harmonize(content)
    monkeypatch.setitem(
        READERS,
        DELIMITED_TEXT,
        lambda path, limits: DelimitedReader(path, limits, block_bytes=700),
    )
    pieces = desk.harmonize(content)

    for file in (f"{name}.csv", "rejects.csv"):
        assert (pieces.staging / file).read_bytes() == (whole.staging / file).read_bytes()
    assert {**pieces.report, "timings_s": {}} == {**whole.report, "timings_s": {}}


def test_the_report_names_every_output_with_its_digest(desk: Desk) -> None:
    delivered = desk.harmonize(patients("P001,Lee,,1980-01-13,F,"))
    listed = {one["name"]: one["sha256"] for one in delivered.report["outputs"]}

    assert listed == {
        one.name: one.sha256 for one in delivered.result.outputs if one.name != "report.json"
    }
    assert delivered.report["decisions"] == list(delivered.result.decisions)


def test_parquet_holds_the_same_rows(desk: Desk) -> None:
    content = (Path(__file__).parent.parent / "data" / "ehr" / "vitals.csv").read_bytes()
    rows = desk.harmonize(content).rows
    staging = desk.harmonize(content, output_format="parquet").staging
    typed = pq.read_table(staging / "vitals.parquet").to_pylist()

    assert [(row["patient_id"], float(row["value"]), row["unit"]) for row in rows] == [
        (row["patient_id"], row["value"], row["unit"]) for row in typed
    ]


# --- trouble that is not the file's ------------------------------------------------------------


def test_a_missing_source_is_no_fault_of_the_file(desk: Desk) -> None:
    task = desk.task("x")
    Path(task.source).unlink()

    with pytest.raises(TransientError) as caught:
        harmonize_file(task)
    assert caught.value.code is FileCode.INPUT_MISSING


def test_a_full_disk_is_told_as_such(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TransientError) as caught:
        desk.harmonize(patients("P001,Lee,,1980-01-13,F,"))
    assert caught.value.code is FileCode.STORAGE
    assert "secret" not in str(caught.value)


def test_every_refusal_survives_the_way_between_processes(desk: Desk) -> None:
    error, _ = desk.refuse("patient_id,last name\nP001,Lee\n")
    rebuilt = ContentError(*error.args)

    assert isinstance(rebuilt, PipelineError)
    assert (rebuilt.code, rebuilt.note, rebuilt.details) == (error.code, error.note, error.details)


WEIGHTS = (
    "  - {name: id, type: string}\n"
    "  - {name: weight, type: number, unit: {from: unit, to: kg}}\n"
    "  - {name: unit, type: string, semantic: ucum-unit}\n"
)


def test_a_field_may_always_be_in_one_unit(desk: Desk) -> None:
    desk.contract(table(WEIGHTS))
    delivered = desk.harmonize("id,weight,unit\n1,150,lb\n2,70.50,kg\n3,71 kg,\n4,70,\n5,,kg\n")

    assert [(row["weight"], row["unit"]) for row in delivered.rows] == [
        ("68.04", "kg"),
        ("70.50", "kg"),
        ("71", "kg"),
        ("", "kg"),
    ]
    assert delivered.reasons == [(4, "weight", "unit-missing")]


def test_a_unit_behind_the_number_needs_no_unit_column(desk: Desk) -> None:
    desk.contract(table(WEIGHTS))
    delivered = desk.harmonize("id,weight\n1,150 lb\n2,70.5kg\n")

    assert [(row["weight"], row["unit"]) for row in delivered.rows] == [
        ("68.04", "kg"),
        ("70.5", "kg"),
    ]


def test_a_german_table_is_read_by_its_decimal_commas(desk: Desk) -> None:
    desk.contract(
        table("  - {name: v, type: number}\n  - {name: w, type: number}\n  - {name: d, type: date}")
    )
    delivered = desk.harmonize("v;w;d\n1,5;1.234,56;31.12.2024\n0,25;12,5;01.02.2025\n")

    assert [tuple(row.values()) for row in delivered.rows] == [
        ("1.5", "1234.56", "2024-12-31"),
        ("0.25", "12.5", "2025-02-01"),
    ]


def test_one_moment_written_with_two_offsets_is_one_key(desk: Desk) -> None:
    desk.contract(
        "name: table\nprimaryKey: [at]\nfields:\n"
        "  - {name: at, type: datetime}\n  - {name: n, type: string}\n"
    )
    delivered = desk.harmonize(
        "at,n\n2025-02-15T10:00:00-05:00,a\n2025-02-15T15:00:00Z,a\n2025-02-15T15:00:00.5Z,a\n"
        "2025-03-15T16:00:00+01:00,b\n2025-03-15T15:00:00+00:00,c\n"
    )

    assert delivered.result.counts.duplicate == 1
    assert delivered.reasons == [(4, "n", "key-conflict"), (5, "n", "key-conflict")]
    assert delivered.column("at") == ["2025-02-15T10:00:00-05:00", "2025-02-15T15:00:00.500+00:00"]
