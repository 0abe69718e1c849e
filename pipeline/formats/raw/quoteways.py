"""The ways to read one line whose quotes do not follow the grammar, each with its price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer

_MOST_WAYS = 40
_MOST_STEPS = 1_500
_MOST_CLOSINGS = 8
_MOST_CHARS = 200_000  # are parsed to find the doubled quotes of a line that part two cells
_BAD_INNER, _LITERAL, _GLUED, _STRAY = 0.8, 1.5, 2.2, 0.2

Way = tuple[float, list[str]]
_Cells = tuple[Any, str] | None
"""The cells read so far, the last one beside all before it."""
_Step = tuple[float, int, str, int]
"""The price of a cell, its number among those from its place, its text, where the next begins."""
_Waiting = tuple[float, int, int, Any, Sequence[_Step], float, int]
"""A way so far: its price, its rank, where it goes on, its cells, and what would be dearer."""


class Quoted(str):
    """A cell that stood in quotes: whole by itself."""

    __slots__ = ()


def ways(text: str, dialect: RawDialect) -> list[Way]:
    """Readings of one line, cheapest first."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote is None or not delimiter:
        return []
    found: list[Way] = []
    seen: set[tuple[str, ...]] = set()
    begun: dict[int, list[_Step]] = {}  # many ways come by the same place
    order = 0
    waiting: list[_Waiting] = [(0.0, 0, 0, None, (), 0.0, 0)]
    for _ in range(_MOST_STEPS):
        if not waiting or len(found) >= _MOST_WAYS:
            break
        price, _, at, read, others, base, first = heappop(waiting)
        if others:  # the next dearer one from the same place
            heappush(waiting, _next(others, base, first, read[0]))
        if at < 0:
            cells = _in_order(read)
            if cells not in seen:
                seen.add(cells)
                found.append((price, list(cells)))
            continue
        if at not in begun:
            begun[at] = sorted(
                (extra, number, cell, behind)
                for number, (extra, cell, behind) in enumerate(_cells_at(text, at, dialect), 1)
            )
        heappush(waiting, _next(begun[at], price, order, read))
        order += len(begun[at])
    return found


def _next(steps: Sequence[_Step], price: float, order: int, read: _Cells) -> _Waiting:
    """The cheapest of some steps from a place that was reached for `price`, and the others."""
    extra, number, cell, behind = steps[0]
    return price + extra, order + number, behind, (read, cell), steps[1:], price, order


def _in_order(read: _Cells) -> tuple[str, ...]:
    cells = []
    while read is not None:
        read, cell = read
        cells.append(cell)
    return tuple(reversed(cells))


def parted(text: str, dialect: RawDialect, width: int) -> list[Way]:
    """Readings with `width` cells in which one doubled quote is the end and the begin of two."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote is None or not delimiter or dialect.escape or quote * 2 not in text:
        return []
    lexer = Lexer(dialect)
    found: list[Way] = []
    at = text.find(quote * 2)
    tries = max(_MOST_CLOSINGS, _MOST_CHARS // len(text))
    while at >= 0 and len(found) < _MOST_CLOSINGS and tries:
        tries -= 1
        cut = at + 2 if text.startswith(quote * 4, at) else at + 1  # two empty cells, or two full
        parsed = lexer.parse(text[:cut] + delimiter + text[cut:])
        if parsed is not None and len(parsed[0]) == width and not parsed[2]:
            found.append((_GLUED, [Quoted(cell) for cell in parsed[0]]))
        at = text.find(quote * 2, at + 2)
    return found


def _cells_at(text: str, at: int, dialect: RawDialect) -> Iterator[tuple[float, str, int]]:
    """Each way to read the cell at `at`: its price, its text, where the next one begins or -1."""
    quote, delimiter = dialect.quote or "", dialect.delimiter or ""
    start = at
    if delimiter != " ":
        while start < len(text) and text[start] == " ":
            start += 1
    if text.startswith(quote, start):
        yield from _closings(text, start, dialect)
    end = text.find(delimiter, at)
    behind = end + len(delimiter) if end >= 0 else -1
    cell = text[at:end] if end >= 0 else text[at:]
    if dialect.skip_space:
        cell = cell.lstrip(" ")
    literal = cell.lstrip(" ").startswith(quote)
    yield (_LITERAL if literal else _STRAY * cell.count(quote)), cell, behind
    inside = text.find(quote, max(at + 1, start + 1), end if end >= 0 else len(text))
    if inside > at and not literal:
        yield _GLUED, text[at:inside], inside


def _closings(text: str, start: int, dialect: RawDialect) -> Iterator[tuple[float, str, int]]:
    quote, delimiter = dialect.quote or "", dialect.delimiter or ""
    at = start
    for _ in range(_MOST_CLOSINGS):
        at = text.find(quote, at + 1)
        if at < 0:
            return
        if dialect.escape and text[at - 1] == dialect.escape:
            continue
        inner = text[start + 1 : at]
        behind = at + 1
        while behind < len(text) and text[behind] == " " and delimiter != " ":
            behind += 1
        well = _well_formed(inner, dialect)
        price = 0.0 if well else _BAD_INNER
        cell = _plain(inner, dialect)
        if behind >= len(text):
            yield price, Quoted(cell), -1
        elif text.startswith(delimiter, behind):
            yield price, Quoted(cell), behind + len(delimiter)
        elif well and inner:
            yield _GLUED, Quoted(cell), at + 1


def _well_formed(inner: str, dialect: RawDialect) -> bool:
    quote = dialect.quote or ""
    bare = inner.replace(quote + quote, "")
    if dialect.escape:
        bare = bare.replace(dialect.escape + quote, "")
    return quote not in bare


def _plain(inner: str, dialect: RawDialect) -> str:
    quote = dialect.quote or ""
    if dialect.escape:
        inner = inner.replace(dialect.escape + quote, quote)
    return inner.replace(quote + quote, quote)
