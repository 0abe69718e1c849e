"""Readers of other packages: whatever goes wrong in one refuses its file, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.formats.base import TableReader, TextBatch, at_table, tables_of


@contextmanager
def plain_errors(kind: str) -> Iterator[None]:
    """Turn a mistake of a reader into the refusal of its file.

    Raises:
        ContentError: DAMAGED, with the name of what was raised.
    """
    try:
        yield
    except (PipelineError, MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - other people's code
        raise ContentError(
            FileCode.DAMAGED, f"the reader of {kind} failed on it ({type(error).__name__})"
        ) from None


class GuardedReader:
    """A reader of another package."""

    def __init__(self, reader: TableReader, kind: str) -> None:
        self._reader, self._kind = reader, kind
        self.header = tuple(str(label) for label in reader.header)
        self.tables = tables_of(reader)

    def at(self, table: str) -> TableReader:
        """The same file, opened at another of its tables."""
        with plain_errors(self._kind):
            return GuardedReader(at_table(self._reader, table), self._kind)

    def describe(self) -> dict[str, Any]:
        """How the file is read, as its reader says."""
        with plain_errors(self._kind):
            return self._reader.describe()

    def batches(self) -> Iterator[TextBatch]:
        """The records in order; columns that do not fit the header are a mistake too."""
        with plain_errors(self._kind):
            for batch in self._reader.batches():
                if len(batch.columns) != len(self.header):
                    raise ValueError("as many columns as names")
                yield batch
