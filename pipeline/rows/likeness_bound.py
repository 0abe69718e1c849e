"""How alike two texts can be at most, for many pairs at once. Cheap, so that few are looked at.

Letters that match are at most the letters both texts have, and none of them may be moved; that
bounds the Jaro similarity from above, and with the common beginning the Jaro-Winkler one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_BINS = 32  # letters that share a bin only make the bound higher
_AT_ONCE = 16_384  # pairs: 2 MB
_PREFIX = 4
_BONUS = 0.1
_ROUNDING = 1e-9

Places = npt.NDArray[np.int64]


class LetterCounts:
    """Letters, lengths and beginnings of some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        rows = np.repeat(np.arange(len(texts)), lengths)
        slots = rows * _BINS + letters % _BINS
        counted = np.bincount(slots, minlength=len(texts) * _BINS)
        self._counts = np.minimum(counted, 65_535).astype(np.uint16).reshape(-1, _BINS)
        self._lengths = lengths
        self._heads = _heads(letters, lengths)

    def most_alike(self, ones: Places, others: Places) -> npt.NDArray[np.float64]:
        """For each pair of places, a number that its Jaro-Winkler similarity does not exceed."""
        found = [
            self._most_alike(ones[start : start + _AT_ONCE], others[start : start + _AT_ONCE])
            for start in range(0, len(ones), _AT_ONCE)
        ]
        return np.concatenate(found) if found else np.empty(0)

    def _most_alike(self, ones: Places, others: Places) -> npt.NDArray[np.float64]:
        common = np.minimum(self._counts[ones], self._counts[others]).sum(axis=1)
        shares = [common / np.maximum(self._lengths[side], 1) for side in (ones, others)]
        jaro = np.minimum((shares[0] + shares[1] + 1.0) / 3.0, 1.0)
        jaro[self._lengths[ones] + self._lengths[others] == 0] = 1.0  # nothing equals nothing
        same = self._heads[ones] == self._heads[others]
        prefix = np.logical_and.accumulate(same, axis=1).sum(axis=1)
        most: npt.NDArray[np.float64] = jaro + prefix * _BONUS * (1.0 - jaro) + _ROUNDING
        return most


def _heads(letters: npt.NDArray[np.uint32], lengths: Places) -> npt.NDArray[np.uint32]:
    """The first letters of each text; 0 behind its end, which only makes two texts more alike."""
    heads = np.zeros((len(lengths), _PREFIX), dtype=np.uint32)
    starts = np.cumsum(lengths) - lengths
    for place in range(_PREFIX):
        has = lengths > place
        heads[has, place] = letters[starts[has] + place]
    return heads
