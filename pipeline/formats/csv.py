"""Delimited text, streamed: memory does not depend on the size of the file.

Records are found first (`structure`), so that every one has its number and line; then Arrow parses
the cells of a whole block at once. Cells are text as it stood. Nothing becomes null here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import BadRecord, ReadAs, TextBatch
from pipeline.formats.blockrows import BlockRows, Stretch
from pipeline.formats.cells import (
    blank_rows,
    equal_rows,
    longest_cell,
    parse_cells,
    without_rows,
)
from pipeline.formats.encoding import TextEncoding, detect_encoding, utf8_chunks
from pipeline.formats.layout import Layout, decide_layout
from pipeline.formats.sample import SAMPLE_BYTES, take_sample
from pipeline.formats.structure import Block, RecordSplitter
from pipeline.formats.window import Window
from pipeline.messages import Limits
from pipeline.plain import as_dict

BLOCK_BYTES = 4 << 20
_KEPT_BYTES = 1 << 20  # of a smaller file the cells stay in memory for the second reading


@dataclass(slots=True)
class _Position:
    """How much was read: records below the header, the next physical line, and bytes of text."""

    records: int
    line: int
    offset: int


class DelimitedReader:
    """A table in delimited text; see `TableReader`. `block_bytes` bounds a batch of usual rows.

    Raises:
        ContentError, TransientError: when opened, and while iterating (TRUNCATED,
            LIMIT_EXCEEDED, EMPTY).
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        block_bytes: int = BLOCK_BYTES,
        read_as: ReadAs | None = None,
    ) -> None:
        self._path = path
        self._limits = limits
        self._block_bytes = block_bytes
        self._told = read_as = ReadAs() if read_as is None else read_as
        encoding: TextEncoding = detect_encoding(path, read_as.encoding)
        sample = take_sample(utf8_chunks(path, encoding, SAMPLE_BYTES), limits)
        self._layout: Layout = decide_layout(sample, encoding, limits, read_as)
        self._is_text = encoding.codec == "utf-8"  # as it stands in the file
        self._kept: TextBatch | None = None  # all of a small file: its cells are read once

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels as they stand in the file."""
        return self._layout.header

    def describe(self) -> dict[str, Any]:
        """How the file is read, by which evidence; plain data without cell values.

        "told" is what a person confirmed, so that the file can be read the same way again.
        """
        described = self._layout.describe()
        if self._told.is_told:
            described["told"] = {name: _plain(value) for name, value in as_dict(self._told).items()}
        return described

    def batches(self) -> Iterator[TextBatch]:
        """Yield the records in order; about one block of text a batch."""
        if self._kept is not None:
            yield replace(self._kept)
            return
        seen = blocks = size_bytes = 0
        batch: TextBatch | None = None
        for block, position in self._blocks():
            at = Stretch(self._path, position.offset, int(block.starts[-1]))
            batch = self._batch(block, position, at if self._is_text else None)
            seen += len(batch.records) + len(batch.bad)
            blocks, size_bytes = blocks + 1, len(block.text)
            yield batch
        if seen and blocks == 1 and size_bytes <= _KEPT_BYTES:
            self._kept = batch
        if not seen:
            raise ContentError(FileCode.EMPTY, "the file has a header and no rows")

    def batches_with(self, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
        """Yield only these records, by their ascending numbers; all are rows of the table."""
        for block, position in self._blocks():
            first, count = position.records + 1, len(block.first_lines)
            low, high = np.searchsorted(wanted, (first, first + count))
            chosen = wanted[low:high] - first
            if len(chosen):
                batch = self._batch(block.only(chosen), position, None)
                batch.records = chosen[batch.records - first] + first
                yield batch

    def _blocks(self) -> Iterator[tuple[Block, _Position]]:
        """The text in blocks of whole records, each with what was read before it."""
        layout = self._layout
        splitter = RecordSplitter(layout.delimiter, layout.shapes, self._limits)
        window = self._open_window()
        offset = layout.encoding.start + layout.data_offset
        position = _Position(records=0, line=layout.data_line, offset=offset)
        while end := self._next_block(window, position):
            block = splitter.split(window, end, position.line)
            window.drop(int(block.starts[-1]))
            yield block, position
            position = _Position(
                records=position.records + len(block.first_lines),
                line=position.line + block.lines,
                offset=position.offset + int(block.starts[-1]),
            )

    def _open_window(self) -> Window:
        # Of what is read beyond a block little is copied when it is a small part of one.
        chunks = utf8_chunks(self._path, self._layout.encoding, max(self._block_bytes // 4, 1))
        window = Window(chunks, self._block_bytes)
        while len(window.data) < self._layout.data_offset and not window.complete:
            window.grow()
        window.drop(self._layout.data_offset)
        return window

    def _next_block(self, window: Window, position: _Position) -> int:
        end = window.whole_lines(self._limits.max_record_bytes)
        if end is None:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"line {position.line} is longer than {self._limits.max_record_bytes} bytes",
            )
        return end

    def _batch(self, block: Block, position: _Position, at: Stretch | None) -> TextBatch:
        columns, rows, ragged = parse_cells(block, len(self.header), self._layout.delimiter)
        if np.diff(block.starts).max(initial=0) > self._limits.max_cell_bytes:
            self._check_cells(columns, block, ragged, position)
        bad, blank_records = self._shape_faults(block, ragged, position)
        blank, repeated = blank_rows(columns), equal_rows(columns, self.header)
        if len(blank) or len(repeated):
            left_out = np.concatenate((blank, repeated))
            columns, rows = without_rows(columns, left_out), np.delete(rows, left_out)
        skipped = {"blank": blank_records + len(blank), "repeated-header": len(repeated)}
        found = BlockRows(block, rows, columns, self._layout.delimiter, at)
        return TextBatch(
            columns=found,
            records=rows + (position.records + 1),
            lines=block.first_lines[rows] + position.line,
            raw=found.raw,
            bad=bad,
            skipped={reason: count for reason, count in skipped.items() if count},
        )

    def _shape_faults(
        self, block: Block, ragged: dict[int, int], position: _Position
    ) -> tuple[list[BadRecord], int]:
        """The records that have not the table's shape, and how many of those are blank."""
        bad: list[BadRecord] = []
        blank = 0
        for record in sorted([*block.unbalanced, *ragged]):
            raw = block.raw(record).decode()
            if record in ragged and not raw.replace(self._layout.delimiter.decode(), "").strip():
                blank += 1
                continue
            code, sentence = self._fault(ragged.get(record))
            number = position.records + record + 1
            line = position.line + int(block.first_lines[record])
            bad.append(BadRecord(record=number, line=line, raw=raw, code=code, sentence=sentence))
        return bad, blank

    def _fault(self, width: int | None) -> tuple[RowCode, str]:
        if width is None:
            sentence = "a quote in this line is opened and not closed as it should be"
            return RowCode.UNBALANCED_QUOTE, sentence
        expected = len(self.header)
        code = RowCode.MISSING_CELL if width < expected else RowCode.EXTRA_CELL
        return code, f"the record has {width} cells, the header has {expected}"

    def _check_cells(
        self,
        columns: list[pa.StringArray],
        block: Block,
        ragged: dict[int, int],
        position: _Position,
    ) -> None:
        pieces = (block.raw(record).split(self._layout.delimiter) for record in ragged)
        longest = max((len(cell) for cells in pieces for cell in cells), default=0)
        if max(longest, longest_cell(columns)) > self._limits.max_cell_bytes:
            lines = f"{position.line} and {position.line + block.lines - 1}"
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"a cell between lines {lines} is longer than {self._limits.max_cell_bytes} bytes",
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
