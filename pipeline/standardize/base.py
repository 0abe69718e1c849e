"""The shape every kind of value has: observe a column, decide once, convert batch by batch.

A kind keeps three things apart. *Evidence* is counted over every value of the column and holds
counts and shapes, never values. A *decision* is plain data made from the evidence once per column,
or a `Question` when the evidence proves nothing. *Conversion* obeys the decision and looks at
nothing else, so two batches can never be read differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import FileCode, RowCode

Rows = npt.NDArray[np.int64]
"""Positions within one batch, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something the values do not prove. `sentence` names counts and shapes, never values.

    key: the question's name, made of its kind, the column's label and what it is about, such as
    `date:dob:99/99/9999`. answers: possible answers and what they mean. free: what else may be
    answered, in words. proposed: the answer the evidence speaks for without proving it.
    """

    code: FileCode
    column: str
    sentence: str
    key: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    free: str | None = None
    proposed: str | None = None


@dataclass(slots=True, kw_only=True)
class Converted:
    """One column of one batch after conversion.

    values: typed Arrow array, as long as the batch; null where the cell was missing or refused.
    bad: rows whose value is refused, by reject code. The row goes to the rejects.
    marked: rows kept with a warning, by code.
    extra: further fields made from the same cells (comparator, unit, text ...), same length.
    changed: rows whose cell was changed, by reason ("date-reformatted", "code-mapped" ...).
    """

    values: pa.Array
    bad: dict[RowCode, Rows] = field(default_factory=dict)
    marked: dict[RowCode, Rows] = field(default_factory=dict)
    extra: dict[str, pa.Array] = field(default_factory=dict)
    changed: dict[str, Rows] = field(default_factory=dict)


def where(**reasons: npt.NDArray[np.bool_]) -> dict[str, Rows]:
    """Rows by reason from masks; `date_reformatted=mask` becomes "date-reformatted"."""
    found = {reason.replace("_", "-"): np.flatnonzero(mask) for reason, mask in reasons.items()}
    return {reason: rows for reason, rows in found.items() if len(rows)}
