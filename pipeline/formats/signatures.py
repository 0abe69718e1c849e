"""What a file is, told by its bytes and never by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.ends.packed import ZSTD_MARKS

DELIMITED_TEXT = "delimited text"
HTML = "an HTML page"
XML = "an XML document"

HEAD_BYTES = 65_536
"""How much of a file's head the tests below want to see."""


@dataclass(frozen=True, slots=True)
class _Magic:
    offset: int
    mark: bytes
    name: str


_MAGIC = (
    _Magic(0, b"%PDF-", "a PDF document"),
    _Magic(0, b"PAR1", "a Parquet file"),
    _Magic(0, b"ARROW1", "an Arrow file"),
    _Magic(0, b"FEA1", "a Feather file"),
    _Magic(0, b"\x1f\x8b", "a gzip-compressed file"),
    _Magic(0, b"BZh", "a bzip2-compressed file"),
    _Magic(0, b"\xfd7zXZ\x00", "an xz-compressed file"),
    *(_Magic(0, mark, "a zstd-compressed file") for mark in ZSTD_MARKS),
    _Magic(0, b"\x04\x22\x4d\x18", "an lz4-compressed file"),
    _Magic(0, b"\x1f\x9d", "a file packed by compress (.Z)"),
    _Magic(0, b"\x5d\0\0", "an lzma-compressed file"),
    _Magic(0, b"LZIP\x01", "an lzip-compressed file"),
    _Magic(0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    _Magic(0, b"Rar!\x1a\x07", "a RAR archive"),
    _Magic(257, b"ustar", "a tar archive"),
    _Magic(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (as .xls)"),
    _Magic(0, b"SQLite format 3\x00", "an SQLite database"),
    _Magic(0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    _Magic(0, b"\xff\xd8\xff", "a JPEG image"),
    _Magic(0, b"GIF8", "a GIF image"),
    _Magic(0, b"II*\x00", "a TIFF image"),
    _Magic(0, b"MM\x00*", "a TIFF image"),
    _Magic(128, b"DICM", "a DICOM image"),
    _Magic(0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    _Magic(0, b"$FL2", "an SPSS file"),
    _Magic(0, b"<stata_dta>", "a Stata file"),
    _Magic(0, b"HEADER RECORD*******", "a SAS transport file"),
    _Magic(0, b"\x7fELF", "a program"),
    _Magic(0, b"Obj\x01", "an Avro file"),
    _Magic(0, b"{\\rtf", "a rich text document"),
)

_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_KINDS = (
    (b"xl/workbook.bin", "an Excel workbook (.xlsb)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"word/", "a Word document"),
    (b"ppt/", "a PowerPoint file"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet"),
)

_TEXT_KINDS = (
    (
        re.compile(
            r"\s*(<!--.*?-->\s*)*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|table|head|body|meta|style|center|div)\b",
            re.I,
        ),
        HTML,
    ),
    (re.compile(r"\s*<(\?xml|!doctype|!--|[A-Za-z_][\w.:-]*[\s/>])", re.I), XML),
    (re.compile(r'\s*\{\s*("|\}\s*$)'), "a JSON document"),
    (re.compile(r'\s*\[\s*([\[{"]|-?\d[\d.eE+-]*\s*[,\]]|(true|false|null)\b|\]\s*$)'), "JSON"),
    (re.compile(r"\x0b?(MSH|FHS|BHS)[|^]"), "an HL7 message"),
    (re.compile(r"ISA\*"), "an X12 message"),
    (re.compile(r"MIME-Version:", re.I), "a web archive (.mht) or a mail"),
)

# Control characters that text does not hold: all but tab, line ends, form feed, Ctrl-Z and escape.
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r\x0b\x0c\x1a\x1b"))


def name_binary(head: bytes) -> str | None:
    """Name the binary format that `head`, a file's first bytes, belongs to; None for text."""
    if head.startswith(_ZIP_MARKS):
        return next((name for mark, name in _ZIP_KINDS if mark in head), "a ZIP archive")
    for magic in _MAGIC:
        if head.startswith(magic.mark, magic.offset):
            return magic.name
    controls = len(head) - len(head.translate(None, delete=_CONTROLS))
    # NUL bytes alone can be damage within text; many controls of many kinds are no text.
    if controls * 20 > len(head) and len(set(head) & set(_CONTROLS)) > 2:
        return "binary data"
    return None


def name_text(head: str) -> str:
    """Name the kind of text: DELIMITED_TEXT when nothing speaks for another format."""
    return next((name for pattern, name in _TEXT_KINDS if pattern.match(head)), DELIMITED_TEXT)
