"""OLE containers, in which old Office files and encrypted new ones come.

Source: MS-CFB 2.2 to 2.6. The sectors of a stream are a chain, which damage can close to a ring.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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
_NO_SECTOR = 0xFFFFFFFA
"""Numbers from here on stand for the end of a chain, or for no sector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A stream: its name, its first sector, its length in bytes."""

    name: str
    start: int
    size: int


def streams_of(path: Path) -> frozenset[str]:
    """Names in the container; empty when its directory cannot be read."""
    with path.open("rb") as source:
        return frozenset(one.name for one in _entries(source))


def name_of(path: Path) -> str | None:
    """What a container that is no workbook holds; None when that is not known."""
    streams = streams_of(path)
    return next((name for stream, name in _KINDS.items() if stream in streams), None)


def stream_of(path: Path, names: tuple[str, ...]) -> bytes | None:
    """The first of these streams that is there, whole; None when there is none.

    Raises:
        ValueError, struct.error, IndexError: the container is damaged.
    """
    with path.open("rb") as source:
        entries = {one.name: one for one in reversed(_entries(source))}
        for name in names:
            if (entry := entries.get(name)) is not None:
                return _Container(source).stream(entry, entries["Root Entry"])
    return None


def _entries(source: BinaryIO) -> list[_Entry]:
    """What the directory lists; empty when it cannot be read."""
    found: list[_Entry] = []
    source.seek(0)
    head = source.read(512)
    if len(head) < 512 or not head.startswith(MAGIC):
        return found
    (shift,) = struct.unpack_from("<H", head, 30)
    at, fat = struct.unpack_from("<I", head, 48)[0], struct.unpack_from("<109I", head, 76)
    if shift not in (9, 12):
        return found
    sector = 1 << shift
    for _ in range(_MOST_SECTORS):
        source.seek((at + 1) * sector)
        found += _entries_in(source.read(sector), wide=shift == 12)
        table, place = divmod(at, sector // 4)
        if table >= len(fat) or fat[table] >= _NO_SECTOR:
            break
        source.seek((fat[table] + 1) * sector + place * 4)
        following = source.read(4)
        if len(following) < 4 or (at := struct.unpack("<I", following)[0]) >= _NO_SECTOR:
            break
    return found


def _entries_in(sector: bytes, *, wide: bool) -> list[_Entry]:
    found = []
    for start in range(0, len(sector) - _ENTRY + 1, _ENTRY):
        (length,) = struct.unpack_from("<H", sector, start + 64)
        if 2 < length <= 64:
            name = sector[start : start + length - 2].decode("utf-16-le", errors="replace")
            first, size = struct.unpack_from("<IQ", sector, start + 116)
            found.append(_Entry(name=name, start=first, size=size if wide else size & 0xFFFFFFFF))
    return found


class _Container:
    """Follows the chains of sectors."""

    def __init__(self, source: BinaryIO) -> None:
        source.seek(0)
        self._whole = source.read()
        head = self._whole
        self._sector = 1 << struct.unpack_from("<H", head, 30)[0]
        if struct.unpack_from("<H", head, 32)[0] != 6:
            raise ValueError("small sectors of another size than there are")
        self._small = 1 << 6
        self._cutoff, self._small_table = struct.unpack_from("<II", head, 56)
        self._next = self._table(head)

    def stream(self, entry: _Entry, root: _Entry) -> bytes:
        """The bytes of a stream; short ones stand in small sectors within the root's."""
        if entry.size >= self._cutoff:
            return self._chained(entry.start, self._whole, self._sector, self._next, 1)[
                : entry.size
            ]
        table = self._chained(self._small_table, self._whole, self._sector, self._next, 1)
        small = self._chained(root.start, self._whole, self._sector, self._next, 1)
        entries = min(len(table) // 4, len(small) // self._small + 1)
        following = struct.unpack_from(f"<{entries}I", table)
        return self._chained(entry.start, small, self._small, following, 0)[: entry.size]

    def _table(self, head: bytes) -> tuple[int, ...]:
        """Which sector follows which."""
        numbers = [one for one in struct.unpack_from("<109I", head, 76) if one < _NO_SECTOR]
        at, most = struct.unpack_from("<II", head, 68)
        per = self._sector // 4
        for _ in range(min(most, len(head) // self._sector)):
            if at >= _NO_SECTOR:
                break
            more = struct.unpack_from(f"<{per}I", head, (at + 1) * self._sector)
            numbers += [one for one in more[:-1] if one < _NO_SECTOR]
            at = more[-1]
        sectors = len(head) // self._sector
        if len(numbers) > sectors:
            raise ValueError("the table of sectors is longer than the file")
        numbers = numbers[: sectors // per + 1]  # the rest is about sectors that are not there
        parts = [head[(one + 1) * self._sector : (one + 2) * self._sector] for one in numbers]
        table = b"".join(parts)
        return struct.unpack_from(f"<{len(table) // 4}I", table)

    @staticmethod
    def _chained(
        at: int, within: bytes, sector: int, following: tuple[int, ...], ahead: int
    ) -> bytes:
        """The sectors of a chain, one behind the other. ahead: sectors that are not counted."""
        parts: list[bytes] = []
        while at < _NO_SECTOR:
            if len(parts) > len(within) // sector:
                raise ValueError("a chain of sectors has no end")
            parts.append(within[(at + ahead) * sector : (at + ahead + 1) * sector])
            at = following[at]
        return b"".join(parts)
