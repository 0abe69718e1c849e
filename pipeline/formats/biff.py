"""The records that old and binary Excel workbooks are made of, and the numbers in them.

Sources: MS-XLS 2.1.4 and 2.5.217 (RkNumber), MS-XLSB 2.1.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MOST_RECORD_BYTES = 16 << 20
_RK = struct.Struct("<I")
_INTEGER = struct.Struct("<i")
_DOUBLE = struct.Struct("<d")


def rk_number(data: bytes, at: int) -> float:
    """A number in four bytes: the upper half of a double, or 30 bits; of either a hundredth."""
    (bits,) = _RK.unpack_from(data, at)
    if bits & 2:
        number = float(_INTEGER.unpack_from(data, at)[0] >> 2)
    else:
        number = float(_DOUBLE.unpack(b"\0\0\0\0" + _RK.pack(bits & ~3))[0])
    return number / 100 if bits & 1 else number


def wide_text(data: bytes, at: int) -> tuple[str, int]:
    """A text behind its length in letters of two bytes, and where it ends; none is no text.

    Raises:
        ValueError: it is longer than its record.
    """
    (letters,) = _RK.unpack_from(data, at)
    if letters == 0xFFFFFFFF:
        return "", at + 4
    end = at + 4 + 2 * letters
    if end > len(data):
        raise ValueError("a text is longer than its record")
    return data[at + 4 : end].decode("utf-16-le", errors="replace"), end


def binary_records(pieces: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and data of each record of a part of a binary workbook (.xlsb).

    Raises:
        ValueError: the part ends within one, or one has no measure.
    """
    window, at = b"", 0
    for piece in pieces:
        window, at = window[at:] + piece, 0
        size = len(window)
        while at + 1 < size:
            kind, length, start = window[at], window[at + 1], at + 2
            if kind > 127 or length > 127:  # neither fits into one byte
                found = _long_head(window, at)
                if found is None:
                    break
                kind, length, start = found
            if start + length > size:
                break
            at = start + length
            yield kind, window[start:at]
    if at < len(window):
        raise ValueError("the part ends within a record")


def _long_head(window: bytes, at: int) -> tuple[int, int, int] | None:
    """Number, length and start of the record that begins at `at`; None when they are not whole."""
    kind = window[at]
    at += 1
    if kind > 127:
        kind = kind & 127 | (window[at] & 127) << 7
        at += 1
    length = shift = 0
    for byte in window[at : at + 4]:
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift == 28:
            break
    else:
        return None
    if length > _MOST_RECORD_BYTES:
        raise ValueError("a record is longer than any can be")
    return kind, length, at
