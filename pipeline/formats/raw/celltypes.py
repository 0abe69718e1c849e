"""What a cell looks like: its kind and its mask. It judges layouts, never values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

EMPTY, NUMBER, DATE, TIME, CODE, WEB, WORD, TEXT, OTHER = "ENDTCUWXO"
"""Kinds of cell, one letter each."""

TYPED = frozenset((NUMBER, DATE, TIME, WEB))
"""Kinds that prove something: text does not look like them by chance."""

_MISSING = frozenset(
    ("NA", "na", "N/A", "n/a", "NaN", "nan", "NAN", "NULL", "null", "Null", "None", "none", "-",
     "--", "---", ".", "..", "?", "#N/A", "n.a.", "\\N")
)  # fmt: skip
_NUMBER = re.compile(
    r"[<>≤≥~≈]?\s?\(?[-+−]?\s?[$€£¥]?\s?"
    r"(?:\d{1,3}(?:[,.'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)"
    r"(?:[eE][-+]?\d+)?\)?\s?(?:%|‰|[$€£¥])?"
)
_MONTH = r"[A-Za-zäéûçãüìœ]{3,9}\.?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?"
_ZONE = r"(?:\s?(?:Z|UTC|GMT|[A-Z]{3,4}|[+-]\d{2}:?\d{2}))?"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?[-/ ]{_MONTH}[-/ ,]+\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}"
    rf"|(?:{_MONTH},? )?{_MONTH} \d{{1,2}},? \d{{4}}|\d{{4}}[-/]{_MONTH}[-/]\d{{1,2}}"
    rf"|{_MONTH}[-/ ]\d{{2,4}})"
)
_DATE = re.compile(rf"{_DAY}(?:(?:[T ,]|, )\s?{_CLOCK}{_ZONE})?|\d{{8}}T\d{{4,6}}Z?")
_TIME = re.compile(_CLOCK + _ZONE + r"|\d+:\d{2}:\d{2}(?:\.\d+)?")
_WEB = re.compile(
    r"[^@\s,;|<>\"']+@[^@\s,;|<>\"']+\.[A-Za-z]{2,}|(?:https?|ftp)://[^\s,;|\"]+"
    r"|www\.[^\s,;|\"]+|(?:\d{1,3}\.){3}\d{1,3}(?:[:/]\d+)?|(?:/[\w.~+-]+){2,}/?"
    r"|(?i:[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12})|(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"
)
_CODE = re.compile(r"(?=.*\d)[\w][\w./#+:()*%-]*")
_PHONE = re.compile(r"\+\d[\d ()./-]{5,}\d")
_WORD = re.compile(r"[^\W\d][\w.'’&/()+:*%#!?°µ²³-]*")
_TEXT = re.compile(r"[^\x00-\x08|\t;^~]*[^\W\d_][^\x00-\x08|\t;^~]*", re.S)
_RUNS = re.compile(r"(.)\1+")
_NINES, _CAPITAL, _SMALL = re.compile("99+"), re.compile("AA+"), re.compile("aa+")
_DIGIT = re.compile(r"[0-9]")
_OF_WEB = re.compile(r"[@./:-]")
_LONG = 200
_MASKS = {
    **dict.fromkeys(map(ord, "0123456789"), "9"),
    **dict.fromkeys([*range(0x41, 0x5B), *range(0xC0, 0xD7), *range(0xD8, 0xDF)], "A"),
    **dict.fromkeys([*range(0x61, 0x7B), *range(0xDF, 0xF7), *range(0xF8, 0x100)], "a"),
}
_NINE = bytes(0x39 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_LATIN_MASKS = bytes(ord(_MASKS.get(code, chr(code))) for code in range(256))
_UNIFORM = (
    (NUMBER, re.compile(r"(?:-?[0-9]++(?:[.,][0-9]++)?\n)++")),
    (DATE, re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}\n)++")),
    (WORD, re.compile(r"(?:[^\W\d_]++\n)++")),
    (CODE, re.compile(r"(?:(?:[A-Za-z]{1,2}-|[A-Za-z]++_?)[0-9]++\n)++")),
    (TEXT, re.compile(r"(?:[A-Za-z]++(?: [A-Za-z]++)++\n)++")),
)


@lru_cache(maxsize=65_536)
def kind_of(cell: str) -> str:
    """The kind of one cell; outer space does not count, nor which digits it has."""
    return kind_of_shape(nines(cell))


def nines(cell: str) -> str:
    """The cell with a nine for each digit: what tells its kind."""
    return cell.encode("utf-8", "surrogatepass").translate(_NINE).decode("utf-8", "surrogatepass")


def nines_of(cells: Sequence[str]) -> list[str]:
    """The same for many cells."""
    found = nines("\0".join(cells)).split("\0") if cells else []
    return found if len(found) == len(cells) else list(map(nines, cells))


@lru_cache(maxsize=65_536)
def kind_of_shape(cell: str) -> str:
    """The kind of a cell that has a nine for each digit."""
    text = cell.strip()
    if not text:
        return EMPTY
    if len(text) > _LONG:
        return TEXT
    if text.isalpha():
        return EMPTY if text in _MISSING else WORD
    first = text[0]
    has_digit = _DIGIT.search(text) is not None
    if first.isdigit() or first in "<>≤≥~≈(-+−$€£¥.,":
        if _NUMBER.fullmatch(text):
            return NUMBER
        if _DATE.fullmatch(text):
            return DATE
        if _TIME.fullmatch(text):
            return TIME
    elif has_digit and _DATE.fullmatch(text):
        return DATE
    if text in _MISSING:
        return EMPTY
    if _OF_WEB.search(text) and _WEB.fullmatch(text):
        return WEB
    return _textual(text, has_digit=has_digit)


def _textual(text: str, *, has_digit: bool) -> str:
    if " " not in text and _WORD.fullmatch(text):
        return CODE if has_digit else WORD
    if (has_digit or not text.isascii()) and (_CODE.fullmatch(text) or _PHONE.fullmatch(text)):
        return CODE
    return TEXT if _TEXT.fullmatch(text) else OTHER


def one_kind(cells: Collection[str]) -> str | None:
    """The kind that all of many stripped and filled cells plainly are; None: look at each."""
    text = "\n".join(cells) + "\n"
    for kind, pattern in _UNIFORM:
        if pattern.fullmatch(text):
            plain = max(map(len, cells)) <= _LONG and _MISSING.isdisjoint(cells)
            return kind if plain and text.count("\n") == len(cells) else None
    return None


def mask_of(cell: str) -> str:
    """`PT-12 ab` becomes `AA-99 aa`."""
    return _masked(cell.strip())


def _masked(text: str) -> str:
    if text.isascii():
        return text.translate(_MASKS)
    try:
        return text.encode("latin-1").translate(_LATIN_MASKS).decode("latin-1")
    except UnicodeEncodeError:
        return text.translate(_MASKS)


def masks_of(cells: Sequence[str]) -> list[str]:
    """The mask of each of many stripped and filled cells."""
    masks = _masked("\n".join(cells)).split("\n")
    return masks if len(masks) == len(cells) else list(map(mask_of, cells))


def short_mask(cell: str) -> str:
    """The mask without repeats: `PT-12 ab` becomes `A-9 a`."""
    return shortened(mask_of(cell))


@lru_cache(maxsize=65_536)
def shortened(mask: str) -> str:
    """A mask without repeats."""
    mask = _SMALL.sub("a", _CAPITAL.sub("A", _NINES.sub("9", mask)))
    return _RUNS.sub(r"\1", mask)
