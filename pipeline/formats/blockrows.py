"""The rows of a block of text. Put by, they take no more room than where they stand in the file.

A file is read twice: once to decide, once to apply. Where its records begin and end is found once;
their text is read again from the file only if somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.formats.cells import parse_cells, without_rows
from pipeline.formats.source import chunks, open_source
from pipeline.formats.structure import Block

Rows = npt.NDArray[np.int64]
Arrays = Mapping[str, pa.Array]


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
    in a file; None when it stands nowhere as it is. A column that is None is parsed when it is
    asked for.
    """

    def __init__(
        self,
        block: Block,
        rows: Rows,
        columns: Sequence[pa.StringArray | None],
        delimiter: bytes,
        at: Stretch | None,
    ) -> None:
        self._block = block
        self._rows = rows
        self._columns = list(columns)
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

    def put_by(self, without: Container[int]) -> tuple[Arrays, Callable[[Arrays], BlockRows]]:
        """What these columns are made of, as arrays, and how the same are made of them again.

        The cells of the columns `without` are left out; asked for again, they are parsed again. So
        is the text, if it stands in the file.
        """
        block = self._block
        arrays = {
            "starts": pa.array(block.starts),
            "first_lines": pa.array(block.first_lines),
            "rows": pa.array(self._rows),
            "unbalanced": pa.array(block.unbalanced, pa.int64()),
            "rewritten": pa.array(block.rewritten.keys(), pa.int64()),
            "rewritten_as": pa.array(block.rewritten.values(), pa.binary()),
        }
        if self._at is None:
            arrays["text"] = pa.array([block.text[: block.starts[-1]]], pa.binary())
        for place in range(len(self)):
            if place not in without:
                arrays[f"column/{place}"] = self[place]
        about = (len(self), block.lines, block.has_quotes, self._delimiter, self._at)
        return arrays, partial(_made_again, about)

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


def _made_again(
    about: tuple[int, int, bool, bytes, Stretch | None], arrays: Mapping[str, pa.Array]
) -> BlockRows:
    width, lines, has_quotes, delimiter, at = about
    texts = zip(arrays["rewritten"].to_pylist(), arrays["rewritten_as"].to_pylist(), strict=True)
    block = Block(
        text=b"" if at is not None else arrays["text"][0].as_py(),
        starts=np.asarray(arrays["starts"]),
        first_lines=np.asarray(arrays["first_lines"]),
        lines=lines,
        has_quotes=has_quotes,
        unbalanced=arrays["unbalanced"].to_pylist(),
        rewritten=dict(texts),
    )
    columns = [arrays.get(f"column/{place}") for place in range(width)]
    return BlockRows(block, np.asarray(arrays["rows"]), columns, delimiter, at)
