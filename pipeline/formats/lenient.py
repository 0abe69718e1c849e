"""Delimited text of unusual kinds, streamed: other quotes and escapes, separators of any length.

What the fast reader (`csv`) reads, it reads. This one reads the rest by the raw view's grammar, and
keeps to the same promises: text as it stood, every record with its place, damaged ones told.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats import signatures
from pipeline.formats.base import BadRecord, ReadAs, TextBatch, UnclearLayout
from pipeline.formats.encoding import TextEncoding, utf8_chunks
from pipeline.formats.headerlines import join_names, named_by_place, no_header
from pipeline.formats.raw.lexer import RawRecord
from pipeline.formats.raw.reading import RawReading
from pipeline.formats.raw.stream import RecordStream
from pipeline.messages import Limits

_CHUNK_BYTES = 1 << 20
_BATCH_CHARS = 4 << 20


class LenientReader:
    """A table in delimited text; see `TableReader`. `reading` is how its head was read.

    Raises:
        ContentError, TransientError: when opened, and while iterating.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        encoding: TextEncoding,
        reading: RawReading,
        read_as: ReadAs | None = None,
    ) -> None:
        self._path, self._limits, self._encoding = path, limits, encoding
        self._told = ReadAs() if read_as is None else read_as
        self._reading = reading
        self._header, self._start = self._settled()
        if len(self._header) > limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the header has {len(self._header)} columns; {limits.max_columns} are allowed",
            )

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels as they stand in the file."""
        return self._header

    def describe(self) -> dict[str, Any]:
        """How the file is read, by which evidence; plain data without cell values."""
        told = self._reading.describe()
        described = {
            "format": signatures.DELIMITED_TEXT,
            "encoding": self._encoding.codec,
            "delimiter": self._reading.dialect.delimiter,
            "quote": self._reading.dialect.quote,
            "escape": self._reading.dialect.escape,
            "line_ending": told["line_ending"],
            "header_line": max(told["header_lines"], default=0),
            "columns": len(self._header),
            "confidence": self._reading.confidence,
            "scores": self._reading.scores(),
            "evidence": [*self._encoding.evidence, *told["evidence"][1:]],
        }
        if self._reading.fixed:
            described["spans"] = told["spans"]
        if self._told.is_told:
            plain = {key: list(value) if isinstance(value, tuple) else value
                     for key, value in asdict(self._told).items()}  # fmt: skip
            described["told"] = plain
        return described

    def batches(self) -> Iterator[TextBatch]:
        """Yield the records in order."""
        made = _Batch(self._header)
        seen = 0
        for number, (record, text) in enumerate(self._records(), 1):
            self._check(text, record.line + 1)
            beside = self._beside(text)
            if beside is None:
                made.add(record, text, number)
            else:
                made.refuse(record, text, number, beside)
            if made.size > _BATCH_CHARS:
                seen += len(made.rows) + len(made.bad)
                yield made.closed()
                made = _Batch(self._header)
        if not seen + len(made.rows) + len(made.bad):
            raise ContentError(FileCode.EMPTY, "the file has a header and no rows")
        yield made.closed()

    def _records(self) -> Iterator[tuple[RawRecord, str]]:
        fixed = self._reading.fixed
        for record, text in RecordStream(self._texts(), self._reading.dialect).records(self._start):
            if fixed is not None:
                record.cells = fixed.split(text)
            yield record, text

    def _texts(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        for chunk in utf8_chunks(self._path, self._encoding, _CHUNK_BYTES):
            yield decoder.decode(chunk)

    def _beside(self, text: str) -> str | None:
        """What is wrong with a line that has text beside the columns somebody told."""
        fixed = self._reading.fixed
        at = fixed.outside(text) if fixed is not None and fixed.told else None
        place = self._told.counted.removesuffix("s")
        return None if at is None else f"text stands at {place} {at}, where no column is"

    def _check(self, text: str, line: int) -> None:
        if len(text) > self._limits.max_record_bytes:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the record at line {line} is longer than {self._limits.max_record_bytes} bytes",
            )

    def _settled(self) -> tuple[tuple[str, ...], int]:
        """The header, and the index of the line the records begin in."""
        table, told = self._reading.table, self._told
        if not told.header:
            seen = min(table.header_lines, default=table.first_line) - 1
            first = max([0 if told.spans else seen, *told.comment_rows])
            return named_by_place(len(told.spans) or table.width, told.names), first
        if told.header_rows:
            rows = [self._cells_of(line) for line in told.header_rows]
            names = join_names(rows, told.header_join) if len(rows) > 1 else tuple(rows[0])
            return names, told.header_rows[-1]
        if told.spans and len(table.header or ()) != len(told.spans):  # there is one, it is said
            line = max(table.header_lines, default=table.first_line)
            return tuple(self._cells_of(line)), line
        if table.header is None:
            found = no_header(self._reading.dialect.delimiter, table.first_line)
            raise UnclearLayout(
                FileCode.HEADER_MISSING,
                "the cells of the first line look like the cells below them",
                key="header",
                guess=found.guess,
                answers=found.answers,
                proposed=found.proposed,
            )
        return tuple(table.header), table.first_line - 1

    def _cells_of(self, line: int) -> list[str]:
        for record, text in self._records_from(line - 1):
            fixed = self._reading.fixed
            return record.cells if fixed is None else fixed.split(text)
        raise ContentError(FileCode.EMPTY, f"the file ends before line {line}, its header")

    def _records_from(self, start: int) -> Iterator[tuple[RawRecord, str]]:
        yield from RecordStream(self._texts(), self._reading.dialect).records(start)


class _Batch:
    """Records on their way into Arrow columns."""

    def __init__(self, header: tuple[str, ...]) -> None:
        self._header = list(header)
        self.rows: list[list[str]] = []
        self.size = 0
        self.bad: list[BadRecord] = []
        self._places: list[tuple[int, int]] = []
        self._texts: list[str] = []
        self._skipped = {"blank": 0, "repeated-header": 0}

    def add(self, record: RawRecord, text: str, number: int) -> None:
        """Take one record; `number` counts from 1 below the header."""
        self.size += len(text)
        if record.blank:
            self._skipped["blank"] += 1
        elif record.broken or len(record.cells) != len(self._header):
            code, sentence = _fault(record, len(self._header))
            self._bad(record, text, number, code, sentence)
        elif record.cells == self._header:
            self._skipped["repeated-header"] += 1
        else:
            self.rows.append(record.cells)
            self._places.append((number, record.line + 1))
            self._texts.append(text)

    def refuse(self, record: RawRecord, text: str, number: int, sentence: str) -> None:
        """Take one record that has more than the columns hold."""
        self.size += len(text)
        self._bad(record, text, number, RowCode.EXTRA_CELL, sentence)

    def _bad(self, record: RawRecord, text: str, number: int, code: RowCode, sentence: str) -> None:
        self.bad.append(BadRecord(record=number, line=record.line + 1, raw=text, code=code,
                                  sentence=sentence))  # fmt: skip

    def closed(self) -> TextBatch:
        """The batch; it holds on to the text of its records."""
        columns = [
            pa.array([row[at] for row in self.rows], pa.string()) for at in range(len(self._header))
        ]
        places = np.array(self._places, dtype=np.int64).reshape(-1, 2)
        return TextBatch(
            columns=columns,
            records=places[:, 0],
            lines=places[:, 1],
            raw=self._texts.__getitem__,
            bad=self.bad,
            skipped={reason: count for reason, count in self._skipped.items() if count},
        )


def _fault(record: RawRecord, width: int) -> tuple[RowCode, str]:
    if record.broken:
        sentence = "a quote in this line is opened and not closed as it should be"
        return RowCode.UNBALANCED_QUOTE, sentence
    found = len(record.cells)
    code = RowCode.MISSING_CELL if found < width else RowCode.EXTRA_CELL
    return code, f"the record has {found} cells, the header has {width}"
