"""What a file decides otherwise than the last one of its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.plan import Plan
from pipeline.plandiff import differences
from tests.unit.harmonizing import Desk

HEADER = "patient_id,test,collected_at,value,unit"
ROWS = [f"P{n:04},glucose,01/{n:02}/2025 08:00,{n + 80}.5,mg/dL" for n in range(5, 25)]
BEFORE = "\n".join([HEADER, *ROWS]) + "\n"
ISO = [row.replace(f"01/{n:02}/2025", f"2025-01-{n:02}") for n, row in enumerate(ROWS, 5)]


def plan_of(folder: Path, content: str) -> Plan:
    """A plan as it is kept with its job."""
    folder.mkdir()
    return Plan.from_dict(Desk(folder).plan(content).to_dict())


def test_the_same_layout_decides_the_same(tmp_path: Path) -> None:
    february = BEFORE.replace(",01/", ",02/")
    assert differences(plan_of(tmp_path / "1", BEFORE), plan_of(tmp_path / "2", february)) == ()


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        pytest.param(
            BEFORE.replace(".5,mg/dL", ",mmol/L").replace(",8", ",").replace(",9", ","),
            "`unit` named mg/dL for glucose until now and names mmol/L in this file.",
            id="unit",
        ),
        pytest.param(
            BEFORE.replace(",", ";"),
            "The separator of the cells was comma and is semicolon.",
            id="separator",
        ),
        pytest.param(
            BEFORE.replace("collected_at", "test date"),
            "`test date` is new; it feeds collected_at.",
            id="new",
        ),
        pytest.param(
            BEFORE.replace("collected_at", "test date"),
            "`collected_at` is gone; it fed collected_at.",
            id="gone",
        ),
        pytest.param(
            BEFORE.replace("unit\n", "unit,ward\n").replace("mg/dL\n", "mg/dL,B7\n"),
            "`ward` is new; it is kept beside the data.",
            id="further",
        ),
        pytest.param(
            "\n".join([HEADER, *ISO]) + "\n",
            "`collected_at` was written 99/99/9999 99:99 until now and is written "
            "9999-99-99 99:99 in this file.",
            id="dates",
        ),
    ],
)
def test_what_is_otherwise_is_said(tmp_path: Path, after: str, sentence: str) -> None:
    said = differences(plan_of(tmp_path / "1", BEFORE), plan_of(tmp_path / "2", after))
    assert sentence in said
