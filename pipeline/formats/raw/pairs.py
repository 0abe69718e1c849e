"""Lines of `name=value` pairs, as programs write logs: one row a line, one column a name."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PAIR = re.compile(r'([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*+"|[^\s"]*+)(?:\s+|\Z)')
_ESCAPED = re.compile(r"\\(.)")
_LEAST_LINES, _LEAST_PAIRS, _MOST_NAMES = 3, 2, 100


def find_pairs(texts: Sequence[str]) -> tuple[list[str], list[list[str]]] | None:
    """Names in the order in which they come up, and rows; None for any other text.

    Blank lines are no rows. A name that a line lacks is an empty cell there.
    """
    found: list[dict[str, str]] = []
    names: dict[str, None] = {}
    for text in texts:
        if not text.strip():
            continue
        pairs = _pairs_of(text.strip())
        if pairs is None:
            return None
        found.append(pairs)
        names |= dict.fromkeys(pairs)
        if len(names) > _MOST_NAMES:
            return None
    if len(found) < _LEAST_LINES or 2 * sum(map(len, found)) < len(found) * len(names):
        return None
    return list(names), [[pairs.get(name, "") for name in names] for pairs in found]


def _pairs_of(text: str) -> dict[str, str] | None:
    """The pairs of a line that holds nothing else, each name once."""
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or match[1] in pairs:
            return None
        pairs[match[1]] = _value(match[2])
        at = match.end()
    return pairs if len(pairs) >= _LEAST_PAIRS else None


def _value(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text
