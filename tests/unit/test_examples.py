"""The generator's truth against the product: every delivered cell, and what became of each record.

The truth is made without any of the product's code (see examples/), so a difference is a mistake of
one of the two.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.drafts import Fate, Style, Truth
from examples.files import EXAMPLES, FOLDER, Example
from examples.generate import TABLES, Generated, generate, main, stream
from pipeline.contract.loading import BUILT_IN
from pipeline.errors import ContentError
from pipeline.harmonize import harmonize_file
from pipeline.messages import HarmonizeResult, HarmonizeTask

KINDS = sorted(TABLES)
SEEDS = (1, 2, 3, 4)
NOW_S = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
ROWS = 400

Row = dict[str, str]


def harmonized(text: bytes, folder: Path) -> HarmonizeResult:
    """Put the export into a folder and its delivery into `staging` below it."""
    folder.mkdir(parents=True, exist_ok=True)
    source, staging = folder / "export.csv", folder / "staging"
    source.write_bytes(text)
    staging.mkdir()
    return harmonize_file(
        HarmonizeTask(
            source=str(source),
            staging_dir=str(staging),
            contracts_dir=str(BUILT_IN),
            job="j1",
            now_s=NOW_S,
        )
    )


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def rejected(folder: Path) -> dict[tuple[int, int], set[str]]:
    """Codes by record and line."""
    codes: dict[tuple[int, int], set[str]] = defaultdict(set)
    for reject in rows_of(folder / "staging" / "rejects.csv"):
        codes[int(reject["record"]), int(reject["line"])].add(reject["code"])
    return dict(codes)


def assert_as_told(kind: str, made: Generated, folder: Path) -> None:
    result = harmonized(made.text, folder)
    truth = made.truth
    assert result.contract == kind
    assert rejected(folder) == {
        (told.record, told.line): set(told.codes) for told in truth if told.fate is Fate.REJECTED
    }
    delivered = rows_of(folder / "staging" / f"{kind}.csv")
    expected = [dict.fromkeys(TABLES[kind].fields, "") | row for told in truth for row in told.rows]
    for at, (row, wanted) in enumerate(itertools.zip_longest(delivered, expected)):
        assert row == wanted, f"delivered row {at + 1}"
    counts, fates = result.counts, [told.fate for told in truth]
    assert counts.adds_up
    assert counts.read == len(truth)
    assert counts.written == len(expected)
    assert counts.rejected == fates.count(Fate.REJECTED)
    assert counts.skipped == fates.count(Fate.SKIPPED)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_delivered_cell_and_every_fate_is_as_the_truth_says(
    kind: str, seed: int, tmp_path: Path
) -> None:
    assert_as_told(kind, generate(kind, ROWS, seed), tmp_path)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_separator_makes_no_difference(kind: str, delimiter: str, tmp_path: Path) -> None:
    style = Style(delimiter=delimiter)  # type: ignore[arg-type]
    assert_as_told(kind, generate(kind, ROWS, 5, style=style), tmp_path / "other")
    assert_as_told(kind, generate(kind, ROWS, 5), tmp_path / "comma")
    other, comma = (
        (tmp_path / name / "staging" / f"{kind}.csv").read_bytes() for name in ("other", "comma")
    )
    assert other == comma


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_encoding_makes_no_difference(kind: str, encoding: str, tmp_path: Path) -> None:
    style = Style(encoding=encoding, western=True, line_ending="\r\n")  # type: ignore[arg-type]
    assert_as_told(kind, generate(kind, ROWS, 6, style=style), tmp_path / "other")
    assert_as_told(kind, generate(kind, ROWS, 6, style=Style(western=True)), tmp_path / "utf-8")
    other, plain = (
        (tmp_path / name / "staging" / f"{kind}.csv").read_bytes() for name in ("other", "utf-8")
    )
    assert other == plain


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("kind", KINDS)
def test_decimal_commas_are_told_by_the_values(kind: str, delimiter: str, tmp_path: Path) -> None:
    style = Style(delimiter=delimiter, decimal=",")  # type: ignore[arg-type]
    assert_as_told(kind, generate(kind, ROWS, 7, style=style), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_export_is_delivered_whole(kind: str, tmp_path: Path) -> None:
    made = generate(kind, 200, 1, style=Style(messy=False))
    assert {told.fate for told in made.truth} == {Fate.WRITTEN}
    assert_as_told(kind, made, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides(kind: str) -> None:
    assert generate(kind, 150, 8) == generate(kind, 150, 8)
    assert generate(kind, 150, 8).text != generate(kind, 150, 9).text


@pytest.mark.parametrize("kind", KINDS)
def test_each_way_to_be_wrong_comes_up(kind: str) -> None:
    planted = {code for fault in TABLES[kind].faults for code in fault.codes}
    planted |= {"missing-cell", "extra-cell", "unbalanced-quote"}
    planted |= {"key-conflict"} if kind != "medications" else set()
    told = generate(kind, 2_000, 1).truth
    assert {code for one in told for code in one.codes} == planted
    assert {one.fate for one in told} == set(Fate)


def test_the_command_writes_the_export_and_its_truth(tmp_path: Path) -> None:
    assert main(["vitals", "--rows", "120", "--seed", "3", "--out", str(tmp_path)]) == 0
    made = generate("vitals", 120, 3)
    assert (tmp_path / "vitals.csv").read_bytes() == made.text
    lines = rows_of(tmp_path / "vitals.truth.csv")
    assert len({line["record"] for line in lines}) == 120
    assert [line["value"] for line in lines if line["fate"] == "written"] == [
        row["value"] for told in made.truth for row in told.rows
    ]


def test_records_come_one_by_one() -> None:
    """Whoever wants the first of ten million does not wait for the last."""
    pieces = stream("lab_results", 10_000_000, 1, Style())
    assert next(pieces)[1] is None
    told = next(pieces)[1]
    assert isinstance(told, Truth)
    assert told.record == 1


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_records_meet_every_fault_more_than_once(kind: str, tmp_path: Path) -> None:
    assert_as_told(kind, generate(kind, 3_000, 10), tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_file_is_what_its_recipe_makes(example: Example) -> None:
    assert (FOLDER / example.name).read_bytes() == example.make()


def test_every_example_file_has_a_recipe() -> None:
    assert {path.name for path in FOLDER.glob("*.csv")} == {example.name for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_file_ends_as_it_says(example: Example, tmp_path: Path) -> None:
    text = (FOLDER / example.name).read_bytes()
    if example.state == "quarantined":
        with pytest.raises(ContentError) as refusal:
            harmonized(text, tmp_path)
        assert refusal.value.code == example.code
        return
    result = harmonized(text, tmp_path)
    assert (result.contract, result.question_code) == (example.contract, example.code)
    assert bool(result.outputs) == (example.state == "delivered")
