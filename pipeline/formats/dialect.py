"""Which character separates the cells, decided by how well each candidate makes a table.

A reading is scored by three shares, multiplied: rows as wide as the header, cells that look like
one value each, header cells that look like one name each. A cell that holds another candidate
without a space behind it (`1;70`) looks like two cells not split; `70,5` is a number. Two readings
that are nearly as good as each other are a question, not an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ContentError, FileCode
from pipeline.formats import sample as sampling
from pipeline.formats.base import ReadAs, UnclearLayout
from pipeline.formats.headerlines import header_below, no_header
from pipeline.formats.sample import Table
from pipeline.formats.shapes import Shape, shape_of

CANDIDATES = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_RIVAL_RATIO = 0.6  # a second reading this close to the best one makes the layout unclear
_CLEAR_CELLS = 0.9
_JUDGED_ROWS = 200
_SEP_LINE = re.compile(r'"?sep=([!-/:-@\[-`{-~\t])"?[ ,;|\t]*', re.IGNORECASE)
_ONE_NAME = re.compile(r"[^\W\d_][\w ./()%#°µ²³:&+*'’-]{0,63}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines split. `delimiter` is None for a table of one column; confidence is 0 to 1."""

    delimiter: str | None
    confidence: float
    scores: dict[str, float]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How good a table one delimiter makes; the last three are shares, 0 to 1."""

    delimiter: str
    width: int
    rows: int
    as_wide: float
    single_cells: float
    single_names: float

    @classmethod
    def of(cls, table: Table) -> _Reading:
        cells = [cell for row in table.rows[:_JUDGED_ROWS] for cell in row if cell.strip()]
        return cls(
            delimiter=table.delimiter,
            width=table.width,
            rows=len(table.rows),
            as_wide=_share_as_wide(table),
            single_cells=_mean([_looks_single(cell, table.delimiter) for cell in cells]),
            single_names=_mean([_looks_single(cell, table.delimiter) for cell in table.records[0]]),
        )

    @property
    def score(self) -> float:
        return self.as_wide * self.single_cells * self.single_names

    def challenges(self, best: _Reading) -> bool:
        """True when nothing speaks clearly for `best` and against this reading."""
        if self.score and self.score >= _RIVAL_RATIO * best.score:
            return True
        # All rows as wide as the header under both: then the cells themselves must tell.
        both_regular = min(self.as_wide, best.as_wide) >= 0.9 and self.rows > 0
        return both_regular and (
            best.single_cells < _CLEAR_CELLS or self.single_cells > _RIVAL_RATIO
        )

    def sentence(self) -> str:
        return (
            f"separated by {name(self.delimiter)}, {self.as_wide:.0%} of the first {self.rows} "
            f"rows have as many cells as the header ({self.width})"
        )


def sep_line(line: str) -> str | None:
    """The delimiter that a first line `sep=;` declares, as Excel understands it."""
    match = _SEP_LINE.fullmatch(line.strip("\r\n"))
    return match[1] if match else None


def decide_delimiter(lines: Sequence[str], declared: str | None, start: int = 0) -> Dialect:
    """Decide how `lines`, the first of which is the header, split into cells.

    `start` is how many lines of the file stand before them.

    Raises:
        ContentError: LAYOUT_UNCLEAR.
    """
    present = [candidate for candidate in CANDIDATES if candidate in lines[0]] or CANDIDATES
    tables = [sampling.split(lines, candidate) for candidate in present]
    if declared is not None:
        return _declared(lines, declared, tables)
    readings = sorted(
        (_Reading.of(table) for table in tables if table.width > 1),
        key=lambda reading: -reading.score,
    )
    if not readings:
        return _one_column(lines, tables, start)
    best, rivals = readings[0], readings[1:]
    for rival in rivals:
        if rival.challenges(best):
            raise _rivals(best, rival)
    lead = 1 - rivals[0].score / best.score if rivals and best.score else 1.0
    return Dialect(
        best.delimiter,
        round(best.score * lead, 3),
        {reading.delimiter: round(reading.score, 4) for reading in readings},
        (best.sentence(),),
    )


def _rivals(best: _Reading, rival: _Reading) -> UnclearLayout:
    return UnclearLayout(
        FileCode.LAYOUT_UNCLEAR,
        f"separated by {name(best.delimiter)} and by {name(rival.delimiter)} the lines "
        f"make equally good tables (scores {best.score:.2f} and {rival.score:.2f})",
        key="delimiter",
        guess=ReadAs(delimiter=best.delimiter),
        answers={
            name(one.delimiter): f"a {name(one.delimiter)} separates the cells: {one.width} columns"
            for one in (best, rival)
        },
    )


def _declared(lines: Sequence[str], declared: str, tables: Sequence[Table]) -> Dialect:
    found = [name(table.delimiter) for table in tables if table.width > 1]
    if sampling.split(lines, declared).width < 2 and found:
        raise ContentError(
            FileCode.LAYOUT_UNCLEAR,
            f"a first line declares the separator {name(declared)}, but the header has none; it "
            f"has {' and '.join(found)}",
        )
    sentence = f"a first line declares the separator: {name(declared)}"
    return Dialect(declared, 1.0, {declared: 1.0}, (sentence,))


def name(delimiter: str) -> str:
    """The delimiter in words."""
    return NAMES.get(delimiter, f"'{delimiter}'")


def _share_as_wide(table: Table) -> float:
    """Share of rows as wide as the header; rows that agree among themselves count a little."""
    widths = [len(row) for row in table.rows]
    if not widths:
        return 1.0
    agreeing = max(widths.count(width) for width in set(widths))
    return max(widths.count(table.width), 0.1 * agreeing) / len(widths)


def _looks_single(cell: str, delimiter: str) -> float:
    others = [mark for mark in CANDIDATES if mark != delimiter and mark in cell]
    if not others or shape_of(cell) is Shape.NUMBER:
        return 1.0
    prose = all(f"{mark} " in cell for mark in others)
    return 0.7 if prose else 0.3


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0


def _one_column(lines: Sequence[str], tables: Sequence[Table], start: int) -> Dialect:
    """Accept a table of one column only when its header is one plausible name."""
    for table in tables:
        widths = [len(row) for row in table.rows]
        if widths and sum(width > 1 for width in widths) * 2 >= len(widths):
            usual = max(set(widths), key=widths.count)
            found = header_below(lines, 0, table.delimiter, usual, before=start)
            raise UnclearLayout(
                FileCode.LAYOUT_UNCLEAR,
                f"the first line has no {name(table.delimiter)}, but most lines below it have: "
                "lines stand before the header, or the header is missing",
                key="header",
                guess=found.guess,
                answers=found.answers,
                proposed=found.proposed,
            )
    header = tables[0].records[0][0].strip() if tables[0].whole_header else ""
    if shape_of(header) in (Shape.NUMBER, Shape.DATE, Shape.EMAIL):
        found = no_header(None, start + 1)
        raise UnclearLayout(
            FileCode.HEADER_MISSING,
            "the first line is a value, not the name of a column",
            key="header",
            guess=found.guess,
            answers=found.answers,
            proposed=found.proposed,
        )
    if not _ONE_NAME.fullmatch(header) or "  " in header or _splits_by_space(header, lines):
        raise ContentError(
            FileCode.LAYOUT_UNCLEAR,
            "no comma, semicolon, tab or bar separates the lines into columns, and the first line "
            "is not the name of a single column",
        )
    sentence = "no separator was found: the first line is one name, so this is one column"
    return Dialect(None, 0.8, {}, (sentence,))


def _splits_by_space(header: str, lines: Sequence[str]) -> bool:
    words = len(header.split())
    rows = [len(line.split()) for line in lines[1 : 1 + _JUDGED_ROWS] if line.strip()]
    return words > 1 and len(rows) > 0 and rows.count(words) * 10 >= len(rows) * 9
