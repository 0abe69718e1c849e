"""How many digits a converted value keeps. One rule, computed in decimal, the same everywhere.

A power of ten only moves the point: all digits stay. Another factor or a formula rounds (half to
even) to one significant digit more than was reported, and never to fewer than three; temperatures,
whose zero moves, to one decimal more than was reported. Digits before the point are never cut.
Zeros that this adds behind the point are dropped down to what was reported. 5.5 mmol/L of glucose
become 99.1 mg/dL, 98.6 °F become 37.0 °C, and 0.004 stays far from 0.00.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from pipeline.standardize.unit_scale import Line

_CONTEXT = Context(prec=60)
_MIN_DIGITS = 3
_MAX_LENGTH = 40


def apply_line(text: str, line: Line) -> str | None:
    """Canonical decimal text on the other side of a line; None for absurdly long numbers."""
    if line.factor == 1 and not line.offset:
        return text
    if is_too_long(text):
        return None
    value = Decimal(text)
    power = None if line.offset else _power_of_ten(line.factor)
    if power is not None:
        return format(value.scaleb(power, _CONTEXT), "f")
    exact = Fraction(text) * line.factor + line.offset
    quotient = _CONTEXT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    if line.offset:
        decimals = _decimals(text)
        return _written(quotient, decimals + 1, lambda short: _decimals(short) > decimals)
    return rounded(quotient, reported=text)


def is_too_long(text: str) -> bool:
    """True for numbers of more digits than the arithmetic here keeps. None is ever measured."""
    return len(text) > _MAX_LENGTH


def rounded(value: Decimal, *, reported: str) -> str:
    """`value` with the digits that conversion of `reported` deserves."""
    digits = significant_digits(reported)
    kept = max(_MIN_DIGITS, digits + 1) - 1 - value.adjusted() if value else 0
    return _written(value, max(kept, 0), lambda short: significant_digits(short) > digits)


def _written(value: Decimal, decimals: int, has_more: Callable[[str], bool]) -> str:
    """Plain text with `decimals` places, less the zeros at the end that are too many."""
    text = format(value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _CONTEXT), "f")
    while "." in text and text.endswith("0") and has_more(text):
        text = text[:-1].removesuffix(".")
    return text


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def significant_digits(text: str) -> int:
    """Digits from the first that is not zero; at least 1. Zeros at the end count: 1.10 has 3."""
    return max(1, len(text.lstrip("-").replace(".", "").lstrip("0")))


def _power_of_ten(factor: Fraction) -> int | None:
    whole = factor.numerator if factor.denominator == 1 else factor.denominator
    if factor.numerator != 1 and factor.denominator != 1:
        return None
    zeros = len(str(whole)) - 1
    if 10**zeros != whole:
        return None
    return zeros if factor.denominator == 1 else -zeros
