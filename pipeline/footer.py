"""Records at the end of a file that are no data: totals, counts, end marks.

They are seen before they are dropped: a footer is asked about once, and afterwards every dropped
record must match the confirmed pattern, or the file is held.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.formats.base import TableReader, TextBatch
from pipeline.reshape.reshaped import source_header
from pipeline.standardize.text import fold

FOOTER = "footer"
"""Why a record at the end is skipped."""

LOOKED_AT = 5
"""How many records at the end may be a footer."""

# First words of records that sum up what stands above them, folded; whole names, several languages.
_WORDS = (
    "total", "totals", "grand total", "subtotal", "sub total", "sum", "count", "record count",
    "records", "row count", "rows", "number of records", "number of rows", "total records",
    "total rows", "average", "mean", "end of file", "end of report", "end of data", "eof", "end",
    "summe", "gesamt", "gesamtsumme", "insgesamt", "anzahl", "anzahl datensätze", "mittelwert",
    "durchschnitt", "zwischensumme", "ende", "dateiende", "total general", "somme", "nombre",
    "moyenne", "suma", "promedio", "totale", "totaal", "trailer", "footer",
)  # fmt: skip
_FOOTERS = frozenset(map(fold, _WORDS))
_SENTENCE = re.compile(r"\(?\d+ (rows?|records?)( affected| selected| exported)?\)?[.:]?", re.I)
_LETTERS = re.compile(r"[^\W\d_][^\d\"';,|\t]*")


def first_cell(raw: str, delimiter: str | None) -> str:
    """The first cell of a record that holds anything, without its quotes."""
    cells = raw.split(delimiter) if delimiter else [raw]
    return next((cell.strip().strip('"').strip() for cell in cells if cell.strip(' "')), "")


def looks_like_footer(raw: str, delimiter: str | None) -> bool:
    """True when a record begins with a word that sums up, or is a sentence about the rows."""
    cell = first_cell(raw, delimiter)
    folded = fold(cell)
    if folded in _FOOTERS or _SENTENCE.fullmatch(cell):
        return True
    head = folded.split(" ")
    return any(" ".join(head[:length]) in _FOOTERS and cell.rstrip().endswith(":")
               for length in (1, 2, 3)) or _names_a_count(cell)  # fmt: skip


def _names_a_count(cell: str) -> bool:
    """`Total: 30`, `Rows = 12`: a footer's word, a sign and a number."""
    name, sign, number = (part.strip() for part in _partition(cell))
    return bool(sign) and fold(name) in _FOOTERS and number.replace(".", "").isdigit()


def _partition(cell: str) -> tuple[str, str, str]:
    for sign in (":", "="):
        if sign in cell:
            return cell.partition(sign)
    return cell, "", ""


def pattern_of(raw: str, delimiter: str | None) -> str:
    """A pattern for footers like this one: its first word, where it stands."""
    word = _LETTERS.match(first_cell(raw, delimiter))
    if word is None:
        return "^" + re.escape(raw[:1])
    before = raw[: raw.index(word[0])]
    return "^" + re.escape(before) + re.escape(word[0].strip()).replace(r"\ ", " ")


class FooterReader:
    """A reader without its last `drop` records. `dropped` holds their text after a whole pass."""

    def __init__(self, reader: TableReader, drop: int) -> None:
        self._reader = reader
        self._drop = drop
        self.dropped: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels, as the file has them."""
        return self._reader.header

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return {**self._reader.describe(), "footer_records": self._drop}

    def batches(self) -> Iterator[TextBatch]:
        """The records in order, but for the last ones."""
        held: deque[TextBatch] = deque()
        for batch in self._reader.batches():
            held.append(batch)
            while sum(map(_size, held)) - _size(held[0]) >= self._drop and len(held) > 1:
                yield held.popleft()
        yield from self._without_tail(list(held))

    def _without_tail(self, held: list[TextBatch]) -> Iterator[TextBatch]:
        places = sorted(
            (number, raw) for batch in held for number, raw in _tail_of(batch, self._drop)
        )[-self._drop :]
        self.dropped = tuple(raw for _, raw in places)
        numbers = np.array([number for number, _ in places], dtype=np.int64)
        for batch in held:
            yield _without(batch, numbers)


def _size(batch: TextBatch) -> int:
    return len(batch.records) + len(batch.bad)


def tail_of(batch: TextBatch) -> list[tuple[int, str]]:
    """Number and text of the last few records of a batch, in order."""
    return sorted(set(_tail_of(batch, LOOKED_AT)))[-LOOKED_AT:]


def _tail_of(batch: TextBatch, count: int) -> Iterator[tuple[int, str]]:
    start = max(0, len(batch.records) - count)
    for at in range(start, len(batch.records)):
        yield int(batch.records[at]), batch.raw(at)
    for bad in batch.bad[-count:]:
        yield bad.record, bad.raw


def _without(batch: TextBatch, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> TextBatch:
    dropped = np.isin(batch.records, numbers)
    bad = [one for one in batch.bad if one.record not in numbers]
    count = int(dropped.sum()) + len(batch.bad) - len(bad)
    if not count:
        return batch
    rows = np.flatnonzero(~dropped)
    taken = pa.array(rows)
    return replace(
        batch,
        columns=[column.take(taken) for column in batch.columns],
        records=batch.records[rows],
        lines=batch.lines[rows],
        raw=_RawOf(batch.raw, rows),
        bad=bad,
        skipped={**batch.skipped, FOOTER: batch.skipped.get(FOOTER, 0) + count},
    )


class _RawOf:
    def __init__(
        self, raw: Callable[[int], str], rows: np.ndarray[Any, np.dtype[np.int64]]
    ) -> None:
        self._raw = raw
        self._rows = rows

    def __call__(self, at: int) -> str:
        return self._raw(int(self._rows[at]))


class ConstantsReader:
    """A reader with further columns that hold the same text in every row."""

    def __init__(self, reader: TableReader, constants: dict[str, str]) -> None:
        self._reader = reader
        self._constants = constants
        self.source_header = source_header(reader)

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels, then the fields the constants are for."""
        return (*self._reader.header, *self._constants)

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return {**self._reader.describe(), "constants": sorted(self._constants)}

    def batches(self) -> Iterator[TextBatch]:
        """The records in order, each with the constants."""
        for batch in self._reader.batches():
            count = len(batch.records)
            added = [pa.repeat(pa.scalar(text), count) for text in self._constants.values()]
            yield replace(batch, columns=[*batch.columns, *added])
