"""JSON lines: one object a line. A line that is none is one reject."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.encoding import TextEncoding, detect_encoding, utf8_chunks
from pipeline.formats.json_text import DECODER, SPACE, fault_in
from pipeline.formats.plugin import Format, Head
from pipeline.formats.treeparts import Item
from pipeline.formats.treereader import TreeReader
from pipeline.formats.trees import MOST_LEVELS, Shape
from pipeline.messages import Limits

NAME = "JSON lines"
_CHUNK = 1 << 20
_TABLE = "$"
_LOOKED_AT = 50
_LONGEST_FIRST = 16 << 20
_MOSTLY = 0.7


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
            stripped = text.strip(SPACE)
            if stripped:
                yield self._item(number, stripped, is_ended=is_ended)

    def _item(self, number: int, text: str, *, is_ended: bool) -> Item:
        item = Item(line=number, raw=text, where=f"line {number}", tree=None)
        try:
            value, end = DECODER.raw_decode(text)
            fault = fault_in(value, text)
        except (RecursionError, ContentError):
            item.fault = f"This line is nested deeper than {MOST_LEVELS} levels."
            return item
        except json.JSONDecodeError as error:
            is_cut = error.pos >= len(text) or error.msg.startswith("Unterminated")
            if not is_ended and is_cut and text.startswith("{"):
                raise ContentError(
                    FileCode.TRUNCATED, f"the last line, {number}, ends in the middle"
                ) from None
            item.fault = f"This line is not JSON, from character {error.pos + 1} on."
            return item
        rest = text[end:].strip(SPACE)
        if rest not in ("", ","):
            item.fault = f"This line is not one JSON object: more follows character {end}."
        elif not isinstance(value, dict):
            item.fault = "This line is JSON, but no object."
        elif fault:
            item.fault = fault
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
    if head.text is None or "{" not in head.text:
        return False
    *whole, last = head.text.split("\n")
    if not whole:
        return _is_long_line(head)
    lines = [line.strip(SPACE) for line in [*whole, *([last] if len(last) < 1 << 14 else [])]]
    lines = [line for line in lines if line][:_LOOKED_AT]
    if not lines or (not lines[0].startswith("{") and lines[0][:1] in ("[", "<", "")):
        return False
    objects = sum(1 for line in lines if line.startswith("{") and _is_object(line))
    begun = sum(1 for line in lines if line.startswith("{"))
    if len(whole) == 1 and objects == 1:
        return last.lstrip(SPACE).startswith("{")
    if not lines[0].startswith("{"):  # a bad line before the objects, if nearly all are objects
        return objects > 1 and objects >= _MOSTLY * len(lines)
    return len(lines) > 1 and begun * 2 >= len(lines) and objects > 0 and not _goes_on(lines[0])


def _is_long_line(head: Head) -> bool:
    """The first line is longer than the head: it must be an object, with another behind it."""
    if head.text is None or not head.text.lstrip(SPACE).startswith("{"):
        return False
    with head.path.open("rb") as source:
        first = source.readline(_LONGEST_FIRST)
        if not first.endswith(b"\n"):
            return False
        following = source.readline(1 << 14)
    return following.lstrip(b" \t\r\n\x1e").startswith(b"{") and _is_object(
        first.decode("utf-8", errors="replace").strip(SPACE)
    )


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
