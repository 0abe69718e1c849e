"""What a cell looks like: its kind and its mask. It judges layouts, never values."""

from __future__ import annotations

import re
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
_DIGIT = re.compile(r"[0-9]")
_UPPER = re.compile(r"[A-ZÀ-ÖØ-Þ]")
_LOWER = re.compile(r"[a-zß-öø-ÿ]")


@lru_cache(maxsize=65_536)
def kind_of(cell: str) -> str:
    """The kind of one cell; outer space does not count."""
    text = cell.strip()
    if not text:
        return EMPTY
    if len(text) > 200:
        return TEXT
    first = text[0]
    if first.isdigit() or first in "<>≤≥~≈(-+−$€£¥.,":
        if _NUMBER.fullmatch(text):
            return NUMBER
        if _DATE.fullmatch(text):
            return DATE
        if _TIME.fullmatch(text):
            return TIME
    elif _DATE.fullmatch(text) and _DIGIT.search(text):
        return DATE
    if text in _MISSING:
        return EMPTY
    if _WEB.fullmatch(text):
        return WEB
    if _WORD.fullmatch(text):
        return CODE if _DIGIT.search(text) else WORD
    if _CODE.fullmatch(text) or _PHONE.fullmatch(text):
        return CODE
    return TEXT if _TEXT.fullmatch(text) else OTHER


@lru_cache(maxsize=65_536)
def mask_of(cell: str) -> str:
    """`PT-12 ab` becomes `AA-99 aa`."""
    text = _DIGIT.sub("9", cell.strip())
    return _LOWER.sub("a", _UPPER.sub("A", text))


@lru_cache(maxsize=65_536)
def short_mask(cell: str) -> str:
    """The mask without repeats: `PT-12 ab` becomes `A-9 a`."""
    return _RUNS.sub(r"\1", mask_of(cell))
