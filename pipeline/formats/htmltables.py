"""The rows of the tables of an HTML page, one after another as its text comes in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

from pipeline.errors import ContentError, FileCode
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Merge
from pipeline.formats.numberformats import plain

_MOST_SPAN = 1_000
_MOST_COLUMNS = 1 << 14
_MOST_TAG = 500_000
_MOST_EXACT = 1e15
_SHOWN = re.compile(r"-?[0-9]+(?:,[0-9]{3})*(?:\.([0-9]+))?")
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "caption", "dd", "div", "dl", "dt"),
        *("fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "ul"),
    )
)
"""Elements that stand on lines of their own: two of them in a cell are no one word."""
_PARTS = frozenset(("thead", "tbody", "tfoot"))
_MOST_IN_FOOT = 1_000  # rows
_SPACE = re.compile(r"[ \t\r\n\f]+")


class PageTables(HTMLParser):
    """Collects the rows of every table; a table in a cell is text of that cell's table no more.

    done: the rows that have ended, each with the number of its table and its cells that span more.

    Raises:
        ContentError: LIMIT_EXCEEDED, for tags, rows and spans without measure.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.done: list[tuple[int, GridRow, list[Merge]]] = []
        self._rest = b""
        self._tables: list[_Table] = []
        self._count = 0
        self._hidden = 0

    def take(self, piece: bytes) -> None:
        """Parse a piece of UTF-8 text, which may end within a character."""
        self._rest += piece
        end = len(self._rest)
        while end > 0 and end > len(self._rest) - 4 and self._rest[end - 1] >= 0x80:
            end -= 1
        self.feed(self._rest[:end].decode(errors="replace"))
        self._rest = self._rest[end:]
        if len(self.rawdata) > _MOST_TAG:  # looked through again with every piece
            raise ContentError(
                FileCode.LIMIT_EXCEEDED, f"the page has a tag of more than {_MOST_TAG} characters"
            )

    def finish(self) -> None:
        """The page has ended; so has whatever was left open."""
        self.feed(self._rest.decode(errors="replace"))
        self._rest = b""
        self.close()
        while self._tables:
            self.handle_endtag("table")

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Pass over `<![if …]>` of Office; the parser gives up on any it does not know."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i, False)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open what the tag opens, and close what it closes by itself."""
        if tag == "table":
            self._count += 1
            self._tables.append(_Table(self._count))
        elif tag in ("script", "style"):
            self._hidden += 1
        elif self._tables:
            if tag in _PARTS:
                self._end_foot()
                if tag == "tfoot":
                    self._tables.append(_Table(self._tables[-1].number, is_foot=True))
            table = self._tables[-1]
            if tag == "tr":
                self._end_row()
                self._tables[-1].begin_row()
            elif tag in ("td", "th"):
                named = dict(attrs)
                exact = named.get("x:num") or named.get("sdval")
                table.begin_cell(_span(named.get("colspan")), _span(named.get("rowspan")), exact)
            elif tag == "br" and table.text is not None:
                table.text.append("\n")
            elif tag in _BLOCKS:
                table.begin_part()

    def handle_endtag(self, tag: str) -> None:
        """Close what the tag closes."""
        if tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)
        elif self._tables:
            if tag in ("td", "th"):
                self._tables[-1].end_cell()
            elif tag in _BLOCKS:
                self._tables[-1].begin_part()
            elif tag == "tr":
                self._end_row()
            elif tag in _PARTS:
                self._end_foot()
            elif tag == "table":
                self._end_foot()
                self._show_foot()
                self._tables.pop()

    def handle_data(self, data: str) -> None:
        """Text belongs to the innermost open cell."""
        if self._tables and not self._hidden and self._tables[-1].text is not None:
            self._tables[-1].text.append(_SPACE.sub(" ", data))

    def _end_row(self) -> None:
        table = self._tables[-1]
        found = table.end_row()
        if found is None:
            return
        if not table.is_foot:
            self.done.append((table.number, *found))
            return
        table.foot.append(found)
        if len(table.foot) > _MOST_IN_FOOT:  # that is no foot
            self._end_foot()
            self._show_foot()

    def _end_foot(self) -> None:
        """The part of the table has ended; a foot waits for the end of its table."""
        self._end_row()
        if self._tables[-1].is_foot:
            foot = self._tables.pop().foot
            self._tables[-1].foot += foot

    def _show_foot(self) -> None:
        """A foot stands below all other rows, wherever the page has it."""
        table = self._tables[-1]
        self.done += ((table.number, *found) for found in table.take_foot())


class _Table:
    """One table while it is read. `_covered`: columns [first, end) that cells of earlier rows still
    cover, and their last row; `_next` is the first of them that this row has not passed. A foot is
    a table of its own until it has ended; `foot` has its rows."""

    def __init__(self, number: int, is_foot: bool = False) -> None:
        self.number, self.is_foot = number, is_foot
        self.foot: list[tuple[GridRow, list[Merge]]] = []
        self.text: list[str] | None = None
        self._parts: list[list[str]] = []
        self._row: GridRow | None = None
        self._rows = 0
        self._at = 0
        self._span = (1, 1)
        self._exact: str | None = None
        self._covered: list[tuple[int, int, int]] = []
        self._begun: list[tuple[int, int, int]] = []
        self._next = 0
        self._merges: list[Merge] = []

    def begin_row(self) -> None:
        self._rows += 1
        self._row = GridRow(number=self._rows, cells={})
        self._at = self._next = 0
        self._covered = sorted(
            one for one in (*self._covered, *self._begun) if one[2] >= self._rows
        )
        self._begun = []

    def begin_part(self) -> None:
        """What follows in the cell stands on a line of its own."""
        if self.text:
            self._parts.append(self.text)
            self.text = []

    def begin_cell(self, columns: int, rows: int, exact: str | None = None) -> None:
        if self._row is None:
            self.begin_row()
        self.end_cell()
        while self._next < len(self._covered) and self._covered[self._next][0] <= self._at:
            self._at = max(self._at, self._covered[self._next][1])
            self._next += 1
        if self._at + columns > _MOST_COLUMNS:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED, f"a row of the page has more than {_MOST_COLUMNS} columns"
            )
        self.text, self._parts = [], []
        self._span, self._exact = (columns, rows), exact

    def end_cell(self) -> None:
        if self.text is None or self._row is None:
            return
        parts = map(_stripped, [*self._parts, self.text])
        text = "\n".join(part for part in parts if part)
        columns, rows = self._span
        if self._exact is not None:
            text = exact_text(text, self._exact)
        if text:
            self._row.cells[self._at] = text
        last = self._rows + rows - 1
        if columns > 1 or rows > 1:
            self._merges.append(
                Merge(
                    first_row=self._rows,
                    last_row=last,
                    first_column=self._at,
                    last_column=self._at + columns - 1,
                )
            )
            check_merges(len(self._merges))
        if rows > 1:
            self._begun.append((self._at, self._at + columns, last))
        self._at += columns
        self.text = None

    def end_row(self) -> tuple[GridRow, list[Merge]] | None:
        self.end_cell()
        if self._row is None:
            return None
        found, self._row = (self._row, self._merges), None
        self._merges = []
        return found

    def take_foot(self) -> Iterator[tuple[GridRow, list[Merge]]]:
        """The rows of the foot, as the next ones of the table."""
        foot, self.foot = self.foot, []
        for row, merges in foot:
            self._rows += 1
            down = self._rows - row.number
            yield replace(row, number=self._rows), [one.moved(down) for one in merges]


def _stripped(part: list[str]) -> str:
    return "\n".join(line.strip(" ") for line in "".join(part).split("\n")).strip("\n")


def exact_text(text: str, exact: str) -> str:
    """A number whose cell hides digits, as spreadsheets export it: shown 1.23, said 1.234567."""
    found = _SHOWN.fullmatch(text)
    try:
        number = float(exact)
        if found is None or abs(number) >= _MOST_EXACT:
            return text
        decimals, is_near = len(found[1] or ""), abs(number - float(text.replace(",", "")))
    except ValueError:
        return text
    hides = f"{number:.{decimals}f}" != plain(number) and float(text.replace(",", "")) != number
    return plain(number) if hides and is_near <= 0.51 * 10**-decimals else text


def _span(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return 1
    return min(max(int(text[:9]), 1), _MOST_SPAN)
