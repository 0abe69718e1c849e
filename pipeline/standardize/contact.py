"""Telephone numbers, e-mail addresses and US postal codes: bring to one form or leave alone.

A number that is possible but not assigned is kept and marked, never refused: in real files two in
five are. A text that is no number at all stays as it was, marked too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RowCode
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.distinct import Distinct, is_true, put, read_distinct
from pipeline.standardize.plainphones import plain_us_number, plain_us_numbers
from pipeline.standardize.textbytes import both, longest, rows_with_capitals
from pipeline.standardize.wholetexts import (
    FEW,
    few_whole,
    match_whole,
    matches_whole,
    replace_whole,
)

_FLOAT_ACCIDENT = re.compile(r"(\+?[0-9]{7,15})\.0+")
_AREA_BEHIND_SLASH = re.compile(r"^(\+?[0-9 ()]{2,11}[0-9)]) ?/ ?([0-9 -]{3,})$")  # 0170/1234567
# Only what is nothing but one number is parsed: the library drops words and second numbers.
_ONE_NUMBER = re.compile(
    r"(?:\+|\(\+|\()?[0-9][0-9()\s.\-–‐‑]*(?:\s*(?:x|ext\.?|extension|;ext=)\s*[0-9]{1,7})?", re.I
)


_KINDS_OF_NUMBER = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip",
    "pager", "uan", "voicemail",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Phone:
    text: str
    change: str | None = None
    mark: RowCode | None = None
    is_no_number: bool = False


def convert_phones(values: pa.StringArray, region: str | None = None) -> Converted:
    """E.164 (+14059014744), an extension behind it as `;ext=12` (RFC 3966).

    region: ISO 3166 country of numbers written without country code; without it only numbers
    with + are read. Marked phone-not-valid: possible numbers that are not assigned (in E.164 all
    the same) and texts that are no possible number (as given, and marked phone-not-possible too).
    A number that a spreadsheet made a decimal, `4059014744.0`, is repaired and marked
    phone-repaired.
    """
    if region != "US":
        return _read_phones(values, lambda text: _read_phone(text, region))
    if len(values) <= FEW:
        return _read_phones(values, _read_us_phone)
    rows, numbers = plain_us_numbers(values)
    is_plain = np.zeros(len(values), dtype=np.bool_)
    is_plain[rows] = True
    rest = np.flatnonzero(~is_plain)
    others = _read_phones(values.take(pa.array(rest)), lambda text: _read_phone(text, region))
    written = values if not len(rest) else values.filter(pa.array(is_plain))
    reformatted = rows[is_true(pc.not_equal(numbers, written))]
    unassigned = rows[~is_true(match_whole(numbers, _assigned()))]
    return _joined(others, rest, numbers, is_plain, reformatted, unassigned)


def _joined(
    others: Converted,
    rest: Rows,
    numbers: pa.StringArray,
    is_plain: npt.NDArray[np.bool_],
    reformatted: Rows,
    unassigned: Rows,
) -> Converted:
    """The plain numbers and those of the `rest` of the rows, in their places."""
    marked = {code: rest[rows] for code, rows in others.marked.items()}
    changed = {reason: rest[rows] for reason, rows in others.changed.items()}
    if len(reformatted):
        earlier = changed.get("phone-reformatted", reformatted[:0])
        changed["phone-reformatted"] = both(earlier, reformatted)
    if len(unassigned):
        earlier = marked.get(RowCode.PHONE_NOT_VALID, unassigned[:0])
        marked[RowCode.PHONE_NOT_VALID] = both(earlier, unassigned)
    source = np.empty(len(is_plain), dtype=np.int64)
    source[is_plain] = np.arange(len(numbers))
    source[rest] = np.arange(len(rest)) + len(numbers)
    values = pa.concat_arrays([numbers, others.values]).take(pa.array(source))
    return Converted(values=values, marked=marked, changed=changed)


@cache
def _assigned() -> str:
    """Pattern of all assigned numbers of +1, whose countries share one plan of ten digits."""
    countries = map(
        phonenumbers.PhoneMetadata.metadata_for_region, phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1]
    )
    described = [getattr(country, kind) for country in countries for kind in _KINDS_OF_NUMBER]
    patterns = {one.national_number_pattern or "" for one in described if one is not None}
    return rf"\+1(?:{'|'.join(sorted(patterns - {''}))})"


def _read_phones(values: pa.StringArray, read: Callable[[str], _Phone]) -> Converted:
    phones = read_distinct(values, read)
    return _converted(
        phones,
        marked={
            RowCode.PHONE_NOT_VALID: phones.rows(lambda p: p.mark is RowCode.PHONE_NOT_VALID),
            RowCode.PHONE_NOT_POSSIBLE: phones.rows(lambda p: p.is_no_number),
            RowCode.PHONE_REPAIRED: phones.rows(lambda p: p.change == "float-repaired"),
        },
    )


def _read_us_phone(text: str) -> _Phone:
    number = plain_us_number(text)
    if number is None:
        return _read_phone(text, "US")
    return _Phone(
        number,
        "phone-reformatted" if number != text else None,
        None if matches_whole(number, _assigned()) else RowCode.PHONE_NOT_VALID,
    )


def _read_phone(text: str, region: str | None) -> _Phone:
    repaired = _FLOAT_ACCIDENT.fullmatch(text)
    written = repaired[1] if repaired else text
    change = "float-repaired" if repaired else "phone-reformatted"
    plain = _AREA_BEHIND_SLASH.sub(r"\1 \2", written)
    if _ONE_NUMBER.fullmatch(plain):
        try:
            number = phonenumbers.parse(plain, region)
        except phonenumbers.NumberParseException:
            number = None
    else:
        number = None
    kept = _Phone(written, change if repaired else None, RowCode.PHONE_NOT_VALID, True)
    if number is None:
        return kept
    valid = phonenumbers.is_valid_number(number)
    if not valid and (not _has_right_length(number) or number.italian_leading_zero):
        return kept  # a country code before it would only make it look right
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number.extension:
        formatted += f";ext={number.extension}"
    return _Phone(
        formatted,
        change if formatted != text else None,
        None if valid else RowCode.PHONE_NOT_VALID,
    )


def _has_right_length(number: phonenumbers.PhoneNumber) -> bool:
    """True for a whole number; seven digits without area code are not one."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def _converted(
    phones: Distinct[_Phone],
    *,
    marked: dict[RowCode, Rows] | None = None,
) -> Converted:
    return Converted(
        values=phones.spread(lambda phone: phone.text, pa.string()),
        marked={code: rows for code, rows in (marked or {}).items() if len(rows)},
        changed=phones.group(lambda phone: phone.change),
    )


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"
_MAX_EMAIL = 254  # RFC 5321, 4.5.3.1.3
_MAX_LOCAL = 64  # RFC 5321, 4.5.3.1.1


def convert_emails(values: pa.StringArray) -> Converted:
    """Addresses with the domain in lower case; the part before @ keeps its case (RFC 5321).

    What is not one plain address (dot-atom@domain.tld, RFC 5322 without comments and quotes) is
    refused as pattern.
    """
    if len(values) <= FEW:
        return _few_emails(values)
    fits = match_whole(values, _EMAIL)
    if longest(values) > _MAX_LOCAL:
        is_short = pc.less_equal(pc.utf8_length(values), _MAX_EMAIL)
        begins_short = pc.less_equal(pc.find_substring(values, "@"), _MAX_LOCAL)
        fits = pc.and_(fits, pc.and_(is_short, begins_short))
    good = _only(fits, values)
    loud = rows_with_capitals(good)
    loud = loud[is_true(pc.match_substring_regex(good.take(pa.array(loud)), "@.*[A-Z]"))]
    lowered = good
    if len(loud):
        read = read_distinct(good.take(pa.array(loud)), _lower_domain)
        lowered = put(good, loud, read.spread(lambda text: text, pa.string()))
    return _refusing_others(values, lowered, good, "domain-lower-cased")


def _few_emails(values: pa.StringArray) -> Converted:
    read = read_distinct(values, lambda text: (text, _email(text)))
    bad = read.rows(lambda answer: answer[1] is None)
    changed = read.rows(lambda answer: answer[1] not in (None, answer[0]))
    is_same = not len(bad) and not len(changed)
    return Converted(
        values=values if is_same else read.spread(lambda answer: answer[1], pa.string()),
        bad={RowCode.PATTERN: bad} if len(bad) else {},
        changed={"domain-lower-cased": changed} if len(changed) else {},
    )


def _email(text: str) -> str | None:
    """An address as it is written; None for what is none. An address has no letter beyond ASCII."""
    is_one = (
        matches_whole(text, _EMAIL) and len(text) <= _MAX_EMAIL and text.index("@") <= _MAX_LOCAL
    )
    return _lower_domain(text) if is_one else None


def _lower_domain(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local}@{domain.lower()}"


_POSTAL_CODE = r"[0-9]{5}(?:-[0-9]{4})?"
_NINE_DIGITS = "([0-9]{5})(?: ?[-\u2010-\u2013] ?| )?([0-9]{4})"


def convert_postal_codes_us(values: pa.StringArray) -> Converted:
    """ZIP or ZIP+4 as text, zeros kept; nine digits get their hyphen, 12345.0 loses its
    accident.

    Anything else is refused as pattern: a code of four digits may have lost its zero, but which
    code it was is not invented here.
    """
    if len(values) <= FEW and len(few_whole(values, _POSTAL_CODE)) == len(values):
        return Converted(values=values)
    others = np.flatnonzero(~is_true(match_whole(values, _POSTAL_CODE)))
    if not len(others):
        return Converted(values=values)
    good = put(values, others, _mended(values.take(pa.array(others))))
    return _refusing_others(values, good, values, "postal-code-reformatted")


def _mended(values: pa.StringArray) -> pa.StringArray:
    """Texts that are no postal code as it is written: what they are meant for, else null."""
    hyphened = replace_whole(values, _NINE_DIGITS, r"\1-\2")
    repaired = replace_whole(hyphened, r"([0-9]{5})\.0+", r"\1")
    return _only(match_whole(repaired, _POSTAL_CODE), repaired)


def _only(fits: pa.BooleanArray, values: pa.StringArray) -> pa.StringArray:
    """The values that fit, null for the others."""
    if fits.true_count == len(values):
        return values
    return pc.if_else(fits, values, pa.scalar(None, pa.string()))


def _refusing_others(
    values: pa.StringArray, good: pa.StringArray, before: pa.StringArray, reason: str
) -> Converted:
    """Converted with every present value that is not good refused as pattern."""
    refused = pc.and_(pc.is_valid(values), pc.is_null(good)) if good.null_count else None
    rows = np.flatnonzero([] if refused is None else is_true(refused))
    same = before is good
    changed = np.flatnonzero([] if same else is_true(pc.not_equal(before, good)))
    return Converted(
        values=good,
        bad={RowCode.PATTERN: rows} if len(rows) else {},
        changed={reason: changed} if len(changed) else {},
    )
