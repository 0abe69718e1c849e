"""Whether a text that begins with a tag is part of a page with a table, and no XML document."""

from __future__ import annotations

import re

_FRAGMENT = re.compile(
    r"\s*<(?:br|hr|b|i|p|a|font|span|strong|h[1-6]|title|link|script|form|img|caption|small|big|u"
    r"|noscript|section|main)\b|\s*<!--",
    re.IGNORECASE,
)
_OF_TABLES = [re.compile(rf"<{tag}[\s>]", re.IGNORECASE) for tag in ("table", "tr", "t[dh]")]


def is_part_of_page(head: str) -> bool:
    """Tags that any document may begin with are a page's when a table with a cell follows.

    head: the beginning of the text. Warnings that a program printed before its page are such tags.
    """
    if _FRAGMENT.match(head) is None:
        return False
    at = 0
    for tag in _OF_TABLES:
        found = tag.search(head, at)
        if found is None:
            return False
        at = found.end()
    return True
