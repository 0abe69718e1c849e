"""What is meant by the name of an encoding that a document declares."""

from __future__ import annotations

import codecs
from pathlib import Path

from pipeline.formats.source import open_source

_WESTERN = frozenset({"iso8859-1", "iso8859-15", "cp1252"})
_CHUNK = 1 << 20


def meant_codec(path: Path, codec: str) -> str:
    """The codec to read a document with that declares `codec`; both are Python's names.

    A document that says Latin-1 is written by a program for Windows: where Latin-1 has control
    characters, which no document holds, there is the euro sign (WHATWG Encoding, 4.2). One that
    says so and is UTF-8 in every byte, with letters beyond ASCII, is UTF-8: by chance nothing is.
    """
    if codec not in _WESTERN:
        return codec
    if _is_utf8(path):
        return "utf-8"
    return "cp1252" if codec == "iso8859-1" else codec


def _is_utf8(path: Path) -> bool:
    """Whether all of a file is UTF-8, and not ASCII alone."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    try:
        with open_source(path) as source:
            while piece := source.read(_CHUNK):
                is_ascii = is_ascii and piece.isascii()
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not is_ascii
