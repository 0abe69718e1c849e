"""Pairs that may be one person: listed by record and likeness, never merged, within bounds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rows.likeness import similarity
from pipeline.rows.likeness_bound import LetterCounts
from tests.unit.harmonizing import Delivered, Desk, Row, read

HEADER = "patient_id,family_name,given_name,birth_date\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def pairs_of(done: Delivered) -> list[Row]:
    path = done.staging / "possible-duplicates.csv"
    return read(path) if path.exists() else []


def records(done: Delivered) -> list[tuple[str, str]]:
    return [(pair["record_1"], pair["record_2"]) for pair in pairs_of(done)]


def test_a_name_spelt_a_little_differently_on_one_birth_date_is_listed(desk: Desk) -> None:
    done = desk.harmonize(
        HEADER
        + "P001,Martinez,Jonathan,1980-01-31\n"
        + "P002,Someone,Else,1980-01-31\n"
        + "P003,Martines,Jonathon,1980-01-31\n"
        + "P004,Martinez,Jonathan,1981-01-31\n"
    )
    [pair] = pairs_of(done)
    assert (pair["record_1"], pair["line_1"], pair["record_2"], pair["line_2"]) == (
        "1", "2", "3", "4",
    )  # fmt: skip
    assert pair["agree_in"] == "birth_date"
    assert pair["compared"] == "family_name 0.95; given_name 0.95"
    assert pair["least_similarity"] == "0.95"
    assert len(done.rows) == 4, "both rows are delivered; nothing is merged"
    assert done.report["possible_duplicates"]["listed"] == 1


def test_day_and_month_swapped_is_how_one_person_becomes_two(desk: Desk) -> None:
    """Hazard J163."""
    done = desk.harmonize(
        HEADER
        + "P001,Smith,John,1980-03-04\nP002,SMITH,John,1980-04-03\nP003,Smith,John,1980-04-05\n"
    )
    [pair] = pairs_of(done)
    assert (pair["record_1"], pair["record_2"]) == ("1", "2")
    assert pair["agree_in"] == "birth_date (day and month swapped)"
    assert len(done.rows) == 3


def test_the_list_shows_no_value_of_the_table(desk: Desk) -> None:
    done = desk.harmonize(
        HEADER + "P001,Canarybird,John,1980-03-04\nP002,Canarybird,John,1980-03-04\n"
    )
    text = (done.staging / "possible-duplicates.csv").read_text(encoding="utf-8")
    assert "anary" not in text
    assert "1980" not in text


def test_without_any_pair_there_is_no_file_and_the_report_says_what_was_compared(
    desk: Desk,
) -> None:
    done = desk.harmonize(HEADER + "P001,Smith,John,1980-03-04\nP002,Jones,Mary,1980-03-04\n")
    assert not (done.staging / "possible-duplicates.csv").exists()
    assert done.report["possible_duplicates"]["pairs_compared"] == 1
    assert done.report["possible_duplicates"]["listed"] == 0


def test_an_empty_field_says_nothing_but_one_must_have_been_compared(desk: Desk) -> None:
    done = desk.harmonize(
        HEADER + "P001,Smith,John,1980-03-04\nP002,Smith,,1980-03-04\nP003,Smith,Mary,1980-03-04\n"
    )
    assert records(done) == [("1", "2"), ("2", "3")]


def test_rows_that_are_not_delivered_are_not_listed(desk: Desk) -> None:
    done = desk.harmonize(
        HEADER
        + "P001,Smith,John,1980-03-04\n"
        + "P002,Smith,John,1980-03-04\n"
        + "P002,Smith,John,1980-03-04\n"
        + "P003,Smith,John,1980-03-04\n"
        + "P003,Jones,John,1980-03-04\n"
        + "".join(f"Q00{n},Smith,John,199{n}-03-04\n" for n in range(9))
    )
    assert done.result.counts.rejected == 2
    assert done.result.counts.duplicate == 1
    assert records(done) == [("1", "2")]


def test_a_block_of_too_many_rows_is_not_compared_and_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.rows.pairs.MOST_ROWS_IN_A_BLOCK", 3)
    rows = "".join(f"P{n:03},Smith,John,1900-01-01\n" for n in range(4))
    done = desk.harmonize(
        HEADER + rows + "Q001,Smith,John,1980-01-31\nQ002,Smith,John,1980-01-31\n"
    )
    assert records(done) == [("5", "6")]
    told = done.report["possible_duplicates"]
    assert (told["large_blocks"], told["rows_in_large_blocks"]) == (1, 4)


def test_the_number_of_pairs_compared_and_listed_is_bounded_and_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.rows.pairs.MOST_PAIRS_COMPARED", 4)
    monkeypatch.setattr("pipeline.rows.pairs.MOST_PAIRS_LISTED", 2)
    rows = "".join(
        f"P{day:03}{n},Smith,John,1980-01-{day}\n" for day in (29, 30, 31) for n in range(3)
    )
    done = desk.harmonize(HEADER + rows)
    told = done.report["possible_duplicates"]
    assert told["pairs_compared"] == 3
    assert (told["listed"], told["not_listed"], told["blocks_left_out"]) == (2, 1, 2)
    assert len(pairs_of(done)) == 2


def test_a_contract_that_asks_for_no_review_gets_none(desk: Desk) -> None:
    done = desk.contract("name: t\nfields: [{name: a, type: string}]\n").harmonize("a\nx\ny\n")
    assert done.report["possible_duplicates"] is None


def test_the_most_alike_come_first(desk: Desk) -> None:
    done = desk.harmonize(
        HEADER
        + "P001,Martinez,Jonathan,1980-01-31\n"
        + "P002,Martines,Jonathan,1980-01-31\n"
        + "P003,Smith,John,1981-01-31\n"
        + "P004,Smith,John,1981-01-31\n"
    )
    shares = [float(pair["least_similarity"]) for pair in pairs_of(done)]
    assert shares == sorted(shares, reverse=True)
    assert records(done)[0] == ("3", "4")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("martha", "marhta", 0.9611),
        ("dwayne", "duane", 0.84),
        ("dixon", "dicksonx", 0.8133),
        ("abc", "xyz", 0.0),
        ("", "", 1.0),
        ("", "a", 0.0),
    ],
)
def test_likeness_is_that_of_the_literature(one: str, other: str, expected: float) -> None:
    assert similarity(one, other) == pytest.approx(expected, abs=0.0001)


@given(st.text(max_size=12), st.text(max_size=12))
def test_likeness_is_symmetric_and_lies_between_0_and_1(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == pytest.approx(similarity(other, one))


def test_the_list_is_a_table(desk: Desk) -> None:
    done = desk.harmonize(HEADER + "P001,Smith,John,1980-03-04\nP002,Smith,John,1980-03-04\n")
    with (done.staging / "possible-duplicates.csv").open(encoding="utf-8", newline="") as lines:
        assert {len(row) for row in csv.reader(lines)} == {7}
    assert "possible-duplicates.csv" in {output.name for output in done.result.outputs}


@given(st.lists(st.text("aábcdeé 'xyzŁ", max_size=9), min_size=2, max_size=12))
def test_no_pair_is_more_alike_than_its_bound(texts: list[str]) -> None:
    ones, others = np.triu_indices(len(texts), 1)
    most = LetterCounts(texts).most_alike(ones, others)
    for one, other, bound in zip(ones, others, most, strict=True):
        assert similarity(texts[one], texts[other]) <= bound


def test_the_bound_spares_the_look_at_names_that_share_nothing() -> None:
    most = LetterCounts(["martinez", "okafor", "martines"]).most_alike(
        np.array([0, 0]), np.array([1, 2])
    )
    assert most[0] < 0.9 < most[1]
