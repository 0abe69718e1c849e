"""The raw view of any file that can be read: plain rows of original text, and how they were found.

Text is read by the raw view's own rules and never refused. Workbooks, JSON and the rest are read by
their readers; what those cannot open is refused as it is anywhere else.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pipeline.errors import ContentError, FileCode
from pipeline.formats import signatures
from pipeline.formats.base import at_table, tables_of
from pipeline.formats.raw.decoding import detect_encoding
from pipeline.formats.raw.large import LargeText
from pipeline.formats.raw.reading import RawReading, read_part, read_text
from pipeline.formats.registry import open_table, recognised
from pipeline.formats.source import open_source
from pipeline.formats.unpacked import UnpackedFile
from pipeline.messages import Limits

_WHOLE_BYTES = 12 << 20
_MOST_LEFT_OUT = 20


@dataclass(frozen=True, slots=True)
class RawView:
    """A file's table. header: None when the table has none. described: plain data."""

    described: dict[str, Any]
    header: list[str] | None
    rows: Iterable[list[str]]


def view_file(path: Path, limits: Limits, table: str | None = None) -> RawView:
    """Read `path` for itself, without any contract.

    table: which of its tables, by name or by number, 1 for the first that `described` lists; the
    most likely one when None.

    Raises:
        ContentError: UNSUPPORTED for binary content that no reader knows, and what its reader
            refuses about another format; TABLE_UNCLEAR when there is no such table.
        TransientError: the file cannot be read now.
    """
    if not _size_of(path):
        return _of_text(read_text(b""), table)
    unpacked = UnpackedFile(path, limits)
    found = recognised(unpacked.path)
    if found.format is None or found.kind == signatures.DELIMITED_TEXT:
        if found.format is None and _is_binary(unpacked.path):
            raise ContentError(FileCode.UNSUPPORTED, f"the content is {found.kind}")
        return _text_view(unpacked.path, table)
    try:
        return _of_reader(path, limits, table)
    except ContentError as error:
        if error.code is FileCode.TABLE_UNCLEAR or _is_binary(unpacked.path):
            raise
        return _text_view(unpacked.path, table)


def write_plain(view: RawView, target: TextIO, *, with_header: bool = True) -> int:
    """Write one plain CSV (RFC 4180) to `target`; returns the number of rows below the header."""
    writer = csv.writer(target, lineterminator="\r\n")
    if with_header and view.header is not None:
        writer.writerow(view.header)
    count = 0
    for row in view.rows:
        writer.writerow(row)
        count += 1
    return count


def _size_of(path: Path) -> int:
    with open_source(path) as source:
        return source.seek(0, 2)


def _bytes_of(path: Path) -> bytes:
    with open_source(path) as source:
        pieces = []
        while piece := source.read(1 << 22):
            pieces.append(piece)
    return b"".join(pieces)


def _is_binary(path: Path) -> bool:
    """True for bytes that are no text in any encoding."""
    with open_source(path) as source:
        head = source.read(signatures.HEAD_BYTES)
    if signatures.name_binary(head) is None:
        return False
    return detect_encoding(head).codec not in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def _text_view(path: Path, table: str | None) -> RawView:
    if _size_of(path) <= _WHOLE_BYTES:
        return _of_text(read_text(_bytes_of(path)), table)
    if table not in (None, "1"):
        raise _no_table(table, ("1",))
    large = LargeText(path)
    described = large.reading.describe()
    described["rows"] = None
    described["footer"] = None
    described["tables"] = []
    described["evidence"].append("a large file: told by its first 2 MB")
    return RawView(described, large.header, large)


def _of_text(reading: RawReading, table: str | None) -> RawView:
    """The first table of a text, or one that begins further below and is read for itself."""
    begins = [1, *reading.table.others]
    names = [f"line {line}" for line in begins]
    at = 0 if table is None else _place_of(table, names)
    if at:
        ends = [*begins, len(reading.lines.texts) + 1]
        reading = read_part(reading, ends[at] - 1, ends[at + 1] - 1)
    described = reading.describe()
    described["tables"] = _listed([(name, "") for name in names], at) if len(names) > 1 else []
    if at:
        described["evidence"].append(f"lines are counted from line {begins[at]} of the file")
    return RawView(described, reading.table.header, reading.table.rows)


def _place_of(table: str, names: Sequence[str]) -> int:
    """Where the table stands among the names: its own name counts before its number.

    Raises:
        ContentError: TABLE_UNCLEAR when it is not there.
    """
    wanted = table.strip().casefold()
    for place, name in enumerate(names):
        if name.strip().casefold() == wanted:
            return place
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted[:9]) <= len(names):
        return int(wanted[:9]) - 1
    raise _no_table(table, names)


def _no_table(table: str | None, names: Sequence[str]) -> ContentError:
    there = ", ".join(f"{at} {name}" for at, name in enumerate(names[:20], 1)) or "only one"
    return ContentError(FileCode.TABLE_UNCLEAR, f"there is no table {table}; there are: {there}")


def _listed(tables: Sequence[tuple[str, str]], read: int) -> list[dict[str, Any]]:
    """Every table as plain data; `read` is the place of the one that is shown."""
    return [
        {"number": at + 1, "name": name, "about": about, "read": at == read}
        for at, (name, about) in enumerate(tables)
    ]


def _of_reader(path: Path, limits: Limits, table: str | None) -> RawView:
    reader = open_table(path, limits)
    tables = tables_of(reader)
    names = [one.name for one in tables] or ["1"]
    if table is not None:
        wanted = _place_of(table, names)
        reader = at_table(reader, names[wanted]) if tables else reader
    told = reader.describe()
    shown = str(told.get("table"))
    read = names.index(shown) if shown in names else 0
    header = list(reader.header)
    described = {
        "format": told.get("format"),
        "encoding": told.get("encoding"),
        "delimiter": None,
        "quotechar": None,
        "escapechar": None,
        "header_rows": 1,
        "header": header,
        "columns": len(header),
        "preamble": 0,
        "footer": 0,
        "table": told.get("table"),
        "tables": _listed([(one.name, one.about) for one in tables], read),
        "confidence": told.get("confidence", 1.0),
        "evidence": list(told.get("evidence", ())),
    }
    return RawView(described, header, _Rows(reader, described))


class _Rows:
    """The rows of an opened table, read when they are asked for.

    Records that do not have its shape are counted in `left_out`, the first with their place.
    """

    def __init__(self, reader: Any, described: dict[str, Any]) -> None:
        self._reader, self._described = reader, described

    def __iter__(self) -> Iterator[list[str]]:
        told = self._described
        told["left_out"], told["left_out_at"] = 0, []
        for batch in self._reader.batches():
            for bad in batch.bad:
                told["left_out"] += 1
                if told["left_out"] <= _MOST_LEFT_OUT:
                    place = None if batch.place is None else batch.place(bad.record, bad.line, None)
                    told["left_out_at"].append(place or f"line {bad.line}")
            columns = [column.to_pylist() for column in batch.columns]
            yield from (
                ["" if cell is None else cell for cell in row] for row in zip(*columns, strict=True)
            )
