"""Checks typed columns against the contract: which rows break which rule, in a sentence each.

A sentence names the rule, never the value. An empty cell breaks no rule but `required`. Rules that
look across batches (unique, primaryKey, conflict) are dedupe's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import Check, CodeEntry, Contract, Field
from pipeline.contract.rules import KINDS, formula_columns
from pipeline.errors import RowCode
from pipeline.fieldrules import FieldRule, rules_of
from pipeline.formula.evaluate import ARROW_TYPES, Moment, as_kind, broken_rows
from pipeline.formula.few import Answer, answer_of, broken_few
from pipeline.formula.language import Expression, parse_check
from pipeline.formula.terms import Kind, fields_of
from pipeline.same import Same
from pipeline.standardize.base import Rows
from pipeline.standardize.distinct import is_true
from pipeline.standardize.text import text_bytes
from pipeline.standardize.wholetexts import FEW, match_pattern


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
    few = _FewColumns(columns, length) if length <= FEW else None
    for rule in _rules(Same(contract)):
        rows = None if few is None else few.broken(rule, moment)
        if rows is None:
            needed = {
                name: columns[name] if name in columns else pa.nulls(length, ARROW_TYPES[kind])
                for name, kind in rule.fields.items()
            }
            rows = broken_rows(rule.formula, needed, moment)
        if len(rows):
            found = findings.bad if rule.check.severity == "error" else findings.marked
            found[rule.check.id] = rows
    return findings


class _FewColumns:
    """A few rows as Python has them; each column is brought there once, if at all."""

    def __init__(self, columns: Mapping[str, pa.Array], length: int) -> None:
        self._columns = columns
        self._nothing = [None] * length
        self._values: dict[str, list[Any]] = {}

    def broken(self, rule: _Rule, moment: Moment) -> Rows | None:
        """Rows that break the rule; None where only Arrow can tell."""
        if rule.answer is None:
            return None
        try:
            values = {name: self._of(name, kind) for name, kind in rule.fields.items()}
        except (OverflowError, ValueError):  # years that only Arrow knows
            return None
        return np.array(broken_few(rule.answer, values, moment), dtype=np.int64)

    def _of(self, name: str, kind: Kind) -> list[Any]:
        column = self._columns.get(name)
        if column is None:
            return self._nothing
        values = self._values.get(name)
        if values is None:
            values = self._values[name] = as_kind(column, kind).to_pylist()
        return values


class _Rule(NamedTuple):
    """A check with its formula read. fields: those it looks at, with what they are to it.

    answer: what tells of a single row, where something can.
    """

    check: Check
    formula: Expression
    fields: dict[str, Kind]
    answer: Answer | None


@lru_cache(maxsize=256)
def _rules(of: Same[Contract]) -> tuple[_Rule, ...]:
    """The contract's checks; to read their formulas takes longer than a small file."""
    known = formula_columns(of.thing)
    read = ((check, parse_check(check.formula, known)) for check in of.thing.checks)
    return tuple(
        _Rule(check, rule, {name: known[name].kind for name in fields_of(rule)}, answer_of(rule))
        for check, rule in read
    )


def sentence_of(check: Check) -> str:
    """Say in plain words what a broken check means."""
    return check.message or f"the rule {check.formula} does not hold"


def check_field(field: Field, values: pa.Array) -> list[Violation]:
    """Check one column against its field's constraints.

    `values` is typed: string, int64, bool, date32 or timestamp; numbers may be float64 or their
    canonical decimal text. `required` reports every null, so pass rows that were already refused
    for another reason only if a second reason is wanted.
    """
    found = []
    if field.constraints.required and values.null_count:
        rows = np.flatnonzero(_mask(pc.is_null(values)))
        found.append(_violation(field, _REQUIRED, rows))
    rules = rules_of(field)
    if not rules or len(values) == values.null_count:
        return found
    kind = KINDS[field.type]
    values = as_kind(values, kind)
    if len(values) <= FEW and all(rule.breaks is not None for rule in rules):
        with suppress(OverflowError, ValueError):  # years that only Arrow knows
            return found + _check_few(field, values, rules)
    for rule in rules:
        broken = _broken(values, kind, rule)
        if broken.any():
            found.append(_violation(field, rule, np.flatnonzero(broken)))
    return found


_REQUIRED = FieldRule("required", RowCode.REQUIRED, "must have a value", None, None)


def _violation(field: Field, rule: FieldRule, rows: Rows) -> Violation:
    return Violation(
        field=field.name,
        rule=rule.name,
        code=rule.code,
        sentence=f"{field.name} {rule.sentence}",
        rows=rows.astype(np.int64),
    )


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


def _check_few(field: Field, values: pa.Array, rules: Sequence[FieldRule]) -> list[Violation]:
    """The same as `_broken` tells, of so few values that Python is done before Arrow begins."""
    cells = values.to_pylist()
    found = []
    for rule in rules:
        breaks = rule.breaks
        if breaks is not None:
            rows = [row for row, cell in enumerate(cells) if cell is not None and breaks(cell)]
            if rows:
                found.append(_violation(field, rule, np.array(rows, dtype=np.int64)))
    return found


def _broken(values: pa.Array, kind: Kind, rule: FieldRule) -> Any:
    """Mask of the values that break a rule; null never does."""
    match rule.name:
        case "pattern":
            return _mask(pc.invert(match_pattern(values, rule.limit)))
        case "minLength":
            return _mask(pc.less(pc.utf8_length(values), rule.limit))
        case "maxLength":
            if text_bytes(values) <= rule.limit:
                return np.zeros(len(values), dtype=np.bool_)
            return _mask(pc.greater(pc.utf8_length(values), rule.limit))
        case "enum":
            allowed = pa.array(rule.limit, ARROW_TYPES[kind])
            is_listed = pc.is_in(values, value_set=allowed)
            return _mask(pc.and_(pc.is_valid(values), pc.invert(is_listed)))
    return _mask(_BEYOND[rule.name](values, pa.scalar(rule.limit, ARROW_TYPES[kind])))


_BEYOND = {
    "minimum": pc.less,
    "maximum": pc.greater,
    "exclusive_minimum": pc.less_equal,
    "exclusive_maximum": pc.greater_equal,
}


def _mask(broken: Any) -> Any:
    return is_true(broken)
