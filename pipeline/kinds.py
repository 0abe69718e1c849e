"""Which kind of value a field holds, and the function that converts its cells.

The kinds themselves live in `standardize`; here they get one shape, so that the passes over the
file need not know them. A converter obeys the plan's decision and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, Field
from pipeline.errors import RowCode
from pipeline.plain import Kept
from pipeline.same import Same, remembered
from pipeline.standardize.base import Converted
from pipeline.standardize.booleans import convert_booleans
from pipeline.standardize.codes import Code, CodeSet, convert_codes
from pipeline.standardize.contact import (
    convert_emails,
    convert_phones,
    convert_postal_codes_us,
)
from pipeline.standardize.dates import DateDecision, convert_dates
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.identifiers import convert_identifiers
from pipeline.standardize.numbers import NumberDecision, convert_numbers
from pipeline.standardize.phrases import PhraseColumns, split_phrases
from pipeline.standardize.ranges import split_ranges
from pipeline.standardize.text import convert_string
from pipeline.standardize.units import normalize_unit
from pipeline.standardize.us_states import convert_us_states
from pipeline.standardize.wholetexts import FEW

Converter = Callable[[pa.StringArray], Converted]
"""Cleaned text with null = missing in, typed values out."""


def kind_of(described: Field) -> str:
    """Name of the kind a field's values are read as."""
    if described.type != "string":
        return described.type
    if described.categories is not None:
        return "category"
    if described.codes is not None:
        return "code"
    if described.format == "email":
        return "email"
    return described.semantic or "text"


def converter_of(described: Field, contract: Contract, decision: dict[str, Any]) -> Converter:
    """The function that converts a field's cells as decided."""
    make = _converter_once if isinstance(decision, Kept) else _converter
    return make(described, contract, decision)


def _converter(described: Field, contract: Contract, decision: dict[str, Any]) -> Converter:
    match kind_of(described):
        case "date" | "datetime":
            dates = DateDecision.from_dict(decision)
            return lambda values: convert_dates(values, dates)
        case "number" | "integer":
            return _number_converter(described, NumberDecision.from_dict(decision))
        case "boolean":
            true, false = boolean_words(described, decision)
            return lambda values: convert_booleans(values, true, false)
        case "category" | "code":
            return _code_converter(described, codeset_of(described, contract))
        case "range":
            numbers = NumberDecision.from_dict(decision)
            return lambda values: _convert_ranges(values, numbers)
        case _:
            return _text_converter(described, contract)


_converter_once = remembered(4_096)(_converter)


class _Remembering:
    """A converter that knows a few cells again.

    The first pass converts those of some kinds to count what is not of the kind, and the cells of a
    small file are the very same in the second.
    """

    def __init__(self, convert: Converter) -> None:
        self._convert = convert
        self._last: tuple[pa.StringArray, Converted] | None = None  # replaced as one: threads

    def __call__(self, values: pa.StringArray) -> Converted:
        last = self._last
        if last is not None and last[0] is values:
            return last[1]
        converted = self._convert(values)
        self._last = (values, converted) if len(values) <= FEW else None
        return converted


def _text_converter(described: Field, contract: Contract) -> Converter:
    return _text_converter_of(Same(described), Same(contract))


@lru_cache(maxsize=1_024)
def _text_converter_of(field: Same[Field], of: Same[Contract]) -> Converter:
    described = field.thing
    match kind_of(described):
        case "text" if described.name in of.thing.primary_key:
            return _convert_identifiers
        case "us-state":
            return convert_us_states
        case "postal-code-us":
            return _Remembering(convert_postal_codes_us)
        case "email":
            return _Remembering(convert_emails)
        case "phone":
            return _Remembering(lambda values: convert_phones(values, described.region))
        case "ucum-unit":
            return convert_unit_spellings
        case "npi" | "loinc" | "luhn" as check:
            return lambda values: convert_identifiers(values, check=check)
        case "identifier":
            return _convert_identifiers
        case _:
            return convert_string


def boolean_words(
    described: Field, decision: dict[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words that mean true and false: what the mapping told, else the contract's own."""
    return (
        tuple(decision.get("trueValues", described.true_values)),
        tuple(decision.get("falseValues", described.false_values)),
    )


def codeset_of(described: Field, contract: Contract) -> CodeSet:
    """The codes of a field with `categories` or `codes`."""
    return _codeset_of(Same(described), Same(contract))


@lru_cache(maxsize=1_024)
def _codeset_of(field: Same[Field], of: Same[Contract]) -> CodeSet:
    described, contract = field.thing, of.thing
    if described.categories is not None:
        return CodeSet(
            Code(category.value, category.aliases, label=category.label)
            for category in described.categories
        )
    if described.codes is None:
        raise ValueError(f"{described.name} has no codes")
    return CodeSet(
        Code(value, entry.aliases, label=entry.label)
        for value, entry in contract.codesets[described.codes.set].items()
    )


def convert_unit_spellings(values: pa.StringArray) -> Converted:
    """UCUM codes where the spelling is known; other units stay as written, marked."""
    units = read_distinct(values, lambda text: (text, normalize_unit(text)))
    unknown = units.rows(lambda unit: unit[1] is None)
    respelled = units.rows(lambda unit: unit[1] is not None and unit[1] != unit[0])
    return Converted(
        values=units.spread(lambda unit: unit[1] or unit[0], pa.string()),
        marked={RowCode.UNIT_UNKNOWN: unknown} if len(unknown) else {},
        changed={"unit-respelled": respelled} if len(respelled) else {},
    )


def _convert_identifiers(values: pa.StringArray) -> Converted:
    converted = convert_identifiers(values)
    checked = convert_string(values, identifier=True)
    converted.values = checked.values
    converted.marked.update(checked.marked)
    converted.bad.update(checked.bad)
    return converted


def _number_converter(described: Field, decision: NumberDecision) -> Converter:
    split = described.split
    return lambda values: convert_numbers(
        values,
        decision,
        integer=described.type == "integer",
        split_comparator=split is not None and split.comparator is not None,
        split_text=split is not None and split.text is not None,
        split_unit=takes_unit(described),
    )


def takes_unit(described: Field) -> bool:
    """True when a unit written behind the number has a place to go."""
    return described.unit is not None or (
        described.split is not None and described.split.unit is not None
    )


def phrases_of(values: pa.StringArray, described: Field, codeset: CodeSet) -> PhraseColumns | None:
    """Parts of cells that may say several things; None where the contract asks for none."""
    split = described.split
    if split is None or not (split.flags or split.rest):
        return None
    return split_phrases(
        values, flags=split.flags, lookup=codeset.lookup, keep_rest=split.rest is not None
    )


def _code_converter(described: Field, codeset: CodeSet) -> Converter:
    unknown = described.codes.unknown if described.codes is not None else "reject"

    def convert(values: pa.StringArray) -> Converted:
        phrases = phrases_of(values, described, codeset)
        if phrases is None:
            return convert_codes(values, codeset, unknown=unknown)
        converted = convert_codes(phrases.code_text, codeset, unknown=unknown)
        converted.extra["rest"] = phrases.rest
        converted.extra.update({f"flags.{name}": flag for name, flag in phrases.flags.items()})
        return converted

    return convert


def _convert_ranges(values: pa.StringArray, decision: NumberDecision) -> Converted:
    """The cells as written; extra: low, high (text and float64), unit, text."""
    parts = split_ranges(values)
    low, high = (convert_numbers(end, decision) for end in (parts.low, parts.high))
    unread = [rows for end in (low, high) for rows in end.bad.values()]
    wrong = pc.greater(low.extra["number"], high.extra["number"]).fill_null(False)
    for rows in unread:
        wrong = pc.replace_with_mask(wrong, _mask(rows, len(values)), pa.array([True] * len(rows)))
    null_text, null_number = pa.scalar(None, pa.string()), pa.scalar(None, pa.float64())
    extra = {
        "low": pc.if_else(wrong, null_text, low.values),
        "low.number": pc.if_else(wrong, null_number, low.extra["number"]),
        "high": pc.if_else(wrong, null_text, high.values),
        "high.number": pc.if_else(wrong, null_number, high.extra["number"]),
        "unit": pc.if_else(wrong, null_text, parts.unit),
        "text": pc.if_else(wrong, values, parts.text),
    }
    return Converted(values=values, extra=extra)


def _mask(rows: Any, count: int) -> pa.BooleanArray:
    flags = [False] * count
    for row in rows:
        flags[row] = True
    return pa.array(flags, pa.bool_())
