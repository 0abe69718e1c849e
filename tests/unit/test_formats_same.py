"""The same table in all formats gives the same delivery, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pipeline.errors import FileCode
from tests.unit.harmonizing import Desk
from tests.unit.tables import FORMATS

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


def test_nothing_is_read_from_a_name(desk: Desk) -> None:
    error, _ = desk.refuse(b"%PDF-1.7\n%\xe2\xe3")

    assert error.code is FileCode.UNSUPPORTED
    assert "a PDF document" in error.note
