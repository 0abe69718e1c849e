"""Writes finished files: the same rows give the same bytes, hashed on the way.

Data is CSV after RFC 4180 (UTF-8, LF, quotes only where needed, empty = no value) or Parquet with
types. Values are text here: numbers with their digits as reported, dates and times in ISO 8601.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.messages import OutputFile
from pipeline.outputs.jsontext import json_text
from pipeline.standardize.distinct import put
from pipeline.standardize.textbytes import rows_with_any
from pipeline.standardize.wholetexts import FEW

_PARQUET_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}
_ROW_GROUP_ROWS = 131_072  # Parquet's page statistics help readers, a group a batch would not


class HashingFile:
    """A new file in the staging directory that knows its own SHA-256.

    Raises FileExistsError rather than write over something, and OSError when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = io.BufferedWriter(io.FileIO(path, "xb"))
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self.closed = False  # asked by pa.PythonFile

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self._size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Pass what is buffered to the kernel."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def finish(self) -> OutputFile:
        """Close the file, whole; it is made durable with all others of its folder."""
        try:
            self._file.flush()
        finally:
            self.discard()
        return OutputFile(
            name=self._path.name, sha256=self._hash.hexdigest(), size_bytes=self._size_bytes
        )

    def discard(self) -> None:
        """Close without a promise; calling it again does nothing."""
        self.closed = True
        with suppress(OSError):  # a full disk takes not even what is buffered
            self._file.close()


class DataWriter(Protocol):
    """Receives rows: Arrow batches whose columns are the contract's fields, in order, rendered."""

    def render(self, batch: pa.RecordBatch) -> Any:
        """Rows as `write` takes them. Needs nothing but the rows, so it may run in any thread."""
        ...

    def write(self, rendered: Any) -> None:
        """Append rows."""
        ...

    def finish(self) -> OutputFile:
        """Close the file, whole."""
        ...

    def discard(self) -> None:
        """Close a file that will not be delivered."""
        ...


class CsvWriter:
    """Deterministic CSV. `pyarrow.csv` is not used: it quotes every text of a column or none."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self._file = HashingFile(path)
        self._file.write(csv_line(fields))

    def render(self, batch: pa.RecordBatch) -> bytes:
        """The rows as text."""
        return csv_rows(batch.columns) if batch.num_rows else b""

    def write(self, rendered: bytes) -> None:
        """Append rows."""
        self._file.write(rendered)

    def finish(self) -> OutputFile:
        """Close the file, whole."""
        return self._file.finish()

    def discard(self) -> None:
        """Close a file that will not be delivered."""
        self._file.discard()


class ParquetWriter:
    """Typed columns. Times are instants in UTC: Parquet has no place for their offset."""

    def __init__(self, path: Path, fields: Mapping[str, str]) -> None:
        self._file = HashingFile(path)
        self._types = [_PARQUET_TYPES[kind] for kind in fields.values()]
        self._schema = pa.schema(list(zip(fields, self._types, strict=True)))
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._file, mode="w"), self._schema, compression="zstd"
        )
        self._waiting: list[pa.RecordBatch] = []

    def render(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows in the types of the file."""
        columns = [
            column.cast(kind) for column, kind in zip(batch.columns, self._types, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def write(self, rendered: pa.RecordBatch) -> None:
        """Append rows."""
        self._waiting.append(rendered)
        if sum(waiting.num_rows for waiting in self._waiting) >= _ROW_GROUP_ROWS:
            self._write_group()

    def finish(self) -> OutputFile:
        """Close the file, whole."""
        self._write_group()
        self._writer.close()
        return self._file.finish()

    def discard(self) -> None:
        """Close a file that will not be delivered."""
        self._waiting.clear()
        with suppress(OSError, pa.ArrowException):  # closing writes the footer
            self._writer.close()
        self._file.discard()

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


def open_data(
    directory: Path, name: str, fields: Mapping[str, str], output_format: str
) -> DataWriter:
    """Begin `<name>.csv` or `<name>.parquet`; `fields` are names with their contract types."""
    if output_format == "parquet":
        return ParquetWriter(directory / f"{name}.parquet", fields)
    return CsvWriter(directory / f"{name}.csv", tuple(fields))


def write_json(path: Path, document: Mapping[str, Any]) -> OutputFile:
    """Write a JSON document for people and programs."""
    with HashingFile(path) as file:
        text = json_text(document) + "\n"
        file.write(text.encode("utf-8", "backslashreplace"))  # a lone surrogate is \udcff in JSON
        return file.finish()


def csv_line(cells: Iterable[object]) -> bytes:
    """One CSV record. None is an empty cell."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    if texts == [""]:
        return b'""\n'  # a blank line would not be a record
    line = ",".join(texts)
    if line.count(",") >= len(texts) or '"' in line or "\n" in line or "\r" in line:
        line = ",".join(map(_quoted_text, texts))
    return (line + "\n").encode(errors="replace")


def _quoted_text(text: str) -> str:
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_rows(columns: Sequence[pa.Array]) -> bytes:
    """Rows as CSV bytes, built column by column; a few of them row by row."""
    if len(columns[0]) <= FEW:
        cells = (_few_texts(column) for column in columns)
        return b"".join(map(csv_line, zip(*cells, strict=True)))
    texts = [_csv_texts(column) for column in columns]
    if len(texts) == 1:
        stated = texts[0].fill_null("")
        texts = [pc.if_else(pc.equal(stated, ""), '""', stated)]
    texts[-1] = _joined(texts[-1], "\n", "")
    return b"".join(_text_bytes(_joined(*texts, ",")))


def _joined(*texts: pa.Array | str) -> pa.Array:
    """Cells side by side, the last one between them; null is an empty cell."""
    return pc.binary_join_element_wise(*texts, null_handling="replace", null_replacement="")


def _text_bytes(lines: pa.Array | pa.ChunkedArray) -> Iterable[bytes]:
    for chunk in lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]:
        _, offsets, text = chunk.buffers()
        if text is None or not len(chunk):
            continue
        bounds = memoryview(offsets).cast("i")
        yield text[bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]].to_pybytes()


def _csv_texts(column: pa.Array) -> pa.Array:
    """Cells with quotes where they need them; null stays null."""
    if not pa.types.is_string(column.type):
        return _as_text(column)
    rows = rows_with_any(column, b',"\n\r')
    if not len(rows):
        return column
    doubled = pc.replace_substring(column.take(pa.array(rows)), '"', '""')
    return put(column, rows, pc.binary_join_element_wise('"', doubled, '"', ""))


def _few_texts(column: pa.Array) -> list[object]:
    """The cells as `csv_line` takes them; it writes a date as Arrow does."""
    cells: list[object]
    if isinstance(column, pa.Date32Array):
        with suppress(OverflowError, ValueError):  # years that only Arrow knows
            cells = column.to_pylist()
            return cells
    cells = _as_text(column).to_pylist()
    return cells


def _as_text(column: pa.Array) -> pa.StringArray:
    return column if isinstance(column, pa.StringArray) else column.cast(pa.string())
