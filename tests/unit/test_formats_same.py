"""The same table in all formats gives the same delivery, byte for byte."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import FileCode
from tests.unit import opendocument as ods
from tests.unit.binarybooks import as_xls, as_xlsb
from tests.unit.harmonizing import Desk
from tests.unit.tables import FORMATS, as_spreadsheetml, saved

EHR = Path(__file__).parent.parent / "data" / "ehr"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    desk = Desk(tmp_path_factory.mktemp("csv"))
    found = {}
    for name in ("patients", "lab_results", "medications", "vitals"):
        delivered = desk.harmonize((EHR / f"{name}.csv").read_bytes())
        found[name] = (delivered.staging / f"{name}.csv").read_bytes()
    return found


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
@pytest.mark.parametrize("kind", sorted(set(FORMATS) - {"csv"}))
def test_a_table_is_delivered_alike_from_every_format(
    desk: Desk, expected: dict[str, bytes], kind: str, name: str
) -> None:
    with (EHR / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    delivered = desk.harmonize(FORMATS[kind](header, rows))

    assert (delivered.staging / f"{name}.csv").read_bytes() == expected[name]


TYPED = """
name: typed
fields:
  - {name: id, type: string, constraints: {required: true}}
  - {name: born, type: date}
  - {name: weight, type: number}
  - {name: zip, type: string}
"""
NAMES = ["id", "born", "weight", "zip"]
RECORDS = [(f"P{n}", dt.date(1950 + n, 3, 1 + n), Decimal(f"7{n}.50"), 2100 + n) for n in range(8)]
DAY_0 = dt.date(1899, 12, 30)


def as_cells() -> list[list[Any]]:
    return [
        [one, ((born - DAY_0).days, "dd/mm/yyyy"), (float(weight), "0.00"), (code, "00000")]
        for one, born, weight, code in RECORDS
    ]


def typed_xlsx() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(NAMES)
    for row in as_cells():
        book.active.append([cell[0] if isinstance(cell, tuple) else cell for cell in row])
        for at, cell in enumerate(row, 1):
            if isinstance(cell, tuple):
                book.active.cell(book.active.max_row, at).number_format = cell[1]
    return saved(book)


def typed_ods() -> bytes:
    rows = "".join(
        ods.row(
            ods.words(one),
            ods.cell("date", born.isoformat(), "D1"),
            ods.cell("float", str(weight), "N7"),
            ods.cell("float", str(code), "N1"),
        )
        for one, born, weight, code in RECORDS
    )
    return ods.ods(ods.content(ods.row(*map(ods.words, NAMES)) + rows))


def typed_spreadsheetml() -> bytes:
    rows = "".join(
        f'<Row><Cell><Data ss:Type="String">{one}</Data></Cell>'
        f'<Cell><Data ss:Type="DateTime">{born}T00:00:00.000</Data></Cell>'
        f'<Cell ss:StyleID="w"><Data ss:Type="Number">{float(weight)}</Data></Cell>'
        f'<Cell ss:StyleID="z"><Data ss:Type="Number">{code}</Data></Cell></Row>'
        for one, born, weight, code in RECORDS
    )
    styles = (
        '<Styles><Style ss:ID="w"><NumberFormat ss:Format="Fixed"/></Style>'
        '<Style ss:ID="z"><NumberFormat ss:Format="00000"/></Style></Styles><Worksheet'
    )
    whole = as_spreadsheetml(NAMES, []).decode().replace("<Worksheet", styles, 1)
    return whole.replace("</Table>", f"{rows}</Table>").encode()


def typed_parquet() -> bytes:
    ids, born, weights, codes = zip(*RECORDS, strict=True)
    columns = [
        pa.array(ids),
        pa.array(born, pa.date32()),
        pa.array(weights, pa.decimal128(8, 2)),
        pa.array([f"{code:05}" for code in codes]).dictionary_encode(),
    ]
    out = io.BytesIO()
    pq.write_table(pa.table(columns, names=NAMES), out)
    return out.getvalue()


TYPED_FORMATS = {
    "xlsx": typed_xlsx,
    "xls": lambda: as_xls(NAMES, as_cells()),
    "xlsb": lambda: as_xlsb(NAMES, as_cells()),
    "ods": typed_ods,
    "spreadsheetml": typed_spreadsheetml,
    "parquet": typed_parquet,
}


@pytest.mark.parametrize("kind", sorted(TYPED_FORMATS))
def test_typed_cells_are_delivered_as_their_text_is(tmp_path: Path, kind: str) -> None:
    lines = [",".join(NAMES), *(f"{a},{b},{c},{d:05}" for a, b, c, d in RECORDS)]
    found = []
    for name, content in (("text", "\n".join(lines).encode()), (kind, TYPED_FORMATS[kind]())):
        (tmp_path / name).mkdir()
        delivered = Desk(tmp_path / name).contract(TYPED).harmonize(content)
        found.append((delivered.staging / "typed.csv").read_bytes())
    assert found[0] == found[1]
    assert b"02107" in found[0]


def test_nothing_is_read_from_a_name(desk: Desk) -> None:
    error, _ = desk.refuse(b"%PDF-1.7\n%\xe2\xe3")

    assert error.code is FileCode.UNSUPPORTED
    assert "a PDF document" in error.note
