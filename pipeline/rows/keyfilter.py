"""Which rows may share a key: 8 bytes a row are kept, a hash, and no more.

The filter may only err by naming too many: equal keys always have equal hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rows.hashlog import HashLog
from pipeline.rows.rowhash import hash_rows
from pipeline.standardize.distinct import put
from pipeline.standardize.textbytes import rows_beyond_ascii
from pipeline.standardize.wholetexts import FEW

Positions = npt.NDArray[np.int64]

_UNEVEN = re.compile(r"[\t\n\f\r ]{2}|[\t\n]")
_SPACES = re.compile(r"[\t\n\f\r ]+")  # what RE2 calls space
_ENDING_ZEROS = r"(\.\d*[1-9])0+$|\.0*$"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the values of fields are compared; text that is named nowhere by its matching form.

    exact: fields compared letter by letter. moments: fields of ISO 8601 times with offset, compared
    by the moment they name: 10:00-04:00 is 14:00Z. numbers: fields of decimal numbers, compared
    without the zeros that end their decimals: 80.0 is 80.
    """

    exact: frozenset[str] = frozenset()
    moments: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    def exactly(self, fields: Iterable[str]) -> Comparison:
        """The same, with further fields compared letter by letter."""
        return replace(self, exact=self.exact | frozenset(fields))

    def column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """A column as duplicates are compared by it."""
        column = batch.column(name)
        if not pa.types.is_string(column.type):
            return column
        if name in self.moments:
            return column.cast(pa.timestamp("us", "UTC"))
        if name in self.numbers:
            return pc.replace_substring_regex(column, _ENDING_ZEROS, r"\1")
        return column if name in self.exact else matching_form(column)


class KeyFilter:
    """Names the rows whose key may occur more than once. State: 8 bytes a row."""

    def __init__(
        self,
        fields: Sequence[str],
        comparison: Comparison,
        *,
        null_is_a_value: bool,
        folder: Path | None = None,
    ) -> None:
        self._fields = tuple(fields)
        self._comparison = comparison
        self._null_is_a_value = null_is_a_value
        self._log = HashLog(folder)
        self._few: list[pa.Array] | None = None  # all rows so far, while they are few

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        columns = [self._comparison.column(batch, name) for name in self._fields]
        if self._few is None and not self._log.rows and batch.num_rows <= FEW:
            self._few = columns
            return
        self._hash_few()
        self._hash(columns)

    def _hash_few(self) -> None:
        if self._few is not None:
            self._hash(self._few)
        self._few = None

    def _hash(self, columns: list[pa.Array]) -> None:
        stated = None if self._null_is_a_value else _all_stated(columns)
        self._log.add(hash_rows(columns, len(columns[0])), stated)

    def repeated(self) -> Positions:
        """Positions of every row whose key's hash another row has too, ascending."""
        if self._few is not None and _are_different(self._few):
            return np.empty(0, dtype=np.int64)
        self._hash_few()
        return self._log.places_of(self._doubled())

    def known(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Those of these ascending hashes (`hash_rows` of the key) that some row has."""
        self._hash_few()
        return self._log.among(hashes)

    def close(self) -> None:
        """Give up what is on disk."""
        self._log.close()

    def _doubled(self) -> npt.NDArray[np.uint64]:
        """The hashes that occur more than once, ascending."""
        found = [np.empty(0, dtype=np.uint64)]
        for _, hashes in self._log.parts():
            ordered = np.sort(hashes)
            found.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
        return np.sort(np.concatenate(found))


def _are_different(columns: Sequence[pa.Array]) -> bool:
    """True when no two of a few rows are the same; false also where that is not plain to see."""
    if not all(isinstance(one, (pa.StringArray, pa.Date32Array)) for one in columns):
        return False
    try:
        rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    except (OverflowError, ValueError):  # years that only Arrow knows
        return False
    return len(set(rows)) == len(rows)


def _all_stated(columns: Sequence[pa.Array]) -> npt.NDArray[np.bool_]:
    """Rows with no null. `columns` are of one length."""
    stated = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
    every: npt.NDArray[np.bool_] = np.logical_and.reduce(stated)
    return every


def matching_form(values: pa.StringArray) -> pa.StringArray:
    """Text as duplicates are compared: casefolded, plain apostrophes, single spaces."""
    if len(values) <= FEW:
        return _few_matching(values)
    folded = pc.ascii_lower(values)
    rows = rows_beyond_ascii(values)
    if len(rows):
        others = values.take(pa.array(rows)).to_pylist()
        folded = put(folded, rows, pa.array(map(_casefolded, others), pa.string()))
    if pc.any(pc.match_substring_regex(folded, r"\s\s|[\t\n]")).as_py():
        folded = pc.replace_substring_regex(folded, r"\s+", " ")
    return folded


def _few_matching(values: pa.StringArray) -> pa.StringArray:
    folded = [None if text is None else _casefolded(text) for text in values.to_pylist()]
    if any(text is not None and _UNEVEN.search(text) for text in folded):
        folded = [None if text is None else _SPACES.sub(" ", text) for text in folded]
    return pa.array(folded, pa.string())


def _casefolded(text: str) -> str:
    return text.casefold().replace("’", "'").replace("ʼ", "'").replace("‘", "'")
