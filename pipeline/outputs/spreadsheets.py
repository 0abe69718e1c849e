"""Cells that survive a spreadsheet: opened there and saved again, the text is still the same.

A spreadsheet runs `=cmd()`, and it saves 007 as 7, 1E5 as 100000 and 3/4 as a date in the fashion
of its country. An apostrophe in front keeps it from both.
"""

from __future__ import annotations

import re

# OWASP, CSV injection; the last four are full-width forms that some programs take for the same
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_APOSTROPHE = "'"
_LONGEST_REWRITTEN = 64  # characters; nothing longer is a number or a date
_STABLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")  # longer ones may be saved as 1.2E+11
_LIKE_A_NUMBER = re.compile(r"[\s0-9.,:/()%$€£¥'+-]*[0-9][\s0-9.,:/()%$€£¥'+-]*")
_NUMBER_THEN_WORD = re.compile(r"[0-9.,:/() $€£¥+-]*[0-9][0-9.,:/() $€£¥+-]*[^\W\d_]")
_WORD_THEN_NUMBER = re.compile(r"([^\W\d_]{3,})[.\s/-]*[0-9]")
_WORD = re.compile(r"[^\W\d_]+")
_WORDS_OF_TIMES = frozenset({"e", "a", "p", "am", "pm", "t", "z", "st", "nd", "rd", "th"})
_MONTHS = (  # how their names begin in the languages spreadsheets are mostly set to
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("mär", "mai", "okt", "dez", "fév", "fev", "avr", "jui", "aoû", "déc", "ene", "abr"),
    *("ago", "dic", "gen", "mag", "giu", "lug", "set", "ott", "out", "mei", "mrt"),
)


def spreadsheet_safe(text: str) -> str:
    """Keep a spreadsheet from running or rewriting a cell, so that the text can be got back.

    One apostrophe is put before text that begins with = + - @, tab, carriage return or an
    apostrophe, and before what a spreadsheet would take for a number, date or truth value and save
    in a form of its own (007, 1E5, 03/04/2025, MARCH1, 1.5, true). `as_it_stood` takes it away.
    """
    runs = text.lstrip(" ").startswith(_FORMULA_SIGNS) or text.startswith(_APOSTROPHE)
    return _APOSTROPHE + text if runs or _would_be_rewritten(text) else text


def as_it_stood(cell: str) -> str:
    """The text of a cell that `spreadsheet_safe` wrote: one leading apostrophe is ours."""
    return cell.removeprefix(_APOSTROPHE)


def _would_be_rewritten(text: str) -> bool:
    if len(text) > _LONGEST_REWRITTEN:
        return False
    if _LIKE_A_NUMBER.fullmatch(text):
        return _STABLE_NUMBER.fullmatch(text) is None
    if text.casefold() in ("true", "false"):
        return True
    if not (_NUMBER_THEN_WORD.match(text) or _WORD_THEN_NUMBER.match(text)):
        return False
    words = _WORD.findall(text.casefold())
    return all(word in _WORDS_OF_TIMES or word.startswith(_MONTHS) for word in words)
