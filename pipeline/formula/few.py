"""Answers a formula row by row, for so few rows that Arrow's preparations would take longer.

As `evaluate`, which is its reference in the tests, for the formulas contracts mostly have: rules
that compare, and what joins them. Of any other there is no such answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from pipeline.formula.evaluate import Moment
from pipeline.formula.terms import Among, Binary, Call, Expression, FieldRef, Literal

Row = Mapping[str, Any]
"""Values of one row by field, None where it has none."""

Answer = Callable[[Row, Moment], Any]


def _age(birth: date, today: date) -> float:
    """Whole years lived, as in `evaluate`."""
    return float(today.year - birth.year - ((birth.month, birth.day) > (today.month, today.day)))


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FUNCTIONS: dict[str, Callable[[Any, Moment], Any]] = {
    "age": lambda birth, moment: None if birth is None else _age(birth, moment.today),
    "length": lambda text, _: None if text is None else float(len(text)),
    "not": lambda said, _: None if said is None else not said,
    "is null": lambda value, _: value is None,
}


def answer_of(expression: Expression) -> Answer | None:
    """What gives the expression's value of a row; None for an expression that needs Arrow."""
    match expression:
        case Literal(value):
            return lambda row, moment: value
        case FieldRef(name):
            return lambda row, moment: row[name]
        case Call("today", ()):
            return lambda row, moment: moment.today
        case Call("now", ()):
            return lambda row, moment: moment.now
        case Call(function, (argument,)) if function in _FUNCTIONS:
            return _called(_FUNCTIONS[function], answer_of(argument))
        case Binary(sign, left, right):
            return _joined(sign, answer_of(left), answer_of(right))
        case Among(subject, options):
            return _among(answer_of(subject), frozenset(one.value for one in options))
    return None


def broken_few(answer: Answer, columns: Mapping[str, Sequence[Any]], moment: Moment) -> list[int]:
    """The rows, ascending, for which a yes/no formula is a definite no; columns of one length."""
    rows = zip(*columns.values(), strict=True)
    told = (answer(dict(zip(columns, row, strict=True)), moment) for row in rows)
    return [at for at, said in enumerate(told) if said is False]


def _called(function: Callable[[Any, Moment], Any], argument: Answer | None) -> Answer | None:
    if argument is None:
        return None
    return lambda row, moment: function(argument(row, moment), moment)


def _joined(sign: str, left: Answer | None, right: Answer | None) -> Answer | None:
    if left is None or right is None:
        return None
    if sign in _COMPARISONS:
        return _compared(_COMPARISONS[sign], left, right)
    if sign in ("and", "or"):
        return _decided(left, right, by=sign == "or")
    return None


def _compared(is_so: Callable[[Any, Any], bool], left: Answer, right: Answer) -> Answer:
    def answer(row: Row, moment: Moment) -> bool | None:
        one, other = left(row, moment), right(row, moment)
        return None if one is None or other is None else is_so(one, other)

    return answer


def _decided(left: Answer, right: Answer, *, by: bool) -> Answer:
    """One side that is `by` decides for both; otherwise what is unknown stays so (SQL's rule)."""

    def answer(row: Row, moment: Moment) -> bool | None:
        one: bool | None = left(row, moment)
        if one is by:
            return by
        other: bool | None = right(row, moment)
        if other is by:
            return by
        return None if one is None or other is None else not by

    return answer


def _among(subject: Answer | None, options: frozenset[Any]) -> Answer | None:
    if subject is None:
        return None

    def answer(row: Row, moment: Moment) -> bool | None:
        value = subject(row, moment)
        return None if value is None else value in options

    return answer
