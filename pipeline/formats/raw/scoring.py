"""How good a table one dialect makes of a sample of lines.

Five things, multiplied: rows as wide as the table, quotes that follow the grammar, cells that look
like one value each, columns whose cells look alike, and how usual the delimiter is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.formats.raw.celltypes import (
    CODE,
    EMPTY,
    NUMBER,
    OTHER,
    TEXT,
    TYPED,
    WORD,
    kind_of,
    nines_of,
)
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.raw.records import Records

EVEN = ",;\t|^~#\x1f¦§\x01"
"""Marks that part cells in many files: evenly often in most lines, they are hardly chance."""

_JUDGED_ROWS = 60
_JUDGED_COLUMNS = 40
_USUAL = {",": 1.0, ";": 1.0, "\t": 1.0, "|": 0.98, " ": 0.6, "": 0.62, ":": 0.55}
_RARE = set("#*&!@%$+<>?=/")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_BRACKET = re.compile(r"[()\[\]{}]")
_ONE = 0.14
_NEARLY = 0.999  # beyond what rounding can do
_NAMED_AS_ONE = 0.3  # a first line of one word names one column, however many words stand below
_SEVERAL = re.compile(r"[^\W\d][,;\t|](?=[^\W\d])")
_HEADED = 0.85
_NAMES = (WORD, CODE, TEXT)
_QUOTES = "\"'`"


@dataclass(frozen=True, slots=True)
class Score:
    """How good a reading is. `width` is how many cells most rows have."""

    dialect: RawDialect
    total: float
    width: int
    even: float
    legal: float
    typed: float
    alike: float
    rows: int


def score(dialect: RawDialect, lines: Lines, rivals: Mapping[str, float] | None = None) -> Score:
    """Judge one dialect on a sample; `rivals`: marks that stand evenly, and in what share of it."""
    return Reading(dialect, lines).score(rivals)


class Reading:
    """A sample under one dialect. most: no score of it exceeds that, whatever the cells are."""

    def __init__(self, dialect: RawDialect, lines: Lines) -> None:
        self.dialect = dialect
        records = Records.of(dialect, lines)
        self._records = records = records.without(records.blanks())
        self.most = 0.0
        if not records:
            return
        self._width = width = _width(records)
        self._even = _evenness(records, width)
        self._legal = _legality(records, dialect, lines)
        broken = set(records.broken())
        self._rows = rows = [
            cells
            for at, cells in enumerate(records.cells)
            if len(cells) == width and at not in broken
        ]
        self._judged = rows if len(rows) <= _JUDGED_ROWS else rows[:: len(rows) // _JUDGED_ROWS + 1]
        self._several = (width - 1) / width if width > 1 else _alone(self._judged)
        if width == 1 and dialect.delimiter is not None:
            self._several *= 0.5
        usual = _prior(dialect.delimiter, headed=True)
        self.most = self._even * self._legal * self._several * usual / _NEARLY

    def score(self, rivals: Mapping[str, float] | None = None) -> Score:
        """The score, for which the cells are looked at."""
        dialect, records, width, rows = self.dialect, self._records, 0, 0
        if not records:
            return Score(dialect, 0.0, 1, 0.0, 0.0, 0.0, 0.0, 0)
        width, rows, even = self._width, len(self._rows), self._even
        whole = rows == len(records)
        marks = _challengers(rivals or {}, dialect, whole=whole and width > 1)
        typed, alike, hollow, headed = _cells(self._judged, width, marks, dialect.delimiter)
        total = even * self._legal * typed * (0.5 + 0.5 * alike) * (1 - 0.8 * hollow)
        total *= self._several
        if dialect.delimiter in (" ", ""):
            total *= even * even  # the words of a text differ in number
            first = records.cells[0]
            if width > 1 and len(first) == 1 and kind_of(first[0]) == WORD:
                total *= _NAMED_AS_ONE
        usual = _prior(dialect.delimiter, headed=headed and whole)
        total *= usual * (1 - 0.05 * _spaced(self._judged))
        return Score(dialect, total, width, even, self._legal, typed, alike, len(records))


def _challengers(
    rivals: Mapping[str, float], dialect: RawDialect, *, whole: bool
) -> tuple[str, str]:
    """Marks that no whole cell holds, and those that codes may hold all the same.

    whole: every record has as many cells as the others; only a mark as even as that challenges it.
    """
    marks = [
        mark
        for mark, share in rivals.items()
        if mark not in (dialect.delimiter or "") and (share == 1.0 or not whole)
    ]
    usual = "".join(mark for mark in marks if mark in EVEN)
    return usual, "".join(mark for mark in marks if mark not in EVEN)


def _width(records: Records) -> int:
    counts = Counter(records.widths)
    counts.subtract(records.widths[at] for at in records.broken())
    most = max(counts.values())
    wide = [width for width, count in counts.items() if width > 1 and count >= 0.6 * most > 0]
    return max(wide, key=lambda width: (counts[width] * (width - 1) / width, width), default=1)


def _evenness(records: Records, width: int) -> float:
    """Share of rows as wide as the table, between the first and the last of them."""
    widths = records.widths
    counts, count = Counter(widths), len(widths)
    if not counts[width]:
        return 0.0
    first, last = widths.index(width), count - 1 - widths[::-1].index(width)
    span = last + 1 - first
    inside = counts[width] / span * min(1.0, 3 * span / count)
    if counts[width] == 1 and count > 2:
        inside = 0.0  # a single record proves no width
    outside = counts[width] / count
    near = (counts[width - 1] + counts[width] + counts[width + 1]) / count
    even = 0.55 * inside + 0.35 * outside + 0.1 * near
    above = widths[first - 1] if first else width
    return even if above in (1, width) else 0.93 * even  # the header has another width


def _legality(records: Records, dialect: RawDialect, lines: Lines) -> float:
    """Falls with rows whose quotes break the grammar, and with lines swallowed by quoted cells."""
    quote = dialect.quote
    if quote is None:
        return 1.0
    count = len(records)
    closer = records.special.values()
    broken = sum(record.broken for record in closer)
    stray = sum(record.stray for record in closer)
    quoted = sum(records.quoted.values())
    if not quoted:
        return 0.6
    swallowed = sum(record.lines - 1 for record in closer)
    clean = 1 - 0.7 * min(1.0, broken / count) - 0.1 * min(1.0, stray / (quoted + stray))
    if swallowed:
        clean -= 0.15 * swallowed / max(1, len(lines.texts))
    if quote != '"':
        clean *= 0.97
    return max(0.02, clean)


def _cells(
    rows: Sequence[Sequence[str]], width: int, rivals: tuple[str, str], delimiter: str | None
) -> tuple[float, float, float, bool]:
    """Shares of cells like one value, of cells alike in their column, of empty columns.

    And whether the first row names values: it is text above a column of them.
    """
    if not rows:
        return 0.0, 0.0, 1.0, False
    known = total = 0.0
    alike: list[float] = []
    hollow = 0
    headed = False
    columns = min(width, _JUDGED_COLUMNS)
    kinds = _kinds(rows, columns, rivals, delimiter)
    for at in range(columns):
        found = kinds[at::columns]
        filled = len(rows) - found.count(EMPTY)
        if not filled:
            hollow += 1
            continue
        total += filled
        known += filled - found.count(OTHER) - 0.08 * found.count(TEXT)
        values = [found.count(kind) for kind in TYPED]
        named = found[0] in _NAMES
        alike.append(_likeness(values, found.count(OTHER), filled, headed=named))
        headed = headed or (named and filled > 2 and sum(values) == filled - 1)
    if not total:
        return 0.1, 0.0, 1.0, False
    share = max(0.0, known / total)
    return 0.02 + 0.98 * share * share, sum(alike) / len(alike), hollow / columns, headed


def _kinds(
    rows: Sequence[Sequence[str]], columns: int, rivals: tuple[str, str], delimiter: str | None
) -> str:
    """A letter for the kind of each cell, row by row: digits do not matter, so few are judged."""
    shapes = nines_of([*chain.from_iterable(row[:columns] for row in rows)])
    judged = {shape: _judge(shape, rivals, delimiter) for shape in set(shapes)}
    return "".join(map(judged.__getitem__, shapes))


def _likeness(values: Sequence[int], others: int, filled: int, *, headed: bool) -> float:
    """values: how many cells are of each kind of value; others: how many are of no kind."""
    textual = filled - sum(values) - others
    header = 1 if filled > 3 or (headed and filled > 1) else 0  # the header is no value
    return min(1.0, (max(*values, textual) + header) / filled)


def _judge(cell: str, rivals: tuple[str, str], delimiter: str | None) -> str:
    """The kind of a cell; one that holds a mark that stands evenly in the lines is not whole.

    One that holds the delimiter itself stood in quotes: it is whole.
    """
    text = cell.strip()
    if not text:
        return EMPTY
    if text[0] in "~þ" and len(text) > 1 and text[-1] == text[0]:
        return OTHER
    if text[0] in _QUOTES or (text[-1] in _QUOTES and text.count(text[-1]) % 2):
        return OTHER
    kind = kind_of(text)
    if kind == OTHER and delimiter is not None and delimiter.strip() and delimiter in text:
        kind = TEXT
    if kind == OTHER and delimiter is None and " " in text and text[0].isalpha():
        kind = TEXT
    if kind == TEXT and len(text) < 200 and not _whole(text):
        return OTHER
    if kind not in TYPED and len(text) < 500:
        usual, rare = rivals
        for mark in usual if kind == CODE else usual + rare:
            if mark in text:
                return OTHER
    return kind


def _as_row(rows: Sequence[Sequence[str]]) -> bool:
    """True when the first row, were it a header, is of another number of words than the rows."""
    words = [len(row[0].split()) for row in rows]
    return words.count(words[0]) < 0.8 * len(words) or kind_of(rows[0][0]) in TYPED


def _whole(text: str) -> bool:
    """False when brackets open in one cell and close in another."""
    if _BRACKET.search(text) is None:
        return True
    return all(text.count(left) == text.count(right) for left, right in _BRACKETS)


def _alone(rows: Sequence[Sequence[str]]) -> float:
    """What stands for the number of columns when there is one: values prove more than text."""
    kinds = Counter(kind_of(row[0]) for row in rows[1:] or rows)
    count = sum(kinds.values())
    if not count or (len(rows[0][0].split()) > 1 and not _as_row(rows)):
        return _ONE
    if _SEVERAL.search(rows[0][0]) and kind_of(rows[0][0]) not in TYPED:
        return _ONE  # several names in one
    if sum(kinds[kind] for kind in TYPED) >= 0.9 * count:
        return 0.55
    return 0.3 if kinds[WORD] + kinds[CODE] >= 0.9 * count else _ONE


def _spaced(rows: Sequence[Sequence[str]]) -> float:
    """Share of cells with space around them."""
    cells = [cell for row in rows[:20] for cell in row if cell]
    return sum(cell[0] == " " or cell[-1] == " " for cell in cells) / len(cells) if cells else 0.0


def _prior(delimiter: str | None, *, headed: bool) -> float:
    """How usual a delimiter is; a table without a fault below its names makes a rare one likely."""
    if delimiter is None:
        return 1.0
    bare = delimiter.strip(" ")
    usual = _USUAL.get(delimiter, 0.95 if len(delimiter) == 1 else 1.0)
    if len(bare) == 1 and bare in _RARE:
        usual = 0.5
    return max(usual, _HEADED) if headed and bare else usual


def is_number(cell: str) -> bool:
    """True for a cell that is a number."""
    return kind_of(cell) == NUMBER
