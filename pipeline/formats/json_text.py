"""JSON values out of a stream of text: read as they are written, one at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats.trees import MOST_LEVELS, Doubled, NotJson, Number, too_deep

SPACE = " \t\n\r\ufeff\x00\x1a\x1e"
"""What may stand around values: space, byte order marks, padding, and the mark of RFC 7464."""
_MOST_ARRAYS = 4 * MOST_LEVELS
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


DECODER = json.JSONDecoder(
    parse_int=Number,
    parse_float=Number,
    parse_constant=NotJson,
    object_pairs_hook=_object,
    strict=False,
)


HALF_LETTER = "It holds half of a letter, as \\ud83d alone is; no text can be made of it."


def fault_in(value: Any, raw: str) -> str:
    """What keeps a value from being text, in a sentence; empty for nearly all values.

    Raises:
        ContentError: it is nested without measure.
    """
    if raw.count("[") + raw.count("{") > MOST_LEVELS:
        _check_depth(value)
    return HALF_LETTER if _HALF.search(raw) and _has_half(value) else ""


def _check_depth(value: Any) -> None:
    """Refuse objects, or objects and arrays together, that lie in each other without measure."""
    waiting = [(value, 0, 0)]
    while waiting:
        one, objects, levels = waiting.pop()
        if not isinstance(one, dict | list):
            continue
        objects, levels = objects + isinstance(one, dict), levels + 1
        if objects > MOST_LEVELS or levels > _MOST_ARRAYS:
            raise too_deep()
        inner = one.values() if isinstance(one, dict) else one
        waiting += [(below, objects, levels) for below in inner]


def _has_half(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_half(name) or _has_half(one) for name, one in value.items())
    if isinstance(value, list):
        return any(map(_has_half, value))
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


class JsonText:
    """A window on the text. Values longer than `most` characters are refused."""

    def __init__(self, pieces: Iterator[bytes], most: int) -> None:
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._most = most
        self._text = ""
        self._at = 0
        self._is_whole = False
        self.line = 1

    def peek(self) -> str:
        """The next character that is not space; empty at the end."""
        while True:
            text, at = self._text, self._at
            end = len(text)
            start = at
            while at < end and text[at] in SPACE:
                at += 1
            self.line += text.count("\n", start, at)
            self._at = at
            if at < end:
                return text[at]
            if self._is_whole:
                return ""
            self._grow()

    def skip(self) -> None:
        """Go past one character."""
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """The next value, and the text it was read from.

        Raises:
            ContentError: TRUNCATED, DAMAGED or LIMIT_EXCEEDED.
        """
        self.peek()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise too_deep() from None
            except json.JSONDecodeError as error:
                if self._is_whole:
                    raise self._told(error) from None
                self._grow()
                continue
            if end == len(self._text) and not self._is_whole:
                self._grow()  # a number may go on
                continue
            raw = self._text[self._at : end]
            self.line += raw.count("\n")
            self._at = end
            return found, raw

    def expect(self, sign: str) -> None:
        """Go past a sign that must be there.

        Raises:
            ContentError: TRUNCATED at the end, else DAMAGED.
        """
        found = self.peek()
        if found != sign:
            raise self.wrong(f"'{sign}' is missing")
        self.skip()

    def wrong(self, what: str) -> ContentError:
        """What refuses a document that is not JSON here."""
        if not self.peek():
            return ContentError(FileCode.TRUNCATED, "the JSON document ends before it is closed")
        return ContentError(FileCode.DAMAGED, f"line {self.line} is not JSON: {what}")

    def _told(self, error: json.JSONDecodeError) -> ContentError:
        rest = self._text[error.pos :].strip(SPACE)
        if not rest or error.msg.startswith("Unterminated"):
            return ContentError(FileCode.TRUNCATED, "the JSON document ends in the middle")
        line = self.line + self._text.count("\n", self._at, error.pos)
        return ContentError(FileCode.DAMAGED, f"line {line} is not JSON: {error.msg.casefold()}")

    def _grow(self) -> None:
        if len(self._text) - self._at > self._most:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"a record, from line {self.line} on, is longer than {self._most} bytes",
            )
        wanted = max(1, len(self._text) - self._at)  # twice as much: no value is read often
        parts = [self._text[self._at :]]
        while wanted > 0 and not self._is_whole:
            piece = next(self._pieces, None)
            self._is_whole = piece is None
            text = self._decoder.decode(piece or b"", final=piece is None)
            parts.append(text)
            wanted -= len(text)
        self._text, self._at = "".join(parts), 0
