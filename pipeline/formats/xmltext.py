"""The text of an XML document as UTF-8, whatever it is in and whatever stands around it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats.declared import meant_codec
from pipeline.formats.encoding import detect_encoding, utf8_chunks
from pipeline.formats.source import open_source

_CHUNK = 1 << 18
_DECLARED = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LATE_DECLARATION = re.compile(rb"\s+<\?xml\s[^>]{0,200}\?>")
_PADDING = b"\0\x1a"


class XmlText:
    """The text of a document as UTF-8, whatever it is in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codec = _codec_of(path)

    def pieces(self) -> Iterator[bytes]:
        """The text as UTF-8, without what may stand around a document and is none of it."""
        yield from _trimmed(self._whole())

    def _whole(self) -> Iterator[bytes]:
        if self._codec is None:
            yield from utf8_chunks(self._path, detect_encoding(self._path), _CHUNK)
            return
        decoder = codecs.getincrementaldecoder(self._codec)()
        with open_source(self._path) as source:
            while piece := source.read(_CHUNK):
                yield self._decoded(decoder, piece)
        yield self._decoded(decoder, b"", final=True)

    def _decoded(
        self, decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False
    ) -> bytes:
        try:
            return decoder.decode(piece, final=final).encode()
        except UnicodeError:
            if final:
                return b"\xff"  # it ends within a letter: the parser says so
            raise ContentError(
                FileCode.ENCODING, f"the document says that it is {self._codec}, and is not"
            ) from None


def _trimmed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Text whose declaration may stand behind blank lines, and NULs or Ctrl-Z behind all of it.

    A declaration that does not come first is made blank: lines keep their numbers, and what it says
    of the encoding is known.
    """
    padding, is_first = b"", True
    for piece in pieces:
        whole = padding + piece
        if is_first and (late := _LATE_DECLARATION.match(whole)):
            whole = b" " * (late.end() - late[0].count(b"\n")) + whole[late.end() :]
            whole = b"\n" * late[0].count(b"\n") + whole
        is_first = is_first and not whole.strip()
        kept = whole.rstrip(_PADDING)
        padding = whole[len(kept) :]
        yield kept


def _codec_of(path: Path) -> str | None:
    """The encoding by mark or declaration; None when neither is there."""
    with open_source(path) as source:
        head = source.read(1024)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec
    if head.startswith((b"<\0", b"\0<")):
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    declared = _DECLARED.search(head)
    if declared is None:
        return None
    name = declared[1].decode()
    if name.casefold().startswith(("utf-16", "utf-32", "ucs", "utf16")):
        return None  # written by a program that wrote text and named what it holds in memory
    try:
        b"<".decode(name, errors="replace")  # which fails for a codec that makes no text
        return meant_codec(path, codecs.lookup(name).name)
    except (LookupError, ValueError):
        raise ContentError(
            FileCode.ENCODING, "the document names an encoding that is not known"
        ) from None
