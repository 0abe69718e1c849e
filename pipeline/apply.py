"""The second pass, one batch at a time: it obeys the plan and looks at nothing else.

A row with any error is taken out as a whole, with every error listed; rows made of one record are
taken out together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.check import (
    Violation,
    check_field,
    check_order,
    check_plausible,
    check_rows,
    sentence_of,
)
from pipeline.columns import ColumnConverter
from pipeline.contract.loading import CodeEntry, Contract, Field
from pipeline.contract.rules import formula_columns
from pipeline.errors import RowCode
from pipeline.faults import note_faults, without_faults
from pipeline.fieldrules import rules_of
from pipeline.formats.base import KnownCells, TextBatch
from pipeline.formula.evaluate import Moment
from pipeline.formula.language import parse_check
from pipeline.formula.terms import fields_of
from pipeline.mapping.sourcewords import cells_in
from pipeline.measures import measures_of
from pipeline.outputs.changes import CHANGES, change_column
from pipeline.outputs.rejects import Reject
from pipeline.outputs.report import Tally
from pipeline.plan import Plan
from pipeline.references import References
from pipeline.rows.keyclash import stated
from pipeline.rows.keyrules import key_rules
from pipeline.rows.rowsplit import SplitRows, lookups_of, split_rows
from pipeline.same import Same, remembered
from pipeline.sheet import Finding, Sheet
from pipeline.standardize.base import Rows
from pipeline.standardize.dates import format_datetimes
from pipeline.standardize.distinct import put

RECORD, LINE = "_record", "_line"
"""Columns of an applied batch that say where each row came from. No field is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedBatch:
    """rows: the good rows as they would be delivered, with RECORD, LINE and the rescued columns.

    Numbers are their digits, times ISO 8601 text with offset. rejects: ordered by record.
    refused: the rejected rows that state their key, without what is faulty in them; None when the
    table has no key.
    """

    rows: pa.RecordBatch
    rejects: list[Reject]
    refused: pa.RecordBatch | None = None


class Applier:
    """Applies one plan to the batches of one file."""

    def __init__(
        self,
        contract: Contract,
        plan: Plan,
        moment: Moment,
        tally: Tally,
        references: References | None = None,
        *,
        with_changes: bool = False,
    ) -> None:
        self._contract = contract
        self._plan = plan
        self._moment = moment
        self._tally = tally
        self._references = References(contract, {}) if references is None else references
        self._with_changes = with_changes
        self._counting = Lock()  # several batches may be applied at once
        self._may_be_blank = not contract.primary_key and not any(
            field.constraints.required for field in contract.fields
        )
        self._converter = ColumnConverter(contract, plan)
        self._words = self._converter.words
        self._rules = key_rules(contract)
        self._lookups = lookups_of(contract)
        self._check_fields = _check_fields(Same(contract))

    def apply(self, batch: TextBatch) -> AppliedBatch:
        """Convert, check and sort out one batch."""
        sheet = self.sheet(batch)
        self._count_changes(sheet)
        records = batch.records[sheet.origin]
        kept = np.ones(sheet.count, dtype=np.bool_)
        if sheet.errors:
            kept = ~np.isin(records, np.unique(records[sheet.has_error()]))
        self._count_marks(sheet, kept)
        found = self._rejects(batch, sheet) if sheet.errors else []
        rejects = [*found, *_shape_rejects(batch)]
        rejects.sort(key=lambda reject: reject.record)
        rows = self.rows(batch, sheet, np.ones(sheet.count, dtype=np.bool_))
        return AppliedBatch(
            rows=rows if kept.all() else rows.filter(pa.array(kept)),
            rejects=rejects,
            refused=None if kept.all() else stated(rows, sheet, ~kept, self._rules),
        )

    def _rejects(self, batch: TextBatch, sheet: Sheet) -> list[Reject]:
        places = {one.field: one.position for one in self._plan.columns}
        return _rejects(batch, sheet, self._contract, self._column_of, places)

    def _column_of(self, batch: TextBatch, at: int, name: str) -> str:
        """Which column of a wide file a fault stands in, in words; a long one has one for each."""
        reshaped = self._plan.reading.get("reshaped")
        if reshaped is None or reshaped["how"] != "unpivot" or name != reshaped["values"]:
            return ""
        codes = self._plan.column_of(reshaped["codes"])
        if codes is None:
            return ""
        code = batch.columns[codes.position][at].as_py()
        labels = [label for label, of in reshaped["columns"].items() if of == code]
        return f" It stands in the column {labels[0]}." if labels else ""

    def sheet(self, batch: TextBatch) -> Sheet:
        """One batch, converted and checked, with everything that was found and done."""
        cells: dict[str, pa.StringArray] = {}
        found: dict[str, KnownCells] = {}
        for column in self._plan.columns:
            found[column.field] = known = cells_in(
                batch,
                column.position,
                self._words[column.field],
                self._contract.missing_values_of(self._contract.field(column.field)),
            )
            cells[column.field] = without_faults(known.cells, batch, column.position)
        split = split_rows(cells, self._contract.split_rows, self._lookups, len(batch.records))
        sheet = Sheet(count=len(split.origin), origin=split.origin, cells=split.columns)
        for name, known in found.items():
            rows_by_reason = known.changed.items()
            sheet.change(name, {reason: split.rows_of(rows) for reason, rows in rows_by_reason})
        for rule in self._contract.split_rows:
            for name in sorted({rule.field, *(name for part in rule.into for name in part)}):
                sheet.change(name, {"row-split": split.rows_split()})
        self._refuse_misfits(split, sheet)
        if batch.faults:
            note_faults(sheet, batch, self._plan, split)
        sheet.known = {
            name: known.converted
            for name, known in found.items()
            if known.converted is not None and sheet.cells[name] is known.cells
        }
        self._converter.convert(sheet)
        self._keep_raw(batch, sheet)
        self._check(sheet, batch.records[sheet.origin])
        return sheet

    def _count_changes(self, sheet: Sheet) -> None:
        """A cell counts once for each reason, into however many rows its record was split."""
        is_split = sheet.count > 0 and sheet.origin[-1] + 1 < sheet.count
        with self._counting:
            for change in sheet.changes:
                cells = len(np.unique(sheet.origin[change.rows])) if is_split else len(change.rows)
                self._tally.of(change.field).note(change.reason, cells)

    def _refuse_misfits(self, split: SplitRows, sheet: Sheet) -> None:
        if not len(split.misfit):
            return
        rows = np.flatnonzero(np.isin(split.origin, split.misfit))
        for rule in self._contract.split_rows:
            sheet.refuse(
                rows,
                rule.field,
                RowCode.TYPE_ERROR,
                f"The cell must hold {len(rule.into)} values with '{rule.separator}' between them.",
            )
            unread = pa.nulls(len(rows), pa.string())  # one fault is enough to tell
            sheet.cells[rule.field] = put(sheet.cells[rule.field], rows, unread)

    def _keep_raw(self, batch: TextBatch, sheet: Sheet) -> None:
        """Give cells as they stood to the fields that ask for them."""
        for column in self._plan.columns:
            split = self._contract.field(column.field).split
            if split is not None and split.raw is not None:
                raw = batch.columns[column.position].take(pa.array(sheet.origin))
                stated = sheet.cells[column.field].is_valid()
                sheet.values[split.raw] = pa.compute.if_else(stated, raw, None)

    def _check(self, sheet: Sheet, records: Rows) -> None:
        for described in _checked(self._contract):
            name = described.name
            values = sheet.numbers.get(name)
            values = sheet.column(described) if values is None else values
            refused = sheet.has_error(frozenset({name})) if values.null_count else None
            for violation in check_field(described, values):
                rows = violation.rows
                if violation.code is RowCode.REQUIRED and refused is not None:
                    rows = rows[~refused[rows]]
                _note(sheet, violation, rows)
            if refused is None or described.constraints.required:
                continue
            if name in self._contract.primary_key:
                empty = np.flatnonzero(np.asarray(values.is_null()) & ~refused)
                sheet.refuse(empty, name, RowCode.REQUIRED)
        self._check_measures(sheet, records)
        self._check_formulas(sheet)
        self._check_references(sheet)
        if self._may_be_blank:
            filled = [sheet.column(field).is_valid() for field in self._contract.fields]
            is_blank = ~np.logical_or.reduce([np.asarray(one) for one in filled])
            blank = np.flatnonzero(is_blank & ~sheet.has_error())
            sheet.refuse(blank, "", RowCode.BLANK_ROW)

    def _check_references(self, sheet: Sheet) -> None:
        for rule in self._references.to_others:
            columns = [sheet.column(self._contract.field(name)) for name in rule.fields]
            good = np.flatnonzero(~sheet.has_error(frozenset(rule.fields)))
            with self._counting:
                missing = rule.missing_in(columns, good)
            note = sheet.refuse if rule.on_missing == "reject_row" else sheet.mark
            note(missing, rule.fields[0], RowCode.FOREIGN_KEY, rule.sentence)

    def _check_measures(self, sheet: Sheet, records: Rows) -> None:
        for one in measures_of(self._contract):
            if not one.is_main or one.code_field is None or one.field not in sheet.numbers:
                continue
            codes_ref = self._contract.field(one.code_field).codes
            codes = sheet.values.get(one.code_field)
            if codes_ref is None or codes is None:
                continue
            entries = self._contract.codesets[codes_ref.set]
            described = self._contract.field(one.field)
            numbers = _in_own_unit(sheet.numbers[one.field], codes, sheet, one.unit_field, entries)
            for violation in (
                *check_plausible(described, entries, numbers, codes),
                *check_order(described, entries, numbers, codes, records),
            ):
                _note(sheet, violation, violation.rows)
            panels = [code for code, entry in entries.items() if entry.kind == "panel"]
            is_panel = pa.compute.is_in(codes, value_set=pa.array(panels, pa.string()))
            sheet.mark(np.flatnonzero(np.asarray(is_panel)), one.field, RowCode.PANEL_RESULT)

    def _check_formulas(self, sheet: Sheet) -> None:
        typed = {name: sheet.numbers.get(name, values) for name, values in sheet.values.items()}
        findings = check_rows(typed, self._contract, self._moment)
        if not findings.bad and not findings.marked:
            return
        sentences = {check.id: sentence_of(check) for check in self._contract.checks}
        for check_id, rows in findings.bad.items():
            # what was refused is empty here, and a rule must not be blamed for that
            rows = rows[~sheet.has_error(self._check_fields[check_id])[rows]]
            sheet.refuse(rows, "", RowCode.ROW_CONSTRAINT, sentences[check_id])
            self._count_check(check_id, rows)
        for check_id, rows in findings.marked.items():
            sheet.mark(rows, "", RowCode.ROW_CONSTRAINT, sentences[check_id])
            self._count_check(check_id, rows)

    def _count_check(self, check_id: str, rows: Rows) -> None:
        with self._counting:
            self._tally.checks[check_id] += len(rows)

    def _count_marks(self, sheet: Sheet, kept: npt.NDArray[np.bool_]) -> None:
        marked: dict[RowCode, npt.NDArray[np.bool_]] = {}
        for mark in sheet.marks:
            rows = marked.setdefault(mark.code, np.zeros(sheet.count, dtype=bool))
            rows[mark.rows] = True
        with self._counting:
            for code, rows in marked.items():
                self._tally.warnings[code.value] += int((rows & kept).sum())

    def rows(self, batch: TextBatch, sheet: Sheet, kept: npt.NDArray[np.bool_]) -> pa.RecordBatch:
        """The rows of a sheet that are `kept`, as they would be delivered."""
        columns: dict[str, pa.Array] = {}
        for described in self._contract.fields:
            values = sheet.column(described)
            if described.type == "datetime":
                offsets = sheet.offsets.get(described.name)
                values = (
                    pa.nulls(sheet.count, pa.string())
                    if offsets is None
                    else format_datetimes(values, offsets)
                )
            columns[described.name] = values
        beside = {RECORD: pa.array(batch.records), LINE: pa.array(batch.lines)}
        for column in self._plan.rescued:
            beside[rescued_name(column.position)] = batch.columns[column.position]
        if self._contract.split_rows:
            origin = pa.array(sheet.origin)
            beside = {name: values.take(origin) for name, values in beside.items()}
        columns |= beside
        if self._with_changes:
            columns[CHANGES] = change_column(sheet, batch, self._plan, self._contract)
        rows = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        return rows if kept.all() else rows.filter(pa.array(kept))


def _in_own_unit(
    numbers: pa.DoubleArray,
    codes: pa.StringArray,
    sheet: Sheet,
    unit_field: str,
    entries: Mapping[str, CodeEntry],
) -> pa.DoubleArray:
    """The numbers that are in the unit of their code, by which alone they can be judged."""
    units = sheet.values.get(unit_field)
    if units is None or not any(entry.keep for entry in entries.values()):
        return numbers
    kept = [f"{code}\n{unit}" for code, entry in entries.items() for unit in entry.keep]
    pairs = pa.compute.binary_join_element_wise(codes, units, "\n")
    is_kept = pa.compute.is_in(pairs, value_set=pa.array(kept, pa.string()))
    return pa.compute.if_else(is_kept, pa.scalar(None, pa.float64()), numbers)


def rescued_name(position: int) -> str:
    """Name under which a rescued column travels with its row."""
    return f"_rescued_{position}"


def _note(sheet: Sheet, violation: Violation, rows: Rows) -> None:
    note = sheet.mark if violation.is_warning else sheet.refuse
    note(rows, violation.field, violation.code, violation.sentence)


@remembered(256)
def _checked(contract: Contract) -> tuple[Field, ...]:
    """Fields whose values can break a rule of their own."""
    key = contract.primary_key
    return tuple(
        one
        for one in contract.fields
        if one.constraints.required or one.name in key or rules_of(one)
    )


@lru_cache(maxsize=256)
def _check_fields(of: Same[Contract]) -> dict[str, frozenset[str]]:
    """Fields each formula depends on, those included whose cells hold a part of it."""
    contract = of.thing
    columns = formula_columns(contract)
    sources = {
        target: described.name
        for described in contract.fields
        if described.split is not None
        for target in described.split.targets().values()
    }
    # of a record that could not be split, the fields that said it should be are not judged either
    split = {name: rule.field for rule in contract.split_rows for name in rule.when}
    return {
        check.id: frozenset(
            name
            for field in fields_of(parse_check(check.formula, columns))
            for name in (field, sources.get(field, field), split.get(field, field))
        )
        for check in contract.checks
    }


def _rejects(
    batch: TextBatch,
    sheet: Sheet,
    contract: Contract,
    where: Callable[[TextBatch, int, str], str],
    positions: Mapping[str, int],
) -> list[Reject]:
    """One line for each record and fault; the faults of a record in the contract's field order."""
    order = {name: place for place, name in enumerate((*contract.field_names, ""))}
    found: dict[tuple[int, int, RowCode, str], Finding] = {}
    first = np.searchsorted(batch.records, batch.records)  # rows of one record stand together
    for error in sheet.errors:
        for at in np.unique(sheet.origin[error.rows]).tolist():
            sentence = error.sentence + where(batch, at, error.field)
            found.setdefault((int(first[at]), order[error.field], error.code, sentence), error)
    if not found:
        return []
    cells = cells_at(batch, sorted({at for at, _, _, _ in found}))
    return [
        Reject(
            record=int(batch.records[at]),
            line=int(batch.lines[at]),
            field=error.field,
            code=error.code,
            sentence=sentence,
            raw=batch.raw(at),
            cells=cells[at],
            place=place_of(batch, at, positions.get(error.field)),
        )
        for (at, _, _, sentence), error in sorted(found.items(), key=lambda item: item[0])
    ]


def place_of(batch: TextBatch, at: int, column: int | None = None) -> str:
    """Where a record of a batch stands, or one of its cells; empty where lines say it."""
    if batch.place is None:
        return ""
    return batch.place(int(batch.records[at]), int(batch.lines[at]), column)


def cells_at(batch: TextBatch, positions: list[int]) -> dict[int, tuple[str, ...]]:
    """Cells as they stood, by position in the batch."""
    return dict(zip(positions, batch.cells_at(positions), strict=True))


def _shape_rejects(batch: TextBatch) -> list[Reject]:
    return [
        Reject(
            record=bad.record,
            line=bad.line,
            field="",
            code=bad.code,
            sentence=bad.sentence,
            raw=bad.raw,
            place="" if batch.place is None else batch.place(bad.record, bad.line, None),
        )
        for bad in batch.bad
    ]
