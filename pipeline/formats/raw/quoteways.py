"""The ways to read one line whose quotes do not follow the grammar, each with its price."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lexer

_MOST_WAYS = 40
_MOST_STEPS = 1_500
_MOST_CLOSINGS = 8
_BAD_INNER, _LITERAL, _GLUED, _STRAY = 0.8, 1.5, 2.2, 0.2

Way = tuple[float, list[str]]


class Quoted(str):
    """A cell that stood in quotes: whole by itself."""

    __slots__ = ()


def ways(text: str, dialect: RawDialect) -> list[Way]:
    """Readings of one line, cheapest first."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote is None or not delimiter:
        return []
    order = count()
    heap: list[tuple[float, int, int, tuple[str, ...]]] = [(0.0, next(order), 0, ())]
    found: list[Way] = []
    seen: set[tuple[str, ...]] = set()
    begun: dict[int, list[tuple[float, str, int]]] = {}  # many ways come by the same place
    for _ in range(_MOST_STEPS):
        if not heap or len(found) >= _MOST_WAYS:
            break
        price, _, at, cells = heappop(heap)
        if at < 0:
            if cells not in seen:
                seen.add(cells)
                found.append((price, list(cells)))
            continue
        if at not in begun:
            begun[at] = list(_cells_at(text, at, dialect))
        for extra, cell, behind in begun[at]:
            heappush(heap, (price + extra, next(order), behind, (*cells, cell)))
    return found


def parted(text: str, dialect: RawDialect, width: int) -> list[Way]:
    """Readings with `width` cells in which one doubled quote is the end and the begin of two."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote is None or not delimiter or dialect.escape or quote * 2 not in text:
        return []
    lexer = Lexer(dialect)
    found: list[Way] = []
    at = text.find(quote * 2)
    while at >= 0 and len(found) < _MOST_CLOSINGS:
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
