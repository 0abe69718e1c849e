"""Words parted by blanks, one column of which is text that holds blanks itself, without quotes.

`2020-01-02 New York 6.1` below `date city temp`: what stands to the left and to the right of the
text are values, line for line, and that shows where it begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.formats.raw.celltypes import CODE, TYPED, kind_of, short_mask
from pipeline.formats.raw.headers import could_be_names

_LEAST_ROWS = 3
_LEAST_WIDTH, _MOST_WIDTH = 3, 12
_SHARE = 0.5  # of the other columns hold nothing but values
_JUDGED_ROWS = 100


@dataclass(frozen=True, slots=True)
class FreeText:
    """The table has `width` columns, and the one at `place` is text."""

    width: int
    place: int

    def split(self, line: str) -> list[str]:
        """Cells of one line; those of a line with too few words come first."""
        words = line.split()
        behind = self.width - 1 - self.place
        if len(words) <= self.width:
            return words
        last = len(words) - behind
        return [*words[: self.place], " ".join(words[self.place : last]), *words[last:]]


def find_free_text(texts: Sequence[str]) -> FreeText | None:
    """Which column of the lines is text; None when none or several may be."""
    lines = [text for text in texts if text.strip()][: _JUDGED_ROWS + 1]
    words = [line.split() for line in lines]
    if len(words) <= _LEAST_ROWS:
        return None
    names, rows = words[0], words[1:]
    width = len(names)
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH or any(len(row) < width for row in rows):
        return None
    if all(len(row) == width for row in rows) or not could_be_names(names):
        return None
    found = sorted(
        ((_values(FreeText(width, place), lines[1:]), place) for place in range(width)),
        reverse=True,
    )
    if found[0][0] < _SHARE * (width - 1) or found[0][0] == found[1][0]:
        return None
    return FreeText(width, found[0][1])


def _values(reading: FreeText, lines: Sequence[str]) -> int:
    """How many of the other columns hold values of one kind; 0 when the text is no text."""
    columns = list(zip(*map(reading.split, lines), strict=True))
    if any(kind_of(cell) in TYPED for cell in columns[reading.place]):
        return 0
    return sum(_is_valued(cells) for at, cells in enumerate(columns) if at != reading.place)


def _is_valued(cells: Sequence[str]) -> bool:
    kinds = set(map(kind_of, cells))
    if len(kinds) != 1:
        return False
    kind = kinds.pop()
    return kind in TYPED or (kind == CODE and len(set(map(short_mask, cells))) <= 2)
