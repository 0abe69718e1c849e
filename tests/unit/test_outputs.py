from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowCode
from pipeline.outputs.files import (
    CsvWriter,
    csv_line,
    csv_rows,
    open_data,
    write_json,
)
from pipeline.outputs.jsontext import Written, json_text
from pipeline.outputs.rejects import Reject, RejectSpool, write_rejects
from pipeline.outputs.spreadsheets import as_it_stood, spreadsheet_safe
from pipeline.plain import kept

FIELDS = {"id": "string", "n": "number", "i": "integer", "ok": "boolean", "d": "date"}
FIELDS["at"] = "datetime"


def batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array(["007", 'say "hi", you', None, "two\nlines"]),
            "n": pa.array(["1.10", None, "-0.5", "3"]),
            "i": pa.array(["1", "2", None, "9223372036854775807"]),
            "ok": pa.array([True, False, None, True]),
            "d": pa.array([datetime.date(1957, 5, 9), None, datetime.date(2024, 2, 29), None]),
            "at": pa.array(["2025-02-15T10:00:00-05:00", None, None, None]),
        }
    )


def test_csv_has_lf_minimal_quotes_and_empty_cells_for_no_value(tmp_path: Path) -> None:
    writer = open_data(tmp_path, "table", FIELDS, "csv")
    writer.write(writer.render(batch()))
    output = writer.finish()

    content = (tmp_path / "table.csv").read_bytes()
    assert content.decode() == (
        "id,n,i,ok,d,at\n"
        "007,1.10,1,true,1957-05-09,2025-02-15T10:00:00-05:00\n"
        '"say ""hi"", you",,2,false,,\n'
        ",-0.5,,,2024-02-29,\n"
        '"two\nlines",3,9223372036854775807,true,,\n'
    )
    assert output.sha256 == hashlib.sha256(content).hexdigest()
    assert output.size_bytes == len(content)


def test_parquet_has_types(tmp_path: Path) -> None:
    writer = open_data(tmp_path, "table", FIELDS, "parquet")
    writer.write(writer.render(batch()))
    output = writer.finish()

    table = pq.read_table(tmp_path / "table.parquet")
    assert [str(one) for one in table.schema.types] == [
        "string",
        "double",
        "int64",
        "bool",
        "date32[day]",
        "timestamp[us, tz=UTC]",
    ]
    assert table["at"][0].as_py().isoformat() == "2025-02-15T15:00:00+00:00"
    assert table["n"].to_pylist() == [1.1, None, -0.5, 3.0]
    assert output.sha256 == hashlib.sha256((tmp_path / "table.parquet").read_bytes()).hexdigest()


def test_a_parquet_file_without_rows_still_has_its_columns(tmp_path: Path) -> None:
    open_data(tmp_path, "table", FIELDS, "parquet").finish()

    assert pq.read_table(tmp_path / "table.parquet").column_names == list(FIELDS)


def test_a_row_of_one_empty_cell_is_not_a_blank_line(tmp_path: Path) -> None:
    writer = CsvWriter(tmp_path / "one.csv", ["a"])
    writer.write(writer.render(pa.RecordBatch.from_pydict({"a": pa.array(["x", None, ""])})))
    writer.finish()

    assert (tmp_path / "one.csv").read_text() == 'a\nx\n""\n""\n'


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"a": 1})

    with pytest.raises(FileExistsError):
        write_json(tmp_path / "report.json", {"a": 2})
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=4), parts),
    max_leaves=20,
)


@given(JSON)
def test_json_is_laid_out_as_the_library_does(document: object) -> None:
    laid_out = json.dumps(document, ensure_ascii=False, indent=2)
    assert json_text(document) == laid_out
    assert json_text({"a": [Written(json_text(document))]}) == json.dumps(
        {"a": [document]}, ensure_ascii=False, indent=2
    )
    part = kept({"b": document})
    for around in ({"a": part}, {"a": [part, {"c": part}]}, part):  # as deep in, and otherwise
        assert json_text(around) == json.dumps(around, ensure_ascii=False, indent=2)


def test_plain_data_is_one_thing_only_for_the_very_same_content() -> None:
    first = kept({"a": 1, "b": [1, {"c": None}]})
    assert kept({"a": 1, "b": (1, {"c": None})}) == first
    assert kept({"a": 1, "b": [1, {"c": None}]}) is first
    for other in ({"a": 1.0}, {"a": True}, {"a": "1"}):
        again = kept({**other, "b": [1, {"c": None}]})
        assert again is not first
        assert json_text(again) != json_text(first)
    assert list(kept({"b": [1, {"c": None}], "a": 1})) == ["b", "a"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=8))
def test_any_text_comes_back_as_it_was_written(rows: list[tuple[str, str | None]]) -> None:
    arrays = [pa.array([row[i] for row in rows], pa.string()) for i in (0, 1)]
    content = csv_rows(arrays).decode()
    expected = [[row[0], row[1] or ""] for row in rows]
    assert list(csv.reader(io.StringIO(content, newline=""), strict=True)) == expected
    lines = b"".join(csv_line(row) for row in rows).decode()
    assert lines == content


@given(TEXTS)
def test_a_spreadsheet_never_sees_a_formula_and_the_raw_text_can_be_got_back(text: str) -> None:
    safe = spreadsheet_safe(text)

    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert as_it_stood(safe) == text


def reject(record: int, code: RowCode, raw: str = "x", field: str = "a") -> Reject:
    return Reject(record=record, line=record + 1, field=field, code=code, sentence="Why.", raw=raw)


def test_rejects_from_both_passes_come_out_in_source_order_and_are_counted(tmp_path: Path) -> None:
    spool = RejectSpool(tmp_path / ".spool")
    spool.add([reject(2, RowCode.REQUIRED), reject(2, RowCode.TYPE_ERROR, field="b")])
    spool.add([reject(9, RowCode.REQUIRED, raw="=cmd()"), reject(9, RowCode.REQUIRED, field="b")])
    output, tally = write_rejects(
        tmp_path / "rejects.csv", spool, [reject(4, RowCode.KEY_CONFLICT, raw="-1,\n'x")]
    )
    spool.remove()

    with (tmp_path / "rejects.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["record"] for row in rows] == ["2", "2", "4", "9", "9"]
    assert [as_it_stood(row["raw"]) for row in rows] == ["x", "x", "-1,\n'x", "=cmd()", "x"]
    assert tally.records == 3
    assert tally.by_code == {"required": 2, "type-error": 1, "key-conflict": 1}
    assert output.size_bytes == (tmp_path / "rejects.csv").stat().st_size
    assert not (tmp_path / ".spool").exists()


def test_a_file_without_rejects_has_a_header_only(tmp_path: Path) -> None:
    spool = RejectSpool(tmp_path / ".spool")
    _, tally = write_rejects(tmp_path / "rejects.csv", spool, [])

    assert (tmp_path / "rejects.csv").read_text() == "record,line,field,code,sentence,raw\n"
    assert tally.records == 0
    spool.remove()
