"""Parquet files, streamed in batches by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.columnarreader import BATCH_ROWS, ColumnarReader, is_text, is_want_of_memory
from pipeline.formats.plugin import Format
from pipeline.formats.source import open_source
from pipeline.messages import Limits

NAME = "a Parquet file"


def open_parquet(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a file; see `ColumnarReader`.

    Raises:
        ContentError: TRUNCATED, DAMAGED or UNSUPPORTED (encrypted) too.
    """
    from pyarrow import parquet  # only whoever opens such a file pays for it

    def batches() -> Iterator[pa.RecordBatch]:
        with open_source(path):  # says why a file cannot be opened
            pass
        try:
            with parquet.ParquetFile(
                path, memory_map=False, pre_buffer=False, read_dictionary=texts
            ) as file:
                yield from file.iter_batches(batch_size=BATCH_ROWS)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _told(error, path) from None

    with open_source(path):
        pass
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            schema = file.schema_arrow
            # read so, a text that is stored once is in memory once, however often it stands
            texts = [field.name for field in schema if is_text(field.type)]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _told(error, path) from None
    return ColumnarReader(NAME, schema, batches, limits, read_as)


def _told(error: Exception, path: Path) -> Exception:
    if is_want_of_memory(error, path):
        return error
    if is_cut(path):
        return ContentError(FileCode.TRUNCATED, "the Parquet file ends before its end mark")
    if "ncrypt" in str(error):
        return ContentError(FileCode.UNSUPPORTED, "the Parquet file is encrypted")
    return ContentError(FileCode.DAMAGED, f"the Parquet file is damaged ({type(error).__name__})")


FORMAT = Format(
    name=NAME,
    recognises=lambda head: head.data.startswith((b"PAR1", b"PARE")),
    open=open_parquet,
    extensions=("parquet", "pq", "parq"),
)
