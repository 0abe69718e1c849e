"""What stands on a grid of cells: rows, merged cells, sheets, and a file that has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.errors import RowCode


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
        """The rows of a sheet that have cells, in order."""
        ...

    def merges(self, sheet: str) -> list[Merge]:
        """The merged cells of a sheet."""
        ...

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """How a cell, or a row, is called."""
        ...
