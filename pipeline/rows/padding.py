"""Rows with too few cells, where the contract reads the missing ones as empty.

By default such a row is a reject: nobody knows which of its cells are missing. A contract that says
`missingCell: null` knows that it is always the last ones.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import RowCode
from pipeline.formats.base import BadRecord, TableReader, TextBatch


class PaddedReader:
    """A reader whose short records are filled up with empty cells."""

    def __init__(self, reader: TableReader) -> None:
        self._reader = reader

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels, as the file has them."""
        return self._reader.header

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return {**self._reader.describe(), "missing_cells": "read as empty"}

    def batches(self) -> Iterator[TextBatch]:
        """The records in order, short ones filled up."""
        delimiter = self._reader.describe().get("delimiter") or ","
        for batch in self._reader.batches():
            short = [bad for bad in batch.bad if bad.code is RowCode.MISSING_CELL]
            yield _filled_up(batch, short, delimiter, len(self.header)) if short else batch


def _filled_up(batch: TextBatch, short: list[BadRecord], delimiter: str, width: int) -> TextBatch:
    records = np.concatenate([batch.records, [bad.record for bad in short]]).astype(np.int64)
    lines = np.concatenate([batch.lines, [bad.line for bad in short]]).astype(np.int64)
    order = np.argsort(records, kind="stable")
    cells = [_cells(bad.raw, delimiter, width) for bad in short]
    added = [pa.array([row[at] for row in cells], pa.string()) for at in range(width)]
    taken = pa.array(order)
    return TextBatch(
        columns=[
            pa.concat_arrays([column, more]).take(taken)
            for column, more in zip(batch.columns, added, strict=True)
        ],
        records=records[order],
        lines=lines[order],
        raw=_raw_of(batch, short, order.tolist()),
        bad=[bad for bad in batch.bad if bad.code is not RowCode.MISSING_CELL],
        skipped=batch.skipped,
        place=batch.place,
        faults=batch.faults,
    )


def _cells(raw: str, delimiter: str, width: int) -> list[str]:
    row = next(csv.reader(raw.splitlines(keepends=True), delimiter=delimiter))
    return [*row, *[""] * (width - len(row))]


def _raw_of(batch: TextBatch, short: list[BadRecord], order: list[int]) -> Callable[[int], str]:
    count = len(batch.records)
    return lambda at: batch.raw(order[at]) if order[at] < count else short[order[at] - count].raw
