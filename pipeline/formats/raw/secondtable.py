"""Where a second table begins below the first one, among the records of a text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Sequence

from pipeline.formats.raw.columns import models_of, some_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.records import Records

_LEAST = 3  # records, their header one of them
_MOST_LOOKS = 60  # at records behind gaps: that many parts are no tables of their own


def second_table(
    records: Records,
    fits: Sequence[bool],
    gaps: Sequence[bool],
    first: int,
    last: int,
) -> tuple[int, int] | None:
    """The records that its titles and that its header begin with; None when there is none.

    records, not blank ones; fits: which are as wide as the first table; gaps: above which a blank
    line stands; `first` to `last` is the first table, as far as is known.
    """
    broken = set(records.broken())
    places = [at for at, fit in enumerate(fits) if fit]
    behind, looks = first + 2, 0
    for at in range(first + 2, last + 1):
        if (fits[at] and not gaps[at]) or at < behind:
            continue
        if not fits[at] and at not in broken:
            size = _block(records, broken, at, last)
            if size >= _LEAST and _is_table(records.cells[at : at + size]):
                return _with_titles(fits, first, at), at
            behind = at + max(1, size)
        elif gaps[at] and at + 1 <= last and _may_start_anew(records, fits, first, at):
            looks += 1
            if looks > _MOST_LOOKS:
                return None
            if _starts_anew(records, places, at, first, last):
                return _with_titles(fits, first, at), at
    return None


def table_below(records: Records, fits: Sequence[bool], at: int) -> int | None:
    """The record in which a table of another width begins from `at` on."""
    last = len(records) - 1
    broken = set(records.broken())
    while at <= last:
        size = max(1, _block(records, broken, at, last))
        if size >= _LEAST and not fits[at] and _is_table(records.cells[at : at + size]):
            return at
        at += size
    return None


def _with_titles(fits: Sequence[bool], first: int, at: int) -> int:
    while at - 1 > first and not fits[at - 1]:
        at -= 1
    return at


def _block(records: Records, broken: Container[int], at: int, last: int) -> int:
    """How many records from `at` on have the same width, other than the table's."""
    widths, size = records.widths, 0
    while at + size <= last and widths[at + size] == widths[at] and at + size not in broken:
        size += 1
    return size


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    if len(rows[0]) < 2 or not could_be_names(rows[0]):
        return False
    verdict = judge(rows[0], models_of(rows[1:], len(rows[0])))
    return verdict.is_header and verdict.names >= 1


def _may_start_anew(records: Records, fits: Sequence[bool], first: int, at: int) -> bool:
    cells = records.cells[at]
    return cells != records.cells[first] and fits[at] and could_be_names(cells)


def _starts_anew(records: Records, places: Sequence[int], at: int, first: int, last: int) -> bool:
    """Tell whether a record behind a gap names other columns than the table has.

    places: the records as wide as the table.
    """
    here = bisect_left(places, at)
    above = places[bisect_right(places, first) : here]
    below = places[here + 1 : bisect_right(places, last)]
    if len(above) < 2 or len(below) < 2:
        return False
    cells = records.cells[at]
    old, new = (
        judge(cells, models_of([records.cells[i] for i in some_of(rows)], len(cells)))
        for rows in (above, below)
    )
    least = min(2.0, len(cells) / 2)
    return old.data == 0 and old.names >= least and new.is_header and new.names >= 1
