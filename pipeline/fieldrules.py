"""The constraints of a field, each as a rule with its sentence, worked out once for a contract.

A rule names what breaks it, so that a sentence about it never holds a value. An empty cell breaks
none of them; that a value must be there at all is not among them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from pipeline.contract.model import Field
from pipeline.contract.rules import KINDS
from pipeline.errors import RowCode
from pipeline.formula.terms import Kind
from pipeline.same import remembered
from pipeline.standardize.wholetexts import is_read_alike, matches_whole


class FieldRule(NamedTuple):
    """One constraint. name: as in the contract. limit: what values are held against, typed.

    sentence: what a value must do or be. breaks: whether a single value breaks the rule; None where
    only Arrow is to tell.
    """

    name: str
    code: RowCode
    sentence: str
    limit: Any
    breaks: Callable[[Any], bool] | None


@remembered(4_096)
def rules_of(field: Field) -> tuple[FieldRule, ...]:
    """The rules of a field's values, in the order in which they are told."""
    kind = KINDS[field.type]
    texts = _of_texts(field) if kind is Kind.TEXT else ()
    return (*texts, *_of_listed(field, kind), *_of_bounds(field, kind))


def _of_texts(field: Field) -> Iterator[FieldRule]:
    pattern = field.constraints.pattern
    least, most = field.constraints.min_length, field.constraints.max_length
    if pattern is not None:
        yield FieldRule(
            "pattern",
            RowCode.PATTERN,
            f"must have the form {pattern}",
            pattern,
            (lambda text: not matches_whole(text, pattern)) if is_read_alike(pattern) else None,
        )
    if least is not None:
        sentence = f"must have at least {least} characters"
        code = RowCode.CONSTRAINT_ERROR
        yield FieldRule("minLength", code, sentence, least, lambda text: len(text) < least)
    if most is not None:
        sentence = f"must have at most {most} characters"
        code = RowCode.CONSTRAINT_ERROR
        yield FieldRule("maxLength", code, sentence, most, lambda text: len(text) > most)


def _of_listed(field: Field, kind: Kind) -> Iterator[FieldRule]:
    listed = field.constraints.enum
    if listed is None:
        return
    allowed = [typed_bound(value, kind) for value in listed]
    yield FieldRule(
        "enum",
        RowCode.CONSTRAINT_ERROR,
        f"must be one of: {', '.join(str(value) for value in listed)}",
        allowed,
        (lambda text: text not in allowed) if kind is Kind.TEXT else None,
    )


def _of_bounds(field: Field, kind: Kind) -> Iterator[FieldRule]:
    for name, is_beyond, words in _BOUNDS:
        bound = getattr(field.constraints, name)
        if bound is not None:
            sentence = f"must {words[kind in (Kind.DATE, Kind.TIME)]} {_written(bound)}"
            limit = typed_bound(bound, kind)
            breaks = _beyond(is_beyond, limit, kind)
            yield FieldRule(name, RowCode.CONSTRAINT_ERROR, sentence, limit, breaks)


def _beyond(
    is_beyond: Callable[[Any, Any], bool], limit: Any, kind: Kind
) -> Callable[[Any], bool] | None:
    if kind is Kind.NUMBER:
        number = float(limit)
        return lambda value: is_beyond(value, number)
    return (lambda value: is_beyond(value, limit)) if kind is Kind.DATE else None


_Words = tuple[str, str]
_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], _Words], ...] = (
    ("minimum", operator.lt, ("not be less than", "not be before")),
    ("maximum", operator.gt, ("not be greater than", "not be after")),
    ("exclusive_minimum", operator.le, ("be greater than", "be after")),
    ("exclusive_maximum", operator.ge, ("be less than", "be before")),
)
"""Constraint, what breaks it, and how to say it for numbers and for dates."""


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
