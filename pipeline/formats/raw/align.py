"""Cells of a damaged row laid over the columns of its table, in the likeliest way.

A row may have lost a separator (two values in one cell), have one too many (an empty cell, or a
value cut in two), or lack a value. What the columns hold elsewhere tells which.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
        self._models = models
        self.width = len(models)
        self._splits: dict[tuple[str, int], tuple[float, tuple[str, str]] | None] = {}

    def plain(self, cells: Sequence[str]) -> float:
        """Fit of a row that is filled up, or overflows, at its end."""
        fit = sum(model.fit(cell) for model, cell in zip(self._models, cells, strict=False))
        missing = self._models[len(cells) :]
        fit += sum(self._missing(model) for model in missing)
        for at in range(self.width, len(cells)):
            fit -= _extra(cells, at, self.width) if cells[at].strip() else _CLOSING
        return fit

    def align(self, cells: Sequence[str], joiner: str, merge: float = _MERGE) -> Alignment:
        """The likeliest way to lay `cells` over the columns; `joiner` stood between them."""
        count, width = len(cells), self.width
        slack = abs(count - width) + 2
        best: dict[tuple[int, int], tuple[float, _Move | None]] = {(0, 0): (0.0, None)}
        for i in range(count + 1):
            for j in range(max(0, i - slack), min(width, i + slack) + 1):
                here = best.get((i, j))
                if here is None:
                    continue
                for di, dj, made, gain in self._moves(cells, i, j, joiner, merge):
                    key, total = (i + di, j + dj), here[0] + gain
                    if key not in best or total > best[key][0] + 1e-9:
                        best[key] = (total, (i, j, made))
        found = best.get((count, width))
        if found is None:
            return Alignment(list(cells), self.plain(cells) - 50, changed=False)
        row = _walk(best, (count, width))
        return Alignment(row, found[0], changed=row != list(cells))

    def _moves(
        self, cells: Sequence[str], i: int, j: int, joiner: str, merge: float
    ) -> Iterator[tuple[int, int, tuple[str, ...], float]]:
        left = len(cells) - i
        if j == self.width:
            if left:
                gain = -_CLOSING
                if cells[i].strip():
                    gain = -_extra(cells, i, self.width)
                yield 1, 0, () if not cells[i].strip() else (cells[i],), gain
            return
        model = self._models[j]
        if not left:
            yield 0, 1, ("",), self._missing(model)
            return
        yield 0, 1, ("",), max(-3.5, model.fit("")) - _MISS
        yield 1, 1, (cells[i],), model.fit(cells[i])
        if not cells[i].strip():
            yield 1, 0, (), -_DROP
        for size in range(2, min(left, _MOST_MERGED, left - (self.width - j) + 3) + 1):
            whole = joiner.join(cells[i : i + size])
            price = merge * (1 + 0.15 * (size - 2))
            if joiner.strip():  # a separator within prose has a space behind it
                spaced = sum(cell[:1] == " " for cell in cells[i + 1 : i + size])
                price += _TIGHT * (size - 1 - spaced) - _PROSE * spaced
            price += _MERGE_QUOTED * sum(isinstance(cell, Quoted) for cell in cells[i : i + size])
            yield size, 1, (whole,), model.fit(whole) - price
        if left < self.width - j and len(cells[i]) <= _LONGEST_SPLIT and j + 1 < self.width:
            key = cells[i], j
            if key not in self._splits:
                self._splits[key] = self._split(*key)
            halves = self._splits[key]
            if halves is not None:
                yield 1, 2, halves[1], halves[0] - _SPLIT

    @staticmethod
    def _missing(model: ColumnModel) -> float:
        """Price of a cell that is missing at the row's end, where rows are cut short."""
        return max(-1.0, model.fit("")) - _MISS

    def _split(self, cell: str, j: int) -> tuple[float, tuple[str, str]] | None:
        """The best place to cut a cell that holds the values of two columns."""
        first, second = self._models[j], self._models[j + 1]
        if len(cell) > 3 * (first.length + second.length) + _LONG:
            return None
        cuts = [at for at in range(1, len(cell)) if cell[at - 1] != " " != cell[at]]
        if not cuts:
            return None
        fits = [first.fit(cell[:at]) + second.fit(cell[at:]) for at in cuts]
        best = max(fits)
        at = cuts[fits.index(best)]
        rivals = sum(fit > best - 0.7 for fit in fits)
        return best - math.log(rivals), (cell[:at], cell[at:])


def _extra(cells: Sequence[str], at: int, width: int) -> float:
    """Price of a cell behind the last column; where one stands, more may follow."""
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
