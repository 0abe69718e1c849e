"""What a dead sender leaves is recognised by its end, and a whole file never is."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import warnings
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from pipeline.ends.probe import missing_end

HEAD = "patient_id,last_name,first_name,date_of_birth,gender\n"
ROWS = "".join(f"PT-{n:04d},Family{n},Given,1960-05-17,F\n" for n in range(200))
CSV = HEAD + ROWS
TABLE = pa.table({"a": list(range(1000)), "b": [f"text {n}" for n in range(1000)]})
RECORDS = [{"id": n, "name": f"Ünal {n}"} for n in range(300)]
XML = "<?xml version='1.0'?>\n<!-- a > b --><rows>" + "<row id='1'>x</row>" * 200 + "</rows>\n"


def looked_at(content: bytes) -> str | None:
    return missing_end(io.BytesIO(content))


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", CSV)
        archive.comment = b"PK\x05\x06 is no end"
    return stream.getvalue()


def parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(TABLE, stream)
    return stream.getvalue()


def feather(version: int) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pyarrow.feather.write_feather(TABLE, stream, version=version)
    return stream.getvalue()


WHOLE = {
    "zip": zipped(),
    "parquet": parquet(),
    "feather 1": feather(1),
    "arrow": feather(2),
    "gzip": gzip.compress(CSV.encode()),
    "bzip2": bz2.compress(CSV.encode()),
    "xz": lzma.compress(CSV.encode()),
    "json": json.dumps(RECORDS).encode(),
    "json object": json.dumps({"rows": RECORDS}, indent=2).encode() + b"\n",
    "json in utf-16": json.dumps(RECORDS).encode("utf-16"),
    "xml": XML.encode(),
    "xml in utf-16": XML.encode("utf-16"),
    "html": b"<html><body><table><tr><td>1</td></tr></table></body></html>\n",
    "hl7 batch": b"FHS|^~\\&|a\rMSH|^~\\&|a\rFTS|1\r",
    "x12": b"ISA*00*  *00*  ~GS*HC~SE*1~GE*1*1~IEA*1*1~\n",
    "csv": CSV.encode(),
    "csv with semicolons": CSV.replace(",", ";").encode(),
    "csv in utf-16": CSV.encode("utf-16"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_whole_file_is_not_suspected(content: bytes) -> None:
    assert looked_at(content) is None


PACKED = {kind: content for kind, content in WHOLE.items() if "csv" not in kind}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("share", [0.5, 0.6, 0.7])
def test_a_file_that_was_cut_short_is_recognised(content: bytes, share: float) -> None:
    assert looked_at(content[: int(len(content) * share)]) is not None


@pytest.mark.parametrize("cut_bytes", [1, 2, 4, 8, 20])
@pytest.mark.parametrize("kind", ["zip", "parquet", "arrow", "gzip", "bzip2", "xz", "json"])
def test_it_is_enough_that_the_last_bytes_are_missing(kind: str, cut_bytes: int) -> None:
    assert looked_at(WHOLE[kind][:-cut_bytes]) is not None


def test_delimited_text_tells_in_most_places_where_it_may_be_cut() -> None:
    """Not at the end of a row, and not within the last cell: there nothing can be seen."""
    content, row = CSV.encode(), len("PT-0000,Family0,Given,1960-05-17,F\n")
    suspected = sum(looked_at(content[:end]) is not None for end in range(3 * row, 6 * row))
    assert suspected >= 3 * (row - 3)


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("zeros", [64, 5_000, 100_000])
def test_a_tail_of_zeros_is_recognised(content: bytes, zeros: int) -> None:
    cut = content[: len(content) // 2]
    assert looked_at(cut + b"\x00" * zeros) is not None


@pytest.mark.parametrize("kind", ["csv", "json", "xml", "csv in utf-16"])
def test_zeros_in_the_middle_are_recognised(kind: str) -> None:
    content = WHOLE[kind]
    middle = len(content) // 2 // 2 * 2
    assert looked_at(content[:middle] + b"\x00" * 20_000 + content[middle:]) is not None


def test_a_file_of_nothing_but_zeros_is_recognised() -> None:
    assert "zeros" in str(looked_at(b"\x00" * 1_000_000))


FINE = {
    "no line end": CSV.rstrip("\n"),
    "only a header": "a,b,c",
    "one short row": "a,b,c\n1,2",
    "one column": "name\nAda\nAl",
    "a total": CSV + "Total,200",
    "a total with a colon": CSV + "Total: 200",
    "a sentence": CSV + "(200 rows affected)",
    "a remark": CSV + "made by the export of ward 3",
    "an end mark": CSV + "END",
    "ragged rows": "a,b,c\n1,2\n1,2,3,4\n1",
    "empty cells kept": CSV + "PT-9999,,,,",
    "a quoted delimiter": 'a,b\n1,"x, y"\n2,"z, q"\n3,"v"',
    "cp1252": (CSV + "PT-9999,Müller,André,1960-05-17,é"),
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_a_last_line_that_is_only_unusual_is_not_suspected(text: str) -> None:
    codec = "cp1252" if "é" in text else "utf-8"
    assert looked_at(text.encode(codec)) is None


CUT = {
    "after a cell": CSV + "PT-9999,Fam",
    "after the separator": CSV + "PT-9999,",
    "within the first cell": CSV + "PT-99",
    "within a quoted cell": CSV + 'PT-9999,"Fam',
    "within the last, quoted cell": CSV + 'PT-9999,F,G,1960-05-17,"F',
    "with tabs": CSV.replace(",", "\t") + "PT-9999\tFam",
    "with CRLF": CSV.replace("\n", "\r\n") + "PT-9999,Fam",
    "numbers": "id,value,unit\n1,5,mg\n2,6,mg\n3,7",
    "of numbers, the first cell": "id,value,unit\n101,5,mg\n102,6,mg\n10",
    "quoted delimiters above": 'id,b,c\n1,"x, y",z\n2,"z, q",z\n3,"v"',
    "within a character": CSV.replace("Given", "Émile") + "PT-9999,\xc9",
}


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
def test_a_row_that_was_cut_is_recognised(text: str) -> None:
    content = text.encode()
    assert looked_at(content[:-1] if text.endswith("\xc9") else content) is not None


def test_a_cut_row_is_recognised_at_the_end_of_a_large_file() -> None:
    assert "2 of 5" in str(looked_at((HEAD + ROWS * 50 + "PT-9999,Fam").encode()))


def test_several_gzip_members_and_padding_are_whole() -> None:
    two = gzip.compress(CSV.encode()) * 2
    assert looked_at(two) is None
    assert looked_at(two + b"\x00" * 512) is None
    assert looked_at(two[:-4]) is not None


def test_a_gzip_bomb_costs_no_more_than_its_limit() -> None:
    assert looked_at(gzip.compress(b"\x00" * 400_000_000, 1)) is None


def test_a_database_with_missing_pages_is_recognised(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "a.db")
    with database:
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 100)
    database.close()
    content = (tmp_path / "a.db").read_bytes()
    assert looked_at(content) is None
    assert looked_at(content[:-4096]) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"<?a?>" * 12_000 + b"x",
        b"<!--a-->" * 8_000 + b"x",
        b"<!DOCTYPE a [" + b"]" * 60_000,
        b"<a>" + b"<!---->" * 9_000,
        b"<a>" + b"</a" * 20_000,
        b"<a " * 20_000,
        b'{"' + b'"' * 60_000,
        b'a,b\n"' * 10_000 + b'"',
        b"," * 60_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_no_end_is_looked_at_for_ever(content: bytes) -> None:
    looked_at(content)  # that it returns is the point
