"""One batch on the desk: its cells, what became of them, and everything found wrong.

Rows are those after row splits; `origin` leads back to the record. Nothing is dropped here: what
is wrong is noted, and the row is taken out as a whole at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, Field
from pipeline.errors import ROW_CODES, RowCode
from pipeline.standardize.base import Converted, Rows

ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.string(),
    "number": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}
"""How each type of field is held while a batch is worked on. Numbers are their digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Rows of a batch with one fault. `field` is empty when several fields are meant."""

    rows: Rows
    field: str
    code: RowCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Rows of a batch whose cell of one field was changed, and why."""

    rows: Rows
    field: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Sheet:
    """The batch.

    cells: cleaned text of each mapped field, null where missing. known: what cells were converted
    to before. values: converted columns.
    numbers: float64 of the numeric ones. offsets: minutes from UTC of the times.
    errors take a row out; marks only count. changes stand in the order they were made.
    """

    count: int
    origin: Rows
    cells: dict[str, pa.StringArray]
    known: dict[str, Converted] = field(default_factory=dict)
    values: dict[str, pa.Array] = field(default_factory=dict)
    numbers: dict[str, pa.DoubleArray] = field(default_factory=dict)
    offsets: dict[str, pa.Int16Array] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)
    marks: list[Finding] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def change(self, name: str, changed: Mapping[str, Rows]) -> None:
        """Note cells that were changed, by reason."""
        for reason, rows in changed.items():
            if len(rows):
                self.changes.append(Change(rows=rows, field=name, reason=reason))

    def refuse(self, rows: Rows, name: str, code: RowCode, sentence: str | None = None) -> None:
        """Note an error."""
        if len(rows):
            self.errors.append(_finding(rows, name, code, sentence))

    def mark(self, rows: Rows, name: str, code: RowCode, sentence: str | None = None) -> None:
        """Note a warning."""
        if len(rows):
            self.marks.append(_finding(rows, name, code, sentence))

    def column(self, described: Field) -> pa.Array:
        """A field's values; all null when nothing feeds it."""
        values = self.values.get(described.name)
        return pa.nulls(self.count, ARROW_TYPES[described.type]) if values is None else values

    def has_error(self, names: frozenset[str] | None = None) -> npt.NDArray[np.bool_]:
        """Mask of rows with an error, in any field or in some."""
        found = np.zeros(self.count, dtype=bool)
        for error in self.errors:
            if names is None or error.field in names:
                found[error.rows] = True
        return found

    def receive(self, described: Field, part: pa.Array) -> None:
        """Let a field take a part of another cell. Its own column is believed where they agree.

        Where both state something else, neither is believed and the row is refused.
        """
        own = self.values.get(described.name)
        if own is None:
            self.values[described.name] = part
            return
        differ = np.flatnonzero(np.asarray(pc.not_equal(own, part).fill_null(False)))
        self.refuse(
            differ,
            described.name,
            RowCode.TYPE_ERROR,
            f"{described.name} stands in two columns of this row, and they say different things.",
        )
        self.values[described.name] = pc.coalesce(own, part)


def _finding(rows: Rows, name: str, code: RowCode, sentence: str | None) -> Finding:
    return Finding(rows=rows, field=name, code=code, sentence=sentence or ROW_CODES[code])


def range_ends(contract: Contract) -> Iterator[str]:
    """Fields that are an end of a range another cell holds."""
    for described in contract.fields:
        if described.split is not None:
            yield from (
                name for name in (described.split.low, described.split.high) if name is not None
            )
