"""Rows wait in memory or on disk; which of the two, nobody can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rows.rowstore import RowStore, among

SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string())])


def batches() -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_pydict(
            {"id": list(range(at, at + size)), "word": ["x" * size] * size}, schema=SCHEMA
        )
        for at, size in ((0, 3), (3, 0), (3, 100), (103, 1))
    ]


@pytest.mark.parametrize("in_memory_bytes", [0, 500, 1 << 20])
def test_rows_come_back_in_order_as_often_as_asked(tmp_path: Path, in_memory_bytes: int) -> None:
    store = RowStore(tmp_path / "rows.arrow", in_memory_bytes)
    for batch in batches():
        store.add(batch)
    store.close()
    assert store.rows == 104
    for _ in range(2):
        found = pa.Table.from_batches(store.batches())
        assert found.equals(pa.Table.from_batches(batches()))
    assert (tmp_path / "rows.arrow").exists() is (in_memory_bytes < 1_000)
    store.remove()
    store.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20])
def test_some_columns_come_back_without_the_others(tmp_path: Path, in_memory_bytes: int) -> None:
    store = RowStore(tmp_path / "rows.arrow", in_memory_bytes)
    for batch in batches():
        store.add(batch)
    store.close()
    for names in (["word"], ["id"], ["id", "word"]):
        found = pa.Table.from_batches(store.batches(names))
        assert found.equals(pa.Table.from_batches(batches()).select(names))
    store.remove()


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_records_are_found_among_the_wanted_ones(records: list[int], wanted: list[int]) -> None:
    found = among(np.array(records, np.int64), np.array(sorted(set(wanted)), np.int64))
    assert found.tolist() == [record in wanted for record in records]


def test_a_store_without_rows_gives_none(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows.arrow")
    store.add(batches()[1])
    store.close()
    assert list(store.batches()) == []
