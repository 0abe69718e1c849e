"""JSON for people, as `json.dumps(..., ensure_ascii=False, indent=2)` writes it.

The library's own indenting encoder is a generator for each value, which takes longer than all else
that is done to a small file; its encoder of texts is in C, and used here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from math import isfinite
from typing import Any

from pipeline.plain import Kept, KeptList


@dataclass(frozen=True, slots=True)
class Written:
    """A part of a document that was written before, as `json_text` gave it."""

    text: str


_WORDS = {None: "null", True: "true", False: "false"}


def json_text(document: Any) -> str:
    """The document with an indent of two. Keys are texts; Raises as `json.dumps` does."""
    return _text(document, "\n")


def _text(value: Any, line: str) -> str:
    """One value. `line` begins a line as far in as the value stands."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is dict:
        return _object(value, line)
    if kind is Kept or kind is KeptList:
        return _of_kept(value, line)
    if kind is Written:
        return _further_in(value.text, line)
    if kind is list or kind is tuple:
        return _array(value, line)
    if value is None or kind is bool:
        return _WORDS[value]
    if kind is int or (kind is float and isfinite(value)):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", line)


@lru_cache(maxsize=64)
def _further_in(text: str, line: str) -> str:
    return text.replace("\n", line)


def _of_kept(part: Kept | KeptList, line: str) -> str:
    written = part.written
    if written is None or written[0] != line:
        text = _array(part, line) if isinstance(part, KeptList) else _object(part, line)
        part.written = written = (line, text)
    return written[1]


def _object(members: Mapping[str, Any], line: str) -> str:
    if not members:
        return "{}"
    inner = line + "  "
    texts = [f"{_quoted(name)}: {_text(value, inner)}" for name, value in members.items()]
    return "{" + inner + ("," + inner).join(texts) + line + "}"


def _array(items: list[Any] | tuple[Any, ...], line: str) -> str:
    if not items:
        return "[]"
    inner = line + "  "
    return "[" + inner + ("," + inner).join([_text(item, inner) for item in items]) + line + "]"
