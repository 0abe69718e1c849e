"""Date formats as people write them (strptime) and date shapes as the values show them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIRECTIVES = {
    "%d": "d", "%e": "d", "%m": "m", "%Y": "Y", "%y": "y", "%H": "h", "%I": "h",
    "%M": "i", "%S": "s", "%f": "f", "%p": "p", "%z": "z", "%Z": "z",
    "%b": "n", "%B": "n",
}  # fmt: skip
_DIRECTIVE = re.compile("%[A-Za-z]")
_DATE_PART = re.compile(r"^%([dmyYe])([-/.])%([dmyYe])\2%([dmyYe])")
_SHAPE = re.compile(
    r"(?P<first>99|9999)(?P<gap>[-/.])99(?P=gap)(?P<last>9999|99)(?P<time> 99:99)?(?P<pm> AM)?"
)


class FormatError(ValueError):
    """A format that is none, or that says nothing about the order of day, month and year."""


def shape_of_format(text: str) -> tuple[str, str] | None:
    """(shape, order) that a format stands for; None when it leaves nothing to decide.

    `%d.%m.%Y %H:%M` is ("99.99.9999 99:99", "dmy"). Year-first formats and named months are read
    in one way only.

    Raises:
        FormatError: the format is not one of dates.
    """
    used = _DIRECTIVE.findall(text)
    unknown = [directive for directive in used if directive not in _DIRECTIVES]
    if not used or unknown:
        raise FormatError(f"unknown letters in the format: {' '.join(unknown) or 'none is known'}")
    kinds = [_DIRECTIVES[directive] for directive in used]
    if "n" in kinds or kinds[0] == "Y":
        return None
    parts = _DATE_PART.match(text)
    if parts is None or sorted(parts[n].lower().replace("e", "d") for n in (1, 3, 4)) != [
        "d", "m", "y",
    ]:  # fmt: skip
        raise FormatError("the format must name day, month and year, like %d.%m.%Y")
    order = "".join(parts[n].lower().replace("e", "d") for n in (1, 3, 4))
    if order not in ("dmy", "mdy", "ymd"):
        raise FormatError("the order of day, month and year is not one that is known")
    year = "9999" if "Y" in kinds else "99"
    clock = (" 99:99" if "h" in kinds else "") + (" AM" if "p" in kinds else "")
    return f"99{parts[2]}99{parts[2]}{year}{clock}", order


def format_of_shape(shape: str, order: str) -> str | None:
    """The format of a shape that is read in an order; None for shapes without an order."""
    parts = _SHAPE.fullmatch(shape)
    if parts is None or order not in ("dmy", "mdy", "ymd") or parts["first"] != "99":
        return None
    year = "%Y" if parts["last"] == "9999" else "%y"
    date = parts["gap"].join({"d": "%d", "m": "%m", "y": year}[letter] for letter in order)
    if not parts["time"]:
        return date
    return f"{date} %I:%M %p" if parts["pm"] else f"{date} %H:%M"


def orders_of(formats: Iterable[str]) -> dict[str, str]:
    """Shape -> order of several formats.

    Raises:
        FormatError: a format is none, or two contradict each other.
    """
    orders: dict[str, str] = {}
    for text in formats:
        found = shape_of_format(text)
        if found is None:
            continue
        shape, order = found
        if orders.setdefault(shape, order) != order:
            raise FormatError(f"dates written {shape} are given two orders")
    return orders
