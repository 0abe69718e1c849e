"""The good rows of a file, put by until the last one is known.

Whether a row may stay can depend on the last row of the file (its key may come again), so rows
wait: a few of them in memory, more as an Arrow file in the staging directory. They come back in
source order as often as asked, one batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.standardize.wholetexts import FEW

IN_MEMORY_BYTES = 4 << 20


class RowStore:
    """Append-only rows; positions count from 0 in the order they were added."""

    def __init__(self, path: Path | None, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        """`path` takes what is too much for memory; without one everything stays there."""
        self._path = path
        self._in_memory_bytes = in_memory_bytes
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._writer: pa.RecordBatchFileWriter | None = None
        self._fields: list[str] = []
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows; all batches have one schema."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        if self._writer is not None:
            self._writer.write_batch(batch)
            return
        self._held.append(batch)
        is_small = batch.num_rows <= FEW  # whole buffers are told at once, parts of them are not
        self._held_bytes += batch.get_total_buffer_size() if is_small else batch.nbytes
        if self._path is not None and self._held_bytes > self._in_memory_bytes:
            self._writer = pa.ipc.new_file(str(self._path), batch.schema)
            self._fields = batch.schema.names
            for held in self._held:
                self._writer.write_batch(held)
            self._held.clear()

    def close(self) -> None:
        """Finish writing; rows can be read from now on."""
        if self._writer is not None:
            self._writer.close()

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, in order; only the columns of these names, if names are given."""
        if self._writer is None:
            yield from (batch.select(list(names)) if names else batch for batch in self._held)
            return
        wanted = [self._fields.index(name) for name in names] if names else None
        options = pa.ipc.IpcReadOptions(included_fields=wanted)
        with pa.OSFile(str(self._path)) as source:  # mapped pages would count as our memory
            reader = pa.ipc.open_file(source, options=options)
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)

    def remove(self) -> None:
        """Delete the file; calling it again does nothing."""
        self._held.clear()
        if self._writer is None:
            return
        with suppress(OSError):  # closing writes the footer, and the disk may be full
            self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def among(records: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of these records are among the wanted ones, which ascend.

    However many are wanted, only those between the least and the greatest record are looked at.
    """
    if not len(records) or not len(wanted):
        return np.zeros(len(records), dtype=np.bool_)
    low = np.searchsorted(wanted, records.min(), side="left")
    high = np.searchsorted(wanted, records.max(), side="right")
    return np.isin(records, wanted[low:high])
