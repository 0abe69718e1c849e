"""Which reader opens a file, decided by its content. A format is registered by one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats import signatures
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.encoding import marked_codec
from pipeline.formats.source import open_source
from pipeline.messages import Limits

READERS: dict[str, Callable[..., TableReader]] = {
    signatures.DELIMITED_TEXT: DelimitedReader,
}


def open_table(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open the table in `path` with the reader for its content; the file's name says nothing.

    `read_as` is what a person confirmed about how it is read.

    Raises:
        ContentError: UNSUPPORTED when no reader is registered for the content; EMPTY, ENCODING,
            TRUNCATED, LAYOUT_UNCLEAR, HEADER_MISSING, HEADER_MISMATCH or LIMIT_EXCEEDED. An
            UnclearLayout among them can be settled by a person.
        TransientError: INPUT_MISSING or STORAGE when the file cannot be read now.
    """
    kind = recognise(path)
    reader = READERS.get(kind)
    if reader is None:
        raise ContentError(FileCode.UNSUPPORTED, f"the content is {kind}, not delimited text")
    if read_as is None:
        return reader(path, limits)
    return reader(path, limits, read_as=read_as)


def recognise(path: Path) -> str:
    """Name the kind of content in `path`, in the words of `signatures`.

    Raises:
        ContentError: EMPTY when there is none.
        TransientError: the file cannot be read now.
    """
    with open_source(path) as source:
        head = source.read(signatures.HEAD_BYTES)
    if not head:
        raise ContentError(FileCode.EMPTY, "the file has 0 bytes")
    codec = marked_codec(head)
    binary = None if codec else signatures.name_binary(head)
    text = head.decode(codec or "utf-8", errors="replace").removeprefix("\ufeff")
    return binary or signatures.name_text(text)
