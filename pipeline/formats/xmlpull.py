"""XML as a stream of events, by expat: nothing is kept, nothing outside the file is opened.

Entities that a document declares are refused: that is how a file of a kilobyte becomes gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from xml.parsers import expat

from pipeline.errors import ContentError, FileCode

MOST_DEPTH = 256
_LONGEST_NAME = 100
_ENTITY = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z_:][^\s;&<>\"']{0,99};")
Attributes = dict[str, str]


class LocalNames(dict[str, str]):
    """Names without their prefix, worked out once each."""

    def __missing__(self, name: str) -> str:
        local = self[name] = name.rpartition(":")[2]
        return local


class XmlEvents:
    """Feeds a document to three functions, with names that have lost their namespace's prefix.

    `encoding` is what the bytes are in, whatever the document says; None lets it say so. With
    `is_raw` the functions are called as they are: names keep their prefix, depth is their matter.

    Raises:
        ContentError: DAMAGED or TRUNCATED when it is not well-formed, UNSUPPORTED when it declares
            entities, LIMIT_EXCEEDED when it is nested too deep.
    """

    def __init__(
        self,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None],
        text: Callable[[str], None] | None = None,
        encoding: str | None = None,
        is_raw: bool = False,
    ) -> None:
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self._depth = 0
        self._start, self._end = start, end
        self._local = LocalNames()
        self.parser.StartElementHandler = start if is_raw else self._begin
        self.parser.EndElementHandler = end if is_raw else self._finish
        if text is not None:
            self.parser.CharacterDataHandler = text
        self.parser.EntityDeclHandler = _refuse_entity
        self.parser.StartDoctypeDeclHandler = self._doctype
        self._refers_outside = False
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Parse a whole document."""
        for _ in self.fed(pieces):
            pass

    def fed(self, pieces: Iterable[bytes]) -> Iterator[None]:
        """Parse a whole document; pauses after each piece, so that what was found can be taken."""
        before = b""
        try:
            for piece in pieces:
                self.parser.Parse(piece, False)
                if self._refers_outside:
                    _check_entities(before + piece)
                    before = piece[-_LONGEST_NAME:]
                yield
            self.parser.Parse(b"", True)
            yield
        except expat.ExpatError as error:
            raise _told(error) from None
        except (LookupError, ValueError) as error:
            if type(error) is not LookupError and "encodings" not in str(error):
                raise  # of whoever listens
            raise ContentError(
                FileCode.ENCODING, "the XML document names an encoding that is not known here"
            ) from None

    def _doctype(self, _name: str, system: str | None, public: str | None, _has: bool) -> None:
        self._refers_outside = system is not None or public is not None

    def _begin(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED, f"its elements are nested deeper than {MOST_DEPTH} levels"
            )
        self._start(self._local[name], attributes)

    def _finish(self, name: str) -> None:
        self._depth -= 1
        self._end(self._local[name])


def _check_entities(text: bytes) -> None:
    """Refuse names that only a document elsewhere explains; the parser would leave them out."""
    if _ENTITY.search(text):
        raise ContentError(
            FileCode.UNSUPPORTED,
            "the XML document refers to entities of another document, which is not opened here",
        )


def _refuse_entity(*_declared: object) -> None:
    raise ContentError(
        FileCode.UNSUPPORTED, "the XML document declares entities, which are not resolved here"
    )


def _told(error: expat.ExpatError) -> ContentError:
    message = expat.errors.messages.get(error.code, "not well-formed")
    cut_off = (3, 5, 6, 20)  # no element found, unclosed token, partial character, unclosed CDATA
    if error.code in cut_off:
        return ContentError(
            FileCode.TRUNCATED, f"the XML document ends in the middle, in line {error.lineno}"
        )
    if error.code == 43:
        return ContentError(FileCode.LIMIT_EXCEEDED, "the XML document unfolds without measure")
    return ContentError(FileCode.DAMAGED, f"line {error.lineno} is not XML: {message}")
