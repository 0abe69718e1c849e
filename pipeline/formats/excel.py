"""Excel workbooks (.xlsx, .xlsm), streamed from the XML they are made of.

python-calamine is faster and openpyxl is known to everybody, but the one has no number formats (and
reads 00123 as 123) and the other takes ten times as long and tells an empty cell from a formula
without a result only in a second pass. Here each cell is its text as it is stored, shown by its
number format; memory holds the shared strings and one batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.grid import GridReader, GridRow, Merge, Sheet
from pipeline.formats.numberformats import (
    BUILT_IN,
    MOST_DIGITS,
    kind_of_format,
    loses_digits,
    plain,
    shown,
)
from pipeline.formats.plugin import Format, Head
from pipeline.formats.source import open_source
from pipeline.formats.unpacked import check_directory, check_unpacked
from pipeline.formats.xmlpull import Attributes, LocalNames, XmlEvents
from pipeline.messages import Limits

NAME = "an Excel workbook (.xlsx)"
_CHUNK = 1 << 18
_MOST_STRINGS_BYTES = 512 << 20
_MOST_KNOWN = 50_000
_MOST_ROWS = 1 << 20
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
ERROR = (RowCode.CELL_ERROR, "The cell holds an error of the spreadsheet and no value.", True)
UNCACHED = (
    RowCode.FORMULA_UNCACHED,
    "The cell is a formula whose result was not saved; open the workbook, save it, send it again.",
    True,
)
LOST_DIGITS = (
    RowCode.PRECISION_LOST,
    "The number has more digits than a spreadsheet keeps; the last ones may be lost.",
    False,
)
_DAMAGED = (BadZipFile, ZlibError, NotImplementedError, EOFError, KeyError, RuntimeError)


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
        self._path, self._limits = path, limits
        self._strings: list[str] | None = None
        self._letters: dict[str, int] = {}
        self._numbers: dict[tuple[str, str | None], str] = {}
        with self._parts() as archive:
            book = _book_of(archive)
            relations = self._relations(archive, book)
            self.sheets, self._targets, self._is_1904 = self._contents(archive, book, relations)
            folder = book.rpartition("/")[0]
            self._string_part = _part(relations, "sharedStrings", folder)
            self._formats = self._styles(archive, _part(relations, "styles", folder))
        self.notes = ("days are counted from 1904",) if self._is_1904 else ()

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """`Results!C17`, or `Results!17` for a row."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells stand at the end of a sheet's part."""
        tail = b""
        with self._parts() as archive, self._open(archive, self._targets[sheet]) as part:
            for piece in self._pieces(part):
                tail += piece
                at = tail.find(b"sheetData>", max(0, len(tail) - len(piece) - 10))
                tail = tail[at:] if b"mergeCell" in tail or at >= 0 else tail[-4096:]
        found = re.findall(rb"mergeCell\b[^>]*?\bref\s*=\s*[\"']([A-Z0-9:$]+)[\"']", tail)
        return [one for one in map(self._merge, found) if one is not None]

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells."""
        parsed = _SheetRows(self)
        with self._parts() as archive:
            self._load_strings(archive)
            with self._open(archive, self._targets[sheet]) as part:
                yield from parsed.over(self._pieces(part))

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

    def number(self, written: str, style: str | None) -> str:
        """A number's text by the format of its cell."""
        known = self._numbers.get((written, style))
        if known is None:
            if len(self._numbers) > _MOST_KNOWN:
                self._numbers.clear()
            known = self._numbers[written, style] = self._number(written.strip(), style)
        return known

    def _number(self, written: str, style: str | None) -> str:
        code = self._formats[int(style)] if style and int(style) < len(self._formats) else "General"
        kind = kind_of_format(code)
        if kind in ("general", "text") or (kind == "number" and loses_digits(written)):
            return written if written.lstrip("-").isdigit() else plain(float(written))
        return shown(float(written), code, from_1904=self._is_1904)

    def _merge(self, reference: bytes) -> Merge | None:
        ends = _REFERENCE.findall(reference.decode().replace("$", ""))
        if len(ends) != 2:
            return None
        (left, top), (right, bottom) = ends
        return Merge(
            first_row=int(top),
            last_row=int(bottom),
            first_column=self.column_of(left),
            last_column=self.column_of(right),
        )

    @contextmanager
    def _parts(self) -> Iterator[ZipFile]:
        try:
            with open_source(self._path) as source:
                check_directory(self._path)
                with ZipFile(source) as archive:
                    yield archive
        except _DAMAGED as error:
            if is_cut(self._path):
                raise ContentError(
                    FileCode.TRUNCATED, "the workbook ends before its end mark"
                ) from None
            raise ContentError(
                FileCode.DAMAGED, f"the workbook is damaged ({type(error).__name__})"
            ) from None

    @contextmanager
    def _open(self, archive: ZipFile, part: str) -> Iterator[BinaryIO]:
        info = archive.getinfo(part)
        check_unpacked(info.file_size, info.compress_size, self._limits)
        with archive.open(info) as stream:
            yield stream  # type: ignore[misc]

    def _pieces(self, part: BinaryIO) -> Iterator[bytes]:
        done = 0
        while piece := part.read(_CHUNK):
            done += len(piece)
            if done > self._limits.max_unpacked_bytes:
                check_unpacked(done, 1, self._limits)
            yield piece

    def _read(self, archive: ZipFile, part: str, events: XmlEvents) -> None:
        with self._open(archive, part) as stream:
            events.feed(self._pieces(stream))

    def _relations(self, archive: ZipFile, book: str) -> dict[str, tuple[str, str]]:
        folder, _, name = book.rpartition("/")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = (kind, attributes.get("Target", ""))

        self._read(archive, f"{folder}/_rels/{name}.rels".lstrip("/"), _starts(start))
        return found

    def _contents(
        self, archive: ZipFile, book: str, relations: dict[str, tuple[str, str]]
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
                    targets[name] = _resolved(folder, target)

        self._read(archive, book, _starts(start))
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

        if part is None or part not in archive.namelist():
            return []
        self._read(archive, part, _starts(start))
        return [own.get(number, BUILT_IN.get(number, "General")) for number in used]

    def _load_strings(self, archive: ZipFile) -> None:
        if self._strings is not None:
            return
        strings: list[str] = []
        if self._string_part is not None and self._string_part in archive.namelist():
            size = archive.getinfo(self._string_part).file_size
            if size > _MOST_STRINGS_BYTES:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"its texts are {size} bytes; {_MOST_STRINGS_BYTES} are allowed",
                )
            self._read(archive, self._string_part, _strings_into(strings))
        self._strings = strings


def _strings_into(strings: list[str]) -> XmlEvents:
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
            strings.append(unescaped("".join(parts)))

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


def place_of_cell(sheet: str, row: int, column: int | None) -> str:
    """A cell as spreadsheets write it; names with other signs than letters stand in quotes."""
    name = sheet if re.fullmatch(r"\w+", sheet) else "'" + sheet.replace("'", "''") + "'"
    letters = ""
    while column is not None and column >= 0:
        column, rest = divmod(column, 26)
        letters = chr(65 + rest) + letters
        column -= 1
    return f"{name}!{letters}{row}"


def unescaped(text: str) -> str:
    """Text with its control characters: `_x000D_` is a carriage return."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _starts(start: Any) -> XmlEvents:
    return XmlEvents(start, lambda _: None)


def _book_of(archive: ZipFile) -> str:
    """The part that is the workbook; nearly always xl/workbook.xml."""
    names = archive.namelist()
    if "xl/workbook.xml" in names:
        return "xl/workbook.xml"
    found = [name for name in names if re.fullmatch(r"xl/workbook\w*\.xml", name)]
    if not found:
        raise ContentError(FileCode.DAMAGED, "the workbook has no list of its sheets")
    return found[0]


def _part(relations: dict[str, tuple[str, str]], kind: str, folder: str) -> str | None:
    for known, target in relations.values():
        if known == kind:
            return _resolved(folder, target)
    return None


def _resolved(folder: str, target: str) -> str:
    """A part's name in the container from how the workbook refers to it."""
    if target.startswith("/"):
        return target.lstrip("/")
    parts: list[str] = [*folder.split("/")] if folder else []
    for step in target.split("/"):
        if step == "..":
            parts = parts[:-1]
        elif step not in ("", "."):
            parts.append(step)
    return "/".join(parts)


def _is_excel(head: Head) -> bool:
    names = head.members
    return any(re.fullmatch(r"xl/workbook\w*\.xml", name) for name in names) or (
        not names
        and head.data.startswith(b"PK\x03\x04")
        and b"xl/w" in head.data
        and b"xl/workbook.bin" not in head.data
    )


FORMAT = Format(
    name=NAME,
    recognises=_is_excel,
    open=open_excel,
    extensions=("xlsx", "xlsm", "xltx", "xltm"),
)
