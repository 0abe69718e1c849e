"""How one record of a file became what was delivered of it: every step, and why.

The original is read again and the plan applied to that one record, so what is told is what was
done, not what was noted about it. Only rows that share its key are looked at beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.apply import RECORD, Applier, place_of
from pipeline.contract.loading import Contract
from pipeline.formats.base import BadRecord, TableReader, TextBatch
from pipeline.formula.evaluate import Moment
from pipeline.outputs.changes import reason_of
from pipeline.outputs.report import Tally
from pipeline.plan import ColumnPlan, Plan
from pipeline.reshape.reshaped import source_header
from pipeline.rows.dedupe import Deduplicator, Resolution
from pipeline.rows.keyrules import key_rules
from pipeline.rows.rowhash import hash_rows
from pipeline.sheet import Finding, Sheet
from pipeline.standardize.dateshapes import parse
from pipeline.standardize.text import clean

_MATCHED = {
    "exact": "it has the field's own name",
    "alias": "its heading is a known name of the field",
    "mapping": "a person confirmed it",
}
_ABOUT_SHAPES = "dates written "
_SKIPPED = "The line is blank, repeats the header, or is a confirmed footer."
_NOT_CORRECTED = "It is not among the rows that this file corrects."
Rows = list[pa.RecordBatch]
Texts = Mapping[str, str | None]


class NoSuchRecord(Exception):
    """The file has no record of that number. `last` is the number of its last one."""

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self.last = last


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a cell stood in the source, and what of it was taken.

    label, position: of its column, 0 for the first; no position where a heading was taken.
    cell: what stood there, where that is not the cell that was read.
    """

    label: str
    position: int | None
    what: str
    why: str
    cell: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """One past attempt: its file opened as planned, and what it was decided by.

    rejected: tells whether a record was kept out, as the attempt's report says.
    is_partial: the reader yields only rows that correct earlier ones.
    """

    reader: TableReader
    contract: Contract
    plan: Plan
    moment: Moment
    rejected: Callable[[int], bool]
    is_partial: bool = False

    def explain(self, record: int) -> dict[str, Any]:
        """What became of a record, as plain data.

        `outcome` is delivered, rejected, duplicate or skipped; `why` says it in sentences; `rows`
        hold, field by field, the cell as it stood, each step with its reason, and the value.

        Raises:
            NoSuchRecord: the file ends before it.
            ContentError, OSError: the original cannot be read.
        """
        if record > self.plan.records:
            raise NoSuchRecord(self.plan.records)
        batch = self._find(record)
        if batch is None:
            why = _NOT_CORRECTED if self.is_partial else _SKIPPED
            return {"record": record, "line": None, "position": None, "raw": None} | {
                "outcome": "skipped",
                "why": [why],
                "rows": [],
                "rescued": [],
            }
        if batch.bad:
            [bad] = batch.bad
            where = None if batch.place is None else batch.place(bad.record, bad.line, None)
            return _not_a_row(bad, where)
        applier = Applier(self.contract, self.plan, self.moment, Tally())
        sheet = applier.sheet(batch)
        rows = applier.rows(batch, sheet, np.ones(sheet.count, dtype=np.bool_))
        told: dict[str, Any] = {
            "record": record,
            "line": int(batch.lines[0]),
            "position": place_of(batch, 0) or None,
            "raw": batch.raw(0),
            "rows": [self._row(sheet, batch, rows, row) for row in range(sheet.count)],
            "rescued": [
                {"column": one.label, "value": batch.columns[one.position][0].as_py()}
                for one in self.plan.rescued
                if batch.columns[one.position][0].as_py().strip()
            ],
        }
        if sheet.errors:
            return {**told, "outcome": "rejected", "why": _reasons(sheet.errors)}
        return told | self._among_others(record, rows, told["rows"])

    def _find(self, record: int) -> TextBatch | None:
        """The record alone in a batch; None when it was skipped."""
        for batch in self.reader.batches():
            places = np.flatnonzero(batch.records == record)
            bad = [one for one in batch.bad if one.record == record]
            if len(places) or bad:
                return _alone(batch, places.tolist(), bad)
        return None

    def _row(
        self, sheet: Sheet, batch: TextBatch, rows: pa.RecordBatch, row: int
    ) -> dict[str, Any]:
        values = {name: _text(rows.column(name)[row]) for name in self.contract.field_names}
        return {
            "fields": [
                {**self._field(name, sheet, batch, row, values), "value": values[name]}
                for name in self.contract.field_names
                if self.plan.column_of(name) is not None or values[name] is not None
            ],
            "warnings": _reasons([one for one in sheet.marks if row in one.rows]),
        }

    def _field(
        self, name: str, sheet: Sheet, batch: TextBatch, row: int, values: Texts
    ) -> dict[str, Any]:
        column = self.plan.column_of(name)
        cell, origin = None, None
        steps: list[dict[str, Any]] = []
        if column is not None:
            at = int(sheet.origin[row])
            cell = batch.columns[column.position][at].as_py()
            origin = self._origin(column, batch, at)
            steps.append({"what": f"{origin.what} is {name}", "why": [origin.why]})
            cell = cell if origin.cell is None else origin.cell
            cell = None if origin.position is None else cell
        for change in sheet.changes:
            if change.field == name and row in change.rows:
                what = reason_of(change.reason).words
                why = self._why(change.reason, name, sheet, row, values)
                steps.append({"what": what, "why": why})
        if column is None:
            steps.insert(0, {"what": self._source_of(name), "why": []})
        for error in sheet.errors:
            if error.field == name and row in error.rows:
                steps.append({"what": "refused", "why": [error.sentence]})
        return {
            "field": name,
            "column": None if origin is None else origin.label,
            "position": None if origin is None or origin.position is None else origin.position + 1,
            "place": self._cell_place(batch, int(sheet.origin[row]), origin),
            "cell": cell,
            "steps": steps,
        }

    def _origin(self, column: ColumnPlan, batch: TextBatch, at: int) -> _Origin:
        """Where in the source a cell stood; the columns of a turned table are not the source's."""
        source = source_header(self.reader)
        why = _MATCHED.get(column.matched, column.matched)
        if column.position < len(source):
            return _Origin(column.label, column.position, f"column “{column.label}”", why)
        about = self.plan.reading["reshaped"]
        if about["how"] == "unpivot":
            code = batch.columns[len(source)][at].as_py()
            label = next(one for one, known in about["columns"].items() if known == code)
            place = source.index(label)
            if column.field == about["values"]:
                what = f"the value in column “{label}”"
                return _Origin(label, place, what, f"its heading says that it is {code}")
            says = batch.columns[column.position][at].as_py()
            what = f"the heading “{label}”"
            if not says:
                return _Origin(label, None, "nothing in the file", f"{what} does not name it")
            return _Origin(label, None, what, f"it says {says}")
        label = about["values"]
        place, codes = source.index(label), source.index(about["codes"])
        named = f"column “{about['codes']}” says “{batch.columns[codes][at].as_py()}”"
        if batch.columns[column.position][at].as_py():
            cell = batch.columns[place][at].as_py()
            return _Origin(label, place, f"the value in column “{label}”", named, cell)
        return _Origin(label, place, "no value of this record", named, "")

    @staticmethod
    def _cell_place(batch: TextBatch, at: int, origin: _Origin | None) -> str | None:
        """The cell or path, for sources whose lines do not tell it."""
        if origin is None or origin.position is None:
            return None
        return place_of(batch, at, origin.position) or None

    def _why(self, reason: str, name: str, sheet: Sheet, row: int, values: Texts) -> list[str]:
        column = self.plan.column_of(name)
        if reason == "missing-word":
            return ["the contract lists it as a word for no value"]
        if reason == "unit-converted":
            return self._units(name, sheet, row, values)
        if column is None or name not in sheet.cells:
            return []
        cell = sheet.cells[name][row].as_py() or ""
        if reason == "code-mapped":
            return [f"“{cell}” is one of the names of {values[name]}"]
        if reason in ("date-reformatted", "century-added"):
            return _about_shape(column.sentences, cell)
        if reason == "timezone-added":
            return [one for one in column.sentences if not one.startswith(_ABOUT_SHAPES)]
        return list(column.sentences) if reason == "number-reformatted" else []

    def _units(self, name: str, sheet: Sheet, row: int, values: Texts) -> list[str]:
        rule = self.contract.field(name).unit
        if rule is None:
            return []
        column = self.plan.column_of(rule.from_)
        cells = sheet.cells.get(rule.from_)
        written = cells[row].as_py() if column is not None and cells is not None else None
        origin = f"it is written in {written}" if written else "its unit is not in the unit column"
        before = sheet.cells[name][row].as_py() if name in sheet.cells else None
        number = f" ({before})" if before is not None else ""
        return [f"{origin}{number}; {self.contract.name} keeps it in {values[rule.from_]}"]

    def _source_of(self, name: str) -> str:
        """Where a value comes from that has no column of its own."""
        for field in self.contract.fields:
            if field.unit is not None and field.unit.from_ == name:
                return f"the unit of {field.name}"
            if field.split is not None and name in field.split.targets().values():
                return f"part of the cell of {field.name}"
        return "made from other fields of the row"

    def _among_others(
        self, record: int, mine: pa.RecordBatch, told: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """What rows with the same key made of this one."""
        rows = self._of_one_key(record, mine)
        rules = key_rules(self.contract)
        keys = Deduplicator(rules)
        for batch in rows:
            keys.add(batch)
        resolution = keys.resolve(lambda: iter(rows))
        records = [int(one) for batch in rows for one in batch.column(RECORD).to_pylist()]
        places = [place for place, one in enumerate(records) if one == record]
        others = sorted({one for one in records if one != record})
        if rejected := [resolution.rejected[at] for at in places if at in resolution.rejected]:
            why = [f"{one.sentence} See {_listed(others)}." for one in rejected]
            return {"outcome": "rejected", "why": list(dict.fromkeys(why)), "same_key": others}
        if self.rejected(record):
            why = ["It was kept out because of other rows or tables; rejects.csv says which."]
            return {"outcome": "rejected", "why": why, "same_key": others}
        if places and all(resolution.dropped[at] for at in places):
            kept = {one for at, one in enumerate(records) if not resolution.dropped[at]}
            winner = _listed(sorted(kept - {record}) or others)
            gave = _given(rows, places, resolution)
            told_why = (
                f"It became one row with {winner}, which took over {', '.join(gave)}."
                if gave
                else f"It says nothing that {winner} does not say, and is delivered as that."
            )
            return {"outcome": "duplicate", "why": [told_why], "same_key": others}
        self._fill(told, places, resolution, others)
        return {"outcome": "delivered", "why": [], "same_key": others}

    def _fill(
        self,
        told: list[dict[str, Any]],
        places: Sequence[int],
        resolution: Resolution,
        others: Sequence[int],
    ) -> None:
        """Tell what the row took over from rows that were dropped in its favour."""
        for row, place in zip(told, places, strict=True):
            for name, value in resolution.filled.get(place, {}).items():
                step = {"what": reason_of("merged").words, "why": [f"from {_listed(others)}"]}
                for field in row["fields"]:
                    if field["field"] == name:
                        field["steps"].append(step)
                        field["value"] = _text(value)
                        break
                else:
                    row["fields"].append(
                        {
                            "field": name,
                            "column": None,
                            "position": None,
                            "cell": None,
                            "steps": [step],
                            "value": _text(value),
                        }
                    )

    def _of_one_key(self, record: int, mine: pa.RecordBatch) -> Rows:
        """All good rows of the file that share a key or a unique value with `mine`."""
        rules = key_rules(self.contract)
        groups = [*([rules.grouping] if rules.settles_keys else []), *rules.unique]
        if not groups:
            return [mine]
        comparison = rules.comparison.exactly(rules.key)

        def hashes(batch: pa.RecordBatch, fields: Sequence[str]) -> Any:
            columns = [comparison.column(batch, name) for name in fields]
            return hash_rows(columns, batch.num_rows)

        wanted = [hashes(mine, fields) for fields in groups]
        found: Rows = []
        applier = Applier(self.contract, self.plan, self.moment, Tally())
        for batch in self.reader.batches():
            rows = applier.apply(batch).rows
            shared = np.asarray(rows.column(RECORD)) == record
            for fields, known in zip(groups, wanted, strict=True):
                shared |= np.isin(hashes(rows, fields), known)
            if shared.any():
                found.append(rows.filter(pa.array(shared)))
        return found


def _given(rows: Rows, places: Sequence[int], resolution: Resolution) -> list[str]:
    """Fields that rows with the same key took over and that the rows at `places` state."""
    table = pa.Table.from_batches(rows)
    filled = dict.fromkeys(name for taken in resolution.filled.values() for name in taken)
    stated = table.take(pa.array(places, pa.int64()))
    return [name for name in filled if stated.column(name).null_count < len(places)]


def _alone(batch: TextBatch, places: list[int], bad: list[BadRecord]) -> TextBatch:
    taken = pa.array(places, pa.int64())
    return TextBatch(
        columns=[column.take(taken) for column in batch.columns],
        records=batch.records[places],
        lines=batch.lines[places],
        raw=lambda at: batch.raw(places[at]),
        bad=bad,
        place=batch.place,
        faults=batch.faults,
    )


def _not_a_row(bad: BadRecord, position: str | None) -> dict[str, Any]:
    return {
        "record": bad.record,
        "line": bad.line,
        "position": position,
        "raw": bad.raw,
        "outcome": "rejected",
        "why": [f"{bad.sentence} [{bad.code}]"],
        "rows": [],
        "rescued": [],
    }


def _reasons(findings: Sequence[Finding]) -> list[str]:
    found = [
        f"{one.field + ': ' if one.field else ''}{one.sentence} [{one.code}]" for one in findings
    ]
    return list(dict.fromkeys(found))


def _about_shape(sentences: Sequence[str], cell: str) -> list[str]:
    """Of what was decided about a column of dates, what concerns a cell of this look."""
    cleaned, _ = clean(pa.array([cell], pa.string()))
    names = [shape.name for shape in parse(cleaned).shapes]
    return [
        one for one in sentences if any(one.startswith(f"{_ABOUT_SHAPES}{name} ") for name in names)
    ]


def _text(value: Any) -> str | None:
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _listed(records: Sequence[int]) -> str:
    if not records:
        return "another row"
    *first, last = [str(one) for one in records]
    return f"records {', '.join(first)} and {last}" if first else f"record {last}"
