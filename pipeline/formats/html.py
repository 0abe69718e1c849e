"""Tables of HTML pages: what many programs export under the name .xls."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
from pipeline.formats.htmltables import PageTables
from pipeline.formats.plugin import Format, Head
from pipeline.formats.source import open_source
from pipeline.messages import Limits

NAME = "an HTML page"
_CHUNK = 1 << 16
_MOST_BYTES = 512 << 20
_CHARSET = re.compile(rb"""<meta[^>]*?charset\s*=\s*["']?([A-Za-z0-9._-]+)""", re.I)


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
        parser = PageTables()
        for piece in utf8_chunks(self._path, self._encoding, _CHUNK):
            parser.take(piece)
            yield from parser.done
            parser.done.clear()
        parser.finish()
        yield from parser.done


def _name(table: int) -> str:
    return f"table {table}"


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
