"""Arrow and Feather files and Arrow streams, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.columnarreader import ColumnarReader, is_want_of_memory
from pipeline.formats.plugin import Format, Head
from pipeline.formats.source import open_source
from pipeline.messages import Limits

NAME = "an Arrow file"
_STREAM = b"\xff\xff\xff\xff"


def open_arrow(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a file or stream; see `ColumnarReader`.

    Raises:
        ContentError: TRUNCATED or DAMAGED too.
    """
    with open_source(path) as source:
        mark = source.read(6)
    if mark.startswith(b"FEA1"):
        return _feather(path, limits, read_as)
    is_stream = not mark.startswith(b"ARROW1")

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pa.OSFile(str(path)) as file:
                if is_stream:
                    yield from pa.ipc.open_stream(file)
                    return
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _told(error, path) from None

    try:
        with pa.OSFile(str(path)) as file:
            schema = (pa.ipc.open_stream(file) if is_stream else pa.ipc.open_file(file)).schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _told(error, path) from None
    return ColumnarReader(NAME, schema, batches, limits, read_as)


def _feather(path: Path, limits: Limits, read_as: ReadAs | None) -> TableReader:
    """Feather of the first version can only be read as a whole."""
    from pyarrow import feather

    try:
        table = feather.read_table(str(path), memory_map=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _told(error, path) from None
    return ColumnarReader("a Feather file", table.schema, table.to_batches, limits, read_as)


def _told(error: Exception, path: Path) -> Exception:
    if is_want_of_memory(error, path):
        return error
    if is_cut(path):
        return ContentError(FileCode.TRUNCATED, "the Arrow file ends before its end mark")
    return ContentError(FileCode.DAMAGED, f"the Arrow file is damaged ({type(error).__name__})")


def _is_arrow(head: Head) -> bool:
    data = head.data
    is_stream = (
        len(data) > 16
        and data.startswith(_STREAM)
        and 0 < int.from_bytes(data[4:8], "little") < 1 << 26
    )
    return data.startswith((b"ARROW1", b"FEA1")) or is_stream


FORMAT = Format(
    name=NAME,
    recognises=_is_arrow,
    open=open_arrow,
    extensions=("arrow", "feather", "ipc", "ftr", "arrows"),
)
