"""For whatever comes: a refusal with a code, or a delivery whose files agree with its counts."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError, RowCode
from pipeline.harmonize import harmonize_file
from pipeline.review.hold import PROPOSAL, QUESTIONS, REVIEW
from tests.unit.harmonizing import Delivered, Desk, Held

CONTRACT = """
name: table
primaryKey: [id, thing]
fields:
  - {name: id, type: string, semantic: identifier, constraints: {required: true}}
  - {name: born, type: date, century: past}
  - {name: seen, type: datetime, timezone: Europe/Berlin}
  - name: value
    type: number
    unit: {from: unit, to: things.unit}
    split: {comparator: comparator, text: words, raw: value_raw}
  - {name: comparator, type: string}
  - {name: words, type: string}
  - {name: value_raw, type: string}
  - {name: unit, type: string, semantic: ucum-unit}
  - {name: thing, type: string, codes: {set: things}}
  - {name: range, type: string, semantic: range, split: {low: low, high: high, text: range_text}}
  - {name: low, type: number, unit: {from: unit, to: things.unit}}
  - {name: high, type: number, unit: {from: unit, to: things.unit}}
  - {name: range_text, type: string}
  - {name: count, type: integer}
  - {name: ok, type: boolean}
  - {name: mail, type: string, format: email}
  - {name: zip, type: string, semantic: postal-code-us}
  - {name: phone, type: string, semantic: phone, region: US}
  - name: often
    type: string
    categories: [{value: QD, aliases: [daily]}, {value: BID, aliases: [twice daily]}]
    split: {flags: {prn: [as needed]}, rest: rest}
  - {name: prn, type: boolean}
  - {name: rest, type: string}
splitRows:
  - {field: value, when: {thing: pressure}, into: [{thing: upper}, {thing: lower}]}
codesets:
  things:
    glucose: {unit: mg/dL, molarMass: 180.156, plausible: [5, 2000], keep: ["[iU]/L"]}
    temp: {unit: Cel, plausible: [25, 45]}
    pressure: {unit: "mm[Hg]"}
    upper: {unit: "mm[Hg]", above: lower}
    lower: {unit: "mm[Hg]"}
    panel: {kind: panel}
checks:
  - {id: seen_after_birth, formula: "born <= today()"}
  - {id: low_below_high, formula: "low <= high", severity: warning}
duplicates: {survivorship: merge, conflict: [born]}
"""

HEADER = ["id", "born", "seen", "value", "unit", "thing", "range", "count", "ok", "mail", "zip"]
HEADER += ["phone", "often", "extra"]

ODD = st.sampled_from(
    ["", " ", "N/A", '"', '""', "'", ",", "\n", "\r\n", "=1+1", "-", "é", "Ã©", "\u200b", "\x00"]
)
GOOD = {
    "id": [str(number) for number in range(1, 9)] + ["A1", "a1", "1e5", "007"],
    "born": ["1980-02-28", "28.02.1980", "13/04/1980", "28-Feb-1980", "", "N/A"],
    "seen": ["2025-01-01 10:00", "2025-10-26 12:30:15", "20250115103000-0500", ""],
    "value": ["50", "60.25", "37.0", "<45", "120/80", "70.5", "", "+1", "Positive", "98.6 F"],
    "unit": ["mg/dL", "mmol/L", "C", "[degF]", "mmHg", ""],
    "thing": ["glucose", "temp", "Pressure", "PANEL", "upper", "lower", ""],
    "range": ["70-99", "<200", "99-70", "up to 5 mmol/L", "negative", ""],
    "count": ["1", "1.0", "-3", "1000", ""],
    "ok": ["true", "FALSE", "1", "0", ""],
    "mail": ["a@b.de", "A.B@C.ORG", ""],
    "zip": ["02134", "021341234", "12345.0", ""],
    "phone": ["405.901.4744", "0000000000", "call me", "4059014744.0", ""],
    "often": ["daily", "Twice daily as needed", "as needed", "BID with food", ""],
    "extra": ["", "x", "=1+1"],
}
MEASURES = [
    ("90.5", "mg/dL", "glucose", "70-99"),
    ("5.5", "mmol/L", "Glucose", "up to 5 mmol/L"),
    ("98.6 F", "", "temp", ""),
    ("37.0", "C", "temp", "36-37.5"),
    ("120/80", "mmHg", "Pressure", ""),
    ("80/120", "mmHg", "Pressure", ""),
    ("30", "IU/L", "glucose", ""),
    ("118/79 mmHg", "", "PRESSURE", ""),
    ("Trace", "", "panel", "negative"),
]
BAD = {
    "id": ["00012345678901234567890", "1 2"],
    "born": ["1980-02-30", "03/04/1980", "04/25/1980", "1/2", "45000", "80"],
    "seen": ["2025-10-26 02:30", "2025-03-30 02:30:00", "2025-01-01", "25:00"],
    "value": ["1,5", "120/", "/", "1.234,5", "9" * 400, "NaN", "1/2/3"],
    "unit": ["furlong", "Mg"],
    "thing": ["none", "gluc ose"],
    "range": ["1,5-2,5", "--"],
    "count": ["1.5", "9" * 25, "1e3"],
    "ok": ["2", "ja"],
    "mail": ["a@b", "@"],
    "zip": ["2134"],
    "phone": ["\t"],
    "often": ["daily or twice daily", "biweekly"],
    "extra": ["\x1b[31m", "\u202e"],
}


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    header = draw(st.permutations(HEADER))
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    quotes = draw(st.booleans())
    faults = draw(st.sampled_from([0, 1, 5]))  # of 100 cells
    lines = [delimiter.join(header)]
    for _ in range(draw(st.integers(0, 12))):
        cells = []
        measure = dict(
            zip(("value", "unit", "thing", "range"), draw(st.sampled_from(MEASURES)), strict=True)
        )
        if len(lines) > 1 and draw(st.integers(0, 5)) == 0:
            lines.append(draw(st.sampled_from(lines[1:])))
            continue
        for name in header:
            luck = draw(st.integers(0, 99))
            pool = GOOD if luck >= faults * 2 else BAD if luck >= faults else None
            if pool is GOOD and name in measure:
                cells.append(measure[name])
            else:
                cells.append(draw(ODD if pool is None else st.sampled_from(pool[name])))
        if quotes:
            cells = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        if draw(st.integers(0, 99)) < faults:
            cells = cells[: draw(st.integers(0, len(cells)))]
        lines.append(delimiter.join(cells))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])), "replace")


def check(content: bytes, output_format: str = "csv") -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder)).contract(CONTRACT)
        task = desk.task(content, output_format=output_format)
        staging = Path(task.staging_dir)
        try:
            result = harmonize_file(task)
        except PipelineError:
            assert not (staging / "table.csv").exists()
            assert not [one for one in staging.iterdir() if one.name.startswith(".")]
            return
        counts = result.counts
        assert counts.adds_up
        if result.questions:  # held: nothing is delivered, and every question can be answered
            assert {one.name for one in staging.iterdir()} == {QUESTIONS, PROPOSAL, REVIEW}
            assert Held(result, staging).proposal.questions
            return
        assert {one.name for one in staging.iterdir()} == {one.name for one in result.outputs}
        delivered = Delivered(result, staging)
        rejected = {row["record"] for row in delivered.rejects}
        assert len(rejected) == counts.rejected
        assert all(row["code"] in list(RowCode) for row in delivered.rejects)
        if output_format == "csv":
            with (staging / "table.csv").open(encoding="utf-8", newline="") as lines:
                rows = list(csv.reader(lines, strict=True))
            assert len(rows) - 1 == counts.written
            assert {len(row) for row in rows} == {len(rows[0])}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(tables())
def test_rows_of_any_table_are_all_accounted_for(content: bytes) -> None:
    check(content)


@settings(max_examples=50, deadline=None)
@given(tables())
def test_rows_of_any_table_are_all_accounted_for_in_parquet(content: bytes) -> None:
    check(content, "parquet")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_below_a_good_header_are_refused_or_accounted_for(tail: bytes) -> None:
    check(",".join(HEADER).encode() + b"\n" + tail)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_accounted_for(content: bytes) -> None:
    check(content)
