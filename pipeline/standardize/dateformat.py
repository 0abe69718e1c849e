"""Instants are written as the local time they were reported in: 2025-02-15T10:00:00-05:00.

Seconds are always written; a fraction only when there is one, in three or six digits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.standardize.civil import Longs, civil_of

_SECOND = 1_000_000  # microseconds
_MINUTE = 60 * _SECOND
_DAY = 86_400 * _SECOND
_PICTURE = np.frombuffer(b"0000-00-00T00:00:00+00:00", dtype=np.uint8)
_CLOCK_END = 19  # where a fraction goes: before the offset


def format_datetimes(values: pa.TimestampArray, offset_minutes: pa.Int16Array) -> pa.StringArray:
    """Write timestamp('us', UTC) values as ISO 8601 local time with offset; null stays null.

    offset_minutes: minutes east of UTC of each value, as in `Converted.extra`.
    """
    is_null = values.is_null().to_numpy(zero_copy_only=False)
    offset = offset_minutes.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    local = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) + offset * _MINUTE
    picture = _draw(local, offset)
    micros = local % _SECOND
    if not micros.any():
        return _as_strings(picture, is_null)
    head = _as_strings(np.ascontiguousarray(picture[:, :_CLOCK_END]), is_null)
    tail = _as_strings(np.ascontiguousarray(picture[:, _CLOCK_END:]), is_null)
    return pc.binary_join_element_wise(head, _fractions(micros), tail, "")


def _draw(local: Longs, offset: Longs) -> npt.NDArray[np.uint8]:
    """One row of 25 characters for each value."""
    picture = np.tile(_PICTURE, (len(local), 1))
    days, micros = np.divmod(local, _DAY)
    year, month, day = civil_of(days)
    seconds = micros // _SECOND
    distance = np.abs(offset)
    for column, two_digits in (
        (0, year // 100), (2, year % 100), (5, month), (8, day),
        (11, seconds // 3600), (14, seconds // 60 % 60), (17, seconds % 60),
        (20, distance // 60), (23, distance % 60),
    ):  # fmt: skip
        tens, units = np.divmod(two_digits.astype(np.uint8), 10)
        picture[:, column] += tens
        picture[:, column + 1] += units
    picture[offset < 0, _CLOCK_END] = ord("-")
    return picture


def _fractions(micros: Longs) -> pa.StringArray:
    distinct, slots = np.unique(micros, return_inverse=True)
    written = [
        "" if not m else f".{m // 1000:03d}" if m % 1000 == 0 else f".{m:06d}"
        for m in distinct.tolist()
    ]
    return pa.array(written, pa.string()).take(pa.array(slots))


def _as_strings(picture: npt.NDArray[np.uint8], is_null: npt.NDArray[np.bool_]) -> pa.StringArray:
    """Rows of a byte matrix as an Arrow array, without copying them once more."""
    count, width = picture.shape
    offsets = pa.py_buffer(np.arange(0, (count + 1) * width, width, dtype=np.int32))
    mask = pa.array(~is_null).buffers()[1] if is_null.any() else None
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(picture), mask, -1, 0)
