"""`harmonizer read` and `harmonizer sniff`, from outside."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from daemon.cli.root import app
from daemon.errors import ExitCode
from tests.unit.tables import as_zip

POLLUTED = (
    'Report of May\n\nid;name;qty\n1;Ann;2,5\n2;"Lee; Bob";3,5\n3;Cy;4,5\nTotal;;10,5\n'
).encode("utf-8-sig")


def give(*words: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=text)


@pytest.fixture
def polluted(tmp_path: Path) -> Path:
    path = tmp_path / "anything.dat"
    path.write_bytes(POLLUTED)
    return path


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


def test_read_writes_the_table_as_plain_csv(polluted: Path, tmp_path: Path) -> None:
    done = give("read", polluted, "--raw", "--header", "keep", "-o", tmp_path / "out.csv")

    assert done.exit_code == ExitCode.OK
    assert "confidence" in done.stderr
    assert (tmp_path / "out.csv").read_bytes() == (
        b'id,name,qty\r\n1,Ann,"2,5"\r\n2,Lee; Bob,"3,5"\r\n3,Cy,"4,5"\r\n'
    )
    assert polluted.read_bytes() == POLLUTED


def test_read_leaves_the_header_out_on_request(polluted: Path, tmp_path: Path) -> None:
    give("read", polluted, "--header", "none", "-o", tmp_path / "out.csv")
    assert rows_of(tmp_path / "out.csv")[0] == ["1", "Ann", "2,5"]


def test_sniff_tells_how_a_file_is_written(polluted: Path) -> None:
    told = json.loads(give("sniff", polluted, "--json").stdout)

    assert told["encoding"] == "utf-8-sig"
    assert (told["delimiter"], told["quotechar"], told["escapechar"]) == (";", '"', None)
    assert (told["preamble"], told["header_rows"], told["footer"]) == (2, 1, 1)
    assert told["header"] == ["id", "name", "qty"]
    assert 0 < told["confidence"] <= 1
    assert told["evidence"]


def test_sniff_prints_for_people_too(polluted: Path) -> None:
    shown = give("sniff", polluted).stdout
    assert "delimiter" in shown
    assert "';'" in shown


def test_a_batch_is_one_json_line_a_file_and_survives_bad_ones(
    polluted: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "x.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    (tmp_path / "empty.csv").write_bytes(b"")
    names = [polluted, picture, tmp_path / "empty.csv", tmp_path / "gone.csv"]
    done = give("sniff", "--batch", text="".join(f"{name}\n" for name in names))
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.exit_code == ExitCode.OK
    assert [one["file"] for one in told] == [str(name) for name in names]
    assert told[0]["delimiter"] == ";"
    assert told[1]["error"] == "UNSUPPORTED"
    assert told[2]["columns"] == 0
    assert told[3]["error"] == "INPUT_MISSING"
    assert give("sniff", "--batch", *names).stdout == done.stdout


def test_read_writes_a_batch_into_a_folder(polluted: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = tmp_path / "b.csv"
    other.write_text("a||b\n1||x\n2||y\n")
    done = give("read", "--batch", "-o", out, polluted, other)

    assert [json.loads(line)["written_rows"] for line in done.stdout.splitlines()] == [3, 2]
    assert rows_of(out / "b.csv") == [["a", "b"], ["1", "x"], ["2", "y"]]


def test_other_formats_have_a_raw_view_too(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[{"id": "007", "n": 1.50}, {"id": "008", "n": 2}]')
    give("read", path, "-o", tmp_path / "out.csv")
    assert rows_of(tmp_path / "out.csv") == [["id", "n"], ["007", "1.50"], ["008", "2"]]


def test_a_missing_file_ends_with_what_to_do(tmp_path: Path) -> None:
    done = give("read", tmp_path / "gone.csv")
    assert done.exit_code == ExitCode.NOT_FOUND
    assert "Check the path." in done.stderr


@pytest.fixture
def book(tmp_path: Path) -> Path:
    made = openpyxl.Workbook()
    made.active.title = "May"
    for row in (["id", "name"], ["1", "Ann"], ["2", "Bob"]):
        made.active.append(row)
    june = made.create_sheet("June")
    for row in (["id", "city", "zip"], ["7", "Rome", "00184"]):
        june.append(row)
    made.save(tmp_path / "two.xlsx")
    return tmp_path / "two.xlsx"


@pytest.mark.parametrize(
    ("wanted", "first"), [("1", "name"), ("May", "name"), ("2", "city"), ("june", "city")]
)
def test_one_of_several_tables_is_read_by_its_number_or_name(
    book: Path, tmp_path: Path, wanted: str, first: str
) -> None:
    done = give("read", book, "--table", wanted, "-o", tmp_path / "out.csv")
    assert done.exit_code == ExitCode.OK
    assert rows_of(tmp_path / "out.csv")[0][1] == first


def test_sniff_lists_the_tables_and_says_which_one_it_shows(book: Path) -> None:
    told = json.loads(give("sniff", book, "--json", "--table", "June").stdout)
    listed = [(one["number"], one["name"], one["read"]) for one in told["tables"]]
    assert listed == [(1, "May", False), (2, "June", True)]
    assert told["header"] == ["id", "city", "zip"]
    assert "table 2: June" in give("sniff", book).stdout


def test_lists_of_records_in_a_document_are_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"people": [{"id": 1}, {"id": 2}], "visits": [{"ward": "A"}, {"ward": "B"}]}')
    names = [one["name"] for one in json.loads(give("sniff", path, "--json").stdout)["tables"]]
    assert {"$.people", "$.visits"} <= set(names)
    assert give("read", path, "--table", "$.visits").stdout.split() == ["ward", "A", "B"]


def test_a_second_table_in_a_text_is_read_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    first = "".join(f"{n},Name{n},{n}.5\n" for n in range(1, 9))
    second = "".join(f"{n},2024-01-0{n},x,y\n" for n in range(1, 5))
    path.write_text(f"id,name,qty\n{first}\n\nno,day,kind,note\n{second}")
    told = json.loads(give("sniff", path, "--json").stdout)
    assert [one["name"] for one in told["tables"]] == ["line 1", "line 12"]
    assert give("read", path).stdout.splitlines()[-1] == "8,Name8,8.5"
    done = give("read", path, "--table", "2")
    assert done.stdout.splitlines()[:2] == ["no,day,kind,note", "1,2024-01-01,x,y"]
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("wanted", ["3", "July", "0", "-1", "²"])
def test_a_table_that_is_not_there_is_refused_and_those_that_are_named(
    book: Path, wanted: str
) -> None:
    done = give("read", book, f"--table={wanted}")
    assert done.exit_code == ExitCode.USAGE
    assert "TABLE_UNCLEAR" in done.stderr
    assert "1 May, 2 June" in " ".join(done.stderr.split())


def test_a_file_in_an_archive_is_read_as_itself(polluted: Path, tmp_path: Path) -> None:
    path = tmp_path / "drop.zip"
    path.write_bytes(as_zip({"__MACOSX/._x": b"x", "in/report.csv": POLLUTED}))
    told = json.loads(give("sniff", path, "--json").stdout)
    plain = json.loads(give("sniff", polluted, "--json").stdout)

    assert {**told, "file": "", "evidence": []} == {**plain, "file": "", "evidence": []}
    assert told["evidence"][-1] == "taken out of a ZIP archive: in/report.csv"
    assert give("read", path).stdout == give("read", polluted).stdout


def test_one_of_several_files_in_an_archive_is_read_by_its_number_or_name(
    tmp_path: Path, book: Path
) -> None:
    path = tmp_path / "drop.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {
            "scan.pdf": b"%PDF-1.7",
            "report.csv": POLLUTED,
            "book.xlsx": book.read_bytes(),
            "../out.csv": POLLUTED,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    told = json.loads(give("sniff", path, "--json").stdout)
    assert [(one["name"], one["read"]) for one in told["tables"]] == [
        ("scan.pdf", False),
        ("report.csv", True),
        ("book.xlsx", False),
        ("../out.csv", False),
    ]
    assert give("read", path, "--table", "2").stdout == give("read", path).stdout
    names = [one["name"] for one in json.loads(give("sniff", book, "--json").stdout)["tables"]]
    for name in names:
        inner = give("read", path, "--table", f"book.xlsx!{name}").stdout
        assert inner == give("read", book, "--table", name).stdout
    assert "leads out of the archive" in give("read", path, "--table", "../out.csv").output
    assert "there are: 1 scan.pdf" in give("read", path, "--table", "nothing").output


def test_archives_in_archives_are_followed_and_not_without_end(
    polluted: Path, tmp_path: Path
) -> None:
    content = as_zip({"report.csv": POLLUTED})
    for _ in range(2):
        content = as_zip({"inner.zip": content})
    path = tmp_path / "drop.zip"
    path.write_bytes(content)
    assert give("read", path).stdout == give("read", polluted).stdout
    path.write_bytes(as_zip({"inner.zip": content}))
    assert "LIMIT_EXCEEDED" in give("read", path).output


def test_a_batch_looks_into_archives(tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(as_zip({"report.csv": POLLUTED}))
    (tmp_path / "bad.zip").write_bytes(as_zip({"scan.pdf": b"%PDF-1.7"}))
    (tmp_path / "none.zip").write_bytes(as_zip({}))
    done = give("sniff", "--batch", *(tmp_path / f"{n}.zip" for n in ("good", "bad", "none")))
    good, bad, none = [json.loads(line) for line in done.stdout.splitlines()]

    assert good["header"] == ["id", "name", "qty"]
    assert (bad["error"], none["error"]) == ("UNSUPPORTED", "EMPTY")


def test_records_that_are_none_of_the_table_are_told(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id":1}\noops\n{"id":2}\n{"id":3}\n[4]\n')
    done = give("read", path)
    assert done.stdout.split() == ["id", "1", "2", "3"]
    assert "2 records are none of the table, at line 2, line 5" in done.stderr
