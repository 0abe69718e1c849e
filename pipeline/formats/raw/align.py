"""Cells of a damaged row laid over the columns of its table, in the likeliest way.

A row may have lost a separator (two values in one cell), have one too many (an empty cell, or a
value cut in two), or lack a value. What the columns hold elsewhere tells which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from pipeline.formats.raw.columns import ColumnModel
from pipeline.formats.raw.quoteways import Quoted

_MERGE, _DROP, _MISS, _SPLIT, _EXTRA = 2.2, 1.6, 2.0, 2.6, 2.8
_EXTRA_MORE = 1.2
_EXTRA_BEHIND_EMPTY = 6.5  # it stands in the wrong column rather than in none
_CLOSING = 0.2  # an empty cell behind the last column: a closing delimiter
_MERGE_QUOTED = 2.5
_PROSE, _TIGHT = 1.0, 0.6
_LONGEST_SPLIT, _LONG = 300, 20
_MOST_MERGED = 12
_RIVAL = 0.7  # places that are nearly as good
_ROUNDING = 1e-6
_WORK_ROW, _WORK_CUT = 40, 10  # states that take as long as a row to begin with, and as a cut
_GAPS = (3.0, 9.0, math.inf)  # how far below the most that can be the likeliest way is looked for

_Move = tuple[int, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Alignment:
    """A row laid over the columns. fit: logarithm of its likelihood, costs of repairs included."""

    cells: list[str]
    fit: float
    changed: bool


class Aligner:
    """Lays rows over the columns of one table."""

    def __init__(self, models: Sequence[ColumnModel]) -> None:
        self.models = models
        self.width = len(models)
        self._splits: dict[tuple[str, int], tuple[float, tuple[str, str]] | None] = {}
        self._last: _Row | None = None
        self.work = 0  # states looked at so far, and what takes as long as some

    @cached_property
    def fits(self) -> list[Callable[[str], float]]:
        """Of each column, how well a cell fits it."""
        return [model.fit for model in self.models]

    @cached_property
    def best(self) -> list[float]:
        """Of each column, how well a cell fits it at best."""
        return [model.best for model in self.models]

    @cached_property
    def before(self) -> list[float]:
        """How well the cells of all columns to the left of each, and of the end, fit at best."""
        return list(accumulate(self.best, initial=_ROUNDING))

    @cached_property
    def short(self) -> float:
        """The least price of a column more than there are cells, compared with its best cell."""
        pairs = zip(self.skipped, self.missing, self.best, strict=True)
        return max(-_SPLIT, *(max(skipped, missing) - best for skipped, missing, best in pairs))

    @cached_property
    def missing(self) -> list[float]:
        """Of each column, the price of a cell that is missing at the row's end."""
        return list(map(_missing, self.models))

    @cached_property
    def skipped(self) -> list[float]:
        """Of each column, the price of a cell that is missing within the row."""
        return [max(-3.5, model.fit("")) - _MISS for model in self.models]

    def plain(self, cells: Sequence[str]) -> float:
        """Fit of a row that is filled up, or overflows, at its end."""
        fit = sum([model.fit(cell) for model, cell in zip(self.models, cells, strict=False)])
        fit += sum(self.missing[len(cells) :])
        for at in range(self.width, len(cells)):
            fit -= _extra(cells, at, self.width)
        return fit

    def align(
        self, cells: Sequence[str], joiner: str, merge: float, least: float
    ) -> Alignment | None:
        """The likeliest way to lay `cells` over the columns; `joiner` stood between them.

        None when no way fits as well as `least`: what cannot come to that is not looked at.
        """
        least = max(least, self.plain(cells)) - _ROUNDING
        least = max(least, self._shifted(cells) - _ROUNDING)
        self.work += _WORK_ROW
        row = self._last = _Row(self, cells, joiner, merge, least, self._last)
        for gap in _GAPS:
            enough = max(least, row.most - gap)
            found = row.likeliest(enough)
            if found is not None:
                return found
            if enough == least:
                break
        return None

    def _shifted(self, cells: Sequence[str]) -> float:
        """Fit of the best way that leaves one place empty, or one blank cell out, at most.

        It is a way among others: the likeliest one fits no less.
        """
        count, width = len(cells), self.width
        if count == width - 1:
            behind = [fit(cell) for fit, cell in zip(self.fits[1:], cells, strict=True)]
            price = self.skipped
        elif count == width + 1:
            behind = [fit(cell) for fit, cell in zip(self.fits, cells[1:], strict=True)]
            price = [-math.inf if cell.strip() else -_DROP for cell in cells[:width]]
        else:
            return -math.inf
        best = -math.inf
        before, after = 0.0, sum(behind)
        for j in range(min(count, width)):
            best = max(best, before + price[j] + after)
            before += self.fits[j](cells[j])
            after -= behind[j]
        return best

    def halves(self, cell: str, j: int) -> tuple[float, tuple[str, str]] | None:
        """The best place to cut a cell that holds the values of columns `j` and `j` + 1."""
        key = cell, j
        if key not in self._splits:
            self._splits[key] = self._split(*key)
        return self._splits[key]

    def _split(self, cell: str, j: int) -> tuple[float, tuple[str, str]] | None:
        first, second = self.models[j], self.models[j + 1]
        if len(cell) > 3 * (first.length + second.length) + _LONG:
            return None
        cuts = [at for at in range(1, len(cell)) if cell[at - 1] != " " != cell[at]]
        if not cuts:
            return None
        self.work += _WORK_CUT * len(cuts)
        fits: list[float] = []
        best, at = -math.inf, 0
        for cut in cuts:
            fit = first.fit(cell[:cut])
            if fit + second.best < best - _RIVAL - _ROUNDING:
                continue  # whatever the other half is
            fit += second.fit(cell[cut:])
            fits.append(fit)
            if fit > best:
                best, at = fit, cut
        rivals = sum(fit > best - _RIVAL for fit in fits)
        return best - math.log(rivals), (cell[:at], cell[at:])


class _Row:
    """One row over the columns of a table: states are cells used up and columns filled.

    least: ways that fit less are of no use, and not looked at. most: what no way to lay it exceeds,
    unless that is less than `least`. It takes merged and cut cells to fit as well as any could;
    so does `_ahead`, which tells of each state what can come behind it at best.
    """

    def __init__(
        self,
        aligner: Aligner,
        cells: Sequence[str],
        joiner: str,
        merge: float,
        least: float,
        last: _Row | None,
    ) -> None:
        self._aligner, self._cells = aligner, cells
        self._joiner, self._merge = joiner, merge
        self._count, self._width = len(cells), aligner.width
        self._slack = slack = abs(self._count - self._width) + 2
        self._most = min(_MOST_MERGED, self._count - self._width + slack + 3)
        self._known_prices: dict[int, list[float]] = {}
        self._spaced = bool(joiner.strip()) and any(cell[:1] == " " for cell in cells)
        self._is_even = not self._spaced and Quoted not in map(type, cells)
        self._ahead = [[-math.inf] * (self._width + 2)] * (self._count + 2)
        self._least = least - self._gained()
        lacking = max(0, self._width - self._count)
        if aligner.before[-1] + lacking * aligner.short >= self._least:
            self._look_ahead(self._settled(last))
        else:
            self._least = math.inf
        self.most = self._ahead[0][0]

    def _band(self, i: int) -> range:
        """Of how many columns may be filled when `i` cells are used up."""
        return range(max(0, i - self._slack), min(self._width, i + self._slack) + 1)

    def _gained(self) -> float:
        """How much may be gained by merging cells, where that is no repair: words of prose."""
        if not self._spaced:
            return 0.0
        prices = map(self._prices, range(self._count))
        return sum([max(0.0, -min(found[2:], default=0.0)) for found in prices])

    def _settled(self, last: _Row | None) -> int:
        """The cell from which on all is settled as in the `last` row, which ends alike."""
        count = self._count
        if last is None or last._least > self._least or len(last._cells) != count:
            return count
        if (last._joiner, last._merge) != (self._joiner, self._merge):
            return count
        begin = count
        while begin and self._cells[begin - 1] == last._cells[begin - 1]:
            if type(self._cells[begin - 1]) is not type(last._cells[begin - 1]):
                break
            begin -= 1
        begin = min(begin + 1, count)  # the price of a cell may depend on the one before it
        self._ahead[begin:] = last._ahead[begin:]
        return begin

    def _look_ahead(self, settled: int) -> None:
        """Settle of each state what a move from it, and all behind that, may come to at best.

        settled: from that cell on all is known.
        """
        aligner, ahead, width, empty = self._aligner, self._ahead, self._width, self._ahead[0]
        best, fits, skipped = aligner.best, aligner.fits, aligner.skipped
        at_least = [self._least - before for before in aligner.before]
        if settled == self._count:
            ahead[settled] = last = list(empty)
            last[width] = 0.0
            for j in range(width - 1, self._band(settled)[0] - 1, -1):
                last[j] = aligner.missing[j] + last[j + 1]
        for i in range(settled - 1, -1, -1):
            if not any(map(empty.__ne__, ahead[i + 1 : i + 1 + self._most])):
                break  # nothing leads on from here
            here, below, cell = list(empty), ahead[i + 1], self._cells[i]
            aligner.work += len(self._band(i))
            prices, is_blank = self._prices(i), not cell.strip()
            left = self._count - i
            splits = width - left if len(cell) <= _LONGEST_SPLIT else 0
            for j in reversed(self._band(i)):
                if j == width:
                    here[j] = below[j] - _extra(self._cells, i, width)
                    continue
                most = skipped[j] + here[j + 1]
                if best[j] + below[j + 1] > (most if most > at_least[j] else at_least[j]):
                    found = fits[j](cell) + below[j + 1]
                    most = found if found > most else most
                if is_blank and below[j] - _DROP > most:
                    most = below[j] - _DROP
                for size in range(2, self._most_merged(left, j) + 1):
                    found = best[j] - prices[size] + ahead[i + size][j + 1]
                    most = found if found > most else most
                if j < splits and j + 1 < width:
                    found = best[j] + best[j + 1] - _SPLIT + below[j + 2]
                    most = found if found > most else most
                if most >= at_least[j]:
                    here[j] = most
            ahead[i] = here if here != empty else empty

    def likeliest(self, least: float) -> Alignment | None:
        """The likeliest way; None when it fits less than `least`."""
        best: dict[tuple[int, int], tuple[float, _Move | None]] = {(0, 0): (0.0, None)}
        ahead = self._ahead
        for i in range(self._count + 1):
            for j in self._band(i):
                here = best.get((i, j))
                if here is None or here[0] + ahead[i][j] < least:
                    continue
                for di, dj, made, gain in self._moves(i, j, least - here[0]):
                    key, total = (i + di, j + dj), here[0] + gain
                    if key not in best or total > best[key][0] + 1e-9:
                        best[key] = (total, (i, j, made))
        found = best.get((self._count, self._width))
        if found is None or found[0] < least:
            return None
        row = _walk(best, (self._count, self._width))
        return Alignment(row, found[0], changed=row != list(self._cells))

    def _moves(
        self, i: int, j: int, least: float
    ) -> Iterator[tuple[int, int, tuple[str, ...], float]]:
        """Moves from a state that may, with all behind them, come to `least`; and cheap ones."""
        cells, aligner, left = self._cells, self._aligner, self._count - i
        if j == self._width:
            if left:
                made = (cells[i],) if cells[i].strip() else ()
                yield 1, 0, made, -_extra(cells, i, self._width)
            return
        if not left:
            yield 0, 1, ("",), aligner.missing[j]
            return
        fit, best = aligner.fits[j], aligner.best[j]
        yield 0, 1, ("",), aligner.skipped[j]
        yield 1, 1, (cells[i],), fit(cells[i])
        if not cells[i].strip():
            yield 1, 0, (), -_DROP
        for size in range(2, self._most_merged(left, j) + 1):
            price = self._prices(i)[size]
            if best - price + self._ahead[i + size][j + 1] >= least:
                whole = self._joiner.join(cells[i : i + size])
                yield size, 1, (whole,), fit(whole) - price
        if left < self._width - j and j + 1 < self._width and len(cells[i]) <= _LONGEST_SPLIT:
            most = best + aligner.best[j + 1] - _SPLIT + self._ahead[i + 1][j + 2]
            halves = aligner.halves(cells[i], j) if most >= least else None
            if halves is not None:
                yield 1, 2, halves[1], halves[0] - _SPLIT

    def _most_merged(self, left: int, j: int) -> int:
        """Of how many cells, `left` of them at hand, one may be merged in column `j`."""
        most = left - self._width + j + 3
        most = left if left < most else most
        return most if most < _MOST_MERGED else _MOST_MERGED

    def _prices(self, i: int) -> list[float]:
        """Prices of merging cells from `i` on, by how many they are."""
        if self._is_even:  # as many cells cost the same everywhere
            i = 0
        if i not in self._known_prices:
            self._known_prices[i] = self._merged(i)
        return self._known_prices[i]

    def _merged(self, i: int) -> list[float]:
        is_mark = bool(self._joiner.strip())
        spaced = quoted = 0
        prices = [0.0]
        for size, cell in enumerate(self._cells[i : i + self._most], 1):
            price = self._merge * (1 + 0.15 * (size - 2))
            quoted += isinstance(cell, Quoted)
            if is_mark:  # a separator within prose has a space behind it
                spaced += size > 1 and cell[:1] == " "
                price += _TIGHT * (size - 1 - spaced) - _PROSE * spaced
            prices.append(price + _MERGE_QUOTED * quoted)
        return prices


def _missing(model: ColumnModel) -> float:
    """Price of a cell that is missing at the row's end, where rows are cut short."""
    return max(-1.0, model.fit("")) - _MISS


def _extra(cells: Sequence[str], at: int, width: int) -> float:
    """Price of a cell behind the last column; where one stands, more may follow."""
    if not cells[at].strip():
        return _CLOSING
    if not cells[at - 1].strip():
        return _EXTRA_BEHIND_EMPTY
    return _EXTRA if at <= width else _EXTRA_MORE


def _walk(
    best: dict[tuple[int, int], tuple[float, _Move | None]], end: tuple[int, int]
) -> list[str]:
    pieces: list[tuple[str, ...]] = []
    move = best[end][1]
    while move is not None:
        pieces.append(move[2])
        move = best[(move[0], move[1])][1]
    return [cell for piece in reversed(pieces) for cell in piece]
