"""Rows that do not have the table's shape, read in the likeliest way, or left as they stand."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.formats.raw.align import Aligner, Alignment
from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer, Lines, RawRecord
from pipeline.formats.raw.quoteways import Quoted, Way, parted, ways

_OTHER_DELIMITER = 3.0
_OTHER_MERGE = 0.5
_LEAD = 1.0
_MOVED = 3.0
_AS_CHEAP = 0.5  # repairs that cost about as much are compared, however well the first one fits
_SLACK, _SLACK_COLUMN = 7.0, 0.5
_SLACK_BROKEN = 60.0
_ROUNDING = 1e-6
_MOST_TRIED = 10
_MOST_WORK = 1_500_000  # states are looked at for the damaged rows of one table
_JUDGED = 100
_OTHER_QUOTE = 0.5
_WHOLE = 1.5  # what one cell for each column speaks for a reading
_QUOTES = "'`\""
_OTHERS = (";", ",", "\t", "|", " ")
_BLANK = 0.5  # blanks part words too


@dataclass(frozen=True, slots=True)
class Mended:
    """A row as it was read.

    changed: it was more than filled up at its end. given_up: it was not looked at closely.
    """

    cells: list[str]
    changed: bool
    given_up: bool = False


class Mender:
    """Reads the damaged rows of one table; `rows` are good ones."""

    def __init__(self, dialect: RawDialect, rows: Sequence[Sequence[str]], width: int) -> None:
        self._dialect = dialect
        self._lexer = Lexer(dialect)
        self.width = width
        self._rows = rows
        self.can_align = len(rows) >= 2

    @cached_property
    def models(self) -> list[ColumnModel]:
        """What the columns hold; learned when the first damaged row is met."""
        return models_of(self._rows, self.width)

    @cached_property
    def _aligner(self) -> Aligner:
        return Aligner(self.models)

    @cached_property
    def _low(self) -> float:
        """How well the least likely of the good rows fit."""
        judged = self._rows[:: len(self._rows) // _JUDGED + 1]
        columns = [
            model.fits(column)
            for model, column in zip(self.models, zip(*judged, strict=True), strict=True)
        ]
        fits = sorted(map(sum, zip(*columns, strict=True)))
        return fits[len(fits) // 20] if fits else 0.0

    def doubts(self, record: RawRecord) -> bool:
        """True when a row of the right width is less likely than nearly all others."""
        return self.can_align and self._aligner.plain(record.cells) < self._low

    def unquoted(self, cells: Sequence[str]) -> list[str] | None:
        """A row of the right width without another quote character around its cells, if there is.

        It stands around two cells at least, and around nearly none of the other rows' cells.
        """
        for quote in _QUOTES:
            wrapped = [
                at
                for at, cell in enumerate(cells)
                if len(cell) > 1
                and cell[0] == cell[-1] == quote
                and quote not in cell[1:-1].replace(quote * 2, "")
                and 20 * self.models[at].heads[quote] <= self.models[at].filled + 19
            ]
            if len(wrapped) > 1 and 2 * len(wrapped) >= sum(bool(cell) for cell in cells):
                return [
                    cell[1:-1].replace(quote * 2, quote) if at in wrapped else cell
                    for at, cell in enumerate(cells)
                ]
        return None

    def mend(self, record: RawRecord, lines: Lines) -> Mended:
        """Read one record that is broken or not as wide as the table."""
        if self.can_align and self._aligner.work > _MOST_WORK:
            return Mended(record.cells, changed=False, given_up=True)
        last = record.line + record.lines - 1
        text = lines.joined(record.line, last)
        tried: list[tuple[float, list[str], str, float]] = []
        if not record.broken:
            tried.append((0.0, record.cells, self._dialect.delimiter or "", 2.2))
        short = not record.broken and len(record.cells) < self.width
        tried += [
            (price - _WHOLE if short and len(cells) == self.width else price, cells, joiner, merge)
            for price, cells, joiner, merge in self._ways(text, self._dialect, 0.0)
        ]
        if short:
            found = parted(text, self._dialect, self.width)
            tried += [(price - _WHOLE, cells, "", 2.2) for price, cells in found]
        for quote in _QUOTES:
            if quote != self._dialect.quote and quote in text and _at_edge(text, quote):
                dialect = replace(self._dialect, quote=quote)
                tried += self._ways(text, dialect, _OTHER_QUOTE)
        if self.can_align and len(record.cells) < self.width:
            for other in _OTHERS:
                if other != self._dialect.delimiter and other in text:
                    dialect = replace(self._dialect, delimiter=other, skip_space=False)
                    tried += self._exact(self._ways(text, dialect, _OTHER_DELIMITER), record)
        if not tried:
            return Mended(record.cells, changed=False)
        return self._best(record, tried)

    def _best(
        self, record: RawRecord, tried: Sequence[tuple[float, list[str], str, float]]
    ) -> Mended:
        if not self.can_align and not record.broken:
            return Mended(record.cells, changed=False)
        if not self.can_align:
            near = min(tried, key=lambda one: (abs(len(one[1]) - self.width), one[0]))
            return Mended(near[1], changed=True)
        least = self._least(record)
        best, cells = min(least, self._low) - _ROUNDING, None
        likely = sorted(_distinct(tried), key=lambda one: (len(one[1]) != self.width, one[0]))
        paid = 0.0
        for price, found, joiner, merge in likely:
            if best >= self._low and price > paid + _AS_CHEAP:
                break  # as likely as the good rows are
            made = self._laid(found, joiner, merge, best + price)
            if made is not None and made.fit - price > best:
                best, cells, paid = made.fit - price, made.cells, price
        if cells is None or best < least:
            return Mended(record.cells, changed=record.broken)
        return Mended(cells, changed=True)

    def _least(self, record: RawRecord) -> float:
        """How well a reading must fit to be believed in."""
        if record.broken:
            return self._low - _SLACK_BROKEN
        plain = self._aligner.plain(record.cells)
        lead = 0.0 if self._is_torn(record.cells) else _LEAD
        return max(plain + lead, self._low - _SLACK - _SLACK_COLUMN * self.width)

    def _is_torn(self, cells: Sequence[str]) -> bool:
        """True when a quote opens in the middle of one cell and closes in that of another."""
        quote = self._dialect.quote
        return quote is not None and sum(cell.count(quote) % 2 for cell in cells) > 1

    def _laid(
        self, cells: Sequence[str], joiner: str, merge: float, least: float
    ) -> Alignment | None:
        """The cells over the columns; one for each stays where it is, unless much speaks for it.

        None when they fit less well than `least`.
        """
        made = self._aligner.align(cells, joiner, merge, least)
        if made is not None and made.changed and len(cells) == self.width:
            plain = self._aligner.plain(cells)
            if made.fit < plain + _MOVED:
                return Alignment(list(cells), plain, changed=False)
        return made

    def _exact(
        self, tried: list[tuple[float, list[str], str, float]], record: RawRecord
    ) -> list[tuple[float, list[str], str, float]]:
        """Ways by another separator: no repair is likelier than one cell for each column."""
        if len(record.cells) > 1:
            return tried
        exact = [one for one in tried if len(one[1]) == self.width]
        plain = [
            (price - _OTHER_DELIMITER, cells, joiner, 2.2) for price, cells, joiner, _ in exact
        ]
        return plain + tried

    def _gap(self, cells: Sequence[str], price: float) -> int:
        """How many cells are amiss; pieces of another separator may be too many."""
        missing = self.width - len(cells)
        return max(0, missing) if price else abs(missing)

    def _ways(
        self, text: str, dialect: RawDialect, price: float
    ) -> list[tuple[float, list[str], str, float]]:
        """Ways to read the line, those nearest to the table's width first."""
        quote, delimiter = dialect.quote, dialect.delimiter or ""
        merge = 2.2 if price == 0 else _OTHER_MERGE
        if quote is None or quote not in text:
            found: list[Way] = [(0.0, Lexer(dialect).split(text))]
        else:
            found = ways(text, dialect)
        found = sorted(found, key=lambda way: (self._gap(way[1], price), way[0]))[:_MOST_TRIED]
        return [(price + extra, cells, delimiter, merge) for extra, cells in found]


def _at_edge(text: str, quote: str) -> bool:
    return text.lstrip().startswith(quote) or re.search(rf"[,;|\t ]{quote}", text) is not None


def _distinct(
    tried: Sequence[tuple[float, list[str], str, float]],
) -> Iterator[tuple[float, list[str], str, float]]:
    """Each way once: laid over the columns again for more, the same cells fit no better.

    Nor do they where some of them stood in quotes and are for that reason not merged as cheaply.
    """
    prices: dict[tuple[Hashable, ...], float] = {}
    for one in tried:
        price, cells, joiner, merge = one
        plain = (*cells, joiner, merge)
        key = (*plain, *map(type, cells))
        if price < min(prices.get(key, math.inf), prices.get(plain, math.inf)):
            prices[key] = price
            if not any(isinstance(cell, Quoted) for cell in cells):
                prices[plain] = price
            yield one
