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
_RUN = re.compile(rb"(?s)[\x80-\xff]+[\x00-\x7f]?")
_LEAD = 2  # bytes below 128 before a run
_LONGEST_BEFORE = 64  # bytes of a run before one that is looked for
_ASCII = bytes(range(128))
_SPACE, _LINE_END = b" \n"
_COMMON, _USED, _FOREIGN, _ODD = 1.0, 0.5, -1.2, -2.5
_BEST_PLACE, _ROUNDING = 1.2, 1e-6
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
    best, codec, rival = _likeliest(seen)
    lead = 8.0 if rival is None else best - rival
    good = max(0.0, min(1.0, 0.6 + 0.4 * best / sum(seen.weights.values())))
    confidence = round(good * (1 - 2.0 ** -max(0.0, lead)), 3)
    return CodePage(
        codec,
        confidence,
        f"its {contexts.total()} places with bytes above 127 are as text in {codec} has them",
        len(contexts),
    )


def _likeliest(seen: _Seen) -> tuple[float, str, float | None]:
    """The best score, whose it is, and the best one of a code page that shows another text.

    Code pages whose letters alone put them behind that one are not looked at closely.
    """
    letters = {codec: _letters(codec, seen) for codec in CODE_PAGES}
    scores: dict[str, float] = {}
    best, rival = "", None
    for codec in sorted(CODE_PAGES, key=lambda one: -_at_best(one, letters[one], seen)):
        if rival is not None and _at_best(codec, letters[codec], seen) < rival:
            break
        scores[codec] = letters[codec] + _places(codec, seen)
        best = max((one for one in CODE_PAGES if one in scores), key=lambda one: scores[one])
        shown = _shown(best, seen)
        others = [score for one, score in scores.items() if _shown(one, seen) != shown]
        rival = max(others, default=None)
    return scores[best], best, rival


def _contexts(data: bytes) -> Counter[bytes]:
    """Runs of bytes above 127 with their neighbours, and how often each occurs.

    Of a long text the first ones, and for each byte that stands in none of them, its first one.
    """
    text = b"\n" + data
    found: list[bytes] = []
    behind = 0
    for match in islice(_RUN.finditer(text), _MOST_SEEN):
        start, end = match.span()
        found.append(text[max(behind, start - _LEAD) : end])
        behind = end
    seen = set(b"".join(found))
    for byte in sorted(set(text[behind:].translate(None, _ASCII)) - seen):
        start = text.index(byte, behind)
        farthest = max(behind, start - _LONGEST_BEFORE)
        while start > farthest and text[start - 1] > 127:
            start -= 1
        for match in islice(_RUN.finditer(text, start), 1):
            found.append(text[max(behind, start - _LEAD) : match.end()])
    return Counter(found)


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


def _letters(codec: str, seen: _Seen) -> float:
    """How well the letters belong to one language, with what is given to the usual code pages."""
    languages, usual = CODE_PAGES[codec]
    chars = _chars(codec)
    letters = {byte: chars[byte] for byte in seen.weights if chars[byte] not in SIGNS}
    return usual + max(_belong(letters, seen, *alphabet) for alphabet in languages.values())


def _places(codec: str, seen: _Seen) -> float:
    """How well the characters stand beside their neighbours."""
    chars = _chars(codec)
    total = 0.0
    for (before, byte, behind, is_spaced), weight in seen.places.items():
        char = chars[byte]
        left = "0" if is_spaced and char in "€£°µ" else chars[before]
        total += weight * _place(char, left, chars[behind])
    return total


def _at_best(codec: str, letters: float, seen: _Seen) -> float:
    """What a code page scores at most: only signs are given something for where they stand."""
    chars = _chars(codec)
    signs = sum(weight for byte, weight in seen.weights.items() if chars[byte] in SIGNS)
    return letters + _BEST_PLACE * signs + _ROUNDING


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
