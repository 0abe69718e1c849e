"""Ten rows before and after, column by column with the reason: what a person looks at to say yes.

The rows are converted by the plan as far as it is decided; what waits for an answer stays open.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.apply import RECORD, Applier
from pipeline.decision import Decision
from pipeline.formats.base import TextBatch
from pipeline.mapping.model import Asked
from pipeline.mapping.model import Mapping as SourceMapping
from pipeline.outputs.report import Tally
from pipeline.plan import ColumnPlan, Plan

ROWS = 10
_NEEDS_DECISION = frozenset({"date", "datetime", "number", "integer", "range"})


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What one cell becomes. text: None for no value. problem: why its row would be rejected."""

    text: str | None = None
    problem: str | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewColumn:
    """One column of the file, or a field that several columns or constants make.

    place: 1 for the first, None without a column. fate: "field", "rescue" or "ignore".
    how: as in `ColumnPlan.matched`. before, after: of the previewed rows.
    """

    label: str
    place: int | None
    field: str | None
    fate: str
    how: str
    confidence: float | None
    margin: float | None
    reasons: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[After, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the page about a held file shows. lines: where the previewed records begin."""

    contract: str
    source: str
    questions: tuple[Asked, ...]
    columns: tuple[PreviewColumn, ...]
    lines: tuple[int, ...]
    reading: tuple[str, ...]
    records: int


def preview(decision: Decision, proposal: SourceMapping) -> Preview:
    """Look at the first rows of a file as they would become.

    Raises:
        ContentError, TransientError: the file cannot be read.
    """
    plan = decision.plan
    batch = _first_rows(decision)
    lines = tuple(batch.lines.tolist()) if batch is not None else ()
    after = _after(decision, batch)
    return Preview(
        contract=plan.contract,
        source=proposal.source,
        questions=proposal.questions,
        columns=tuple(
            _with_waiting(column, {one.key for one in proposal.questions})
            for column in _columns(plan, decision, batch, after)
        ),
        lines=lines,
        reading=tuple(str(one) for one in plan.reading.get("evidence", ())),
        records=plan.records,
    )


def _with_waiting(column: PreviewColumn, keys: Container[str]) -> PreviewColumn:
    """A code that is asked about waits for the answer; nobody has refused its row yet."""
    after = tuple(
        After(is_open=True)
        if one.problem is not None and f"code:{column.label}:{before.strip()}" in keys
        else one
        for before, one in zip(column.before, column.after, strict=False)
    )
    return replace(column, after=after)


def _first_rows(decision: Decision) -> TextBatch | None:
    for batch in decision.reader.batches():
        firsts = batch.first_rows()[:ROWS]
        if len(firsts):
            return _taken(batch, firsts)
    return None


def _taken(batch: TextBatch, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> TextBatch:
    places = pa.array(rows)
    return TextBatch(
        columns=[column.take(places) for column in batch.columns],
        records=batch.records[rows],
        lines=batch.lines[rows],
        raw=lambda at: batch.raw(int(rows[at])),
        place=batch.place,
        faults=batch.faults,
    )


def _after(decision: Decision, batch: TextBatch | None) -> dict[str, tuple[After, ...]]:
    """What the cells of every decided field become."""
    if batch is None:
        return {}
    decided = tuple(column for column in decision.plan.columns if _is_decided(column))
    plan = replace(decision.plan, columns=decided)
    applier = Applier(decision.contract, plan, decision.moment, Tally())
    sheet = applier.sheet(batch)
    rows = applier.rows(batch, sheet, np.ones(sheet.count, dtype=np.bool_))
    first = {int(record): at for at, record in reversed(list(enumerate(_records(rows))))}
    problems: dict[tuple[str, int], str] = {}
    for error in sheet.errors:
        for row in error.rows.tolist():
            problems.setdefault((error.field, row), error.sentence)
    return {
        name: tuple(
            After(
                text=_text(rows, name, first[int(record)]),
                problem=problems.get((name, first[int(record)])),
            )
            for record in batch.records
        )
        for name in decision.contract.field_names
    }


def _is_decided(column: ColumnPlan) -> bool:
    return bool(column.decision) or column.kind not in _NEEDS_DECISION


def _records(rows: pa.RecordBatch) -> list[int]:
    found: list[int] = rows.column(RECORD).to_pylist()
    return found


def _text(rows: pa.RecordBatch, name: str, at: int) -> str | None:
    value = rows.column(name)[at].as_py()
    return None if value is None else str(value)


def _columns(
    plan: Plan,
    decision: Decision,
    batch: TextBatch | None,
    after: Mapping[str, tuple[After, ...]],
) -> list[PreviewColumn]:
    found: list[tuple[int, PreviewColumn]] = []
    for column in plan.columns:
        match = decision.columns.matched[column.field]
        is_open = not _is_decided(column)
        before = _before(batch, column.position)
        found.append(
            (
                column.position,
                PreviewColumn(
                    label=column.label,
                    place=column.position + 1,
                    field=column.field,
                    fate="field",
                    how=column.matched,
                    confidence=column.confidence,
                    margin=column.margin,
                    reasons=tuple(dict.fromkeys([*match.reasons, *column.sentences])),
                    before=before,
                    after=tuple(After(is_open=True) for _ in before)
                    if is_open
                    else after.get(column.field, ()),
                ),
            )
        )
    for unclaimed in plan.unclaimed:
        found.append(
            (
                unclaimed.position,
                PreviewColumn(
                    label=unclaimed.label,
                    place=unclaimed.position + 1,
                    field=None,
                    fate=unclaimed.fate,
                    how="none",
                    confidence=None,
                    margin=None,
                    reasons=(f"no field of {plan.contract} claims it",),
                    before=_before(batch, unclaimed.position),
                ),
            )
        )
    return [column for _, column in sorted(found, key=lambda one: one[0])]


def _before(batch: TextBatch | None, position: int) -> tuple[str, ...]:
    return () if batch is None else tuple(batch.columns[position].to_pylist())
