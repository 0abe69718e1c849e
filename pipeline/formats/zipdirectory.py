"""How long the list of files in a ZIP container is, told without loading it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

MOST_DIRECTORY_BYTES = 16 << 20
"""A longer list of the files in a ZIP container is not loaded; it has some 200 000 of them."""
_TAIL = 66_000  # a ZIP end record with the longest comment


def zip_directory_bytes(path: Path) -> int:
    """How long the list of files in a ZIP file is; 0 when it is not there."""
    with path.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        source.seek(max(0, size - _TAIL))
        tail = source.read(_TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return 0
    (length,) = struct.unpack_from("<I", tail, at + 12)
    if length == 0xFFFFFFFF and tail[at - 20 : at - 16] == b"PK\x06\x07":
        (offset,) = struct.unpack_from("<Q", tail, at - 12)
        with path.open("rb") as source:
            source.seek(min(offset, size))
            record = source.read(56)
        if len(record) == 56:
            (length,) = struct.unpack_from("<Q", record, 40)
    return int(length)
