"""The directory of an OLE container, in which old Office files and encrypted new ones come."""

from __future__ import annotations

import struct
from pathlib import Path

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS = {
    "EncryptedPackage": "an Office file with a password",
    "WordDocument": "an old Word document",
    "PowerPoint Document": "an old PowerPoint file",
    "__properties_version1.0": "an Outlook message",
}
NAMED = frozenset(_KINDS)
"""Streams that say that a container is no workbook."""
_ENTRY = 128
_MOST_SECTORS = 64


def streams_of(path: Path) -> frozenset[str]:
    """Names in the container; empty when its directory cannot be read."""
    names: set[str] = set()
    with path.open("rb") as source:
        head = source.read(512)
        if len(head) < 512 or not head.startswith(MAGIC):
            return frozenset()
        (shift,) = struct.unpack_from("<H", head, 30)
        at, fat = struct.unpack_from("<I", head, 48)[0], struct.unpack_from("<109I", head, 76)
        if shift not in (9, 12):
            return frozenset()
        sector = 1 << shift
        for _ in range(_MOST_SECTORS):
            source.seek((at + 1) * sector)
            names |= set(_entries(source.read(sector)))
            table, place = divmod(at, sector // 4)
            if table >= len(fat) or fat[table] >= 0xFFFFFFFA:
                break
            source.seek((fat[table] + 1) * sector + place * 4)
            following = source.read(4)
            if len(following) < 4 or (at := struct.unpack("<I", following)[0]) >= 0xFFFFFFFA:
                break
    return frozenset(names)


def _entries(sector: bytes) -> list[str]:
    found = []
    for start in range(0, len(sector) - _ENTRY + 1, _ENTRY):
        (length,) = struct.unpack_from("<H", sector, start + 64)
        if 2 < length <= 64:
            found.append(sector[start : start + length - 2].decode("utf-16-le", errors="replace"))
    return found


def name_of(path: Path) -> str | None:
    """What a container that is no workbook holds; None when that is not known."""
    streams = streams_of(path)
    return next((name for stream, name in _KINDS.items() if stream in streams), None)
