"""What the values of one sample column look like: counts over all of them.

Texts are kept while there are few different ones, because only then can they be a code set; of
every value else only a 64-bit hash stays, to tell whether values repeat.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.model import DEFAULT_MISSING_VALUES
from pipeline.rows.rowhash import hash_rows
from pipeline.standardize.dates import DateEvidence
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.numbers import NumberEvidence
from pipeline.standardize.text import clean, nullify

_MOST_TEXTS = 200
_ZERO_FIRST = r"^[+-]?0[0-9]"
_DIGITS = r"^[0-9]+$"


@dataclass(slots=True, kw_only=True)
class ColumnFacts:
    """Facts about one column over all sample files.

    rows, empty, missing_words: all cells, blank ones, and those that hold a word for "no value".
    texts: how often each text occurs; None once there are too many different ones.
    widths: how often each length occurs among values that are only digits.
    """

    label: str
    rows: int = 0
    empty: int = 0
    missing_words: int = 0
    values: int = 0
    texts: Counter[str] | None = field(default_factory=Counter)
    zero_first: int = 0
    digits_only: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    longest: int = 0
    dates: DateEvidence = field(default_factory=DateEvidence)
    numbers: NumberEvidence = field(default_factory=NumberEvidence)
    hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)

    def observe(self, cells: pa.StringArray) -> None:
        """Take in one batch of cells as they stand in the file."""
        cleaned = clean(cells)[0]
        stated = nullify(cleaned, DEFAULT_MISSING_VALUES)
        blank = int(pc.sum(pc.equal(cleaned, "").fill_null(True)).as_py() or 0)
        self.rows += len(cells)
        self.empty += blank
        self.missing_words += stated.null_count - blank
        self.hashes.append(hash_rows([cleaned.fill_null("")], len(cells)))
        self._observe_values(stated.drop_null())

    def _observe_values(self, values: pa.StringArray) -> None:
        self.values += len(values)
        if not len(values):
            return
        self.longest = max(self.longest, pc.max(pc.utf8_length(values)).as_py())
        self.zero_first += pc.match_substring_regex(values, _ZERO_FIRST).true_count
        digits = values.filter(pc.match_substring_regex(values, _DIGITS))
        self.digits_only += len(digits)
        for one in pc.value_counts(pc.utf8_length(digits)).to_pylist():
            self.widths[one["values"]] += one["counts"]
        self.dates.observe(values)
        self.numbers.observe(values)
        if self.texts is not None:
            self.texts.update(dict(read_distinct(values, str).counted()))
            if len(self.texts) > _MOST_TEXTS:
                self.texts = None

    @property
    def is_never_empty(self) -> bool:
        """True when every row has a value."""
        return self.rows > 0 and self.empty + self.missing_words == 0

    @property
    def whole(self) -> npt.NDArray[np.uint64]:
        """One hash a row, blank cells included."""
        return np.concatenate(self.hashes) if self.hashes else np.empty(0, dtype=np.uint64)
