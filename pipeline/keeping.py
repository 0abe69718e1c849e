"""Cells are read once. What the first pass over a file finds is put by for the second one.

A small file stays in memory. Of a large one the cleaned cells go to a file without a name in the
attempt's own folder, with the places of the records; the records' text stays where it is. Where
that is not possible (no folder, no room, a format whose batches cannot be put by), the second pass
reads the file again, and finds the same.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.formats.base import KnownCells, TableReader, TextBatch, batches_with

_IN_MEMORY_BYTES = 4 << 20
_FREE_BYTES = 1 << 30  # so much stays free on the disk, and as much as was put by

Found = Mapping[int, KnownCells]
"""What was read from the columns of a batch, by position."""


class KeepingReader:
    """A reader whose batches can be put by; once all are, it gives those."""

    def __init__(self, reader: TableReader, folder: Path | None) -> None:
        """`folder` takes what is too much for memory."""
        self._reader = reader
        self._folder = folder
        self._held: list[TextBatch] = []
        self._held_bytes = 0
        self._shelf: _Shelf | None = None
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

    def keep(self, batch: TextBatch, found: Found) -> None:
        """Put the next batch of a whole pass by; nobody may use it after this."""
        if self._is_whole or self._is_given_up:
            return
        known = replace(batch, known=found)
        self._held_bytes += sum(cells.cells.nbytes for cells in found.values())
        if self._shelf is None and self._held_bytes <= _IN_MEMORY_BYTES:
            self._held.append(known)
            return
        try:
            self._put_by(known)
        except (OSError, pickle.PicklingError, TypeError, AttributeError):
            self.give_up()

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

    def _put_by(self, batch: TextBatch) -> None:
        if self._shelf is None:
            if self._folder is None:
                raise OSError
            self._shelf = _Shelf(self._folder)
            for one in self._held:
                self._shelf.add(one)
            self._held.clear()
        self._shelf.add(batch)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a batch lies, where its cells lie, and its first and last record."""

    batch: int
    cells: int
    records: tuple[int, int]


class _Shelf:
    """Batches in a file that has no name."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as we do
        self._places: list[_Place] = []

    def add(self, batch: TextBatch) -> None:
        """Append a batch.

        Raises:
            OSError: there is not enough room.
        """
        end = self._file.seek(0, os.SEEK_END)
        free = os.fstatvfs(self._file.fileno())
        if free.f_bavail * free.f_frsize < end + _FREE_BYTES:
            raise OSError
        forget = getattr(batch.columns, "forget", None)
        if forget is not None:
            forget(batch.known)
        numbers = [*batch.records[:1].tolist(), *batch.records[-1:].tolist()]
        numbers += [one.record for one in batch.bad]
        pickle.dump(replace(batch, known={}), self._file, 5)
        cells = self._file.tell()
        pickle.dump(batch.known, self._file, 5)
        self._places.append(_Place(end, cells, (min(numbers, default=0), max(numbers, default=-1))))

    def batches(self) -> Iterator[TextBatch]:
        """All of them, in order, with what is known of their cells."""
        for place in self._places:
            yield replace(self._at(place.batch), known=self._at(place.cells))

    def batches_with(self, wanted: npt.NDArray[np.int64]) -> Iterator[TextBatch]:
        """Those with one of these records; their cells as they stood."""
        for place in self._places:
            low, high = np.searchsorted(wanted, (place.records[0], place.records[1] + 1))
            if low < high:
                yield self._at(place.batch)

    def _at(self, offset: int) -> Any:
        self._file.seek(offset)
        return pickle.load(self._file)  # noqa: S301 - nobody else can write to it

    def close(self) -> None:
        """Give up the file."""
        self._file.close()
