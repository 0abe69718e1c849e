"""What the cells of each column have in common, and how well a cell would fit there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TypeVar

from pipeline.formats.raw.celltypes import (
    CODE,
    DATE,
    EMPTY,
    NUMBER,
    OTHER,
    TEXT,
    TIME,
    TYPED,
    WEB,
    WORD,
    kind_of,
    mask_of,
    masks_of,
    nines,
    nines_of,
    one_kind,
    short_mask,
    shortened,
)

T = TypeVar("T")

_TEXTUAL = (WORD, TEXT, CODE, OTHER)
_MOST_ROWS = 400
_SHORT = 40
_LOOKED_AT = 100
_FLOOR = 0.0015
_MOST_FITS = 5_000
_STRONG = 0.88
_QUOTES = "\"'`"
_STRAY = 0.35
_FIRST = 0.5
_MANY = 4  # from so many values on one look at all of them is quicker than one at each
_OPEN = 0.2  # codes of a column whose lengths vary are no surprise in another length
_MARKS = re.compile(r"[;|\t^]")
_MARKED = 0.03  # what is left of it for a text with a separator within
_SEAM = 0.15  # what two values written as one leave of a text's likeness
_GLUED = re.compile(r"[a-zß-öø-ÿ.)][A-ZÀ-ÖØ-Þ]|[a-zß-öø-ÿ]\d|\d[^\W\d_]")
_KNOWN = 0.5  # how well a value fits that stands in the column more than once


class ColumnModel:
    """One column, learned from the cells of good rows."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.count = len(cells)
        self.values = Counter(map(str.strip, cells))
        self.empty = self.values.pop("", 0)
        self.filled = self.count - self.empty
        self._fits: dict[str, float] = {}
        self._fits_new: dict[str, float] = {}

    @cached_property
    def kinds(self) -> Counter[str]:
        """How many cells are of each kind."""
        kinds = Counter({EMPTY: self.empty})
        kind = one_kind(self.values) if len(self.values) >= _MANY else None
        if kind is not None:
            kinds[kind] += self.filled
            return kinds
        for found, count in zip(map(kind_of, self.values), self.values.values(), strict=True):
            kinds[found] += count
        return kinds

    @cached_property
    def masks(self) -> Counter[str]:
        """How many short cells have each mask."""
        short = [text for text in self.values if len(text) <= _SHORT]
        masks = Counter(masks_of(short))
        if len(self.values) < self.filled:
            for text, count in self.values.items():
                if count > 1 and len(text) <= _SHORT:
                    masks[mask_of(text)] += count - 1
        return masks

    @cached_property
    def shorts(self) -> Counter[str]:
        """How many short cells have each mask without repeats."""
        shorts: Counter[str] = Counter()
        for mask, count in self.masks.items():
            shorts[shortened(mask)] += count
        return shorts

    @cached_property
    def _novel(self) -> float:
        """How likely the next cell's mask is a new one."""
        once = sum(count == 1 for count in self.masks.values())
        return max(0.03, min(1.0, 3 * (once + 0.5) / (self.masks.total() + 1)))

    @cached_property
    def _fresh(self) -> float:
        """How likely the next cell's text is a new one."""
        once = sum(count == 1 for count in self.values.values())
        return max(0.2, min(1.0, 3 * (once + 0.5) / (self.filled + 1)))

    @cached_property
    def textual(self) -> int:
        """How many cells are text or codes."""
        return sum(self.kinds[kind] for kind in _TEXTUAL)

    @cached_property
    def heads(self) -> Counter[str]:
        """How cells begin."""
        return self._edges(0)

    @cached_property
    def _tails(self) -> Counter[str]:
        return self._edges(-1)

    def _edges(self, at: int) -> Counter[str]:
        edges: Counter[str] = Counter()
        for text, count in self.values.items():
            edges[_sort(text[at])] += count
        return edges

    @cached_property
    def _words(self) -> Counter[int]:
        words: Counter[int] = Counter()
        for text, count in self.values.items():
            words[min(4, text.count(" "))] += count
        return words

    @cached_property
    def _glued(self) -> bool:
        """True when cells look like two values in one, as names of chemicals do."""
        texts = list(self.values)[:_LOOKED_AT]
        return 20 * sum(_GLUED.search(text) is not None for text in texts) >= len(texts)

    @cached_property
    def _marked(self) -> bool:
        """True when cells hold marks that part cells in other files."""
        return any(_MARKS.search(text) is not None for text in self.values)

    @cached_property
    def length(self) -> int:
        """The usual length of a filled cell."""
        lengths = sorted(map(len, self.values))
        return lengths[len(lengths) // 2] if lengths else 0

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

    @cached_property
    def best(self) -> float:
        """What `fit` gives to no cell more of."""
        total = self.count + 1
        known = max(self.values.values(), default=0)
        likely = [_FLOOR, (self.empty + 0.05) / total]
        if known > 1:
            likely += [_KNOWN, 0.95 * known / total]
        likely.append(0.9 * max(self.masks.values(), default=0) / total)
        likely.append(0.75 * self._novel * max(self.shorts.values(), default=0) / total)
        if not self.filled:
            likely.append(_FIRST / total)
        new = max(self._novel, self._fresh)
        likely.append(0.5 * new * self.textual / total)
        typed = max(self.kinds[kind] for kind in TYPED)
        likely.append(0.5 * max(self._novel, 0.15) * typed / total)
        likely.append(_STRAY)
        return math.log(min(1.0, max(likely)))

    def fit(self, cell: str) -> float:
        """Logarithm of how likely the cell is here; 0 at most."""
        known = self._fits.get(cell)
        if known is None:
            if len(self._fits) > _MOST_FITS:
                self._fits.clear()
                self._fits_new.clear()
            known = self._fits[cell] = self._fit_of(cell.strip())
        return known

    def fits(self, cells: Sequence[str]) -> list[float]:
        """The same for many cells."""
        texts = list(map(str.strip, cells))
        return [
            self._fit_of(text, shape) for text, shape in zip(texts, nines_of(texts), strict=True)
        ]

    def _fit_of(self, text: str, shape: str | None = None) -> float:
        """shape: the text with nines for its digits; which of them a new value has is all one."""
        if not text:
            return math.log(max(_FLOOR, (self.empty + 0.05) / (self.count + 1)))
        count = self.values.get(text, 0)
        if count > 1 or text[0] in _QUOTES or text[-1] in _QUOTES:
            known = self._fits.get(text)
            if known is None:
                known = self._fits[text] = self._fit(text, count)
            return known
        shape = nines(text) if shape is None else shape
        known = self._fits_new.get(shape)
        if known is None:
            known = self._fits_new[shape] = self._fit(shape, count)
        return known

    def _fit(self, text: str, count: int) -> float:
        total, kind = self.count + 1, kind_of(text)
        best = 0.0
        if count > 1:
            best = max(_KNOWN if kind in _TEXTUAL else 0.0, 0.95 * count / total)
        if text[0] in _QUOTES or text[-1] in _QUOTES:  # a stray quote beside a good value
            best = max(best, _STRAY * math.exp(self.fit(text.strip(_QUOTES))))
        if len(text) <= _SHORT:
            mask = mask_of(text)
            best = max(best, 0.9 * self.masks.get(mask, 0) / total)
            short = self.shorts.get(shortened(mask), 0)
            best = max(best, 0.75 * self._novel * short / total)
        if not self.filled:
            best = max(best, _FIRST / total)
        elif kind in _TEXTUAL:
            new = self._novel if self.strong == CODE else self._fresh
            likely = 0.5 * new * self.textual / total
            if likely > best:  # else likeness does not matter
                best = max(best, likely * self._alike(text, max(best, _FLOOR) / likely))
        elif self.kinds[kind]:
            new = max(self._novel, 0.15 if self.shorts.get(short_mask(text), 0) else 0.06)
            best = max(best, 0.5 * new * self.kinds[kind] / total)
        return math.log(max(_FLOOR, best))

    def _alike(self, text: str, least: float) -> float:
        """How much a text is like the column's texts in length and at its edges.

        least: what is not more than that need not be exact.
        """
        if not self.filled:
            return 0.0
        size = math.exp(-0.45 * abs(math.log((len(text) + 1) / (self.length + 1))))
        head = 0.06 + 0.94 * self.heads.get(_sort(text[0]), 0) / self.filled
        tail = 0.06 + 0.94 * self._tails.get(_sort(text[-1]), 0) / self.filled
        usual = self._words.get(min(4, text.count(" ")), 0)
        words = 0.5 + 0.5 * min(1.0, 2 * usual / self.filled)
        if size * head * tail * words <= least:
            return least
        whole = 1.0
        if not self._glued and _GLUED.search(text) is not None:
            whole = _SEAM
        if _MARKS.search(text) is not None and not self._marked:
            whole *= _MARKED
        return size * head * tail * words * whole


def models_of(rows: Sequence[Sequence[str]], width: int) -> list[ColumnModel]:
    """One model a column, from rows that have `width` cells."""
    judged = some_of(rows)
    return [ColumnModel([row[at] for row in judged]) for at in range(width)]


def some_of(rows: Sequence[T]) -> Sequence[T]:
    """As many of the rows, or of what stands for them, as columns are learned from."""
    return rows if len(rows) <= _MOST_ROWS else rows[:: len(rows) // _MOST_ROWS + 1]


@lru_cache(4_096)
def _sort(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return char
