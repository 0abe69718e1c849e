"""Workbooks: the sheet that is meant, and cells whose text is not lost."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from pipeline.ends.probe import missing_end
from pipeline.errors import FileCode, RowCode
from pipeline.formats.numberformats import shown
from pipeline.messages import Limits
from tests.unit.harmonizing import Desk
from tests.unit.reading import Reader
from tests.unit.tables import as_ods, as_spreadsheetml, as_zip, saved, unpacked

VITALS = """
name: vitals
fields:
  - {name: patient_id, type: string, constraints: {required: true}}
  - {name: weight, type: number, constraints: {required: true}}
  - {name: note, type: string}
"""
SHEET = "xl/worksheets/sheet1.xml"
Rows = Sequence[Sequence[Any]]
# two sheets, Cover and Data, as Excel 97 wrote them
OLD = unpacked(
    "c-rk)O-NKx6#nj;H_j;j%$NomhzMDkg61X)o3tNSiMc5xsF~(bgE>zgLt#)^Hp`%BRkRUo(Z*_HMFq7h3XEC=LEzNV"
    "RZ!4EeVudOd!{yl11T8qd)#yHJ@=k-&%5W`pZDHPMW@Fe*5<Gbdl109U5uhdJVmM4t3*KUw#`K^4^y&ztSc0U$&p1t"
    "JS}@0Vjr@<bI|ZWe@PVhLg^TW&|{{J`ZYwC*brB2Lx<8S_B7m~RE`?4t5WDmp&NwWm%h)0?iJ28p&itBTJ>Wp*3-1p"
    "jpL(QgS3?sRd^&apM=wfYP{k&zI0tVeS_$<Qt>nEtf5XX#W={N-A3B5xL$#~C;^5EErWwC$>cPu$lc@kVb=rSy><Pf"
    "-si6^UxD~Pm-0h@;fKkI%lS7o9T<UqLUAx>QHI?*w*;}zJZo54l;TE^89MgIGx1q;%1#}2R(qc@WLg;t{Zx{q((yrq"
    "vV>`+sqLJRI(0fjvaPLcJK6(4zd1v+%S@E;Q6O7KWXaZ1CJU;RXc84tj>@u%&~UT&zP&$`=#3p0&WIS`94edn4PfIk"
    "OOSB+LW@J2L}I(pE24Filxu}n(VJ4<*jw!u4vtEntJ2y?<FpGt#I`IdZ>4f}=J4aX?AO>fDo=Fh&R0!*jE$jz4!I=B"
    "^D~NO)vRvcVmyg?xpKFk&q8bd*owkh#I@aaPtFR=@!}&yo#R!j#3Xm6t?D<{VpaoiLSg;Rs-AaN`Hh{LH#<&Eqgr60"
    "7NDB$>QZ@hDbW>l`zz7K9(Yc+@ex#s+Skl`bAffS7Hyf9i&}~BqNsDVIQ|N`S~Srzxr^;;P^?8_0r_IVhYue<eE9I;"
    "V-=v}isW1ib@^y;uACwFzs?+`dH*-be~Uht^knFh@&MA5TNo}Vel{YgJY8yqGT#3}#t|Cb!T=It$3VgHOBZUj_<dF^"
    "82NWgsL=7}3$b&R$NvQ~uMSW"
)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def book(rows: Rows, formats: dict[str, str] | None = None, name: str = "Data") -> Any:
    made = openpyxl.Workbook()
    made.active.title = name
    fill(made.active, rows)
    for cell, code in (formats or {}).items():
        made.active[cell].number_format = code
    return made


def fill(sheet: Any, rows: Rows) -> None:
    for row in rows:
        sheet.append(list(row))


def xlsx(rows: Rows, formats: dict[str, str] | None = None) -> bytes:
    return saved(book(rows, formats))


def changed(content: bytes, part: str, old: str, new: str) -> bytes:
    """A workbook with other words in one of its parts."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    return as_zip(parts)


# --- cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        ("00123", "General", "00123"),
        (123, "00000", "00123"),
        (123, "0", "123"),
        (123456789, "000-00-0000", "123-45-6789"),
        (42, '"P"0000', "P0042"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (1.1, "0.00", "1.10"),
        (1.234, "0.00", "1.234"),
        (1234.5, "#,##0.00", "1234.50"),
        (-3.5, "0.00;[Red]-0.00", "-3.50"),
        (0.5, "0%", "50%"),
        (0.975, "0.0%", "97.5%"),
        (5.5, '0.0" mg"', "5.5 mg"),
        (2.5, '_-* #,##0.00\\ "€"_-', "2.50"),
        (12, "0.00E+00", "12"),
        (37.2, "General", "37.2"),
        (1e-7, "General", "0.0000001"),
        (True, "General", "true"),
        (dt.date(1980, 2, 3), "dd.mm.yyyy", "1980-02-03"),
        (dt.datetime(2025, 3, 4, 10, 30), "d/m/yy h:mm", "2025-03-04T10:30:00"),  # noqa: DTZ001
        (dt.datetime(2025, 3, 4, 10, 30, 15), "d/m/yy", "2025-03-04T10:30:15"),  # noqa: DTZ001
        (dt.datetime(2025, 3, 4), "d/m/yy h:mm", "2025-03-04T00:00:00"),  # noqa: DTZ001
        (45000, "[$-409]d-mmm-yy;@", "2023-03-15"),
        (dt.time(10, 30), "h:mm", "10:30:00"),
        (dt.timedelta(hours=26, minutes=30), "[h]:mm:ss", "26:30:00"),
        (60, "yyyy-mm-dd", "1900-02-29"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        ("line one\nline two", "General", "line one\nline two"),
        ("=text", "@", "=text"),
    ],
)
def test_a_cell_keeps_the_text_that_was_meant(
    reader: Reader, value: Any, code: str, text: str
) -> None:
    made = book([["id", "v"], ["x", value]], {"B2": code})
    if isinstance(value, str):
        made.active["B2"].data_type = "s"

    assert reader.read(saved(made)).column("v") == [text]


def test_days_are_counted_from_1904_where_the_workbook_says_so(reader: Reader) -> None:
    made = openpyxl.Workbook()
    made.epoch = CALENDAR_MAC_1904
    fill(made.active, [["id", "d"], ["x", dt.date(2025, 3, 4)], ["y", dt.date(1904, 1, 2)]])
    found = reader.read(saved(made))

    assert found.column("d") == ["2025-03-04", "1904-01-02"]
    assert "1904" in found.told


def test_digits_beyond_the_fifteenth_are_flagged(reader: Reader) -> None:
    found = reader.read(xlsx([["id", "v"], [1234567890123456, 1], [123456789012345, 2]]))

    assert found.column("id") == ["1234567890123456", "123456789012345"]
    assert [(one.record, one.column, one.code, one.refuses) for one in found.faults] == [
        (1, 0, RowCode.PRECISION_LOST, False)
    ]


def test_error_cells_and_formulas_without_result_are_rejected_by_their_name(
    tmp_path: Path,
) -> None:
    rows: list[list[Any]] = [[f"P{n:03d}", 50 + n, "ok"] for n in range(30)]
    rows[4][1], rows[5][1], rows[6][2] = "#DIV/0!", "=B2*2", "#N/A"
    made = book([["patient_id", "weight", "note"], *rows])
    delivered = Desk(tmp_path).contract(VITALS).harmonize(saved(made))

    assert delivered.reasons == [
        (5, "weight", "cell-error"),
        (6, "weight", "formula-uncached"),
        (7, "note", "cell-error"),
    ]
    assert [one["position"] for one in delivered.rejects] == ["Data!B6", "Data!B7", "Data!C8"]
    assert delivered.rejects[1]["weight"] == "'=B2*2"


def test_a_formula_with_its_result_is_its_result(reader: Reader) -> None:
    content = xlsx([["id", "v"], ["x", "=1+1"]])
    sheet = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [formula] = re.findall("<f>1\\+1</f><v ?/?>(?:</v>)?", archive.read(sheet).decode())
    content = changed(content, sheet, formula, "<f>1+1</f><v>2</v>")

    assert reader.read(content).column("v") == ["2"]


# --- sheets ------------------------------------------------------------------------------------


def test_cover_and_hidden_sheets_are_told_and_the_fitting_sheet_is_read(tmp_path: Path) -> None:
    made = book([["Report of the day"], ["made by", "Amy"]], name="Cover")
    old = made.create_sheet("Old")
    fill(old, [["patient_id", "weight"], ["P9", 99]])
    old.sheet_state = "hidden"
    fill(made.create_sheet("Wide"), [["a", "b", "c", "d"], ["w", "x", "y", "z"]])
    fill(made.create_sheet("Results"), [["patient_id", "weight"], ["P1", 80.5]])
    made.create_chartsheet("Chart")
    delivered = Desk(tmp_path).contract(VITALS).harmonize(saved(made))

    assert delivered.column("patient_id") == ["P1"]
    told = " ".join(delivered.report["plan"]["reading"]["evidence"])
    assert "the table is in “Results”" in told
    assert "“Old”: hidden" in told
    assert "“Cover”" in told


def test_two_sheets_that_fit_are_asked_about(tmp_path: Path) -> None:
    made = book([["patient_id", "weight"], ["P1", 80]], name="January")
    fill(made.create_sheet("February"), [["patient_id", "weight"], ["P2", 81]])
    desk = Desk(tmp_path).contract(VITALS)
    held = desk.hold(saved(made))

    assert held.code == "TABLE_UNCLEAR"
    desk.confirm(held, table="February")
    assert desk.harmonize(saved(made)).column("patient_id") == ["P2"]


def test_titles_above_blank_rows_and_repeated_headers_are_no_data(reader: Reader) -> None:
    made = book(
        [
            ["Export"],
            [],
            ["id", "v"],
            [1, 2],
            [],
            [3, 4],
            ["id", "v"],
            [5, 6],
        ]
    )
    made.active.merge_cells("A1:B1")
    found = reader.read(saved(made))

    assert found.rows == [("1", "2"), ("3", "4"), ("5", "6")]
    assert found.lines == [4, 6, 8]
    assert found.records == [1, 3, 5]
    assert found.skipped == {"blank": 1, "repeated-header": 1}
    assert found.places == ["Data!A4", "Data!A6", "Data!A8"]


@pytest.mark.parametrize(
    "above",
    [
        [["Report", "2025-01-01"]],
        [["Clinic", "North"], ["Made by", "Amy"], []],
        [["only a title"]],
    ],
    ids=["title and date", "pairs", "title"],
)
def test_titles_of_several_cells_are_no_names(reader: Reader, above: Rows) -> None:
    rows: list[Sequence[Any]] = [["id", "name", "born", "note"]]
    rows += [[n, "Lee", "1980-01-31", None] for n in range(5)]
    found = reader.read(saved(book([*above, *rows])))

    assert found.header == ("id", "name", "born", "note")
    assert len(found.rows) == 5


def test_names_above_sparse_columns_are_found(reader: Reader) -> None:
    names = ["id", *(f"answer {letter}" for letter in "abcdefg")]
    rows: list[Sequence[Any]] = [[n, *[None] * (n % 7), "x"] for n in range(1, 9)]
    found = reader.read(saved(book([["Survey", "North"], names, *rows])))

    assert found.header == tuple(names)
    assert len(found.rows) == 8


def test_merged_cells_count_for_each_row_they_cover(reader: Reader) -> None:
    made = book([["id", "v"], ["P1", 1], [None, 2], [None, 3], ["P2", 4]])
    made.active.merge_cells("A2:A4")
    found = reader.read(saved(made))

    assert found.column("id") == ["P1", "P1", "P1", "P2"]
    assert "merged cells" in found.told


def test_merged_group_names_are_joined_with_the_names_below(reader: Reader) -> None:
    made = book([["id", "Vitals", None], [None, "BP", "HR"], ["P1", 120, 80]])
    made.active.merge_cells("B1:C1")
    made.active.merge_cells("A1:A2")
    found = reader.read(saved(made))

    assert (found.header, found.rows) == (("id", "Vitals BP", "Vitals HR"), [("P1", "120", "80")])


def test_names_of_groups_are_joined_where_only_some_columns_have_one(reader: Reader) -> None:
    groups = ["id", "Vitals", None, None, "Labs", None, None, "at"]
    names = [None, "BP", "HR", "T", "Na", "K", "Cl", None]
    made = book([["Report"], groups, names, *[[n] * 8 for n in range(4)]])
    for cells in ("A1:H1", "B2:D2", "E2:G2", "A2:A3", "H2:H3"):
        made.active.merge_cells(cells)
    found = reader.read(saved(made))

    assert found.header == (
        *("id", "Vitals BP", "Vitals HR", "Vitals T", "Labs Na", "Labs K", "Labs Cl", "at"),
    )
    assert len(found.rows) == 4


@pytest.mark.parametrize(
    "beside",
    [[None, "Confidential"], [None, None, None, None, "Printed by Smith"]],
    ids=["above a name", "beside the table"],
)
def test_titles_in_merged_cells_are_no_names_of_groups(
    reader: Reader, beside: list[str | None]
) -> None:
    made = book([["Ward North", *beside], ["id", "v", "note"], *[[1, 2, "x"]] * 4])
    made.active.merge_cells("A1:B1")
    assert reader.read(saved(made)).header == ("id", "v", "note")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a_x000D_b", "a\rb"),
        ("_x005F_x000D_", "_x000D_"),
        ("_xD83D__xDE00_", "\N{GRINNING FACE}"),
        ("a_xD83D_", "a_xD83D_"),
    ],
)
def test_signs_that_are_written_by_their_number_are_read(
    reader: Reader, written: str, text: str
) -> None:
    assert reader.read(xlsx([["id", "v"], [1, written]])).column("v") == [text]


def test_a_cell_that_stands_twice_is_damage(reader: Reader) -> None:
    content = xlsx([["id", "v"], ["one", "two"]])
    assert reader.code(changed(content, SHEET, 'r="B2"', 'r="A2"')) is FileCode.DAMAGED


@pytest.mark.parametrize(
    "rename",
    [lambda name: name.replace("/", "\\"), str.upper, str.title],
    ids=["backslashes", "capitals", "some capitals"],
)
def test_parts_are_found_however_their_names_are_written(
    reader: Reader, rename: Callable[[str], str]
) -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx([["id", "v"], ["one", "two"]]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts = {
        name if name.startswith("xl/workbook") else rename(name): part
        for name, part in parts.items()
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)

    assert reader.read(out.getvalue()).rows == [("one", "two")]


def test_a_table_may_stand_anywhere_and_notes_beside_it_are_rejected(reader: Reader) -> None:
    made = book([])
    rows: list[list[Any]] = [["id", "v"], [1, 2], [3, 4]]
    for at, row in enumerate(rows, 3):
        for column, value in enumerate(row, 4):
            made.active.cell(at, column, value)
    made.active.cell(5, 8, "call me")
    found = reader.read(saved(made))

    assert (found.header, found.rows) == (("id", "v"), [("1", "2")])
    assert [(bad.code, bad.line) for bad in found.bad] == [(RowCode.EXTRA_CELL, 5)]
    assert "Data!H5" in found.bad[0].sentence


def test_a_sheet_without_names_is_asked_about_and_read_as_answered(reader: Reader) -> None:
    content = xlsx([[1, 2.5], [2, 3.5], [3, 4.5]])

    assert reader.code(content) is FileCode.HEADER_MISSING
    found = reader.read(content, header=False, names=("id", "v"))
    assert (found.header, found.rows[0]) == (("id", "v"), ("1", "2.5"))
    assert reader.read(content, header_rows=(1,)).rows == [("2", "3.5"), ("3", "4.5")]


def test_rows_of_names_can_be_told(reader: Reader) -> None:
    found = reader.read(
        xlsx([["a", "b"], ["x", "y"], ["u", "v"], [1, 2]]), header_rows=(1, 3), header_join="_"
    )
    assert (found.header, found.rows) == (("a_u", "b_v"), [("1", "2")])


def test_sheets_without_rows_are_empty(reader: Reader) -> None:
    assert reader.code(xlsx([["id", "v"]])) is FileCode.EMPTY
    assert reader.code(xlsx([])) is FileCode.EMPTY


def test_rejects_of_a_workbook_come_back_corrected(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(VITALS)
    rows: list[list[Any]] = [[f"P{n:03d}", 50 + n] for n in range(20)]
    rows[3][1] = "heavy"
    delivered = desk.harmonize(xlsx([["patient_id", "weight"], *rows]))

    assert delivered.rejects[0]["position"] == "Data!B5"
    assert delivered.rejects[0]["weight"] == "heavy"


# --- damage and bombs --------------------------------------------------------------------------


def test_damaged_and_cut_workbooks_say_so(reader: Reader) -> None:
    content = xlsx([["id", "v"], [1, 2]])
    assert reader.code(content[:-40]) is FileCode.TRUNCATED
    sheet = "xl/worksheets/sheet1.xml"
    assert reader.code(changed(content, sheet, "</sheetData>", "</sheet>")) is FileCode.DAMAGED
    assert reader.code(changed(content, sheet, "<v>1</v>", "<v>x1</v>")) is FileCode.DAMAGED


@pytest.mark.parametrize("number", ["0x10", "1_000", "\u0665", "1,5", "one"])
def test_a_number_that_is_none_is_damage(reader: Reader, number: str) -> None:
    content = xlsx([["id", "v"], ["x", 5]])
    changed_cell = changed(content, "xl/worksheets/sheet1.xml", "<v>5</v>", f"<v>{number}</v>")
    assert reader.code(changed_cell) is FileCode.DAMAGED


@pytest.mark.parametrize("number", ["1", "9" * 30, "-5", "x"])
def test_rows_that_are_numbered_wrongly_are_damage(reader: Reader, number: str) -> None:
    content = xlsx([["id", "v"], [1, 2]])
    sheet = "xl/worksheets/sheet1.xml"
    assert reader.code(changed(content, sheet, '<row r="2"', f'<row r="{number}"')) is (
        FileCode.DAMAGED
    )


def test_a_container_of_endless_files_is_refused(reader: Reader) -> None:
    names = dict.fromkeys((f"{number:0250}" for number in range(60_000)), b"")
    assert reader.code(as_zip({"xl/workbook.xml": "<x/>", **names})) in (
        FileCode.LIMIT_EXCEEDED,
        FileCode.UNSUPPORTED,
    )


def test_entities_in_a_workbook_are_refused(reader: Reader) -> None:
    content = xlsx([["id", "v"], [1, 2]])
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><worksheet'
    assert (
        reader.code(changed(content, "xl/worksheets/sheet1.xml", "<worksheet", bomb))
        is FileCode.UNSUPPORTED
    )


def test_a_workbook_that_unfolds_without_measure_is_refused(reader: Reader) -> None:
    content = xlsx([["id", "v"], [1, 2]])
    filler = "<!--" + " " * 80_000_000 + "--><sheetData>"
    bomb = changed(content, "xl/worksheets/sheet1.xml", "<sheetData>", filler)
    assert reader.code(bomb) is FileCode.LIMIT_EXCEEDED


def test_too_many_columns_and_too_long_cells_are_refused(reader: Reader) -> None:
    wide = xlsx([[f"c{n}" for n in range(60)], list(range(60))])
    assert reader.code(wide, Limits(max_columns=50)) is FileCode.LIMIT_EXCEEDED
    long = xlsx([["id", "v"], ["x", "y" * 3000]])
    assert reader.code(long, Limits(max_cell_bytes=1000)) is FileCode.LIMIT_EXCEEDED


# --- other spreadsheets --------------------------------------------------------------------------


def test_an_open_document_spreadsheet_is_read(reader: Reader) -> None:
    found = reader.read(as_ods(["id", "v"], [["00123", "é"], ["2", "x"]]))
    assert (found.rows, found.places[0]) == ([("00123", "é"), ("2", "x")], "Data!A2")


def test_a_workbook_that_is_one_document_is_read(reader: Reader) -> None:
    cells = (
        '<Row ss:Index="3"><Cell><Data ss:Type="String">id</Data></Cell>'
        '<Cell ss:Index="3"><Data ss:Type="String">v</Data></Cell></Row>'
        '<Row><Cell ss:MergeDown="1"><Data ss:Type="String">00123</Data></Cell>'
        '<Cell ss:Index="3"><Data ss:Type="DateTime">1980-02-03T00:00:00.000</Data></Cell></Row>'
        '<Row><Cell ss:Index="3"><Data ss:Type="Number">80.50</Data></Cell></Row>'
        '<Row><Cell><Data ss:Type="Number">7</Data></Cell>'
        '<Cell ss:Index="3"><Data ss:Type="Error">#N/A</Data></Cell></Row>'
    )
    whole = as_spreadsheetml([], []).decode()
    start, end = whole.split("<Row></Row>")
    found = reader.read(start + cells + end)

    assert found.header == ("id", "", "v")
    assert found.column("id") == ["00123", "00123", "7"]
    assert found.column("v") == ["1980-02-03", "80.50", "#N/A"]
    assert found.places == ["Data!A4", "Data!A5", "Data!A6"]
    assert [one.code for one in found.faults] == [RowCode.CELL_ERROR]


def test_an_old_workbook_is_read(reader: Reader) -> None:
    found = reader.read(OLD)
    assert found.header == ("id", "name", "born", "weight")
    assert found.rows == [("00123", "Zoë", "1980-02-03", "80.5"), ("7", "Bob", "1999-12-31", "72")]
    assert found.told.startswith("the table is in “Data” | further sheets are not read: “Cover”")
    assert found.places[0] == "Data!A2"


def test_a_cut_old_workbook_says_so(reader: Reader) -> None:
    assert reader.code(OLD[: len(OLD) // 2]) is FileCode.TRUNCATED
    assert missing_end(io.BytesIO(OLD)) is None
    assert "sectors" in str(missing_end(io.BytesIO(OLD[: len(OLD) // 2])))


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (0.25, "[mm]:ss", "6:00:00"),
        (0, "0", "0"),
        (-0.0, "0.0", "0.0"),
        (1e20, "0", "1" + "0" * 20),
    ],
)
def test_numbers_are_shown_by_their_format(number: float, code: str, text: str) -> None:
    assert shown(number, code) == text
