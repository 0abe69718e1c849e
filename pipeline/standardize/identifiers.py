"""Identifiers are text. Zeros, case and dashes survive; nothing is ever changed or invented here.

What can be seen is said: a wrong check digit, digits a spreadsheet has rounded away, and ids that a
spreadsheet has turned into dates, which cannot be undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import FileCode, RowCode
from pipeline.plain import as_dict
from pipeline.standardize.base import Converted, Question, Rows
from pipeline.standardize.distinct import is_true, read_distinct
from pipeline.standardize.textbytes import rows_beginning
from pipeline.standardize.wholetexts import FEW, few_whole, match_whole

# Excel keeps 15 significant digits: what follows is zeros, or it writes 1.23457E+19.
_ROUNDED = r"[1-9][0-9]{14}0+|[1-9](?:\.[0-9]+)?[Ee]\+[0-9]{2,3}"


def _in_any_case(words: str) -> str:
    """A pattern of these words, in small and capital letters; flags are not read alike by all."""
    return re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", words)


_MONTHS = _in_any_case("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec")
_MONATE = _in_any_case("jan|feb|mrz|apr|mai|jun|jul|aug|sep|okt|nov|dez")
_DATE_MADE_OF_ID = (
    rf"[0-9]{{1,2}}-(?:{_MONTHS})(?:-[0-9]{{2,4}})?|(?:{_MONTHS})-[0-9]{{2}}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ Tt]00:00(?::00)?)?"
    r"|[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{2}|[0-9]{4})"
    r"|[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}"
    rf"|[0-3][0-9]\. (?:{_MONATE})|(?:{_in_any_case('mrz|mai|okt|dez')}) [0-9]{{2}}"
)
_NONZERO_DIGITS = b"123456789"
_BEGIN_DATES = b"0123456789jfmasondJFMASOND"
_LOINC = re.compile(r"[0-9]{1,5}-[0-9]")
_DIGITS = re.compile(r"[0-9]{2,}")
_NPI = re.compile(r"[12][0-9]{9}")
_NPI_PREFIX = "80840"  # ISO 7812 issuer of US health identifiers, part of the check


def luhn_valid(digits: str) -> bool:
    """True when the last digit is the Luhn (mod 10) check digit of the ones before it."""
    if len(digits) < 2 or not re.fullmatch("[0-9]+", digits):
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return (total + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def npi_valid(text: str) -> bool:
    """True for a US National Provider Identifier: ten digits, Luhn over 80840 and them (CMS)."""
    return _NPI.fullmatch(text) is not None and luhn_valid(_NPI_PREFIX + text)


def loinc_valid(text: str) -> bool:
    """True for a LOINC-shaped code with a right check digit (mod 10 over the part before -)."""
    return _LOINC.fullmatch(text) is not None and luhn_valid(text.replace("-", ""))


def precision_lost(values: pa.StringArray) -> Rows:
    """Rows of ids that a spreadsheet has rounded: zeros after 15 digits, or 1.23457E+19."""
    return _found(values, _NONZERO_DIGITS, _ROUNDED)


def _made_of_dates(values: pa.StringArray) -> Rows:
    """Rows of ids that a spreadsheet has turned into dates."""
    return _found(values, _BEGIN_DATES, _DATE_MADE_OF_ID)


def _found(values: pa.StringArray, first: bytes, pattern: str) -> Rows:
    """Rows of what is of this pattern, and so begins with one of the `first` letters."""
    if len(values) <= FEW:
        return few_whole(values, pattern)
    rows = rows_beginning(values, first)
    if not len(rows):
        return rows
    return rows[is_true(match_whole(values.take(pa.array(rows)), pattern))]


def convert_identifiers(
    values: pa.StringArray, *, check: Literal["npi", "loinc", "luhn"] | None = None
) -> Converted:
    """The ids as they are; rounded ones marked precision-lost.

    With `check`, an id without the form is refused as pattern, one with a wrong check digit as
    check-digit.
    """
    lost = precision_lost(values)
    return Converted(
        values=values,
        bad={} if check is None else _check(values, *_CHECKS[check]),
        marked={RowCode.PRECISION_LOST: lost} if len(lost) else {},
    )


_CHECKS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "npi": (_NPI, npi_valid),
    "loinc": (_LOINC, loinc_valid),
    "luhn": (_DIGITS, luhn_valid),
}


def _check(
    values: pa.StringArray, form: re.Pattern[str], is_valid: Callable[[str], bool]
) -> dict[RowCode, npt.NDArray[np.int64]]:
    def verdict(text: str) -> RowCode | None:
        if form.fullmatch(text) is None:
            return RowCode.PATTERN
        return None if is_valid(text) else RowCode.CHECK_DIGIT

    return read_distinct(values, verdict).group(lambda answer: answer)


@dataclass(slots=True)
class IdentifierEvidence:
    """What an id column holds: counts of ids, of dates among them, of rounded ones."""

    values: int = 0
    dates: int = 0
    precision_lost: int = 0

    def observe(self, values: pa.StringArray) -> None:
        """Count a batch of cleaned text; null is a missing value."""
        present = values.drop_null() if values.null_count else values
        self.values += len(present)
        self.dates += len(_made_of_dates(present))
        self.precision_lost += len(precision_lost(present))

    def as_dict(self) -> dict[str, int]:
        """Counts: values, dates, precision_lost."""
        return as_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierDecision:
    """Nothing is to be decided about ids; the sentences say what was seen."""

    sentences: tuple[str, ...] = ()


def decide_identifiers(
    evidence: IdentifierEvidence, *, column: str
) -> IdentifierDecision | list[Question]:
    """Ask when dates stand among the ids: a spreadsheet made them, and the ids are lost."""
    counts = evidence.as_dict()
    if counts["dates"]:
        sentence = (
            f"{counts['dates']} of {counts['values']} identifiers are written as dates, "
            "as a spreadsheet does to ids like MARCH1, 1-2 or 3/4."
        )
        return [
            Question(
                code=FileCode.COLUMN_MISFIT,
                column=column,
                sentence=sentence,
                key=f"ids:{column}",
                answers={
                    "keep": "these identifiers are right as they stand; no spreadsheet changed them"
                },
            )
        ]
    lost = counts["precision_lost"]
    return IdentifierDecision(
        sentences=(f"{lost} identifiers end in zeros after 15 digits",) if lost else ()
    )
