"""Pairs of rows that may be the same thing, listed for people. Nothing is merged because of them.

Only rows that agree in the fields of `block` are compared. A date agrees with itself written day
for month too (1980-03-04 and 1980-04-03), because that is how one person becomes two. Then every
field of `similar` must be as alike as the contract asks; a field that one of the two rows leaves
empty says nothing, but at least one must have been compared.

The work is bounded: a block of many rows (everybody born on 1900-01-01) is not compared, and after
so many pairs the rest is left out. Both are counted and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import DuplicateReview
from pipeline.messages import OutputFile
from pipeline.outputs.files import HashingFile, csv_line
from pipeline.plain import as_dict
from pipeline.rows.dedupe import Batches
from pipeline.rows.hashlog import HashLog
from pipeline.rows.keyfilter import matching_form
from pipeline.rows.likeness import similarity
from pipeline.rows.likeness_bound import LetterCounts
from pipeline.rows.rowhash import hash_rows
from pipeline.standardize.wholetexts import FEW

FILE_NAME = "possible-duplicates.csv"
HEADER = (
    "record_1", "line_1", "record_2", "line_2", "agree_in", "compared", "least_similarity",
)  # fmt: skip

MOST_ROWS_IN_A_BLOCK = 200
MOST_PAIRS_COMPARED = 250_000
MOST_PAIRS_LISTED = 10_000

_Mask = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.int64]
_NOWHERE: _Places = np.empty(0, dtype=np.int64)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was compared, and what was not.

    listed: pairs in the file; not_listed: further ones, beyond the most a file lists.
    large_blocks, rows_in_large_blocks: blocks with too many rows to compare.
    blocks_left_out: blocks that were not reached before the most pairs were compared.
    """

    blocks: int = 0
    pairs_compared: int = 0
    listed: int = 0
    not_listed: int = 0
    large_blocks: int = 0
    rows_in_large_blocks: int = 0
    blocks_left_out: int = 0

    def to_dict(self) -> dict[str, int]:
        """For the report."""
        return as_dict(self)


class _Row(NamedTuple):
    """A row in a block of several. dates: the block's dates as they are."""

    record: int
    line: int
    block: tuple[Any, ...]
    dates: tuple[Any, ...]
    texts: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rows, by record and line; `similar` has a number for each field compared."""

    rows: tuple[tuple[int, int], tuple[int, int]]
    agree_in: tuple[str, ...]
    similar: Mapping[str, float]

    @property
    def least(self) -> float:
        """The similarity of the field that differs most."""
        return min(self.similar.values())


class PairSearch:
    """Looks for pairs among the rows that are delivered."""

    def __init__(
        self, rules: DuplicateReview, record: str, line: str, folder: Path | None = None
    ) -> None:
        """`folder` takes what is too much for memory."""
        self._rules = rules
        self._folder = folder
        self._record, self._line = record, line
        self.tally = Tally()

    @property
    def columns(self) -> list[str]:
        """The columns that are looked at."""
        return [
            *dict.fromkeys((*self._rules.block, *self._rules.similar, self._record, self._line))
        ]

    def find(self, batches: Batches, kept: _Mask) -> list[Pair]:
        """The pairs, the most alike first. `kept`: which rows, by position, are delivered."""
        wanted = self._wanted(batches, kept)
        if not len(wanted):
            return []
        found = list(self._compared(list(self._rows(batches, wanted))))
        found.sort(key=lambda pair: (-round(pair.least, 6), pair.rows))
        self.tally.listed = min(len(found), MOST_PAIRS_LISTED)
        self.tally.not_listed = len(found) - self.tally.listed
        return found[:MOST_PAIRS_LISTED]

    def _wanted(self, batches: Batches, kept: _Mask) -> npt.NDArray[np.int64]:
        """Positions of rows in blocks of several that are small enough, ascending."""
        if len(kept) <= FEW and self._are_alone(batches, kept):
            return _NOWHERE
        with closing(self._hashed(batches, kept)) as log:
            return self._reached(log)

    def _are_alone(self, batches: Batches, kept: _Mask) -> bool:
        """True when no two of a few rows are in one block."""
        blocks: list[tuple[Any, ...]] = []
        for batch in batches():
            columns = [batch.column(name) for name in self._rules.block]
            if not all(isinstance(one, (pa.StringArray, pa.Date32Array)) for one in columns):
                return False
            blocks += zip(*map(_block_forms, columns), strict=True)
        usable = [
            block for block, is_kept in zip(blocks, kept.tolist(), strict=True)
            if is_kept and None not in block
        ]  # fmt: skip
        return len(set(usable)) == len(usable)

    def _reached(self, log: HashLog) -> npt.NDArray[np.int64]:
        """Positions of the rows of those blocks that are compared."""
        firsts, hashes, sizes = [_NOWHERE], [np.empty(0, dtype=np.uint64)], [_NOWHERE]
        several = 0
        for positions, hashed in log.parts():
            found, first, size = np.unique(hashed, return_index=True, return_counts=True)
            large = size > MOST_ROWS_IN_A_BLOCK
            self.tally.large_blocks += int(large.sum())
            self.tally.rows_in_large_blocks += int(size[large].sum())
            small = np.flatnonzero((size > 1) & ~large)
            several += len(small)
            # every block has a pair: of all parts, no more blocks than pairs can be reached
            soonest = small[np.argsort(first[small])][: MOST_PAIRS_COMPARED + 1]
            firsts.append(positions[first[soonest]])
            hashes.append(found[soonest])
            sizes.append(size[soonest])
        order = np.argsort(np.concatenate(firsts))
        size = np.concatenate(sizes)[order]
        reached = np.cumsum(size * (size - 1) // 2) <= MOST_PAIRS_COMPARED
        self.tally.blocks = int(reached.sum())
        self.tally.blocks_left_out = several - self.tally.blocks
        return log.places_of(np.sort(np.concatenate(hashes)[order][reached]))

    def _hashed(self, batches: Batches, kept: _Mask) -> HashLog:
        log = HashLog(self._folder)
        start = 0
        for batch in batches():
            columns = [_block_form(batch.column(name)) for name in self._rules.block]
            usable = kept[start : start + batch.num_rows].copy()
            for column in columns:
                usable &= column.is_valid().to_numpy(zero_copy_only=False)
            log.add(hash_rows(columns, batch.num_rows), usable)
            start += batch.num_rows
        return log

    def _rows(self, batches: Batches, wanted: npt.NDArray[np.int64]) -> Iterator[_Row]:
        start = 0
        for batch in batches():
            low, high = np.searchsorted(wanted, (start, start + batch.num_rows))
            if low < high:
                yield from self._rows_of(batch.take(pa.array(wanted[low:high] - start)))
            start += batch.num_rows

    def _rows_of(self, batch: pa.RecordBatch) -> Iterator[_Row]:
        blocks = [batch.column(name) for name in self._rules.block]
        texts = [_compared_form(batch.column(name)).to_pylist() for name in self._rules.similar]
        yield from (
            _Row(record, line, block, dates, words)
            for record, line, block, dates, words in zip(
                batch.column(self._record).to_pylist(),
                batch.column(self._line).to_pylist(),
                zip(*(_block_form(column).to_pylist() for column in blocks), strict=True),
                zip(*(column.to_pylist() for column in blocks), strict=True),
                zip(*texts, strict=True),
                strict=True,
            )
        )

    def _compared(self, rows: Sequence[_Row]) -> Iterator[Pair]:
        """All pairs within a block; only those that may be alike are looked at closely."""
        ones, others = _pairs_in_blocks([row.block for row in rows])
        records = np.array([row.record for row in rows], dtype=np.int64)
        differ = records[ones] != records[others]
        ones, others = ones[differ], others[differ]
        self.tally.pairs_compared += len(ones)
        may = np.ones(len(ones), dtype=bool)
        for place, least in enumerate(self._rules.similar.values()):
            may &= _may_be_alike([row.texts[place] for row in rows], ones, others, least)
        for one, other in zip(ones[may].tolist(), others[may].tolist(), strict=True):
            alike = self._alike(rows[one].texts, rows[other].texts)
            if alike:
                yield Pair(
                    rows=(
                        (rows[one].record, rows[one].line),
                        (rows[other].record, rows[other].line),
                    ),
                    agree_in=tuple(self._agreements(rows[one], rows[other])),
                    similar=alike,
                )

    def _alike(
        self, one: Sequence[str | None], other: Sequence[str | None]
    ) -> dict[str, float] | None:
        alike: dict[str, float] = {}
        for (name, least), mine, theirs in zip(
            self._rules.similar.items(), one, other, strict=True
        ):
            if mine is None or theirs is None:
                continue
            alike[name] = similarity(mine, theirs)
            if alike[name] < least:
                return None
        return alike

    def _agreements(self, one: _Row, other: _Row) -> Iterator[str]:
        for name, mine, theirs in zip(self._rules.block, one.dates, other.dates, strict=True):
            is_swapped = hasattr(mine, "month") and mine != theirs
            yield f"{name} (day and month swapped)" if is_swapped else name


def _pairs_in_blocks(blocks: Sequence[tuple[Any, ...]]) -> tuple[_Places, _Places]:
    """Places of every two rows of one block."""
    members: dict[tuple[Any, ...], list[int]] = {}
    for place, block in enumerate(blocks):
        members.setdefault(block, []).append(place)
    ones, others = [_NOWHERE], [_NOWHERE]
    for several in members.values():
        places = np.array(several, dtype=np.int64)
        one, other = np.triu_indices(len(places), 1)
        ones.append(places[one])
        others.append(places[other])
    return np.concatenate(ones), np.concatenate(others)


def _may_be_alike(
    texts: Sequence[str | None], ones: _Places, others: _Places, least: float
) -> _Mask:
    """Which pairs of texts may be alike enough. A text that is missing says nothing against it."""
    is_known = np.array([text is not None for text in texts], dtype=bool)
    counts = LetterCounts([text or "" for text in texts])
    is_alike = counts.most_alike(ones, others) >= least
    may: _Mask = is_alike | ~is_known[ones] | ~is_known[others]
    return may


def write_pairs(path: Path, pairs: Sequence[Pair]) -> OutputFile:
    """Write the list. It holds positions, names of fields and numbers, and no value."""
    with HashingFile(path) as file:
        file.write(csv_line(HEADER))
        for pair in pairs:
            (record_1, line_1), (record_2, line_2) = pair.rows
            compared = "; ".join(f"{name} {share:.2f}" for name, share in pair.similar.items())
            agree = "; ".join(pair.agree_in)
            cells = (record_1, line_1, record_2, line_2, agree, compared, f"{pair.least:.2f}")
            file.write(csv_line(cells))
        return file.finish()


def _block_form(column: pa.Array) -> pa.Array:
    """Values that count as one in a block are equal in this form."""
    if pa.types.is_string(column.type):
        return matching_form(column)
    if not pa.types.is_date32(column.type):
        return column
    days, months = pc.day(column), pc.month(column)
    can_swap = pc.less_equal(days, 12)
    low = pc.if_else(can_swap, pc.min_element_wise(days, months), months)
    high = pc.if_else(can_swap, pc.max_element_wise(days, months), days)
    years = pc.multiply(pc.year(column), 10_000)
    return pc.add(years, pc.add(pc.multiply(low, 100), high))


def _block_forms(column: pa.Array) -> list[Any]:
    """The same, of a few values, as Python has them."""
    if isinstance(column, pa.Date32Array):
        with suppress(OverflowError, ValueError):  # years that only Arrow knows
            return [_either_way(day) for day in column.to_pylist()]
    forms: list[Any] = _block_form(column).to_pylist()
    return forms


def _either_way(day: date | None) -> int | None:
    """A date as a number that is the same with day and month swapped, where they can be."""
    if day is None:
        return None
    low, high = sorted((day.day, day.month)) if day.day <= 12 else (day.month, day.day)
    return day.year * 10_000 + low * 100 + high


def _compared_form(column: pa.Array) -> pa.StringArray:
    return matching_form(column if pa.types.is_string(column.type) else column.cast(pa.string()))
