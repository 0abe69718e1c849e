"""Tables that stand on a grid of cells: sheets of a workbook, tables of a page.

Which rows are above the table, where its names stand and how wide it is, is found out from the
first rows; rows, positions and faults are then streamed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import (
    BadRecord,
    CellFault,
    ReadAs,
    TableName,
    TextBatch,
    UnclearLayout,
    tables_told,
    unread_told,
)
from pipeline.formats.headerlines import named_by_place
from pipeline.messages import Limits

_SAMPLED_ROWS = 200
_BATCH_CELLS = 200_000
_LOOKED_AT_SHEETS = 100
_MOST_UNNAMED = 0.5
_NAMED_SHARE = 0.75
_TITLE_ROWS = 10
_WIDE = 4
_DATA_LIKE = re.compile(
    r"[\s<>≤≥=~+-]*\d[\d.,:/'\s%-]*(?:[eE][+-]?\d+)?(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?\s*"
)


@dataclass(slots=True, kw_only=True)
class GridRow:
    """One row that has cells. number: 1 for the first. cells: text by column, 0 for the first.

    faults: what is wrong with cells, by column: code, sentence, and whether it refuses.
    """

    number: int
    cells: dict[int, str]
    faults: dict[int, tuple[RowCode, str, bool]] = field(default_factory=dict)

    @property
    def filled(self) -> list[int]:
        """Columns with text in them."""
        return sorted(at for at, text in self.cells.items() if text.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Cells that are one. Rows count from 1, columns from 0; both ends belong to it."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A grid of a file. about: what is told of it, such as "hidden"."""

    name: str
    about: str = ""
    is_hidden: bool = False


class Grids(Protocol):
    """A file of grids, opened."""

    kind: str

    @property
    def sheets(self) -> Sequence[Sheet]:
        """Its grids, in their order."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is told of the file as a whole."""
        ...

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows of a sheet that have cells, in order."""
        ...

    def merges(self, sheet: str) -> list[Merge]:
        """The merged cells of a sheet."""
        ...

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """How a cell, or a row, is called."""
        ...


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


class GridReader:
    """One table of a file of grids; see `TableReader`.

    Raises:
        ContentError: EMPTY, HEADER_MISSING, TABLE_UNCLEAR or LIMIT_EXCEEDED.
    """

    def __init__(self, grids: Grids, limits: Limits, read_as: ReadAs | None = None) -> None:
        self._grids, self._limits = grids, limits
        self._told = ReadAs() if read_as is None else read_as
        self._layouts: dict[str, GridLayout | ContentError] = {}
        self.tables = tuple(self._table(sheet) for sheet in grids.sheets[:_LOOKED_AT_SHEETS])
        self._sheet = self._chosen()
        layout = self._layouts[self._sheet]
        if isinstance(layout, ContentError):
            raise layout
        self._layout = layout
        self._fills = _fills(grids.merges(self._sheet), layout.data_row)

    def at(self, table: str) -> GridReader:
        """The same file, opened at another of its tables."""
        return GridReader(self._grids, self._limits, replace(self._told, table=table))

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels as they stand in the sheet."""
        return self._layout.header

    def describe(self) -> dict[str, Any]:
        """How the file is read, by which evidence; plain data without cell values."""
        layout = self._layout
        others = [f"“{one.name}”: {one.about}" for one in self.tables if one.name != self._sheet]
        told = {name: _plain(value) for name, value in asdict(self._told).items()}
        return {
            "format": self._grids.kind,
            "table": self._sheet,
            "places": True,
            "header_line": layout.header_rows[-1] if layout.header_rows else 0,
            "columns": len(layout.header),
            "confidence": 1.0,
            "evidence": [
                f"the table is in “{self._sheet}”{' (hidden)' if self._is_hidden() else ''}",
                *unread_told("sheets", others),
                *self._grids.notes,
                *layout.notes,
                *(
                    ["merged cells: their value counts for each row they cover"]
                    if self._fills
                    else []
                ),
            ],
            **({"tables": tables} if (tables := tables_told(self.tables, self._sheet)) else {}),
            **({"told": told} if self._told.is_told else {}),
        }

    def batches(self) -> Iterator[TextBatch]:
        """Yield the rows in order, in batches of bounded size."""
        size = max(1, _BATCH_CELLS // len(self.header))
        rows = self._below()
        after = self._layout.data_row - 1
        seen = 0
        while some := list(islice(rows, size)):
            batch, after = self._batch(some, after)
            seen += len(batch.records) + len(batch.bad)
            yield batch
        if not seen:
            raise ContentError(FileCode.EMPTY, "the table has a header and no rows")

    def _is_hidden(self) -> bool:
        return any(one.is_hidden for one in self._grids.sheets if one.name == self._sheet)

    def _table(self, sheet: Sheet) -> TableName:
        about = [sheet.about] if sheet.about else []
        try:
            layout = self._decide(sheet.name)
        except ContentError as error:
            self._layouts[sheet.name] = error
            about.append("no table" if error.code is FileCode.EMPTY else error.note)
            return TableName(name=sheet.name, about=", ".join(about), likely=False)
        self._layouts[sheet.name] = layout
        about.append(f"{len(layout.header)} columns")
        is_table = len(layout.header) > 1 and not sheet.is_hidden
        return TableName(name=sheet.name, about=", ".join(about), likely=is_table)

    def _chosen(self) -> str:
        names = [one.name for one in self.tables]
        if not names:
            raise ContentError(FileCode.EMPTY, "the file has no sheet with cells")
        if self._told.table is not None:
            for name in names:
                if name.strip().casefold() == self._told.table.strip().casefold():
                    return name
            raise ContentError(FileCode.TABLE_UNCLEAR, "the sheet that was asked for is not there")
        likely = [one.name for one in self.tables if one.likely] or [
            name for name in names if isinstance(self._layouts[name], GridLayout)
        ]
        return max(likely, key=self._width) if likely else names[0]

    def _width(self, name: str) -> int:
        layout = self._layouts[name]
        return len(layout.header) if isinstance(layout, GridLayout) else 0

    def _decide(self, sheet: str) -> GridLayout:
        sample = list(islice(self._grids.rows(sheet), _SAMPLED_ROWS))
        return decide_grid(sample, self._grids.merges(sheet), self._told, self._limits)

    def _below(self) -> Iterator[GridRow]:
        for row in self._grids.rows(self._sheet):
            if row.number >= self._layout.data_row:
                self._fill(row)
                if row.filled or row.faults:
                    yield row

    def _fill(self, row: GridRow) -> None:
        """Give a row what merged cells say that begin above it."""
        for fill in self._fills:
            if row.number == fill.merge.first_row:
                fill.text = row.cells.get(fill.merge.first_column, "")
            elif fill.merge.first_row < row.number <= fill.merge.last_row and row.filled:
                row.cells[fill.merge.first_column] = fill.text

    def _batch(self, rows: list[GridRow], after: int) -> tuple[TextBatch, int]:
        first, width = self._layout.first, len(self.header)
        places = range(first, first + width)
        kept, bad, blank, repeated = [], [], 0, 0
        for row in rows:
            blank += row.number - after - 1
            after = row.number
            if tuple(row.cells.get(at, "") for at in places) == self.header:
                repeated += 1
            elif outside := [at for at in row.filled if at not in places]:
                bad.append(self._outside(row, outside))
            else:
                self._check(row)
                kept.append(row)
        skipped = {"blank": blank, "repeated-header": repeated}
        numbers = np.array([row.number for row in kept], dtype=np.int64)
        batch = TextBatch(
            columns=[
                pa.array([row.cells.get(at, "") for row in kept], pa.string()) for at in places
            ],
            records=numbers - (self._layout.data_row - 1),
            lines=numbers,
            raw=lambda at: _line(kept[at].cells, places),
            bad=bad,
            skipped={reason: count for reason, count in skipped.items() if count},
            place=self._place,
            faults=[
                CellFault(
                    record=row.number - self._layout.data_row + 1,
                    column=at - first,
                    code=code,
                    sentence=sentence,
                    refuses=refuses,
                )
                for row in kept
                for at, (code, sentence, refuses) in row.faults.items()
                if at in places
            ],
        )
        return batch, after

    def _outside(self, row: GridRow, columns: list[int]) -> BadRecord:
        places = range(min(self._layout.first, columns[0]), columns[-1] + 1)
        return BadRecord(
            record=row.number - self._layout.data_row + 1,
            line=row.number,
            raw=_line(row.cells, places),
            code=RowCode.EXTRA_CELL,
            sentence=f"a cell stands beside the table, in {self._cell(row.number, columns[0])}",
        )

    def _cell(self, row: int, column: int) -> str:
        return self._grids.place(self._sheet, row, column)

    def _check(self, row: GridRow) -> None:
        if max(map(len, row.cells.values())) * 4 > self._limits.max_cell_bytes and any(
            len(text.encode()) > self._limits.max_cell_bytes for text in row.cells.values()
        ):
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"a cell in row {row.number} is longer than {self._limits.max_cell_bytes} bytes",
            )

    def _place(self, record: int, line: int, column: int | None) -> str:
        at = None if column is None or column >= len(self.header) else self._layout.first + column
        return self._grids.place(self._sheet, line, at)


@dataclass(slots=True)
class _Fill:
    merge: Merge
    text: str = ""


def _fills(merges: Sequence[Merge], data_row: int) -> list[_Fill]:
    """Merged cells among the data that cover several rows."""
    return [
        _Fill(one) for one in merges if one.last_row > one.first_row and one.first_row >= data_row
    ]


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
    names_at = _header_place(filled, told)
    body = filled[names_at + 1 :] if names_at is not None else filled
    header_row = filled[names_at] if names_at is not None else None
    tops, header_row, body = _groups(header_row, body, filled, names_at, merges, told)
    columns = _columns(header_row, body or filled)
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


def _header_place(filled: Sequence[GridRow], told: ReadAs) -> int | None:
    """Index of the last row of names; None when a person said that there is none."""
    if not told.header:
        return None
    if told.header_rows:
        for at, row in enumerate(filled):
            if row.number == told.header_rows[-1]:
                return at
        raise ContentError(FileCode.EMPTY, "the row that holds the names is not there")
    return _if_names(_fuller(_first_wide(filled), filled), filled)


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
    return [], header_row, body


def _columns(header_row: GridRow | None, rows: Sequence[GridRow]) -> list[int]:
    """The columns of the table, without gap."""
    named = [] if header_row is None else header_row.filled
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


def _line(cells: dict[int, str], places: Sequence[int]) -> str:
    """A row as one line of CSV."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow([cells.get(at, "") for at in places])
    return line.getvalue()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
