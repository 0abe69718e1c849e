"""Parquet files, streamed in batches by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.columnarreader import BATCH_ROWS, ColumnarReader, is_text, is_want_of_memory
from pipeline.formats.plugin import Format
from pipeline.formats.source import open_source
from pipeline.messages import Limits

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

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
                path, memory_map=False, pre_buffer=False, read_dictionary=dictionaries
            ) as file:
                yield from file.iter_batches(batch_size=BATCH_ROWS)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _told(error, path) from None

    with open_source(path):
        pass
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            schema = file.schema_arrow
            dictionaries = _dictionaries(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _told(error, path) from None
    return ColumnarReader(NAME, schema, batches, limits, read_as)


def _dictionaries(file: ParquetFile) -> list[str]:
    """Columns of texts that are stored as dictionaries: read so, a text is in memory once."""
    about = file.metadata
    if not about.num_row_groups:
        return []
    texts = {field.name for field in file.schema_arrow if is_text(field.type)}
    first = about.row_group(0)
    columns = map(first.column, range(first.num_columns))
    return [one.path_in_schema for one in columns if one.path_in_schema in texts]


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
