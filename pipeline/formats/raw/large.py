"""The raw view of a large text: its head decides, its rows pass by, its end is looked at last."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pipeline.formats.raw.decoding import Encoding, detect_encoding
from pipeline.formats.raw.lexer import Lines, RawRecord
from pipeline.formats.raw.mending import Mender
from pipeline.formats.raw.reading import RawReading, read_head
from pipeline.formats.raw.stream import RecordStream
from pipeline.formats.raw.table import TableFinder
from pipeline.formats.source import open_source

_HEAD_BYTES = 2 << 20
_CHUNK_BYTES = 1 << 20
_TAIL_RECORDS = 300
_LEARNED = 400


class LargeText:
    """A text too large to be held as a whole. `reading` is that of its head."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with open_source(path) as source:
            head = source.read(_HEAD_BYTES)
        self._encoding = _lasting(detect_encoding(head))
        text = "".join(self._decoded([head], final=False))
        self.reading: RawReading = read_head(self._encoding, _whole_lines(text))

    @property
    def header(self) -> list[str] | None:
        """Names of the columns, None when the table has none."""
        return self.reading.table.header

    def __iter__(self) -> Iterator[list[str]]:
        """The rows of the table, in order."""
        table, fixed = self.reading.table, self.reading.fixed
        mender = Mender(self.reading.dialect, table.rows[:_LEARNED], table.width)
        tail: deque[tuple[RawRecord, str]] = deque()
        stream = RecordStream(self._texts(), self.reading.dialect)
        for record, text in stream.records(table.first_line - 1):
            if fixed is not None:
                record.cells = fixed.split(text)
            tail.append((record, text))
            if len(tail) > 2 * _TAIL_RECORDS:
                for _ in range(_TAIL_RECORDS):
                    yield from self._row(*tail.popleft(), mender)
        yield from self._last(list(tail), mender)

    def _row(self, record: RawRecord, text: str, mender: Mender) -> Iterator[list[str]]:
        table = self.reading.table
        if record.blank or record.cells == table.header:
            return
        cells = record.cells
        if record.broken or len(cells) != table.width:
            record.line = 0
            cells = mender.mend(record, Lines.of(text)).cells
        yield [*cells, *[""] * (table.width - len(cells))]

    def _last(self, tail: list[tuple[RawRecord, str]], mender: Mender) -> Iterator[list[str]]:
        """The rows at the end of the file, without what stands behind the table."""
        if self.reading.fixed is not None:
            for record, text in tail:
                yield from self._row(record, text, mender)
            return
        lines = Lines.of("\n".join(text for _, text in tail) + "\n")
        table = TableFinder(lines, self.reading.dialect, width=self.reading.table.width).find(
            headed=False
        )
        names = self.reading.table.header
        yield from (row for row in table.rows if row != names)

    def _texts(self) -> Iterator[str]:
        with open_source(self._path) as source:
            pieces = iter(lambda: source.read(_CHUNK_BYTES), b"")
            yield from self._decoded(pieces, final=True)

    def _decoded(self, pieces: Iterator[bytes] | list[bytes], *, final: bool) -> Iterator[str]:
        make = codecs.getincrementaldecoder(self._encoding.codec)
        decoder = make(self._encoding.errors)
        skip = self._encoding.mark
        for piece in pieces:
            yield decoder.decode(piece[skip:])
            skip = 0
        if final:
            yield decoder.decode(b"", final=True)


def _lasting(found: Encoding) -> Encoding:
    """An encoding that also decodes what the rest of the file may hold."""
    errors = "harmonizer-western" if found.codec == "utf-8" else "replace"
    return Encoding(found.codec, found.name, found.mark, found.confidence, found.evidence, errors)


def _whole_lines(text: str) -> str:
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if end > 0 else text
