"""US telephone numbers as nearly all of them are written, a whole column at once.

The library for telephone numbers takes 50 us for each. Where digits stand, and what stands between
them, is of a few shapes, however many numbers there are: each shape is read once, and the digits
are then moved for all rows that have it.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.standardize.base import Rows
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.textbytes import bytes_of, gather

_SHAPE = re.compile(  # a digit is a 0: +1-405-901-4744, (405) 901-4744
    r"(\+?0[-. ]?)?(?:\(000\) ?|000[-. ]?)000[-. ]?0000"
)
_PLAIN = re.compile(
    r"(?:\+?1[-. ]?)?(?:\(([2-9][0-9]{2})\) ?|([2-9][0-9]{2})[-. ]?)([0-9]{3})[-. ]?([0-9]{4})"
)
_AS_SHAPE = np.arange(256, dtype=np.uint8)
_AS_SHAPE[ord("0") : ord("9") + 1] = ord("0")
_DIGITS = 10
_WIDTH = _DIGITS + 2


def plain_us_number(text: str) -> str | None:
    """The same of one text: its number in E.164, None when it is written otherwise."""
    matched = _PLAIN.fullmatch(text)
    return None if matched is None else "+1" + "".join(part for part in matched.groups() if part)


def plain_us_numbers(values: pa.StringArray) -> tuple[Rows, pa.StringArray]:
    """The rows, ascending, with a number written plainly, and these numbers in E.164.

    Ten digits, the area code not beginning with 0 or 1, in groups with at most one sign between
    them, perhaps behind +1.
    """
    data, offsets = bytes_of(values)
    shapes = read_distinct(_shapes_of(values), _places)
    found: list[Rows] = []
    numbers: list[npt.NDArray[np.uint8]] = []
    for (country, *places), rows in shapes.group(lambda answer: answer).items():
        texts = gather(data, offsets[rows], places[-1] + 1)
        digits = texts[:, places]
        is_plain = digits[:, 0] >= ord("2")
        if country >= 0:
            is_plain &= texts[:, country] == ord("1")
        found.append(rows[is_plain])
        numbers.append(digits[is_plain])
    if not found:
        return np.empty(0, dtype=np.int64), pa.array([], pa.string())
    joined = np.concatenate(found)
    order = np.argsort(joined, kind="stable")
    return joined[order], _in_e164(np.concatenate(numbers)[order])


def _shapes_of(values: pa.StringArray) -> pa.StringArray:
    """The same texts with 0 for every digit."""
    stated, offsets, _ = values.buffers()
    data, _ = bytes_of(values)
    return pa.StringArray.from_buffers(
        len(values),
        offsets,
        pa.py_buffer(_AS_SHAPE[data]),
        stated,
        values.null_count,
        values.offset,
    )


def _places(shape: str) -> tuple[int, ...] | None:
    """Where the digit of the country stands, -1 without one, and the ten others; None for other
    shapes.
    """
    matched = _SHAPE.fullmatch(shape)
    if matched is None:
        return None
    digits = [at for at, sign in enumerate(shape) if sign == "0"]
    return (-1 if matched[1] is None else digits[0], *digits[-_DIGITS:])


def _in_e164(digits: npt.NDArray[np.uint8]) -> pa.StringArray:
    text = np.empty((len(digits), _WIDTH), dtype=np.uint8)
    text[:, 0], text[:, 1], text[:, 2:] = ord("+"), ord("1"), digits
    ends = np.arange(len(digits) + 1, dtype=np.int32) * _WIDTH
    return pa.StringArray.from_buffers(len(digits), pa.py_buffer(ends), pa.py_buffer(text))
