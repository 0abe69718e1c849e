"""How many records from the first one on name the columns: units, groups, several levels."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.heads import is_rule
from pipeline.formats.raw.records import Records
from pipeline.formats.raw.tableparts import (
    are_in_brackets,
    complete_each_other,
    count_filled,
    names_more,
)

_MOST = 4
_JUDGED = 200  # records below a line tell whether it is a header


def header_rows(records: Records, fits: Sequence[bool], first: int, last: int) -> int:
    """How many of the `records` that begin with `first`, a header line, are header lines.

    fits: which are as wide as the table, which ends with `last`.
    """
    levels = _levels(records, fits, first, last)
    if levels:
        return levels
    count = 1
    while count < _MOST and first + count < last and fits[first + count]:
        cells = records.cells[first + count]
        if [c.strip() for c in cells] == [c.strip() for c in records.cells[first]]:
            count += 1
            continue
        if count == 1 and is_rule(cells):
            break
        rows = _below(records, fits, first + count, last)
        groups = count == 1 and _names_groups(records.cells[first], cells, rows)
        if not rows or not (groups or _names_more(cells, rows)):
            break
        count += 1
    return count


def _names_more(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """As `names_more`; the columns are only learned where it can be."""
    may = could_be_names(cells) or are_in_brackets(cells)
    return may and names_more(cells, models_of(rows, len(cells)))


def _below(records: Records, fits: Sequence[bool], at: int, last: int) -> list[Sequence[str]]:
    """The cells of the records behind `at` that are as wide as the table."""
    return [records.cells[i] for i in range(at + 1, min(last, at + _JUDGED) + 1) if fits[i]]


def _names_groups(
    above: Sequence[str], cells: Sequence[str], rows: Sequence[Sequence[str]]
) -> bool:
    """True when `above` names groups of columns, and `cells` below it the columns."""
    width = len(cells)
    names = {cell.strip() for cell in cells}
    if complete_each_other(above, cells, rows):
        return True
    if not (above[0].strip() and 1 < count_filled(above) < width) or "" in names:
        return False
    if len(names) < width or not could_be_names(cells) or len(rows) < 2:
        return False
    verdict = judge(cells, models_of(rows[2:] if len(rows) > 4 else rows, width))
    return verdict.is_header and verdict.data == 0


def _levels(records: Records, fits: Sequence[bool], first: int, last: int) -> int:
    """How many lines name the columns level by level, as merged cells are written; 0 for others.

    `Payroll,,,` above `Junior,,Senior,` above `Count,Cost,Count,Cost`.
    """
    width = len(records.cells[first])
    if width < 3 or count_filled(records.cells[first]) == width:
        return 0
    for count in range(_MOST, 1, -1):
        behind = first + count
        if behind >= last or not all(fits[first:behind]):
            continue
        rows = _below(records, fits, behind - 1, last)
        levels = records.cells[first:behind]
        if len(rows) > 1 and _name_by_levels(levels, models_of(rows, width)):
            return count
    return 0


def _name_by_levels(levels: Sequence[Sequence[str]], models: Sequence[ColumnModel]) -> bool:
    """True when no level holds a value, each column of values has a name, and the last level names

    two of them at least that have none in the first.
    """
    if not all(map(could_be_names, levels)):
        return False
    late = 0
    for at, model in enumerate(models):
        if model.strong is None:
            continue
        names = [level[at].strip() for level in levels]
        if not any(names) or any(name and model.conforms(name) for name in names):
            return False
        late += bool(names[-1]) and not names[0]
    return late > 1
