"""The report of one delivery: what was read, what was decided and why, and where every row went.

Everything but `timings_s` depends only on the bytes, the plan and the version; `timings_s` is
therefore outside the promise that the same input gives the same output bytes.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.contract.loading import Contract
from pipeline.messages import RowCounts
from pipeline.outputs.changes import counted_changes
from pipeline.plain import Kept, KeptList, as_dict
from pipeline.plan import ColumnPlan, Plan
from pipeline.references import References
from pipeline.rows.pairs import Tally as PairTally
from pipeline.same import remembered
from pipeline.version import program_version

SCHEMA = "harmonizer-report/1"


@dataclass(slots=True)
class FieldTally:
    """What happened to one field of the contract.

    valid, null: cells of the delivered rows. changed: cells of all rows, by reason.
    unknown: how many cells of a coded field were in no code, and were kept out or kept raw.
    """

    valid: int = 0
    null: int = 0
    changed: dict[str, int] = field(default_factory=dict)

    def note(self, reason: str, cells: int) -> None:
        """Count changed cells."""
        self.changed[reason] = self.changed.get(reason, 0) + cells


@dataclass(slots=True)
class Tally:
    """Everything counted while one file is applied."""

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    fields: dict[str, FieldTally] = field(default_factory=dict)

    def of(self, name: str) -> FieldTally:
        """The tally of one field."""
        found = self.fields.get(name)
        if found is None:
            found = self.fields[name] = FieldTally()
        return found

    def add(self, other: Tally) -> None:
        """Take in what was counted elsewhere, of other rows."""
        self.read += other.read
        self.skipped += other.skipped
        self.warnings += other.warnings
        self.checks += other.checks
        for name, counted in other.fields.items():
            own = self.of(name)
            own.valid += counted.valid
            own.null += counted.null
            for reason, cells in counted.changed.items():
                own.note(reason, cells)


def build_report(
    *,
    job: str,
    source: Mapping[str, Any],
    now_s: float,
    contract: Contract,
    plan: Plan,
    counts: RowCounts,
    tally: Tally,
    rejects: Mapping[str, int],
    rejects_by_field: Mapping[tuple[str, str], int],
    rejected_records: Sequence[Sequence[int]],
    timings_s: Mapping[str, float],
    references: References,
    pairs: PairTally | None = None,
    refused: str | None = None,
    parent: str | None = None,
) -> dict[str, Any]:
    """The document of `report.json`, but for the list of files, which is known last.

    now_s: the moment that rules such as `birth_date <= today()` were held against (UTC epoch).
    rejected_records: ranges [first, last]. `refused` says why the file was not delivered, if so;
    `parent` is the job whose rejects these rows correct.
    """
    return {
        "schema": SCHEMA,
        "job": job,
        "parent": parent,
        "refused": refused,
        "source": dict(source),
        "now_s": now_s,
        "contract": {
            "name": contract.name,
            "version": contract.version,
            "sha256": contract.sha256,
        },
        "engine": engine(),
        "counts": _counts(counts, tally),
        "rejects": _sorted(rejects),
        "rejects_of_rows": _sorted(
            {code: rows for (code, field), rows in rejects_by_field.items() if not field}
        ),
        "warnings": _sorted(tally.warnings),
        "checks": _together(
            *[
                _check(check.id, check.formula, check.severity, tally.checks[check.id])
                for check in contract.checks
            ]
        ),
        "columns": _together(*_columns(contract, plan, tally, rejects_by_field)),
        "rejected_records": [list(one) for one in rejected_records],
        "changes": counted_changes(
            {
                name: _sorted(tally.fields[name].changed)
                for name in contract.field_names
                if name in tally.fields and tally.fields[name].changed
            }
        ),
        "unclaimed_columns": [as_dict(column) for column in plan.unclaimed],
        "references": references.report(),
        "possible_duplicates": None if pairs is None else pairs.to_dict(),
        "not_checked": references.not_checked(),
        "decisions": _decisions(plan.sentences()),
        "plan": plan.to_dict(),
        "outputs": [],
        "timings_s": {name: round(seconds, 3) for name, seconds in timings_s.items()},
    }


@remembered(256)
def _together(*parts: Kept) -> KeptList:
    return KeptList(parts)


@remembered(256)
def _decisions(sentences: tuple[str, ...]) -> KeptList:
    return KeptList(sentences)


@cache
def engine() -> dict[str, str]:
    """Versions of everything whose change could change a value."""
    return Kept(
        {
            "harmonizer": program_version(),
            "python": platform.python_version(),
            "pyarrow": pa.__version__,
            "numpy": np.__version__,
            "pandas": pd.__version__,
        }
    )


def _counts(counts: RowCounts, tally: Tally) -> dict[str, Any]:
    return {
        "rows_read": counts.read,
        "rows_added": counts.added,
        "rows_written": counts.written,
        "rows_rejected": counts.rejected,
        "rows_duplicate": counts.duplicate,
        "rows_skipped": counts.skipped,
        "skipped_because": _sorted(tally.skipped),
    }


@lru_cache(maxsize=1_024)
def _check(name: str, formula: str, severity: str, rows: int) -> Kept:
    return Kept({"id": name, "formula": formula, "severity": severity, "rows": rows})


def _columns(
    contract: Contract,
    plan: Plan,
    tally: Tally,
    rejects_by_field: Mapping[tuple[str, str], int],
) -> list[Kept]:
    rejected: dict[str, dict[str, int]] = {}
    for (code, name), rows in rejects_by_field.items():
        rejected.setdefault(name, {})[code] = rows
    made = []
    for one in _planned(contract, plan.columns):
        counted, bad = tally.of(one[0]), rejected.get(one[0])
        changed = tuple(_sorted(counted.changed).items()) if counted.changed else ()
        refused = () if bad is None else tuple(_sorted(bad).items())
        made.append(_column(*one, counted.valid, counted.null, changed, refused))
    return made


@remembered(256)
def _planned(
    contract: Contract, columns: tuple[ColumnPlan, ...]
) -> tuple[tuple[str, str, str | None, str | None], ...]:
    """Each field with its type, and the label and kind of the column that feeds it, if any."""
    feeding: dict[str, ColumnPlan] = {}
    for one in columns:
        feeding.setdefault(one.field, one)
    named = ((field.name, field.type, feeding.get(field.name)) for field in contract.fields)
    return tuple(
        (name, kind, None, None) if one is None else (name, kind, one.label, one.kind)
        for name, kind, one in named
    )


@lru_cache(maxsize=8_192)
def _column(
    name: str,
    kind_of_field: str,
    label: str | None,
    kind: str | None,
    valid: int,
    null: int,
    changed: tuple[tuple[str, int], ...],
    rejected: tuple[tuple[str, int], ...],
) -> Kept:
    """What is told of one column; of many files it is the same."""
    return Kept(
        {
            "field": name,
            "type": kind_of_field,
            "label": label,
            "kind": kind,
            "valid": valid,
            "null": null,
            "changed": dict(changed),
            "rejected": dict(rejected),
        }
    )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """Most frequent first, then by name."""
    if not counts:
        return {}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: count for name, count in ranked if count}
