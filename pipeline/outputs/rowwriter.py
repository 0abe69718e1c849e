"""Streams the settled rows into their final files and counts each one on its way."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.apply import LINE, RECORD, rescued_name
from pipeline.contract.loading import Contract
from pipeline.messages import OutputFile
from pipeline.outputs.changes import CHANGES, ChangesFile
from pipeline.outputs.files import DataWriter, HashingFile, csv_line, open_data
from pipeline.outputs.report import Tally
from pipeline.parallel import in_order
from pipeline.plan import Plan
from pipeline.references import KeyCollector
from pipeline.rows.dedupe import Resolution
from pipeline.rows.rowstore import RowStore, among

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Some rows on their way out: what leaves, what stays and why, and the text of the file."""

    batch: pa.RecordBatch
    out: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.bool_]
    filled: dict[int, dict[str, Any]]
    rows: pa.RecordBatch
    rendered: Any


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
        filled_rows = sorted(resolution.filled)

        def prepare(placed: tuple[int, pa.RecordBatch]) -> _Prepared:
            start, batch = placed
            low = bisect_left(filled_rows, start)
            high = bisect_left(filled_rows, start + batch.num_rows)
            filled = {at - start: resolution.filled[at] for at in filled_rows[low:high]}
            return self._prepared(start, batch, resolution, filled, data)

        for one in in_order(prepare, _placed(store.batches())):
            written.kept_out_rows += int(one.out.sum())
            written.duplicate += int((~one.kept & ~one.out).sum())
            records = np.asarray(one.batch.column(RECORD))
            written.accepted_records += _distinct(records[~one.out])
            self._count(one.rows)
            self._note_changes(one.batch, one.rows, one.kept, one.filled)
            self.keys.add(one.rows)
            data.write(one.rendered)
            written.written += one.rows.num_rows
            self._rescue(one.batch, ~one.out)
        return written

    def _prepared(
        self,
        start: int,
        batch: pa.RecordBatch,
        resolution: Resolution,
        filled: dict[int, dict[str, Any]],
        data: DataWriter,
    ) -> _Prepared:
        """What is to be written of the rows from position `start` on; may run in any thread.

        filled: what rows of the batch take over, by their place in it.
        """
        out = among(np.asarray(batch.column(RECORD)), self.kept_out)
        kept = ~(out | resolution.dropped[start : start + batch.num_rows])
        rows = _filled(batch, filled).select(list(self.contract.field_names))
        rows = rows if kept.all() else rows.filter(pa.array(kept))
        return _Prepared(
            batch=batch, out=out, kept=kept, filled=filled, rows=rows, rendered=data.render(rows)
        )

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
        if not filled and self.changes is None:
            return
        places = np.cumsum(kept) - 1
        taken = {int(places[row]): values for row, values in filled.items() if kept[row]}
        for name in (name for values in taken.values() for name in values):
            self.tally.of(name).note("merged", 1)
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


def _placed(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each batch with the position of its first row."""
    start = 0
    for batch in batches:
        yield start, batch
        start += batch.num_rows


def _distinct(records: npt.NDArray[np.int64]) -> int:
    """How many records these are; rows of one record stand together."""
    return int(np.count_nonzero(np.diff(records))) + (len(records) > 0)


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
