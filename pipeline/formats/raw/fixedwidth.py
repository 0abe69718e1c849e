"""Columns of fixed width, told from the places where no line has a character."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_LEAST_LINES = 3
_MOST_LINES = 300
_MOST_WIDTH = 2_000
_CLEAR = 0.98
_FAR = sys.maxsize
_MARKS = ",;\t|"


@dataclass(frozen=True, slots=True)
class FixedWidth:
    """Where columns begin and end: [start, end) in characters; the last end is open (None)."""

    spans: tuple[tuple[int, int | None], ...]
    confidence: float
    told: bool = False

    def split(self, line: str) -> list[str]:
        """Cells of one line, without the space that fills them up."""
        line = self._spread(line)
        return [line[start:end].strip() for start, end in self.spans]

    def outside(self, line: str) -> int | None:
        """Where text stands beside the columns, 1 for the line's first character; None if none."""
        behind = 0
        for start, end in (*self.spans, (_FAR, None)):
            gap = line[behind:start]
            if gap and not gap.isspace():
                return behind + len(gap) - len(gap.lstrip()) + 1
            if end is None:
                return None
            behind = end
        return None

    def _spread(self, line: str) -> str:
        """Columns that line up for the eye count a tab as far as it reaches; told ones as one."""
        return line if self.told else line.expandtabs(8)


def told_columns(fixed: FixedWidth, lines: Sequence[str]) -> FixedWidth | None:
    """Columns somebody told; None when `lines`, none of them blank, are plainly something else."""
    sample = [line.rstrip() for line in lines[:_MOST_LINES]]
    beside = sum(fixed.outside(line) is not None for line in sample)
    reached = sum(2 * len(line) > fixed.spans[-1][0] for line in sample)
    if 2 * beside > len(sample) or 2 * reached < len(sample) or _is_separated(sample):
        return None
    return fixed


def _is_separated(sample: Sequence[str]) -> bool:
    """A mark as often in every line, but never at the same places, separates cells."""
    for mark in _MARKS:
        counts = {line.count(mark) for line in sample}
        if len(sample) > 2 and len(counts) == 1 and counts.pop():
            places = {line.index(mark) for line in sample}
            if len(places) > 1:
                return True
    return False


def find_columns(lines: Sequence[str]) -> FixedWidth | None:
    """The columns of `lines`, none of them blank; None when they do not line up."""
    sample = [line.expandtabs(8).rstrip() for line in lines[:_MOST_LINES]]
    if len(sample) < _LEAST_LINES:
        return None
    usual = sorted(map(len, sample))[len(sample) // 2]
    sample = [line for line in sample if 2 * len(line) >= usual]
    width = min(max(map(len, sample), default=0), _MOST_WIDTH)
    if len(sample) < _LEAST_LINES or width < 3:
        return None
    filled = _filled(sample, width)
    spans = _spans(filled, len(sample))
    spans = [piece for span in spans for piece in _by_kind(sample, span)]
    spans = _joined(sample, spans)
    if len(spans) < 2:
        return None
    return _judged(sample, spans)


def _filled(sample: Sequence[str], width: int) -> list[int]:
    """For each place, in how many lines a character stands there."""
    counts = [0] * width
    for line in sample:
        for at, char in enumerate(line[:width]):
            if char != " ":
                counts[at] += 1
    return counts


def _spans(filled: Sequence[int], count: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for at, times in enumerate([*filled, 0]):
        if times > (1 - _CLEAR) * count:
            start = at if start is None else start
        elif start is not None:
            spans.append((start, at))
            start = None
    return spans


def _by_kind(sample: Sequence[str], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Cut a span where digits give way to letters, or letters to digits, in every line."""
    start, end = span
    if len({len(line) for line in sample}) > 1 or end - start < 4:
        return [span]
    cuts = []
    for at in range(start + 1, end):
        pairs = [(line[at - 1 : at], line[at : at + 1]) for line in sample[1:]]
        into_text = sum(left.isdigit() and right.isalpha() for left, right in pairs)
        into_number = sum(left in " " or left.isalpha() for left, right in pairs if right.isdigit())
        if into_text == len(pairs) or into_number == len(pairs):
            cuts.append(at)
    edges = [start, *cuts, end]
    return list(pairwise(edges))


def _joined(sample: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join neighbours that a single blank parts by chance: words of one text."""
    made: list[tuple[int, int]] = []
    for span in spans:
        if made and span[0] - made[-1][1] == 1 and len(sample) < 12 and _text(sample, made[-1]):
            aligned = Counter(line[span[0] : span[0] + 1] != " " for line in sample)
            if aligned[True] < len(sample):
                made[-1] = (made[-1][0], span[1])
                continue
        made.append(span)
    return made


def _text(sample: Sequence[str], span: tuple[int, int]) -> bool:
    return any(char.isalpha() for line in sample[1:] for char in line[span[0] : span[1]])


def _judged(sample: Sequence[str], spans: Sequence[tuple[int, int]]) -> FixedWidth | None:
    """Believe in the columns when cells begin or end at the same place in nearly all lines."""
    shares = []
    for start, end in spans:
        cells = [line[start:end] for line in sample if line[start:end].strip()]
        if not cells:
            return None
        left = sum(cell[0] != " " for cell in cells) / len(cells)
        right = sum(len(cell) == end - start and cell[-1] != " " for cell in cells) / len(cells)
        shares.append(max(left, right))
    confidence = sum(shares) / len(shares)
    if confidence < 0.8:
        return None
    starts = [0, *(before + (1 if start > before else 0)
                   for (_, before), (start, _) in pairwise(spans))]  # fmt: skip
    ends: list[int | None] = [*starts[1:], None]
    return FixedWidth(tuple(zip(starts, ends, strict=True)), round(confidence, 3))
