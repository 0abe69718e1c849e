"""64-bit hashes by position, 8 bytes a row: few in memory, many in a file nobody sees.

Questions about all of them are asked in parts, by their first bits, so that memory stays bounded
however many rows there are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_IN_MEMORY = 1 << 20  # hashes: 8 MB
_IN_A_PART = 1 << 19  # hashes: sorted, with their places, they take ten times their 4 MB
_WORD = np.dtype(np.uint64)


class HashLog:
    """Append-only hashes. `folder` takes them when they are many; without it they stay in memory.

    A row whose hash does not count (its key is not stated) has its place all the same.
    """

    def __init__(self, folder: Path | None = None, in_memory: int = _IN_MEMORY) -> None:
        self._folder = folder
        self._in_memory = in_memory
        self._held: list[Hashes] = []
        self._held_rows = 0
        self._uncounted: list[Positions] = []
        self._file: BinaryIO | None = None
        self.rows = 0

    def add(self, hashes: Hashes, counts: npt.NDArray[np.bool_] | None = None) -> None:
        """Append; `counts` says which of them count, None: all."""
        if counts is not None and not counts.all():
            self._uncounted.append(np.flatnonzero(~counts) + self.rows)
        self.rows += len(hashes)
        self._held.append(hashes)
        self._held_rows += len(hashes)
        if self._folder is not None and self._held_rows > self._in_memory:
            self._spill(self._folder)

    def _spill(self, folder: Path) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as we do
        self._file.seek(0, 2)
        for hashes in self._held:
            self._file.write(hashes.astype(_WORD, copy=False).tobytes())
        self._held.clear()
        self._held_rows = 0

    def close(self) -> None:
        """Give up the file; it has no name, so nothing is left behind in any case."""
        if self._file is not None:
            self._file.close()

    def _pieces(self) -> Iterator[Hashes]:
        if self._file is not None:
            self._file.seek(0)
            while data := self._file.read(self._in_memory * _WORD.itemsize or _WORD.itemsize):
                yield np.frombuffer(data, dtype=_WORD)
        yield from self._held

    def chunks(self) -> Iterator[tuple[Positions, Hashes]]:
        """Those that count, with their positions, ascending."""
        start = 0
        out = np.concatenate(self._uncounted) if self._uncounted else None
        for hashes in self._pieces():
            positions = np.arange(start, start + len(hashes))
            start += len(hashes)
            if out is not None:
                low, high = np.searchsorted(out, (positions[0], start)) if len(hashes) else (0, 0)
                counts = np.ones(len(hashes), dtype=bool)
                counts[out[low:high] - positions[:1]] = False
                positions, hashes = positions[counts], hashes[counts]
            yield positions, hashes

    def parts(self) -> Iterator[tuple[Positions, Hashes]]:
        """The same, but all equal hashes together in one part; positions ascend within it."""
        bits = (self.rows // _IN_A_PART).bit_length()
        if not bits:
            yield _joined(list(self.chunks()))
            return
        for part in range(1 << bits):
            chosen = []
            for positions, hashes in self.chunks():
                here = (hashes >> np.uint64(64 - bits)) == part
                chosen.append((positions[here], hashes[here]))
            yield _joined(chosen)

    def among(self, wanted: Hashes) -> Hashes:
        """Those of `wanted`, which ascend, that are here."""
        found = np.zeros(len(wanted), dtype=bool)
        for _, hashes in self.chunks() if len(wanted) else ():
            place = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
            found[place[wanted[place] == hashes]] = True
        return wanted[found]

    def places_of(self, wanted: Hashes) -> Positions:
        """Positions, ascending, of the hashes that are among `wanted`, which ascend."""
        found = [np.empty(0, dtype=np.int64)]
        for positions, hashes in self.chunks() if len(wanted) else ():
            place = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
            found.append(positions[wanted[place] == hashes])
        return np.concatenate(found)


def _joined(chunks: list[tuple[Positions, Hashes]]) -> tuple[Positions, Hashes]:
    positions = [np.empty(0, dtype=np.int64), *(one for one, _ in chunks)]
    hashes = [np.empty(0, dtype=np.uint64), *(one for _, one in chunks)]
    return np.concatenate(positions), np.concatenate(hashes)
