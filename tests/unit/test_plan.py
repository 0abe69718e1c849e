from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import ContentError, FileCode
from pipeline.harmonize import plan_file
from pipeline.plan import Plan
from tests.unit.harmonizing import Desk

SAMPLES = Path(__file__).parent.parent / "data" / "ehr"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
def test_a_plan_is_plain_data_that_survives_json(desk: Desk, name: str) -> None:
    plan = desk.plan((SAMPLES / f"{name}.csv").read_bytes())

    assert plan.contract == name
    assert plan.is_settled
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_plan_says_for_each_column_which_field_it_is_and_why(desk: Desk) -> None:
    plan = desk.plan((SAMPLES / "patients.csv").read_bytes())
    born = plan.column_of("birth_date")

    assert born is not None
    assert (born.label, born.position, born.matched, born.kind) == (
        "date_of_birth",
        4,
        "alias",
        "date",
    )
    assert born.confidence == 0.97
    assert born.decision["orders"] == {
        "99-99-9999": "dmy",
        "99/99/9999": "mdy",
        "9999-99-99": "ymd",
    }
    assert "22 of 37" in born.sentences[0]
    assert plan.reading["delimiter"] == ","
    assert plan.records == 100


def test_planning_writes_nothing(desk: Desk) -> None:
    task = desk.task((SAMPLES / "vitals.csv").read_bytes())
    before = sorted(desk.folder.rglob("*"))

    plan_file(task)

    assert sorted(desk.folder.rglob("*")) == before


def test_a_plan_with_questions_is_still_a_plan(desk: Desk) -> None:
    plan = desk.plan("patient_id,last name,dob,Color\nP001,Lee,03/04/1980,red\n")

    assert not plan.is_settled
    assert [question.code for question in plan.questions] == [FileCode.DATE_AMBIGUOUS]
    assert [column.field for column in plan.columns] == ["patient_id", "family_name", "birth_date"]
    assert [(column.label, column.fate) for column in plan.unclaimed] == [("Color", "rescue")]


def test_no_cell_value_is_in_a_plan(desk: Desk) -> None:
    surname = "Zzyzx"
    rows = f"P{surname},{surname},{surname},13/04/1980,{surname},{surname}\n" * 3
    plan = desk.plan(f"patient_id,last name,first name,dob,sex,note\n{rows}")

    assert surname not in json.dumps(plan.to_dict())
    assert surname not in " ".join(plan.sentences())


def test_labels_nobody_claims_stay_out_of_the_sentences(desk: Desk) -> None:
    plan = desk.plan("patient_id,last name,dob,Zzyzx\nP001,Lee,1980-01-13,1\n")

    assert "Zzyzx" not in " ".join(plan.sentences())
    assert "column 4: no field of patients claims it; kept in rescued.csv" in plan.sentences()


def test_a_missing_required_column_is_a_question_when_the_contract_is_given(desk: Desk) -> None:
    plan = desk.plan("patient_id,last name\nP001,Lee\n", contract="patients")

    assert [question.code for question in plan.questions] == [FileCode.REQUIRED_MISSING]
    assert plan.questions[0].column == "birth_date"


def test_a_file_that_fits_no_contract_has_no_plan(desk: Desk) -> None:
    with pytest.raises(ContentError) as caught:
        desk.plan("a,b\n1,2\n")
    assert caught.value.code is FileCode.SCHEMA_UNKNOWN


def births(*dates: str) -> str:
    rows = (f"P{number:03d},Lee,{date}" for number, date in enumerate(dates))
    return "\n".join(["patient_id,last name,dob", *rows]) + "\n"


@pytest.mark.parametrize(
    ("dates", "is_vetoed"),
    [
        (["Springfield"] * 2, True),
        (["Springfield"], False),
        (["Springfield"] * 11 + ["1980-01-13"] * 9, True),
        (["1980-02-30"] * 20, False),
    ],
)
def test_values_veto_a_heading_only_when_they_are_something_else(
    desk: Desk, dates: list[str], is_vetoed: bool
) -> None:
    plan = desk.plan(births(*dates))

    assert [question.code for question in plan.questions] == (
        [FileCode.COLUMN_MISFIT] if is_vetoed else []
    )


def test_swapped_columns_are_vetoed(desk: Desk) -> None:
    plan = desk.plan("patient_id,last name,dob,sex\nP001,Lee,F,1980-01-13\nP002,Ray,M,1981-01-13\n")

    assert {question.code for question in plan.questions} == {FileCode.COLUMN_MISFIT}
    assert {question.column for question in plan.questions} == {"dob", "sex"}


def test_results_in_words_are_no_reason_to_veto_a_result_column(desk: Desk) -> None:
    rows = "".join(f"P{number:03d},urinalysis,2025-01-13 10:00,Negative,\n" for number in range(20))
    plan = desk.plan(f"patient_id,test,collected_at,value,unit\n{rows}")

    assert plan.is_settled


def saturations(*values: str, delimiter: str = ",") -> str:
    lines = [["patient_id", "observed_at", "vital", "value", "unit"]]
    lines += [
        [f"P{number:03d}", "2025-01-13 10:00", "spo2", value, "%"]
        for number, value in enumerate(values)
    ]
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


def test_a_whole_column_of_fractions_is_read_as_percentages(desk: Desk) -> None:
    delivered = desk.harmonize(saturations("0.97", "0.98", "1"))

    assert delivered.column("value") == ["97", "98", "100"]
    assert any("fractions" in sentence for sentence in delivered.result.decisions)


def test_fractions_with_a_decimal_comma_are_read_as_percentages_too(desk: Desk) -> None:
    delivered = desk.harmonize(saturations("0,97", "0,98", "1", delimiter=";"))

    assert delivered.column("value") == ["97", "98", "100"]


def test_one_value_above_one_makes_them_percentages_already(desk: Desk) -> None:
    delivered = desk.harmonize(saturations(*["97"] * 30, "98.5"))

    assert delivered.column("value")[-1] == "98.5"


def test_a_lone_one_is_asked_about(desk: Desk) -> None:
    plan = desk.plan(saturations("1", "1"))

    assert [question.code for question in plan.questions] == [FileCode.UNIT_MISSING]


def test_weights_that_never_name_a_unit_are_asked_about(desk: Desk) -> None:
    plan = desk.plan("patient_id,observed_at,vital,value,unit\nP001,2025-01-13 10:00,weight,150,\n")

    assert [question.code for question in plan.questions] == [FileCode.UNIT_MISSING]


def test_more_unknown_codes_than_the_contract_bears_are_a_question(desk: Desk) -> None:
    desk.contract(
        "name: table\n"
        "fields:\n"
        "  - {name: id, type: string}\n"
        "  - {name: color, type: string, categories: [{value: red}, {value: blue}]}\n"
        "policy: {maxUnknownCodes: 10%}\n"
    )
    rows = "".join(f"{number},{'red' if number % 5 else 'pink'}\n" for number in range(20))

    assert [one.code for one in desk.plan(f"id,color\n{rows}").questions] == [
        FileCode.CODES_UNKNOWN
    ]
