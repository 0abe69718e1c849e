"""A contract's formula in x, such as `0.09148 * x + 2.152`: arithmetic and nothing else.

It is parsed when the contract is loaded and computed in decimal, so that every machine gets the
same digits.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, localcontext

_OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_MAX_LENGTH = 200
_MAX_POWER = 9
_MAX_MAGNITUDE = 30  # no quantity in any unit has more digits before the point
_CONTEXT = Context(prec=40)


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula of one variable, x."""

    text: str
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Parse numbers, x, + - * / **, and brackets.

        Raises:
            ValueError: anything else is in it, or x is not.
        """
        if len(text) > _MAX_LENGTH:
            raise ValueError(f"formula is longer than {_MAX_LENGTH} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, RecursionError):
            raise ValueError(f"formula {text!r} is not arithmetic in x") from None
        if not _check(tree, text):
            raise ValueError(f"formula {text!r} does not use x")
        return cls(text, tree)

    def __call__(self, x: Decimal) -> Decimal | None:
        """Value at x, or None where there is none (1/0, or beyond all measure)."""
        with localcontext(_CONTEXT):
            try:
                result = _compute(self._tree, x)
            except DecimalException:
                return None
        return result if result.is_finite() and result.adjusted() <= _MAX_MAGNITUDE else None


def _check(node: ast.expr, text: str) -> bool:
    """True when x is used. Raises ValueError at the first thing that is not allowed."""
    match node:
        case ast.Name(id="x"):
            return True
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float()):
            return False
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            return _check(inner, text)
        case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant(value=int() as power)) if (
            not isinstance(power, bool) and power <= _MAX_POWER
        ):
            return _check(base, text)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), left=left, right=right):
            used = (_check(left, text), _check(right, text))
            return any(used)
        case _:
            pass
    raise ValueError(f"formula {text!r} may hold only numbers, x, + - * / ** and brackets")


def _compute(node: ast.expr, x: Decimal) -> Decimal:
    match node:
        case ast.Name():
            return x
        case ast.Constant(value=int() | float() as number):
            return Decimal(repr(number))  # repr gives back the digits that were written
        case ast.UnaryOp(op=sign, operand=inner):
            value = _compute(inner, x)
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_compute(left, x), _compute(right, x))
        case _:
            raise AssertionError("parse lets no other node through")
