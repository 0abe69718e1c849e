from __future__ import annotations

import csv
import io

from daemon.states import JobState
from tests.support import World, document, table

HEADER = "patient_id,last_name,first_name,date_of_birth,gender\n"
GOOD = "".join(f"P{number:03d},Lee,Ann,{13 + number % 15}/02/1980,F\n" for number in range(1, 31))
BAD = "P100,Poe,Al,31/02/1980,M\nP101,Roe,Al,30/02/1981,M\n"


def corrected(rejects: bytes, record: str, column: str, text: str) -> bytes:
    rows = list(csv.DictReader(io.StringIO(rejects.decode(), newline="")))
    for row in rows:
        if row["record"] == record:
            row[column] = text
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def test_corrected_rejects_are_delivered_beside_their_parent(world: World) -> None:
    world.drop("monday.csv", HEADER + GOOD + BAD)
    world.run_until_idle()
    rejects = (world.root / "outbox/patients/monday.j1/rejects.csv").read_bytes()
    world.drop("rejects.csv", corrected(rejects, "31", "date_of_birth", "28/02/1980"))
    world.run_until_idle()

    assert world.job(2).state is JobState.DELIVERED
    assert world.job(2).parent_id == 1
    delivery = world.root / "outbox/patients/rejects.j2"
    assert [row["patient_id"] for row in table(delivery / "patients.csv")] == ["P100"]
    assert [row["record"] for row in table(delivery / "rejects.csv")] == ["32"]
    assert document(delivery / "report.json")["parent"] == "j1"
    [papers] = (world.root / "archive").glob("*/j2/job.json")
    assert document(papers)["parent"] == "j1"


def test_a_second_correction_delivers_only_what_is_new(world: World) -> None:
    world.drop("monday.csv", HEADER + GOOD + BAD)
    world.run_until_idle()
    rejects = (world.root / "outbox/patients/monday.j1/rejects.csv").read_bytes()
    first = corrected(rejects, "31", "date_of_birth", "28/02/1980")
    world.drop("first.csv", first)
    world.run_until_idle()
    both = first.decode().replace("'30/02/1981", "27/02/1981")
    world.drop("second.csv", both)
    world.run_until_idle()

    delivery = world.root / "outbox/patients/second.j3"
    assert [row["patient_id"] for row in table(delivery / "patients.csv")] == ["P101"]


def test_corrections_do_not_need_the_delivery_to_lie_there_still(world: World) -> None:
    world.drop("monday.csv", HEADER + GOOD + BAD)
    world.run_until_idle()
    delivery = world.root / "outbox/patients/monday.j1"
    rejects = (delivery / "rejects.csv").read_bytes()
    for path in delivery.iterdir():
        path.unlink()
    delivery.rmdir()
    world.drop("back.csv", corrected(rejects, "31", "date_of_birth", "28/02/1980"))
    world.run_until_idle()

    assert world.job(2).state is JobState.DELIVERED


def test_the_rejects_of_a_refused_file_bring_the_whole_file_in(world: World) -> None:
    world.drop("monday.csv", HEADER + "".join(GOOD.splitlines(keepends=True)[:6]) + BAD)
    world.run_until_idle()
    assert world.job(1).reason_code == "ROWS_REJECTED"
    [rejects] = (world.root / "error").glob("*/j1__ROWS_REJECTED/rejects.csv")
    content = corrected(rejects.read_bytes(), "7", "date_of_birth", "28/02/1980")
    world.drop("back.csv", corrected(content_as_csv(content), "8", "date_of_birth", "27/02/1981"))
    world.run_until_idle()

    assert world.job(2).state is JobState.DELIVERED
    counts = world.job(2).counts
    assert counts is not None
    assert counts.written == 8


def content_as_csv(content: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=";"))
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


def test_rejects_whose_parent_is_unknown_are_refused_and_say_so(world: World) -> None:
    header = "record,line,field,code,sentence,raw,job,a\n"
    world.drop("stray.csv", header + '1,2,a,required,Why.,"x",j77,y\n')
    world.run_until_idle()

    assert world.job(1).reason_code == "CORRECTION_MISFIT"
    assert world.job(1).reason_note == "nothing is kept of j77"


def test_the_plan_is_kept_with_the_archived_original(world: World) -> None:
    world.drop("monday.csv", HEADER + GOOD)
    world.run_until_idle()
    [papers] = (world.root / "archive").glob("*/j1/job.json")
    report = document(papers)["report"]

    assert report["plan"]["contract"] == "patients"
    assert (report["job"], report["refused"], report["rejected_records"]) == ("j1", None, [])
