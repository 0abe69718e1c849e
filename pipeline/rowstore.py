"""The good rows of a file, on disk in the staging directory, until the last one is known.

Whether a row may stay can depend on the last row of the file (its key may come again), so rows wait
as an Arrow file: no memory but one batch, and they come back in source order as often as asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa


class RowStore:
    """Append-only rows; positions count from 0 in the order they were added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa.RecordBatchFileWriter | None = None
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows; all batches have one schema."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._path), batch.schema)
        if batch.num_rows:
            self._writer.write_batch(batch)
            self.rows += batch.num_rows

    def close(self) -> None:
        """Finish writing; rows can be read from now on."""
        if self._writer is not None:
            self._writer.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in order."""
        if not self.rows:
            return
        with pa.OSFile(str(self._path)) as source:  # mapped pages would count as our memory
            reader = pa.ipc.open_file(source)
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)

    def remove(self) -> None:
        """Delete the file; calling it again does nothing."""
        with suppress(OSError):  # closing writes the footer, and the disk may be full
            self.close()
        self._path.unlink(missing_ok=True)
