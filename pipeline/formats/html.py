"""Tables of HTML pages: what many programs export under the name .xls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from pipeline.ends.pages import is_part_of_page
from pipeline.errors import ContentError, FileCode
from pipeline.formats import signatures
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.declared import meant_codec
from pipeline.formats.encoding import detect_encoding, utf8_chunks
from pipeline.formats.grid import GridReader
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Heads, Merge, Sheet
from pipeline.formats.numberformats import plain
from pipeline.formats.plugin import Format, Head
from pipeline.formats.source import open_source
from pipeline.messages import Limits

NAME = "an HTML page"
_CHUNK = 1 << 16
_MOST_SPAN = 1_000
_MOST_COLUMNS = 1 << 14
_MOST_TAG = 500_000
_MOST_EXACT = 1e15
_SHOWN = re.compile(r"-?[0-9]+(?:,[0-9]{3})*(?:\.([0-9]+))?")
_MOST_BYTES = 512 << 20
_CHARSET = re.compile(rb"""<meta[^>]*?charset\s*=\s*["']?([A-Za-z0-9._-]+)""", re.I)
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "caption", "dd", "div", "dl", "dt"),
        *("fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "ul"),
    )
)
"""Elements that stand on lines of their own: two of them in a cell are no one word."""
_SPACE = re.compile(r"[ \t\r\n\f]+")


def open_html(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open the tables of a page; see `GridReader`.

    Raises:
        ContentError: ENCODING or EMPTY (a page without a table) too.
    """
    return GridReader(_Page(path, limits, read_as), limits, read_as)


class _Page:
    """See `Grids`. A page is small enough to be looked through once before its rows are read."""

    kind = NAME
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, limits: Limits, read_as: ReadAs | None) -> None:
        self._path, self._limits = path, limits
        self.size_bytes = size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED, f"the page has {size} bytes; {_MOST_BYTES} are allowed"
            )
        told = None if read_as is None else read_as.encoding
        self._encoding = detect_encoding(path, told or _declared(path))
        self._merges: dict[int, list[Merge]] = {}
        self.heads = Heads()
        self._rows: dict[int, int] = {}
        for table, row, merges in self._parsed():
            self._rows[table] = self._rows.get(table, 0) + bool(row.cells)
            if row.cells:
                self.heads.note(_name(table), row)
            self._merges.setdefault(table, []).extend(merges)
            check_merges(len(self._merges[table]))
        if not self._rows:
            raise ContentError(FileCode.UNSUPPORTED, "the content is an HTML page without a table")
        self._names = {_name(number): number for number in sorted(self._rows)}
        self.sheets = [Sheet(name=name) for name in self._names]

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """`table 1, row 17, column 3`."""
        return f"{sheet}, row {row}" + ("" if column is None else f", column {column + 1}")

    def merges(self, sheet: str) -> list[Merge]:
        """Cells that span others."""
        return self._merges.get(self._names[sheet], [])

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows of one table."""
        wanted = self._names[sheet]
        left = self._rows[wanted]
        parsed = self._parsed() if left else iter(())
        for table, row, _ in parsed:
            if table == wanted and row.cells:
                yield row
                left -= 1
                if not left:  # what follows is of other tables
                    return

    def _parsed(self) -> Iterator[tuple[int, GridRow, list[Merge]]]:
        parser = _Tables()
        for piece in utf8_chunks(self._path, self._encoding, _CHUNK):
            parser.take(piece)
            yield from parser.done
            parser.done.clear()
        parser.finish()
        yield from parser.done


def _name(table: int) -> str:
    return f"table {table}"


class _Tables(HTMLParser):
    """Collects the rows of every table; a table in a cell is text of that cell's table no more."""

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
            table = self._tables[-1]
            if tag == "tr":
                self._end_row()
                table.begin_row()
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
            elif tag in ("tr", "thead", "tbody", "tfoot"):
                self._end_row()
            elif tag == "table":
                self._end_row()
                self._tables.pop()

    def handle_data(self, data: str) -> None:
        """Text belongs to the innermost open cell."""
        if self._tables and not self._hidden and self._tables[-1].text is not None:
            self._tables[-1].text.append(_SPACE.sub(" ", data))

    def _end_row(self) -> None:
        table = self._tables[-1]
        found = table.end_row()
        if found is not None:
            self.done.append((table.number, *found))


class _Table:
    """One table while it is read. `_covered`: columns [first, end) that cells of earlier rows still
    cover, and their last row; `_next` is the first of them that this row has not passed."""

    def __init__(self, number: int) -> None:
        self.number = number
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


def _declared(path: Path) -> str | None:
    """The encoding the page names, if its bytes are in it."""
    import codecs

    with open_source(path) as source:
        head = source.read(4096)
    found = _CHARSET.search(head)
    if found is None or head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return None
    try:
        codec = codecs.lookup(found[1].decode()).name
    except LookupError:
        return None
    return None if codec.startswith(("utf-16", "utf-32")) else meant_codec(path, codec)


def _is_page(head: Head) -> bool:
    text = head.text
    if text is None:
        return False
    return signatures.name_text(text) == signatures.HTML or is_part_of_page(text)


FORMAT = Format(
    name=NAME,
    recognises=_is_page,
    open=open_html,
    extensions=("html", "htm", "xhtml"),
)
