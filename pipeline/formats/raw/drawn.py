"""Tables drawn with bars and rules, as database shells and Markdown show them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.formats.raw.lexer import Lines

_RULE = re.compile(r"\s*[|+]?[ :]*[-=]{2,}[-=:+| ]*")
_REMARK = "#"
_LEAST = 2
_MOST_OTHERS = 0.4  # of the lines hold no bar: titles above, counts of rows below


def undrawn(lines: Lines) -> Lines:
    """The lines without the bars at their edges and with remarks in the place of rules.

    Lines that draw no table are given back as they are.
    """
    rules = {
        at
        for at, text in enumerate(lines.texts)
        if ("|" in text or "+" in text) and _RULE.fullmatch(text)
    }
    if not rules:
        return lines
    rows = [text.strip() for at, text in enumerate(lines.texts) if at not in rules]
    barred = [text for text in rows if "|" in text]
    others = sum(bool(text) for text in rows) - len(barred)
    if len(barred) < _LEAST or others > max(_LEAST, _MOST_OTHERS * len(barred)):
        return lines
    framed = _are_framed(barred)
    texts = [
        _REMARK if at in rules else _bare(text) if framed else text
        for at, text in enumerate(lines.texts)
    ]
    return Lines(texts, lines.ends)


def _are_framed(rows: Sequence[str]) -> bool:
    return all(len(row) > 1 and row[0] == row[-1] == "|" for row in rows)


def _bare(text: str) -> str:
    row = text.strip()
    return row[1:-1] if row[:1] == "|" else text
