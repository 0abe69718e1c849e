"""Workbooks other than .xlsx: what their cells show is what is read, in every one of them."""

from __future__ import annotations

import struct
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import python_calamine

from pipeline.ends.probe import missing_end
from pipeline.errors import FileCode, RowCode
from pipeline.formats.numberformats import shown
from pipeline.formats.ods import NAME, OdsBook
from pipeline.formats.odscells import OdsCells
from pipeline.formats.xlsrecords import shared_texts
from pipeline.messages import Limits
from tests.unit.binarybooks import as_xls, as_xlsb, compound
from tests.unit.harmonizing import Desk
from tests.unit.opendocument import KIND, SPACES, cell, content, ods, row, words
from tests.unit.reading import Reader
from tests.unit.tables import as_spreadsheetml, as_zip, unpacked

VITALS = """
name: vitals
fields:
  - {name: patient_id, type: string, constraints: {required: true}}
  - {name: zip, type: string}
"""
BINARY: dict[str, Callable[..., bytes]] = {"xls": as_xls, "xlsb": as_xlsb}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


# --- number formats ------------------------------------------------------------------------------

SHOWN: list[tuple[float, str, str]] = [
    (123, "00000", "00123"),
    (123, "0", "123"),
    (123456789, "000-00-0000", "123-45-6789"),
    (12345678, r"000\-00\-0000", "012-34-5678"),
    (123456789, r"00000\-0000", "12345-6789"),
    (42, '"P"0000', "P0042"),
    (42, r"\P0000", "P0042"),
    (7, '000"-A"', "007-A"),
    (5551234567, r"[<=9999999]###\-####;\(###\)\ ###\-####", "(555) 123-4567"),
    (5551234, r"[<=9999999]###\-####;\(###\)\ ###\-####", "555-1234"),
    (5, "[>=10]0;00", "05"),
    (1.1, "0.00", "1.10"),
    (1.234, "0.00", "1.234"),
    (1234.5, r"#\ ##0.00", "1234.50"),
    (-3.5, "0.00;[Red]-0.00", "-3.50"),
    (0.5, "0%", "50%"),
    (0.975, "0.0%", "97.5%"),
    (5.5, '0.0" mg"', "5.5 mg"),
    (2.5, '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\)', "2.50"),
    (37.2, "General", "37.2"),
    (1e-7, "General", "0.0000001"),
    (45000, "dd.mm.yyyy", "2023-03-15"),
    (45000.4375, "d/m/yy h:mm", "2023-03-15T10:30:00"),
    (45000, "d/m/yy h:mm", "2023-03-15T00:00:00"),
    (45000, "[$-409]d-mmm-yy;@", "2023-03-15"),
    (10.5 / 24, "h:mm", "10:30:00"),
    (26.5 / 24, "[h]:mm:ss", "26:30:00"),
    (60, "yyyy-mm-dd", "1900-02-29"),
    (59, "yyyy-mm-dd", "1900-02-28"),
]


@pytest.mark.parametrize("kind", sorted(BINARY))
@pytest.mark.parametrize(("number", "code", "text"), SHOWN)
def test_a_number_is_what_its_cell_shows(
    reader: Reader, kind: str, number: float, code: str, text: str
) -> None:
    found = reader.read(BINARY[kind](["id", "v"], [["x", (number, code)]]))
    assert found.column("v") == [text]
    assert found.faults == []


@pytest.mark.parametrize(("number", "code", "text"), SHOWN)
def test_a_format_shows_a_number_alike_wherever_it_stands(
    number: float, code: str, text: str
) -> None:
    assert shown(number, code) == text


@pytest.mark.parametrize("kind", sorted(BINARY))
def test_texts_truth_and_digits_are_kept(reader: Reader, kind: str) -> None:
    rows: list[list[Any]] = [["00123", 1234567890123456.0], ["é€ x", -2.5], ["", True], ["a\nb", 7]]
    found = reader.read(BINARY[kind](["id", "v"], rows))

    assert found.column("id") == ["00123", "é€ x", "", "a\nb"]
    assert found.column("v") == ["1234567890123456", "-2.5", "true", "7"]
    assert [(one.record, one.code) for one in found.faults] == [(1, RowCode.PRECISION_LOST)]
    assert found.places[1] == "Data!A3"


@pytest.mark.parametrize("name", ["xls", "xlsb", "of xlwt"])
def test_another_reader_finds_the_same_cells(reader: Reader, name: str) -> None:
    rows: list[list[Any]] = [["é" * 4000, 2.5], ["x", -7.0], ["", True], ["a\nb", 1e-7]]
    content = BINARY[name](["id", "v"], rows) if name in BINARY else SAVED_BY_XLWT
    found = reader.read(content)
    book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(content))
    header, *others = book.get_sheet_by_index(0).to_python()

    assert list(found.header) == header
    for mine, other in zip(found.rows, others, strict=True):
        for text, value in zip(mine, other, strict=True):
            if isinstance(value, str):
                assert text == value
            elif isinstance(value, bool):
                assert text == str(value).lower()
            elif isinstance(value, int | float) and name in BINARY:
                assert float(text) == value


def test_texts_that_go_on_in_further_records_are_whole(reader: Reader) -> None:
    """Excel parts its list of texts at 8224 bytes, within a letter's text and with a new width."""
    found = reader.read(SHARED_TEXTS)
    assert found.column("v") == ["a" * 9_000, "山" * 9_000, "é😀" * 3_000, "short"]


@pytest.mark.parametrize("cut", range(5))
def test_a_text_may_be_parted_at_any_place(cut: int) -> None:
    letters = "é😀山a".encode("utf-16-le")
    at = 2 * cut
    first = bytes(8) + struct.pack("<HB", 5, 1) + letters[:at]
    assert shared_texts([first, b"\x01" + letters[at:]]) == ["é😀山a"]


@pytest.mark.parametrize("kind", sorted(BINARY))
def test_a_sheet_without_any_number_is_read(reader: Reader, kind: str) -> None:
    assert reader.read(BINARY[kind](["id", "v"], [["x", "y"]])).rows == [("x", "y")]


def test_an_old_workbook_of_many_sectors_is_read(reader: Reader) -> None:
    rows: list[list[Any]] = [["n" * 4000, (float(n), "00000")] for n in range(1100)]
    found = reader.read(as_xls(["id", "v"], rows))
    assert found.column("v") == [f"{n:05}" for n in range(1100)]


def test_an_old_workbook_with_a_password_is_refused(reader: Reader) -> None:
    whole = as_xls(["id", "v"], [["x", 1.5]])
    locked = whole.replace(b"\x42\0\x02\0\xb0\x04", b"\x2f\0\x02\0\xb0\x04")
    error = reader.refusal(locked)
    assert (error.code, error.note) == (FileCode.UNSUPPORTED, "the workbook has a password")


def test_cells_that_stand_far_apart_cost_no_memory_for_the_gap(reader: Reader) -> None:
    rows: list[list[Any]] = [["x", 1.0], *[[]] * 65_533, ["y", 2.0, *[""] * 253, "far"]]
    assert reader.read(as_xls(["id", "v"], rows)).lines == [2]


@pytest.mark.parametrize("kind", sorted(BINARY))
def test_merged_cells_and_1904_are_told_and_kept(reader: Reader, kind: str) -> None:
    rows = [["P1", (43_893.0, "yyyy-mm-dd")], ["", (2.0, "yyyy-mm-dd")]]
    found = reader.read(BINARY[kind](["id", "d"], rows, from_1904=True, merges=[(1, 2, 0, 0)]))

    assert found.rows == [("P1", "2024-03-04"), ("P1", "1904-01-03")]
    assert "1904" in found.told
    assert "merged cells" in found.told


@pytest.mark.parametrize("kind", sorted(BINARY))
def test_a_zip_code_of_digits_is_delivered_with_its_zeros(tmp_path: Path, kind: str) -> None:
    rows = [[f"P{n}", (2134.0 + n, "00000")] for n in range(5)]
    delivered = Desk(tmp_path).contract(VITALS).harmonize(BINARY[kind](["patient_id", "zip"], rows))

    assert delivered.column("zip") == ["02134", "02135", "02136", "02137", "02138"]


def test_a_workbook_saved_by_another_program_is_read(reader: Reader) -> None:
    found = reader.read(SAVED_BY_XLWT)
    assert found.column("v") == [
        "00123", "00123", "123-45-6789", "(555) 123-4567", "1.10", "97.5%", "1980-02-03",
        "2025-03-04T10:30:00", "10:30:00", "26:30:00", "1900-02-29", "1234567890123456", "true",
    ]  # fmt: skip
    assert [(one.record, one.code) for one in found.faults] == [(12, RowCode.PRECISION_LOST)]


@pytest.mark.parametrize("kind", sorted(BINARY))
def test_cut_and_damaged_binary_workbooks_say_so(reader: Reader, kind: str) -> None:
    whole = BINARY[kind](["id", "v"], [["x", (1.0, "000")]] * 200)
    assert reader.code(whole[: len(whole) // 2]) is FileCode.TRUNCATED


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00\x19\xff\xff\xff\xff",  # a row beyond all rows
        b"\x06\xff\xff\xff\x7f",  # a record without measure
        b"\x05\x10\x01",  # a record that is cut off
        b"\x07\x0c" + bytes(8) + b"\xff\xff\xff\xff",  # a shared text that is not there
        b"\x06\x0c" + bytes(8) + b"\xff\xff\xff\x7f",  # a text longer than its record
    ],
    ids=["row", "measure", "cut", "shared", "text"],
)
def test_records_that_cannot_be_are_damage(reader: Reader, damage: bytes) -> None:
    whole = as_xlsb(["id", "v"], [["x", 1.5], ["y", 2.5]])
    with zipfile.ZipFile(BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.bin"]
    parts["xl/worksheets/sheet1.bin"] = sheet.replace(b"\x92\x01\x00", damage + b"\x92\x01\x00")
    assert reader.code(as_zip(parts)) is FileCode.DAMAGED


def test_a_chain_of_sectors_that_is_a_ring_is_damage(reader: Reader) -> None:
    whole = bytearray(as_xls(["id", "v"], [["x", 1.5]] * 400))
    table = whole.rfind(b"\x01\0\0\0\x02\0\0\0\x03\0\0\0")
    whole[table : table + 4] = bytes(4)
    assert reader.code(bytes(whole)) in (FileCode.DAMAGED, FileCode.TRUNCATED)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<Cell ss:StyleID="zip"><Data ss:Type="Number">2134</Data></Cell>', "02134"),
        ('<Cell ss:StyleID="child"><Data ss:Type="Number">2134</Data></Cell>', "02134"),
        ('<Cell ss:StyleID="share"><Data ss:Type="Number">0.975</Data></Cell>', "97.50%"),
        ('<Cell ss:StyleID="day"><Data ss:Type="Number">45000</Data></Cell>', "2023-03-15"),
        ('<Cell><Data ss:Type="Number">7</Data></Cell>', "007"),
        ('<Cell><Data ss:Type="String">7</Data></Cell>', "7"),
        ('<Cell><Data ss:Type="Number">n/a</Data></Cell>', "n/a"),
    ],
)
def test_a_number_of_an_excel_2003_document_is_shown_by_its_style(
    reader: Reader, cell: str, text: str
) -> None:
    styles = (
        '<Styles><Style ss:ID="zip"><NumberFormat ss:Format="00000"/></Style>'
        '<Style ss:ID="child" ss:Parent="zip"/><Style ss:ID="share">'
        '<NumberFormat ss:Format="Percent"/></Style><Style ss:ID="day">'
        '<NumberFormat ss:Format="Short Date"/></Style><Style ss:ID="three">'
        '<NumberFormat ss:Format="000"/></Style></Styles><Worksheet'
    )
    whole = as_spreadsheetml(["id", "v"], [["x", "@"]]).decode()
    whole = whole.replace("<Worksheet", styles, 1)
    whole = whole.replace("<Table>", '<Table><Column/><Column ss:StyleID="three"/>')
    whole = whole.replace('<Cell><Data ss:Type="String">@</Data></Cell>', cell)
    assert reader.read(whole).column("v") == [text]


def test_lost_digits_of_an_excel_2003_document_are_flagged(reader: Reader) -> None:
    whole = as_spreadsheetml(["id", "v"], [["x", "@"]]).decode()
    long = '<Data ss:Type="Number">12345678901234567</Data>'
    found = reader.read(whole.replace('<Data ss:Type="String">@</Data>', long))
    assert found.column("v") == ["12345678901234567"]
    assert [one.code for one in found.faults] == [RowCode.PRECISION_LOST]


# --- OpenDocument --------------------------------------------------------------------------------

TOP = row(words("id"), words("v"))


@pytest.mark.parametrize(
    ("kind", "value", "style", "text"),
    [
        ("float", "123", "N1", "00123"),
        ("float", "12345678", "N2", "012-34-5678"),
        ("percentage", "0.975", "N3", "97.5%"),
        ("currency", "1234.5", "N4", "1234.50"),
        ("currency", "-1234.5", "N4", "-1234.50"),
        ("float", "42", "N5", "P0042"),
        ("float", "5.5", "N6", "5.5 mg"),
        ("float", "37.2", "", "37.2"),
        ("float", "1E-7", "", "0.0000001"),
        ("date", "2023-03-15", "D1", "2023-03-15"),
        ("date", "2023-03-15T10:29:59.999999999", "D2", "2023-03-15T10:30:00"),
        ("date", "2023-03-15", "D2", "2023-03-15T00:00:00"),
        ("time", "PT10H30M15S", "T1", "10:30:15"),
        ("time", "PT26H30M00.500S", "T2", "26:30:00.500"),
        ("time", "PT26H30M00S", "T1", "26:30:00"),
        ("boolean", "true", "", "true"),
    ],
)
def test_a_value_of_an_open_document_is_shown_by_its_style(
    reader: Reader, kind: str, value: str, style: str, text: str
) -> None:
    found = reader.read(ods(content(TOP + row(words("x"), cell(kind, value, style)))))
    assert found.column("v") == [text]


def test_styles_of_columns_rows_and_ancestors_count(reader: Reader) -> None:
    beside = (
        f'<?xml version="1.0"?><office:document-styles{SPACES}><office:styles>'
        '<number:number-style style:name="S3"><number:number number:min-integer-digits="3"/>'
        '</number:number-style><style:style style:name="three" style:family="table-cell" '
        'style:data-style-name="S3"/></office:styles></office:document-styles>'
    )
    columns = '<table:table-column/><table:table-column table:default-cell-style-name="cN1"/>'
    inherits = (
        '<style:style style:name="child" style:family="table-cell" '
        'style:parent-style-name="three"/></office:automatic-styles>'
    )
    document = content(
        TOP
        + row(words("x"), cell("float", "7"))
        + row(words("y"), cell("float", "7"), more=' table:default-cell-style-name="cN3"')
        + row(
            words("z"),
            cell("float", "7").replace(
                "<table:table-cell", '<table:table-cell table:style-name="child"'
            ),
        ),
        columns,
    ).replace("</office:automatic-styles>", inherits)
    found = reader.read(ods(document, **{"styles.xml": beside}))

    assert found.column("v") == ["00007", "700.0%", "007"]


def test_repeated_cells_rows_and_spaces_are_unfolded(reader: Reader) -> None:
    document = content(
        row(words("id"), words("v", ' table:number-columns-repeated="2"'))
        + row(words('a<text:s text:c="3"/>b<text:tab/>c'), cell("float", "1"), more="")
        + row(
            words("  x \n  y  </text:p><text:p>z"),
            cell("float", "2", more=' table:number-columns-repeated="2"'),
            more=' table:number-rows-repeated="3"',
        )
        + row(
            '<table:table-cell table:number-columns-repeated="16384"/>',
            more=' table:number-rows-repeated="1048000"',
        )
    )
    found = reader.read(ods(document))

    assert found.rows == [("a   b\tc", "1", "")] + [("x y\nz", "2", "2")] * 3
    assert found.places == ["Data!A2", "Data!A3", "Data!A4", "Data!A5"]


def test_errors_and_formulas_without_result_are_told_and_comments_are_no_text(
    reader: Reader,
) -> None:
    formula = ' table:formula="of:=1/0" calcext:value-type="error"'
    document = content(
        TOP
        + row(words("x"), words("#DIV/0!", formula))
        + row(words("y"), '<table:table-cell table:formula="of:=[.A1]"/>')
        + row(words("z"), cell("float", "0", said="Err:502", more=' table:formula="of:=x"'))
        + row(
            words("u"),
            '<table:table-cell office:value-type="float" office:value="5"><office:annotation>'
            "<text:p>call me</text:p></office:annotation><text:p>5</text:p></table:table-cell>",
        )
        + row(words("v"), cell("float", "1.23456789012346E+15"))
    )
    found = reader.read(ods(document))

    assert found.column("v") == ["#DIV/0!", "=[.A1]", "Err:502", "5", "1234567890123460"]
    assert [(one.record, one.code) for one in found.faults] == [
        (1, RowCode.CELL_ERROR),
        (2, RowCode.FORMULA_UNCACHED),
        (3, RowCode.CELL_ERROR),
        (5, RowCode.PRECISION_LOST),
    ]


def test_hidden_sheets_merged_cells_and_1904_of_an_open_document(reader: Reader) -> None:
    hidden = (
        '<table:table table:name="Old" table:style-name="ta">'
        + row(words("a"), words("b"), words("c"))
        + row(words("1"), words("2"), words("3"))
        + "</table:table>"
    )
    settings = (
        '<table:calculation-settings><table:null-date table:date-value="1904-01-01"/>'
        "</table:calculation-settings>"
    )
    document = content(
        TOP
        + row(words("P1", ' table:number-rows-spanned="2"'), cell("float", "1", "D1"))
        + row("<table:covered-table-cell/>", cell("float", "2")),
        sheets=hidden,
        settings=settings,
    )
    found = reader.read(ods(document))

    assert found.rows == [("P1", "1904-01-02"), ("P1", "2")]
    assert "“Old”: hidden" in found.told


def many_sheets(count: int, rows: int) -> str:
    """Sheets S1, S2, … of one shape, each with its own number in every cell."""
    sheets = (
        f'<table:table table:name="S{number}">'
        + row(words("id"), words("né"))
        + row(words(f"ë{number}"), words("v")) * rows
        + "</table:table>"
        for number in range(1, count + 1)
    )
    return content(TOP + row(words("x"), words("y")), sheets="".join(sheets))


@pytest.mark.parametrize("is_flat", [False, True])
def test_each_sheet_of_a_large_open_document_is_found(reader: Reader, is_flat: bool) -> None:
    document = many_sheets(6, 900)  # the fourth begins in another piece than the first
    whole = flat(document) if is_flat else ods(document)

    for number in (1, 3, 6):
        found = reader.read(whole, table=f"S{number}")
        assert found.header == ("id", "né")
        assert found.rows == [(f"ë{number}", "v")] * 900
        assert found.places[0] == f"S{number}!A2"


def test_the_last_of_many_sheets_of_an_open_document_is_read_as_fast_as_the_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "book.ods"
    path.write_bytes(ods(many_sheets(50, 100)))
    book = OdsBook(path, Limits(), NAME)
    elements: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _what: object) -> None:
        if event == "call" and frame.f_code is OdsCells.start.__code__:
            elements[sheet] += 1

    for sheet in ("S1", "S50"):
        sys.setprofile(note)
        try:
            assert len(list(book.rows(sheet))) == 101
        finally:
            sys.setprofile(None)
    assert elements["S50"] <= elements["S1"]


def flat(document: str) -> str:
    """The same document as one text."""
    return document.replace("document-content", "document").replace(
        "<office:document ", f'<office:document office:mimetype="{KIND}" ', 1
    )


def test_an_open_document_in_one_text_is_read(reader: Reader) -> None:
    document = content(TOP + row(words("x"), cell("float", "123", "N1")))
    found = reader.read(flat(document))

    assert found.column("v") == ["00123"]
    assert found.about["format"] == "an OpenDocument spreadsheet in one document (.fods)"


def test_an_open_document_with_a_password_is_refused(reader: Reader) -> None:
    manifest = '<manifest><file-entry><encryption-data checksum="x"/></file-entry></manifest>'
    error = reader.refusal(ods("garbage", **{"META-INF/manifest.xml": manifest}))
    assert (error.code, error.note) == (FileCode.UNSUPPORTED, "the workbook has a password")


@pytest.mark.parametrize(
    "rows",
    [
        row(words("x" * 90), words("y" * 90), more=' table:number-rows-repeated="1000000"'),
        row(words("x"), words("y" * 99, ' table:number-columns-repeated="16000"')),
        row(words("x"), words("y", ' table:number-columns-repeated="999999999"')),
        row(words("x"), words('<text:s text:c="999999999"/>')),
        row(words("x"), words("y", ' table:number-columns-repeated="-1"')),
        row(words("x"), cell("float", "1x")),
        row(words("x"), cell("time", "soon")),
    ],
    ids=["rows", "columns", "too many columns", "spaces", "less than none", "number", "time"],
)
def test_an_open_document_that_unfolds_without_measure_or_sense_is_refused(
    reader: Reader, rows: str
) -> None:
    code = reader.code(ods(content(TOP + rows)), Limits(max_columns=100))
    assert code in (FileCode.LIMIT_EXCEEDED, FileCode.DAMAGED)


def test_entities_of_an_open_document_are_refused(reader: Reader) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><office:document-content'
    document = content(TOP + row(words("&a;"), words("y")))
    assert reader.code(ods(document.replace("<office:document-content", bomb))) is (
        FileCode.UNSUPPORTED
    )


# A sheet of numbers under formats, saved by xlwt 1.3.0.
SAVED_BY_XLWT = unpacked(
    "c-rk)U5J!b7=F$--^_g9H$OWwJ8SKh!yst7x$FLDS)ikpd6k$&MM$+a3yICHED~)OY1v*y5Oh^^BiN4$Ti#fq7j{=5D0"
    "vY?!EQk}LZKLRp*ubAJ7;J&&w>jjB;Pxn_dDk~&ok$I=e*~K@51@w%#o8lv-pQ?Mgnuq5UF{XVG7%Y0$AT{O1AwBn3}Q"
    "uuPh8Wk*Oq3=gy^N4rRV);o)=tYkJ^krrp?&9phu8)mvx}X&*+6^kEad!G}ch=+<79)W4{{Q~hVkJfnV#BJZf*MDC1v7"
    "Uyd_dN<lAe#Tp&b$Q7DexaHl6d6PpzL6+C_^xSjlh``3cjV=`;<l}*_*onUgMa(z*yx0mBYeb442V_y5<W&wOS}78Nzh"
    "Jw!uY{z7S>ehEF9uf_$2oatgQGQIEDzQ*ZUid{z+QJFW@*bgw{3IO-@!{da%(D+6kcvp|8>CtJh~x<~lrzKblqGYJ0;y"
    "TaEEsiyILCb0MBy1P>O$L&lN|j~G=hJj1wh;aT0QZp3p8I2WF0?78p`2A~TsFuCv|`ki=*LF>Xh7a51L1AousQaOa?3%"
    "b8g@g1ROkdH@34vbvGb8^Yh#JzcMoy+zWW?miCwK+I6EQKL)np-b!gSh*|-7jvVxCas<8c;u|en|arB=;FT{|XDvznqS"
    ">jCh^nCHbPB4h7EgwPTmRdu-3n+VhGW(mPM<X0%e?22H#n3X1bu)AGXYRe!JgH}zld(tMBlGItz4SMBVwnMV&R=Pj*W#"
    "de0(F4pdumtW2N)TPJ2tW5n<Tf_YH_Sx6U)8E&QU<D(uPQCmNW35?hK6qd3t6KYM>?!(_`tBP})W9p)zBldluLIX*qoN"
    "hnw@NZP#`2AWZ<Oy@zVxTWyJd^-IryIPWh`I!A{~QH{AODGgoB?@e$w(2<d^Z(`tjw$_Z@s+`7+N5&XG@k7xVjPiqluO"
    "iYDpMBvq5PZ6v8#hSRoBDF;8L{J^%6BL5CMXTR4(lXhs*stIiyX=?67&$mX~2ps%C`H^iSAiuj6aZmiZMKqy96RIX-H6"
    "b-Ub~XN}{fZo#NHtlji8O9c92dK+nv6q}QBBUiONN@eamCJg*1^vzKX2Q}lD{0d)O+R0w~G&pCg;%PRMSD9^a7R)DomT"
    "b5>817@fP^EMTjl7*kX%qp&5HSN$9-`deX`1mA2n?t~1TWpGj_8+l6ud4)A8a4P$&xU~)<EvkXbo{x5Trn)dfXv8UPk1"
    "omN%_G90Y<Ck|>Gyi>VT3Gn^me5k$pIb^l|Ks-m0$Nyv>;"
)

# Texts of several thousand letters, saved by xlwt 1.3.0.
SHARED_TEXTS = unpacked(
    "c-rlpOKcTY9LE3W_TIkin-&GNTw8^L^-+q7+H!f<7q#F6#422%MgnQIHb&iuVwWZ+t~72)*tkKAi7#B>&IJiZ7a9{yt1"
    "IKmL=zX#@jL&{jg>Tp8b#auzAxWz&Ybzrow+k}lXKEZKR??zaqQitlXijDS(!~GRaQQuFDS**N`q;8lEh|dxmQWhyi!%"
    "AZe)4RPSu{Ni1#qw?@7zp$?T`1+4stzJ!SnP!$bK?sEvLO#SqV-R}A)+dg^S6pH-7{zjKlE9k2Yvx!!wTb@r-uBJ8%ah"
    "5l7*)2Db>rp>q2S^V4&e4lT;r^{OGv-lLh_*$5*&Dn<0gT=%D&ke2F8ar;fZ+%0<L!-sR6V|L7c-($X@@Bu3eyOMP^k3"
    "TkVCw(v&;1p%^uM0TnjNuZuRq}9R%0K(7q?_>b8)PA&hq(ct;Oi!Ja|Ai|5-Jj>*{E?B0>lugb+dqA%qY@2qA<JLI@#*"
    "7K(Z-pXXfwg#JqLrJ2<o?cwP`j4{R-V~jDz7-Nhv#u#IaF`m!vv1NJw^ocRX7-Nhv#u#IaF~%5Uj4{R-FL?8c0LB<&jP"
    "V>D|HDjoM|=3udcU^sAcPP?2qA<JLI@#*5W@LFe?@@H03n1BLI@#*5JCtcgb+dqA%qYvboSU2^?}O(A%qY@2qA<J{(Z*"
    "(Fta9S_RNzbqhr-(R#n+xR^DKzYR^<?)ykDx%UG})@qpEPyHPZ2uu41k_Rn8z+c!|y<2^^z6BU%}GFdUPm*O7Uxz4xbo"
    "UwM5^LppY{;5}bd#STom0B(zXh|Dek9y53zIC~d)9w1Quwq8LL+$aOwtv_<{zGA<+9&!ZUuZt@RpFSmS(VN{xQ|+A=nQ"
    "YZ5%p1_v<%kdpZ%?KiF3bmk+U+>ke+*D(_gaQ&RexN8=cc@@#=)MKFm@dygrlG2d^(n>oc>|XS_a})=yvkTv}f?OMRKw"
    "m#6h*USE;cXJ@I;dVOVDpY{4Gt*y&6+57R}w%-0wwIPHMLI@#rp+Y*wk7LnnI_i%jQXhxLSw=dNyiBR_8HQP$AJqG-Vt"
    "PE?<RkAm6EJI07Au!4SNP~W&J#>C2D7V_tCdz|nUYtoQQDMt<=QwG@i~Lp3Z+9?>GO{``!MTNZcuJiZc=Vmx|G#Qx3Wg"
    "LMY&bEO<AkluH2#Asq`qlalEV)($Vq;Wuvl5*{p0)wkmzfUCQ0cJ<7exeabeaU%6iyP_`>Oln0atm4}pvm7U5i<q>7K@"
    "~ASXJf=LZ>`|tYBss6d<$t9eHX@JdUTm>pEl2J7IXyp%Ef-3k6)tk0_<c+5ojUrc9kP9X9*5@q{Awl`W`3WG-tqK5_Y<"
    "1y@u%i;p8xXke+MbSgi!"
)


def bare(rows: Sequence[Sequence[str | float]], codec: str) -> bytes:
    """A workbook as scripts for web pages write it: records without a container."""
    out = struct.pack("<6H", 0x809, 8, 0, 0x10, 0, 0)
    for at, values in enumerate(rows):
        for column, value in enumerate(values):
            if isinstance(value, str):
                text = value.encode(codec)
                out += struct.pack("<6H", 0x204, 8 + len(text), at, column, 0, len(text)) + text
            else:
                out += struct.pack("<5Hd", 0x203, 14, at, column, 0, value)
    return out + struct.pack("<2H", 0x0A, 0)


BARE: list[list[str | float]] = [["id", "nämé", "v"], ["00123", "5 µg", 1.5], ["2", "é", 2.0]]


@pytest.mark.parametrize("codec", ["cp1252", "utf-8"])
def test_records_without_a_container_are_read(reader: Reader, codec: str) -> None:
    found = reader.read(bare(BARE, codec))

    assert found.header == ("id", "nämé", "v")
    assert found.rows == [("00123", "5 µg", "1.5"), ("2", "é", "2")]


def test_records_without_a_container_that_are_cut_say_so(reader: Reader) -> None:
    whole = bare(BARE, "cp1252")
    assert missing_end(BytesIO(whole)) is None
    for cut in (4, 20, 60):
        assert reader.code(whole[:-cut]) is FileCode.TRUNCATED
        assert missing_end(BytesIO(whole[:-cut])) is not None


def test_an_excel_95_workbook_is_read(reader: Reader) -> None:
    records = bare(BARE, "cp1252")[12:]
    begin = struct.pack("<6H", 0x809, 8, 0x0500, 0x05, 0, 0)
    start = len(begin) + 11 + 4 + 4
    listed = struct.pack("<2HI3B", 0x85, 11, start, 0, 0, 4) + b"Data" + struct.pack("<2H", 10, 0)
    sheet = struct.pack("<6H", 0x809, 8, 0x0500, 0x10, 0, 0) + records
    name, old = ("Workbook".encode("utf-16-le"), "Book".encode("utf-16-le"))
    whole = compound(begin + listed + sheet).replace(
        name + bytes(64 - len(name)) + struct.pack("<H", 18),
        old + bytes(64 - len(old)) + struct.pack("<H", 10),
    )
    found = reader.read(whole)
    assert (found.header, found.places[0]) == (("id", "nämé", "v"), "Data!A2")
