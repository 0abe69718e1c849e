"""How alike two short texts are: the Jaro-Winkler similarity, 0 to 1.

Sources: M. A. Jaro (1989) for the similarity of letters that match within a window; W. E. Winkler
(1990) for the bonus of a common beginning. Names that people spell or type a little differently
come out near 1. It only ever orders and lists; nothing is merged because of it.
"""

from __future__ import annotations

from functools import lru_cache

_PREFIX = 4  # letters of a common beginning that count
_BONUS = 0.1  # ... and how much each does
_BONUS_FROM = 0.7  # texts that share little else get none


@lru_cache(maxsize=65_536)
def similarity(one: str, other: str) -> float:
    """1 for equal texts, 0 for texts without a letter in common. Symmetric."""
    if one == other:
        return 1.0
    one, other = sorted((one, other))  # letters are taken from the left: the order could matter
    jaro = _jaro(one, other)
    if jaro <= _BONUS_FROM:
        return jaro
    prefix = 0
    for mine, theirs in zip(one[:_PREFIX], other[:_PREFIX], strict=False):
        if mine != theirs:
            break
        prefix += 1
    return jaro + prefix * _BONUS * (1.0 - jaro)


def _jaro(one: str, other: str) -> float:
    window = max(0, max(len(one), len(other)) // 2 - 1)
    taken = [False] * len(other)
    mine: list[str] = []
    for at, letter in enumerate(one):
        for place in range(max(0, at - window), min(len(other), at + window + 1)):
            if not taken[place] and other[place] == letter:
                taken[place] = True
                mine.append(letter)
                break
    if not mine:
        return 0.0
    theirs = [letter for letter, is_taken in zip(other, taken, strict=True) if is_taken]
    moved = sum(left != right for left, right in zip(mine, theirs, strict=True)) // 2
    matches = len(mine)
    return (matches / len(one) + matches / len(other) + (matches - moved) / matches) / 3
