from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.outputs.changes import REASONS
from tests.unit.harmonizing import Desk, Row, read

ROOT = Path(__file__).resolve().parents[2]
TABLE = """
name: table
primaryKey: [id]
missingValues: ["", "N/A"]
fields:
  - {name: id, type: string}
  - {name: day, type: date}
  - {name: n, type: number}
  - {name: secret, type: string}
duplicates: {survivorship: merge}
privacy: {restricted: [secret]}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path).contract(TABLE)


def changes(desk: Desk, content: str) -> list[Row]:
    return read(desk.harmonize(content, changes="full").staging / "changes.csv")


def test_each_changed_cell_is_told_with_its_reason(desk: Desk) -> None:
    found = changes(desk, "id,day,n,secret\n1,13/02/2025, 5 ,x\n2,14/02/2025,N/A,y\n")

    assert [tuple(row.values()) for row in found] == [
        ("1", "2", "day", "CONVERTED", "date-reformatted", "13/02/2025", "2025-02-13"),
        ("1", "2", "n", "CLEANED", "trimmed", " 5 ", "5"),
        ("2", "3", "day", "CONVERTED", "date-reformatted", "14/02/2025", "2025-02-14"),
        ("2", "3", "n", "NULLED", "missing-word", "N/A", ""),
    ]


def test_a_cell_with_several_changes_stands_on_one_line(desk: Desk) -> None:
    [row] = changes(desk, 'id,day,n,secret\n1,2025-02-13,"  N/A ",x\n')

    assert (row["change"], row["reason"]) == ("CLEANED NULLED", "trimmed missing-word")


def test_what_a_row_took_over_from_another_is_told(desk: Desk) -> None:
    found = changes(desk, "id,day,n,secret\n1,2025-02-13,,\n1,,5,\n")

    assert [(row["field"], row["change"], row["after"]) for row in found] == [("n", "FILLED", "5")]


def test_only_delivered_rows_are_told(desk: Desk) -> None:
    content = "id,day,n,secret\n1,13/02/2025,1,\n2,14/02/2025,x,\n1,13/02/2025,1,\n"
    more = "".join(f"{number},15/02/2025,2,\n" for number in range(3, 9))

    assert {row["record"] for row in changes(desk, content + more)} == {"1", *"456789"}


def test_values_of_restricted_fields_stay_in_the_data(desk: Desk) -> None:
    [row] = changes(desk, "id,day,n,secret\n1,,, canary \n")

    assert (row["field"], row["before"], row["after"]) == ("secret", "", "")


def test_counted_changes_stand_in_the_report_and_in_no_file(desk: Desk) -> None:
    delivered = desk.harmonize("id,day,n,secret\n1,13/02/2025,N/A,x\n2,14/02/2025,5,y\n")

    assert not (delivered.staging / "changes.csv").exists()
    assert delivered.report["changes"] == [
        {"field": "day", "change": "CONVERTED", "reason": "date-reformatted", "cells": 2},
        {"field": "n", "change": "NULLED", "reason": "missing-word", "cells": 1},
    ]


def test_a_change_that_is_told_can_be_counted_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for name in ("patients", "lab_results", "medications", "vitals"):
        content = (ROOT / "tests" / "data" / "ehr" / f"{name}.csv").read_bytes()
        delivered = desk.harmonize(content, changes="full")
        told = sum(len(row["reason"].split()) for row in read(delivered.staging / "changes.csv"))
        assert told > 0
        fields = {column["field"] for column in delivered.report["columns"] if column["changed"]}
        assert {row["field"] for row in read(delivered.staging / "changes.csv")} <= fields


def test_every_reason_has_its_words() -> None:
    noted = re.compile(r'(?:_note|_deliver)\([^)]*"([a-z]+(?:-[a-z]+)+)"')
    masks = re.compile(r"^ +([a-z]+(?:_[a-z]+)+)=\w", re.M)
    found: set[str] = set()
    for path in (ROOT / "pipeline" / "standardize").glob("*.py"):
        text = path.read_text()
        for call in re.findall(r"changed=(\{[^}]*\})", text):
            found |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', call))
        found |= set(noted.findall(text))
        for call in re.findall(r"changed=where\((.*?)\n        \)", text, re.S):
            found |= {name.replace("_", "-") for name in masks.findall(call)}
    assert {"date-reformatted", "boolean-mapped", "unit-converted"} <= found
    assert found <= set(REASONS)


def test_changes_survive_any_cell(desk: Desk) -> None:
    [row] = [
        row
        for row in changes(desk, 'id,day,n,secret\n" =1+1,""x""\n",,,\n')
        if row["field"] == "id"
    ]
    assert row["before"] == ' =1+1,"x"\n'
