"""Where a second table begins below the first one, among the records of a text."""

from __future__ import annotations

from collections.abc import Container, Sequence

from pipeline.formats.raw.columns import models_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.records import Records

_LEAST = 3  # records, their header one of them


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
    behind = first + 2  # of what was looked at
    for at in range(first + 2, last + 1):
        if (fits[at] and not gaps[at]) or at < behind:
            continue
        if not fits[at] and at not in broken:
            size = _block(records, broken, at, last)
            if size >= _LEAST and _is_table(records.cells[at : at + size]):
                return _with_titles(fits, first, at), at
            behind = at + max(1, size)
        elif gaps[at] and at + 1 <= last and _starts_anew(records, fits, first, at, last):
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


def _starts_anew(records: Records, fits: Sequence[bool], first: int, at: int, last: int) -> bool:
    """Tell whether a record behind a gap names other columns than the table has."""
    cells = records.cells[at]
    if cells == records.cells[first] or not fits[at] or not could_be_names(cells):
        return False
    above = [records.cells[i] for i in range(first + 1, at) if fits[i]]
    below = [records.cells[i] for i in range(at + 1, last + 1) if fits[i]]
    if len(above) < 2 or len(below) < 2:
        return False
    width = len(cells)
    old, new = judge(cells, models_of(above, width)), judge(cells, models_of(below, width))
    least = min(2.0, width / 2)
    return old.data == 0 and old.names >= least and new.is_header and new.names >= 1
