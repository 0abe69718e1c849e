"""Which reader opens a file, decided by its content. A format is registered by one line.

Other people's formats are registered by an entry point of the group `harmonizer.readers`; they are
asked after ours, and before a file is taken for delimited text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path, PurePath
from typing import Any

from loguru import logger

from pipeline.errors import ContentError, FileCode
from pipeline.formats import (
    archives,
    arrow,
    excel,
    html,
    json_document,
    json_lines,
    ods,
    ole,
    parquet,
    signatures,
    spreadsheetml,
    xls,
    xlsb,
    xml,
)
from pipeline.formats.base import ReadAs, TableReader, TextBatch, at_table, tables_of
from pipeline.formats.encoding import marked_codec
from pipeline.formats.guarded import GuardedReader, plain_errors
from pipeline.formats.opening import open_delimited
from pipeline.formats.plugin import Format, Head
from pipeline.formats.source import noted_of, open_source
from pipeline.formats.unpacked import UnpackedFile
from pipeline.messages import Limits

ENTRY_POINTS = "harmonizer.readers"

OURS: tuple[Format, ...] = (
    excel.FORMAT,
    xls.FORMAT,
    xlsb.FORMAT,
    *ods.FORMATS,
    parquet.FORMAT,
    arrow.FORMAT,
    json_lines.FORMAT,
    json_document.FORMAT,
    spreadsheetml.FORMAT,
    html.FORMAT,
    xml.FORMAT,
)
DELIMITED = Format(
    name=signatures.DELIMITED_TEXT,
    recognises=lambda head: head.text is not None,
    open=open_delimited,
    extensions=("csv", "tsv", "tab", "txt", "dat", "psv", "asc", "prn", "text"),
)
READERS: dict[str, Callable[..., TableReader]] = {one.name: one.open for one in (*OURS, DELIMITED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a file is. format: who reads it, None when nobody does."""

    kind: str
    format: Format | None


def open_table(
    path: Path, limits: Limits, read_as: ReadAs | None = None, name: str = ""
) -> TableReader:
    """Open the table in `path` with the reader for its content; the file's name says nothing.

    `read_as` is what a person confirmed about how it is read. `name` is what the sender called it:
    an ending that stands for another kind of file is told in `describe()`, and nothing more.

    Raises:
        ContentError: UNSUPPORTED when no reader is registered for the content; EMPTY, ENCODING,
            TRUNCATED, DAMAGED, LAYOUT_UNCLEAR, HEADER_MISSING, HEADER_MISMATCH or LIMIT_EXCEEDED.
            An UnclearLayout among them can be settled by a person.
        TransientError: INPUT_MISSING or STORAGE when the file cannot be read now.
    """
    unpacked = UnpackedFile(path, limits)
    found = recognised(unpacked.path)
    if found.format is None:
        raise ContentError(FileCode.UNSUPPORTED, _unsupported(found, unpacked.layers))
    _check_end(found.format, unpacked.path)
    opened = READERS.get(found.kind, found.format.open)
    how = {} if read_as is None else {"read_as": read_as}
    if found.kind in READERS:
        reader = opened(unpacked.path, limits, **how)
    else:
        with plain_errors(found.kind):
            reader = GuardedReader(opened(unpacked.path, limits, **how), found.kind)
    notes = [*_about_layers(unpacked.layers), *_about_name(found.format, name or path.name)]
    return _Noted(reader, notes, unpacked) if notes else reader


def recognise(path: Path) -> str:
    """Name the kind of content in `path`, in the words of its format or of `signatures`.

    Raises:
        ContentError: EMPTY when there is none.
        TransientError: the file cannot be read now.
    """
    return recognised(path).kind


def recognised(path: Path) -> Recognised:
    """Find the format of the content in `path`.

    Raises:
        ContentError: EMPTY when there is none.
        TransientError: the file cannot be read now.
    """
    noted = noted_of(path)
    found: Recognised | None = noted.get("recognised")
    if found is None:
        noted["recognised"] = found = _recognised(path)
    return found


def _recognised(path: Path) -> Recognised:
    with open_source(path) as source:
        data = source.read(signatures.HEAD_BYTES)
    if not data:
        raise ContentError(FileCode.EMPTY, "the file has 0 bytes")
    codec = marked_codec(data)
    binary = None if codec else signatures.name_binary(data)
    text = data.decode(codec or "utf-8", errors="replace").removeprefix("\ufeff")
    head = Head(data=data, text=None if binary else text, path=path)
    for one in (*OURS, *_others()):
        if one.recognises(head):
            return Recognised(kind=one.name, format=one)
    container = ole.name_of(path) if data.startswith(ole.MAGIC) else None
    kind = container or binary or signatures.name_text(text)
    is_delimited = binary is None and kind == signatures.DELIMITED_TEXT
    return Recognised(kind=kind, format=DELIMITED if is_delimited else None)


def _check_end(found: Format, path: Path) -> None:
    """Ask a format of another package whether all of the file is there; a broken probe says yes."""
    if found.ends is None:
        return
    try:
        ending = found.ends(path)
    except Exception as error:  # noqa: BLE001 - whoever reads the file says what is wrong with it
        logger.warning("the end probe of a reader failed: {}", type(error).__name__)
        return
    if ending == "incomplete":
        raise ContentError(FileCode.TRUNCATED, f"{found.name} that ends before its end")


@cache
def _others() -> tuple[Format, ...]:
    """Formats of installed packages, in the order of their names; a broken one is left out."""
    return tuple(_loaded())


def _loaded() -> Iterator[Format]:
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
        try:
            found = point.load()
        except Exception as error:  # noqa: BLE001 - one broken package must not stop all files
            logger.warning("the reader {} cannot be loaded: {}", point.name, type(error).__name__)
            continue
        if isinstance(found, Format):
            yield found
        else:
            logger.warning("the reader {} is no pipeline.formats.plugin.Format", point.name)


def _unsupported(found: Recognised, layers: list[str]) -> str:
    if found.kind in (archives.ZIP, archives.TAR):
        return f"the content is {found.kind}: dropped into the inbox, each file in it becomes a job"
    wrapped = f", inside {' in '.join(reversed(layers))}" if layers else ""
    readable = ", ".join(sorted({one.name for one in (*OURS, *_others(), DELIMITED)}))
    return f"the content is {found.kind}{wrapped}; what can be read: {readable}"


def _about_layers(layers: list[str]) -> Iterator[str]:
    if layers:
        yield f"unpacked from {', then '.join(layers)}"


def _about_name(found: Format, name: str) -> Iterator[str]:
    """Tell when the ending of a name stands for another format than the content is."""
    endings = [one.casefold() for one in PurePath(name).suffixes]
    while endings and endings[-1].lstrip(".") in ("gz", "bz2", "xz", "zst", "gzip", "bz", "zstd"):
        endings.pop()
    ending = endings[-1].lstrip(".") if endings else ""
    if not ending or ending in found.extensions:
        return
    others = [one.name for one in (*OURS, *_others(), DELIMITED) if ending in one.extensions]
    if others:
        yield f"the name ends in .{ending}, as of {others[0]}, but the content is {found.name}"


class _Noted:
    """A reader with more to tell than it knows; keeps the unpacked bytes while it lives."""

    def __init__(self, reader: TableReader, notes: list[str], unpacked: UnpackedFile) -> None:
        self._reader, self._notes, self._unpacked = reader, notes, unpacked
        self.tables = tables_of(reader)

    def at(self, table: str) -> TableReader:
        """The same file, opened at another of its tables."""
        return _Noted(at_table(self._reader, table), self._notes, self._unpacked)

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels, as the file has them."""
        return self._reader.header

    def describe(self) -> dict[str, Any]:
        """How the file is read, with the notes among its evidence."""
        told = self._reader.describe()
        return {**told, "evidence": [*told.get("evidence", ()), *self._notes]}

    def batches(self) -> Iterator[TextBatch]:
        """The records in order."""
        yield from self._reader.batches()  # for as long as they are read, this is kept
