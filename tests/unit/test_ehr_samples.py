"""The mock EHR exports against an oracle that knows nothing of the pipeline.

The oracle reads each source row by itself, in plain Python, with the rules a person would use: in
these files dashes are day-first and slashes month-first, times are those of New York, and a code
is what its whole name says. Every cell of every delivered row is compared with it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.contract.loading import BUILT_IN
from pipeline.harmonize import harmonize_file
from pipeline.messages import HarmonizeResult, HarmonizeTask

SAMPLES = Path(__file__).parent.parent / "data" / "ehr"
NOW_S = datetime(2026, 11, 21, tzinfo=ZoneInfo("UTC")).timestamp()
NEW_YORK = ZoneInfo("America/New_York")

Row = dict[str, str]


@dataclass(frozen=True)
class Delivered:
    """What came out for one sample."""

    source: list[Row]
    rows: list[Row]
    rejects: list[Row]
    result: HarmonizeResult
    report: dict[str, Any]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def deliver(name: str, staging: Path) -> Delivered:
    source = SAMPLES / f"{name}.csv"
    result = harmonize_file(
        HarmonizeTask(
            source=str(source),
            staging_dir=str(staging),
            contracts_dir=str(BUILT_IN),
            job="j1",
            now_s=NOW_S,
        )
    )
    assert result.contract == name
    assert result.counts.adds_up
    return Delivered(
        source=read(source),
        rows=read(staging / f"{name}.csv"),
        rejects=read(staging / "rejects.csv"),
        result=result,
        report=json.loads((staging / "report.json").read_text()),
    )


@pytest.fixture
def patients(tmp_path: Path) -> Delivered:
    return deliver("patients", tmp_path)


@pytest.fixture
def labs(tmp_path: Path) -> Delivered:
    return deliver("lab_results", tmp_path)


@pytest.fixture
def medications(tmp_path: Path) -> Delivered:
    return deliver("medications", tmp_path)


@pytest.fixture
def vitals(tmp_path: Path) -> Delivered:
    return deliver("vitals", tmp_path)


def true_date(text: str) -> str:
    form = {"-": "%d-%m-%Y", "/": "%m/%d/%Y"}[text[2]] if text[2] in "-/" else "%Y-%m-%d"
    return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007


def true_time(text: str) -> str:
    if not text:
        return ""
    for form in ("%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M", "%Y-%m-%d %H:%M:%S"):
        try:
            local = datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
        return local.replace(tzinfo=NEW_YORK).isoformat()
    raise AssertionError(text)


SEX = {
    **dict.fromkeys(["m", "male"], "male"),
    **dict.fromkeys(["f", "female"], "female"),
    **dict.fromkeys(["o", "other", "nb", "non-binary"], "other"),
    **dict.fromkeys(["u", "unknown"], "unknown"),
}
MARITAL = {"Widowed": "W", "Divorced": "D", "Single": "S", "Unknown": "U", "Married": "M"}
MARITAL["Separated"] = "A"


def true_patient(row: Row) -> Row:
    digits = "".join(sign for sign in row["phone_number"] if sign.isdigit())
    return {
        "patient_id": row["patient_id"],
        "family_name": row["last_name"],
        "given_name": row["first_name"],
        "middle_name": row["middle_name"],
        "birth_date": true_date(row["date_of_birth"]),
        "death_date": "",
        "sex": SEX[row["gender"].lower()],
        "address_line": row["address"],
        "city": row["city"],
        "state": row["state"],
        "postal_code": row["zip_code"],
        "phone": f"+1{digits}" if digits else "",
        "email": row["email"],
        "blood_type": row["blood_type"],
        "race": row["race"],
        "ethnicity": row["ethnicity"],
        "marital_status": MARITAL[row["marital_status"]],
        "insurance_type": row["insurance_type"],
        "insurance_id": row["insurance_id"],
        "provider_name": row["primary_care_provider"].strip(),
        "provider_id": row["provider_id"],
    }


def test_every_patient_that_is_one_person_is_delivered_cell_by_cell_right(
    patients: Delivered,
) -> None:
    shared = {
        id_
        for id_, count in Counter(row["patient_id"] for row in patients.source).items()
        if count > 1
    }

    assert patients.rows == [
        true_patient(row) for row in patients.source if row["patient_id"] not in shared
    ]
    assert len(patients.rows) == 86


def test_two_persons_under_one_number_are_both_kept_out(patients: Delivered) -> None:
    counted = Counter(row["patient_id"] for row in patients.source)
    expected = [
        (number, number + 1)
        for number, row in enumerate(patients.source, start=1)
        if counted[row["patient_id"]] > 1
    ]

    assert [(int(one["record"]), int(one["line"])) for one in patients.rejects] == expected
    assert {one["code"] for one in patients.rejects} == {"key-conflict"}
    assert patients.result.rejects == {"key-conflict": 14}
    lines = (SAMPLES / "patients.csv").read_text().splitlines()
    assert [one["raw"] for one in patients.rejects] == [lines[line - 1] for _, line in expected]


def test_dashes_are_day_first_and_slashes_month_first_in_one_column(patients: Delivered) -> None:
    delivered = {row["patient_id"]: row["birth_date"] for row in patients.rows}

    assert delivered["260146"] == "1952-09-04"  # 04-09-1952
    assert delivered["P70008"] == "1999-04-03"  # 03-04-1999
    assert delivered["789398"] == "1978-02-09"  # 02/09/1978


TESTS = {
    "thyroid stimulating hormone": "thyroid_stimulating_hormone",
    "comprehensive metabolic panel": "comprehensive_metabolic_panel",
    "hemoglobin a1c": "hba1c",
    "prothrombin time": "prothrombin_time",
    "complete blood count": "complete_blood_count",
    "blood glucose": "glucose",
    "lipid panel": "lipid_panel",
    "liver function tests": "liver_function_tests",
    "basic metabolic panel": "basic_metabolic_panel",
    "urinalysis": "urinalysis",
}
ANALYTES = {"thyroid_stimulating_hormone", "hba1c", "prothrombin_time", "glucose"}
LAB_UNITS = {
    "": "",
    "mIU/L": "m[iU]/L",
    "cells/μL": "/uL",
    "mg/dL": "mg/dL",
    "U/L": "U/L",
    "mmol/L": "mmol/L",
    "sec": "s",
    "%": "%",
}
FLAGS = {"Normal": "N", "N": "N", "High": "H", "H": "H", "Abnormal": "A", "Low": "L"}


def true_lab(row: Row) -> Row:
    is_number = row["result_value"].replace(".", "", 1).isdigit()
    low, dash, high = row["reference_range"].partition("-")
    if row["reference_range"].startswith("<"):
        low, dash, high = "", "<", row["reference_range"].removeprefix("<")
    return {
        "patient_id": row["patient_id"],
        "test": TESTS[row["test_name"].lower()],
        "collected_at": true_time(row["test_date"]),
        "value": row["result_value"] if is_number else "",
        "comparator": "",
        "value_text": "" if is_number else row["result_value"],
        "reference_range": row["reference_range"],
        "range_low": low if dash else "",
        "range_high": high if dash else "",
        "range_text": "" if dash else row["reference_range"],
        "interpretation": FLAGS[row["abnormal_flag"]],
        "status": "",
        "ordering_provider": row["ordering_provider"],
        "value_raw": row["result_value"],
        "unit_raw": row["unit"],
    }


def needs_a_unit(row: Row) -> bool:
    return TESTS[row["test_name"].lower()] in ANALYTES and not row["unit"]


def test_every_lab_result_keeps_its_test_its_time_and_its_digits(labs: Delivered) -> None:
    expected = [true_lab(row) for row in labs.source if not needs_a_unit(row)]
    delivered = [{name: row[name] for name in expected[0]} for row in labs.rows]

    assert delivered == expected
    assert len(delivered) == 388


def test_lab_units_are_written_in_ucum_and_no_value_is_converted(labs: Delivered) -> None:
    sources = [row for row in labs.source if not needs_a_unit(row)]
    seen = {(source["unit"], row["unit"]) for source, row in zip(sources, labs.rows, strict=True)}

    assert seen == {
        *LAB_UNITS.items(),
    }


def test_an_analyte_without_its_unit_is_kept_out_and_a_panel_is_not(labs: Delivered) -> None:
    missing = [number for number, row in enumerate(labs.source, 1) if needs_a_unit(row)]

    assert [int(one["record"]) for one in labs.rejects] == missing
    assert len(missing) == 12
    assert {(one["field"], one["code"]) for one in labs.rejects} == {("value", "unit-missing")}
    panels = sum(row["test"] not in ANALYTES for row in labs.rows)
    assert labs.result.warnings["panel-result"] == panels


def test_urinalysis_stays_urinalysis(labs: Delivered) -> None:
    results = {row["value_text"] for row in labs.rows if row["test"] == "urinalysis"}

    assert results == {"Negative", "Positive", "Trace", "+1", "+2", "+3"}
    assert all(row["test"] == "urinalysis" for row in labs.rows if row["value_text"])


FREQUENCIES = {
    "Every evening": "PM",
    "As needed": "",
    "Monthly": "MO",
    "Twice daily": "BID",
    "Weekly": "WK",
    "Every morning": "AM",
    "Three times daily": "TID",
    "Four times daily": "QID",
    "Once daily": "QD",
    **{code: code for code in ("BID", "TID", "QD", "QID")},
}


def true_medication(row: Row) -> Row:
    return {
        "patient_id": row["patient_id"],
        "medication": row["medication_name"],
        "dose_value": row["dosage"].removesuffix("mg"),
        "dose_unit": "mg",
        "frequency": FREQUENCIES[row["frequency"]],
        "as_needed": "true" if row["frequency"] == "As needed" else "",
        "instructions": "",
        "route": "",
        "start_date": true_time(row["start_date"]),
        "end_date": true_time(row["end_date"]),
        "prescriber_id": row["prescriber_id"],
    }


def test_every_prescription_is_delivered_cell_by_cell_right(medications: Delivered) -> None:
    assert medications.rows == [true_medication(row) for row in medications.source]
    assert medications.rejects == []


SIGNS = {
    "Height": "body_height",
    "Weight": "body_weight",
    **dict.fromkeys(["Oxygen Saturation", "O2 Sat"], "oxygen_saturation"),
    **dict.fromkeys(["Heart Rate", "HR"], "heart_rate"),
    **dict.fromkeys(["Respiratory Rate", "RR"], "respiratory_rate"),
    **dict.fromkeys(["Temperature", "Temp"], "body_temperature"),
}
VITAL_UNITS = {"cm": "cm", "%": "%", "bpm": "/min", "mmHg": "mm[Hg]", "breaths/min": "/min"}
VITAL_UNITS |= {"kg": "kg", "°C": "Cel"}


def true_vitals(row: Row) -> list[Row]:
    values = {SIGNS.get(row["vital_type"], ""): row["vital_value"]}
    if row["vital_type"] in ("Blood Pressure", "BP"):
        values = dict(zip(("systolic", "diastolic"), row["vital_value"].split("/"), strict=True))
    return [
        {
            "patient_id": row["patient_id"],
            "observed_at": true_time(row["observation_datetime"]),
            "vital": sign,
            "value": value,
            "unit": VITAL_UNITS[row["unit"]],
            "provider_id": row["provider_id"],
        }
        for sign, value in values.items()
    ]


def test_every_vital_sign_is_one_row_and_right(vitals: Delivered) -> None:
    assert vitals.rows == [row for source in vitals.source for row in true_vitals(source)]
    assert len(vitals.source) == 500
    assert vitals.result.counts.added == 75
    assert len(vitals.rows) == 575
    assert vitals.rejects == []


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
def test_the_report_counts_what_the_files_hold(name: str, tmp_path: Path) -> None:
    delivered = deliver(name, tmp_path)
    counts = delivered.report["counts"]

    assert counts["rows_read"] == len(delivered.source)
    assert counts["rows_written"] == len(delivered.rows)
    assert counts["rows_rejected"] == len({row["record"] for row in delivered.rejects})
    for column in delivered.report["columns"]:
        filled = sum(row[column["field"]] != "" for row in delivered.rows)
        assert (column["valid"], column["null"]) == (filled, len(delivered.rows) - filled)
