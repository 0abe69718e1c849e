"""Files of keys: sorted digests of 16 bytes, so that a look-up touches a few pages.

What does not fit in memory is merged by ranges of keys, so files of any size cost the same memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.standardize.wholetexts import FEW

Digests = npt.NDArray[np.bytes_]
"""Keys as 16 bytes each (NumPy's S16)."""

DIGEST = np.dtype("S16")
_MAGIC = b"harmonizer-keys1"  # as long as a digest, so that what follows is aligned to it
_READ_BYTES = 64 * 1024  # read, since to map a file takes longer
_AT_ONCE = 1_000_000  # keys: 16 MB
_CUTS = np.array([bytes([first]) for first in range(1, 256)], dtype=DIGEST)
"""Where keys with another first byte begin."""


def distinct_digests(digests: Digests) -> Digests:
    """Each of the keys once, in the order of their bytes.

    `numpy.unique` gives the same and takes ten times as long: it compares texts, not numbers.
    """
    if len(digests) <= FEW:
        return np.unique(digests)
    halves = np.ascontiguousarray(digests).view(">u8").reshape(-1, 2).astype(np.uint64)
    if not _ascend(halves):
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        digests, halves = digests[order], halves[order]
    is_first = np.ones(len(digests), dtype=bool)
    is_first[1:] = (halves[1:] != halves[:-1]).any(axis=1)
    return np.asarray(digests)[is_first]


def _ascend(halves: npt.NDArray[np.uint64]) -> bool:
    high, low = halves[:, 0], halves[:, 1]
    later = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] >= low[:-1]))
    return bool(later.all())


def read_keys(path: Path) -> Digests:
    """The sorted keys of one file, a large one mapped and not read; none when there is no file.

    Raises:
        ValueError: the file is not one of ours, or was cut.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return np.empty(0, dtype=DIGEST)
    try:
        size_bytes = os.fstat(descriptor).st_size
        head = os.read(descriptor, _READ_BYTES if size_bytes <= _READ_BYTES else len(_MAGIC))
    finally:
        os.close(descriptor)
    if not head.startswith(_MAGIC) or size_bytes % DIGEST.itemsize:
        raise ValueError(f"{path.name} is no file of keys")
    if size_bytes == len(head):
        return np.frombuffer(head, dtype=DIGEST, offset=len(_MAGIC))
    return np.memmap(path, dtype=DIGEST, mode="r", offset=len(_MAGIC))


def private(path: str, flags: int) -> int:
    """An opener for `open`: the file is for nobody else's eyes, and no link is followed."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_keys(path: Path, *several: Digests) -> None:
    """Put a file of keys in place, whole and durable; the keys need be neither sorted nor unique.

    Only one writer at a time may replace one file.
    """
    _put_in_place(path, [distinct_digests(np.concatenate(several))])


def merge_keys(path: Path, several: Sequence[Digests]) -> None:
    """The same for keys of any number, of which each array is sorted."""
    _put_in_place(path, _merged([_Run(_bounds_of(keys), _reading(keys)) for keys in several]))


def _put_in_place(path: Path, pieces: Iterable[Digests]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb", opener=private) as file:
        _write(file, pieces)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: BinaryIO, pieces: Iterable[Digests]) -> None:
    file.write(_MAGIC)
    for piece in pieces:
        file.write(piece.tobytes())


class KeyRuns:
    """Collects keys: few in memory, many in sorted runs in a file without a name in `folder`."""

    def __init__(self, folder: Path, at_once: int = _AT_ONCE) -> None:
        self._folder, self._at_once = folder, at_once
        self._held: list[Digests] = []
        self._held_keys = 0
        self._file: BinaryIO | None = None
        self._runs: list[_Run] = []

    def add(self, digests: Digests) -> None:
        """Take in keys in any order."""
        self._held.append(digests)
        self._held_keys += len(digests)
        if self._held_keys >= self._at_once:
            self._spill()

    def write(self, path: Path) -> None:
        """Write all of them into a new file, each once."""
        if self._runs and self._held:
            self._spill()
        pieces = _merged(self._runs, self._at_once) if self._runs else [self._here()]
        with open(path, "wb", opener=private) as file:
            _write(file, pieces)
        if self._file is not None:
            self._file.close()

    def _here(self) -> Digests:
        return distinct_digests(np.concatenate([np.empty(0, dtype=DIGEST), *self._held]))

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as we do
        run = self._here()
        begin = self._file.seek(0, os.SEEK_END)
        self._file.write(run.tobytes())
        self._file.flush()
        self._runs.append(_Run(_bounds_of(run), _reading_from(self._file, begin)))
        self._held.clear()
        self._held_keys = 0


class _Run(NamedTuple):
    """Sorted keys somewhere: where each first byte begins and ends, and how to read a range."""

    bounds: npt.NDArray[np.int64]
    read: Callable[[int, int], Digests]


def _bounds_of(digests: Digests) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.searchsorted(digests, _CUTS), [len(digests)])).astype(np.int64)


def _reading(digests: Digests) -> Callable[[int, int], Digests]:
    return lambda first, end: np.asarray(digests[first:end])


def _reading_from(file: BinaryIO, begin: int) -> Callable[[int, int], Digests]:
    def read(first: int, end: int) -> Digests:
        size_bytes = (end - first) * DIGEST.itemsize
        data = os.pread(file.fileno(), size_bytes, begin + first * DIGEST.itemsize)
        if len(data) != size_bytes:
            raise OSError("keys that were put by cannot be read")
        return np.frombuffer(data, dtype=DIGEST)

    return read


def _merged(runs: Sequence[_Run], at_once: int = _AT_ONCE) -> Iterator[Digests]:
    """All keys in order, each once, a range of first bytes after another."""
    sizes = np.sum([np.diff(run.bounds) for run in runs], axis=0)
    first, held = 0, 0
    for at, size in enumerate([*sizes.tolist(), at_once]):
        if held and (held + size > at_once or at == len(sizes)):
            found = [run.read(int(run.bounds[first]), int(run.bounds[at])) for run in runs]
            yield distinct_digests(np.concatenate(found))
            first, held = at, 0
        held += size
