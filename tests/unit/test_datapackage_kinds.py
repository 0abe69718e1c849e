"""Each kind of delivery is held against its own description by frictionless."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.harmonize import harmonize_file
from tests.unit.harmonizing import Delivered, Desk
from tests.unit.test_corrected import Parent, patients
from tests.unit.test_explain import LONG_TO_WIDE

pytestmark = pytest.mark.slow
HEADER = "patient_id,last name,first name,dob,email,phone"
GOOD = [f"P{number:03d},Lee,Ann,{13 + number % 15}/02/1980,," for number in range(1, 41)]

TYPES = """
name: kinds
primaryKey: [id]
uniqueKeys: [[letter]]
missingValues: ["", "-", "none"]
fields:
  - {name: id, type: string, constraints: {required: true, pattern: "[0-9]{3}", minLength: 3}}
  - {name: letter, type: integer, constraints: {exclusiveMinimum: 0, exclusiveMaximum: 1000}}
  - {name: amount, type: number, constraints: {minimum: -5.5, maximum: 1e3}}
  - {name: smoker, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
  - {name: day, type: date, constraints: {minimum: "1900-01-01"}}
  - {name: seen, type: datetime, timezone: Europe/Berlin}
  - {name: grade, type: string, categories: [{value: A}, {value: B, label: Second, aliases: [2]}]}
  - {name: size, type: integer, constraints: {enum: [1, 2]}}
  - {name: mail, type: string, format: email}
duplicates: {survivorship: merge}
"""


def of_every_type(desk: Desk) -> Delivered:
    rows = [
        f"{n:03},{n},1.50,yes,2025-01-{n:02},2025-01-{n:02} 08:00,A,1,a@b.org" for n in range(1, 20)
    ]
    rows += ["020,,,,,,,,", "021,-,none,no,-,,2,2,", "001,1,,,,,,,", "022,99,-5.5,no,,,Second,,"]
    return desk.contract(TYPES).harmonize("\n".join([header_of(TYPES), *rows]) + "\n")


def header_of(contract: str) -> str:
    names = [
        line.split("name: ")[1].split(",")[0] for line in contract.splitlines() if "- {" in line
    ]
    return ",".join(names)


def of_nothing_but_keys(desk: Desk) -> Delivered:
    rows = [f"{n:03},,,,,,,," for n in range(1, 20)]
    return desk.contract(TYPES).harmonize("\n".join([header_of(TYPES), *rows]) + "\n")


def of_a_wide_file(desk: Desk) -> Delivered:
    rows = [f"P{n:03},2025-01-{n:02} 08:00,{60 + n},,98.6,x" for n in range(1, 20)]
    return desk.harmonize(
        "\n".join(["patient_id,observed_at,hr,sbp (mmHg),temp_f,ward", *rows]) + "\n",
        changes="full",
    )


def of_a_long_file(desk: Desk) -> Delivered:
    rows = [
        f"P{n:03},2025-01-{n:02},{what},/min" for n in range(1, 20) for what in ("hr,72", "rr,16")
    ]
    content = "\n".join(["pid,day,sign,reading,unit", *rows]) + "\n"
    return desk.contract(LONG_TO_WIDE).harmonize(content, changes="full")


def of_corrected_rows(desk: Desk) -> Delivered:
    parent = Parent(desk, patients(*GOOD, "P101,Lee,Ann,31/02/1980,,", "P102,Lee,Ann,,x,"))
    parent.fix(41, "dob", "28/02/1980")
    return parent.correct()


def of_corrected_rows_that_were_delivered(desk: Desk) -> Delivered:
    """Nothing is left to write: a table of its header alone."""
    parent = Parent(desk, patients(*GOOD, "P101,Lee,Ann,31/02/1980,,"))
    parent.fix(41, "dob", "28/02/1980")
    first = parent.returned()
    harmonize_file(first)
    again = replace(parent.returned(), job="j3", siblings=(parent.kept(first),))
    return Delivered(harmonize_file(again), Path(again.staging_dir))


def of_a_confirmed_source(desk: Desk) -> Delivered:
    rows = "".join(
        f"P{n:03};GLU;{n % 9 + 1:02}.0{n % 7 + 1}.2025 08:00;5,{n % 10};mmol/L;=1+1\n"
        for n in range(30)
    )
    content = "PatNr;Analyse;Abnahme;Wert;Einheit;Bemerkung\n" + rows
    held = desk.hold(content)
    answers = {"date": "dmy", "timezone": "Europe/Berlin"}
    keys = [one.key for one in held.proposal.questions]
    desk.answer(
        held, {key: answers[kind] for key in keys if (kind := key.split(":")[0]) in answers}
    )
    return desk.harmonize(content, changes="full")


@pytest.mark.parametrize(
    "made",
    [
        of_every_type,
        of_nothing_but_keys,
        of_a_wide_file,
        of_a_long_file,
        of_corrected_rows,
        of_corrected_rows_that_were_delivered,
        of_a_confirmed_source,
    ],
    ids=lambda made: made.__name__,
)
def test_frictionless_finds_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[Desk], Delivered]
) -> None:
    import frictionless

    delivered = made(Desk(tmp_path))
    monkeypatch.chdir(delivered.staging)
    report = frictionless.validate("datapackage.json")
    assert report.flatten(["rowNumber", "fieldName", "type", "note"]) == []
    assert report.valid
    assert len(report.tasks) >= 2
