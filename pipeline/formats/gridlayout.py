"""Where the table stands on a grid of cells, found out from its first rows.

Which rows are titles above it, which ones hold the names of its columns, and how wide it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, UnclearLayout
from pipeline.formats.gridparts import GridRow, Merge
from pipeline.formats.headerlines import named_by_place
from pipeline.messages import Limits

_MOST_UNNAMED = 0.5
_NAMED_SHARE = 0.75
_TITLE_ROWS = 10
_WIDE = 4
_DATA_LIKE = re.compile(
    r"[\s<>≤≥=~+-]*\d[\d.,:/'\s%-]*(?:[eE][+-]?\d+)?(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLayout:
    """Where the table is. header_rows: their numbers, none without a header.

    first: the table's first column. above: how many rows with text stand above it.
    """

    header: tuple[str, ...]
    header_rows: tuple[int, ...]
    first: int
    data_row: int
    above: int
    notes: tuple[str, ...]


def decide_grid(
    rows: Sequence[GridRow], merges: Sequence[Merge], told: ReadAs, limits: Limits
) -> GridLayout:
    """Find the table among the first rows of a grid.

    Raises:
        ContentError: EMPTY, HEADER_MISSING or LIMIT_EXCEEDED.
    """
    filled = [row for row in rows if row.filled]
    if not filled:
        raise ContentError(FileCode.EMPTY, "there are no cells")
    names_at = _header_place(filled, merges, told)
    body = filled[names_at + 1 :] if names_at is not None else filled
    header_row = filled[names_at] if names_at is not None else None
    tops, header_row, body = _groups(header_row, body, filled, names_at, merges, told)
    columns = _columns([*tops, header_row] if header_row else [], body or filled)
    if len(columns) > limits.max_columns:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"the table has {len(columns)} columns; {limits.max_columns} are allowed",
        )
    if header_row is None:
        names = named_by_place(len(columns), told.names)
        first_row = min(
            (row.number for row in filled if row.number not in told.comment_rows), default=1
        )
        return GridLayout(
            header=names,
            header_rows=(),
            first=columns[0],
            data_row=first_row,
            above=0,
            notes=("the mapping says: there is no header",),
        )
    if not body:
        raise ContentError(FileCode.EMPTY, "the table has a header and no rows")
    lines = [_spread(row, merges, columns) for row in tops] + [
        [header_row.cells.get(at, "") for at in columns]
    ]
    header = tuple(_joined(parts, told.header_join) for parts in zip(*lines, strict=True))
    above = sum(1 for row in filled if row.number < (tops[0] if tops else header_row).number)
    return GridLayout(
        header=header,
        header_rows=(*(row.number for row in tops), header_row.number),
        first=columns[0],
        data_row=header_row.number + 1,
        above=above,
        notes=tuple(_notes(header, above, len(tops))),
    )


def _header_place(filled: Sequence[GridRow], merges: Sequence[Merge], told: ReadAs) -> int | None:
    """Index of the last row of names; None when a person said that there is none."""
    if not told.header:
        return None
    if told.header_rows:
        for at, row in enumerate(filled):
            if row.number == told.header_rows[-1]:
                return at
        raise ContentError(FileCode.EMPTY, "the row that holds the names is not there")
    at = _fuller(_first_wide(filled), filled)
    return at - 1 if _are_merged_names(at - 1, filled, merges) else _if_names(at, filled)


def _are_merged_names(at: int, filled: Sequence[GridRow], merges: Sequence[Merge]) -> bool:
    """Whether a row has fewer names than the data below it has cells, as some are merged."""
    if at < 0 or filled[at].number + 1 != filled[at + 1].number:
        return False
    row, below = filled[at], filled[at + 1]
    texts = [row.cells[column].strip() for column in row.filled]
    spans = {one.first_column: one for one in merges if one.first_row == row.number}
    wide = [one for column, one in spans.items() if column in row.filled]
    covered = len(texts) + sum(one.last_column - one.first_column for one in wide)
    data_like = [at for at in below.filled if _DATA_LIKE.fullmatch(below.cells[at].strip())]
    return (
        1 < len(texts) < covered
        and covered >= len(below.filled) * _NAMED_SHARE
        and not any(map(_DATA_LIKE.fullmatch, texts))
        and len(data_like) * 2 > len(below.filled)
    )


def _first_wide(filled: Sequence[GridRow]) -> int:
    """The first row that is about as wide as rows usually are: titles above it are narrower."""
    widths = sorted(len(row.filled) for row in filled)
    usual = widths[len(widths) // 2]
    for share in (_NAMED_SHARE, 0.5):
        for at, row in enumerate(filled):
            if len(row.filled) >= usual * share and (len(row.filled) > 1 or usual == 1):
                return at
    return 0


def _fuller(at: int, filled: Sequence[GridRow]) -> int:
    """A row of names soon below that is at least twice as wide: its columns are sparsely filled."""
    wanted = 2 * len(filled[at].filled)
    for below in range(at + 1, min(at + _TITLE_ROWS, len(filled))):
        texts = [filled[below].cells[column].strip() for column in filled[below].filled]
        is_names = len(set(texts)) == len(texts) and not any(map(_DATA_LIKE.fullmatch, texts))
        if len(texts) >= max(wanted, _WIDE) and is_names:
            return below
    return at


def _if_names(at: int, filled: Sequence[GridRow]) -> int:
    row = filled[at]
    texts = [row.cells[column].strip() for column in row.filled]
    data_like = [text for text in texts if _DATA_LIKE.fullmatch(text)]
    if len(data_like) * 2 > len(texts) and len(filled) > at + 1:
        below = filled[at + 1]
        same = [
            column
            for column in row.filled
            if _DATA_LIKE.fullmatch(row.cells[column].strip())
            and _DATA_LIKE.fullmatch(below.cells.get(column, "").strip())
        ]
        if len(same) * 2 > len(texts):
            raise UnclearLayout(
                FileCode.HEADER_MISSING,
                f"row {row.number} looks like data, not like column names",
                key="header",
                guess=ReadAs(header=False),
                answers={
                    "none": "the file has no header: every row is data",
                    str(row.number): f"row {row.number} holds the column names",
                },
            )
    return at


def _groups(
    header_row: GridRow | None,
    body: list[GridRow],
    filled: Sequence[GridRow],
    names_at: int | None,
    merges: Sequence[Merge],
    told: ReadAs,
) -> tuple[list[GridRow], GridRow | None, list[GridRow]]:
    """Rows of names above the last one: merged groups, or those a person named."""
    if header_row is None or names_at is None:
        return [], None, body
    if told.header_rows:
        wanted = set(told.header_rows[:-1])
        return [row for row in filled if row.number in wanted], header_row, body
    is_group = any(
        one.first_row == one.last_row == header_row.number and one.last_column > one.first_column
        for one in merges
    )
    if is_group and body and body[0].number == header_row.number + 1:
        below = body[0]
        texts = [below.cells[at].strip() for at in below.filled]
        if texts and not any(_DATA_LIKE.fullmatch(text) for text in texts):
            return [header_row], below, body[1:]
    above = filled[names_at - 1] if names_at else None
    if above is not None and _names_groups(above, header_row, body, merges):
        return [above], header_row, body
    return [], header_row, body


def _names_groups(
    above: GridRow, names: GridRow, body: Sequence[GridRow], merges: Sequence[Merge]
) -> bool:
    """Whether a row right above the names has names too: of groups, and of columns without one.

    A title has none, stands over no column that has data and no name, and often beside the table.
    """
    at = above.number
    texts = [above.cells[column].strip() for column in above.filled]
    if at + 1 != names.number or len(texts) < 2 or any(map(_DATA_LIKE.fullmatch, texts)):
        return False
    of_row = [one for one in merges if one.first_row == at]
    groups = [one for one in of_row if one.last_row == at and one.last_column > one.first_column]
    counts = Counter(column for row in body for column in row.filled)
    with_data = {column for column, count in counts.items() if count * 2 >= len(body)}
    if not groups or not set(above.filled) <= with_data | set(names.filled):
        return False
    reaching = {one.first_column for one in of_row if one.last_row == at + 1}
    of_groups = {at for one in groups for at in range(one.first_column, one.last_column + 1)}
    alone = set(above.filled) - set(names.filled) - of_groups
    return bool(alone & with_data or reaching & set(above.filled))


def _columns(header: Sequence[GridRow], rows: Sequence[GridRow]) -> list[int]:
    """The columns of the table, without gap. header: rows of names."""
    named = sorted({at for row in header for at in row.filled})
    first = min([*named, *(row.filled[0] for row in rows)])
    if named:
        first = named[0] if first < named[0] and _is_rare(first, named[0], rows) else first
    last = max([*named, *(row.filled[-1] for row in rows)]) if not named else named[-1]
    if named:
        beyond = [row for row in rows if row.filled[-1] > last]
        if len(beyond) > len(rows) * _MOST_UNNAMED:
            last = max(row.filled[-1] for row in beyond)
    return list(range(first, last + 1))


def _is_rare(first: int, named: int, rows: Sequence[GridRow]) -> bool:
    before = sum(1 for row in rows if row.filled[0] < named)
    return before <= len(rows) * _MOST_UNNAMED


def _spread(row: GridRow, merges: Sequence[Merge], columns: Sequence[int]) -> list[str]:
    """A row of group names, each over all columns of its group."""
    texts = {at: row.cells.get(at, "") for at in columns}
    for one in merges:
        if one.first_row <= row.number <= one.last_row and one.last_column > one.first_column:
            for at in range(one.first_column, one.last_column + 1):
                if at in texts:
                    texts[at] = row.cells.get(one.first_column, "")
    return [texts[at] for at in columns]


def _joined(parts: Sequence[str], joint: str) -> str:
    names = [part for part in parts if part.strip()]
    return joint.join(dict.fromkeys(names)) if len(names) > 1 else names[0] if names else ""


def _notes(header: Sequence[str], above: int, groups: int) -> Iterator[str]:
    if above:
        rows = "1 row stands" if above == 1 else f"{above} rows stand"
        yield f"{rows} above the column names and no part of the table"
    if groups:
        yield "the column names stand in several rows and were joined"
    unnamed = [str(at) for at, label in enumerate(header, 1) if not label.strip()]
    if unnamed:
        yield f"columns without a name, at position {', '.join(unnamed)}"
