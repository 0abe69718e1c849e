"""Wide files into long tables and long files into wide ones: every record accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.contract.loading import ContractError
from pipeline.errors import FileCode
from pipeline.plan import Plan
from tests.unit.harmonizing import Desk

HEAD = "patient_id,observed_at,heart_rate,sbp (mmHg),dbp (mm[Hg]),temp_f,SpO2 (%),Weight [kg]\n"
AT = "2025-01-13 08:00"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def many(rows: int) -> str:
    return "".join(f"Q{n:03},{AT},72,120,80,98.6,98,80\n" for n in range(rows))


def test_a_wide_vitals_file_becomes_a_row_for_each_value(desk: Desk) -> None:
    done = desk.harmonize(HEAD + f"P001,{AT},72,120,80,98.6,97,70.5\n")
    assert done.result.contract == "vitals"
    assert [(row["vital"], row["value"], row["unit"]) for row in done.rows] == [
        ("heart_rate", "72", "/min"),
        ("systolic", "120", "mm[Hg]"),
        ("diastolic", "80", "mm[Hg]"),
        ("body_temperature", "37.0", "Cel"),
        ("oxygen_saturation", "97", "%"),
        ("body_weight", "70.5", "kg"),
    ]
    assert {row["patient_id"] for row in done.rows} == {"P001"}


def test_records_and_rows_add_up(desk: Desk) -> None:
    done = desk.harmonize(HEAD + f"P001,{AT},72,,,98.6,,\nP002,{AT},,,,,,\nP003,{AT},-,,,,,80\n")
    counts = done.result.counts
    assert (counts.read, counts.added, counts.written, counts.skipped) == (3, 1, 3, 1)
    assert counts.adds_up
    assert done.report["counts"]["skipped_because"] == {"no-values": 1}
    assert done.report["plan"]["records"] == 3


def test_a_record_with_one_bad_value_is_kept_out_whole_and_its_column_is_named(desk: Desk) -> None:
    done = desk.harmonize(HEAD + many(20) + f"P003,{AT},72,120,80,abc,97,70\n")
    [reject] = done.rejects
    assert (reject["record"], reject["field"], reject["code"]) == ("21", "value", "type-error")
    assert reject["sentence"].endswith("It stands in the column temp_f.")
    assert reject["raw"] == f"P003,{AT},72,120,80,abc,97,70"
    assert "P003" not in done.column("patient_id")
    assert (done.result.counts.rejected, done.result.counts.adds_up) == (1, True)


def test_two_records_that_contradict_each_other_are_kept_out_whole(desk: Desk) -> None:
    done = desk.harmonize(
        HEAD
        + many(40)
        + f"P1,{AT},72,,,98.6,,\n".replace("P1", "P001")
        + f"P001,{AT},73,,,98.6,,\n"
    )
    assert [record for record, _, _ in done.reasons] == [41, 42]
    assert {code for _, _, code in done.reasons} == {"key-conflict"}
    assert "P001" not in done.column("patient_id")
    assert done.result.counts.adds_up


def test_a_blood_pressure_column_is_split_on_top_of_it(desk: Desk) -> None:
    done = desk.harmonize(f"patient_id,observed_at,bp (mmHg)\nP001,{AT},120/80\n")
    assert [(row["vital"], row["value"]) for row in done.rows] == [
        ("systolic", "120"),
        ("diastolic", "80"),
    ]
    assert done.result.counts.added == 1


@pytest.mark.parametrize(
    "content",
    [
        "patient_id,observed_at,vital,value\n"
        + "".join(f"P{n:03},{AT},BP,120/80\n" for n in range(9)),
        "patient_id,observed_at,bp\n" + "".join(f"P{n:03},{AT},120/80\n" for n in range(9)),
    ],
)
def test_two_pressures_in_one_cell_without_a_unit_are_asked_about(desk: Desk, content: str) -> None:
    plan = desk.plan(content)
    assert {question.code for question in plan.questions} == {FileCode.UNIT_MISSING}


def test_other_columns_are_rescued_once_a_record(desk: Desk) -> None:
    done = desk.harmonize(f"patient_id,observed_at,hr,temp,note\nP001,{AT},72,37.1,hello\n")
    rescued = (done.staging / "rescued.csv").read_text(encoding="utf-8")
    assert rescued == "record,line,column,value\n1,2,note,hello\n"
    assert [one["label"] for one in done.report["unclaimed_columns"]] == ["note"]


def test_the_plan_says_what_was_done_and_survives_json(desk: Desk) -> None:
    plan = desk.plan(HEAD + many(1))
    assert plan.reading["reshaped"]["columns"]["sbp (mmHg)"] == "systolic"
    assert plan.reading["reshaped"]["units"]["temp_f"] == "F"
    assert any("temp_f (body_temperature)" in sentence for sentence in plan.sentences())
    assert Plan.from_dict(plan.to_dict()) == plan


def test_a_unit_the_heading_does_not_name_is_asked_not_guessed(desk: Desk) -> None:
    plan = desk.plan(f"patient_id,observed_at,weight\nP001,{AT},70\n")
    assert [question.code for question in plan.questions] == [FileCode.UNIT_MISSING]


def test_parts_of_names_are_no_codes(desk: Desk) -> None:
    plan = desk.plan(
        f"patient_id,observed_at,temp site,weight change\nP001,{AT},oral,up\n", contract="vitals"
    )
    assert "reshaped" not in plan.reading
    assert FileCode.REQUIRED_MISSING in {question.code for question in plan.questions}


def test_two_columns_of_one_code_are_a_conflict(desk: Desk) -> None:
    refused, _ = desk.refuse(f"patient_id,observed_at,temp,temperature\nP001,{AT},37,37\n")
    assert refused.code is FileCode.COLUMN_CONFLICT
    assert "columns 3 and 4" in refused.note


def test_a_long_file_is_left_as_it_is(desk: Desk) -> None:
    plan = desk.plan(f"patient_id,observed_at,vital,value,unit,hr\nP001,{AT},hr,72,/min,1\n")
    assert "reshaped" not in plan.reading
    assert [column.label for column in plan.unclaimed] == ["hr"]


def test_wide_laboratory_files_too(desk: Desk) -> None:
    done = desk.harmonize(
        "patient_id,collected_at,Glucose (mg/dL),sodium [mmol/L]\n"
        f"P001,{AT},90,140\nP002,{AT},<5,\n"
    )
    assert done.result.contract == "lab_results"
    assert [(row["test"], row["comparator"], row["value"]) for row in done.rows] == [
        ("glucose", "", "90"),
        ("sodium", "", "140"),
        ("glucose", "<", "5"),
    ]


def test_years_as_headings_get_an_offer_in_words(desk: Desk) -> None:
    """Hazard B35."""
    refused, _ = desk.refuse("patient_id,2021,2022,2023\nP001,1,2,3\n")
    assert "unpivot the table" in refused.details[-1]
    assert "columns 2, 3, 4" in refused.details[-1]


WIDE = """
name: obs
primaryKey: [pid, day]
duplicates: {survivorship: merge}
pivot: {codes: [sign, vital], values: [reading], units: [unit]}
fields:
  - {name: pid, type: string}
  - {name: day, type: date}
  - {name: heart_rate, type: number, aliases: [hr]}
  - {name: temp, type: number, unit: {from: temp_unit, to: Cel}}
  - {name: temp_unit, type: string, semantic: ucum-unit}
  - {name: sys, type: number}
  - {name: dia, type: number}
checks: [{id: order, formula: sys > dia, message: systolic is above diastolic}]
"""
LONG = "pid,day,sign,reading,unit\n"


def long(rows: Iterable[tuple[str, str, str, str]]) -> str:
    return LONG + "".join(f"{pid},2025-01-13,{sign},{n},{unit}\n" for pid, sign, n, unit in rows)


def test_a_long_file_becomes_a_wide_table(desk: Desk) -> None:
    done = desk.contract(WIDE).harmonize(
        long([("P1", "HR", "72", ""), ("P2", "hr", "80", ""), ("P1", "temp", "98.6", "[degF]")])
    )
    assert sorted((row["pid"], row["heart_rate"], row["temp"]) for row in done.rows) == [
        ("P1", "72", "37.0"),
        ("P2", "80", ""),
    ]
    counts = done.result.counts
    assert (counts.read, counts.written, counts.duplicate) == (3, 2, 1)
    assert counts.adds_up
    assert any("names the field" in sentence for sentence in done.result.decisions)


def test_two_values_for_one_cell_are_not_believed(desk: Desk) -> None:
    done = desk.contract(WIDE).harmonize(
        long([("P1", "hr", "72", ""), ("P1", "hr", "73", ""), ("P2", "hr", "80", "")])
    )
    assert done.column("pid") == ["P2"]
    assert [record for record, _, _ in done.reasons] == [1, 2]


def test_rules_over_several_fields_are_asked_of_what_came_together(desk: Desk) -> None:
    done = desk.contract(WIDE).harmonize(
        long(
            [
                ("P1", "sys", "80", ""),
                ("P1", "dia", "120", ""),
                ("P2", "sys", "120", ""),
                ("P2", "dia", "80", ""),
            ]
        )
    )
    assert [(row["pid"], row["sys"], row["dia"]) for row in done.rows] == [("P2", "120", "80")]
    assert [code for _, _, code in done.reasons] == ["row-constraint", "row-constraint"]
    assert "systolic is above diastolic" in done.rejects[0]["sentence"]
    assert done.result.counts.adds_up


def test_the_same_holds_for_any_rows_that_are_merged(desk: Desk) -> None:
    desk.contract("""
name: stays
primaryKey: [id]
duplicates: {survivorship: most_complete}
fields:
  - {name: id, type: string}
  - {name: begun, type: date}
  - {name: ended, type: date}
checks: [{id: order, formula: ended >= begun}]
""")
    done = desk.harmonize(
        "id,begun,ended\n1,2025-01-20,\n1,,2025-01-13\n2,2025-01-13,\n2,,2025-01-20\n"
    )
    assert [(row["id"], row["begun"], row["ended"]) for row in done.rows] == [
        ("2", "2025-01-13", "2025-01-20")
    ]
    assert [record for record, _, _ in done.reasons] == [1, 2]


def test_a_code_that_names_no_field_is_a_reject(desk: Desk) -> None:
    done = desk.contract(WIDE).harmonize(long([("P1", "hr", "72", ""), ("P2", "foo", "1", "")]))
    assert done.reasons == [(2, "", "code-unknown")]
    assert done.column("pid") == ["P1"]


def test_a_wide_file_is_left_as_it_is(desk: Desk) -> None:
    done = desk.contract(WIDE).harmonize("pid,day,hr,sys,dia\nP1,2025-01-13,72,120,80\n")
    assert "reshaped" not in done.report["plan"]["reading"]
    assert [row["sys"] for row in done.rows] == ["120"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("unpivot: {codes: nobody, values: b}", "'nobody', which is no field"),
        ("unpivot: {codes: a, values: b}", "'a' has no code set"),
        ("pivot: {codes: [x], values: [y]}", "needs a primaryKey"),
        ("primaryKey: [a]\npivot: {codes: [x], values: [y]}", "needs duplicates.survivorship"),
        ("unpivot: {code: a, values: b}", "did you mean 'codes'"),
    ],
)
def test_mistakes_in_a_contract_are_told_when_it_is_loaded(
    desk: Desk, words: str, complaint: str
) -> None:
    fields = "fields: [{name: a, type: string}, {name: b, type: string}]"
    desk.contract(f"name: t\n{words}\n{fields}\n")
    with pytest.raises(ContractError) as refused:
        desk.harmonize("a,b\n1,2\n")
    assert complaint in " ".join(refused.value.details)
