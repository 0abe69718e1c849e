"""Rows wait in memory or on disk; which of the two, nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.rows.rowstore import RowStore

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


def test_a_store_without_rows_gives_none(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows.arrow")
    store.add(batches()[1])
    store.close()
    assert list(store.batches()) == []
