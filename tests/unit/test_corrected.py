from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.corrections.rejectfile import job_in
from pipeline.errors import ContentError, FileCode
from pipeline.harmonize import harmonize_file
from pipeline.messages import HarmonizeTask, PastFile
from tests.unit.harmonizing import Delivered, Desk, Row, read
from tests.unit.tables import as_ods, as_xlsx, as_zip

HEADER = "patient_id,last name,first name,dob,email,phone"
GOOD = [f"P{number:03d},Lee,Ann,{13 + number % 15}/02/1980,," for number in range(1, 101)]
BAD = [
    "P101,Müller,Ann,31/02/1980,,",
    "007,O'Brien,=Ann,14/02/1980,ann@,4059014744",
    "P103,Short",
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def patients(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


class Parent:
    """A file that was delivered, and its rejects as somebody has them on the screen."""

    def __init__(self, desk: Desk, content: str, job: str = "j1") -> None:
        self.desk = desk
        self.task = desk.task(content, job=job)
        try:
            self.delivered: Delivered | None = Delivered(
                harmonize_file(self.task), Path(self.task.staging_dir)
            )
        except ContentError as refusal:
            if refusal.code is not FileCode.ROWS_REJECTED:
                raise
            self.delivered = None
        self.past = self.kept(self.task)
        self.rejects = read(Path(self.task.staging_dir) / "rejects.csv")

    def kept(self, task: HarmonizeTask) -> PastFile:
        """As the archive keeps it: the report lies inside job.json."""
        report = json.loads((Path(task.staging_dir) / "report.json").read_text())
        papers = Path(task.source).with_suffix(".job.json")
        papers.write_text(json.dumps({"job": task.job, "report": report}))
        return PastFile(source=task.source, report=str(papers))

    def fix(self, record: int, column: str, text: str) -> None:
        for row in self.rejects:
            if row["record"] == str(record):
                row[column] = text

    def saved(self, **how: Any) -> bytes:
        encoding = how.pop("encoding", "utf-8")
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(self.rejects[0]), **how)
        writer.writeheader()
        writer.writerows(self.rejects)
        return stream.getvalue().encode(encoding)

    def returned(self, content: bytes | None = None, **more: Any) -> HarmonizeTask:
        dropped = self.saved() if content is None else content
        task = self.desk.task(dropped, job="j2", parent=self.past)
        return replace(task, **more)

    def correct(self, content: bytes | None = None, **more: Any) -> Delivered:
        task = self.returned(content, **more)
        return Delivered(harmonize_file(task), Path(task.staging_dir))


@pytest.fixture
def parent(desk: Desk) -> Parent:
    return Parent(desk, patients(*GOOD, *BAD))


def fixed(parent: Parent) -> Parent:
    parent.fix(101, "dob", "28/02/1980")
    parent.fix(102, "email", "a@x.org")
    for column, text in zip(
        HEADER.split(","), ["P103", "Short", "Al", "13/02/1980", "", ""], strict=True
    ):
        parent.fix(103, column, text)
    return parent


def test_the_rejects_show_each_record_in_its_own_columns(parent: Parent) -> None:
    first = parent.rejects[0]
    assert list(first) == [
        *("record", "line", "field", "code", "sentence", "raw", "job"),
        *HEADER.split(","),
    ]
    assert (first["job"], first["last name"], first["dob"]) == ("j1", "Müller", "'31/02/1980")
    assert [row["patient_id"] for row in parent.rejects] == ["P101", "'007", "P103"]


def test_a_corrected_file_is_recognised_and_only_its_rows_are_read(parent: Parent) -> None:
    delivered = fixed(parent).correct()

    assert [row["patient_id"] for row in delivered.rows] == ["P101", "007", "P103"]
    assert delivered.column("birth_date") == ["1980-02-28", "1980-02-14", "1980-02-13"]
    assert delivered.column("given_name") == ["Ann", "=Ann", "Al"]
    assert delivered.result.counts.read == delivered.result.counts.written == 3
    assert delivered.result.lineage == delivered.report["parent"] == "j1"


SPREADSHEETS: dict[str, dict[str, Any]] = {
    "LibreOffice": {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
    "Excel, German": {"delimiter": ";", "lineterminator": "\r\n", "encoding": "cp1252"},
    "Excel, CSV UTF-8": {"lineterminator": "\r\n", "encoding": "utf-8-sig"},
    "Excel, Unicode Text": {"delimiter": "\t", "lineterminator": "\r\n", "encoding": "utf-16"},
}


@pytest.mark.parametrize("how", SPREADSHEETS.values(), ids=SPREADSHEETS)
def test_any_spreadsheet_may_have_saved_it(parent: Parent, how: dict[str, Any]) -> None:
    delivered = fixed(parent).correct(fixed(parent).saved(**how))

    assert [row["family_name"] for row in delivered.rows] == ["Müller", "O'Brien", "Short"]
    assert delivered.result.counts.written == 3


def as_workbook(header: list[str], rows: list[list[Any]]) -> bytes:
    """As Excel saves it: numbers are numbers, what stands behind an apostrophe is text."""
    return as_xlsx(
        header, [[int(text) if text.isdigit() else text for text in row] for row in rows]
    )


@pytest.mark.parametrize("save", [as_workbook, as_ods], ids=["xlsx", "ods"])
def test_it_may_come_back_as_a_workbook(parent: Parent, save: Callable[..., bytes]) -> None:
    rows = fixed(parent).rejects
    delivered = parent.correct(save(list(rows[0]), [list(row.values()) for row in rows]))

    assert [row["patient_id"] for row in delivered.rows] == ["P101", "007", "P103"]
    assert delivered.column("birth_date") == ["1980-02-28", "1980-02-14", "1980-02-13"]
    assert delivered.result.lineage == "j1"


def test_a_date_typed_in_a_workbook_is_that_date(parent: Parent) -> None:
    rows = fixed(parent).rejects
    cells: list[list[Any]] = [list(row.values()) for row in rows]
    cells[0][list(rows[0]).index("dob")] = date(1980, 2, 3)
    assert parent.correct(as_xlsx(list(rows[0]), cells)).column("birth_date")[0] == "1980-02-03"


def test_a_number_typed_in_a_workbook_is_written_as_its_column_writes_numbers(desk: Desk) -> None:
    """A workbook says 1.234 for what stands in the file as 1,234, and never as 1234."""
    desk.contract(
        "name: weights\nfields:\n"
        "  - {name: id, type: string, constraints: {required: true}}\n"
        "  - {name: weight, type: number, constraints: {required: true}}\n"
    )
    content = "id;weight\n" + "".join(f"P{n};{n},5\n" for n in range(100, 130)) + "P9;heavy\n"
    parent = Parent(desk, content)
    [row] = parent.rejects
    cells = [1.234 if name == "weight" else text for name, text in row.items()]
    assert parent.correct(as_xlsx(list(row), [cells])).column("weight") == ["1.234"]


@pytest.mark.parametrize(
    "content",
    [
        as_xlsx(["id", "name"], [["1", "Ann"]]),
        as_ods(["id", "name"], [["1", "Ann"]]),
        as_zip({"rejects.csv": "record,line,field,code,sentence,raw,job,a\n1,2,a,b,c,d,j1,x\n"}),
        as_zip({"content.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}),
        as_zip({"xl/worksheets/sheet1.xml": "<c t='s'><v>" + "9" * 5_000 + "</v></c>"}),
        as_zip({"xl/worksheets/sheet1.xml": "<row><c r='A1' t='s'><v>²</v></c></row>"}),
        b"PK\x03\x04 and no more",
        as_xlsx(["record"], [["1"]])[:-30],
    ],
    ids=["xlsx", "ods", "archive", "entities", "long number", "odd number", "mark", "cut"],
)
def test_other_workbooks_are_no_corrections(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert job_in(path) is None


def test_a_workbook_that_is_one_names_its_job(tmp_path: Path) -> None:
    header = ["Job", "record", "line", "field", "raw", "id"]
    path = tmp_path / "back"
    for save in (as_xlsx, as_ods):
        path.write_bytes(save(header, [["j42", "7", "9", "id", "x", "1"]]))
        assert job_in(path) == "j42"
        path.write_bytes(save(header, [["", "7", "9", "id", "x", "1"]]))
        assert job_in(path) == ""


@pytest.mark.parametrize("left_out", [(), ("sentence", "raw")], ids=["all", "some"])
def test_columns_may_be_moved_and_those_that_explain_deleted(
    parent: Parent, left_out: tuple[str, ...]
) -> None:
    rows = fixed(parent).rejects
    order = [name for name in reversed(rows[0]) if name not in left_out]
    parent.rejects = [{name: row[name] for name in order} for row in rows]
    for row in parent.rejects:
        row["record"] += ".0"  # as pandas saves a whole number it took for a decimal one
    delivered = parent.correct()

    assert [row["patient_id"] for row in delivered.rows] == ["P101", "007", "P103"]
    assert delivered.result.lineage == "j1"


def test_umlauts_that_were_opened_as_cp1252_come_back_whole(parent: Parent) -> None:
    content = fixed(parent).saved().decode().encode().decode("cp1252").encode("utf-8")
    delivered = parent.correct(content)

    assert delivered.column("family_name")[0] == "Müller"


def test_the_raw_text_may_be_corrected_instead(parent: Parent) -> None:
    parent.fix(101, "raw", "P101,Müller,Ann,28/02/1980,,")
    parent.fix(103, "raw", "P103,Short,,13/02/1980,,")
    delivered = parent.correct()

    assert delivered.column("birth_date") == ["1980-02-28", "1980-02-13"]
    assert delivered.reasons == [(102, "email", "pattern")]


def test_raw_text_and_cells_that_disagree_are_kept_out(parent: Parent) -> None:
    parent = fixed(parent)
    parent.fix(101, "raw", "P101,Müller,Ann,27/02/1980,,")
    delivered = parent.correct()

    assert delivered.column("patient_id") == ["007", "P103"]
    assert delivered.reasons == [(101, "", "type-error")]


def test_rows_that_were_not_corrected_are_kept_out_again_and_can_be_dropped_again(
    parent: Parent,
) -> None:
    parent.fix(102, "email", "a@x.org")
    first = parent.correct()
    assert first.reasons == [(101, "birth_date", "impossible-date"), (103, "", "missing-cell")]
    assert {row["job"] for row in first.rejects} == {"j1"}

    parent.rejects = first.rejects
    parent.fix(101, "dob", "28/02/1980")
    second = parent.correct(siblings=())
    assert second.column("patient_id") == ["P101"]


def test_several_faults_of_one_record_may_be_corrected_on_their_own_lines(desk: Desk) -> None:
    parent = Parent(desk, patients(*GOOD, "P101,Lee,Ann,31/02/1980,ann@,"))
    assert [row["field"] for row in parent.rejects] == ["birth_date", "email"]
    parent.rejects[0]["dob"] = "28/02/1980"
    parent.rejects[1]["email"] = "a@x.org"

    [row] = parent.correct().rows
    assert (row["birth_date"], row["email"]) == ("1980-02-28", "a@x.org")


def test_two_lines_that_correct_one_cell_differently_are_kept_out(desk: Desk) -> None:
    parent = Parent(desk, patients(*GOOD, *BAD[:1], "P102,Lee,Ann,31/02/1980,ann@,"))
    parent.fix(101, "dob", "28/02/1980")
    parent.rejects[1]["email"], parent.rejects[2]["email"] = "a@x.org", "b@x.org"

    assert parent.correct().reasons == [(102, "", "type-error")]


def test_a_row_that_was_delivered_is_not_delivered_again(desk: Desk) -> None:
    parent = Parent(desk, patients(*GOOD, *BAD[:2]))
    same = dict(zip(HEADER.split(","), GOOD[0].split(","), strict=True))
    for column, text in same.items():
        parent.fix(101, column, text)  # turns out to be a patient who was delivered
    parent.fix(102, "patient_id", "P002")  # and this one claims another's number
    parent.fix(102, "email", "a@x.org")
    again = parent.correct()

    assert again.rows == []
    assert again.result.counts.duplicate == 1
    assert again.reasons == [(102, "patient_id", "primary-key")]


def test_rows_corrected_by_an_earlier_file_are_not_delivered_twice(parent: Parent) -> None:
    parent.fix(102, "email", "a@x.org")
    task = parent.returned()
    harmonize_file(task)
    sibling = parent.kept(task)
    parent.fix(101, "dob", "28/02/1980")
    again = parent.correct(siblings=(sibling,), job="j3")

    assert again.column("patient_id") == ["P101"]
    assert again.result.counts.duplicate == 1


def test_the_decisions_of_the_parent_hold_for_corrected_rows(parent: Parent) -> None:
    parent.fix(101, "dob", "03/02/1980")  # alone it could be either; the parent's dates are d-m-y
    delivered = parent.correct()

    assert delivered.column("birth_date") == ["1980-02-03"]


def test_rejects_of_a_refused_file_bring_the_whole_file_in(desk: Desk) -> None:
    rows = [f"P{number:03d},Lee,Ann,31/02/1980,," for number in range(101, 141)]
    parent = Parent(desk, patients(*GOOD, *rows))
    assert parent.delivered is None
    for number in range(101, 141):
        parent.fix(number, "dob", "28/02/1980")
    delivered = parent.correct()

    assert delivered.result.counts.read == delivered.result.counts.written == 140


def test_what_does_not_fit_its_parent_is_refused_and_says_why(parent: Parent, desk: Desk) -> None:
    def refusal(change: Callable[[list[Row]], object], **more: Any) -> str:
        rows = [dict(row) for row in parent.rejects]
        change(rows)
        other = Parent.__new__(Parent)
        other.rejects = rows
        options = {"parent": parent.past, **more}
        error, _ = desk.refuse(other.saved(), job="j2", **options)
        assert error.code is FileCode.CORRECTION_MISFIT
        return error.note

    assert "no record number" in refusal(lambda rows: rows[0].update(record=""))
    assert "another job" in refusal(lambda rows: rows[1].update(job="j9"))
    assert "no records of the original" in refusal(lambda rows: rows[0].update(record="999"))
    assert "missing: 4" in refusal(lambda rows: [row.pop("dob") for row in rows])
    assert refusal(lambda rows: None, parent=None) == "nothing is kept of j1"


def test_only_corrected_rejects_are_recognised(tmp_path: Path, parent: Parent) -> None:
    rejects = Path(parent.task.staging_dir) / "rejects.csv"
    assert job_in(rejects) == "j1"
    assert job_in(Path(parent.task.source)) is None
    plain = tmp_path / "plain.csv"
    plain.write_text("record,line,field,code,sentence,raw\n1,2,a,b,c,d\n")
    assert job_in(plain) is None
    plain.write_text("record,line,field,code,sentence,raw,job,a\n1,2,a,b,c,d,hello,x\n")
    assert job_in(plain) == ""
