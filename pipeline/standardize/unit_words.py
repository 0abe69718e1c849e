"""Units that are spelled out: `micromoles per litre` is read part by part, as people say it.

Only whole words are taken, and only those with one meaning; their case carries none, so it is
folded here and nowhere else. A single letter is never such a word (`M`, `G`, `u`).
"""

from __future__ import annotations

import re

_PREFIXES = {
    "kilo": "k", "deci": "d", "centi": "c", "milli": "m", "micro": "u", "mc": "u", "nano": "n",
    "pico": "p", "femto": "f", "": "",
}  # fmt: skip
_BASES = {
    "g": ("gram", "grams", "gramme", "grammes", "gramm"),
    "L": ("liter", "liters", "litre", "litres", "ltr"),
    "mol": ("mol", "mols", "mole", "moles"),
    "eq": ("eq", "equiv", "equivalent", "equivalents"),
    "m": ("meter", "meters", "metre", "metres"),
    "kat": ("kat", "katal", "katals"),
    "osm": ("osm", "osmol", "osmole", "osmoles"),
    "[iU]": ("international unit", "international units", "intl unit", "intl units"),
}
_WORDS = {
    f"{prefix}{word}": f"{sign}{base}"
    for base, words in _BASES.items()
    for word in words
    for prefix, sign in _PREFIXES.items()
    if prefix or len(word) > 3
} | {
    "unit": "U", "units": "U", "milliunit": "mU", "milliunits": "mU",
    "microunit": "uU", "microunits": "uU", "percent": "%",
    "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "std": "h", "day": "d",
    "days": "d", "second": "s", "seconds": "s",
    "mcl": "uL", "mm3": "uL", "cumm": "uL", "cmm": "uL", "cu mm": "uL", "cubic mm": "uL",
    "cubic millimeter": "uL", "cubic millimetre": "uL", "um3": "fL", "cubic micron": "fL",
}  # fmt: skip
_COUNTS = {
    "thousand": "10*3", "thousands": "10*3", "thou": "10*3", "thous": "10*3", "th": "10*3",
    "tsd": "10*3", "1000": "10*3",
    "million": "10*6", "millions": "10*6", "mill": "10*6", "mil": "10*6", "mio": "10*6",
    "giga": "10*9", "tera": "10*12",
}  # fmt: skip
_POWER = re.compile(r"10\*\d{1,2}")
PER = re.compile(r"\s*/\s*|\s+per\s+", re.IGNORECASE)


def spelled_out(text: str, known: dict[str, str]) -> str | None:
    """The code that the words of a unified unit text make together, None when one is unknown.

    known: unified spelling -> code of single units (mg, dl), letter by letter.
    """
    over, *under = PER.split(text.rstrip("."))
    if len(under) > 1:
        return None
    parts = [_part(over, known, is_count=bool(under)), *(_part(one, known) for one in under)]
    if any(part is None or "/" in part for part in parts):
        return None
    return "/".join(part for part in parts if part is not None)


def _part(text: str, known: dict[str, str], *, is_count: bool = False) -> str | None:
    words = " ".join(text.split())
    if is_count:
        bare = re.sub(r"\s*\b(?:cells?|count)$", "", words, flags=re.IGNORECASE)
        count = _COUNTS.get(bare.casefold()) or (bare if _POWER.fullmatch(bare) else None)
        if count is not None:
            return count
    return known.get(words) or _WORDS.get(words.casefold())
