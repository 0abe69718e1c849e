"""What a unit is worth: its dimension and its exact factor. Conversion between two codes.

A code is a product of atoms over a product of atoms. Numerator and denominator are kept apart, so
that mmol/mol never turns into a percentage by cancelling: for HbA1c that would be wrong, and the
analyte's own formula is needed. Factors are exact fractions.
Sources: SI prefixes; the international pound, inch and foot (1959); conventional millimetre of
mercury 133.322387415 Pa and UCUM for the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import chain

from pipeline.standardize.unit_spellings import SPELLINGS
from pipeline.standardize.unit_words import PER, spelled_out

_PREFIXES = {
    "": 0, "k": 3, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15,
}  # fmt: skip
_PREFIXED = {
    "g": "mass",
    "L": "volume",
    "m": "length",
    "mol": "amount",
    "eq": "charge",
    "osm": "osmoles",
    "kat": "catalysis",
    "[iU]": "international",
    "s": "time",
}
_ATOMS: dict[str, tuple[str, Fraction]] = {
    prefix + base: (dimension, Fraction(10) ** power)
    for base, dimension in _PREFIXED.items()
    for prefix, power in _PREFIXES.items()
} | {
    "[lb_av]": ("mass", Fraction("453.59237")),
    "[oz_av]": ("mass", Fraction("28.349523125")),
    "[stone_av]": ("mass", Fraction("6350.29318")),
    "[in_i]": ("length", Fraction("0.0254")),
    "[ft_i]": ("length", Fraction("0.3048")),
    "min": ("time", Fraction(60)),
    "h": ("time", Fraction(3600)),
    "d": ("time", Fraction(86400)),
    "wk": ("time", Fraction(604800)),
    "(24.h)": ("time", Fraction(86400)),
    "mm[Hg]": ("pressure", Fraction("133.322387415")),
    "kPa": ("pressure", Fraction(1000)),
    "cm[H2O]": ("pressure", Fraction("98.0665")),
    "U": ("catalysis", Fraction(1, 60_000_000)),  # umol/min, in kat
    "mU": ("catalysis", Fraction(1, 60_000_000_000)),
    "uU": ("catalysis", Fraction(1, 60_000_000_000_000)),
    "MU": ("catalysis", Fraction(1, 60)),
    "m2": ("area", Fraction(1)),
    "5.mL": ("volume", Fraction("0.005")),
    "%": ("", Fraction(1, 100)),
}
_PLAIN_NUMBERS = {"L/L": Fraction(1), "{ratio}": Fraction(1)}
_POWER_OF_TEN = re.compile(r"10\*(\d+)")
_TEMPERATURES = {  # kelvin = value * factor + offset
    "K": (Fraction(1), Fraction(0)),
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """What one unit measures and how many base units it is.

    Dimensions are sorted (name, power) pairs; empty for a plain number.
    """

    numerator: Dimension
    denominator: Dimension
    factor: Fraction


@dataclass(frozen=True, slots=True)
class Line:
    """target = value * factor + offset, exact."""

    factor: Fraction
    offset: Fraction = Fraction(0)


@cache
def scale_of(code: str) -> Scale | None:
    """Scale of a UCUM code of the spelling table; None for those without one, like /[HPF]."""
    if code in _PLAIN_NUMBERS:
        return Scale((), (), _PLAIN_NUMBERS[code])
    over, *under = code.split("/")
    parts = [_measure(over)] if over else []
    below = [_measure(part) for part in under]
    if any(part is None for part in chain(parts, below)) or not (parts or below):
        return None
    top, bottom = Counter[str](), Counter[str]()
    factor = Fraction(1)
    for counter, power, found in chain(
        ((top, 1, part) for part in parts), ((bottom, -1, part) for part in below)
    ):
        if found is not None:
            counter[found[0]] += 1
            factor *= found[1] ** power
    return Scale(_dimension(top), _dimension(bottom), factor)


def _measure(atom: str) -> tuple[str, Fraction] | None:
    power = _POWER_OF_TEN.fullmatch(atom)
    return ("", Fraction(10) ** int(power[1])) if power else _ATOMS.get(atom)


def _dimension(counts: Counter[str]) -> Dimension:
    return tuple(sorted((name, power) for name, power in counts.items() if name))


def line_between(
    source: str, target: str, *, molar_mass: Fraction | None = None, valence: int | None = None
) -> Line | None:
    """How to get from one UCUM code to another, or None when no way is known.

    molar_mass: g/mol of the analyte, for mass and amount. valence: charges of its ion, for
    equivalents. Without them those pairs have no way between them.
    """
    if source == target:
        return Line(Fraction(1))
    if source in _TEMPERATURES and target in _TEMPERATURES:
        (factor, offset), (to_factor, to_offset) = _TEMPERATURES[source], _TEMPERATURES[target]
        return Line(factor / to_factor, (offset - to_offset) / to_factor)
    given, wanted = scale_of(source), scale_of(target)
    if given is None or wanted is None or given.denominator != wanted.denominator:
        return None
    if given.numerator == wanted.numerator:
        return Line(given.factor / wanted.factor)
    moles = _moles_per(given.numerator, molar_mass, valence)
    wanted_moles = _moles_per(wanted.numerator, molar_mass, valence)
    if moles is None or wanted_moles is None or not _is_volume_or_nothing(given.denominator):
        return None
    return Line(given.factor * moles / (wanted.factor * wanted_moles))


def _moles_per(
    numerator: Dimension, molar_mass: Fraction | None, valence: int | None
) -> Fraction | None:
    """Moles in one base unit of the analyte: a gram, a mole or an equivalent."""
    match numerator:
        case (("amount", 1),):
            return Fraction(1)
        case (("mass", 1),) if molar_mass:
            return 1 / molar_mass
        case (("charge", 1),) if valence:
            return Fraction(1, valence)
        case _:
            return None


def _is_volume_or_nothing(denominator: Dimension) -> bool:
    """The molar mass is the analyte's, so it says nothing about mg/g or mmol/mol."""
    return denominator in ((), (("volume", 1),))


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_TEN = re.compile(r"^(?:[xX×]\s*)?10\s*(?:\*\*|[\^*eExX]|(?=\())\s*\(?(\d{1,2})\)?(?=[/\s])")
_TEN_SUPERSCRIPT = re.compile(r"10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")


def _index() -> dict[str, str]:
    """Every spelling in unified writing -> its code. A spelling of two codes is a mistake here."""
    index: dict[str, str] = {}
    for code, spellings in SPELLINGS.items():
        for spelling in (code, *spellings):
            if index.setdefault(_unified(spelling), code) != code:
                raise ValueError(f"unit spelling {spelling!r} stands for two codes")
    return index


def _unified(text: str) -> str:
    """One writing for what has one meaning: micro signs, powers of ten, spaces at slashes."""
    text = _TEN_SUPERSCRIPT.sub(r"10^\1", text.strip())
    text = text.replace("\u00b5", "u").replace("\u03bc", "u").translate(_SUPERSCRIPTS)
    text = re.sub(r"\s*/\s*", "/", " ".join(text.split()))
    text = re.sub(r"(?<=m)\^(?=[23])", "", text)
    return _TEN.sub(r"10*\1", text)


_INDEX = _index()
_SINGLE = {spelling: code for spelling, code in _INDEX.items() if "/" not in spelling + code}


@lru_cache(maxsize=4096)  # bounded: the texts come from files
def normalize_unit(text: str) -> str | None:
    """UCUM code of a unit as written ("µg/dl" -> "ug/dL"), or None when the spelling is unknown.

    Case matters and is never folded: mg is known, Mg is not.
    """
    unified = _unified(text)
    code = _INDEX.get(unified)
    if code is not None:
        return code
    unified = PER.sub("/", unified)
    code = _INDEX.get(unified) or spelled_out(unified, _SINGLE)
    return _INDEX.get(code, code) if code is not None and scale_of(code) is not None else None
