"""JSON beside an original, laid out for people, and what of a report is kept there. Pure.

Files of one source have most of their plan in common, word for word: what was read once is neither
read nor written again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

_LAID_OUT_LEVELS = 2
_ENCODE = json.JSONEncoder(ensure_ascii=True, default=str).encode
_MEMBER = '\n  "'  # begins a member of the document, and nothing else: all others are further in
_IN_COMMON_CHARS = 65_536  # a longer text is that of one file


@dataclass(frozen=True, slots=True)
class OneLine:
    """A part of a document that was laid out before: it takes one line."""

    text: str


def laid_out(document: Mapping[str, Any]) -> str:
    """JSON for people: a line for each part that has parts itself, or is one of the document's."""
    return _lines(document, "\n", _LAID_OUT_LEVELS) + "\n"


def kept_of(report: bytes, names: Collection[str]) -> dict[str, OneLine] | None:
    """Those parts of a report, as `pipeline.outputs.jsontext` wrote it, that bear these names.

    None when the report was cut short, or is something else.
    """
    try:
        text = report.decode("utf-8", "surrogatepass").rstrip()
        if not (text.startswith("{" + _MEMBER) and text.endswith("\n}")):
            return None
        members = (part.partition('": ') for part in text[1:-2].split(_MEMBER)[1:])
        return {
            name: OneLine(_one_line(part.removesuffix(",")))
            for name, _, part in members
            if name in names
        }
    except ValueError:
        return None


def _one_line(part: str) -> str:
    return _in_common(part) if len(part) <= _IN_COMMON_CHARS else _ENCODE(json.loads(part))


@lru_cache(64)
def _in_common(part: str) -> str:
    return _ENCODE(json.loads(part))


def _lines(value: Any, line: str, levels: int) -> str:
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is OneLine:
        return str(value.text)
    if not levels or kind not in (dict, list, tuple):
        return _ENCODE(value)
    deeper = line + "  "
    if kind is dict:
        parts = [
            f"{_quoted(key)}: {_lines(part, deeper, levels - 1)}" for key, part in value.items()
        ]
        return f"{{{deeper}{f',{deeper}'.join(parts)}{line}}}" if parts else "{}"
    if not any(isinstance(part, (dict, list, tuple)) for part in value):
        return _ENCODE(value)
    parts = [_lines(part, deeper, min(1, levels - 1)) for part in value]
    return f"[{deeper}{f',{deeper}'.join(parts)}{line}]"
