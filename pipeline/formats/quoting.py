"""One record at a time, by the letter of the CSV grammar. Slow, and the last word on every quote.

A cell is quoted when a `"` opens it (spaces may come first, on the same line); then `""` stands for
one quote, and the closing quote must be followed by the delimiter or the line end. A `"` within an
unquoted cell is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_LINE_END = re.compile(rb"[\r\n]")


class Broken(Enum):
    """Why no record could be read."""

    TEXT_AFTER_QUOTE = "text after the closing quote"
    WRONG_WIDTH = "the lines it spans do not make one row"
    OPEN = "the quote is not closed before the text ends"


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read. `end` is the offset behind its line end; cells are bytes."""

    cells: list[bytes]
    end: int


class RecordGrammar:
    """Reads records of tables with `delimiter` (one byte)."""

    def __init__(self, delimiter: bytes) -> None:
        mark = re.escape(delimiter)
        self._delimiter = delimiter
        self._quoted = re.compile(rb'"([^"]*+(?:""[^"]*+)*+)" *+(?=[%s\r\n]|\Z)' % mark)
        self._unclosed = re.compile(rb'"[^"]*+(?:""[^"]*+)*+\Z')
        self._spaced = re.compile(rb' ++"([^"\r\n]*+(?:""[^"\r\n]*+)*+)" *+(?=[%s\r\n]|\Z)' % mark)
        self._plain = re.compile(rb"[^%s\r\n]*+" % mark)

    def read(
        self, text: bytes, start: int, width: int, *, end: int, complete: bool
    ) -> Record | Broken:
        """Read the record that starts at offset `start`; nothing from offset `end` on is looked at.

        A record that spans lines is believed only if it has exactly `width` cells. `complete` says
        that the file ends at `end`; if it does not, OPEN means that more text is needed to tell.
        """
        cells: list[bytes] = []
        at, spans_lines = start, False
        while True:
            if not complete and spans_lines and _LINE_END.search(text, at, end) is None:
                return Broken.OPEN
            match = self._cell(text, at, end)
            if match is None:
                opened = self._unclosed.match(text, at, end) is not None
                return Broken.OPEN if opened else Broken.TEXT_AFTER_QUOTE
            cell, at = match
            behind = text[at : min(at + 2, end)]
            if not complete and behind in (b"", b"\r"):
                return Broken.OPEN  # what follows may belong to the cell, or \n to the line end
            spans_lines = spans_lines or b"\n" in cell or b"\r" in cell
            cells.append(cell)
            goes_on = behind.startswith(self._delimiter)
            if spans_lines and (len(cells) >= width if goes_on else len(cells) != width):
                return Broken.WRONG_WIDTH
            if not goes_on:
                return Record(cells, at + (2 if behind == b"\r\n" else len(behind[:1])))
            at += 1

    def _cell(self, text: bytes, at: int, end: int) -> tuple[bytes, int] | None:
        """Read the cell at offset `at`: its content and the offset behind it."""
        first = text[at : min(at + 1, end)]
        if first == b'"':
            match = self._quoted.match(text, at, end)
            return None if match is None else (match[1].replace(b'""', b'"'), match.end())
        if first == b" ":
            match = self._spaced.match(text, at, end)
            if match is not None:
                return match[1].replace(b'""', b'"'), match.end()
        match = self._plain.match(text, at, end)
        return (b"", at) if match is None else (match[0], match.end())


def quote(cells: list[bytes], delimiter: bytes) -> bytes:
    """Write one record so that every CSV parser reads these cells; ends with a line feed."""
    return delimiter.join(b'"%s"' % cell.replace(b'"', b'""') for cell in cells) + b"\n"
