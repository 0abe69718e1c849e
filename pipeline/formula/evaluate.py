"""Answers a parsed formula for whole columns at once: yes, no or unknown for each row.

An empty field makes its part of the formula unknown (SQL's rule), and unknown is not a no: only a
definite no breaks a rule. The clock is the one passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.formula.terms import Among, Binary, Call, Expression, FieldRef, Kind, Literal
from pipeline.standardize.base import Rows

ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.YES_NO: pa.bool_(),
}
"""Arrow type in which each kind is computed."""

_MICROSECONDS_A_DAY = 86_400_000_000

_COMPARISONS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_ARITHMETIC = {"+": pc.add, "-": pc.subtract, "*": pc.multiply}


@dataclass(frozen=True, slots=True)
class Moment:
    """When the checks are made. `now` is aware; `today` is its date where the data come from."""

    now: datetime
    today: date

    @classmethod
    def at(cls, now_s: float, timezone: str | None = None) -> Moment:
        """Make it from UTC epoch seconds and an IANA zone name (UTC when None)."""
        now = datetime.fromtimestamp(now_s, tz=UTC)
        return cls(now, now.astimezone(ZoneInfo(timezone or "UTC")).date())


def broken_rows(rule: Expression, columns: Mapping[str, pa.Array], moment: Moment) -> Rows:
    """Return the rows, ascending, for which a yes/no formula is a definite no.

    `columns` holds every field the formula names, all of one length, in any Arrow type that can
    be cast to the field's kind (see `as_kind`).
    """
    answer = _value(rule, columns, moment)
    no = pc.fill_null(pc.invert(answer), False)
    return np.flatnonzero(no.to_numpy(zero_copy_only=False)).astype(np.int64)


def as_kind(values: pa.Array, kind: Kind) -> pa.Array:
    """Bring a column into the type its kind is computed in; digits kept as text become numbers."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    wanted = ARROW_TYPES[kind]
    return values if values.type == wanted else pc.cast(values, wanted)


def _value(expression: Expression, columns: Mapping[str, pa.Array], moment: Moment) -> Any:
    """Compute an Arrow array or scalar of the expression's kind."""
    match expression:
        case Literal(value, kind):
            return pa.scalar(value, ARROW_TYPES[kind])
        case FieldRef(name, kind):
            return as_kind(columns[name], kind)
        case Call(function, arguments):
            return _call(function, [_value(one, columns, moment) for one in arguments], moment)
        case Binary(operator, left, right):
            return _binary(operator, _value(left, columns, moment), _value(right, columns, moment))
        case Among(subject, options):
            return _among(_value(subject, columns, moment), options)


def _call(function: str, arguments: list[Any], moment: Moment) -> Any:
    match function:
        case "today":
            return pa.scalar(moment.today, ARROW_TYPES[Kind.DATE])
        case "now":
            return pa.scalar(moment.now, ARROW_TYPES[Kind.TIME])
        case "age":
            return _age(arguments[0], moment.today)
        case "length":
            return pc.cast(pc.utf8_length(arguments[0]), pa.float64())
        case "abs":
            return pc.abs(arguments[0])
        case "lower":
            return pc.utf8_lower(arguments[0])
        case "upper":
            return pc.utf8_upper(arguments[0])
        case "negate":
            return pc.negate(arguments[0])
        case "not":
            return pc.invert(arguments[0])
        case "is null":
            return pc.is_null(arguments[0])
        case _:
            raise KeyError(function)


def _binary(operator: str, left: Any, right: Any) -> Any:
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](left, right)
    if operator in _ARITHMETIC:
        return _ARITHMETIC[operator](left, right)
    match operator:
        case "and":
            return pc.and_kleene(left, right)
        case "or":
            return pc.or_kleene(left, right)
        case "/":
            nothing = pa.scalar(None, pa.float64())
            divisor = pc.if_else(pc.equal(right, pa.scalar(0.0)), nothing, right)
            return pc.divide(left, divisor)  # divided by zero is unknown, not infinite
        case "days between":
            return _days_between(left, right)
        case _:
            raise KeyError(operator)


def _days_between(later: Any, earlier: Any) -> Any:
    time = ARROW_TYPES[Kind.TIME]
    microseconds = [pc.cast(pc.cast(one, time), pa.int64()) for one in (later, earlier)]
    difference = pc.cast(pc.subtract(*microseconds), pa.float64())
    return pc.divide(difference, pa.scalar(float(_MICROSECONDS_A_DAY)))


def _age(birth: Any, today: date) -> Any:
    """Whole years lived; somebody born on 29 February turns on 1 March in other years."""
    years = pc.subtract(pa.scalar(today.year, pa.int64()), pc.year(birth))
    day_in_year = pc.add(pc.multiply(pc.month(birth), pa.scalar(100)), pc.day(birth))
    not_yet = pc.greater(day_in_year, pa.scalar(today.month * 100 + today.day))
    return pc.cast(pc.subtract(years, pc.cast(not_yet, pa.int64())), pa.float64())


def _among(subject: Any, options: tuple[Literal, ...]) -> Any:
    wanted = pa.array([option.value for option in options], ARROW_TYPES[options[0].kind])
    found = pc.is_in(subject, value_set=wanted)
    unknown = pa.scalar(None, pa.bool_())
    return pc.if_else(pc.is_null(subject), unknown, found)
