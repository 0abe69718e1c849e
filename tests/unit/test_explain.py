from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import Refused
from daemon.explaining import explain_row
from tests.support import World

HEADER = "patient_id,last_name,first_name,date_of_birth,gender\n"
ROWS = [f"P{number:03d},Lee,Ann,{13 + number % 15}/02/1980,F\n" for number in range(1, 101)]
LABS = "patient_id,test,collected_at,result,units\n" + "".join(
    f"P{number:03d},Glucose,2025-03-{number % 28 + 1:02d} 10:00,{number % 5 + 4}.5,mmol/L\n"
    for number in range(1, 61)
)


def served(world: World, content: str, name: str = "monday.csv") -> World:
    world.drop(name, content)
    world.run_until_idle()
    return world


def told(world: World, record: int, job: int = 1, field: str | None = None) -> dict[str, Any]:
    return explain_row(world.settings, job, record, field)


def field(answer: dict[str, Any], name: str, row: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in answer["rows"][row]["fields"] if one["field"] == name
    )
    return found


def steps(answer: dict[str, Any], name: str, row: int = 0) -> str:
    return json.dumps(field(answer, name, row)["steps"], ensure_ascii=False)


def test_a_delivered_row_is_led_back_to_its_cells(world: World) -> None:
    answer = told(served(world, HEADER + "".join(ROWS)), 17)

    assert (answer["outcome"], answer["record"], answer["line"]) == ("delivered", 17, 18)
    assert answer["raw"] == ROWS[16].strip()
    born = field(answer, "birth_date")
    assert (born["cell"], born["value"]) == ("15/02/1980", "1980-02-15")
    assert "are day-month-year" in steps(answer, "birth_date")
    assert "“F” is one of the names of female" in steps(answer, "sex")


def test_a_unit_conversion_says_from_what_to_what(world: World) -> None:
    answer = told(served(world, LABS), 1)

    assert field(answer, "value")["value"] == "99.1"
    assert "written in mmol/L (5.5); lab_results keeps it in mg/dL" in steps(answer, "value")


def test_a_rejected_row_says_each_reason(world: World) -> None:
    answer = told(served(world, HEADER + "".join(ROWS) + "P200,Lee,Ann,31/02/1980,F\n"), 101)

    assert answer["outcome"] == "rejected"
    assert answer["why"] == ["birth_date: The date is not in the calendar. [impossible-date]"]


def test_a_record_without_the_tables_shape_is_shown_as_it_stood(world: World) -> None:
    answer = told(served(world, HEADER + "".join(ROWS) + "P200,Lee\n"), 101)

    assert (answer["outcome"], answer["raw"]) == ("rejected", "P200,Lee")


def test_two_persons_under_one_key_name_each_other(world: World) -> None:
    content = HEADER + "".join(ROWS) + "P007,Poe,Al,13/02/1980,M\n"
    answer = told(served(world, content), 7)

    assert (answer["outcome"], answer["same_key"]) == ("rejected", [101])
    assert "differ in family_name" in answer["why"][0]


def test_a_duplicate_names_the_row_that_was_delivered(world: World) -> None:
    answer = told(served(world, HEADER + "".join(ROWS) + ROWS[4]), 101)

    assert (answer["outcome"], answer["same_key"]) == ("duplicate", [5])


def test_blank_lines_are_left_out(world: World) -> None:
    answer = told(served(world, HEADER + "".join(ROWS[:50]) + "\n" + "".join(ROWS[50:])), 51)

    assert answer["outcome"] == "skipped"


def test_one_record_may_have_become_several_rows(world: World) -> None:
    rows = "".join(
        f"P{number:03d},2025-03-{number % 28 + 1:02d} 10:00,Blood Pressure,120/80,mmHg\n"
        for number in range(1, 61)
    )
    answer = told(served(world, "patient_id,observed_at,vital,value,unit\n" + rows), 3)

    assert [field(answer, "value", row)["value"] for row in (0, 1)] == ["120", "80"]
    assert [field(answer, "vital", row)["value"] for row in (0, 1)] == ["systolic", "diastolic"]
    assert "made several rows" in steps(answer, "vital")


def test_a_wide_file_is_led_back_to_its_own_columns(world: World) -> None:
    rows = "".join(
        f"P{number:03d},2025-03-{number % 28 + 1:02d} 10:00,{60 + number % 30},98.6\n"
        for number in range(1, 61)
    )
    answer = told(served(world, "patient_id,observed_at,hr,temp_f\n" + rows), 3)

    temperature = field(answer, "value", row=1)
    assert (temperature["column"], temperature["position"], temperature["cell"]) == (
        "temp_f",
        4,
        "98.6",
    )
    assert "its heading says that it is body_temperature" in steps(answer, "value", row=1)
    assert "written in F (98.6)" in steps(answer, "value", row=1)
    assert "the heading “temp_f”" in steps(answer, "unit", row=1)
    assert "the heading “hr” does not name it" in steps(answer, "unit", row=0)


LONG_TO_WIDE = """
name: obs
primaryKey: [pid, day]
duplicates: {survivorship: merge}
pivot: {codes: [sign], values: [reading], units: [unit]}
fields:
  - {name: pid, type: string}
  - {name: day, type: date}
  - {name: hr, type: number, unit: {from: hr_unit, to: /min}}
  - {name: hr_unit, type: string, semantic: ucum-unit}
  - {name: rr, type: number, unit: {from: rr_unit, to: /min}}
  - {name: rr_unit, type: string, semantic: ucum-unit}
"""


def test_rows_that_became_one_tell_what_each_of_them_gave(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "obs.contract.yaml").write_text(LONG_TO_WIDE, encoding="utf-8")
    world = World(tmp_path / "root", contracts=str(contracts))
    rows = "".join(
        f"P{number:03d},2025-03-{number % 28 + 1:02d},{sign},/min\n"
        for number in range(1, 31)
        for sign in ("hr,72", "rr,16")
    )
    served(world, "pid,day,sign,reading,unit\n" + rows)
    gave, took = told(world, 4), told(world, 3)
    world.close()

    assert (gave["outcome"], gave["why"]) == (
        "duplicate",
        ["It became one row with record 3, which took over rr, rr_unit."],
    )
    assert field(gave, "rr")["column"] == "reading"
    assert "column “sign” says “rr”" in steps(gave, "rr")
    assert field(took, "rr")["value"] == "16"
    assert "from record 4" in steps(took, "rr")


def test_one_field_is_enough_if_that_is_asked(world: World) -> None:
    served(world, HEADER + "".join(ROWS))
    [row] = told(world, 17, field="sex")["rows"]
    assert [one["field"] for one in row["fields"]] == ["sex"]
    with pytest.raises(Refused, match="no field gender"):
        told(world, 17, field="gender")


def test_rows_of_a_refused_file_are_explained_too(world: World) -> None:
    bad = "".join(f"P{number},Lee,Ann,31/02/1980,F\n" for number in range(200, 260))
    answer = told(served(world, HEADER + "".join(ROWS) + bad), 1)

    assert world.job(1).reason_code == "ROWS_REJECTED"
    assert field(answer, "birth_date")["value"] == "1980-02-14"


def test_corrected_rows_are_explained_by_their_parent(world: World) -> None:
    served(world, HEADER + "".join(ROWS) + "P200,Lee,Ann,31/02/1980,F\n")
    rejects = (world.root / "outbox/patients/monday.j1/rejects.csv").read_text()
    served(world, rejects.replace("'31/02/1980", "28/02/1980"), "rejects.csv")
    answer = told(world, 101, job=2)

    assert (answer["outcome"], field(answer, "birth_date")["cell"]) == ("delivered", "28/02/1980")
    assert told(world, 1, job=2)["why"] == ["It is not among the rows that this file corrects."]


def test_what_cannot_be_explained_says_why(world: World) -> None:
    served(world, HEADER + "".join(ROWS))
    served(world, HEADER + "".join(ROWS), "again.csv")
    served(world, "", "empty.csv")
    for job, record, words in (
        (1, 101, "j1 has no record 101"),
        (2, 1, "same bytes as j1"),
        (9, 1, "There is no job j9"),
    ):
        with pytest.raises(Refused, match=words):
            told(world, record, job=job)
    [papers] = (world.root / "archive").glob("*/j1/monday.csv")
    papers.unlink()
    with pytest.raises(Refused, match="original is not kept any more"):
        told(world, 1)
