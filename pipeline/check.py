"""Checks typed columns against the contract: which rows break which rule, in a sentence each.

A sentence names the rule, never the value. An empty cell breaks no rule but `required`. Rules that
look across batches (unique, primaryKey, conflict) are dedupe's.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import Check, CodeEntry, Contract, Field
from pipeline.contract.rules import KINDS, formula_columns
from pipeline.errors import RowCode
from pipeline.formula.evaluate import ARROW_TYPES, Moment, as_kind, broken_rows
from pipeline.formula.language import Column, Expression, parse_check
from pipeline.formula.terms import Kind, fields_of
from pipeline.same import Same
from pipeline.standardize.base import Rows
from pipeline.standardize.distinct import is_true
from pipeline.standardize.text import text_bytes
from pipeline.standardize.wholetexts import FEW, is_read_alike, match_pattern, matches_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Rows of a batch that break one rule of one field. `is_warning`: the rows are kept."""

    field: str
    rule: str
    code: RowCode
    sentence: str
    rows: Rows
    is_warning: bool = False


class RowFindings(NamedTuple):
    """Rows that break the contract's formulas, by check id: `bad` are rejected, `marked` kept."""

    bad: dict[str, Rows]
    marked: dict[str, Rows]


def check_rows(columns: Mapping[str, pa.Array], contract: Contract, moment: Moment) -> RowFindings:
    """Ask every formula of the contract about every row.

    `columns` holds typed arrays of one length by field name; a field that is not among them counts
    as empty. Only broken checks appear in the result, in the contract's order.
    """
    findings = RowFindings({}, {})
    length = len(next(iter(columns.values()))) if columns else 0
    known = _known(Same(contract))
    for check, rule, names in _rules(Same(contract)):
        needed = {
            name: columns[name]
            if name in columns
            else pa.nulls(length, ARROW_TYPES[known[name].kind])
            for name in names
        }
        rows = broken_rows(rule, needed, moment)
        if len(rows):
            (findings.bad if check.severity == "error" else findings.marked)[check.id] = rows
    return findings


@lru_cache(maxsize=256)
def _known(of: Same[Contract]) -> dict[str, Column]:
    return formula_columns(of.thing)


@lru_cache(maxsize=256)
def _rules(of: Same[Contract]) -> tuple[tuple[Check, Expression, frozenset[str]], ...]:
    """The contract's checks with their formulas read, which takes longer than a small file; and
    the fields these look at.
    """
    known = _known(of)
    read = ((check, parse_check(check.formula, known)) for check in of.thing.checks)
    return tuple((check, rule, fields_of(rule)) for check, rule in read)


def sentence_of(check: Check) -> str:
    """Say in plain words what a broken check means."""
    return check.message or f"the rule {check.formula} does not hold"


def check_field(field: Field, values: pa.Array) -> list[Violation]:
    """Check one column against its field's constraints.

    `values` is typed: string, int64, bool, date32 or timestamp; numbers may be float64 or their
    canonical decimal text. `required` reports every null, so pass rows that were already refused
    for another reason only if a second reason is wanted.
    """
    return [
        Violation(
            field=field.name,
            rule=rule,
            code=code,
            sentence=f"{field.name} {sentence}",
            rows=np.flatnonzero(broken).astype(np.int64),
        )
        for rule, code, sentence, broken in _broken(field, values)
        if broken.any()
    ]


def check_plausible(
    field: Field, entries: Mapping[str, CodeEntry], values: pa.Array, codes: pa.Array
) -> list[Violation]:
    """Check converted values against their code's `plausible` range, then its `usual` one.

    `values` are in the unit of each row's code, `codes` the codes of the same rows. Outside
    `plausible` a row is refused, outside `usual` it is marked. Panels and codes without ranges
    pass.
    """
    numbers = as_kind(values, Kind.NUMBER).to_numpy(zero_copy_only=False)
    encoded = pc.dictionary_encode(as_kind(codes, Kind.TEXT))
    code_at = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    found: list[Violation] = []
    for position, code in enumerate(encoded.dictionary.to_pylist()):
        entry = entries.get(code)
        if entry is None or entry.kind is not None:
            continue
        here = code_at == position
        outside = here & _outside(numbers, entry.plausible)
        unusual = here & ~outside & _outside(numbers, entry.usual)
        found += _range_violations(field, code, entry, outside, unusual)
    return found


def check_order(
    field: Field, entries: Mapping[str, CodeEntry], values: pa.Array, codes: pa.Array, records: Rows
) -> list[Violation]:
    """Mark records in which a code's value is not above that of the code it should be above.

    `records` are the ascending record numbers of the rows; values are in their code's unit.
    """
    numbers = as_kind(values, Kind.NUMBER).to_numpy(zero_copy_only=False)
    found: list[Violation] = []
    for code, entry in entries.items():
        if entry.above is None:
            continue
        upper, lower = (np.flatnonzero(_mask(pc.equal(codes, one))) for one in (code, entry.above))
        if not len(upper) or not len(lower):
            continue
        place = np.searchsorted(records[lower], records[upper])
        beside = lower[np.minimum(place, len(lower) - 1)]
        wrong = (records[beside] == records[upper]) & (numbers[upper] <= numbers[beside])
        if wrong.any():
            found.append(
                Violation(
                    field=field.name,
                    rule="above",
                    code=RowCode.ROW_CONSTRAINT,
                    sentence=f"{field.name} of {code} should be above that of {entry.above}",
                    rows=np.sort(np.concatenate([upper[wrong], beside[wrong]])),
                    is_warning=True,
                )
            )
    return found


def _outside(numbers: Any, ends: tuple[float, float] | None) -> Any:
    if ends is None:
        return np.zeros(len(numbers), dtype=bool)
    return (numbers < ends[0]) | (numbers > ends[1])  # NaN stands for null and is neither


def _range_violations(
    field: Field, code: str, entry: CodeEntry, outside: Any, unusual: Any
) -> Iterator[Violation]:
    for rule, ends, broken in (
        ("plausible", entry.plausible, outside),
        ("usual", entry.usual, unusual),
    ):
        if ends is None or not broken.any():
            continue
        unit = f" {entry.unit}" if entry.unit else ""
        yield Violation(
            field=field.name,
            rule=rule,
            code=RowCode.CONSTRAINT_ERROR,
            sentence=f"{field.name} of {code} must lie between {ends[0]:g} and {ends[1]:g}{unit}"
            if rule == "plausible"
            else f"{field.name} of {code} usually lies between {ends[0]:g} and {ends[1]:g}{unit}",
            rows=np.flatnonzero(broken).astype(np.int64),
            is_warning=rule == "usual",
        )


def _broken(field: Field, values: pa.Array) -> Iterator[tuple[str, RowCode, str, Any]]:
    """Yield rule, code, sentence and a mask of the rows that break it, for every constraint."""
    rules = field.constraints
    kind = KINDS[field.type]
    if rules.required and values.null_count:
        missing = pc.is_null(values)
        yield "required", RowCode.REQUIRED, "must have a value", _mask(missing)
    if len(values) == values.null_count:
        return
    values = as_kind(values, kind)
    if kind is Kind.TEXT:
        yield from _broken_text(field, values)
    if rules.enum is not None:
        allowed = pa.array([typed_bound(value, kind) for value in rules.enum], ARROW_TYPES[kind])
        listed = ", ".join(str(value) for value in rules.enum)
        strange = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed)))
        yield "enum", RowCode.CONSTRAINT_ERROR, f"must be one of: {listed}", _mask(strange)
    for rule, compare, words in _BOUNDS:
        bound = getattr(rules, rule)
        if bound is not None:
            sentence = f"must {words[kind in (Kind.DATE, Kind.TIME)]} {_written(bound)}"
            broken = _beyond(values, kind, compare, typed_bound(bound, kind))
            yield rule, RowCode.CONSTRAINT_ERROR, sentence, broken


def _beyond(values: pa.Array, kind: Kind, compare: str, bound: Any) -> Any:
    """Mask of the values that compare so with the bound; null never does."""
    if len(values) <= FEW and kind in (Kind.DATE, Kind.NUMBER):
        is_so = getattr(operator, _OPERATORS[compare])
        limit = bound if kind is Kind.DATE else float(bound)
        with suppress(OverflowError, ValueError):  # years that only Arrow knows
            few = [one is not None and is_so(one, limit) for one in values.to_pylist()]
            return np.array(few, dtype=np.bool_)
    return _mask(getattr(pc, compare)(values, pa.scalar(bound, ARROW_TYPES[kind])))


_OPERATORS = {"less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge"}


def _broken_text(field: Field, values: pa.Array) -> Iterator[tuple[str, RowCode, str, Any]]:
    rules = field.constraints
    if len(values) <= FEW and (rules.pattern is None or is_read_alike(rules.pattern)):
        yield from _broken_by_few(field, values)
        return
    if rules.pattern is not None:
        matches = match_pattern(values, rules.pattern)
        sentence = f"must have the form {rules.pattern}"
        yield "pattern", RowCode.PATTERN, sentence, _mask(pc.invert(matches))
    if rules.min_length is not None:
        short = pc.less(pc.utf8_length(values), rules.min_length)
        sentence = f"must have at least {rules.min_length} characters"
        yield "minLength", RowCode.CONSTRAINT_ERROR, sentence, _mask(short)
    if rules.max_length is not None and text_bytes(values) > rules.max_length:
        long = pc.greater(pc.utf8_length(values), rules.max_length)
        sentence = f"must have at most {rules.max_length} characters"
        yield "maxLength", RowCode.CONSTRAINT_ERROR, sentence, _mask(long)


def _broken_by_few(field: Field, values: pa.StringArray) -> Iterator[tuple[str, RowCode, str, Any]]:
    """The same for a few texts, of which most break nothing."""
    rules, texts = field.constraints, values.to_pylist()
    pattern, least, most = rules.pattern, rules.min_length, rules.max_length
    if pattern is not None:
        bad = [text is not None and not matches_whole(text, pattern) for text in texts]
        yield "pattern", RowCode.PATTERN, f"must have the form {pattern}", np.array(bad)
    if least is not None:
        bad = [text is not None and len(text) < least for text in texts]
        sentence = f"must have at least {least} characters"
        yield "minLength", RowCode.CONSTRAINT_ERROR, sentence, np.array(bad)
    if most is not None:
        bad = [text is not None and len(text) > most for text in texts]
        sentence = f"must have at most {most} characters"
        yield "maxLength", RowCode.CONSTRAINT_ERROR, sentence, np.array(bad)


_BOUNDS = (
    ("minimum", "less", ("not be less than", "not be before")),
    ("maximum", "greater", ("not be greater than", "not be after")),
    ("exclusive_minimum", "less_equal", ("be greater than", "be after")),
    ("exclusive_maximum", "greater_equal", ("be less than", "be before")),
)
"""Constraint, what breaks it, and how to say it for numbers and for dates."""


def _mask(broken: Any) -> Any:
    return is_true(broken)


def typed_bound(bound: str | float, kind: Kind) -> str | float | date | datetime:
    """Read a bound of the contract as the value it is; a time without offset is UTC."""
    if kind is Kind.DATE:
        return date.fromisoformat(str(bound))
    if kind is Kind.TIME:
        moment = datetime.fromisoformat(str(bound))
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return bound


def _written(bound: str | float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
