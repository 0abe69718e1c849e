"""Which legacy code page a text is in, by evidence over all its bytes above 127.

Every single-byte code page decodes nearly every byte. What differs is whether the characters belong
to one language, stand where its words have them, and are small or capital as their neighbours are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice

from pipeline.formats.raw.alphabets import CODE_PAGES, SIGNS
from pipeline.formats.raw.eastern import eastern

_MOST_SEEN = 3_000
_RUN = re.compile(rb"(?s)[\x00-\x7f]{0,2}[\x80-\xff]+[\x00-\x7f]?")
_SPACE, _LINE_END = b" \n"
_COMMON, _USED, _FOREIGN, _ODD = 1.0, 0.5, -1.2, -2.5
_JOINERS = "’‘´·–—-\u00ad"


@dataclass(frozen=True, slots=True)
class CodePage:
    """A code page with what speaks for it.

    confidence: 0 to 1. distinct: how many different places of its text were looked at.
    """

    codec: str
    confidence: float
    evidence: str
    distinct: int


def detect(data: bytes) -> CodePage:
    """The likeliest code page of `data`, which is not UTF-8."""
    asian = eastern(data)
    if asian is not None:
        codec, share = asian
        note = f"{share:.0%} of its double bytes are usual there"
        return CodePage(codec, round(share, 3), note, len(_contexts(data)))
    contexts = _contexts(data)
    if not contexts:
        return CodePage("cp1252", 0.5, "no byte above 127 was seen in the sample", 0)
    seen = _seen(contexts)
    found = sorted(((_score(codec, seen), codec) for codec in CODE_PAGES), key=lambda one: -one[0])
    best, codec = found[0]
    shown = _shown(codec, seen)
    rivals = [score for score, other in found[1:] if _shown(other, seen) != shown]
    lead = best - rivals[0] if rivals else 8.0
    good = max(0.0, min(1.0, 0.6 + 0.4 * best / sum(seen.weights.values())))
    confidence = round(good * (1 - 2.0 ** -max(0.0, lead)), 3)
    return CodePage(
        codec,
        confidence,
        f"its {contexts.total()} places with bytes above 127 are as text in {codec} has them",
        len(contexts),
    )


def _contexts(data: bytes) -> Counter[bytes]:
    """Runs of bytes above 127 with their neighbours, and how often each occurs."""
    runs = _RUN.finditer(b"\n" + data)
    return Counter(match[0] for match in islice(runs, _MOST_SEEN))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a text's bytes above 127, all of it weighted.

    places: by the byte before, the byte itself, the one behind, and whether the one before is the
    space between a number and what may be its unit. weights: by the byte.
    """

    places: dict[tuple[int, int, int, bool], float]
    weights: dict[int, float]


def _seen(contexts: Counter[bytes]) -> _Seen:
    places: dict[tuple[int, int, int, bool], float] = {}
    weights: dict[int, float] = {}
    for context, count in contexts.items():
        weight = _weight(count)
        for at, byte in enumerate(context):
            if byte < 128:
                continue
            before = context[at - 1] if at else _LINE_END
            behind = context[at + 1] if at + 1 < len(context) else _LINE_END
            is_spaced = before == _SPACE and at > 1 and context[at - 2] in b"0123456789"
            key = before, byte, behind, is_spaced
            places[key] = places.get(key, 0.0) + weight
            weights[byte] = weights.get(byte, 0.0) + weight
    return _Seen(places, weights)


def _weight(count: int) -> float:
    """Repeats of the same place prove little more."""
    return min(count, 3) + 0.1 * max(0, count - 3)


@cache
def _chars(codec: str) -> str:
    """The character of each byte."""
    return "".join(bytes([byte]).decode(codec, "replace") for byte in range(256))


def _shown(codec: str, seen: _Seen) -> list[str]:
    chars = _chars(codec)
    return [chars[byte] for byte in seen.weights]


def _score(codec: str, seen: _Seen) -> float:
    languages, usual = CODE_PAGES[codec]
    chars = _chars(codec)
    letters = {byte: chars[byte] for byte in seen.weights if chars[byte] not in SIGNS}
    total = usual
    for (before, byte, behind, is_spaced), weight in seen.places.items():
        char = chars[byte]
        left = "0" if is_spaced and char in "€£°µ" else chars[before]
        total += weight * _place(char, left, chars[behind])
    return total + max(_belong(letters, seen, *alphabet) for alphabet in languages.values())


def _belong(letters: dict[int, str], seen: _Seen, frequent: str, others: str) -> float:
    return sum(
        seen.weights[byte]
        * (_COMMON if char in frequent else _USED if char in others else _FOREIGN)
        for byte, char in letters.items()
    )


@lru_cache(16_384)
def _place(char: str, before: str, after: str) -> float:
    if char == "\ufffd" or (not char.isprintable() and char not in "\u00a0\u00ad"):
        return 2 * _ODD
    if char in SIGNS:
        return _of_sign(char, before, after)
    if not char.isalpha():
        return _ODD
    if not before.isalpha() and not after.isalpha():
        return -0.6 if char in "àéèóíøåæоаиівсяуыюη" else -1.4
    odd = 0.0
    for other in (before, after):
        if other.isalpha() and _script(other) != _script(char):
            odd += _ODD
        if other.isdigit():
            odd += _ODD / 2
    if before.isalpha() and before.islower() and char.isupper():
        odd += _ODD
    if char.islower() and before.isupper() and after.isupper():
        odd += _ODD / 2
    if char.isupper() and after.islower() and before.isalpha():
        odd += _ODD / 2
    return odd


def _of_sign(char: str, before: str, after: str) -> float:
    if before.isalpha() and after.isalpha():
        if char == "’":
            return 1.2
        return 0.4 if char in _JOINERS or char == "µ" else _ODD
    if char in "°²³µ±½€£×%" and (before.isdigit() or after.isdigit() or after in "CFKglmLs"):
        return 1.0
    if (char in "“„‘«" and after.isalnum()) or (char in "”’»" and before.isalnum()):
        return 0.6
    return 0.2 if char in "–—…•©®™§\u00a0°µ" else -0.2


def _script(char: str) -> str:
    code = ord(char)
    if code < 0x250 or char in "ºª":
        return "Latin"
    return "Greek" if code < 0x400 else "Cyrillic" if code < 0x530 else "other"
