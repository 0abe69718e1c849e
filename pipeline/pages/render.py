"""Turns plain data into one HTML page. Templates get text and numbers, and everything is escaped.

A page needs nothing beside itself: styles and charts are part of it, it runs no script and asks no
other place for anything, so it may be mailed, archived and printed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
LONGEST_VALUE = 80  # characters of a cell that a page shows


def render(template: str, **content: Any) -> bytes:
    """The page as UTF-8; lone surrogates of damaged text are replaced."""
    return _environment().get_template(template).render(**content).encode(errors="replace")


def part(template: str, name: str, *content: Any) -> Markup:
    """A part of a page, by a macro of a template."""
    return Markup(_macro(template, name)(*content))  # noqa: S704 - it is escaped already


@cache
def _macro(template: str, name: str) -> Any:
    return getattr(_environment().get_template(template).module, name)


class _OfPlainData(Environment):
    """Knows that `column.label` is nearly always an entry of a dict, and looks there first."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The entry or the attribute of that name."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@cache
def _environment() -> Environment:
    environment = _OfPlainData(
        loader=FileSystemLoader(_TEMPLATES),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": grouped, "counted": counted, "share": share, "shown": shown}
    return environment


def grouped(number: int) -> str:
    """12345 as 12 345, with a space that does not break."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """1 row, 2 rows, no rows."""
    words = singular if number == 1 else plural or f"{singular}s"
    return f"{grouped(number) if number else 'no'} {words}"


def share(part: int, whole: int) -> str:
    """A percentage that never rounds something to nothing, or almost all to all."""
    if not whole or part == 0:
        return "0 %"
    percent = 100 * part / whole
    if part == whole:
        return "100 %"
    if percent < 0.1:
        return "< 0.1 %"
    if percent > 99.9:
        return "> 99.9 %"
    return f"{percent:.1f} %" if percent < 10 or percent > 90 else f"{percent:.0f} %"


def shown(text: str) -> str:
    """A cell as a page shows it: signs that cannot be seen made visible, long ones cut."""
    visible = "".join(
        character if character.isprintable() else f"\\x{ord(character):02x}" for character in text
    )
    cut = visible[:LONGEST_VALUE]
    return cut + ("…" if len(visible) > LONGEST_VALUE else "")
