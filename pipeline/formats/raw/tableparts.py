"""What the search for a table is made of: its outcome, and what tells its parts apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.formats.raw.celltypes import EMPTY, TYPED, kind_of
from pipeline.formats.raw.columns import ColumnModel
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.headerline import names_in
from pipeline.formats.raw.headers import could_be_names
from pipeline.formats.raw.lexer import Lines, RawRecord
from pipeline.formats.raw.records import Records

_SUM_WORDS = """
total totals subtotal sum count average mean summe gesamt gesamtsumme insgesamt anzahl
durchschnitt mittelwert zwischensumme totale totaal somme moyenne suma promedio eof
"""
_SUMS = frozenset(_SUM_WORDS.split())
_COUNTED = re.compile(r"\(?\d+ (?:rows?|records?)\b")
_UNIT = re.compile(r"\([^()]*[^\W\d][^()]*\)|\[[^][]*[^\W\d][^][]*\]")
_SUM_STARTS = ("grand total", "sub total", "sub-total", "end of ", "record count", "number of r",
               "total records", "total rows", "total:", "totals:", "row count", "source:",
               "note:", "notes:", "footnote")  # fmt: skip


@dataclass(slots=True)
class RawTable:
    """The table that a text holds. Line numbers are physical, 1 for the file's first.

    header: names by position, None when the table has none. Everything else of the file is in
    `preamble`, `footer`, `comments`, `repeated` and `others` (first lines of further tables).
    given_up: damaged lines that are rows as they stand, for there are too many to look closely.
    """

    width: int
    header: list[str] | None
    header_lines: list[int]
    rows: list[list[str]]
    first_line: int = 1
    preamble: list[int] = field(default_factory=list)
    footer: list[int] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    mended: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    ragged: int = 0
    blank: int = 0
    header_lead: float = 0.0
    closing: bool = False
    last_line: int = 0


def trim(table: RawTable) -> None:
    """Take off a last column that only closing delimiters made: no name, no cell."""
    last = table.width - 1
    if table.header is None or last < 2 or not table.closing or not table.rows:
        return
    if "".join(table.header[last:]).strip() or any(row[last].strip() for row in table.rows):
        return
    table.header = table.header[:last]
    table.ragged += sum(not is_hollow(row[last]) for row in table.rows)
    table.rows = [row[:last] + row[last + is_hollow(row[last]) :] for row in table.rows]
    table.width = last


def is_hollow(cell: str) -> bool:
    """True for a cell without a character but blanks; a line end in quotes is one."""
    return not cell.strip(" \t")


def gaps(blanks: Sequence[bool]) -> list[bool]:
    """For each record that is not blank, whether a blank one stands right above it."""
    above = [False, *blanks]
    return [before for before, blank in zip(above, blanks, strict=False) if not blank]


def usual_width(records: Records) -> int:
    """How many cells most records have, one cell counting little."""
    counts = Counter(records.widths)
    counts.subtract(records.widths[at] for at in records.broken())
    counts = +counts
    if not counts:
        return max(records.widths, default=1)
    if max(counts.values()) == 1 and _names_all(records.cells[0]):
        return records.widths[0]  # no two are alike: the names tell
    wide = {width: count for width, count in counts.items() if width > 1}
    if not wide or max(wide.values()) * 3 < counts[1]:
        return max(counts, key=lambda width: (counts[width], width))
    return max(wide, key=lambda width: (wide[width], width))


def _names_all(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and count_filled(cells) == len(cells) and could_be_names(cells)


def share_of(flags: Sequence[bool]) -> float:
    """Share of the flags that are set."""
    return sum(flags) / len(flags) if flags else 0.0


def count_filled(cells: Sequence[str]) -> int:
    """How many cells hold more than space."""
    return len(cells) - list(map(str.strip, cells)).count("")


def sums(text: str) -> bool:
    """True for a cell that sums up what stands above it, or ends the file."""
    folded = text.lower().rstrip(" :.=").strip()
    if _COUNTED.match(folded) is not None:
        return True
    return folded in _SUMS or text.lower().startswith(_SUM_STARTS)


def names_more(cells: Sequence[str], models: Sequence[ColumnModel]) -> bool:
    """True when a record below the header still names columns: units, a second line of names."""
    if _are_units(cells, models):
        return True
    misfits = conforming = typed = 0
    if models and models[0].count < 2:
        return False  # a single row proves no column
    for cell, model in zip(cells, models, strict=False):
        if model.strong is None:
            continue
        typed += 1
        cell = cell.strip().strip("'`\"")
        if cell and kind_of(cell) != EMPTY:
            conforming += model.conforms(cell)
            misfits += not model.conforms(cell) and kind_of(cell) not in TYPED
    return not conforming and misfits >= max(2, 0.6 * typed) and could_be_names(cells)


def _are_units(cells: Sequence[str], models: Sequence[ColumnModel]) -> bool:
    """True for a record of units in brackets, where no other record has any: `[s],[kPa],(n)`."""
    if not are_in_brackets(cells):
        return False
    return not any(_UNIT.fullmatch(value) for model in models for value in model.values)


def are_in_brackets(cells: Sequence[str]) -> bool:
    """True for cells as units are written, two of them at least."""
    filled = [text for cell in cells if (text := cell.strip())]
    return len(filled) > 1 and all(_UNIT.fullmatch(text) for text in filled)


def complete_each_other(
    above: Sequence[str], below: Sequence[str], rows: Sequence[Sequence[str]]
) -> bool:
    """True for two records of names, each of which leaves blanks that the other one fills.

    Where the lower one has a blank the rows have none.
    """
    pairs = [(bool(one.strip()), bool(two.strip())) for one, two in zip(above, below, strict=False)]
    if (False, False) in pairs or (False, True) not in pairs or len(rows) < 2:
        return False
    blanks = [at for at, pair in enumerate(pairs) if pair == (True, False)]
    return (
        bool(blanks)
        and could_be_names([*above, *below])
        and all(row[at].strip() for row in rows for at in blanks)
    )


def join(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """One name a column from several header lines; a group's name goes on to its right."""
    if len(rows) == 1:
        return list(rows[0])
    filled: list[list[str]] = []
    begins = [False] * width  # where a group of a level above begins
    for row in rows[:-1]:
        last, cells = "", []
        spans = count_filled(row) < len(row)
        for cell, anew in zip(row, begins, strict=True):
            last = cell.strip() or (last if spans and not anew else "")
            cells.append(last)
        begins = [anew or bool(cell.strip()) for cell, anew in zip(row, begins, strict=True)]
        filled.append(cells)
    filled.append([cell.strip() for cell in rows[-1]])
    return [" ".join(dict.fromkeys(row[at] for row in filled if row[at])) for at in range(width)]


def mended_names(
    record: RawRecord, lines: Lines, dialect: RawDialect, width: int
) -> list[str] | None:
    """The names in a damaged header line, when one way to read it has the right count."""
    return names_in(lines.joined(record.line, record.line + record.lines - 1), dialect, width)
