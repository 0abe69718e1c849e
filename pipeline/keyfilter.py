"""Which rows may share a key: 8 bytes a row are kept, a hash, and no more.

The filter may only err by naming too many: equal keys always have equal hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rowhash import hash_rows

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How columns are compared.

    exact: fields compared letter by letter. instants: times with an offset, which are the same when
    they mean the same moment. Other text is compared in its matching form.
    """

    exact: frozenset[str] = frozenset()
    instants: frozenset[str] = frozenset()

    def column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """A column as duplicates are compared by it."""
        column = batch.column(name)
        if not pa.types.is_string(column.type):
            return column
        if name in self.instants:
            return pc.cast(column, pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return column if name in self.exact else matching_form(column)


class KeyFilter:
    """Names the rows whose key may occur more than once. State: 8 bytes a row."""

    def __init__(self, fields: Sequence[str], matching: Matching, *, null_is_a_value: bool) -> None:
        self._fields = tuple(fields)
        self._matching = matching
        self._null_is_a_value = null_is_a_value
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._considered: list[npt.NDArray[np.bool_]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        columns = [self._matching.column(batch, name) for name in self._fields]
        self._hashes.append(hash_rows(columns, batch.num_rows))
        if not self._null_is_a_value:
            stated = np.ones(batch.num_rows, dtype=bool)
            for column in columns:
                stated &= column.is_valid().to_numpy(zero_copy_only=False)
            self._considered.append(stated)

    def repeated(self) -> Positions:
        """Positions of every row whose key's hash another row has too, ascending."""
        if not self._hashes:
            return np.empty(0, dtype=np.int64)
        hashes = np.concatenate(self._hashes)
        positions = np.arange(len(hashes), dtype=np.int64)
        if self._considered:
            kept = np.concatenate(self._considered)
            hashes, positions = hashes[kept], positions[kept]
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        same = ordered[1:] == ordered[:-1]
        twin = np.zeros(len(ordered), dtype=bool)
        twin[1:] |= same
        twin[:-1] |= same
        return np.sort(positions[order[twin]])


def matching_form(values: pa.StringArray) -> pa.StringArray:
    """Text as duplicates are compared: casefolded, plain apostrophes, single spaces."""
    if pc.all(pc.string_is_ascii(values)).as_py() in (True, None):
        folded = pc.ascii_lower(values)
    else:
        folded = pa.array(
            [None if text is None else _casefolded(text) for text in values.to_pylist()],
            type=pa.string(),
        )
    if pc.any(pc.match_substring_regex(folded, r"\s\s|[\t\n]")).as_py():
        folded = pc.replace_substring_regex(folded, r"\s+", " ")
    return folded


def _casefolded(text: str) -> str:
    return text.casefold().replace("’", "'").replace("ʼ", "'").replace("‘", "'")
