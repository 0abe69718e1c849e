"""Where the column names stand when they do not stand in the first line, or in several lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.formats import sample as sampling
from pipeline.formats.base import ReadAs
from pipeline.formats.sample import Table
from pipeline.formats.shapes import ColumnShapes, Shape, shape_of

_LOOKED_AT = 50
_JUDGED_ROWS = 200
_NAMES = (Shape.WORDS, Shape.CODE, Shape.OTHER)

FIRST_LINE_NAMES = "the first line does hold the column names"
NO_HEADER = "the file has no header: its columns are called by their place"


@dataclass(frozen=True, slots=True)
class HeaderLines:
    """A guess about the header: `proposed` names it among `answers` (see `UnclearLayout`)."""

    guess: ReadAs
    answers: dict[str, str]
    proposed: str


def no_header(delimiter: str | None, line: int) -> HeaderLines:
    """The first line looks like data."""
    answers = {"none": NO_HEADER, str(line): FIRST_LINE_NAMES}
    return HeaderLines(ReadAs(header=False, delimiter=delimiter), answers, "none")


def header_below(
    lines: Sequence[str], start: int, delimiter: str, width: int, before: int = 0
) -> HeaderLines:
    """Lines stand before the header: it is the first line that has as many cells as the rows.

    `before` is how many lines of the file stand before `lines`.
    """
    answers = {
        str(number): f"the column names stand in line {number} of the file"
        for number, line in enumerate(lines[start : start + _LOOKED_AT], before + start + 1)
        if line.strip() and sampling.split([line], delimiter).width == width
    }
    answers = dict(list(answers.items())[:3])
    answers["none"] = NO_HEADER
    first = next(iter(answers))
    if first == "none":
        return HeaderLines(ReadAs(header=False, delimiter=delimiter), answers, first)
    guess = ReadAs(header_rows=(int(first),), delimiter=delimiter)
    return HeaderLines(guess, answers, first)


def two_lines(header: Sequence[str], table: Table, line: int, delimiter: str) -> HeaderLines | None:
    """Groups above names: labels that are empty or repeated, and below them a line of names."""
    labels = [label.strip() for label in header]
    named = [label for label in labels if label]
    if len(header) < 2 or len(set(named)) == len(labels) or not table.rows:
        return None
    second = [cell.strip() for cell in table.rows[0]]
    if len(second) != len(labels) or len(table.rows) < 2:
        return None
    names = [cell for cell in second if cell]
    are_names = all(shape_of(cell) in _NAMES and not cell.isdigit() for cell in names)
    if not are_names or len(names) * 2 < len(second) or len(set(names)) < len(names):
        return None
    strong = ColumnShapes(table.rows[1:_JUDGED_ROWS], len(labels)).strong
    differs = [
        shape is not None and shape_of(cell) is not shape
        for cell, shape in zip(second, strong, strict=True)
    ]
    if not any(differs):
        return None
    both = f"{line}+{line + 1}"
    answers = {
        both: f"the names stand in lines {line} and {line + 1} together",
        str(line): f"the names stand in line {line} alone; line {line + 1} is data",
        str(line + 1): f"the names stand in line {line + 1} alone",
    }
    guess = ReadAs(header_rows=(line, line + 1), delimiter=delimiter)
    return HeaderLines(guess, answers, both)


def join_names(rows: Sequence[Sequence[str]], joiner: str) -> tuple[str, ...]:
    """One label a column from several header rows; a merged cell's name goes on to its right."""
    width = len(rows[-1])
    filled = [_filled(row, width) for row in rows[:-1]]
    return tuple(
        joiner.join(dict.fromkeys(part for part in parts if part))
        for parts in zip(*filled, (cell.strip() for cell in rows[-1]), strict=True)
    )


def _filled(row: Sequence[str], width: int) -> list[str]:
    cells: list[str] = []
    last = ""
    for cell in [*row, *[""] * width][:width]:
        last = cell.strip() or last
        cells.append(last)
    return cells


def named_by_place(width: int, names: Sequence[str]) -> tuple[str, ...]:
    """Labels of columns without a header: the given names, else their place."""
    return tuple(
        names[at] if at < len(names) and names[at] else f"column {at + 1}" for at in range(width)
    )


def padded(names: Sequence[str], width: int, unnamed: str) -> tuple[str, ...]:
    """The header with empty labels where the rows have columns that it does not name."""
    empty = [""] * (width - len(names))
    return tuple([*empty, *names] if unnamed == "first" else [*names, *empty])
