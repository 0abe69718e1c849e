"""Cells are read once. What the first pass over a file finds is put by for the second one.

A small file stays in memory. Of a large one the cleaned cells go to a file without a name in the
attempt's own folder, with the places of the records; the records' text stays where it is. Where
that is not possible (no folder, no room, a format whose batches cannot be put by), the second pass
reads the file again, and finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.formats.base import TableReader, TextBatch, batches_with
from pipeline.shelf import CellFile, Found, NotKept, Places, Shelf
from pipeline.standardize.wholetexts import FEW

_IN_MEMORY_BYTES = 4 << 20


class KeepingReader:
    """A reader whose batches can be put by; once all are, it gives those."""

    def __init__(
        self, reader: TableReader, folder: Path | None, in_memory_bytes: int = _IN_MEMORY_BYTES
    ) -> None:
        """`folder` takes what is too much for memory."""
        self._reader = reader
        self._folder = folder
        self._in_memory_bytes = in_memory_bytes
        self._held: list[TextBatch] = []
        self._held_bytes = 0
        self._shelf: Shelf | None = None
        self._is_whole = False
        self._is_given_up = False

    def __getattr__(self, name: str) -> Any:
        """What this reader does not know of itself, the one below it may know."""
        return getattr(self._reader, name)

    @property
    def header(self) -> tuple[str, ...]:
        """Column labels."""
        return self._reader.header

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return self._reader.describe()

    def batches(self) -> Iterator[TextBatch]:
        """The records in order."""
        if not self._is_whole:
            yield from self._reader.batches()
        elif self._shelf is None:
            yield from map(replace, self._held)
        else:
            yield from self._shelf.batches()

    def batches_with(self, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
        """Batches that hold at least the rows of these records, by their ascending numbers."""
        if self._is_whole and self._shelf is not None:
            yield from self._shelf.batches_with(wanted)
        elif self._is_whole:
            yield from map(replace, self._held)
        else:
            yield from batches_with(self._reader, wanted)

    @property
    def pieces(self) -> Sequence[Callable[[], TextBatch]]:
        """What makes each of the batches, in any order, thread or process; none if not on disk."""
        if not self._is_whole or self._shelf is None:
            return ()
        return [partial(self._shelf.batch, at) for at in range(len(self._shelf))]

    def keep(self, batch: TextBatch, found: Found, elsewhere: Collection[int] = ()) -> None:
        """Put the next batch of a whole pass by; nobody may use it after this.

        elsewhere: columns that another process puts by, see `join`.
        """
        if self._is_whole or self._is_given_up:
            return
        known = replace(batch, known=found)
        self._held_bytes += sum(_bytes_of(cells.cells) for cells in found.values())
        if self._shelf is None and not elsewhere and self._held_bytes <= self._in_memory_bytes:
            self._held.append(known)
            return
        try:
            self._put_by(known, elsewhere)
        except (OSError, NotKept):
            self.give_up()

    def file_for_another(self) -> CellFile | None:
        """A file for what another process finds; None when nothing can be put by on disk."""
        if self._is_whole or self._is_given_up or self._folder is None:
            return None
        try:
            return CellFile(self._folder)
        except OSError:
            return None

    def join(self, file: CellFile, places: Places | None) -> None:
        """Take in what another process has put by; None: it could not."""
        if places is None:
            self.give_up()
        elif self._shelf is not None:
            self._shelf.join(file, places)

    def whole(self) -> None:
        """Every batch of the file was put by."""
        self._is_whole = not self._is_given_up

    def give_up(self) -> None:
        """Keep nothing; what is on disk goes."""
        self._is_given_up, self._is_whole = True, False
        self._held.clear()
        if self._shelf is not None:
            self._shelf.close()
            self._shelf = None

    def _put_by(self, batch: TextBatch, elsewhere: Collection[int]) -> None:
        if self._shelf is None:
            if self._folder is None:
                raise NotKept
            self._shelf = Shelf(self._folder)
            for one in self._held:
                self._shelf.add(one)
            self._held.clear()
        self._shelf.add(batch, elsewhere)


def _bytes_of(cells: pa.StringArray) -> int:
    """What cells take up; of a few, at most: whole buffers, which are told at once."""
    size: int = cells.get_total_buffer_size() if len(cells) <= FEW else cells.nbytes
    return size
