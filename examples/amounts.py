"""What a number is worth in another unit, by rules of its own: the oracle for conversions.

Factors come from molar masses (IUPAC atomic weights), valences and the definitions of the units.
Digits follow the promise of the delivery: a shift of the decimal point keeps them all; any other
factor gives one significant digit more than was reported and at least three; temperatures one
decimal more; zeros that this adds are dropped again. Fractions are exact, halves go to even.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

FAHRENHEIT = (Fraction(5, 9), Fraction(-160, 9))
"""Celsius = Fahrenheit * factor + offset."""


def times(text: str, factor: Fraction) -> str:
    """The number in a unit that is `factor` times as small."""
    power = _power_of_ten(factor)
    if power is not None:
        return text if power == 0 else format(Decimal(text).scaleb(power), "f")
    return formula(text, factor, Fraction(0))


def formula(text: str, factor: Fraction, offset: Fraction) -> str:
    """factor * x + offset, with the digits that the reported ones deserve."""
    exact = Fraction(text) * factor + offset
    digits = significant(text)
    whole = len(str(int(abs(exact)))) if abs(exact) >= 1 else _leading_zeros(abs(exact))
    written = _fixed(exact, max(max(3, digits + 1) - whole, 0))
    while "." in written and written.endswith("0") and significant(written) > digits:
        written = written[:-1].removesuffix(".")
    return written


def celsius(text: str) -> str:
    """Degrees Fahrenheit in degrees Celsius."""
    factor, offset = FAHRENHEIT
    decimals = len(text.partition(".")[2])
    written = _fixed(Fraction(text) * factor + offset, decimals + 1)
    return written[:-1].removesuffix(".") if written.endswith("0") else written


def significant(text: str) -> int:
    """Digits from the first that is not zero."""
    return max(1, len(text.lstrip("-").replace(".", "").lstrip("0")))


def _leading_zeros(value: Fraction) -> int:
    """0 for 0.5, -1 for 0.05: what the first digit's place is short of the point."""
    places = 0
    while value and value * 10 < 1:
        value *= 10
        places -= 1
    return places


def _fixed(exact: Fraction, decimals: int) -> str:
    return format(Decimal(round(exact * 10**decimals)).scaleb(-decimals), "f")


def _power_of_ten(factor: Fraction) -> int | None:
    for power in range(-12, 13):
        if factor == Fraction(10) ** power:
            return power
    return None
