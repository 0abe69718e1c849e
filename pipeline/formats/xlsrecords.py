"""The records of an old workbook (.xls): its sheets, styles, texts and cells.

Read here and not by a library, for want of one that can be trusted with a damaged file: xlrd
stumbles over notes, names and formulas that nobody asked about, and python-calamine, which reads
such workbooks well, takes all memory there is for one of 6 kB with a damaged table of sectors.

Source: MS-XLS 2.3, 2.4 and 2.5.293 (texts).
"""

from __future__ import annotations

import codecs
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.formats.biff import rk_number
from pipeline.formats.celltexts import ERRORS, Texts
from pipeline.formats.gridfills import check_merges
from pipeline.formats.numberformats import BUILT_IN

BEGIN, END, SHEET, CONTINUED = 0x0809, 0x000A, 0x0085, 0x003C
IS_1904, FORMAT, STYLE, LOCKED, CODEPAGE, TEXTS = 0x0022, 0x041E, 0x00E0, 0x002F, 0x0042, 0x00FC
NUMBER, RK, SEVERAL_RK, SHARED, BOOL_ERROR = 0x0203, 0x027E, 0x00BD, 0x00FD, 0x0205
LABELS, FORMULAS, RESULT, MERGED = (0x0204, 0x00D6), (0x0006, 0x0206, 0x0406), 0x0207, 0x00E5
_VERSION_8, _OF_SHEET = 0x0600, 0x0010
_HEAD, _CELL, _INT = struct.Struct("<HH"), struct.Struct("<HHH"), struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_A_NUMBER, _A_TEXT, _A_BOOL, _AN_ERROR = range(4)

Cell = tuple[int, int, int]
"""Row and column, from 0, and style."""
Value = float | str | bool
"""What a cell holds; an error is its text, and `is_error` tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSheet:
    """A sheet as the workbook lists it. start: where its records begin."""

    name: str
    start: int
    is_hidden: bool
    is_worksheet: bool


class XlsGlobals:
    """What is said of the workbook as a whole. formats: the number format of each cell style.
    is_sheet: there is no workbook, but one sheet by itself.

    Raises:
        ValueError, struct.error, IndexError: it is damaged.
    """

    def __init__(self, stream: bytes) -> None:
        self.stream = stream
        self.sheets: list[ListedSheet] = []
        self.texts: list[str] = []
        self.is_1904 = self.is_locked = self.is_sheet = False
        self.version, self.codec = 0, ""
        own: dict[int, str] = {}
        used: list[int] = []
        for kind, data, more in _whole_records(stream, 0):
            if kind == BEGIN and not self.version:
                self.version, of = _HEAD.unpack_from(data)
                self.is_sheet = of == _OF_SHEET
            elif kind == LOCKED:
                self.is_locked = True
                break
            elif kind == CODEPAGE:
                self.codec = _codec(struct.unpack_from("<H", data)[0])
            elif kind == SHEET:
                self.sheets.append(self._sheet(data))
            elif kind == IS_1904:
                self.is_1904 = data[:1] == b"\1"
            elif kind == FORMAT:
                own[_HEAD.unpack_from(data)[0]] = self.text(data, 2, is_short=self.version < 0x0600)
            elif kind == STYLE:
                used.append(struct.unpack_from("<H", data, 2)[0])
            elif kind == TEXTS:
                self.texts = shared_texts([data, *more])
        self.formats = [own.get(number, BUILT_IN.get(number, "General")) for number in used]

    def text(self, data: bytes, at: int, *, is_short: bool = False) -> str:
        """A text behind its length, which is one byte of a short one."""
        letters = data[at] if is_short else struct.unpack_from("<H", data, at)[0]
        at += 1 if is_short else 2
        if self.version < _VERSION_8:
            return self._narrow(data[at : at + letters])
        if data[at] & 1:
            return data[at + 1 : at + 1 + 2 * letters].decode("utf-16-le", errors="replace")
        return data[at + 1 : at + 1 + letters].decode("latin-1")

    def _narrow(self, letters: bytes) -> str:
        """Text of one byte a letter. Where no code page is told, scripts also wrote UTF-8."""
        if self.codec:
            return letters.decode(self.codec, errors="replace")
        try:
            return letters.decode()
        except UnicodeDecodeError:
            return letters.decode("cp1252", errors="replace")

    def _sheet(self, data: bytes) -> ListedSheet:
        start, state, kind = struct.unpack_from("<IBB", data)
        return ListedSheet(
            name=self.text(data, 6, is_short=True),
            start=start,
            is_hidden=state & 3 != 0,
            is_worksheet=kind == 0,
        )


class XlsCells:
    """The cells of a sheet, 15 bytes each. merges: first and last row and column, from 0."""

    def __init__(self, book: XlsGlobals, start: int) -> None:
        self._book = book
        self._own = Texts()
        self.merges: list[tuple[int, int, int, int]] = []
        self._places, self._kinds = array("I"), array("B")
        self._styles, self._values = array("H"), array("d")
        waiting: Cell | None = None
        for kind, data, more in _whole_records(book.stream, start):
            if kind == RESULT and waiting is not None:
                self._text(waiting, _joined(book, data, more))
                waiting = None
            elif kind in FORMULAS:
                waiting = self._formula(data)
            elif kind == MERGED:
                (count,) = struct.unpack_from("<H", data)
                self.merges += (struct.unpack_from("<4H", data, 2 + 8 * at) for at in range(count))
                check_merges(len(self.merges))
            else:
                self._take(kind, data)

    def rows(self) -> Iterator[tuple[int, list[tuple[int, int, Value, bool]]]]:
        """Row from 0, and its cells: column from 0, style, value, whether it is an error."""
        places = np.array(self._places, dtype=np.uint32)
        order = np.argsort(places, kind="stable").tolist()
        row, cells = -1, list[tuple[int, int, Value, bool]]()
        for at in order:
            number = self._places[at] >> 16
            if number != row:
                if cells:
                    yield row, cells
                row, cells = number, []
            kind = self._kinds[at]
            cells.append(
                (self._places[at] & 0xFFFF, self._styles[at], self._value(at), kind == _AN_ERROR)
            )
        if cells:
            yield row, cells

    def _take(self, kind: int, data: bytes) -> None:
        if kind == NUMBER:
            self._put(_CELL.unpack_from(data), _A_NUMBER, _DOUBLE.unpack_from(data, 6)[0])
        elif kind == RK:
            self._put(_CELL.unpack_from(data), _A_NUMBER, rk_number(data, 6))
        elif kind == SEVERAL_RK:
            row, column = _HEAD.unpack_from(data)
            for step, at in enumerate(range(4, len(data) - 2, 6)):
                (style,) = struct.unpack_from("<H", data, at)
                self._put((row, column + step, style), _A_NUMBER, rk_number(data, at + 2))
        elif kind == SHARED:
            number = _INT.unpack_from(data, 6)[0]
            self._text(_CELL.unpack_from(data), self._book.texts[number], shared=number)
        elif kind in LABELS:
            self._text(_CELL.unpack_from(data), self._book.text(data, 6))
        elif kind == BOOL_ERROR:
            self._put(_CELL.unpack_from(data), _AN_ERROR if data[7] else _A_BOOL, float(data[6]))

    def _formula(self, data: bytes) -> Cell | None:
        """Take the result of a formula; where its text follows, tell whose it is."""
        cell: Cell = _CELL.unpack_from(data)
        if data[12:14] != b"\xff\xff":
            self._put(cell, _A_NUMBER, _DOUBLE.unpack_from(data, 6)[0])
        elif data[6] == 0:
            return cell
        elif data[6] in (1, 2):
            self._put(cell, _A_BOOL if data[6] == 1 else _AN_ERROR, float(data[8]))
        return None

    def _text(self, cell: Cell, text: str, shared: int = -1) -> None:
        if text:
            if shared < 0:
                self._own.take(text)
            at = shared if shared >= 0 else -len(self._own)
            self._put(cell, _A_TEXT, float(at))

    def _put(self, cell: Cell, kind: int, value: float) -> None:
        row, column, style = cell
        self._places.append(row << 16 | column & 0xFFFF)
        self._kinds.append(kind)
        self._styles.append(style)
        self._values.append(value)

    def _value(self, at: int) -> Value:
        kind, value = self._kinds[at], self._values[at]
        if kind == _A_NUMBER:
            return value
        if kind == _A_BOOL:
            return value != 0
        if kind == _AN_ERROR:
            return ERRORS.get(int(value), "#N/A")
        number = int(value)
        return self._own[-number - 1] if number < 0 else self._book.texts[number]


def _joined(book: XlsGlobals, data: bytes, more: Sequence[bytes]) -> str:
    """A text that may go on in further records, each with a flag of its own."""
    if not more or book.version < _VERSION_8:
        return book.text(data, 0)
    letters = struct.unpack_from("<H", data)[0]
    return _Pieces([data, *more], 3).letters(letters, wide=bool(data[2] & 1))


def shared_texts(chunks: Sequence[bytes]) -> list[str]:
    """The texts that cells refer to; they go on from record to record, also within one."""
    pieces = _Pieces(chunks, 8)
    texts = Texts()
    while not pieces.is_over():
        letters, flags = struct.unpack("<HB", pieces.bytes(3))
        runs = struct.unpack("<H", pieces.bytes(2))[0] if flags & 8 else 0
        extra = struct.unpack("<I", pieces.bytes(4))[0] if flags & 4 else 0
        texts.take(pieces.letters(letters, wide=bool(flags & 1)))
        pieces.skip(4 * runs + extra)
    return texts


class _Pieces:
    """Bytes that are parted into records."""

    def __init__(self, chunks: Sequence[bytes], at: int) -> None:
        self._chunks, self._number, self._at = chunks, 0, at

    def is_over(self) -> bool:
        """Whether nothing follows."""
        self._go_on()
        return self._number >= len(self._chunks)

    def bytes(self, count: int) -> bytes:
        """The next bytes, from as many records as it takes."""
        found = b""
        while len(found) < count:
            if self.is_over():
                raise ValueError("the texts end before their end")
            chunk = self._chunks[self._number]
            piece = chunk[self._at : self._at + count - len(found)]
            self._at += len(piece)
            found += piece
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        while count > 0:
            if self.is_over():
                raise ValueError("the texts end before their end")
            step = min(count, len(self._chunks[self._number]) - self._at)
            self._at, count = self._at + step, count - step

    def letters(self, count: int, *, wide: bool) -> str:
        """Letters of one byte or two; each further record says anew which."""
        parts: list[bytes] = []  # all in two bytes: a record may end within a pair of them
        while count > 0:
            if self._at >= len(self._chunks[self._number]):
                self._number, self._at = self._number + 1, 1
                wide = bool(self._chunks[self._number][0] & 1)
            size = 2 if wide else 1
            piece = self._chunks[self._number][self._at : self._at + size * count]
            if len(piece) < size:
                raise ValueError("a text ends within a letter")
            parts.append(piece if wide else piece.decode("latin-1").encode("utf-16-le"))
            self._at += len(piece)
            count -= len(piece) // size
        return b"".join(parts).decode("utf-16-le", errors="replace")

    def _go_on(self) -> None:
        while self._number < len(self._chunks) and self._at >= len(self._chunks[self._number]):
            self._number, self._at = self._number + 1, 0


def _whole_records(stream: bytes, start: int) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """Each record of the part that begins at `start`, with those that continue it.

    Parts within a part, which are charts, are passed over.
    """
    at, depth = start, 0
    waiting: tuple[int, bytes, list[bytes]] | None = None
    while at + 4 <= len(stream):
        kind, length = _HEAD.unpack_from(stream, at)
        data = stream[at + 4 : at + 4 + length]
        at += 4 + length
        if kind == CONTINUED:
            if waiting is not None:
                waiting[2].append(data)
            continue
        depth += (kind == BEGIN) - (kind == END)
        if waiting is not None:
            yield waiting
        waiting = (kind, data, []) if depth == 1 else None
        if depth <= 0:
            return
    if waiting is not None:
        yield waiting


def _codec(page: int) -> str:
    name = {1200: "utf-16-le", 10000: "mac_roman", 32768: "mac_roman"}.get(page, f"cp{page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
