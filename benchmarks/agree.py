"""Does an engine's output say what is true? Asked of every row before any time counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from benchmarks.generate import FIELDS

COUNTS = ("read", "written", "rejected", "duplicate", "skipped")
CONVERTED = frozenset(
    {"date-reformatted", "code-mapped", "phone-reformatted", "domain-lower-cased",
     "postal-code-reformatted", "converted"}
)  # fmt: skip

CLEANED = frozenset({"trimmed", "nfc", "zero-width", "control-removed"})


class Disagreement(AssertionError):
    """An engine's output differs from the truth; says where first."""


def check(folder: Path, truth: Path) -> dict[str, Any]:
    """Compare rows, rejects and counts with the truth; returns the engine's counts.

    Raises:
        Disagreement: something differs.
    """
    counts = counts_of(folder)
    told = pq.ParquetFile(truth)
    fates: Counter[str] = Counter()
    rejects: list[tuple[int, int, str, str]] = []
    rows = _Rows(folder / "patients.csv")
    for batch in told.iter_batches(batch_size=100_000):
        fates.update(batch.column("fate").to_pylist())
        kept = batch.filter(pc.equal(batch.column("fate"), "written"))
        rows.compare(kept)
        out = batch.filter(pc.equal(batch.column("fate"), "rejected"))
        rejects += zip(
            *(out.column(name).to_pylist() for name in ("record", "line", "field", "code")),
            strict=True,
        )
    rows.at_end()
    _same("rejects", sorted(rejects_of(folder)), sorted(rejects))
    _same("rows written", counts["written"], fates["written"])
    _same("records rejected", counts["rejected"], fates["rejected"])
    _same("duplicates", counts["duplicate"], fates["duplicate"])
    _same("records read", counts["read"], fates.total() + counts["skipped"])
    return counts


def _same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        if isinstance(found, list):
            pairs = zip([*found, None], [*expected, None], strict=False)
            found, expected = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
        raise Disagreement(f"{what}: {found} instead of {expected}")


class _Rows:
    """The delivered rows, compared from the first to the last."""

    def __init__(self, path: Path) -> None:
        self._reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(FIELDS, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
        self._waiting: list[pa.RecordBatch] = []
        self._row = 0

    def _next(self, rows: int) -> pa.Table:
        while sum(batch.num_rows for batch in self._waiting) < rows:
            try:
                self._waiting.append(self._reader.read_next_batch())
            except StopIteration:
                break
        if not self._waiting:
            return pa.table({name: pa.array([], pa.string()) for name in FIELDS})
        table = pa.Table.from_batches(self._waiting)
        self._waiting = table.slice(rows).to_batches()
        return table.slice(0, rows)

    def compare(self, truth: pa.RecordBatch) -> None:
        """Compare the next rows."""
        found = self._next(truth.num_rows)
        _same("rows", self._row + found.num_rows, self._row + truth.num_rows)
        for name in FIELDS:
            left, right = found.column(name), truth.column(name)
            same = pc.if_else(
                pc.and_(left.is_null(), right.is_null()),
                True,
                pc.equal(left, right).fill_null(False),
            )
            if not pc.all(same).as_py():
                at = pc.index(same, False).as_py()
                raise Disagreement(
                    f"row {self._row + at + 1}, {name}: {left[at]} instead of {right[at]}"
                )
        self._row += truth.num_rows

    def at_end(self) -> None:
        """Nothing may follow."""
        _same("further rows", self._next(1).num_rows, 0)


def rejects_of(folder: Path) -> list[tuple[int, int, str, str]]:
    """(record, line, field, code) of each line of `rejects.csv`."""
    table = arrow_csv.read_csv(
        folder / "rejects.csv",
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=["record", "line", "field", "code"],
            column_types={
                "record": pa.int64(),
                "line": pa.int64(),
                "field": pa.string(),
                "code": pa.string(),
            },
        ),
    )
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def counts_of(folder: Path) -> dict[str, Any]:
    """What an engine counted: `counts.json`, or the product's report."""
    own = folder / "counts.json"
    if own.exists():
        counts: dict[str, Any] = json.loads(own.read_text())
        return counts
    report = json.loads((folder / "report.json").read_text())
    counts = {name: report["counts"][f"rows_{name}"] for name in COUNTS}
    changed: dict[str, Counter[str]] = {}
    for one in report["changes"]:
        if one["reason"] != "merged":
            reason = one["reason"]
            reason = "converted" if reason in CONVERTED else reason
            reason = "cleaned" if reason in CLEANED else reason
            changed.setdefault(one["field"], Counter())[reason] += one["cells"]
    return counts | {"changed": {name: dict(counted) for name, counted in changed.items()}}


def same_counts(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two engines must have counted the same, changed cells included.

    Raises:
        Disagreement: they have not.
    """
    for name in COUNTS:
        _same(name, one[name], other[name])
    for field in FIELDS:
        changes = [
            {reason: count for reason, count in counts["changed"].get(field, {}).items() if count}
            for counts in (one, other)
        ]
        _same(f"changes of {field}", *changes)
