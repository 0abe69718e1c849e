from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowCode
from pipeline.rows.dedupe import Deduplicator, KeyRules, Resolution, _digest_rows
from pipeline.rows.rowhash import hash_rows

PEOPLE = ("id", "name", "born", "phone")


def resolve(rules: KeyRules, rows: list[tuple[Any, ...]], batch_rows: int = 2) -> Resolution:
    table = pa.table(
        {
            name: pa.array([row[i] for row in rows], type=pa.string())
            for i, name in enumerate(rules.fields)
        }
    )

    def batches() -> Iterator[pa.RecordBatch]:
        return iter(table.to_batches(max_chunksize=batch_rows))

    deduplicator = Deduplicator(rules)
    for batch in batches():
        deduplicator.add(batch)
    return deduplicator.resolve(batches)


def dropped(resolution: Resolution) -> list[int]:
    return np.flatnonzero(resolution.dropped).tolist()


def people(**more: Any) -> KeyRules:
    return KeyRules(fields=PEOPLE, key=("id",), conflict=("name", "born"), **more)


def test_rows_equal_in_everything_are_dropped_to_the_first() -> None:
    ann = ("1", "Ann", "1980-01-01", "555")
    resolution = resolve(people(), [ann, ("2", "Bo", "1990-01-01", None), ann, ann])

    assert dropped(resolution) == [2, 3]
    assert not resolution.rejected


def test_rows_that_differ_by_case_or_inner_space_only_are_duplicates() -> None:
    resolution = resolve(
        people(),
        [
            ("1", "Ann  O’Neil", "1980-01-01", None),
            ("1", "ANN O'NEIL", "1980-01-01", None),
            ("1", "ann o'neil", "1980-01-01", None),
        ],
    )

    assert dropped(resolution) == [1, 2]


def test_an_identifier_that_differs_by_case_is_another_identifier() -> None:
    resolution = resolve(
        people(), [("a1", "Ann", "1980-01-01", None), ("A1", "Ann", "1980-01-01", None)]
    )

    assert dropped(resolution) == []
    assert not resolution.rejected


def test_one_moment_told_in_two_offsets_is_one_key() -> None:
    rules = KeyRules(fields=("id", "at", "value"), key=("id", "at"), moments=frozenset({"at"}))
    resolution = resolve(
        rules,
        [
            ("1", "2024-10-30T10:00:00-04:00", "80"),
            ("1", "2024-10-30T14:00:00+00:00", "80"),
            ("1", "2024-10-30T14:00:00-04:00", "80"),
            ("2", "2024-10-30T10:00:00-04:00", "80"),
            ("2", "2024-10-30T15:00:00+01:00", "99"),
        ],
    )

    assert dropped(resolution) == [1]
    assert sorted(resolution.rejected) == [3, 4]
    assert {why.code for why in resolution.rejected.values()} == {RowCode.KEY_CONFLICT}


def test_one_key_with_two_persons_keeps_both_out() -> None:
    resolution = resolve(
        people(survivorship="most_complete"),
        [
            ("1", "Ann", "1980-01-01", "555"),
            ("2", "Cy", "1970-01-01", None),
            ("1", "Bob", "1991-02-02", None),
        ],
    )

    assert sorted(resolution.rejected) == [0, 2]
    why = resolution.rejected[0]
    assert why.code is RowCode.KEY_CONFLICT
    assert why.fields == ("name", "born")
    assert "Ann" not in why.sentence


def test_the_fullest_row_wins_and_takes_what_only_the_others_state() -> None:
    resolution = resolve(
        people(survivorship="most_complete"),
        [
            ("1", None, "1980-01-01", None),
            ("1", "Ann", "1980-01-01", None),
            ("1", None, None, "555"),
        ],
    )

    assert dropped(resolution) == [0, 2]
    assert resolution.filled == {1: {"phone": "555"}}


def test_rows_of_one_person_that_contradict_each_other_are_not_merged() -> None:
    resolution = resolve(
        people(survivorship="most_complete"),
        [("1", "Ann", "1980-01-01", "555"), ("1", "Ann", "1980-01-01", "666")],
    )

    assert {why.code for why in resolution.rejected.values()} == {RowCode.PRIMARY_KEY}
    assert resolution.rejected[1].fields == ("phone",)


def test_first_and_last_survive_when_the_contract_says_so() -> None:
    rows: list[tuple[Any, ...]] = [
        ("1", "Ann", "1980-01-01", "555"),
        ("1", "Ann", "1980-01-01", "666"),
        ("1", "Ann", "1980-01-01", "777"),
    ]

    assert dropped(resolve(people(survivorship="first"), rows)) == [1, 2]
    assert dropped(resolve(people(survivorship="last"), rows)) == [0, 1]


def test_reject_keeps_out_every_row_of_a_key_with_different_contents() -> None:
    rules = KeyRules(fields=("id", "value"), key=("id",), survivorship="reject")
    resolution = resolve(rules, [("1", "5"), ("1", "6"), ("1", "5"), ("2", "5")])

    assert sorted(resolution.rejected) == [0, 1, 2]
    assert resolution.rejected[0].fields == ("value",)


def test_without_a_key_only_whole_rows_are_compared() -> None:
    rules = KeyRules(fields=("id", "drug"))
    resolution = resolve(rules, [("1", "Aspirin"), ("1", "Heparin"), ("1", "ASPIRIN"), ("1", None)])

    assert dropped(resolution) == [2]
    assert not resolution.rejected


def test_identical_rows_stay_when_the_contract_keeps_them() -> None:
    rules = KeyRules(fields=("id", "drug"), identical="keep")

    assert dropped(resolve(rules, [("1", "a"), ("1", "a")])) == []


def test_null_equals_nothing_in_a_unique_field() -> None:
    rules = KeyRules(fields=("id", "mail"), key=("id",), unique=(("mail",),))
    resolution = resolve(rules, [("1", None), ("2", None), ("3", "x"), ("4", "x"), ("5", "X")])

    assert sorted(resolution.rejected) == [2, 3]
    assert resolution.rejected[2].code is RowCode.UNIQUE_ERROR


def test_empty_and_missing_text_have_hashes_of_their_own() -> None:
    hashes = hash_rows([pa.array(["", None, "a", "\x00", "a" * 300, "a" * 301])], 6)

    assert len(set(hashes.tolist())) == 6


def test_hashes_do_not_depend_on_how_a_column_is_sliced() -> None:
    column = pa.array(["skip", "", "é", None, "Zürich", "x" * 400])
    whole = hash_rows([column], 6)
    part = hash_rows([column.slice(1)], 5)

    assert part.tolist() == whole[1:].tolist()


def test_hashes_are_the_same_in_every_version_and_on_every_machine() -> None:
    hashes = hash_rows([pa.array(["PT-0001", "é"]), pa.array([1, None], pa.int64())], 2)

    assert hashes.tolist() == [3283010156941751234, 4535276407976411565]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "3"]),
            st.sampled_from([None, "a", "b"]),
            st.sampled_from([None, "x"]),
        ),
        max_size=12,
    ),
    survivorship=st.sampled_from(["first", "last", "most_complete", "merge", "reject"]),
    batch_rows=st.integers(1, 5),
)
def test_no_key_is_left_with_two_rows_and_no_statement_is_lost(
    rows: list[tuple[str, str | None, str | None]], survivorship: Any, batch_rows: int
) -> None:
    rules = KeyRules(
        fields=("id", "a", "b"), key=("id",), conflict=("a",), survivorship=survivorship
    )
    resolution = resolve(rules, rows, batch_rows)

    alive = [
        i for i in range(len(rows)) if not resolution.dropped[i] and i not in resolution.rejected
    ]
    assert len({rows[i][0] for i in alive}) == len(alive)
    for key in {row[0] for row in rows}:
        members = [i for i in range(len(rows)) if rows[i][0] == key]
        stated = {rows[i][1] for i in members} - {None}
        assert all(i in resolution.rejected for i in members) or len(stated) <= 1
        survivors = [i for i in members if i in alive]
        if survivors and survivorship in ("merge", "most_complete"):
            merged = dict(zip(rules.fields, rows[survivors[0]], strict=True))
            merged |= resolution.filled.get(survivors[0], {})
            for i in members:
                for name, value in zip(rules.fields, rows[i], strict=True):
                    assert value is None or merged[name] == value


def test_a_number_is_the_same_whatever_zeros_end_its_decimals() -> None:
    rules = KeyRules(
        fields=("id", "value"),
        key=("id",),
        exact=frozenset({"id", "value"}),
        numbers=frozenset({"value"}),
    )
    resolution = resolve(
        rules,
        [("1", "80"), ("1", "80.0"), ("2", "1.50"), ("2", "1.5"), ("3", "100"), ("3", "10")],
    )

    assert dropped(resolution) == [1, 3]
    assert sorted(resolution.rejected) == [4, 5]


def test_a_number_in_a_key_is_the_same_whatever_zeros_end_its_decimals() -> None:
    rules = KeyRules(fields=("amount", "note"), key=("amount",), numbers=frozenset({"amount"}))
    resolution = resolve(rules, [("5", "a"), ("5.0", "b"), ("50", "c")])

    assert sorted(resolution.rejected) == [0, 1]


@given(
    st.lists(
        st.tuples(
            st.none() | st.text("a,:-1", max_size=4),
            st.none() | st.text("a,:-1", max_size=4),
            st.none() | st.booleans(),
            st.none() | st.dates(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_rows_have_one_digest_exactly_when_they_are_one(rows: list[tuple[object, ...]]) -> None:
    kinds = (pa.string(), pa.string(), pa.bool_(), pa.date32())
    columns = [
        pa.array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]
    digests = list(_digest_rows(columns))
    assert len(set(digests)) == len(set(rows))
    assert len(set(zip(digests, rows, strict=True))) == len(set(rows))
