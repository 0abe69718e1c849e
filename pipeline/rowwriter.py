"""Streams the settled rows into their final files and counts each one on its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.apply import LINE, RECORD, rescued_name
from pipeline.changes import CHANGES, ChangesFile
from pipeline.contract import Contract
from pipeline.dedupe import Resolution
from pipeline.messages import OutputFile
from pipeline.outputs import DataWriter, HashingFile, csv_line, open_data
from pipeline.plan import Plan
from pipeline.references import KeyCollector
from pipeline.report import Tally
from pipeline.rowstore import RowStore

RESCUED_HEADER = ("record", "line", "column", "value")


@dataclass(slots=True)
class Written:
    """What went where. `accepted_records`: records none of whose rows were kept out."""

    outputs: tuple[OutputFile, ...] = ()
    written: int = 0
    duplicate: int = 0
    kept_out_rows: int = 0
    accepted_records: int = 0

    @property
    def added(self) -> int:
        """Rows more than records, made by splitting records."""
        return self.written + self.duplicate - self.accepted_records


@dataclass(slots=True, kw_only=True)
class RowWriter:
    """Writes the data file and, when the file has columns no field claims, `rescued.csv`.

    `kept_out`: ascending numbers of the records that are rejected as a whole.
    `keys` is shown every row that is written. `changes`, if any, is told what was changed in it.
    """

    directory: Path
    output_format: str
    contract: Contract
    plan: Plan
    tally: Tally
    kept_out: npt.NDArray[np.int64]
    keys: KeyCollector
    changes: ChangesFile | None = None
    _rescued: HashingFile | None = field(default=None, init=False)

    def write(self, store: RowStore, resolution: Resolution) -> Written:
        """Write all rows of `store`."""
        types = {one.name: one.type for one in self.contract.fields}
        data = open_data(self.directory, self.contract.name, types, self.output_format)
        try:
            written = self._write_all(store, resolution, data)
            beside = [one for one in (self._rescued, self.changes) if one is not None]
            written.outputs = (data.finish(), *(one.finish() for one in beside))
        finally:
            data.discard()
            for one in (self._rescued, self.changes):
                if one is not None:
                    one.discard()
        return written

    def _write_all(self, store: RowStore, resolution: Resolution, data: DataWriter) -> Written:
        written = Written()
        names = list(self.contract.field_names)
        start = 0
        for batch in store.batches():
            stop = start + batch.num_rows
            records = np.asarray(batch.column(RECORD))
            out = np.isin(records, self.kept_out)
            dropped = resolution.dropped[start:stop] & ~out
            kept = ~(out | dropped)
            written.kept_out_rows += int(out.sum())
            written.duplicate += int(dropped.sum())
            written.accepted_records += len(np.unique(records[~out]))
            filled = _within(resolution.filled, start, stop)
            rows = _filled(batch, filled).filter(pa.array(kept)).select(names)
            self._count(rows)
            self._note_changes(batch, rows, kept, filled)
            self.keys.add(rows)
            data.write(rows)
            written.written += rows.num_rows
            self._rescue(batch, ~out)
            start = stop
        return written

    def _count(self, rows: pa.RecordBatch) -> None:
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            counted = self.tally.of(name)
            counted.null += column.null_count
            counted.valid += len(column) - column.null_count

    def _note_changes(
        self,
        batch: pa.RecordBatch,
        rows: pa.RecordBatch,
        kept: npt.NDArray[np.bool_],
        filled: dict[int, dict[str, Any]],
    ) -> None:
        """Count and note what rows took over; note what else was changed in them."""
        places = np.cumsum(kept) - 1
        taken = {int(places[row]): values for row, values in filled.items() if kept[row]}
        for name in (name for values in taken.values() for name in values):
            self.tally.of(name).changed["merged"] += 1
        if self.changes is None:
            return
        where = batch.select([RECORD, LINE, CHANGES]).filter(pa.array(kept))
        self.changes.write(rows, where, taken)

    def _rescue(self, batch: pa.RecordBatch, kept: npt.NDArray[np.bool_]) -> None:
        """Write what the unclaimed columns hold; of rows made of one record only once."""
        if not self.plan.rescued:
            return
        first = np.r_[True, np.diff(np.asarray(batch.column(RECORD))) > 0][: batch.num_rows]
        rows = batch.filter(pa.array(kept & first))
        records, lines = (rows.column(name).to_pylist() for name in (RECORD, LINE))
        columns = [
            (column.label, rows.column(rescued_name(column.position)).to_pylist())
            for column in self.plan.rescued
        ]
        for at, (record, line) in enumerate(zip(records, lines, strict=True)):
            for label, values in columns:
                if values[at].strip():
                    self._open_rescued().write(csv_line((record, line, label, values[at])))

    def _open_rescued(self) -> HashingFile:
        if self._rescued is None:
            self._rescued = HashingFile(self.directory / "rescued.csv")
            self._rescued.write(csv_line(RESCUED_HEADER))
        return self._rescued


def _filled(batch: pa.RecordBatch, filled: Mapping[int, dict[str, Any]]) -> pa.RecordBatch:
    """Rows with what they take over from rows that were dropped in their favour."""
    for name in {name for values in filled.values() for name in values}:
        index = batch.schema.get_field_index(name)
        column = batch.column(index)
        cells = column.to_pylist()
        for row, values in filled.items():
            cells[row] = values.get(name, cells[row])
        batch = batch.set_column(index, name, pa.array(cells, column.type))
    return batch


def _within(filled: dict[int, dict[str, Any]], start: int, stop: int) -> dict[int, dict[str, Any]]:
    """What rows from `start` to `stop` take over, by their place among these."""
    return {place - start: values for place, values in filled.items() if start <= place < stop}
