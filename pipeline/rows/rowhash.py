"""64-bit hashes of Arrow columns, the same on every machine, computed without a Python loop.

Text is hashed by position: each byte times a fixed random 64-bit number of its place, summed
(multilinear hashing; Carter and Wegman 1979). Equal values always have equal hashes; different
ones may collide, so a caller verifies what it acts on.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_LONGEST_BYTES = 256  # longer text is rare and hashed one by one
# The bit stream of PCG64 is fixed by its definition, unlike the distributions built upon it.
_PLACES: Hashes = np.random.PCG64(20261121).random_raw(_LONGEST_BYTES) | np.uint64(1)
_NULL = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xFF51AFD7ED558CCD)
_STEP2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


def hash_rows(columns: Sequence[pa.Array], count: int) -> Hashes:
    """One hash a row over several columns of `count` values; the order of columns matters."""
    total = np.full(count, _NULL, dtype=np.uint64)
    for column in columns:
        total = _mixed(total * _STEP2 + _hash_column(column))
    return total


def _hash_column(column: pa.Array) -> Hashes:
    if pa.types.is_string(column.type):
        hashes = _hash_text(column)
    else:
        width = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        numbers = column.cast(width).cast(pa.int64()).fill_null(0)
        hashes = _mixed(np.asarray(numbers).view(np.uint64))
    if column.null_count:
        hashes = np.where(np.asarray(column.is_null()), _NULL, hashes)
    return hashes


def _hash_text(column: pa.StringArray) -> Hashes:
    column = column.fill_null("") if column.null_count else column
    _, offsets_buffer, bytes_buffer = column.buffers()
    count = len(column)
    if not count or bytes_buffer is None:
        return np.full(count, _NULL, dtype=np.uint64)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)
    offsets = offsets[column.offset : column.offset + count + 1].astype(np.int64)
    text = np.frombuffer(bytes_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    starts = offsets[:-1] - offsets[0]
    lengths = np.diff(offsets)
    sums = np.zeros(count, dtype=np.uint64)
    filled = lengths > 0
    if filled.any():
        place = np.arange(len(text)) - np.repeat(starts, lengths)
        weight = np.take(_PLACES, place, mode="clip")
        sums[filled] = np.add.reduceat(
            weight * (text.astype(np.uint64) + np.uint64(1)), starts[filled]
        )
    for long in np.flatnonzero(lengths > _LONGEST_BYTES):
        value = text[starts[long] : starts[long] + lengths[long]].tobytes()
        sums[long] = int.from_bytes(blake2b(value, digest_size=8).digest(), "little")
    return _mixed(sums + lengths.astype(np.uint64) * _STEP)


def _mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over the word (the finaliser of MurmurHash3)."""
    hashes = (hashes ^ (hashes >> _SHIFT)) * _STEP
    hashes = (hashes ^ (hashes >> _SHIFT)) * _STEP2
    mixed: Hashes = hashes ^ (hashes >> _SHIFT)
    return mixed
