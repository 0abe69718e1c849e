"""Files of other formats, dropped into the inbox: what people find afterwards."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from daemon.states import JobState
from tests.support import World, document, table
from tests.unit.reading import plug
from tests.unit.tables import FORMATS

HEADER = ["patient_id", "last_name", "date_of_birth"]
ROWS = [[f"P{n:07d}", "Lee", f"19{n + 10}-02-03"] for n in range(30)]


def drop(world: World, name: str, content: bytes) -> None:
    (world.spool.folders.inbox / name).write_bytes(content)
    world.run_until_idle()


def delivery(world: World, job: int) -> Path:
    [found] = (world.root / "outbox").glob(f"*/*.j{job}")
    return found


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("xlsx", "Data!C6"),
        ("json", "$.data[4].date_of_birth"),
        ("xml", "/export/rows/row[5]/date_of_birth"),
        ("parquet", "row 5, date_of_birth"),
        ("csv", None),
        ("jsonl", None),
    ],
)
def test_a_reject_tells_its_place_and_comes_back_corrected(
    world: World, kind: str, place: str | None
) -> None:
    rows = [list(row) for row in ROWS]
    rows[4][2] = "1980-02-31"
    drop(world, f"people.{kind}", FORMATS[kind](HEADER, rows))

    assert world.job(1).state is JobState.DELIVERED
    [reject] = table(delivery(world, 1) / "rejects.csv")
    assert reject.get("position") == place
    assert reject["code"] == "impossible-date"
    reject["date_of_birth"] = "1980-02-29"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(reject))
    writer.writeheader()
    writer.writerow(reject)
    drop(world, "corrected.csv", text.getvalue().encode())

    assert world.job(2).state is JobState.DELIVERED
    assert world.job(2).parent_id == 1
    [row] = table(delivery(world, 2) / "patients.csv")
    assert row["birth_date"] == "1980-02-29"


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_rejects_saved_as_a_workbook_are_put_in_their_place(world: World, kind: str) -> None:
    rows = [list(row) for row in ROWS]
    rows[4][2] = "1980-02-31"
    drop(world, "people.csv", FORMATS["csv"](HEADER, rows))
    [reject] = table(delivery(world, 1) / "rejects.csv")
    reject["date_of_birth"] = "1980-02-29"
    drop(world, f"corrected.{kind}", FORMATS[kind](list(reject), [list(reject.values())]))

    assert (world.job(2).state, world.job(2).parent_id) == (JobState.DELIVERED, 1)
    [row] = table(delivery(world, 2) / "patients.csv")
    assert row["birth_date"] == "1980-02-29"


def test_a_wrong_ending_stands_in_the_report(world: World) -> None:
    drop(world, "people.xls", FORMATS["html"](HEADER, ROWS))

    report = document(delivery(world, 1) / "report.json")
    assert any("ends in .xls" in one for one in report["plan"]["reading"]["evidence"])


def test_an_unknown_file_says_what_was_seen(world: World) -> None:
    drop(world, "scan.csv", b"%PDF-1.7\n%\xe2\xe3")

    assert world.job(1).reason_code == "UNSUPPORTED"
    assert "a PDF document" in (world.job(1).reason_note or "")


def test_explain_tells_the_cell_of_each_value(world: World) -> None:
    from daemon.explaining import explain_row

    drop(world, "people.xlsx", FORMATS["xlsx"](HEADER, ROWS))
    told = explain_row(world.settings, 1, 3, None)

    assert told["position"] == "Data!4"
    places = {one["field"]: one["place"] for one in told["rows"][0]["fields"]}
    assert places["birth_date"] == "Data!C4"
    assert json.dumps(told)


def test_what_a_reader_of_another_package_calls_incomplete_waits_in_the_inbox_for_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, "kv", "examples.reader_plugin:FORMAT")
    whole = "#kv1\n" + "".join(
        ";".join(f"{name}={cell}" for name, cell in zip(HEADER, row, strict=True)) + "\n"
        for row in ROWS
    )
    drop(world, "people.kv", whole[:-8].encode())
    assert world.job(1).state is JobState.WITHDRAWN
    assert world.job(1).reason_code == "TRUNCATED"
    assert world.files("inbox") == ["people.kv"]

    drop(world, "people.kv", whole.encode())
    [last] = [job for job in world.store.jobs() if job.state is not JobState.WITHDRAWN]
    assert last.state is JobState.DELIVERED
    assert len(table(delivery(world, last.id) / "patients.csv")) == 30
