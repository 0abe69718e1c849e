"""What every reader yields: columns of text as it stood in the file, with their positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RowCode


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that does not have the table's shape.

    record: 1 for the first record below the header, blank records counted.
    line: the first physical line of the record in the file, 1 for the first line of the file.
    raw: the record's text as it stood, without its line end.
    """

    record: int
    line: int
    raw: str
    code: RowCode
    sentence: str


@dataclass(slots=True, kw_only=True)
class TextBatch:
    """Some records in file order. Every array has `len(records)` entries.

    columns: one pa.StringArray a column, in file order, cell text verbatim, never null.
    records, lines: position of each record, counted as in `BadRecord`.
    raw: gives the text of the record at a position of this batch as it stood in the file, without
        its line end; only rejects ask for it.
    bad: the records of this stretch that were left out because of their shape.
    skipped: how many records of this stretch were left out on purpose, by reason
        ("blank", "repeated-header").
    """

    columns: list[pa.StringArray]
    records: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    raw: Callable[[int], str]
    bad: list[BadRecord] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


class TableReader(Protocol):
    """One table of one file, opened. Iterating twice reads the file twice."""

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels as they stand in the file, by position; labels may repeat."""
        ...

    def describe(self) -> dict[str, Any]:
        """How the file is read (format, encoding, delimiter ...) and by which evidence."""
        ...

    def batches(self) -> Iterator[TextBatch]:
        """Yield the records in order, in batches of bounded size."""
        ...
