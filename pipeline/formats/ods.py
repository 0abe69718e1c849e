"""OpenDocument spreadsheets (.ods, and .fods, which are one XML document), streamed.

What a cell holds is said twice: as a value without a format, and as the text that was shown, in the
language of whoever saved it. Here the value is shown by its number format, as in every spreadsheet.
python-calamine reads the values and knows no formats. Source: OpenDocument 1.3 part 3, 9 and 19.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.celltexts import NumberTexts, place_of_cell
from pipeline.formats.grid import GridReader
from pipeline.formats.gridparts import GridRow, Merge, Sheet
from pipeline.formats.odscells import OdsCells, OdsSurvey
from pipeline.formats.odsstyles import OdsStyles
from pipeline.formats.package import Package
from pipeline.formats.plugin import ZIP_MARK, Format, Head
from pipeline.formats.unpacked import check_unpacked
from pipeline.formats.xmlpull import XmlEvents
from pipeline.formats.xmltext import XmlText
from pipeline.messages import Limits

NAME = "an OpenDocument spreadsheet (.ods)"
FLAT = "an OpenDocument spreadsheet in one document (.fods)"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_MIMETYPE = b"opendocument.spreadsheet"
_HEAD_BYTES = 1 << 18
_CONTENT, _STYLES, _MANIFEST = "content.xml", "styles.xml", "META-INF/manifest.xml"


class OdsBook:
    """A workbook; see `Grids`. A flat one is a text, any other a container."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, limits: Limits, kind: str) -> None:
        self.kind, self._limits = kind, limits
        self.size_bytes = path.stat().st_size
        self._package = None if kind == FLAT else Package(path, limits)
        self._flat = XmlText(path) if kind == FLAT else None
        self._styles = OdsStyles()
        if self._package is not None:
            with self._package.opened() as archive:
                self._look_around(archive)
        self.sheets: list[Sheet] = []
        survey = OdsSurvey(self._styles)
        events = self._events(survey)
        survey.where = lambda: events.parser.CurrentByteIndex
        for _ in self._fed(events):
            pass
        self._merges = survey.merges
        self._begins = survey.begins
        self.sheets = [
            Sheet(name=name, about="hidden" if is_hidden else "", is_hidden=is_hidden)
            for name, is_hidden in survey.sheets
        ]
        self._texts = NumberTexts(self._styles.format_of, from_1904=survey.is_1904)

    def place(self, sheet: str, row: int, column: int | None) -> str:
        """As in any spreadsheet: `Results!C17`."""
        return place_of_cell(sheet, row, column)

    def merges(self, sheet: str) -> list[Merge]:
        """Merged cells."""
        return self._merges.get(sheet, [])

    def rows(self, sheet: str) -> Iterator[GridRow]:
        """The rows that have cells; one that is repeated is told once and given as often."""
        cells = OdsCells(self._styles, self._texts)
        given = 0
        for _ in self._fed(self._events(cells), sheet):
            for row, times in cells.done:
                size = sum(map(len, row.cells.values())) + 8 * len(row.cells)
                for number in range(row.number, row.number + times):
                    given += size
                    check_unpacked(given, self.size_bytes, self._limits)
                    yield GridRow(number=number, cells=dict(row.cells), faults=dict(row.faults))
            cells.done.clear()
            if cells.is_over:
                return

    def _events(self, listener: OdsCells | OdsSurvey) -> XmlEvents:
        encoding = "utf-8" if self._flat else None
        return XmlEvents(listener.start, listener.end, listener.text, encoding, is_raw=True)

    def _fed(self, events: XmlEvents, sheet: str | None = None) -> Iterator[None]:
        """Parse the document, without the sheets before the one asked for; pause after each piece.

        To go through a sheet takes a hundred times as long as to leave it out.
        """
        try:
            if self._flat is not None:
                yield from events.fed(self._from(sheet, self._flat.pieces()))
            elif (package := self._package) is not None:
                with package.opened() as archive, package.part(archive, _CONTENT) as part:
                    yield from events.fed(self._from(sheet, package.pieces(part)))
        except (ValueError, OverflowError):
            raise ContentError(FileCode.DAMAGED, "a cell of the workbook is damaged") from None

    def _from(self, sheet: str | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """What stands before the first sheet, then all from one sheet on."""
        if sheet is None:
            yield from pieces
            return
        first, begin = min(self._begins.values()), self._begins[sheet]
        at = 0
        for piece in pieces:
            yield piece[: max(first - at, 0)] + piece[max(begin - at, 0) :]
            at += len(piece)

    def _look_around(self, archive: ZipFile) -> None:
        """Refuse what is encrypted; learn the styles that stand beside the content."""
        assert self._package is not None  # noqa: S101 - whoever calls has opened it
        names = archive.namelist()
        if _MANIFEST in names:
            with self._package.part(archive, _MANIFEST) as part:
                if b"encryption-data" in b"".join(self._package.pieces(part)):
                    raise ContentError(FileCode.UNSUPPORTED, "the workbook has a password")
        if _STYLES in names:
            styles = self._styles
            try:
                events = XmlEvents(styles.start, styles.end, styles.text)
                self._package.feed(archive, _STYLES, events)
            except ValueError:
                raise ContentError(FileCode.DAMAGED, "a style of the workbook is damaged") from None


def _format(kind: str, recognises: object, extensions: tuple[str, ...]) -> Format:
    def opened(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
        return GridReader(OdsBook(path, limits, kind), limits, read_as)

    return Format(name=kind, recognises=recognises, open=opened, extensions=extensions)  # type: ignore[arg-type]


def _is_ods(head: Head) -> bool:
    if not head.data.startswith(ZIP_MARK):
        return False
    return _MIMETYPE in head.data[:512] or (
        _CONTENT in head.members and _MIMETYPE in _beginning(head.path, head.members)
    )


def _beginning(path: Path, members: frozenset[str]) -> bytes:
    """What a container says that it is, or how its content begins."""
    try:
        with (
            ZipFile(path) as archive,
            archive.open("mimetype" if "mimetype" in members else _CONTENT) as part,
        ):
            return part.read(_HEAD_BYTES).replace(b"office:spreadsheet", _MIMETYPE)
    except (
        BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        ZlibError,
        EOFError,
    ):
        return b""


def _is_flat(head: Head) -> bool:
    text = head.text
    return (
        text is not None
        and text.lstrip().startswith("<")
        and _OFFICE in text
        and re.search(r"""mimetype\s*=\s*["'][^"']*opendocument\.spreadsheet""", text) is not None
    )


FORMATS = (
    _format(NAME, _is_ods, ("ods", "ots")),
    _format(FLAT, _is_flat, ("fods", "xml")),
)
