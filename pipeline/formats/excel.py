"""Excel workbooks (.xlsx, .xlsm), streamed from the XML they are made of.

python-calamine is faster and openpyxl is known to everybody, but the one has no number formats (and
reads 00123 as 123) and the other takes ten times as long and tells an empty cell from a formula
without a result only in a second pass. Here each cell is its text as it is stored, shown by its
number format; memory holds the shared strings and one batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.celltexts import (
    ERROR,
    LOST_DIGITS,
    UNCACHED,
    NumberTexts,
    Texts,
    by_number,
    place_of_cell,
)
from pipeline.formats.grid import GridReader
from pipeline.formats.gridfills import check_merges
from pipeline.formats.gridparts import GridRow, Merge, Sheet
from pipeline.formats.numberformats import BUILT_IN, MOST_DIGITS, loses_digits
from pipeline.formats.package import (
    Package,
    Relations,
    check_strings,
    part_of_kind,
    resolved,
    starts,
)
from pipeline.formats.plugin import ZIP_MARK, Format, Head
from pipeline.formats.xmlpull import Attributes, LocalNames, XmlEvents
from pipeline.messages import Limits

NAME = "an Excel workbook (.xlsx)"
_MOST_ROWS = 1 << 20
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)")
_MERGED = re.compile(
    rb"""<(?:[A-Za-z]\w*:)?mergeCell\s[^>]{0,200}?\bref\s*=\s*["']([A-Z0-9:$]{1,30})["']"""
)
_LONGEST_TAG = 4096
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def open_excel(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a workbook; see `GridReader`.

    Raises:
        ContentError: DAMAGED, TRUNCATED, UNSUPPORTED (a password) or LIMIT_EXCEEDED too.
    """
    return GridReader(Workbook(path, limits), limits, read_as)


class Workbook:
    """The parts of a workbook; see `Grids`."""

    kind = NAME

    def __init__(self, path: Path, limits: Limits) -> None:
        self._package = package = Package(path, limits)
        self.size_bytes = path.stat().st_size
        self._strings: list[str] | None = None
        self._letters: dict[str, int] = {}
        with package.opened() as archive:
            book = _book_of(archive)
            folder = book.rpartition("/")[0]
            relations = package.relations(archive, book)
            self.sheets, self._targets, is_1904 = self._contents(archive, book, relations)
            self._string_part = part_of_kind(archive, relations, "sharedStrings", folder)
            try:
                formats = self._styles(archive, part_of_kind(archive, relations, "styles", folder))
            except ValueError:
                raise ContentError(FileCode.DAMAGED, "a style of the workbook is damaged") from None
        self.number = NumberTexts(by_number(formats), from_1904=is_1904).text
        self.notes = ("days are counted from 1904",) if is_1904 else ()

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """`Results!C17`, or `Results!17` for a row."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells stand behind the rows of a sheet's part."""
        found: list[Merge] = []
        rest, package = b"", self._package
        with package.opened() as archive, package.part(archive, self._targets[sheet]) as part:
            for piece in package.pieces(part):
                rest += piece
                end = 0
                if b"mergeCell" in rest:
                    for one in _MERGED.finditer(rest):
                        end = one.end()
                        found += self._merge(one[1])
                check_merges(len(found))
                rest = rest[max(end, len(rest) - _LONGEST_TAG) :]
        return found

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        parsed = _SheetRows(self)
        package = self._package
        with package.opened() as archive:
            self._load_strings(archive)
            with package.part(archive, self._targets[sheet]) as part:
                yield from parsed.over(package.pieces(part))

    def column_of(self, reference: str) -> int:
        """The column of a cell, 0 for A; worked out once for each."""
        letters = reference.rstrip("0123456789")
        known = self._letters.get(letters)
        if known is None:
            if not re.fullmatch(r"[A-Z]{1,3}", letters):
                raise ValueError("no reference of a cell")
            known = 0
            for letter in letters:
                known = known * 26 + ord(letter) - 64
            known = self._letters[letters] = known - 1
        return known

    def string(self, number: str) -> str:
        """A shared string by its number."""
        assert self._strings is not None  # noqa: S101 - loaded before any row
        return self._strings[int(number)]

    def _merge(self, reference: bytes) -> Iterator[Merge]:
        ends = _REFERENCE.findall(reference.decode().replace("$", ""))
        if len(ends) == 2:
            (left, top), (right, bottom) = ends
            yield Merge(
                first_row=int(top),
                last_row=int(bottom),
                first_column=self.column_of(left),
                last_column=self.column_of(right),
            )

    def _contents(
        self, archive: ZipFile, book: str, relations: Relations
    ) -> tuple[list[Sheet], dict[str, str], bool]:
        folder = book.rpartition("/")[0]
        sheets: list[Sheet] = []
        targets: dict[str, str] = {}
        is_1904 = False

        def start(tag: str, attributes: Attributes) -> None:
            nonlocal is_1904
            if tag == "workbookPr":
                is_1904 = attributes.get("date1904", "0") in ("1", "true", "on")
            elif tag == "sheet":
                ident = next((v for k, v in attributes.items() if k.endswith(":id")), "")
                kind, target = relations.get(ident, ("", ""))
                if kind == "worksheet":
                    name, state = attributes.get("name", ""), attributes.get("state", "visible")
                    is_hidden = state != "visible"
                    sheets.append(
                        Sheet(name=name, about="hidden" if is_hidden else "", is_hidden=is_hidden)
                    )
                    targets[name] = resolved(folder, target)

        self._package.feed(archive, book, starts(start))
        return sheets, targets, is_1904

    def _styles(self, archive: ZipFile, part: str | None) -> list[str]:
        """The number format of each cell style."""
        own: dict[int, str] = {}
        used: list[int] = []
        inside = ""

        def start(tag: str, attributes: Attributes) -> None:
            nonlocal inside
            if tag in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside = tag
            elif tag == "numFmt" and inside != "dxfs":
                own[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "General")
            elif tag == "xf" and inside == "cellXfs":
                used.append(int(attributes.get("numFmtId", "0")))

        if part is None:
            return []
        self._package.feed(archive, part, starts(start))
        return [own.get(number, BUILT_IN.get(number, "General")) for number in used]

    def _load_strings(self, archive: ZipFile) -> None:
        if self._strings is not None:
            return
        strings = Texts()
        if self._string_part is not None:
            check_strings(archive, self._string_part)
            self._package.feed(archive, self._string_part, _strings_into(strings))
        self._strings = strings


def _strings_into(strings: Texts) -> XmlEvents:
    """Collect the text of each `si`, without the reading aids (`rPh`) of Japanese."""
    parts: list[str] = []
    inside, aids = False, 0

    def start(tag: str, _attributes: Attributes) -> None:
        nonlocal inside, aids
        if tag == "si":
            parts.clear()
        elif tag == "rPh":
            aids += 1
        elif tag == "t":
            inside = not aids

    def end(tag: str) -> None:
        nonlocal inside, aids
        if tag == "t":
            inside = False
        elif tag == "rPh":
            aids -= 1
        elif tag == "si":
            strings.take(unescaped("".join(parts)))

    def text(piece: str) -> None:
        if inside:
            parts.append(piece)

    return XmlEvents(start, end, text)


class _SheetRows:
    """Turns the events of a sheet's part into rows."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._done: list[GridRow] = []
        self._row = GridRow(number=0, cells={})
        self._column = -1
        self._kind = self._style = self._formula = None  # type: str | None
        self._listens = False
        self._local = LocalNames()
        self._aids = 0
        self._parts: list[str] = []
        self._value: str | None = None

    def over(self, pieces: Iterator[bytes]) -> Iterator[GridRow]:
        """The rows, as soon as they are whole."""
        events = XmlEvents(self._start, self._end, self._text, is_raw=True)
        try:
            for _ in events.fed(pieces):
                yield from self._done
                self._done.clear()
        except (ValueError, IndexError, OverflowError) as error:
            raise ContentError(
                FileCode.DAMAGED, f"a cell of the workbook is damaged ({type(error).__name__})"
            ) from None

    def _start(self, name: str, attributes: Attributes) -> None:
        tag = self._local[name]
        if tag == "c":
            reference = attributes.get("r")
            if reference is None:
                self._column += 1
            else:
                self._column = self._book.column_of(reference)
            self._kind, self._style = attributes.get("t"), attributes.get("s")
            self._value = self._formula = None
            self._parts.clear()
        elif tag == "v":
            self._parts.clear()
            self._listens = True
        elif tag == "f":
            self._formula = ""
            self._parts.clear()
            self._listens = True
        elif tag == "t":
            self._listens = not self._aids
        elif tag == "row":
            number = int(attributes.get("r", self._row.number + 1))
            if not self._row.number < number <= _MOST_ROWS:
                raise ValueError("rows are out of order")
            self._row = GridRow(number=number, cells={})
            self._column = -1
        elif tag == "rPh":
            self._aids += 1

    def _text(self, piece: str) -> None:
        if self._listens:
            self._parts.append(piece)

    def _end(self, name: str) -> None:
        tag = self._local[name]
        if tag == "c":
            if self._value or self._formula is not None:
                self._take()
        elif tag == "v":
            self._value = "".join(self._parts)
            self._listens = False
        elif tag == "f":
            self._formula = "".join(self._parts)
            self._parts.clear()
            self._listens = False
        elif tag == "row":
            if self._row.cells:
                self._done.append(self._row)
        elif tag == "t":
            self._listens = False
        elif tag == "is":
            self._value = "".join(self._parts)
        elif tag == "rPh":
            self._aids -= 1

    def _take(self) -> None:
        """Put the cell that has ended into its row."""
        value, kind, row, at = self._value, self._kind, self._row, self._column
        if at in row.cells:
            raise ValueError("a cell stands there twice")
        if not value:
            if kind != "str":
                row.cells[at] = f"={self._formula or ''}"
                row.faults[at] = UNCACHED
        elif kind == "s":
            row.cells[at] = self._book.string(value)
        elif kind in ("inlineStr", "str"):
            row.cells[at] = unescaped(value)
        elif kind == "b":
            row.cells[at] = "true" if value in ("1", "true") else "false"
        elif kind == "e":
            row.cells[at] = value
            row.faults[at] = ERROR
        elif kind == "d":
            row.cells[at] = value
        else:
            row.cells[at] = self._book.number(value, self._style)
            if len(value) > MOST_DIGITS and loses_digits(value.strip()):
                row.faults[at] = LOST_DIGITS


def unescaped(text: str) -> str:
    """Text with its control characters: `_x000D_` is a carriage return.

    Half a letter, as `_xD83D_` alone is, makes no text; then nothing is resolved.
    """
    if "_x" not in text:
        return text
    found = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    try:  # two halves are a letter
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return text


def _book_of(archive: ZipFile) -> str:
    """The part that is the workbook; nearly always xl/workbook.xml."""
    names = [name.replace("\\", "/") for name in archive.namelist()]
    if "xl/workbook.xml" in names:
        return "xl/workbook.xml"
    found = [name for name in names if re.fullmatch(r"xl/workbook\w*\.xml", name)]
    if not found:
        raise ContentError(FileCode.DAMAGED, "the workbook has no list of its sheets")
    return found[0]


def _is_excel(head: Head) -> bool:
    names = head.members
    return any(re.fullmatch(r"xl/workbook\w*\.xml", name) for name in names) or (
        not names
        and head.data.startswith(ZIP_MARK)
        and b"xl/w" in head.data
        and b"xl/workbook.bin" not in head.data
    )


FORMAT = Format(
    name=NAME,
    recognises=_is_excel,
    open=open_excel,
    extensions=("xlsx", "xlsm", "xltx", "xltm"),
)
