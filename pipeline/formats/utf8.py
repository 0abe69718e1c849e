"""Whether bytes are UTF-8, without making text of them."""

from __future__ import annotations

import pyarrow as pa

_LONGEST = 4  # bytes of a character


def whole_utf8(data: bytes) -> int:
    """How many bytes from the beginning on are whole characters; a last one may be cut.

    0 when any other byte disobeys: then decoding tells where.
    """
    end = len(data) - _cut_at_the_end(data)
    offsets = pa.py_buffer(end.to_bytes(8, "little").rjust(16, b"\0"))
    text = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return 0
    return end


def _cut_at_the_end(data: bytes) -> int:
    """How many bytes at the end are the beginning of a character."""
    for back, byte in enumerate(reversed(data[1 - _LONGEST :]), 1):
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
    return 0
