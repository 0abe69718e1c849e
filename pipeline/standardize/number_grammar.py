"""What counts as one number, as text. No floats here: digits stay as reported.

A number is read under one *convention*: which sign is decimal and which signs may group
thousands. A text that only one convention can read proves that convention; the column's decision
is made from such proofs (`numbers`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Literal, NamedTuple

DecimalSign = Literal[".", ","]

# Space and no-break, figure, thin and narrow no-break space all group thousands; so do two
# apostrophes (Switzerland). One of each stands for its kind from here on.
_SAME_SIGN = str.maketrans("\u00a0\u2007\u2009\u202f’", "    '")
_COMPARATORS = {
    "<": "<", "<=": "<=", "=<": "<=", "≤": "<=", ">": ">", ">=": ">=", "=>": ">=", "≥": ">=",
}  # fmt: skip
_MAX_EXPONENT = 30  # beyond it stands a spreadsheet's ruin of an identifier: 5e309130
_MAX_EXACT_DIGITS = 28  # what moving the decimal point keeps exactly (decimal's precision)
_WORDS_FOR_COMPARATORS = (
    (re.compile(r"(?:less|lower|smaller) than or equal to\s+|at most\s+", re.I), "<="),
    (re.compile(r"(?:greater|more|higher) than or equal to\s+|at least\s+", re.I), ">="),
    (re.compile(r"(?:less|lower|smaller) than\s+", re.I), "<"),
    (re.compile(r"(?:greater|more|higher) than\s+", re.I), ">"),
)
# Bookkeeping writes the minus behind the number or the number in brackets: 5.00- and (5.00).
_BEHIND = re.compile(r"(?P<digits>[0-9][0-9.,'’ ]*)[ ]?[-\u2212]")
_BRACKETS = re.compile(r"\((?P<digits>[0-9][0-9.,'’ ]*)\)")
_CELL = re.compile(
    r"(?P<comparator><=|>=|=<|=>|[<>≤≥])?[ \u00a0\u2009\u202f]*"
    r"(?P<sign>[+\-\u2212\u2013]?)"
    r"(?P<body>[.,]?[0-9](?:[0-9.,'’ \u00a0\u2007\u2009\u202f]*[0-9])?[.,]?)"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,9}))?"
    r"[ \u00a0\u2009\u202f]*(?P<unit>[^\W\d_].*|[%‰°/\[×].*)?",
)
_NOT_A_NUMBER = frozenset({"nan", "inf", "infinity", "-inf", "+inf", "-infinity", "+infinity"})
_SPREADSHEET_ERROR = re.compile(r"#[A-Z/0!?]+")
# A grade of a test strip (+1, 2+, ++) or a titre (1:80) is a result, but not a quantity.
# Strips are graded 1 to 4, so +5 is a number with a sign.
_GRADE = re.compile(
    r"\+[1-4]|[1-4]\+|\+{1,4}|\+/-|±|\(\+\)|(?:<|>|<=|>=|≤|≥)?\s?1\s?:\s?[0-9]{1,6}"
)


class Convention(NamedTuple):
    """How numbers of a column are written: `group` holds every sign that may group digits."""

    decimal: DecimalSign
    group: str


POINT = Convention(".", ",' ")
COMMA = Convention(",", ".' ")


class Cell(NamedTuple):
    """A text taken apart, before its digits are read under a convention."""

    comparator: str | None
    negative: bool
    sign_rewritten: bool
    body: str
    exponent: str | None
    unit: str | None


class Amount(NamedTuple):
    """Canonical decimal text of a cell's number ("-1234.50") and whether rewriting changed it."""

    text: str
    reformatted: bool
    scientific: bool


def take_apart(text: str, *, minus_elsewhere: bool = False) -> Cell | None:
    """Split `<= 1.234,5 mg` into comparator, sign, digits with signs, exponent and unit.

    minus_elsewhere: read 5.00- and (5.00) as negative, for columns that are known to write so.
    """
    plain = _minus_in_front(text) if minus_elsewhere else text
    match = _CELL.fullmatch(_sign_for_words(plain))
    if match is None:
        return None
    comparator, sign = match["comparator"], match["sign"]
    return Cell(
        comparator=_COMPARATORS[comparator] if comparator else None,
        negative=sign in ("-", "\u2212", "\u2013"),
        sign_rewritten=sign not in ("", "-") or plain != text,
        body=match["body"].translate(_SAME_SIGN),
        exponent=match["exponent"],
        unit=match["unit"],
    )


def is_minus_elsewhere(text: str) -> bool:
    """True for an amount to two decimals with its minus behind it, or in brackets instead.

    No less is a proof: 5- may be a range that lost its end, (5) a remark.
    """
    plain = _minus_in_front(text)
    return plain != text and plain[-3:-2] in (".", ",")


def _minus_in_front(text: str) -> str:
    found = _BEHIND.fullmatch(text) or _BRACKETS.fullmatch(text)
    return f"-{found['digits'].strip()}" if found else text


def _sign_for_words(text: str) -> str:
    """The cell with a sign for the words of a comparator."""
    if text[:1].isalpha():
        for words, sign in _WORDS_FOR_COMPARATORS:
            if found := words.match(text):
                return sign + text[found.end() :]
    return text


@cache
def _pattern(convention: Convention) -> re.Pattern[str]:
    whole = "[0-9]+"
    if convention.group:
        sign = f"[{re.escape(convention.group)}]"
        whole += f"|[1-9][0-9]{{0,2}}(?P<sign>{sign})[0-9]{{3}}(?:(?P=sign)[0-9]{{3}})*"
    if "," in convention.group:
        whole += "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"  # Indian lakh: 12,34,567
    decimal = re.escape(convention.decimal)
    return re.compile(f"(?P<whole>{whole})(?:{decimal}(?P<part>[0-9]*))?|{decimal}(?P<only>[0-9]+)")


def read_digits(body: str, convention: Convention) -> str | None:
    """Unsigned canonical text of `body`, or None when the convention cannot read it.

    Groups must be of three (or lakhs under a comma) and use one sign throughout.
    """
    match = _pattern(convention).fullmatch(body)
    if match is None:
        return None
    whole = re.sub("[^0-9]", "", match["whole"] or "").lstrip("0") or "0"
    part = match["part"] or match["only"]
    return f"{whole}.{part}" if part else whole


def read_amount(cell: Cell, convention: Convention) -> Amount | None:
    """The cell's number in canonical text, or None when it is none under the convention."""
    digits = read_digits(cell.body, convention)
    if digits is None:
        return None
    if cell.exponent is not None:
        exponent = int(cell.exponent)
        if abs(exponent) > _MAX_EXPONENT:
            return None
        if len(digits) > _MAX_EXACT_DIGITS:
            return None
        digits = format(Decimal(digits).scaleb(exponent), "f")
    text = f"-{digits}" if cell.negative else digits
    return Amount(text, cell.sign_rewritten or digits != cell.body, cell.exponent is not None)


def proof_of(body: str) -> DecimalSign | None:
    """The decimal sign that `body` proves, because only one convention can read it."""
    point = read_digits(body, POINT) is not None
    comma = read_digits(body, COMMA) is not None
    if point == comma:
        return None
    return "." if point else ","


def is_text_result(text: str) -> bool:
    """True for results in words (Trace, Not detected), grades (+1, 2+) and titres (1:80).

    A text with other digits is a number that went wrong (5-10, 2nd 140), never a word.
    """
    if _GRADE.fullmatch(text):
        return True
    if text.casefold() in _NOT_A_NUMBER or _SPREADSHEET_ERROR.fullmatch(text):
        return False
    words = re.sub(r"(?<!\S)[(]?(?:\+[1-4]|[1-4]\+)[)]?(?!\S)", "", text)  # "Positive 2+"
    return any(character.isalpha() for character in words) and not any(
        character.isnumeric() for character in words
    )
