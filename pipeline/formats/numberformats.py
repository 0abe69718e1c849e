"""The text of a spreadsheet's number, as its number format shows it and without losing a digit.

A cell holds 123 and shows 00123; it holds 45000 and shows 15.03.2023. What it shows is what was
meant. Where the format would hide digits (1.234 as 1.2) the number itself is given.

The codes are those of ECMA-376 part 1, 18.8.30 and 18.8.31.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from pipeline.formats.numbermasks import mask_of, masked, section_for, sections

Kind = Literal["general", "number", "date", "time", "datetime", "duration", "text"]

BUILT_IN = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    **dict.fromkeys((5, 6, 41, 42), "#,##0"),
    **dict.fromkeys((7, 8, 43, 44), "#,##0.00"),
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0",
    38: "#,##0",
    39: "#,##0.00",
    40: "#,##0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
    **dict.fromkeys((*range(27, 32), *range(50, 55), 57, 58, 36), "yyyy-mm-dd"),
    **dict.fromkeys((32, 33, 34, 35, 55, 56), "h:mm:ss"),
}
MOST_DIGITS = 15
"""A spreadsheet keeps no more of a number."""

_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
_PADDING = re.compile(r"_.|\*.")
_BRACKETS = re.compile(r"\[(?!(?:h+|m+|s+)\])[^\]]*\]", re.I)
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.I)
_UNIT = re.compile(r"[^\W\d_]|[%°µμ/·*²³]")
_LEAP_DAY_1900 = 60
_SECONDS = 86_400


@lru_cache(maxsize=4096)
def kind_of_format(code: str) -> Kind:
    """What a number format makes of a number."""
    section = _PADDING.sub("", _QUOTED.sub("", sections(code)[0]))
    if _ELAPSED.search(section):
        return "duration"
    bare = _BRACKETS.sub("", section).casefold()
    if bare.strip() in ("general", "", "standard"):
        return "general"
    if bare.strip() == "@":
        return "text"
    bare = bare.replace("am/pm", "h").replace("a/p", "h")
    has_time = "h" in bare or "s" in bare
    has_date = "y" in bare or "d" in bare or ("m" in bare and not has_time)
    if re.search(r"[0#?]", re.sub(r"s+[.,]0+", "", bare)):
        has_date = has_time = False
    if has_date:
        return "datetime" if has_time else "date"
    return "time" if has_time else "number"


def shown(number: float, code: str, *, from_1904: bool = False) -> str:
    """The text of a number under a format."""
    match kind_of_format(code):
        case "date" | "datetime" | "time" as kind:
            return _moment(number, kind, from_1904=from_1904)
        case "duration":
            return _duration(number)
        case "number":
            return _formatted(number, section_for(code, number))
        case _:
            return plain(number)


def plain(number: float) -> str:
    """The digits of a number: 37.2 for 37.200000000000003, and no exponent."""
    if number != number or number in (float("inf"), float("-inf")):
        return str(number)
    text = f"{number:.{MOST_DIGITS}g}"
    if "e" in text:
        text = format(Decimal(text), "f")
    return "0" if text == "-0" else text


def loses_digits(written: str) -> bool:
    """Whether a number as it is stored has more digits than a spreadsheet keeps."""
    digits, _, exponent = written.casefold().lstrip("+-").partition("e")
    whole, point, fraction = digits.partition(".")
    if exponent:
        return int(exponent) >= MOST_DIGITS
    return not (point and fraction.strip("0")) and len(whole.lstrip("0")) > MOST_DIGITS


def _moment(number: float, kind: Kind, *, from_1904: bool) -> str:
    if number < 0 or number >= 2_958_466:  # 1 January 10000
        return plain(number)
    days, rest = divmod(round(number * _SECONDS * 1000), _SECONDS * 1000)
    clock = _clock(rest)
    if days == 0 and not from_1904 and (kind == "time" or rest):
        return clock
    if kind == "time" and days == 0:
        return clock
    if days == _LEAP_DAY_1900 and not from_1904:
        day = "1900-02-29"  # a day that never was: it is refused as such where a date is wanted
    else:
        epoch = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001
        if not from_1904 and days < _LEAP_DAY_1900:
            epoch += timedelta(days=1)
        day = f"{epoch + timedelta(days=days):%Y-%m-%d}"
    return f"{day}T{clock}" if rest or kind != "date" else day


def _clock(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{thousandths:03d}" if thousandths else text


def _duration(number: float) -> str:
    """Elapsed time, with hours beyond a day."""
    total = round(abs(number) * _SECONDS * 1000)
    hours, rest = divmod(total, 3_600_000)
    text = f"{hours}:{_clock(rest)[3:]}"
    return f"-{text}" if number < 0 else text


def _formatted(number: float, section: str) -> str:
    digits = plain(number)
    mask = mask_of(section)
    if mask is not None and number >= 0 and digits.isdigit():
        return masked(digits, mask)
    pattern = _pattern(section)
    if pattern is None:
        return digits
    integer, decimals, is_percent, unit = pattern
    scaled = float(plain(number * 100)) if is_percent else number
    text = f"{abs(scaled):.{decimals}f}"
    if float(text) != abs(scaled):
        text = plain(abs(scaled))
    whole, point, fraction = text.partition(".")
    text = f"{whole.zfill(integer)}{point}{fraction}"
    sign = "-" if scaled < 0 and float(text) else ""
    return f"{sign}{text}{'%' if is_percent else ''}{f' {unit}' if unit else ''}"


@lru_cache(maxsize=4096)
def _pattern(section: str) -> tuple[int, int, bool, str] | None:
    """Digits before and after the point, percent, and unit.

    None for a format that is not of that kind: an exponent, a fraction, a scale, words.
    """
    section = _PADDING.sub("", section)
    literals = ["".join(found) for found in _QUOTED.findall(section)]
    bare = _BRACKETS.sub("", _QUOTED.sub("\0", section)).strip()
    if re.search(r"[eE][+-]|[?]\s*/|/\s*[?0-9]|,\s*(?:\.|%|$|\0)", bare):
        return None
    body = re.sub(r"[\0$€£¥()\-+ ]", "", bare)
    is_percent = body.endswith("%")
    found = re.fullmatch(r"([#0?,]*)(?:\.([0#?]*))?", body.rstrip("%"))
    if found is None:
        return None
    integer = found[1].replace(",", "").lstrip("#?").count("0")
    decimals = (found[2] or "").rstrip("#?").count("0")
    unit = literals[-1].strip() if literals and bare.endswith("\0") else ""
    unit = unit if unit and _UNIT.match(unit) and not is_percent else ""
    return max(integer, 1) if found[1] else 1, decimals, is_percent, unit
