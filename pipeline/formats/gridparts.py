"""What stands on a grid of cells: rows, merged cells, sheets, and a file that has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

from pipeline.errors import RowCode

SAMPLED_ROWS = 200
"""So many rows of a sheet tell where its table is."""
LOOKED_AT_SHEETS = 100
_MOST_HEAD_BYTES = 32 << 20


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

    @property
    def size(self) -> int:
        """About how many bytes its texts take."""
        return sum(map(len, self.cells.values())) + len(self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Cells that are one. Rows count from 1, columns from 0; both ends belong to it."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int

    def moved(self, down: int) -> Merge:
        """The same cells so many rows further down."""
        return replace(self, first_row=self.first_row + down, last_row=self.last_row + down)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A grid of a file. about: what is told of it, such as "hidden"."""

    name: str
    about: str = ""
    is_hidden: bool = False


class Grids(Protocol):
    """A file of grids, opened."""

    kind: str
    size_bytes: int
    """Of the file, as it is stored."""

    @property
    def sheets(self) -> Sequence[Sheet]:
        """Its grids, in their order."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is told of the file as a whole."""
        ...

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows of a sheet that have cells, in order.

        A file whose sheets are one text, which would be gone through for each of them, also has
        `heads`: the first rows of its first sheets.
        """
        ...

    def merges(self, sheet: str) -> list[Merge]:
        """The merged cells of a sheet."""
        ...

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """How a cell, or a row, is called."""
        ...


class Heads:
    """The first rows of the first sheets of a file that is one text, kept from its first reading.

    They are there to look at; whoever changes a row takes it from `Grids.rows`.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[GridRow]] = {}
        self._left = _MOST_HEAD_BYTES

    def note(self, sheet: str, row: GridRow) -> None:
        """Keep a row that has cells if it is one of the first ones, and small."""
        kept = self._rows.get(sheet)
        if kept is None:
            if len(self._rows) >= LOOKED_AT_SHEETS:
                return
            kept = self._rows[sheet] = []
        if len(kept) < SAMPLED_ROWS and self._left > 0:
            kept.append(row)
            self._left -= row.size

    def of(self, sheet: str) -> list[GridRow] | None:
        """The first rows of a sheet; None when not all of them could be kept."""
        return self._rows.get(sheet, []) if self._left > 0 else None


def head_of(grids: Grids, sheet: str) -> list[GridRow]:
    """The first rows of a sheet."""
    heads: Heads | None = getattr(grids, "heads", None)
    kept = None if heads is None else heads.of(sheet)
    return list(islice(grids.rows(sheet), SAMPLED_ROWS)) if kept is None else kept
