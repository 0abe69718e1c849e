"""Which quotes pair up, told for a whole block of lines at once.

Within a record quotes alternate: one opens, the next closes (a doubled quote closes and opens
again). They are proper when every opening one stands behind a delimiter, a line end or its twin,
and every closing one before such a place. Proper quotes prove where the record ends; about all
others nothing is claimed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

LF, CR, _SPACE, QUOTE = 10, 13, 32, 34


@dataclass(frozen=True, slots=True)
class Pairing:
    """continues: for each line, whether it goes on a record that began on an earlier line.

    suspects: lines that nothing is proved about, ascending; none lies within such a record.
    """

    continues: npt.NDArray[np.bool_]
    suspects: Offsets


class QuotePairing:
    """Pairs the quotes of tables with `delimiter` (one byte) and `width` columns."""

    def __init__(self, delimiter: bytes, width: int, max_record_bytes: int) -> None:
        self._delimiter = delimiter[0]
        self._width = width
        self._max_record_bytes = max_record_bytes
        self._beside_quote = np.zeros(256, dtype=np.bool_)
        self._beside_quote[[delimiter[0], LF, CR, QUOTE]] = True
        self._before_opening = np.zeros(256, dtype=np.bool_)
        self._before_opening[[delimiter[0], LF, CR, _SPACE]] = True

    def pair(self, codes: Codes, starts: Offsets, quotes: Offsets) -> Pairing:
        """Pair the quotes at offsets `quotes` of the lines that begin at `starts`."""
        continues = np.zeros(len(starts) - 1, dtype=np.bool_)
        if len(quotes) == 0:
            return Pairing(continues, quotes)
        first_quote = np.searchsorted(quotes, starts)
        is_odd = (np.diff(first_quote) & 1).astype(np.bool_)
        rank = np.arange(len(quotes))
        if is_odd.any():
            rank -= np.repeat(first_quote[:-1], np.diff(first_quote))
        improper = quotes[~self._proper(codes, quotes, rank)]
        suspects = np.union1d(_line_of(improper, starts), np.flatnonzero(is_odd))
        if len(suspects) == 0:
            return Pairing(continues, suspects)
        suspects = suspects[self._can_open(codes, starts, quotes)[suspects]]
        spans = self._spans(codes, starts, quotes, suspects, is_odd)
        return _without_spans(continues, suspects, spans)

    def _proper(self, codes: Codes, quotes: Offsets, rank: Offsets) -> npt.NDArray[np.bool_]:
        """Tell which quotes stand where their rank within the record, from 0, puts them."""
        neighbour = np.where(rank & 1 == 0, quotes - 1, quotes + 1)
        at_edge = (neighbour < 0) | (neighbour == len(codes))
        neighbour[at_edge] = 0
        proper: npt.NDArray[np.bool_] = self._beside_quote[codes[neighbour]] | at_edge
        return proper

    def _can_open(self, codes: Codes, starts: Offsets, quotes: Offsets) -> npt.NDArray[np.bool_]:
        """Lines with a quote that could open a cell; in all others quotes are text: 5" pipe."""
        before = quotes - 1
        opens = self._before_opening[codes[before]] | (before < 0)
        lines = np.zeros(len(starts) - 1, dtype=np.bool_)
        lines[_line_of(quotes[opens], starts)] = True
        return lines

    def _spans(
        self,
        codes: Codes,
        starts: Offsets,
        quotes: Offsets,
        suspects: Offsets,
        is_odd: npt.NDArray[np.bool_],
    ) -> Offsets:
        """First and last line of each record over several lines, up to the first one in doubt."""
        odd = np.flatnonzero(is_odd)
        spans = _span_lines(odd, np.isin(odd, suspects))
        # An even line outside them that is in doubt could go on into them.
        outside = suspects[~is_odd[suspects]]
        outside = outside[~_inside(outside, spans)]
        if len(outside):
            spans = spans[spans[:, 1] < outside[0]]
        if len(spans) == 0:
            return spans
        begin, end = starts[spans[:, 0]], starts[spans[:, 1] + 1]
        good = end - begin <= self._max_record_bytes
        first_quote = np.searchsorted(quotes, begin)
        at, span = _ranges(first_quote, np.searchsorted(quotes, end))
        rank = at - first_quote[span]
        good[span[~self._proper(codes, quotes[at], rank)]] = False
        good &= self._widths(codes, quotes, begin, end) == self._width
        return spans if good.all() else spans[: int(np.argmin(good))]

    def _widths(self, codes: Codes, quotes: Offsets, begin: Offsets, end: Offsets) -> Offsets:
        """How many cells the record [begin, end) has: delimiters outside quotes, plus one."""
        at, span = _ranges(begin, end)
        is_delimiter = codes[at] == self._delimiter
        at, span = at[is_delimiter], span[is_delimiter]
        inner_rank = np.searchsorted(quotes, at) - np.searchsorted(quotes, begin)[span]
        return np.bincount(span[inner_rank & 1 == 0], minlength=len(begin)) + 1


def _span_lines(odd: Offsets, can_open: npt.NDArray[np.bool_]) -> Offsets:
    """Pairs of lines with an odd number of quotes: one that can open a cell, and the next."""
    pairs: list[tuple[int, int]] = []
    opened: int | None = None
    for line, opens in zip(odd.tolist(), can_open.tolist(), strict=True):
        if opened is not None:
            pairs.append((opened, line))
            opened = None
        elif opens:
            opened = line
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _ranges(begin: Offsets, end: Offsets) -> tuple[Offsets, Offsets]:
    """Every number in one of the ranges [begin, end), which ascend, and in which one it lies."""
    lengths = end - begin
    span = np.repeat(np.arange(len(begin)), lengths)
    behind = np.cumsum(lengths)
    return np.arange(len(span)) + np.repeat(end - behind, lengths), span


def _inside(lines: Offsets, spans: Offsets) -> npt.NDArray[np.bool_]:
    if len(spans) == 0:
        return np.zeros(len(lines), dtype=np.bool_)
    span = np.searchsorted(spans[:, 0], lines, side="right") - 1
    inside: npt.NDArray[np.bool_] = (span >= 0) & (lines <= spans[span, 1])
    return inside


def _without_spans(continues: npt.NDArray[np.bool_], suspects: Offsets, spans: Offsets) -> Pairing:
    if len(spans) == 0:
        return Pairing(continues, suspects)
    steps = np.zeros(len(continues) + 1, dtype=np.int64)
    steps[spans[:, 0] + 1] += 1
    steps[spans[:, 1] + 1] -= 1
    continues = np.cumsum(steps)[:-1] > 0
    return Pairing(continues, suspects[suspects > spans[-1, 1]])


def _line_of(offsets: Offsets, starts: Offsets) -> Offsets:
    """The line that each offset lies in, repeats included."""
    return np.searchsorted(starts, offsets, side="right") - 1
