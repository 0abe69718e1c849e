"""What formulas are made of: typed expressions, and what may stand beside what.

Only like is compared with like and only numbers are calculated with; everything else is an error
when the contract is loaded, not a surprise when its rows are read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an expression is; only like is compared with like."""

    NUMBER = "a number"
    TEXT = "a text"
    DATE = "a date"
    TIME = "a time"
    YES_NO = "a yes/no"


@dataclass(frozen=True, slots=True)
class Column:
    """What a formula may know of a field. `values` are the only texts it can hold, if known."""

    kind: Kind
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the formula."""

    value: float | str | bool | date | datetime
    kind: Kind


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The row's value of a field."""

    name: str
    kind: Kind
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function of this module, or one of the operators `not`, `is null` and `negate`."""

    function: str
    arguments: tuple[Expression, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions and the operator between them."""

    operator: str
    left: Expression
    right: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Among:
    """`subject in (options)`."""

    subject: Expression
    options: tuple[Literal, ...]
    kind: Kind = Kind.YES_NO


Expression = Literal | FieldRef | Call | Binary | Among

FUNCTIONS: dict[str, tuple[tuple[Kind, ...], Kind]] = {
    "today": ((), Kind.DATE),
    "now": ((), Kind.TIME),
    "age": ((Kind.DATE,), Kind.NUMBER),
    "length": ((Kind.TEXT,), Kind.NUMBER),
    "abs": ((Kind.NUMBER,), Kind.NUMBER),
    "lower": ((Kind.TEXT,), Kind.TEXT),
    "upper": ((Kind.TEXT,), Kind.TEXT),
}
"""Name -> kinds of its arguments, kind of its result. age(d) is in whole years, as of today."""


class FormulaError(ValueError):
    """The formula cannot be meant; the message says what is wrong in one sentence."""


def fields_of(expression: Expression) -> frozenset[str]:
    """Names of the fields an expression looks at."""
    match expression:
        case Literal():
            return frozenset()
        case FieldRef(name):
            return frozenset({name})
        case Call(_, arguments):
            return frozenset().union(*(fields_of(argument) for argument in arguments))
        case Binary(_, left, right):
            return fields_of(left) | fields_of(right)
        case Among(subject):
            return fields_of(subject)


def compare(operator: str, left: Expression, right: Expression) -> Binary:
    """Put a comparison together.

    Raises:
        FormulaError: the two are not alike, or a text is no possible value of the field.
    """
    left, right = _as_date_beside(left, right), _as_date_beside(right, left)
    if left.kind is not right.kind:
        raise FormulaError(f"{_name(left)} cannot be compared with {_name(right)}")
    if left.kind is Kind.YES_NO and operator not in ("=", "!="):
        raise FormulaError("yes/no values have no order")
    for one, other in ((left, right), (right, left)):
        if isinstance(one, FieldRef) and isinstance(other, Literal) and one.values is not None:
            _need_known(one, str(other.value), one.values)
    return Binary(operator, left, right, Kind.YES_NO)


def _need_known(field: FieldRef, text: str, values: frozenset[str]) -> None:
    if text not in values:
        raise FormulaError(f"'{text}' is never a value of '{field.name}'{nearest(text, values)}")


def _as_date_beside(one: Expression, other: Expression) -> Expression:
    """Read a quoted text as a date or a time where it stands beside one."""
    if not isinstance(one, Literal) or one.kind is not Kind.TEXT:
        return one
    try:
        if other.kind is Kind.DATE:
            return Literal(date.fromisoformat(str(one.value)), Kind.DATE)
        if other.kind is Kind.TIME:
            moment = datetime.fromisoformat(str(one.value))
            return Literal(moment if moment.tzinfo else moment.replace(tzinfo=UTC), Kind.TIME)
    except ValueError:
        raise FormulaError(f"'{one.value}' is not a date like 2025-01-31") from None
    return one


def calculate(operator: str, left: Expression, right: Expression) -> Binary:
    """Put a calculation together; two dates or two times subtracted give days.

    Raises:
        FormulaError: one of the two is not a number.
    """
    moments = (Kind.DATE, Kind.TIME)
    if operator == "-" and left.kind is right.kind and left.kind in moments:
        return Binary("days between", left, right, Kind.NUMBER)
    need(left, Kind.NUMBER, f"'{operator}'")
    need(right, Kind.NUMBER, f"'{operator}'")
    return Binary(operator, left, right, Kind.NUMBER)


def invert(expression: Expression) -> Call:
    """Turn yes into no; unknown stays unknown."""
    return Call("not", (expression,), Kind.YES_NO)


def need(expression: Expression, kind: Kind, where: str) -> None:
    """Insist on a kind.

    Raises:
        FormulaError: the expression is of another kind.
    """
    if expression.kind is not kind:
        raise FormulaError(f"{where} needs {kind}, but {_name(expression)} stands there")


def _name(expression: Expression) -> str:
    match expression:
        case FieldRef(name, kind):
            return f"'{name}' ({kind})"
        case Call(name, _, kind) if name in FUNCTIONS:
            return f"{name}() ({kind})"
        case _:
            return str(expression.kind)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean '...'?` for the nearest known word, or nothing."""
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else ""
