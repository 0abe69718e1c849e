"""Columns of fixed width that are counted in bytes, or in columns of a screen, not in characters.

Old programs fill a field up to so many bytes: `Müller` takes seven of them in UTF-8. Terminals and
printers give a Chinese or Japanese letter two columns, and a combining mark none.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from pipeline.formats.raw.fixedwidth import FixedWidth

Counted = Literal["characters", "bytes", "columns"]
_NO_BYTES = frozenset({"Mn", "Me", "Cf"})


@dataclass(frozen=True, slots=True)
class CountedWidth(FixedWidth):
    """Columns whose places are counted otherwise; a letter belongs to where it begins.

    codec: how the file is encoded, when its bytes are counted; None when columns are.
    """

    codec: str | None = None

    def split(self, line: str) -> list[str]:
        """Cells of one line, without the space that fills them up."""
        if line.isascii():
            return [line[start:end].strip() for start, end in self.spans]
        places = self._places(line)
        return [
            line[
                bisect_left(places, start) : None if end is None else bisect_left(places, end)
            ].strip()
            for start, end in self.spans
        ]

    def outside(self, line: str) -> int | None:
        """Where text stands beside the columns, counted as they are; None if none does."""
        if line.isascii():
            return FixedWidth.outside(self, line)
        places = self._places(line)
        inside = [
            (bisect_left(places, start), len(line) if end is None else bisect_left(places, end))
            for start, end in self.spans
        ]
        at = FixedWidth(tuple(inside), 1.0, told=True).outside(line)
        return None if at is None else places[at - 1] + 1

    def _places(self, line: str) -> list[int]:
        """Where each letter begins; a mark on a letter begins where that does."""
        sizes = list(map(self._size, line))
        ends = list(accumulate(sizes, initial=0))
        return [end - (not size) for end, size in zip(ends, sizes, strict=False)]

    def _size(self, letter: str) -> int:
        if self.codec is not None:
            return len(letter.encode(self.codec, errors="replace"))
        if unicodedata.category(letter) in _NO_BYTES:
            return 0
        return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def placed_columns(
    spans: tuple[tuple[int, int | None], ...], counted: Counted, codec: str
) -> FixedWidth:
    """The columns that somebody told, counted as they said."""
    if counted == "characters":
        return FixedWidth(spans, 1.0, told=True)
    bare = codec.removesuffix("-sig")
    return CountedWidth(spans, 1.0, told=True, codec=bare if counted == "bytes" else None)
