"""Tables that stand on a grid of cells: sheets of a workbook, tables of a page.

Where the table is, is found out from the first rows (`gridlayout`); rows, positions and faults are
then streamed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import (
    BadRecord,
    CellFault,
    ReadAs,
    TableName,
    TextBatch,
    tables_told,
    unread_told,
)
from pipeline.formats.gridfills import Fills
from pipeline.formats.gridlayout import GridLayout, decide_grid
from pipeline.formats.gridparts import LOOKED_AT_SHEETS, GridRow, Grids, Sheet, head_of
from pipeline.formats.unpacked import check_unpacked
from pipeline.messages import Limits

_BATCH_CELLS = 200_000
_BATCH_CHARS = 16 << 20
Looked = tuple[tuple[TableName, ...], dict[str, GridLayout | ContentError]]
"""The tables of a file, and where each of them is or why none is there."""


class GridReader:
    """One table of a file of grids; see `TableReader`.

    Raises:
        ContentError: EMPTY, HEADER_MISSING, TABLE_UNCLEAR or LIMIT_EXCEEDED.
    """

    def __init__(
        self,
        grids: Grids,
        limits: Limits,
        read_as: ReadAs | None = None,
        looked_at: Looked | None = None,
    ) -> None:
        self._grids, self._limits = grids, limits
        self._told = ReadAs() if read_as is None else read_as
        self._layouts: dict[str, GridLayout | ContentError] = {}
        if looked_at is None:
            self.tables = tuple(self._table(sheet) for sheet in grids.sheets[:LOOKED_AT_SHEETS])
        else:
            self.tables, self._layouts = looked_at
        self._sheet = self._chosen()
        layout = self._layouts[self._sheet]
        if isinstance(layout, ContentError):
            raise layout
        self._layout = layout
        self._merges = grids.merges(self._sheet)

    def at(self, table: str) -> GridReader:
        """The same file, opened at another of its tables; where they are is known by now."""
        told, looked_at = replace(self._told, table=table), (self.tables, self._layouts)
        return GridReader(self._grids, self._limits, told, looked_at)

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
                    if Fills(self._merges, layout.data_row)
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
        while some := _some(rows, size):
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
        return decide_grid(
            head_of(self._grids, sheet), self._grids.merges(sheet), self._told, self._limits
        )

    def _below(self) -> Iterator[GridRow]:
        """The rows of the table that say anything.

        Raises:
            ContentError: LIMIT_EXCEEDED; a text that is stored once may stand in a million cells.
        """
        fills = Fills(self._merges, self._layout.data_row)
        given = 0
        for row in self._grids.rows(self._sheet):
            if row.number >= self._layout.data_row:
                fills.fill(row)
                if row.filled or row.faults:
                    given += row.size
                    check_unpacked(given, self._grids.size_bytes, self._limits)
                    yield row

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


def _line(cells: dict[int, str], places: Sequence[int]) -> str:
    """A row as one line of CSV."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow([cells.get(at, "") for at in places])
    return line.getvalue()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _some(rows: Iterator[GridRow], most: int) -> list[GridRow]:
    """The next rows, as many as a batch holds."""
    some: list[GridRow] = []
    size = 0
    for row in rows:
        some.append(row)
        size += row.size
        if len(some) >= most or size >= _BATCH_CHARS:
            break
    return some
