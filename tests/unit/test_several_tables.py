"""Files that hold several tables: which one is read, what is told of the others, who is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from daemon.cli.root import app
from daemon.states import JobState
from tests.support import World, document, table
from tests.unit.tables import as_zip, saved

HEADER = ["patient_id", "last_name", "date_of_birth"]
PEOPLE = [[f"P{n:07d}", "Lee", f"19{n + 10}-02-03"] for n in range(5)]
MORE = [[f"Q{n:07d}", "Roe", f"19{n + 10}-02-03"] for n in range(3)]
PLACES = [["ward", "beds", "floor", "wing"], ["A", "12", "1", "N"], ["B", "14", "2", "S"]]
Rows = Sequence[Sequence[str]]
Tables = dict[str, Rows]
"""Rows by the name of their table, the header first."""


def as_book(tables: Tables) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return saved(book)


def as_page(tables: Tables) -> bytes:
    made = "".join(
        "<table>"
        + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
        + "</table>"
        for rows in tables.values()
    )
    return f"<html><body>{made}</body></html>".encode()


def as_document(tables: Tables) -> bytes:
    records = {
        name: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        for name, rows in tables.items()
    }
    return json.dumps(records).encode()


def as_elements(tables: Tables) -> bytes:
    made = "".join(
        f"<{name}>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(rows[0], row, strict=True))
        + f"</{name}>"
        for name, rows in tables.items()
        for row in rows[1:]
    )
    return f"<export>{made}</export>".encode()


def as_open_document(tables: Tables) -> bytes:
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    made = "".join(
        f'<table:table table:name="{name}">'
        + "".join(
            "<table:table-row>"
            + "".join(
                '<table:table-cell office:value-type="string">'
                f"<text:p>{cell}</text:p></table:table-cell>"
                for cell in row
            )
            + "</table:table-row>"
            for row in rows
        )
        + "</table:table>"
        for name, rows in tables.items()
    )
    content = (
        f"<office:document-content{spaces}><office:body><office:spreadsheet>{made}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return as_zip({"mimetype": kind, "content.xml": content}, 0)


SEVERAL: dict[str, tuple[Callable[[Tables], bytes], str]] = {
    "xlsx": (as_book, "{}"),
    "ods": (as_open_document, "{}"),
    "html": (as_page, "table {at}"),
    "json": (as_document, "$.{}"),
    "xml": (as_elements, "/export/{}"),
}


def drop(world: World, name: str, content: bytes) -> None:
    (world.spool.folders.inbox / name).write_bytes(content)
    world.run_until_idle()


def says(*words: object) -> str:
    return CliRunner().invoke(app, [str(word) for word in words]).output


@pytest.mark.parametrize("kind", sorted(SEVERAL))
def test_a_table_that_is_not_read_is_told_wherever_people_look(world: World, kind: str) -> None:
    make, name = SEVERAL[kind]
    content = make({"wards": PLACES, "people": [HEADER, *PEOPLE]})
    other, mine = name.format("wards", at=1), name.format("people", at=2)
    drop(world, f"export.{kind}", content)

    assert world.job(1).state is JobState.DELIVERED
    [folder] = (world.root / "outbox").glob("*/*.j1")
    reading = document(folder / "report.json")["plan"]["reading"]
    assert [(one["name"], one["read"]) for one in reading["tables"]] == [
        (other, False),
        (mine, True),
    ]
    what_to_do = "harmonizer read FILE --table NAME"
    for said in (
        " ".join(reading["evidence"]),
        (folder / "report.html").read_text(encoding="utf-8").replace("&#39;", "'"),
    ):
        assert other in said
        assert what_to_do in said
    file = world.root / "again"
    file.write_bytes(content)
    for said in (
        says("plan", file, "--root", world.root),
        says("why", "j1", "--root", world.root),
        says("sniff", file),
    ):
        assert other in said
        assert what_to_do in " ".join(said.split())
    rows = says("read", file, "--table", other)
    assert PLACES[1][0] in rows
    assert PEOPLE[0][0] not in rows


@pytest.mark.parametrize("kind", sorted(SEVERAL))
def test_two_tables_that_fit_alike_are_held_and_read_as_answered(world: World, kind: str) -> None:
    make, name = SEVERAL[kind]
    drop(world, f"x.{kind}", make({"first": [HEADER, *PEOPLE], "second": [HEADER, *MORE]}))
    assert (world.job(1).state, world.job(1).reason_code) == (JobState.HELD, "TABLE_UNCLEAR")

    says("confirm", "j1", "--root", world.root)
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD, "nothing speaks for one, so nothing is proposed"

    answer = name.format("second", at=2)
    says("confirm", "j1", "--answer", f"table={answer}", "--root", world.root)
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    [folder] = (world.root / "outbox").glob("*/*.j1")
    assert [row["patient_id"] for row in table(folder / "patients.csv")] == [row[0] for row in MORE]


def test_sheets_of_several_contracts_are_held_too(world: World) -> None:
    weights = [["patient_id", "date_of_birth", "last_name"], *PEOPLE]
    labs = [
        ["patient_id", "test_name", "result_value", "unit", "collected_at"],
        ["P0000001", "Glucose", "90", "mg/dL", "2025-01-02"],
    ]
    drop(world, "x.xlsx", as_book({"people": weights, "labs": labs}))
    assert world.job(1).reason_code == "TABLE_UNCLEAR"


def test_files_of_columns_hold_one_table_and_say_so(world: World) -> None:
    path = world.root / "one.parquet"
    pq.write_table(pa.table(dict(zip(HEADER, zip(*PEOPLE, strict=True), strict=True))), path)
    assert "not read" not in says("sniff", path)
