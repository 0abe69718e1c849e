"""What merged cells say: their value counts for each row they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ContentError, FileCode
from pipeline.formats.gridparts import GridRow, Merge

_MOST_MERGES = 1_000_000


@dataclass(slots=True)
class _Fill:
    merge: Merge
    text: str = ""


class Fills:
    """Gives rows, in their order, what merged cells say that begin above them.

    At any row one merged cell counts in a column: the one that began last.
    """

    def __init__(self, merges: Sequence[Merge], data_row: int) -> None:
        among = [one for one in merges if one.last_row > one.first_row >= data_row]
        self._waiting = sorted(among, key=lambda one: one.first_row, reverse=True)
        self._open: dict[int, _Fill] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting or self._open)

    def fill(self, row: GridRow) -> None:
        """Put what covers a row into its cells; a row without text stays as it is."""
        if not self:
            return
        number = row.number
        while self._waiting and self._waiting[-1].first_row <= number:
            begun = self._waiting.pop()
            if begun.last_row >= number:
                self._open[begun.first_column] = _Fill(begun)
        for column in [at for at, one in self._open.items() if one.merge.last_row < number]:
            del self._open[column]
        if not self._open:
            return
        has_text = bool(row.filled)
        for column, one in self._open.items():
            if number == one.merge.first_row:
                one.text = row.cells.get(column, "")
            elif has_text:
                row.cells[column] = one.text


def check_merges(count: int) -> None:
    """Refuse a sheet whose list of merged cells would not fit into memory.

    Raises:
        ContentError: LIMIT_EXCEEDED.
    """
    if count > _MOST_MERGES:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED, f"a sheet has more than {_MOST_MERGES} merged cells"
        )
