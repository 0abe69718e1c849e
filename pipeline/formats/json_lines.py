"""JSON lines: one object a line. A line that is none is one reject."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.encoding import TextEncoding, detect_encoding, utf8_chunks
from pipeline.formats.json_text import DECODER
from pipeline.formats.plugin import Format, Head
from pipeline.formats.treereader import Item, TreeReader
from pipeline.formats.trees import Shape, too_deep
from pipeline.messages import Limits

NAME = "JSON lines"
_CHUNK = 1 << 20
_TABLE = "$"
_SPACE = " \t\r\n\ufeff\x00\x1a"
_LOOKED_AT = 50


def open_lines(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open JSON lines; see `TreeReader`.

    Raises:
        ContentError: ENCODING or TRUNCATED too.
    """
    encoding = None if read_as is None else read_as.encoding
    return TreeReader(_Lines(path, limits, detect_encoding(path, encoding)), limits, read_as)


class _Lines:
    """See `Trees`."""

    kind = NAME
    base = 0
    places = False

    def __init__(self, path: Path, limits: Limits, encoding: TextEncoding) -> None:
        self._path, self._limits, self._encoding = path, limits, encoding

    def survey(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        """Learn the shape of the objects."""
        shape = Shape(self._limits)
        blank = 0
        for item in self.items(_TABLE):
            if item.tree is not None:
                shape.observe(item.tree)
            else:
                blank += 1
        if not shape.count:
            raise ContentError(FileCode.EMPTY, "none of its lines is a JSON object")
        return {_TABLE: shape}, ()

    def items(self, table: str) -> Iterator[Item]:
        """The lines that are not blank."""
        for number, text, is_ended in self._lines():
            stripped = text.strip(_SPACE)
            if stripped:
                yield self._item(number, stripped, is_ended=is_ended)

    def _item(self, number: int, text: str, *, is_ended: bool) -> Item:
        item = Item(line=number, raw=text, where=f"line {number}", tree=None)
        try:
            value, end = DECODER.raw_decode(text)
        except RecursionError:
            raise too_deep() from None
        except json.JSONDecodeError as error:
            is_cut = error.pos >= len(text) or error.msg.startswith("Unterminated")
            if not is_ended and is_cut and text.startswith("{"):
                raise ContentError(
                    FileCode.TRUNCATED, f"the last line, {number}, ends in the middle"
                ) from None
            item.fault = f"This line is not JSON, from character {error.pos + 1} on."
            return item
        rest = text[end:].strip(_SPACE)
        if rest not in ("", ","):
            item.fault = f"This line is not one JSON object: more follows character {end}."
        elif not isinstance(value, dict):
            item.fault = "This line is JSON, but no object."
        else:
            item.tree = value
        return item

    def _lines(self) -> Iterator[tuple[int, str, bool]]:
        """Number and text of each line, and whether it has its end."""
        number, rest = 1, b""
        most = self._limits.max_record_bytes
        for piece in utf8_chunks(self._path, self._encoding, _CHUNK):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if len(line) > most:
                    raise _too_long(number, most)
                yield number, line.decode(), True
                number += 1
            if len(rest) > most:
                raise _too_long(number, most)
        if rest:
            yield number, rest.decode(), False


def _too_long(number: int, most: int) -> ContentError:
    return ContentError(FileCode.LIMIT_EXCEEDED, f"line {number} is longer than {most} bytes")


def _is_lines(head: Head) -> bool:
    """Several lines begin like objects, and most of those that are whole are objects."""
    if head.text is None or not head.text.lstrip(_SPACE).startswith("{"):
        return False
    *whole, last = head.text.split("\n")
    lines = [line.strip(_SPACE) for line in [*whole, *([last] if len(last) < 1 << 14 else [])]]
    lines = [line for line in lines if line][:_LOOKED_AT]
    objects = sum(1 for line in lines if line.startswith("{") and _is_object(line))
    begun = sum(1 for line in lines if line.startswith("{"))
    return len(lines) > 1 and begun * 2 >= len(lines) and objects > 0 and not _goes_on(lines[0])


def _goes_on(line: str) -> bool:
    """Whether a line is the beginning of something that is closed on a later one."""
    try:
        DECODER.raw_decode(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line)
    except RecursionError:
        return False
    return False


def _is_object(line: str) -> bool:
    try:
        value: Any = DECODER.decode(line.rstrip(","))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


FORMAT = Format(
    name=NAME,
    recognises=_is_lines,
    open=open_lines,
    extensions=("jsonl", "ndjson", "jsonlines", "json"),
)
