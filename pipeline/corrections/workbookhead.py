"""The first rows of a workbook (.xlsx, .ods), read cheaply: is it rejects.csv, saved as one?

The service asks for every workbook it takes in, so little is unpacked and nothing is trusted. Who
reads the corrections reads them by the reader of the format.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from pipeline.formats.zipdirectory import zip_directory_bytes

ZIP_MARK = b"PK\x03\x04"
_MOST_DIRECTORY_BYTES = 64 * 1024
_MOST_XML_BYTES = 1024 * 1024
_MOST_COLUMNS = 2_000
_ROWS = 2
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]+")
_SHEET = "xl/worksheets/sheet"


class _Enough(Exception):
    """All that is wanted was read."""


def first_rows(path: Path) -> list[list[str]]:
    """The header and the first row of the first sheet; fewer when they are not there.

    Never raises for what is in the file: anything but a plain workbook has no rows.
    """
    try:
        if not 0 < zip_directory_bytes(path) <= _MOST_DIRECTORY_BYTES:
            return []
        with ZipFile(path) as archive:
            if "content.xml" in archive.namelist():
                return _parsed(_OpenDocument(), _head(archive, "content.xml")).rows
            return _of_excel(archive)
    except (BadZipFile, OSError, ValueError, KeyError, EOFError, RuntimeError, zlib.error):
        return []


def _of_excel(archive: ZipFile) -> list[list[str]]:
    names = sorted(name for name in archive.namelist() if name.startswith(_SHEET))
    if not names:
        return []
    sheet = f"{_SHEET}1.xml" if f"{_SHEET}1.xml" in names else names[0]
    found = _parsed(_Excel(), _head(archive, sheet))
    wanted = {at for row in found.cells for kind, at in row.values() if kind == "s"}
    strings: list[str] = []
    if wanted and "xl/sharedStrings.xml" in archive.namelist():
        last = max((int(one) for one in wanted if one.isdigit()), default=0)
        strings = _parsed(_Strings(last), _head(archive, "xl/sharedStrings.xml")).texts
    return [_row(row, strings) for row in found.cells]


def _row(cells: Mapping[int, tuple[str, str]], strings: list[str]) -> list[str]:
    row = [""] * (max(cells, default=-1) + 1)
    for at, (kind, text) in cells.items():
        if kind == "s":
            text = strings[int(text)] if text.isdigit() and int(text) < len(strings) else ""
        row[at] = text
    return row


def _head(archive: ZipFile, name: str) -> bytes:
    """The first bytes of a member; none of one whose packing cannot be undone in pieces."""
    if archive.getinfo(name).compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return b""
    with archive.open(name) as member:
        return member.read(_MOST_XML_BYTES)


class _Handler:
    """What looks at elements by their name, whatever its prefix is."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Text, in pieces of any size."""


H = TypeVar("H", bound=_Handler)


def _parsed(handler: H, data: bytes) -> H:
    """Feed the head of a document, which may break off anywhere. Entities are not for workbooks."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, more: handler.start(name.rpartition(":")[2], more)
    parser.EndElementHandler = lambda name: handler.end(name.rpartition(":")[2])
    parser.CharacterDataHandler = handler.text
    parser.EntityDeclHandler = _refuse
    with suppress(_Enough, expat.ExpatError):
        parser.Parse(data, False)
    return handler


def _refuse(*_declared: object) -> None:
    raise _Enough


class _Excel(_Handler):
    """cells: of each row, by column, the kind of its value and the value."""

    def __init__(self) -> None:
        self.cells: list[dict[int, tuple[str, str]]] = []
        self._at = self._next = 0
        self._kind, self._text = "", ""
        self._is_value = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "row":
            if len(self.cells) == _ROWS and self.cells[-1]:
                raise _Enough
            if not self.cells or self.cells[-1]:
                self.cells.append({})
            self._next = 0
        elif name == "c":
            place = _REFERENCE.fullmatch(attributes.get("r", ""))
            self._at = _column(place[1]) if place else self._next
            self._next = self._at + 1
            self._kind, self._text = attributes.get("t", "n"), ""
        self._is_value = name in ("v", "t")

    def end(self, name: str) -> None:
        self._is_value = False
        if name == "c" and self._text and self.cells and self._at < _MOST_COLUMNS:
            self.cells[-1][self._at] = (self._kind, self._text)

    def text(self, data: str) -> None:
        if self._is_value:
            self._text += data


class _Strings(_Handler):
    """texts: the shared texts of a workbook up to the last one that is wanted."""

    def __init__(self, last: int) -> None:
        self.texts: list[str] = []
        self._last = last
        self._is_text = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "si":
            if len(self.texts) > self._last:
                raise _Enough
            self.texts.append("")
        self._is_text = name == "t"

    def end(self, name: str) -> None:
        self._is_text = False

    def text(self, data: str) -> None:
        if self._is_text and self.texts:
            self.texts[-1] += data


class _OpenDocument(_Handler):
    """rows: text by column."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self._repeats = 1
        self._text = ""
        self._is_text = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "table-row":
            if len(self.rows) == _ROWS and any(self.rows[-1]):
                raise _Enough
            if not self.rows or any(self.rows[-1]):
                self.rows.append([])
            self.rows[-1].clear()
        elif name in ("table-cell", "covered-table-cell"):
            repeats = attributes.get("table:number-columns-repeated", "1")
            self._repeats = min(int(repeats), _MOST_COLUMNS) if repeats.isdigit() else 1
            self._text = ""
        self._is_text = self._is_text or name == "p"

    def end(self, name: str) -> None:
        self._is_text = self._is_text and name != "p"
        if name in ("table-cell", "covered-table-cell") and self.rows:
            room = max(0, _MOST_COLUMNS - len(self.rows[-1]))
            self.rows[-1] += [self._text] * min(self._repeats, room)
        elif name == "table":
            raise _Enough

    def text(self, data: str) -> None:
        if self._is_text:
            self._text += data


def _column(letters: str) -> int:
    """0 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
