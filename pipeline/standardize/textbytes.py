"""Kernels that look at the bytes of a whole column of text at once, and not at one text after
another.

Arrow keeps the texts of a column as one run of UTF-8 bytes, and offsets that say where each begins.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.standardize.base import Rows
from pipeline.standardize.wholetexts import FEW, few_joined, few_rows

Codes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]
Marks = npt.NDArray[np.bool_]

_CAPITAL = re.compile("[A-Z]")
_SPACE = 0x20
_IS_UNUSUAL = np.zeros(256, dtype=np.bool_)
_IS_UNUSUAL[[*range(_SPACE), 0x7F]] = True
# C2 leads U+0080 to U+00BF, CC and above all from U+0300 on; C3 to CB lead the letters
_IS_UNUSUAL[[0xC2, *range(0xCC, 0x100)]] = True


def bytes_of(values: pa.StringArray) -> tuple[Codes, Offsets]:
    """The text bytes and the offsets (one more than values) into them."""
    _, offset_buffer, data_buffer = values.buffers()
    if data_buffer is None or not len(values):
        return np.zeros(0, dtype=np.uint8), np.zeros(len(values) + 1, dtype=np.int32)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)
    offsets = offsets[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data_buffer, dtype=np.uint8), offsets


def is_valid(values: pa.Array) -> Marks:
    """Where a value is present."""
    if not values.null_count:
        return np.ones(len(values), dtype=np.bool_)
    flags: Marks = values.is_valid().to_numpy(zero_copy_only=False)
    return flags


def rows_beyond_ascii(values: pa.StringArray) -> Rows:
    """Rows, ascending, with a character that is not a printable one of ASCII."""
    if len(values) <= FEW:
        joined = few_joined(values)
        if not _is_beyond_ascii(joined):
            return np.zeros(0, dtype=np.int64)
        return few_rows(values, _is_beyond_ascii)
    data, offsets = bytes_of(values)
    used = data[offsets[0] : offsets[-1]]
    if not len(used) or (used.min() >= _SPACE and used.max() < 0x7F):
        return np.zeros(0, dtype=np.int64)
    return _rows_with(used - np.uint8(_SPACE) >= 0x5F, values)  # below a space it wraps around


def _is_beyond_ascii(text: str) -> bool:
    return not (text.isascii() and text.isprintable())


def rows_of_unusual_text(values: pa.StringArray) -> Rows:
    """Rows, ascending, with a character that is neither printable ASCII nor a letter of U+00C0 to
    U+02FF: those are as they should be, whatever stands beside them.
    """
    data, offsets = bytes_of(values)
    used = data[offsets[0] : offsets[-1]]
    if not len(used) or (used.min() >= _SPACE and used.max() < 0x7F):
        return np.zeros(0, dtype=np.int64)
    at = np.flatnonzero(used - np.uint8(_SPACE) >= 0x5F)  # below a space it wraps around
    return _rows_at(at[_IS_UNUSUAL[used[at]]], values)


def _rows_with(is_marked: Marks, values: pa.StringArray) -> Rows:
    """Rows, ascending, of present texts with a marked byte; `is_marked` are their bytes."""
    return _rows_at(np.flatnonzero(is_marked), values)


def _rows_at(places: Rows, values: pa.StringArray) -> Rows:
    """Rows, ascending, of present texts with a byte at one of these places among their bytes."""
    _, offsets = bytes_of(values)
    at = places.astype(np.int32) + offsets[0]
    rows: Rows
    if len(at) < len(values):  # look up the few bytes, or else the ends of the rows
        rows = once(np.searchsorted(offsets, at, side="right") - 1)
    else:
        rows = np.flatnonzero(np.diff(np.searchsorted(at, offsets)))
    return _present(values, rows)


def _present(values: pa.StringArray, rows: Rows) -> Rows:
    """Those of the rows whose text is present."""
    return rows[is_valid(values)[rows]] if values.null_count else rows


def rows_with_outer_space(values: pa.StringArray) -> Rows:
    """Rows, ascending, that begin or end with a space."""
    data, offsets = bytes_of(values)
    starts, ends = offsets[:-1], offsets[1:]
    filled = ends > starts
    if values.null_count:
        filled &= is_valid(values)
    if filled.all():
        return np.flatnonzero((data[starts] == _SPACE) | (data[ends - 1] == _SPACE))
    outer = (data[starts[filled]] == _SPACE) | (data[ends[filled] - 1] == _SPACE)
    rows: Rows = np.flatnonzero(filled)[outer]
    return rows


def rows_of_at_most(values: pa.StringArray, length: int) -> Rows:
    """Rows, ascending, of texts that have no more bytes than so many."""
    _, offsets = bytes_of(values)
    return np.flatnonzero(np.diff(offsets) <= length)


def rows_beginning(values: pa.StringArray, letters: bytes) -> Rows:
    """Rows, ascending, of present texts that begin with one of these letters of ASCII."""
    data, offsets = bytes_of(values)
    is_letter = np.zeros(256, dtype=np.bool_)
    is_letter[list(letters)] = True
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    rows: Rows = filled[is_letter[data[offsets[filled]]]]
    return _present(values, rows)


def rows_with_any(values: pa.StringArray, letters: bytes) -> Rows:
    """Rows, ascending, of present texts with one of these letters of ASCII."""
    data, offsets = bytes_of(values)
    used = data[offsets[0] : offsets[-1]]
    is_letter = used == letters[0]
    for letter in letters[1:]:
        is_letter |= used == letter
    return _rows_with(is_letter, values) if is_letter.any() else np.zeros(0, dtype=np.int64)


def rows_with_capitals(values: pa.StringArray) -> Rows:
    """Rows, ascending, of present texts with a capital letter of ASCII."""
    if len(values) <= FEW:
        return few_rows(values, _CAPITAL.search)
    data, offsets = bytes_of(values)
    used = data[offsets[0] : offsets[-1]]
    return _rows_with((used - np.uint8(ord("A"))) < 26, values)


def longest(values: pa.StringArray) -> int:
    """Bytes of the longest text, 0 when there is none."""
    return int(np.diff(bytes_of(values)[1]).max(initial=0))


def gather(data: Codes, starts: Offsets, length: int) -> Codes:
    """Copy `length` bytes from each start, one at least, into the rows of a matrix.

    The starts ascend, and no two stretches overlap.
    """
    if starts[-1] - starts[0] == (len(starts) - 1) * length:  # they lie side by side
        return data[starts[0] : starts[0] + len(starts) * length].reshape(-1, length)
    windows: npt.NDArray[np.void] = np.ndarray(
        (len(data) - length + 1,), dtype=np.dtype((np.void, length)), buffer=data, strides=(1,)
    )
    return windows[starts].view(np.uint8).reshape(-1, length)


def once(ascending: Rows) -> Rows:
    """The same numbers, each once."""
    if len(ascending) < 2:
        return ascending
    is_new = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    return ascending[is_new]


def both(one: Rows, other: Rows) -> Rows:
    """The numbers of both, ascending, each once."""
    joined = np.concatenate((one, other))
    joined.sort(kind="stable")  # quick for two runs
    return once(joined)


def without(values: pa.StringArray, rows: Rows) -> pa.StringArray:
    """`values`, null at `rows`. The bytes stay where they are; null, nobody looks at them."""
    marks = is_valid(values).copy()
    marks[rows] = False
    _, offsets, data = values.buffers()
    first, count = values.offset, len(values)
    width = np.dtype(np.int32).itemsize
    return pa.StringArray.from_buffers(
        count,
        offsets.slice(first * width, (count + 1) * width),
        data,
        pa.py_buffer(np.packbits(marks, bitorder="little")),
    )
