"""Where records begin and end. Found before any cell is parsed, so that numbering cannot shift.

Nearly every line proves by itself that it is one whole record: it has no quote, or its quotes pair
up and each opens right after a delimiter and closes right before one. That is checked for a whole
block at once. Only the other lines are read one by one (`quoting`): a quote in the middle of a
cell, a cell that spans lines, a quote that never closes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContentError, FileCode
from pipeline.formats.pairing import CR, LF, QUOTE, Offsets, Pairing, QuotePairing
from pipeline.formats.quoting import Broken, Record, RecordGrammar, quote
from pipeline.formats.shapes import ColumnShapes
from pipeline.formats.window import Window
from pipeline.messages import Limits

_JUDGED_LINES = 100


@dataclass(slots=True, kw_only=True)
class Block:
    """Some whole records.

    text: the window's data; the block is its first `starts[-1]` bytes. starts: offset of each
    record, then the block's end. first_lines: each record's first physical line, 0 for the block's
    first. lines: how many physical lines the block has. unbalanced: records with a bad quote.
    rewritten: records whose text a fast parser could misread, in plain quoting; an unbalanced one
    as a row of empty cells.
    """

    text: bytes
    starts: Offsets
    first_lines: Offsets
    lines: int
    has_quotes: bool
    unbalanced: list[int] = field(default_factory=list)
    rewritten: dict[int, bytes] = field(default_factory=dict)

    def raw(self, record: int) -> bytes:
        """The text of a record as it stood, without its line end."""
        text = self.text[self.starts[record] : self.starts[record + 1]]
        if text.endswith(b"\r\n"):
            return text[:-2]
        return text[:-1] if text.endswith((b"\n", b"\r")) else text

    def only(self, records: Offsets) -> Block:
        """The same with some of its records, ascending; none of them is unbalanced."""
        pieces = [self.text[self.starts[at] : self.starts[at + 1]] for at in records.tolist()]
        place = {record: at for at, record in enumerate(records.tolist())}
        return Block(
            text=b"".join(pieces),
            starts=np.cumsum([0, *map(len, pieces)]),
            first_lines=self.first_lines[records],
            lines=len(pieces) + self.lines - len(self.first_lines),
            has_quotes=self.has_quotes,
            rewritten={place[at]: text for at, text in self.rewritten.items() if at in place},
        )


class RecordSplitter:
    """Finds the records of a table in a window."""

    def __init__(self, delimiter: bytes, shapes: ColumnShapes, limits: Limits) -> None:
        self._delimiter = delimiter
        self._grammar = RecordGrammar(delimiter)
        self._shapes = shapes
        self._limits = limits
        self._pairing = QuotePairing(delimiter, shapes.columns, limits.max_record_bytes)

    def split(self, window: Window, end: int, first_line: int) -> Block:
        """Find the records in the first `end` bytes, which are whole lines.

        A record that begins there and ends later makes the block longer. `first_line` is the
        number of the block's first line in the file, for error messages.

        Raises:
            ContentError: LIMIT_EXCEEDED, or TRUNCATED when the file ends within a quoted cell.
        """
        codes = np.frombuffer(window.data, dtype=np.uint8, count=end)
        starts = line_starts(codes)
        self._check_length(starts, first_line)
        quotes = np.flatnonzero(codes == QUOTE)
        pairing = self._pairing.pair(codes, starts, quotes)
        if pairing.continues.any() or len(pairing.suspects):
            return self._resolve(window, starts, pairing, first_line)
        lines = np.arange(len(starts) - 1)
        return Block(
            text=window.data,
            starts=starts,
            first_lines=lines,
            lines=len(lines),
            has_quotes=len(quotes) > 0,
        )

    def _check_length(self, starts: Offsets, first_line: int) -> None:
        lengths = np.diff(starts)
        if lengths.max(initial=0) > self._limits.max_record_bytes:
            line = first_line + int(lengths.argmax())
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"line {line} is longer than {self._limits.max_record_bytes} bytes",
            )

    def _resolve(self, window: Window, starts: Offsets, pairing: Pairing, first_line: int) -> Block:
        """Join the lines that are one record; read the suspect ones one by one."""
        continues = pairing.continues
        unbalanced: list[int] = []
        rewritten: dict[int, bytes] = {}
        behind = 0
        for line in pairing.suspects.tolist():
            start = int(starts[line])
            if start < behind:
                continue
            record = self._read(window, start, int(starts[line + 1]), first_line + line)
            if record is None:
                # Left out as nothing, it could join a \r before it to a \n behind it.
                unbalanced.append(line)
                rewritten[line] = quote([b""] * self._shapes.columns, self._delimiter)
                continue
            rewritten[line] = quote(record.cells, self._delimiter)
            behind = record.end
            continues[line + 1 : int(np.searchsorted(starts, behind))] = True
        number = np.cumsum(~continues) - 1
        end = max(behind, int(starts[-1]))
        return Block(
            text=window.data,
            starts=np.append(starts[:-1][~continues], end),
            first_lines=np.flatnonzero(~continues),
            lines=len(continues) + _count_lines(window.data, int(starts[-1]), end),
            has_quotes=True,
            unbalanced=[int(number[line]) for line in unbalanced],
            rewritten={int(number[line]): text for line, text in rewritten.items()},
        )

    def _read(self, window: Window, start: int, line_end: int, line: int) -> Record | None:
        """Read the record at `start`; None when its quotes are unbalanced."""
        longest = start + self._limits.max_record_bytes
        while True:
            # Nothing behind `longest` may matter, or the outcome would depend on the block's size.
            end = min(len(window.data), longest)
            complete = window.complete and end == len(window.data)
            record = self._grammar.read(
                window.data, start, self._shapes.columns, end=end, complete=complete
            )
            if record is not Broken.OPEN or window.complete or len(window.data) > longest:
                break
            window.grow()
        if isinstance(record, Record):
            self._check_cells(record.cells, line)
            return record
        if record is Broken.OPEN:
            self._judge_open(window, line_end, longest, line)
        return None

    def _check_cells(self, cells: list[bytes], line: int) -> None:
        if max(map(len, cells)) > self._limits.max_cell_bytes:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"a cell of the record at line {line} is longer than "
                f"{self._limits.max_cell_bytes} bytes",
            )

    def _judge_open(self, window: Window, line_end: int, longest: int, line: int) -> None:
        """Tell a single bad quote, after which good rows follow, from a cell that never ends."""
        if self._rows_follow(window.data[line_end:longest]):
            return
        if len(window.data) > longest:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the record at line {line} is longer than {self._limits.max_record_bytes} bytes",
            )
        raise ContentError(
            FileCode.TRUNCATED,
            f"the file ends within a quoted cell that was opened at line {line}",
        )

    def _rows_follow(self, text: bytes) -> bool:
        """Tell whether most of the next lines are rows of this table, each by itself."""
        if self._shapes.columns == 1:
            return False  # any line would do as a row of one cell: it proves nothing
        lines = [line for line in text.splitlines()[:_JUDGED_LINES] if line.strip()]
        good = sum(map(self._is_row, lines))
        return good * 2 > len(lines)

    def _is_row(self, line: bytes) -> bool:
        record = self._grammar.read(line, 0, self._shapes.columns, end=len(line), complete=True)
        if not isinstance(record, Record):
            return False
        return self._shapes.fits([cell.decode(errors="replace") for cell in record.cells])


def line_starts(codes: npt.NDArray[np.uint8]) -> Offsets:
    r"""Offset of each physical line, then the end of the text. Lines end with \n, \r\n or \r."""
    ends = np.flatnonzero(codes == LF)
    returns = np.flatnonzero(codes == CR)
    if len(returns):
        following = np.minimum(returns + 1, len(codes) - 1)
        lone = returns[codes[following] != LF]
        ends = np.union1d(ends, lone) if len(lone) else ends
    starts = np.concatenate(([0], ends + 1))
    return starts if starts[-1] == len(codes) else np.append(starts, len(codes))


def _count_lines(text: bytes, start: int, end: int) -> int:
    codes = np.frombuffer(text, dtype=np.uint8)[start:end]
    return len(line_starts(codes)) - 1
