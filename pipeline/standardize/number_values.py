"""Conversion of number cells: obeys the column's decision and looks at nothing else.

Plain numbers are recognised and cast by Arrow; only the others are read one distinct text at a
time. No binary float ever touches the delivered digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RowCode
from pipeline.standardize.base import Converted, Rows, where
from pipeline.standardize.distinct import Distinct, is_true, put, read_distinct
from pipeline.standardize.number_grammar import (
    Convention,
    DecimalSign,
    is_text_result,
    read_amount,
    take_apart,
)
from pipeline.standardize.units import normalize_unit

_PLAIN = {
    ".": r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$",
    ",": r"^-?(?:0|[1-9][0-9]*)(?:,[0-9]+)?$",
}


class Decided(Protocol):
    """The part of a `NumberDecision` that conversion obeys."""

    @property
    def decimal(self) -> DecimalSign:
        """The decimal sign."""

    @property
    def group(self) -> str:
        """Signs that may group thousands."""

    @property
    def minus_elsewhere(self) -> bool:
        """Whether 5.00- and (5.00) are negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """Which parts of a cell go to fields of their own, and how its minus may be written."""

    comparator: bool
    text: bool
    unit: bool
    minus_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What one distinct text that is not a plain number turned out to be."""

    number: str | None = None
    comparator: str | None = None
    text: str | None = None
    unit: str | None = None
    change: str | None = None
    bad: RowCode | None = None


def convert_numbers(
    values: pa.StringArray,
    decision: Decided,
    *,
    integer: bool = False,
    split_comparator: bool = False,
    split_text: bool = False,
    split_unit: bool = False,
) -> Converted:
    """Canonical decimal text of each cell, digits as reported: "1.234,50" -> "1234.50".

    extra["number"] holds the same as float64, for checks. On request extra["comparator"] receives
    <, <=, > or >= of `<5`; extra["text"] results in words, grades and titres; extra["unit"] the
    unit of `25mg` as written. Whatever is not asked for is refused as type-error; a known number
    before an unknown unit as unit-unknown. `integer` takes 80.0 as 80 and refuses 80.5.
    """
    plain = pc.match_substring_regex(values, _PLAIN[decision.decimal])
    numbers, changed = _plain_numbers(values, plain, decision.decimal)
    odd = np.flatnonzero(~is_true(plain) & is_true(values.is_valid()))
    convention = Convention(decision.decimal, decision.group)
    wishes = _Wishes(
        comparator=split_comparator,
        text=split_text,
        unit=split_unit,
        minus_elsewhere=decision.minus_elsewhere,
    )
    readings = read_distinct(
        values.take(pa.array(odd)), lambda text: _read(text, convention, wishes)
    )
    _note_changes(readings, odd, changed)
    numbers = put(numbers, odd, readings.spread(lambda reading: reading.number, pa.string()))
    refused = {code: odd[rows] for code, rows in readings.group(lambda one: one.bad).items()}
    extra = _extra(readings, odd, len(values), wishes)
    if integer:
        numbers, fractions = _whole_only(numbers, changed)
        _refuse(refused, fractions)
    return _finish(numbers, refused, extra, changed)


def _plain_numbers(
    values: pa.StringArray, plain: pa.BooleanArray, decimal: DecimalSign
) -> tuple[pa.StringArray, dict[str, Rows]]:
    """The plain cells with a decimal point, all others null; where a comma was."""
    numbers = pc.if_else(plain, values, pa.scalar(None, pa.string()))
    if decimal == ".":
        return numbers, {}
    commas = is_true(pc.match_substring(numbers, ","))
    return pc.replace_substring(numbers, ",", "."), where(number_reformatted=commas)


def _read(text: str, convention: Convention, wishes: _Wishes) -> _Reading:
    if wishes.text and is_text_result(text):
        return _Reading(text=text, change="text-split")
    cell = take_apart(text, minus_elsewhere=wishes.minus_elsewhere)
    amount = None if cell is None else read_amount(cell, convention)
    if cell is None or amount is None or (cell.comparator and not wishes.comparator):
        return _Reading(bad=RowCode.TYPE_ERROR)
    if cell.unit is not None and not (wishes.unit and _may_be_unit(cell.unit)):
        return _Reading(bad=RowCode.TYPE_ERROR)
    if cell.unit is not None and normalize_unit(cell.unit) is None:
        return _Reading(bad=RowCode.UNIT_UNKNOWN)
    change = "scientific-notation" if amount.scientific else "number-reformatted"
    return _Reading(
        number=amount.text,
        comparator=cell.comparator,
        unit=cell.unit,
        change=change if amount.scientific or amount.reformatted else None,
    )


def _may_be_unit(text: str) -> bool:
    """False for words that go on after a number (2nd 140): such a cell is no number at all."""
    return normalize_unit(text) is not None or not any(
        character.isspace() or character.isdigit() for character in text
    )


def _note_changes(readings: Distinct[_Reading], odd: Rows, changed: dict[str, Rows]) -> None:
    found = readings.group(lambda reading: reading.change)
    found |= readings.group(lambda reading: "comparator-split" if reading.comparator else None)
    found |= readings.group(lambda reading: "unit-split" if reading.unit else None)
    for reason, rows in found.items():
        known = changed.get(reason)
        changed[reason] = odd[rows] if known is None else np.union1d(known, odd[rows])


def _extra(
    readings: Distinct[_Reading], odd: Rows, length: int, wishes: _Wishes
) -> dict[str, pa.Array]:
    fields: dict[str, tuple[bool, Callable[[_Reading], str | None]]] = {
        "comparator": (wishes.comparator, lambda reading: reading.comparator),
        "text": (wishes.text, lambda reading: reading.text),
        "unit": (wishes.unit, lambda reading: reading.unit),
    }
    return {
        name: put(pa.nulls(length, pa.string()), odd, readings.spread(part, pa.string()))
        for name, (wanted, part) in fields.items()
        if wanted
    }


def _whole_only(
    numbers: pa.StringArray, changed: dict[str, Rows]
) -> tuple[pa.StringArray, npt.NDArray[np.bool_]]:
    """Drop fractions of zero (counted); the mask marks numbers with any other fraction."""
    with_point = pc.match_substring(numbers, ".")
    zero = is_true(pc.match_substring_regex(numbers, r"\.0+$"))
    changed |= where(fraction_of_zero_dropped=zero)
    fractions = is_true(with_point) & ~zero
    return pc.replace_substring_regex(numbers, r"\.0+$", ""), fractions


def _refuse(refused: dict[RowCode, Rows], more: npt.NDArray[np.bool_]) -> None:
    """Add the marked rows to those refused as type-error."""
    rows = np.flatnonzero(more)
    if len(rows):
        known = refused.get(RowCode.TYPE_ERROR, np.array([], dtype=np.int64))
        refused[RowCode.TYPE_ERROR] = np.union1d(known, rows)


def _finish(
    numbers: pa.StringArray,
    refused: dict[RowCode, Rows],
    extra: dict[str, pa.Array],
    changed: dict[str, Rows],
) -> Converted:
    floats = pc.cast(numbers, pa.float64())
    _refuse(refused, is_true(pc.is_inf(floats)))  # more digits than a float can hold
    for rows in refused.values():
        numbers = put(numbers, rows, pa.nulls(len(rows), pa.string()))
        floats = put(floats, rows, pa.nulls(len(rows), pa.float64()))
    return Converted(
        values=numbers, bad=refused, extra={"number": floats, **extra}, changed=changed
    )
