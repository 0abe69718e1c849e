"""Whether bytes above 127 make sense as Western text in Windows code page 1252.

Nothing in a file says that it is cp1252: every byte but five is some character. What can be told is
whether those characters stand where a Western language puts them: letters within words, signs
beside numbers. Polish, Greek or Cyrillic text, or a DOS code page, read as cp1252 fails that test.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_OTHER, _LOWER, _UPPER, _DIGIT, _HIGH_LOWER, _HIGH_UPPER = range(6)
_JOINER, _SIGN, _OPENING_QUOTE, _FOREIGN = range(6, 10)

_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
# Letters that are words by themselves (à, é, ó ...) or signs (Ø for "none" and for diameter).
_LONE = "àÀéÉèÈêóÓòÒíÍøØåÅ"
_TOLERATED_RATIO = 1 / 200


def _classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    kinds = {
        _LOWER: "abcdefghijklmnopqrstuvwxyz",
        _UPPER: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _DIGIT: "0123456789",
        _HIGH_LOWER: "ßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿšœž",
        _HIGH_UPPER: "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŠŒŽ",
        _JOINER: "’‘´–—·…™®\u00a0\u00ad",
        _SIGN: "€£¥¢°±²³µ×÷§©«»‹›¼½¾“”•†‡‰¿¡ªº",
        _OPENING_QUOTE: "‚„",
        _FOREIGN: "¤¦¨¬¯¸¶ˆ˜ƒ¹Ÿ",
    }
    for kind, characters in kinds.items():
        table[list(characters.encode("cp1252"))] = kind
    table[list(_UNDEFINED)] = _FOREIGN
    return table


_CLASS = _classes()
_IS_LETTER = np.isin(np.arange(10), (_LOWER, _UPPER, _HIGH_LOWER, _HIGH_UPPER))
_IS_HIGH_LETTER = np.isin(np.arange(10), (_HIGH_LOWER, _HIGH_UPPER))
# Above 127 and, unlike dashes, apostrophes and no-break spaces, never three in a row.
_IS_DENSE = np.isin(np.arange(10), (_HIGH_LOWER, _HIGH_UPPER, _SIGN, _FOREIGN))
_IS_LONE = np.isin(np.arange(256), list(_LONE.encode("cp1252")))


class WesternEvidence:
    """Counts over a whole file, fed chunk by chunk.

    high: bytes above 127. implausible: those that stand where Western text has no such character.
    undefined: those that cp1252 does not define. utf8_sequences: characters of valid UTF-8.
    """

    def __init__(self) -> None:
        self.high = 0
        self.implausible = 0
        self.undefined = 0
        self.utf8_sequences = 0
        self._tail = b"\n\n"

    def observe(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        text = self._tail + chunk
        self._tail = text[-2:]
        codes = np.frombuffer(text, dtype=np.uint8)
        at = np.flatnonzero(codes[1:-1] >= 0x80) + 1
        if len(at) == 0:
            return
        self.high += len(at)
        self.undefined += int(np.isin(codes[at], list(_UNDEFINED)).sum())
        self.utf8_sequences += _count_utf8(codes, at)
        self.implausible += int(_implausible(codes, at).sum())

    def finish(self) -> None:
        """Take the end of the file."""
        self.observe(b"\n\n")

    @property
    def is_western(self) -> bool:
        """True when the file may be read as cp1252."""
        return not self.undefined and self.implausible <= self.high * _TOLERATED_RATIO

    @property
    def is_damaged_utf8(self) -> bool:
        """True when enough of the bytes are valid UTF-8 to suspect that all of them were."""
        return self.utf8_sequences * 20 > self.high


def _count_utf8(codes: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> int:
    """Count the two- and three-byte UTF-8 characters that start at positions `at`."""
    first, second = codes[at], codes[at + 1]
    third = codes[np.minimum(at + 2, len(codes) - 1)]
    second_follows = (second >= 0x80) & (second < 0xC0)
    third_follows = (third >= 0x80) & (third < 0xC0)
    two = (first >= 0xC2) & (first <= 0xDF) & second_follows
    three = (first >= 0xE0) & (first <= 0xEF) & second_follows & third_follows
    return int((two | three).sum())


def _implausible(codes: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell which of the high bytes at positions `at` stand where no Western text has them."""
    before, kind, after = _CLASS[codes[at - 1]], _CLASS[codes[at]], _CLASS[codes[at + 1]]
    letter_before, letter_after = _IS_LETTER[before], _IS_LETTER[after]
    inside_word = letter_before & letter_after
    is_letter = _IS_HIGH_LETTER[kind]

    three_in_a_row = _IS_DENSE[before] & _IS_DENSE[kind] & _IS_DENSE[after]
    alone = ~letter_before & ~letter_after & ~_IS_LONE[codes[at]]
    beside_digit = (before == _DIGIT) | ((after == _DIGIT) & ~_IS_LONE[codes[at]])
    capital_inside = (kind == _HIGH_UPPER) & (
        (before == _LOWER) | (letter_before & (after == _LOWER))
    )
    bad_letter = is_letter & (alone | beside_digit | capital_inside)
    bad_sign = (kind == _SIGN) & inside_word
    bad_quote = (kind == _OPENING_QUOTE) & letter_before
    result: npt.NDArray[np.bool_] = (
        three_in_a_row | bad_letter | bad_sign | bad_quote | (kind == _FOREIGN)
    )
    return result
