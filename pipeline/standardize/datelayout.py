"""The grammar of date layouts: which part stands where in one exact picture of bytes.

A picture writes digits as 9 and letters as a: `99/99/9999 99:99 aa`. Pictures are few, so each is
matched once and its `Layout` is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Family(StrEnum):
    """How the parts of a shape are understood."""

    ORDERED = "ordered"  # two numbers and a year at the end: the values must prove which is the day
    YEAR_FIRST = "year-first"  # 2025-03-04
    NAMED = "named"  # the month is a word
    COMPACT = "compact"  # 20250304, with or without a time: HL7 and ISO 8601 basic format
    NUMBER = "number"  # 45731 or 45731.5: perhaps a spreadsheet's day number, perhaps not a date
    PARTIAL = "partial"  # 2025-03, Mar-85: no day


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A layout that decides together. `name` is its picture as people read it."""

    name: str
    family: Family
    timed: bool = False
    year_digits: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the parts of one picture stand: part name -> (first byte, byte after the last).

    Parts: a b c (as written), y m d, n (name of the month), t (must be T), h i s f (time, f a
    fraction), p (AM or PM), o (Z or an offset), w (whole number), e (its decimals).
    """

    shape: Shape
    spans: dict[str, tuple[int, int]]


_CLOCK = r"(?P<h>99?):(?P<i>99)(?::(?P<s>99)(?:[.,](?P<f>9{1,9}))?)?"
_ZONE = r"(?: ?(?P<o>a|[+-]99(?::?99)?))?"
_TIME = rf"(?P<time>(?:[ :]|, |(?P<t>a)){_CLOCK}(?: ?(?P<p>aa))?{_ZONE})?"
_PICTURES = (
    (Family.YEAR_FIRST, rf"(?P<y>9999)(?P<gap>[-/.])(?P<m>99?)(?P=gap)(?P<d>99?){_TIME}"),
    (Family.ORDERED, rf"(?P<a>99?)(?P<gap>[-/.])(?P<b>99?)(?P=gap)(?P<c>9999|99){_TIME}"),
    (Family.NAMED, rf"(?P<d>99?)(?P<gap>[-/. ]?)(?P<n>aaa)(?P=gap)(?P<y>9999|99){_TIME}"),
    (Family.NAMED, rf"(?P<n>aaa)(?P<gap>[-/. ])(?P<d>99?)(?:, ?|(?P=gap))(?P<y>9999){_TIME}"),
    (Family.NAMED, rf"(?P<y>9999)(?P<gap>[-/. ]?)(?P<n>aaa)(?P=gap)(?P<d>99?){_TIME}"),
    (
        Family.COMPACT,
        r"(?P<y>9999)(?P<m>99)(?P<d>99)"
        r"(?P<time>(?P<t>a)?(?P<h>99)(?P<i>99)(?:(?P<s>99)(?:\.(?P<f>9{1,9}))?)?"
        r"(?P<o>a|[+-]99:?99)?)?",
    ),
    (Family.NUMBER, r"(?P<w>9{1,17})(?P<time>\.(?P<e>9{1,15}))?"),
    (Family.PARTIAL, r"(?P<y>9999)(?P<gap>[-/.])(?P<m>99?)"),
    (Family.PARTIAL, r"(?P<m>99?)(?P<gap>[-/.])(?P<y>9999)"),
    (Family.PARTIAL, r"(?P<n>aaa)(?P<gap>[-/. ]?|, )(?P<y>9999|99)"),
    (Family.PARTIAL, r"(?P<y>9999)(?P<gap>[-/. ]?)(?P<n>aaa)"),
)
_GRAMMAR = tuple((family, re.compile(picture)) for family, picture in _PICTURES)


@lru_cache(maxsize=4096)
def layout_of(picture: str) -> Layout | None:
    """Find the layout of a picture; None when no date is written like that."""
    for family, pattern in _GRAMMAR:
        found = pattern.fullmatch(picture)
        if found is not None:
            parts = found.groupdict()
            spans = {
                name: found.span(name)
                for name, text in parts.items()
                if text and name not in {"gap", "time"}
            }
            return Layout(shape=_shape(family, parts), spans=spans)
    return None


def _shape(family: Family, parts: dict[str, str | None]) -> Shape:
    """Name what decides together: parts of one or two digits are one shape, seconds or not too."""
    year = parts.get("c") or parts.get("y") or "9999"
    timed = bool(parts.get("time"))
    clock = " 99:99" * timed + " AM" * bool(parts.get("p"))
    gap = parts.get("gap") or ""
    match family:
        case Family.YEAR_FIRST:
            name = f"9999{gap}99{gap}99{clock}"
        case Family.ORDERED:
            name = f"99{gap}99{gap}{year}{clock}"
        case Family.NAMED:
            ordered = sorted(("d", "n", "y"), key=list(parts).index)
            name = gap.join({"d": "99", "n": "Mon", "y": year}[part] for part in ordered) + clock
        case Family.COMPACT:
            name = "99999999" + ("T" if parts.get("t") else "") + "9999" * timed
        case _:
            name = "number with decimals" if timed else str(family)
    return Shape(name=name, family=family, timed=timed, year_digits=len(year))
