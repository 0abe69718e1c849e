"""What the cells of each column have in common, and how well a cell would fit there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache

from pipeline.formats.raw.celltypes import (
    CODE,
    DATE,
    EMPTY,
    NUMBER,
    OTHER,
    TEXT,
    TIME,
    WEB,
    WORD,
    kind_of,
    mask_of,
    short_mask,
)

_TEXTUAL = (WORD, TEXT, CODE, OTHER)
_MOST_ROWS = 400
_FLOOR = 0.0015
_MOST_FITS = 5_000
_STRONG = 0.88
_QUOTES = "\"'`"
_STRAY = 0.35
_FIRST = 0.5
_OPEN = 0.2  # codes of a column whose lengths vary are no surprise in another length
_SEAM = 0.15  # what two values written as one leave of a text's likeness
_GLUED = re.compile(r"[a-zß-öø-ÿ.)][A-ZÀ-ÖØ-Þ]|[a-zß-öø-ÿ]\d|\d[^\W\d_]")
_KNOWN = 0.5  # how well a value fits that stands in the column more than once


class ColumnModel:
    """One column, learned from the cells of good rows."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.count = len(cells)
        self.kinds = Counter(map(kind_of, cells))
        filled = [text for cell in cells if (text := cell.strip())]
        self.filled = len(filled)
        self.empty = self.count - self.filled
        self.values = Counter(filled)
        short = [cell for cell in filled if len(cell) <= 40]
        self.masks = Counter(map(mask_of, short))
        self.shorts = Counter(map(short_mask, short))
        self.textual = sum(self.kinds[kind] for kind in _TEXTUAL)
        self.heads = Counter(map(_sort, [cell[0] for cell in filled]))
        self.tails = Counter(map(_sort, [cell[-1] for cell in filled]))
        self.words = Counter([min(4, cell.count(" ")) for cell in filled])
        self.glued = sum(_GLUED.search(cell) is not None for cell in filled)
        lengths = sorted(map(len, filled))
        self.length = lengths[len(lengths) // 2] if lengths else 0
        once = sum(count == 1 for count in self.masks.values())
        self._novel = max(0.03, min(1.0, 3 * (once + 0.5) / (len(short) + 1)))
        once = sum(count == 1 for count in self.values.values())
        self._fresh = max(0.2, min(1.0, 3 * (once + 0.5) / (self.filled + 1)))
        self._fits: dict[str, float] = {}

    @cached_property
    def strong(self) -> str | None:
        """The kind that nearly all filled cells have, when it proves something."""
        known = self.count - self.kinds[EMPTY]
        if known <= 0:
            return None
        for kind in (NUMBER, DATE, TIME, WEB):
            if self.kinds[kind] >= _STRONG * known:
                return kind
        if self.kinds[CODE] >= _STRONG * known and len(self.shorts) <= max(2, 0.2 * known):
            return CODE
        return None

    def conforms(self, cell: str) -> bool:
        """True when a filled cell is of the column's strong kind."""
        kind = kind_of(cell)
        if kind != self.strong:
            return False
        if kind != CODE:
            return True
        usual = self._novel > _OPEN or mask_of(cell) in self.masks
        return usual and short_mask(cell) in self.shorts

    def fit(self, cell: str) -> float:
        """Logarithm of how likely the cell is here; 0 at most."""
        known = self._fits.get(cell)
        if known is None:
            if len(self._fits) > _MOST_FITS:
                self._fits.clear()
            known = self._fits[cell] = self._fit(cell.strip())
        return known

    def _fit(self, text: str) -> float:
        total = self.count + 1
        if not text:
            return math.log(max(_FLOOR, (self.empty + 0.05) / total))
        count, kind = self.values[text], kind_of(text)
        best = 0.0
        if count > 1:
            best = max(_KNOWN if kind in _TEXTUAL else 0.0, 0.95 * count / total)
        if text[0] in _QUOTES or text[-1] in _QUOTES:  # a stray quote beside a good value
            best = max(best, _STRAY * math.exp(self.fit(text.strip(_QUOTES))))
        if len(text) <= 40:
            best = max(best, 0.9 * self.masks[mask_of(text)] / total)
            best = max(best, 0.75 * self._novel * self.shorts[short_mask(text)] / total)
        if not self.filled:
            best = max(best, _FIRST / total)
        elif kind in _TEXTUAL:
            new = self._novel if self.strong == CODE else self._fresh
            best = max(best, 0.5 * new * self.textual / total * self._alike(text))
        else:
            new = max(self._novel, 0.15 if self.shorts[short_mask(text)] else 0.06)
            best = max(best, 0.5 * new * self.kinds[kind] / total)
        return math.log(max(_FLOOR, best))

    def _alike(self, text: str) -> float:
        """How much a text is like the column's texts in length and at its edges."""
        if not self.filled:
            return 0.0
        size = math.exp(-0.45 * abs(math.log((len(text) + 1) / (self.length + 1))))
        head = 0.06 + 0.94 * self.heads[_sort(text[0])] / self.filled
        tail = 0.06 + 0.94 * self.tails[_sort(text[-1])] / self.filled
        words = 0.5 + 0.5 * min(1.0, 2 * self.words[min(4, text.count(" "))] / self.filled)
        whole = 1.0
        if 20 * self.glued < self.filled and _GLUED.search(text) is not None:
            whole = _SEAM
        return size * head * tail * words * whole


def models_of(rows: Sequence[Sequence[str]], width: int) -> list[ColumnModel]:
    """One model a column, from rows that have `width` cells."""
    judged = rows if len(rows) <= _MOST_ROWS else rows[:: len(rows) // _MOST_ROWS + 1]
    return [ColumnModel([row[at] for row in judged]) for at in range(width)]


@lru_cache(4_096)
def _sort(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return char
