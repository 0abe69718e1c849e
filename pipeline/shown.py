"""File names for people: they act on no terminal and no page."""

from __future__ import annotations


def shown_name(name: str) -> str:
    """A name as `os.fsdecode` gives it, with bytes that are no UTF-8 and controls escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
