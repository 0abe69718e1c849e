"""The rows of a block of text. Put by, they take no more room than where they stand in the file.

A file is read twice: once to decide, once to apply. Where its records begin and end is found once;
their text is read again from the file only if somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.formats.cells import parse_cells, without_rows
from pipeline.formats.source import chunks, open_source
from pipeline.formats.structure import Block

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes [start, start + length) of a file."""

    path: Path
    start: int
    length: int

    def read(self) -> bytes:
        """The bytes.

        Raises:
            TransientError: the file is gone, or has become shorter.
        """
        with open_source(self.path) as source:
            return b"".join(chunks(source, self.start, self.start + self.length, self.length))


class BlockRows(Sequence[pa.StringArray]):
    """The columns of some records of a block, as a batch has them.

    rows: the record each row is. columns: their cells, as parsed. at: where the block's text stands
    in a file; None when it stands nowhere as it is. Pickled, the text is left out if `at` says
    where it is, and so are forgotten columns.
    """

    def __init__(
        self,
        block: Block,
        rows: Rows,
        columns: Sequence[pa.StringArray],
        delimiter: bytes,
        at: Stretch | None,
    ) -> None:
        self._block = block
        self._rows = rows
        self._columns: list[pa.StringArray | None] = list(columns)
        self._delimiter = delimiter
        self._at = at

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, place: int) -> pa.StringArray: ...
    @overload
    def __getitem__(self, place: slice) -> list[pa.StringArray]: ...
    def __getitem__(self, place: int | slice) -> pa.StringArray | list[pa.StringArray]:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        column = self._columns[place]
        return self._parsed()[place] if column is None else column

    def raw(self, row: int) -> str:
        """The text of a row's record as it stood, without its line end."""
        return self._whole_block().raw(int(self._rows[row])).decode()

    def at(self, rows: Sequence[int]) -> list[tuple[str, ...]]:
        """The cells of these rows, ascending; no others are parsed for them."""
        taken = np.array(rows, dtype=np.int64)
        if not len(taken):
            return []
        columns: Iterable[pa.StringArray]
        if None in self._columns:
            few = self._whole_block().only(self._rows[taken])
            columns = parse_cells(few, len(self), self._delimiter)[0]
        else:
            columns = (self[place].take(pa.array(taken)) for place in range(len(self)))
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    def forget(self, places: Iterable[int]) -> None:
        """Give up the cells of these columns; asked for again, they are parsed again."""
        for place in places:
            self._columns[place] = None

    def _parsed(self) -> list[pa.StringArray]:
        columns, records, _ = parse_cells(self._whole_block(), len(self), self._delimiter)
        others = np.flatnonzero(~np.isin(records, self._rows))
        again = without_rows(columns, others) if len(others) else columns
        self._columns = list(again)
        return again

    def _whole_block(self) -> Block:
        if not self._block.text and self._at is not None:
            self._block = replace(self._block, text=self._at.read())
        return self._block

    def __getstate__(self) -> dict[str, Any]:
        block = self._block if self._at is None else replace(self._block, text=b"")
        return {**self.__dict__, "_block": block}
