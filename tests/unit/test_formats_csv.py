"""Delimited text is read as it stands, and every record has its place."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ContentError, FileCode, PipelineError, RowCode, TransientError
from pipeline.formats import open_table
from pipeline.formats.base import BadRecord, TextBatch
from pipeline.formats.csv import DelimitedReader
from pipeline.messages import Limits

Read = Callable[..., "Reading"]
BLOCKS = (1, 2, 3, 5, 7, 11, 16, 64, 4096)


class Reading:
    """Everything a reader gave."""

    def __init__(self, reader: DelimitedReader) -> None:
        self.header = reader.header
        self.about = reader.describe()
        self.rows: list[tuple[str, ...]] = []
        self.records: list[int] = []
        self.lines: list[int] = []
        self.raw: list[str] = []
        self.bad: list[BadRecord] = []
        self.skipped: dict[str, int] = {}
        for batch in reader.batches():
            self._take(batch)

    def _take(self, batch: TextBatch) -> None:
        columns = [column.to_pylist() for column in batch.columns]
        assert len(columns) == len(self.header)
        assert all(column.null_count == 0 for column in batch.columns)
        self.rows += list(zip(*columns, strict=True))
        self.records += batch.records.tolist()
        self.lines += batch.lines.tolist()
        self.raw += [batch.raw(at) for at in range(len(batch.records))]
        self.bad += batch.bad
        for reason, count in batch.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    @property
    def faults(self) -> list[tuple[int, int, str, RowCode]]:
        return [(bad.record, bad.line, bad.raw, bad.code) for bad in self.bad]

    def key(self) -> object:
        return self.rows, self.records, self.lines, self.raw, self.faults, self.skipped


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: bytes | str, limits: Limits | None = None, block: int = 1 << 22) -> Reading:
        path = tmp_path / "table"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Reading(DelimitedReader(path, limits or Limits(), block))

    return read


@pytest.fixture
def refusal(read: Read) -> Callable[..., FileCode]:
    def refusal(content: bytes | str, limits: Limits | None = None, block: int = 64) -> FileCode:
        with pytest.raises(ContentError) as caught:
            read(content, limits, block)
        return caught.value.code

    return refusal


def everywhere(read: Read, content: bytes | str) -> Reading:
    """Read with borders of blocks in every place; all must agree."""
    readings = [read(content, block=block) for block in BLOCKS]
    assert all(reading.key() == readings[-1].key() for reading in readings)
    return readings[-1]


def test_cells_are_text_as_it_stood(read: Read) -> None:
    reading = everywhere(read, 'id,zip,name\n007,02134, Ann \n1E5,NA,"Smith, J"\n,null,""\n')

    assert reading.rows == [
        ("007", "02134", " Ann "),
        ("1E5", "NA", "Smith, J"),
        ("", "null", ""),
    ]


def test_a_line_break_within_quotes_is_one_cell_and_counts_two_lines(read: Read) -> None:
    reading = everywhere(read, 'id,note\n1,"a\r\nb"\n2,"c\n\nd"\n3,e\n')

    assert reading.rows == [("1", "a\r\nb"), ("2", "c\n\nd"), ("3", "e")]
    assert reading.records == [1, 2, 3]
    assert reading.lines == [2, 4, 7]
    assert reading.raw == ['1,"a\r\nb"', '2,"c\n\nd"', "3,e"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_understood(read: Read, end: str) -> None:
    reading = everywhere(read, end.join(["id,v", "1,x", "", "2,y", "3,z"]))

    assert reading.rows == [("1", "x"), ("2", "y"), ("3", "z")]
    assert reading.records == [1, 3, 4]
    assert reading.lines == [2, 4, 5]


def test_blank_lines_and_empty_rows_are_skipped_and_counted(read: Read) -> None:
    reading = everywhere(read, 'a,b,c\n\n1,2,3\n   \n,,,\n,,\n"","",""\n\t\n\u00a0\n4,5,6\n')

    assert reading.rows == [("1", "2", "3"), ("4", "5", "6")]
    assert reading.records == [2, 9]
    assert reading.skipped == {"blank": 7}
    assert reading.bad == []


def test_a_repeated_header_is_skipped_and_counted(read: Read) -> None:
    reading = everywhere(read, "id,v\n1,x\nid,v\n2,y\n")

    assert reading.rows == [("1", "x"), ("2", "y")]
    assert reading.skipped == {"repeated-header": 1}


def test_rows_of_another_width_are_told_with_their_place(read: Read) -> None:
    reading = everywhere(read, 'a,b\n1,2\n3\n4,5,6\n"x\ny",7\n"8",9,"0"\n5,6\n')

    assert reading.rows == [("1", "2"), ("x\ny", "7"), ("5", "6")]
    assert reading.lines == [2, 5, 8]
    assert reading.faults == [
        (2, 3, "3", RowCode.MISSING_CELL),
        (3, 4, "4,5,6", RowCode.EXTRA_CELL),
        (5, 7, '"8",9,"0"', RowCode.EXTRA_CELL),
    ]


def test_one_bad_quote_costs_one_row(read: Read) -> None:
    good = "".join(f"{row}0,{row}\n" for row in range(1, 60))
    reading = everywhere(read, f'height,weight\n60,70\n"5\'11"",80\n{good}')

    assert len(reading.rows) == 60
    assert reading.faults == [(2, 3, '"5\'11"",80', RowCode.UNBALANCED_QUOTE)]
    assert reading.lines[1] == 4


def test_every_bad_quote_costs_only_its_own_row(read: Read) -> None:
    text = 'id,v,w\n1,"a"b,x\n2,"ok",x\n3,"c,x\n4,"d"" ,x\n5,"e\nf",x\n6,g,x\n'
    reading = everywhere(read, text)

    assert reading.rows == [("2", "ok", "x"), ("5", "e\nf", "x"), ("6", "g", "x")]
    assert [line for _, line, _, _ in reading.faults] == [2, 4, 5]
    assert {code for *_, code in reading.faults} == {RowCode.UNBALANCED_QUOTE}


def test_a_quote_within_a_cell_is_text(read: Read) -> None:
    reading = everywhere(
        read, 'id,item\n1,5" pipe\n2,a"b"c\n3,""\n4,say "hi"\n5,\'tis\n6,O\'Brien\n'
    )

    assert [row[1] for row in reading.rows] == [
        '5" pipe', 'a"b"c', "", 'say "hi"', "'tis", "O'Brien",
    ]  # fmt: skip


def test_space_around_quotes_does_not_split_a_cell(read: Read) -> None:
    reading = everywhere(read, 'id, name, v\n1, "Smith, J", 2\n3, "x" ,4\n5, "y" z,6\n')

    assert reading.rows == [("1", "Smith, J", " 2"), ("3", "x", "4"), ("5", ' "y" z', "6")]


def test_a_cell_over_two_lines_is_believed_only_if_its_row_fits(read: Read) -> None:
    reading = everywhere(read, 'a,b,c\n1,"x\ny"\n2,3,4\n')

    assert reading.rows == [("2", "3", "4")]
    assert [(line, code) for _, line, _, code in reading.faults] == [
        (2, RowCode.UNBALANCED_QUOTE),
        (3, RowCode.MISSING_CELL),
    ]


@pytest.mark.parametrize(
    "tail",
    [
        '3,"cut off he',
        '3,"cut off he\nand more text without a comma\nand mo',
        '"',
        '3,"one\ntwo, three\nfour, five, six\nsev',
    ],
)
def test_a_file_that_ends_within_a_quoted_cell_is_truncated(
    refusal: Callable[..., FileCode], tail: str
) -> None:
    for block in BLOCKS:
        assert refusal("id,note\n1,a\n2,b\n" + tail, None, block) is FileCode.TRUNCATED


def test_nothing_good_before_or_after_an_open_quote_is_truncated(
    refusal: Callable[..., FileCode],
) -> None:
    assert refusal('id,note\n1,"cut off he') is FileCode.TRUNCATED


def test_a_mark_at_the_start_of_a_later_line_is_kept(read: Read) -> None:
    reading = everywhere(read, "a,b\n1,2\n\ufeff3,4\n")

    assert reading.rows == [("1", "2"), ("\ufeff3", "4")]


def test_leaving_a_bad_record_out_does_not_join_the_line_ends_around_it(read: Read) -> None:
    reading = everywhere(read, 'a,b\n1,2\n\r"x"y,3\n\n4,5\n"x"y,3\n\ufeff6,7\n')

    assert reading.rows == [("1", "2"), ("4", "5"), ("\ufeff6", "7")]
    assert reading.records == [1, 5, 7]
    assert reading.skipped == {"blank": 2}


def test_a_crlf_behind_a_quoted_line_break_is_one_line_end(read: Read) -> None:
    reading = everywhere(read, 'a,b\r\n1,"x\r"\r\n2,y\r\n')

    assert reading.records == [1, 2]
    assert reading.lines == [2, 4]


def test_nul_bytes_stay_in_their_cell_and_are_told(read: Read) -> None:
    reading = everywhere(read, b"id,v\n1,a\x00b\n2,c\n")

    assert reading.rows == [("1", "a\x00b"), ("2", "c")]
    assert any("NUL" in sentence for sentence in reading.about["evidence"])


@pytest.mark.parametrize("end", ["\x1a", "\x1a\r\n", "\x1a\x1a\x1a"])
def test_a_closing_control_z_is_dropped(read: Read, end: str) -> None:
    reading = everywhere(read, "id,v\n1,2\n" + end)

    assert reading.rows == [("1", "2")]
    assert reading.bad == []


def test_a_column_without_a_name_is_kept_by_its_place(read: Read) -> None:
    reading = everywhere(read, "id,v,\n1,x,\n2,y,\n")

    assert reading.header == ("id", "v", "")
    assert reading.rows == [("1", "x", ""), ("2", "y", "")]


def test_labels_may_repeat_and_keep_their_space(read: Read) -> None:
    assert read(" id ,name,name\n1,a,b\n").header == (" id ", "name", "name")


def test_a_header_may_span_lines(read: Read) -> None:
    reading = everywhere(read, '"id","two\nlines"\n1,x\n')

    assert reading.header == ("id", "two\nlines")
    assert reading.lines == [3]


def test_iterating_twice_reads_the_file_twice(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    reader = open_table(path, Limits())

    assert [len(b.records) for b in reader.batches()] == [len(b.records) for b in reader.batches()]


# Limits


def test_too_many_columns_are_refused(refusal: Callable[..., FileCode]) -> None:
    header = ",".join(f"c{at}" for at in range(30))
    assert refusal(f"{header}\n", Limits(max_columns=20)) is FileCode.LIMIT_EXCEEDED


@pytest.mark.parametrize("cell", ["x" * 300, '"' + "x" * 300 + '"', '"' + "x\n" * 150 + '"'])
def test_a_cell_over_the_limit_is_refused(refusal: Callable[..., FileCode], cell: str) -> None:
    limits = Limits(max_cell_bytes=200)
    assert refusal(f"a,b\n1,2\n3,{cell}\n", limits) is FileCode.LIMIT_EXCEEDED


@pytest.mark.parametrize("start", ["", "a,b\n1,2\n", 'a,b\n1,2\n3,"'])
def test_a_line_without_end_is_refused_early(refusal: Callable[..., FileCode], start: str) -> None:
    limits = Limits(max_record_bytes=1000, max_cell_bytes=500)
    assert refusal(start + "x" * 600_000, limits) is FileCode.LIMIT_EXCEEDED


def test_an_open_quote_is_not_followed_for_ever(read: Read) -> None:
    rows = "".join(f"{row},y\n" for row in range(500))
    reading = read('id,v\n1,x\n2,"z\n' + rows, Limits(max_record_bytes=1000), 64)

    assert len(reading.rows) == 501
    assert len(reading.bad) == 1


def test_a_quoted_record_over_the_limit_is_refused(refusal: Callable[..., FileCode]) -> None:
    limits = Limits(max_record_bytes=1000, max_cell_bytes=900)
    note = "\n".join(["plain words"] * 200)
    assert refusal(f'id,note\n1,x\n2,"{note}"\n3,y\n', limits) is FileCode.LIMIT_EXCEEDED


def test_a_vanished_file_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as caught:
        open_table(tmp_path / "gone.csv", Limits())
    assert caught.value.code is FileCode.INPUT_MISSING


def test_a_file_that_shrinks_while_it_is_read_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 1000)
    reader = DelimitedReader(path, Limits(), 64)
    path.write_text("a,b\n1,x\n")

    with pytest.raises(TransientError):
        list(reader.batches())


# Properties. Python's csv module is the oracle.

CELL = st.text(st.sampled_from("ab1 ,;\t|\"\n\r'é\u2028\ufeff"), max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str]:
    width = draw(st.integers(2, 4))
    delimiter = draw(st.sampled_from(",;\t|"))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    row = st.lists(CELL, min_size=width, max_size=width)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    quotes_all = draw(st.booleans())
    header = [f"c{chr(97 + at)}" for at in range(width)]
    lines = [delimiter.join(_written(cell, quotes_all) for cell in row) for row in [header, *rows]]
    return delimiter, end.join(lines) + draw(st.sampled_from(["", end]))


def _written(cell: str, quotes_all: bool) -> str:
    if quotes_all or any(mark in cell for mark in ',;\t|"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def oracle(text: str, delimiter: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Record number, first line and cells of the rows that are not blank."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(iter(lambda: _line(lines), ""), delimiter=delimiter, strict=True)
    next(reader)
    line = reader.line_num + 1
    for record, cells in enumerate(reader, 1):
        if any(cell.strip() for cell in cells):
            yield record, line, tuple(cells)
        line = reader.line_num + 1


def _line(lines: io.StringIO) -> str:
    return lines.readline()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables(), block=st.integers(1, 40))
def test_well_formed_tables_read_as_the_csv_module_reads_them(
    tmp_path: Path, table: tuple[str, str], block: int
) -> None:
    delimiter, text = table
    path = tmp_path / "t"
    path.write_bytes(f"sep={delimiter}\n{text}".encode())
    expected = list(oracle(text, delimiter))
    try:
        reading = Reading(DelimitedReader(path, Limits(), block))
    except ContentError as error:
        assert error.code in (FileCode.EMPTY, FileCode.HEADER_MISSING)  # noqa: PT017
        return

    assert list(zip(reading.records, reading.rows, strict=True)) == [
        (record, cells) for record, _, cells in expected
    ]
    assert reading.lines == [line + 1 for _, line, _ in expected]
    assert reading.bad == []


PIECES = ["a", "1", ",", ",", ";", '"', '"', '""', "\n", "\n", "\r", "\r\n", " ", "\t", "|", "é"]
FRAGMENTS = st.lists(
    st.sampled_from(
        [*map(str.encode, PIECES), b"\xe9", b"\x00", b"\x1a", b"\xef\xbb\xbf", b"id,v\n"]
    ),
    max_size=60,
)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(head=st.sampled_from([b"", b"id,v\n", b"\xff\xfe", b"sep=;\n"]), tail=FRAGMENTS)
def test_any_bytes_are_refused_or_wholly_accounted_for(
    tmp_path: Path, head: bytes, tail: list[bytes]
) -> None:
    path = tmp_path / "t"
    path.write_bytes(head + b"".join(tail))
    outcomes = []
    for block in (1, 3, 8, 50, 4096):
        try:
            outcomes.append(Reading(DelimitedReader(path, Limits(), block)).key())
        except PipelineError as error:
            outcomes.append((error.code, error.note))
            continue
        _assert_accounted(Reading(DelimitedReader(path, Limits(), block)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_no_bytes_at_all_crash_the_reader(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    with contextlib.suppress(PipelineError):
        for batch in open_table(path, Limits()).batches():
            assert len(batch.records) == len(batch.lines) == len(batch.columns[0])


def _assert_accounted(reading: Reading) -> None:
    bad = [fault.record for fault in reading.bad]
    placed = sorted(reading.records + bad)
    assert reading.records == sorted(set(reading.records))
    assert bad == sorted(set(bad))
    assert len(set(placed)) == len(placed)
    total = len(placed) + sum(reading.skipped.values())
    assert not placed or placed[-1] <= total
    assert reading.lines == sorted(set(reading.lines))


def test_some_records_are_found_with_the_positions_and_cells_they_have_among_all(
    tmp_path: Path,
) -> None:
    lines = [f'{at},"a, {at}",5" pipe' if at % 7 else f'{at},"two\nlines",x' for at in range(2_000)]
    path = tmp_path / "some.csv"
    path.write_text("id,name,what\n" + "\n\n".join(lines) + "\nragged,row\n")
    reader = DelimitedReader(path, Limits(), block_bytes=4_000)
    wanted = np.arange(15, 3_900, 62)

    def rows(batches: Iterator[TextBatch]) -> dict[int, tuple[int, str, list[str]]]:
        return {
            int(record): (
                int(batch.lines[at]),
                batch.raw(at),
                [column[at].as_py() for column in batch.columns],
            )
            for batch in batches
            for at, record in enumerate(batch.records)
            if record in wanted
        }

    found = rows(reader.batches_with(wanted))
    assert found == rows(reader.batches())
    assert len(found) == len([one for one in wanted if one % 2])
