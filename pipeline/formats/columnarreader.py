"""A table of a Parquet or Arrow file, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TextBatch
from pipeline.formats.columnar import as_text
from pipeline.formats.trees import as_json
from pipeline.messages import Limits

BATCH_ROWS = 20_000
_BATCH_BYTES = 64 << 20
_PLAUSIBLE_BYTES = 64 << 20
_PLAUSIBLE_RATIO = 250
"""One buffer of a file that is packed; LZ4, which Arrow files are packed with, reaches 255."""
Batches = Callable[[], Iterator[pa.RecordBatch]]


class ColumnarReader:
    """See `TableReader`. Structs are flattened by path, lists become JSON.

    Raises:
        ContentError: EMPTY, LIMIT_EXCEEDED.
    """

    def __init__(
        self, kind: str, schema: pa.Schema, batches: Batches, limits: Limits, read_as: ReadAs | None
    ) -> None:
        self._kind, self._batches, self._limits = kind, batches, limits
        self._told = ReadAs() if read_as is None else read_as
        try:
            names = [name for field in schema for name in _names(field.name, field.type)]
            self._types = {str(field.type) for field in schema}
        except (pa.ArrowException, UnicodeDecodeError):
            raise ContentError(FileCode.DAMAGED, f"{kind} whose columns are damaged") from None
        if not names:
            raise ContentError(FileCode.EMPTY, "the file has no columns")
        if len(names) > limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the file has {len(names)} columns; {limits.max_columns} are allowed",
            )
        self._header = tuple(names)

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._header

    def describe(self) -> dict[str, Any]:
        """How the file is read; plain data without values."""
        told = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self._told).items()
        }
        return {
            "format": self._kind,
            "places": True,
            "header_line": 0,
            "columns": len(self._header),
            "confidence": 1.0,
            "evidence": [f"its columns are of the types {', '.join(sorted(self._types))}"],
        } | ({"told": told} if self._told.is_told else {})

    def batches(self) -> Iterator[TextBatch]:
        """Yield the rows in order, in batches of bounded size."""
        done = 0
        for whole in self._checked():
            rows = _rows_at_once(whole)
            for start in range(0, whole.num_rows, rows):
                batch = self._batch(whole.slice(start, rows), done)
                done += len(batch.records)
                yield batch
        if not done:
            raise ContentError(FileCode.EMPTY, "the file has columns and no rows")

    def _checked(self) -> Iterator[pa.RecordBatch]:
        """The batches, once it is sure that they are what their types say.

        Raises:
            ContentError: DAMAGED; Arrow itself believes what a file says.
        """
        for whole in self._batches():
            try:
                whole.validate(full=True)
            except (pa.ArrowInvalid, pa.ArrowIndexError, UnicodeDecodeError):
                raise ContentError(
                    FileCode.DAMAGED, f"{self._kind} whose values are not of their types"
                ) from None
            yield whole

    def _batch(self, rows: pa.RecordBatch, done: int) -> TextBatch:
        columns = [as_text(column) for _, column in _flat(rows)]
        for column in columns:
            longest = pc.max(pc.binary_length(column)).as_py() or 0
            if longest > self._limits.max_cell_bytes:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"a value is longer than {self._limits.max_cell_bytes} bytes",
                )
        numbers = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
        labels = self._header

        def raw(at: int) -> str:
            return as_json(
                {name: column[at].as_py() for name, column in zip(labels, columns, strict=True)}
            )

        def place(record: int, _line: int, column: int | None) -> str:
            where = f"row {record}"
            return (
                where if column is None or column >= len(labels) else f"{where}, {labels[column]}"
            )

        return TextBatch(columns=columns, records=numbers, lines=numbers, raw=raw, place=place)


def _rows_at_once(whole: pa.RecordBatch) -> int:
    """How many rows fit into a batch when each of them has the longest texts that may stand there.

    A text that is stored once, in a dictionary, may stand in every row.
    """
    longest = sum(
        pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        for _, column in _flat(whole)
        if isinstance(column, pa.DictionaryArray) and is_text(column.type.value_type)
    )
    return max(1, min(BATCH_ROWS, _BATCH_BYTES // max(longest, 1)))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are of any length."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _names(name: str, kind: pa.DataType) -> Iterator[str]:
    """What `_flat` calls the columns of a type."""
    if not pa.types.is_struct(kind):
        yield name
        return
    for field in kind:
        yield from _names(f"{name}.{field.name}", field.type)


def _flat(rows: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """Columns by path."""
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        yield from _flattened(name, column)


def _flattened(name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if not pa.types.is_struct(column.type):
        yield name, column
        return
    for field, part in zip(column.type, column.flatten(), strict=True):
        yield from _flattened(f"{name}.{field.name}", part)


def is_want_of_memory(error: BaseException, path: Path) -> bool:
    """Whether memory ran out; a damaged file asks for more than its bytes can ever become."""
    asked = re.search(r"of size (\d+)", str(error))
    most = max(_PLAUSIBLE_BYTES, _PLAUSIBLE_RATIO * path.stat().st_size)
    return isinstance(error, MemoryError) and (asked is None or int(asked[1]) <= most)
