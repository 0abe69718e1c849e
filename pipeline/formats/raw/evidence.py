"""The evidence for a reading, in plain sentences without cells."""

from __future__ import annotations

from pipeline.formats.raw.choose import Choice
from pipeline.formats.raw.tableparts import RawTable

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space", "": "blanks"}


def about_choice(choice: Choice, *, quoted: bool) -> list[str]:
    """Why cells are parted as they are."""
    best = choice.best
    mark = best.dialect.delimiter
    if mark is None:
        return ["no separator makes a table of several columns"]
    notes = [
        f"separated by {_NAMES.get(mark, repr(mark))}: {best.even:.0%} of {best.rows} records have"
        f" {best.width} cells (score {best.total:.2f})"
    ]
    if choice.rival is not None and choice.rival.total > 0.05:
        other = choice.rival.dialect.delimiter
        name = "no separator" if other is None else _NAMES.get(other, repr(other))
        notes.append(f"the next best is {name} (score {choice.rival.total:.2f})")
    if quoted:
        notes.append(f"cells are quoted by {best.dialect.quote}")
    return notes


def about_table(table: RawTable) -> list[str]:
    """What stands where in the text."""
    counts = {
        "the names of the columns stand in line {}": table.header_lines,
        "lines that stand before the table: {}": table.preamble,
        "lines that stand behind it: {}": table.footer,
        "comments among its rows: {}": table.comments,
        "lines that repeat the header: {}": table.repeated,
        "another table begins in line {}": table.others,
        "damaged lines, read as the other rows suggest: {}": table.mended,
        "damaged lines, too many to look closely, left as they stand: {}": table.given_up,
    }
    notes = [text.format(_list(lines)) for text, lines in counts.items() if lines]
    if table.rows and table.header is None:
        notes.append("the first record looks like the others: there is no header")
    if table.ragged:
        notes.append(f"{table.ragged} rows are not as wide as the table")
    return notes


def _list(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:6]))
    return shown if len(lines) <= 6 else f"{shown} and {len(lines) - 6} more"
