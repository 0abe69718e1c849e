"""Every delivery is held against its own description by frictionless, which knows nothing of us."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ContentError
from tests.unit.harmonizing import Delivered, Desk

EHR = Path(__file__).resolve().parents[1] / "data" / "ehr"
COMMAND = shutil.which("frictionless", path=str(Path(sys.executable).parent))


def package(delivered: Delivered) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((delivered.staging / "datapackage.json").read_text())
    return document


def faults(delivered: Delivered) -> list[str]:
    """What `frictionless validate datapackage.json` finds, in the delivery's own folder."""
    assert COMMAND is not None
    ended = subprocess.run(
        [COMMAND, "validate", "--json", "datapackage.json"],
        cwd=delivered.staging,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(ended.stdout)
    found = [error["message"] for error in report["errors"]]
    found += [error["message"] for task in report["tasks"] for error in task["errors"]]
    assert (ended.returncode == 0) == (not found) == report["valid"]
    return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
@pytest.mark.parametrize("output_format", ["csv", "parquet"])
def test_frictionless_finds_no_fault_in_a_delivery(
    desk: Desk, name: str, output_format: str
) -> None:
    delivered = desk.harmonize(
        (EHR / f"{name}.csv").read_bytes(), changes="full", output_format=output_format
    )

    assert faults(delivered) == []


TABLE = """
name: table
primaryKey: [id]
uniqueKeys: [[mail]]
missingValues: ["", "N/A"]
fields:
  - {name: id, type: string, constraints: {pattern: "a+|b+", minLength: 1}}
  - {name: mail, type: string, format: email}
  - {name: whole, type: integer, constraints: {minimum: 0}}
  - {name: n, type: number, constraints: {exclusiveMinimum: 0, maximum: 1000000}}
  - {name: yes, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
  - {name: day, type: date, constraints: {minimum: "1900-01-01"}}
  - name: at
    type: datetime
    timezone: Europe/Berlin
    constraints: {minimum: "1900-01-01T00:00:00"}
  - {name: kind, type: string, categories: [{value: X, aliases: [ex]}, {value: Y}]}
  - {name: code, type: string, codes: {set: codes, unknown: keep}}
codesets:
  codes: {one: {aliases: [eins]}, two: {}}
"""
HARD = (
    'id,mail,whole,n,yes,day,at,kind,code,"Note, ""x"" '
    'and\nmore",record,,Job\n'
    'aaa,"a+b@x-y.example.org",007,"1,234.50",yes,13.02.2025,2025-02-13 10:00:00,ex,eins,'
    '"=1+1",r,,\n'
    "bb,O'Brien@x.org,12.0,0.10,no,14.02.2025,2025-07-14T09:30:15.5Z,Y,other,\"a;b\nc\",,' x,\n"
    "b,,N/A,5e3,N/A,15.02.2025,,X,,,,,\n"
    'ab,,-1,0,maybe,30.02.2025,2025-03-30 02:30:00,Z,,"\t",-1,,\n'
    "short,row\n"
) + "".join(
    f"{'a' * n},,{n},{n}.50,yes,{n % 28 + 1:02d}.03.2025,,X,one,,,,\n" for n in range(4, 260)
)


@pytest.mark.slow
def test_frictionless_finds_no_fault_in_hard_cells_and_headers(desk: Desk) -> None:
    desk.contract(TABLE)
    delivered = desk.harmonize(HARD, changes="full")

    assert delivered.result.counts.written == 259
    assert {one["path"] for one in package(delivered)["resources"]} == {
        *("table.csv", "rescued.csv", "changes.csv", "rejects.csv"),
    }
    assert faults(delivered) == []


@pytest.mark.slow
def test_frictionless_sees_when_a_delivery_was_touched(desk: Desk) -> None:
    desk.contract(TABLE)
    delivered = desk.harmonize(HARD)
    data = delivered.staging / "table.csv"
    data.write_text(data.read_text().replace("aaa,", "xyz,").replace(",X,", ",Q,"))
    found = " ".join(faults(delivered))

    assert "pattern" in found
    assert "enum" in found


def test_a_package_describes_each_file_with_hash_and_size(desk: Desk) -> None:
    delivered = desk.harmonize((EHR / "patients.csv").read_bytes())

    for resource in package(delivered)["resources"]:
        content = (delivered.staging / resource["path"]).read_bytes()
        assert resource["bytes"] == len(content)
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_codes_are_told_as_enum_and_nothing_else_means_no_value(desk: Desk) -> None:
    schema = package(desk.contract(TABLE).harmonize(HARD))["resources"][0]["schema"]
    fields = {field["name"]: field for field in schema["fields"]}

    assert fields["kind"]["constraints"]["enum"] == ["X", "Y"]
    assert "constraints" not in fields["code"]  # unknown codes are kept there
    assert fields["id"]["constraints"]["pattern"] == "(?:a+|b+)"
    assert (schema["missingValues"], schema["fieldsMatch"]) == ([""], "equal")
    assert schema["$schema"] == "https://datapackage.org/profiles/2.0/tableschema.json"


def test_a_row_of_nothing_but_missing_words_is_no_row(desk: Desk) -> None:
    desk.contract(
        "name: table\nfields:\n  - {name: a, type: string}\n  - {name: b, type: string}\n"
    )
    delivered = desk.harmonize("a,b\nx,y\nN/A,-\n,z\n")

    assert delivered.column("b") == ["y", "z"]
    assert delivered.reasons == [(2, "", "blank-row")]


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@pytest.mark.slow
@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_any_text_makes_a_valid_package(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.contract(
        "name: table\nfields:\n  - {name: id, type: string, constraints: {required: true}}\n"
        "  - {name: text, type: string}\n"
    )
    quoted = "".join(
        ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) + "\n" for row in rows
    )
    good = "".join(f"key {number},some words\n" for number in range(9))
    content = f"id,text\n{good}{quoted}"
    try:
        if desk.plan(content).questions:  # text that was damaged before is asked about
            return
        delivered = desk.harmonize(content)
    except ContentError:
        return
    assert faults(delivered) == []
