"""Rows that were delivered before: what comes again is dropped, what contradicts them is kept out.

A delivery never changes. So a row that shares a key, a unique value or its source record with a
delivered one is not delivered beside it: it says the same, or somebody must look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.apply import RECORD
from pipeline.errors import RowCode
from pipeline.rows.dedupe import Batches, KeyReject, KeyRules
from pipeline.rows.rowhash import hash_rows

Past = Callable[[], Iterator[tuple[str, pa.RecordBatch]]]
"""Gives delivered rows with the label of the job that delivered them."""
Key = tuple[Any, ...]


@dataclass(slots=True)
class Taken:
    """Positions of rows that say again what was delivered, and of those that may not stay."""

    dropped: set[int] = field(default_factory=set)
    rejected: dict[int, KeyReject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyDelivered:
    """What was delivered before, looked up by the keys of rows that are to come."""

    rules: KeyRules
    past: Past

    def find(self, batches: Batches) -> Taken:
        """Compare the rows of `batches` with everything delivered."""
        taken = Taken()
        groups = [(RECORD,), *([self.rules.grouping] if self.rules.settles_keys else [])]
        for fields in (*groups, *self.rules.unique):
            self._compare(fields, batches, taken)
        return taken

    def _compare(self, fields: tuple[str, ...], batches: Batches, taken: Taken) -> None:
        waiting: dict[Key, list[tuple[int, Key]]] = {}
        hashes: list[Any] = []
        start = 0
        for batch in batches():
            hashes.append(self._hashes(batch, fields))
            keys, forms = self._forms(batch, fields), self._forms(batch, self.rules.fields)
            for at, (key, form) in enumerate(zip(keys, forms, strict=True)):
                if fields in (self.rules.grouping, (RECORD,)) or None not in key:
                    waiting.setdefault(key, []).append((start + at, form))
            start += batch.num_rows
        known = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, dtype=np.uint64)
        for job, delivered in self.past():
            places = np.flatnonzero(np.isin(self._hashes(delivered, fields), known))
            chosen = delivered.take(pa.array(places))
            forms = self._forms(chosen, self.rules.fields)
            for key, form in zip(self._forms(chosen, fields), forms, strict=True):
                for position, mine in waiting.get(key, ()):
                    self._judge(position, is_same=mine == form, why=(job, fields), taken=taken)

    def _judge(
        self, position: int, *, is_same: bool, why: tuple[str, Sequence[str]], taken: Taken
    ) -> None:
        job, fields = why
        if is_same:
            taken.dropped.add(position)
            taken.rejected.pop(position, None)
        elif position not in taken.dropped:
            taken.rejected.setdefault(position, _reject(job, fields, self.rules))

    def _hashes(self, batch: pa.RecordBatch, fields: Sequence[str]) -> Any:
        return hash_rows(self._columns(batch, fields), batch.num_rows)

    def _forms(self, batch: pa.RecordBatch, fields: Sequence[str]) -> list[Key]:
        columns = [column.to_pylist() for column in self._columns(batch, fields)]
        return list(zip(*columns, strict=True))

    def _columns(self, batch: pa.RecordBatch, fields: Sequence[str]) -> list[pa.Array]:
        comparison = self.rules.comparison.exactly(fields)
        return [comparison.column(batch, name) for name in fields]


def _reject(job: str, fields: Sequence[str], rules: KeyRules) -> KeyReject:
    if tuple(fields) == (RECORD,):
        return KeyReject(
            code=RowCode.PRIMARY_KEY,
            fields=("",),
            sentence=f"{job} delivered this record before, with other values; what was delivered "
            "is not changed.",
        )
    names = ", ".join(fields)
    is_key = tuple(fields) == rules.grouping
    return KeyReject(
        code=RowCode.PRIMARY_KEY if is_key else RowCode.UNIQUE_ERROR,
        fields=tuple(fields),
        sentence=f"{job} delivered another row with the same {names}.",
    )
