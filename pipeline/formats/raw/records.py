"""All records of a text under one dialect, side by side: most need no look at them one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import overload

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer, Lines, RawRecord


@dataclass(slots=True)
class Records(Sequence[RawRecord]):
    """Records in their order; each is put together when it is asked for.

    cells: of each record. line: the first line of each, 0 for the file's first. quoted: how many
    cells stood in quotes, by the place of the record. special: the records that are broken, hold a
    stray quote or take several lines, by their place; all others are a line each.
    """

    cells: list[list[str]]
    line: list[int]
    quoted: dict[int, int] = field(default_factory=dict)
    special: dict[int, RawRecord] = field(default_factory=dict)
    widths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.widths = list(map(len, self.cells))

    @classmethod
    def of(cls, dialect: RawDialect, lines: Lines, start: int = 0) -> Records:
        """The records of the lines from `start` on."""
        return _Collected(Lexer(dialect), lines).records(start)

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, at: int) -> RawRecord: ...
    @overload
    def __getitem__(self, at: slice) -> list[RawRecord]: ...
    def __getitem__(self, at: int | slice) -> RawRecord | list[RawRecord]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self.cells)))]
        at = at + len(self.cells) if at < 0 else at
        record = self.special.get(at)
        if record is None:
            record = RawRecord(self.cells[at], self.line[at], quoted=self.quoted.get(at, 0))
        return record

    def __iter__(self) -> Iterator[RawRecord]:
        return map(self.__getitem__, range(len(self.cells)))

    def blanks(self) -> list[bool]:
        """Of each record, whether no cell holds more than space."""
        return [
            (not cells[0] or cells[0].isspace()) and _is_blank("".join(cells))
            for cells in self.cells
        ]

    def without(self, left_out: Sequence[bool]) -> Records:
        """The records that are not left out."""
        if True not in left_out:
            return self
        kept = [not out for out in left_out]
        places = {old: new for new, old in enumerate(compress(range(len(kept)), kept))}
        return Records(
            list(compress(self.cells, kept)),
            list(compress(self.line, kept)),
            {places[at]: count for at, count in self.quoted.items() if at in places},
            {places[at]: record for at, record in self.special.items() if at in places},
        )

    def broken(self) -> list[int]:
        """Places of the records whose quotes do not follow the grammar."""
        return [at for at, record in self.special.items() if record.broken]


class _Collected:
    """The records of some lines in the making."""

    def __init__(self, lexer: Lexer, lines: Lines) -> None:
        self._lexer, self._lines = lexer, lines
        self._cells: list[list[str]] = []
        self._line: list[int] = []
        self._quoted: dict[int, int] = {}
        self._special: dict[int, RawRecord] = {}

    def records(self, start: int) -> Records:
        """All of them from line `start` on."""
        odd = self._lexer.openings(self._lines)
        at, count = start, len(self._lines.texts)
        while at < count:
            try:
                opening = odd.index(True, at)
            except ValueError:
                self._line_each(at, count)
                break
            self._line_each(at, opening)
            record = self._lexer.opened(self._lines, opening, odd)
            self._add(record)
            at = opening + record.lines
        return Records(self._cells, self._line, self._quoted, self._special)

    def _line_each(self, first: int, end: int) -> None:
        """Records of a line each, none of which opens a quote that it does not close."""
        texts = self._lines.texts[first:end]
        quote, escape = self._lexer.dialect.quote, self._lexer.dialect.escape
        counts = [0] * len(texts) if quote is None else self._lines.counts(quote)[first:end]
        marked: Sequence[object] = counts
        if escape is not None:
            marked = [count or escape in text for count, text in zip(counts, texts, strict=True)]
        base = len(self._cells)
        self._line += range(first, end)
        if not any(marked):
            self._cells += self._lexer.split_all(texts)
            return
        plain = iter(self._lexer.split_all([*compress(texts, map(not_, marked))]))
        quick = [cells or [] for cells in self._lexer.quick_cells([*compress(texts, marked)])]
        held = iter(quick)
        self._cells += [next(held) if mark else next(plain) for mark in marked]
        for at, count in enumerate(counts):
            if marked[at] and not self._cells[base + at]:
                self._place(base + at, self._lexer.single(texts[at], first + at))
            elif count:
                self._quoted[base + at] = count // 2

    def _place(self, place: int, record: RawRecord) -> None:
        if record.broken or record.stray or record.lines > 1:
            self._special[place] = record
        if record.quoted:
            self._quoted[place] = record.quoted
        self._cells[place] = record.cells

    def _add(self, record: RawRecord) -> None:
        self._cells.append(record.cells)
        self._line.append(record.line)
        self._place(len(self._cells) - 1, record)


def _is_blank(text: str) -> bool:
    return not text or text.isspace()
