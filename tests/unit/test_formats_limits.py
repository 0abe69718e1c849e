"""Small files that mean a lot: what is stored once and stands in many cells costs no memory."""

from __future__ import annotations

import io
import lzma
import resource
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ContentError, FileCode
from pipeline.formats import open_table
from pipeline.formats.base import at_table, tables_of
from pipeline.messages import Limits
from tests.unit.binarybooks import as_xls
from tests.unit.reading import Reader
from tests.unit.tables import PACKED, as_zip

MOST_BATCH_BYTES = 100_000_000
LONG = "x" * 900_000
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def workbook(rows: str, behind: str = "", **parts: str) -> bytes:
    """A workbook of one sheet, with these rows and these further parts."""
    related = "".join(
        f'<Relationship Id="r{at}" Type="{RELATIONS}/{name}" Target="{name}.xml"/>'
        for at, name in enumerate(["worksheet", *parts])
    )
    named = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("id", "value"))
    return as_zip(
        {
            "xl/workbook.xml": '<workbook><sheet name="Data" r:id="r0"/></workbook>'.replace(
                "<workbook>", '<workbook xmlns:r="r">'
            ),
            "xl/_rels/workbook.xml.rels": f"<Relationships>{related}</Relationships>",
            "xl/worksheet.xml": f"<worksheet><sheetData><row>{named}</row>{rows}</sheetData>"
            f"{behind}</worksheet>",
            **{f"xl/{name}.xml": part for name, part in parts.items()},
        }
    )


def test_a_shared_text_in_many_cells_counts_as_often(reader: Reader) -> None:
    rows = '<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>' * 500
    content = workbook(rows, sharedStrings=f"<sst><si><t>{LONG}</t></si></sst>")

    assert reader.code(content) is FileCode.LIMIT_EXCEEDED


def largest_batch(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    limits = Limits(max_unpacked_ratio=1_000_000)
    batches = open_table(path, limits).batches()
    return max(sum(int(column.nbytes) for column in batch.columns) for batch in batches)


def dictionary() -> pa.Table:
    numbers = pa.array([0] * 500, pa.int32())
    text = pa.DictionaryArray.from_arrays(numbers, pa.array([LONG]))
    return pa.table({"id": list(range(500)), "value": text})


def as_parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(dictionary(), out)
    return out.getvalue()


def as_arrow() -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, dictionary().schema) as file:
        file.write_table(dictionary())
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        workbook(
            '<row><c><v>1</v></c><c t="s"><v>0</v></c></row>' * 500,
            sharedStrings=f"<sst><si><t>{LONG}</t></si></sst>",
        ),
        as_parquet(),
        as_arrow(),
    ],
    ids=["workbook", "parquet", "arrow"],
)
def test_batches_stay_small_however_often_a_long_text_stands(
    tmp_path: Path, content: bytes
) -> None:
    assert largest_batch(tmp_path / "table", content) < MOST_BATCH_BYTES


def test_a_number_format_of_any_length_makes_no_long_numbers(reader: Reader) -> None:
    styles = (
        f'<styleSheet><numFmt numFmtId="200" formatCode="{"0" * 100_000}"/>'
        '<cellXfs><xf numFmtId="200"/></cellXfs></styleSheet>'
    )
    read = reader.read(workbook('<row><c s="0"><v>7</v></c><c><v>8</v></c></row>', styles=styles))

    assert read.rows == [("7", "8")]


def test_merged_cells_are_found_wherever_the_list_of_them_is_parted(reader: Reader) -> None:
    rows = "".join(
        f'<row><c><v>{n}</v></c><c t="str"><v>{"" if n % 2 else f"v{n}"}</v></c></row>'
        for n in range(12_000)
    )
    merged = "".join(f'<mergeCell ref="B{at}:B{at + 1}"/>' for at in range(2, 12_002, 2))
    behind = f"<mergeCells>{merged}</mergeCells><hyperlinks>{' ' * 600_000}</hyperlinks>"

    read = reader.read(workbook(rows, behind))
    assert read.column("value") == [f"v{n - n % 2}" for n in range(12_000)]


def test_more_merged_cells_than_any_sheet_has_are_refused(reader: Reader) -> None:
    merged = '<mergeCell ref="A2:A3"/>' * 1_000_001
    content = workbook("<row><c><v>1</v></c><c><v>2</v></c></row>", f"<m>{merged}</m>")

    assert reader.code(content) is FileCode.LIMIT_EXCEEDED


def test_cells_of_a_page_cannot_span_more_than_a_table_has(reader: Reader) -> None:
    wide = "<td colspan=1000 rowspan=1000>x" * 100
    page = f"<table><tr><th>id<th>v</tr><tr><td>1<td>2</tr><tr>{wide}</tr></table>"

    assert reader.code(page) is FileCode.LIMIT_EXCEEDED


def test_cells_of_a_page_that_cover_rows_below_move_the_cells_there(reader: Reader) -> None:
    page = (
        "<table><tr><th>a<th>b<th>c<th>d</tr>"
        "<tr><td rowspan=3>1<td>2<td rowspan=2>3<td>4</tr>"
        "<tr><td>5<td>6</tr><tr><td>7<td>8<td>9</tr><tr><td>w<td>x<td>y<td>z</tr></table>"
    )
    assert reader.read(page).rows == [
        ("1", "2", "3", "4"),
        ("1", "5", "3", "6"),
        ("1", "7", "8", "9"),
        ("w", "x", "y", "z"),
    ]


def with_small_sectors(shift: int) -> bytes:
    """An old workbook whose head says how large its small sectors are."""
    whole = bytearray(as_xls(["id", "v"], [["1", "2"]]))
    whole[32:34] = struct.pack("<H", shift)
    whole[56:60] = struct.pack("<I", 1 << 20)  # so that its stream is a short one
    return bytes(whole)


@pytest.mark.parametrize("shift", [0, 3, 60_000])
def test_small_sectors_of_any_other_size_are_damage(reader: Reader, shift: int) -> None:
    assert reader.code(with_small_sectors(shift)) is FileCode.DAMAGED


def damaged_arrow(asked: int) -> bytes:
    """An Arrow stream that says how long a buffer is."""
    out = io.BytesIO()
    table = pa.table({"id": ["a", "b"], "v": ["c", "d"]})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(out, table.schema, options=options) as stream:
        stream.write_table(table)
    whole = out.getvalue()
    frame = whole.index(b"\x28\xb5\x2f\xfd")  # before it stands how long it is, unpacked
    return whole[: frame - 8] + struct.pack("<q", asked) + whole[frame:]


@pytest.mark.parametrize("asked", [1 << 30, 1 << 39, 1 << 61])
def test_a_column_file_that_asks_for_more_than_it_can_hold_is_damaged(
    reader: Reader, asked: int
) -> None:
    assert reader.code(damaged_arrow(asked)) is FileCode.DAMAGED


def test_names_of_columns_that_are_no_text_are_damage(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"name_of_it": ["a"], "v": ["b"]}), out, store_schema=False)
    path = tmp_path / "table"
    path.write_bytes(out.getvalue().replace(b"name_of_it", b"name\xff\xfe\xffit"))

    with pytest.raises(ContentError) as caught:
        list(open_table(path, Limits()).batches())
    assert caught.value.code is FileCode.DAMAGED


def bytes_read() -> int:
    """How many bytes this process has read so far, wherever from."""
    told = Path("/proc/self/io").read_text().splitlines()
    return int(told[0].removeprefix("rchar:"))


def page_of_tables(count: int) -> bytes:
    rows = "<tr><td>id<td>value</tr>" + "<tr><td>1<td>22222222</tr>" * 40
    return (f"<table>{rows}</table>" * count).encode()


def document_of_sheets(count: int) -> bytes:
    row = "".join(f'<Cell><Data ss:Type="String">{text}</Data></Cell>' for text in ("id", "value"))
    space = "urn:schemas-microsoft-com:office:spreadsheet"
    sheets = "".join(
        f'<Worksheet ss:Name="s{n}"><Table>{f"<Row>{row}</Row>" * 20}</Table></Worksheet>'
        for n in range(count)
    )
    return f'<Workbook xmlns="{space}" xmlns:ss="{space}">{sheets}</Workbook>'.encode()


@pytest.mark.parametrize("content", [page_of_tables(300), document_of_sheets(300)])
def test_a_text_of_many_tables_is_gone_through_a_few_times_and_not_for_each(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    before = bytes_read()
    reader = open_table(path, Limits())
    for name in [one.name for one in tables_of(reader)][:3]:
        assert at_table(reader, name).header == ("id", "value")

    assert len(tables_of(reader)) == 100
    assert bytes_read() - before < 8 * len(content)


def address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("ending", sorted(PACKED))
def test_refused_files_leave_no_memory_behind(reader: Reader, ending: str) -> None:
    cut = PACKED[ending](b"id,v\n1,2\n" * 50)[:-6]
    reader.code(cut)
    before = address_space_bytes()
    for _ in range(200):
        assert reader.code(cut) is FileCode.TRUNCATED

    assert address_space_bytes() - before < 50_000_000


def test_a_head_that_asks_for_gigabytes_is_damage(reader: Reader) -> None:
    asks = bytearray(lzma.compress(b"id,v\n1,2\n" * 9))
    at = asks.index(b"\x21\x01") + 2  # the size of the dictionary, as a power of two
    asks[at] = 38
    asks[20:24] = struct.pack("<I", zlib.crc32(asks[12:20]))

    assert reader.code(bytes(asks)) is FileCode.DAMAGED


def test_parts_of_a_workbook_in_no_encoding_or_with_no_numbers_are_refused(reader: Reader) -> None:
    rows = "<row><c><v>1</v></c><c><v>2</v></c></row>"
    styles = '<s><cellXfs><xf numFmtId="{}"/></cellXfs></s>'
    assert reader.code(workbook(rows, styles=styles.format("gray"))) is FileCode.DAMAGED
    for codec in ("none", "shift_jis"):
        declared = f'<?xml version="1.0" encoding="{codec}"?>{styles.format(0)}'
        assert reader.code(workbook(rows, styles=declared)) is FileCode.ENCODING


@pytest.mark.parametrize("span", ["\u00b2", "9" * 5_000, "-1", "x"])
def test_a_span_of_a_page_that_is_no_number_is_none(reader: Reader, span: str) -> None:
    page = f"<table><tr><td>id<td>v</tr><tr><td rowspan='{span}'>1<td>2</tr></table>"
    assert reader.read(page).rows == [("1", "2")]
