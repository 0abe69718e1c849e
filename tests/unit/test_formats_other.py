"""Which format a file is, pages and columns, packing, ends, and other people's readers."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pipeline.ends.probe import missing_end
from pipeline.errors import ContentError, FileCode
from pipeline.formats import open_table
from pipeline.formats.base import TextBatch
from pipeline.formats.plugin import Format
from pipeline.formats.registry import recognise
from pipeline.messages import Limits
from tests.unit.reading import Reader, plug
from tests.unit.tables import FORMATS, PACKED, as_csv, as_zip, zstd

HEADER = ["patient_id", "name", "weight"]
ROWS = [["P1", "Zoë", "80.50"], ["P2", "Bob", "72"]]
KINDS = {
    "csv": "delimited text",
    "tsv": "delimited text",
    "json": "a JSON document",
    "json-rows": "a JSON document",
    "jsonl": "JSON lines",
    "xml": "an XML document",
    "html": "an HTML page",
    "xlsx": "an Excel workbook (.xlsx)",
    "spreadsheetml": "an Excel 2003 XML workbook",
    "xls": "an old Excel workbook (.xls)",
    "xlsb": "a binary Excel workbook (.xlsb)",
    "ods": "an OpenDocument spreadsheet (.ods)",
    "parquet": "a Parquet file",
    "feather": "an Arrow file",
    "arrow": "an Arrow file",
}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_format_is_known_by_its_content_whatever_its_name(tmp_path: Path, kind: str) -> None:
    for name in ("table", f"table.{kind}", "table.pdf", "table.csv"):
        path = tmp_path / name
        path.write_bytes(FORMATS[kind](HEADER, ROWS))
        assert recognise(path) == KINDS[kind]
        assert open_table(path, Limits()).header == tuple(HEADER)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("labs.xls", "html", "ends in .xls"),
        ("labs.xlsx", "csv", "ends in .xlsx"),
        ("labs.csv", "xlsx", "ends in .csv"),
        ("labs.csv.gz", "parquet", "ends in .csv"),
        ("labs.json", "jsonl", ""),
        ("labs.txt", "csv", ""),
        ("labs.weird", "json", ""),
        ("labs", "xml", ""),
    ],
)
def test_a_wrong_ending_is_told_and_survived(
    tmp_path: Path, name: str, kind: str, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FORMATS[kind](HEADER, ROWS))
    evidence = " ".join(open_table(path, Limits()).describe()["evidence"])

    assert ("the name ends in" in evidence) is bool(told)
    assert told in evidence


# --- pages ---------------------------------------------------------------------------------------


def test_a_page_of_several_tables_is_read_at_the_widest_one(reader: Reader) -> None:
    page = (
        "<html><script>var x = '<table><tr><td>no';</script><table><tr><td>Report</table>"
        "<table><thead><tr><th>id<th>name<th>v</thead>"
        "<tbody><tr><td>1</td><td>A&amp;B<br>C</td><td> 5 </td></tr>"
        "<tr><td rowspan=2>2<td>x<td>6<tr><td>y<td>7</table>"
    )
    found = reader.read(page)

    assert found.header == ("id", "name", "v")
    assert found.rows == [("1", "A&B\nC", "5"), ("2", "x", "6"), ("2", "y", "7")]
    assert found.places[0] == "table 2, row 2, column 1"
    assert "table 1" in found.told


def test_conditions_of_office_in_a_page_are_passed_over(reader: Reader) -> None:
    table = "<table><tr><td>id<td>n<tr><td>1<td>a</table>"
    page = f"<html><![if !mso]><p>x</p><![endif]><![\u00ab x]>{table}"
    assert reader.read(page).rows == [("1", "a")]


def test_a_page_in_its_declared_encoding(reader: Reader) -> None:
    page = "<meta charset=windows-1252><table><tr><td>id<td>n<tr><td>1<td>é€</table>"
    assert reader.read(page.encode("cp1252")).rows == [("1", "é€")]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<td x:num="1.23456789">1.23</td>', "1.23456789"),
        ("<td x:num>1.23</td>", "1.23"),
        ('<td x:num="1234.5">1,234.50</td>', "1,234.50"),
        ('<td sdval="0.123456">0.12</td>', "0.123456"),
        ('<td x:num="7">00007</td>', "00007"),
        ('<td x:num="45000">15.03.2023</td>', "15.03.2023"),
        ('<td x:num="5">9.99</td>', "9.99"),
        ('<td x:num="x">1.23</td>', "1.23"),
    ],
)
def test_digits_that_a_page_of_a_spreadsheet_hides_are_read(
    reader: Reader, cell: str, text: str
) -> None:
    page = f"<html><table><tr><td>id</td><td>v</td></tr><tr><td>x</td>{cell}</tr></table></html>"
    assert reader.read(page).column("v") == [text]


def test_lines_within_a_cell_of_a_page_stay_lines(reader: Reader) -> None:
    cells = "<td><p>1</p>\n<p>2</p></td><td><ul><li>a<li>b</ul></td><td><div>x <b>y</b></div></td>"
    page = f"<html><table><tr><td>id<td>n<td>v</tr><tr>{cells}</tr></table></html>"
    assert reader.read(page).rows == [("1\n2", "a\nb", "x y")]


def test_a_page_that_says_latin_1_is_read_as_what_it_is(reader: Reader) -> None:
    page = "<meta charset=iso-8859-1><table><tr><td>id<td>n<tr><td>1<td>5 µg é€</table>"
    assert reader.read(page.encode("cp1252")).rows == [("1", "5 µg é€")]
    assert reader.read(page.encode("utf-8")).rows == [("1", "5 µg é€")]


@pytest.mark.parametrize(
    "before",
    [
        "<br />\n<b>Warning</b>: x in <b>/a.php</b> on line <b>3</b><br />\n",
        "<font size=2>",
        "<!-- made by x --><p>Report</p>",
        "<h1>Report</h1>",
    ],
)
def test_part_of_a_page_is_a_page_whatever_stands_before_its_table(
    reader: Reader, before: str
) -> None:
    page = f"{before}<table><tr><td>id<td>v</tr><tr><td>1<td>2</tr></table>"
    assert reader.read(page).rows == [("1", "2")]
    assert lacks(page.encode()) is None
    assert lacks(page.encode()[:-20]) is not None
    assert reader.read("<p><b><id>1</id></b><b><id>2</id></b></p>").rows == [("1",), ("2",)]


def test_names_over_several_columns_of_a_page_are_joined_with_those_below(reader: Reader) -> None:
    groups = "<th rowspan=2>id<th colspan=3>Vitals<th colspan=3>Labs<th rowspan=2>at"
    names = "".join(f"<th>{name}" for name in ("BP", "HR", "T", "Na", "K", "Cl"))
    row = "".join(f"<td>{n}" for n in range(8))
    page = f"<table><tr>{groups}</tr><tr>{names}</tr><tr>{row}</tr><tr>{row}</tr></table>"

    assert reader.read(page).header == (
        *("id", "Vitals BP", "Vitals HR", "Vitals T"),
        *("Labs Na", "Labs K", "Labs Cl", "at"),
    )


def test_a_name_over_several_columns_of_data_is_still_a_name(reader: Reader) -> None:
    rows = "<tr><td>1<td>2<td>3</tr>" * 3
    page = f"<table><tr><th>id<th colspan=2>dose</tr>{rows}</table>"

    found = reader.read(page)
    assert (found.header, len(found.rows)) == (("id", "dose", ""), 3)


def test_a_tag_without_end_is_refused(reader: Reader) -> None:
    assert reader.code("<table " + "a=1 " * 200_000) is FileCode.LIMIT_EXCEEDED


def test_a_web_archive_is_named(reader: Reader) -> None:
    error = reader.refusal("MIME-Version: 1.0\nContent-Type: text/html\n\n<table><tr><td>1\n")
    assert (error.code, "a web archive" in error.note) == (FileCode.UNSUPPORTED, True)


FOOT = "<tfoot><tr><td>Sum<td colspan=2>9</tfoot>"
HEAD = "<thead><tr><th>id<th>a<th>b</thead>"
BODY = "<tbody>" + "".join(f"<tr><td>r{n}<td>{n}<td>{n * 2}" for n in range(1, 8)) + "</tbody>"


@pytest.mark.parametrize(
    "parts",
    [
        HEAD + BODY + FOOT,
        HEAD + FOOT + BODY,
        FOOT + HEAD + BODY,
        HEAD + FOOT.replace("</tfoot>", "") + BODY,
    ],
    ids=["below", "above", "first", "never closed"],
)
def test_the_foot_of_a_table_stands_below_its_rows_wherever_the_page_has_it(
    reader: Reader, parts: str
) -> None:
    found = reader.read(f"<html><table>{parts}</table></html>")

    assert found.header == ("id", "a", "b")
    assert found.rows[:7] == [(f"r{n}", str(n), str(n * 2)) for n in range(1, 8)]
    assert found.places[0] == "table 1, row 2, column 1"
    left = [*found.rows[7:], *(one.raw for one in found.bad)]
    assert len(left) + sum(found.skipped.values()) == 1  # the foot itself


def test_a_foot_of_thousands_of_rows_is_read_where_it_stands(reader: Reader) -> None:
    rows = "".join(f"<tr><td>f{n}<td>{n}" for n in range(1_500))
    found = reader.read(f"<table><tr><th>id<th>n<tfoot>{rows}<tbody><tr><td>last<td>1</table>")

    assert [row[0] for row in found.rows] == [*(f"f{n}" for n in range(1_500)), "last"]


def test_a_page_without_a_table_is_no_table(reader: Reader) -> None:
    error = reader.refusal("<html><body><p>Hello</p></body></html>")
    assert error.code is FileCode.UNSUPPORTED


# --- typed columns -------------------------------------------------------------------------------

TYPED = {
    "text": (pa.array(["00123", None]), ["00123", ""]),
    "whole": (pa.array([2**62, None], pa.int64()), [str(2**62), ""]),
    "unsigned": (pa.array([2**64 - 1, 0], pa.uint64()), [str(2**64 - 1), "0"]),
    "double": (pa.array([0.1, 72.0]), ["0.1", "72"]),
    "big": (pa.array([1e20, 1e-7]), ["100000000000000000000", "0.0000001"]),
    "single": (pa.array([0.1, 37.2], pa.float32()), ["0.1", "37.2"]),
    "single null": (pa.array([0.1, None], pa.float32()), ["0.1", ""]),
    "single whole": (pa.array([16777215.0, 1e10], pa.float32()), ["16777215", "10000000000"]),
    "half": (pa.array(np.array([0.1, 65504], dtype=np.float16)), ["0.1", "65504"]),
    "half null": (pa.array([np.float16(0.1), None], pa.float16()), ["0.1", ""]),
    "half nan": (pa.array(np.array([np.nan, np.inf], dtype=np.float16)), ["NaN", "Infinity"]),
    "elapsed": (
        pa.array([93_784_500, -500], pa.duration("ms")),
        ["26:03:04.5", "-0:00:00.5"],
    ),
    "elapsed ns": (pa.array([1, None], pa.duration("ns")), ["0:00:00.000000001", ""]),
    "moments": (
        pa.array([[dt.datetime(2025, 3, 4, 10, 30)], []], pa.list_(pa.timestamp("us"))),  # noqa: DTZ001
        ['["2025-03-04T10:30:00"]', "[]"],
    ),
    "nan": (pa.array([float("nan"), float("inf")]), ["NaN", "Infinity"]),
    "decimal": (
        pa.array([decimal.Decimal("1.10"), None], pa.decimal128(10, 2)),
        ["1.10", ""],
    ),
    "yes": (pa.array([True, False]), ["true", "false"]),
    "day": (pa.array([dt.date(1980, 2, 3), None]), ["1980-02-03", ""]),
    "moment": (
        pa.array([dt.datetime(2025, 3, 4, 10, 30), None], pa.timestamp("us")),  # noqa: DTZ001
        ["2025-03-04T10:30:00", ""],
    ),
    "zoned": (
        pa.array([dt.datetime(2025, 3, 4, 10, 30, tzinfo=dt.UTC)] * 2, pa.timestamp("ms", "UTC")),
        ["2025-03-04T10:30:00Z"] * 2,
    ),
    "clock": (pa.array([dt.time(10, 30), None], pa.time64("us")), ["10:30:00", ""]),
    "words": (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    "bytes": (pa.array([b"abc", b"\xff"]), ["abc", "/w=="]),
    "list": (pa.array([[1, 2], None]), ["[1,2]", ""]),
    "nothing": (pa.nulls(2), ["", ""]),
}


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("name", sorted(TYPED))
def test_types_become_the_text_they_stand_for(reader: Reader, kind: str, name: str) -> None:
    column, texts = TYPED[name]
    out = io.BytesIO()
    table = pa.table({"id": ["1", "2"], "v": column})
    if kind == "parquet":
        pq.write_table(table, out)
    else:
        feather.write_feather(table, out)

    assert reader.read(out.getvalue()).column("v") == texts


def test_moments_outside_of_all_calendars_stay_the_numbers_they_are(reader: Reader) -> None:
    moments = pa.array([1 << 62, 0, None, -(1 << 62)], pa.timestamp("s"))
    assert reader.read(column_file(moments)).column("v") == [
        *("4611686018427387904", "1970-01-01T00:00:00", "", "-4611686018427387904")
    ]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([0], pa.timestamp("s")).dictionary_encode(), ["1970-01-01T00:00:00"]),
        (
            pa.UnionArray.from_sparse(pa.array([1], pa.int8()), [pa.array([1]), pa.array(["b"])]),
            ["b"],
        ),
    ],
    ids=["dictionary of moments", "union"],
)
def test_rare_types_are_text_too(reader: Reader, values: pa.Array, texts: list[str]) -> None:
    assert reader.read(column_file(values)).column("v") == texts


def column_file(values: pa.Array) -> bytes:
    out = io.BytesIO()
    table = pa.table({"id": list(range(len(values))), "v": values})
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


def test_structs_are_flattened_by_path(reader: Reader) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"], "name": [{"first": "A", "of": {"x": 2}}]}), out)
    found = reader.read(out.getvalue())

    assert found.header == ("id", "name.first", "name.of.x")
    assert found.rows == [("1", "A", "2")]
    assert found.places == ["row 1, id"]


def test_an_empty_or_damaged_column_file_says_so(reader: Reader) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), out)
    assert reader.code(out.getvalue()) is FileCode.EMPTY
    whole = FORMATS["parquet"](HEADER, ROWS)
    assert reader.code(whole[:-20]) is FileCode.TRUNCATED
    assert reader.code(whole[:4] + b"\xff" * 40 + whole[44:]) is FileCode.DAMAGED
    assert reader.code(FORMATS["feather"](HEADER, ROWS)[:-20]) is FileCode.TRUNCATED


# --- packing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", sorted(PACKED))
def test_packed_files_are_read_and_told(reader: Reader, ending: str) -> None:
    plain = as_csv(HEADER, ROWS * 500)
    found = reader.read(PACKED[ending](plain))

    assert len(found.rows) == 1000
    assert "unpacked from" in found.told


@pytest.mark.parametrize("ending", sorted(PACKED))
def test_cut_and_damaged_packed_files_are_refused(reader: Reader, ending: str) -> None:
    rows = [[f"P{number * 7919 % 10007}", "x", str(number)] for number in range(3000)]
    packed = PACKED[ending](as_csv(HEADER, rows))

    assert reader.code(packed[: len(packed) // 2]) is FileCode.TRUNCATED
    assert reader.code(packed[:-3]) is FileCode.TRUNCATED


@pytest.mark.parametrize("ending", ["bz2", "xz", "gz", "zst"])
def test_streams_one_behind_the_other_are_all_read_or_refused(reader: Reader, ending: str) -> None:
    pack = PACKED[ending]
    one, two = pack(b"id,v\n1,2\n"), pack(b"3,4\n" * 99)

    assert len(reader.read(one + two).rows) == 100
    for following in (b"x" + two[1:], two[:-9], b"something that is no stream at all"):
        assert reader.code(one + following) in (FileCode.DAMAGED, FileCode.TRUNCATED)
    if ending != "zst":
        assert len(reader.read(one + two + bytes(64)).rows) == 100


@pytest.mark.parametrize("kind", [0x50, 0x5F])
def test_a_zstd_frame_to_be_skipped_may_stand_before_and_between_the_data(
    reader: Reader, kind: int
) -> None:
    skipped = bytes([kind]) + b"\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\0\1\2\3"
    content = skipped + zstd(b"id,v\n1,2\n") + skipped + zstd(b"3,4\n")

    assert reader.read(content).rows == [("1", "2"), ("3", "4")]
    assert lacks(content) is None
    assert lacks(content[:-1]) is not None
    assert reader.code(content[:-1]) is FileCode.TRUNCATED


def test_packed_twice_is_read_and_packed_without_end_is_refused(reader: Reader) -> None:
    content = as_csv(HEADER, ROWS)
    assert len(reader.read(gzip.compress(zstd(content))).rows) == 2
    for _ in range(6):
        content = gzip.compress(content)
    assert reader.code(content) is FileCode.LIMIT_EXCEEDED


@pytest.mark.parametrize("ending", sorted(PACKED))
def test_bombs_are_refused(reader: Reader, ending: str) -> None:
    bomb = PACKED[ending](b"\0" * 80_000_000)
    error = reader.refusal(bomb)
    assert (error.code, "times its size" in error.note) == (FileCode.LIMIT_EXCEEDED, True)
    few = Limits(max_unpacked_bytes=1_000_000)
    assert reader.code(PACKED[ending](b"x" * 2_000_000), few) is FileCode.LIMIT_EXCEEDED


def test_nothing_is_left_beside_a_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.csv.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(as_csv(HEADER, ROWS)))
    opened = open_table(path, Limits())

    assert [batch.read for batch in opened.batches()] == [2]
    assert [one.name for one in path.parent.iterdir()] == ["a.csv.gz"]


# --- ends ----------------------------------------------------------------------------------------

WITH_END = ["json", "json-rows", "xml", "xlsx", "ods", "parquet", "feather"]
WITH_END += ["arrow", "xls", "xlsb", "csv.gz", "csv.bz2", "csv.xz", "csv.zst"]


def lacks(content: bytes) -> str | None:
    return missing_end(io.BytesIO(content))


@pytest.mark.parametrize("kind", WITH_END)
def test_an_end_that_has_not_come_is_seen_in_every_format(kind: str) -> None:
    whole = FORMATS[kind](HEADER, ROWS) if kind != "csv.gz" else gzip.compress(b"id,v\n1,2\n")
    assert lacks(whole) is None
    for cut in (1, 9, len(whole) // 2):
        assert lacks(whole[:-cut]) is not None, cut


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_padding_behind_the_end_is_no_missing_end(kind: str) -> None:
    assert lacks(FORMATS[kind](HEADER, ROWS) + b"\r\n\0\0\x1a") is None


def test_brackets_are_counted_in_a_document_and_not_in_lines() -> None:
    document = b'{"rows": [{"a": "}"}, {"a": 2}'
    assert "brackets" in str(lacks(document))
    assert lacks(document + b"]}") is None
    assert lacks(b'{"a": 1}\n{"a": {"b": 2}\n{"a": 3}\n') is None, "the second line is only bad"


def test_a_zip_archive_ends_with_a_directory_of_what_came_before() -> None:
    archive = as_zip({"a.csv": "id,v\n1,2\n"})
    assert lacks(archive) is None
    assert "directory" in str(lacks(archive[:-5]))
    assert "directory" in str(lacks(archive[:4] + archive[30:])), "a part of it is missing"


def test_formats_without_an_end_say_nothing() -> None:
    for content in (as_csv(HEADER, ROWS), b"", b"%PDF-1.7", b"<table><tr><td>1</table>"):
        assert lacks(content) is None


# --- other people's readers ----------------------------------------------------------------------


def test_a_reader_of_another_package_plugs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, "fixed", "examples.reader_plugin:FORMAT")
    path = tmp_path / "visits.kv"
    path.write_text("#kv1\nid=1;name=Zoë\nid=2;name=Bob\n", encoding="utf-8")
    opened = open_table(path, Limits())

    assert recognise(path) == "a key-value list"
    assert opened.header == ("id", "name")
    [batch] = opened.batches()
    assert [column.to_pylist() for column in batch.columns] == [["1", "2"], ["Zoë", "Bob"]]
    assert batch.lines.tolist() == [2, 3]


def test_a_bad_line_of_the_example_is_one_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, "kv", "examples.reader_plugin:FORMAT")
    found = Reader(tmp_path).read("#kv1\nid=1;name=Zoë\noops\n\nid=2\n")

    assert found.rows == [("1", "Zoë"), ("2", "")]
    assert (found.records, found.lines, found.raws) == ([1, 4], [2, 5], ["id=1;name=Zoë", "id=2"])
    assert [(bad.line, bad.raw) for bad in found.bad] == [(3, "oops")]
    assert found.skipped == {"blank": 1}


class Stumbling:
    """A reader with a mistake in it."""

    header = ("id",)

    def __init__(self, path: Path, *_: object, **__: object) -> None:
        self._where = path.read_text(encoding="utf-8").split()[1]
        if self._where == "open":
            raise KeyError("P1")

    def describe(self) -> dict[str, Any]:
        return {"format": "stumbling", "evidence": []}

    def batches(self) -> Iterator[TextBatch]:
        if self._where == "rows":
            raise ZeroDivisionError
        columns = [pa.array(["1"])] * (2 if self._where == "columns" else 1)
        yield TextBatch(
            columns=columns, records=np.array([1]), lines=np.array([1]), raw=lambda _: ""
        )


STUMBLING = Format(
    name="a stumbling list",
    recognises=lambda head: head.data.startswith(b"#stumble"),
    open=Stumbling,
)


@pytest.mark.parametrize("where", ["open", "rows", "columns"])
def test_a_mistake_of_another_package_refuses_its_file_in_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    plug(monkeypatch, "stumble", "tests.unit.test_formats_other:STUMBLING")
    assert Reader(tmp_path).read("#stumble never").rows == [("1",)]
    error = Reader(tmp_path).refusal(f"#stumble {where}")
    assert error.code is FileCode.DAMAGED
    assert "the reader of a stumbling list failed on it" in error.note
    assert "P1" not in error.note


@pytest.mark.parametrize("target", ["no.such.module:X", "json:dumps"])
def test_a_broken_package_stops_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    plug(monkeypatch, "broken", target)
    path = tmp_path / "t"
    path.write_text(json.dumps([{"id": 1}]))
    assert open_table(path, Limits()).header == ("id",)
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(ContentError, match="a PDF document"):
        open_table(path, Limits())
