"""The plan: every decision made once for a file or a column, with its reason, as plain data.

`make_plan` decides from evidence and raises nothing: what the evidence does not settle becomes a
question. `apply` obeys the plan and looks at nothing else, so the same plan on the same bytes
gives the same result anywhere. A plan holds labels, counts and shapes; never cell values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import FileCode
from pipeline.plain import Kept, as_dict, kept
from pipeline.reshape.reshaped import sentence_of
from pipeline.same import remembered
from pipeline.standardize.base import Question

SCHEMA = "harmonizer-plan/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """How one column of the file becomes one field of the contract.

    label, position: the column's heading as it stands, and its place, 0 for the first.
    matched: "exact", "alias", "mapping" (a person said so) or "proposed". confidence: 0 to 1;
    margin: how far ahead of the second best column. kind: which kind of value it is read as.
    words: what a confirmed mapping says about its cells.
    decision: what the kind's `convert` obeys. evidence: counts the decision rests on.
    sentences: the same in words, for people. scales: measured field -> code -> how the column
    writes percentages ("fraction" or "percent"). seen: what the values look like, as in a mapping
    (`mapping_model.Seen`), to be compared with the next file of the source.
    """

    label: str
    position: int
    field: str
    matched: str
    confidence: float
    kind: str
    decision: dict[str, Any] = dataclasses.field(default_factory=dict)
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    scales: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    margin: float = 1.0
    words: dict[str, Any] = dataclasses.field(default_factory=dict)
    seen: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedColumn:
    """A column no field of the contract claims. fate: "rescue" or "ignore"."""

    label: str
    position: int
    fate: str
    nearest_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is decided before the first row is written.

    mapping: source of the confirmed mapping it rests on, with its file. layout: fingerprint of
    labels and value shapes; labels: of the labels alone. footer: how many records at the end are
    left out. constants: fields without a column and their value, the same in every row.
    """

    reading: dict[str, Any]
    contract: str
    contract_version: str
    contract_sha256: str
    columns: tuple[ColumnPlan, ...]
    unclaimed: tuple[UnclaimedColumn, ...] = ()
    questions: tuple[Question, ...] = ()
    records: int = 0
    mapping: str | None = None
    layout: str | None = None
    labels: str | None = None
    footer: int = 0
    constants: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """True when nothing is left to ask."""
        return not self.questions

    @property
    def rescued(self) -> tuple[UnclaimedColumn, ...]:
        """Columns whose values are delivered beside the data."""
        return tuple(column for column in self.unclaimed if column.fate == "rescue")

    def column_of(self, field_name: str) -> ColumnPlan | None:
        """The column that feeds a field, None when the file has none for it."""
        return next((column for column in self.columns if column.field == field_name), None)

    def sentences(self) -> tuple[str, ...]:
        """What was decided, column by column, in words."""
        return _sentences(self)

    def _decided(self) -> Iterator[str]:
        reshaped = self.reading.get("reshaped")
        if reshaped is not None:
            yield sentence_of(reshaped)
        for column in self.columns:
            yield from (f"{column.label}: {sentence}" for sentence in column.sentences)
        for unclaimed in self.unclaimed:
            fate = "kept in rescued.csv" if unclaimed.fate == "rescue" else "left out"
            yield (
                f"column {unclaimed.position + 1}: no field of {self.contract} claims it; {fate}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return _plan_dict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Plan:
        """Inverse of `to_dict`, also after a JSON round trip."""
        fields = {name: value for name, value in document.items() if name != "schema"}
        fields["columns"] = tuple(
            ColumnPlan(**{**column, "sentences": tuple(column["sentences"])})
            for column in document["columns"]
        )
        fields["unclaimed"] = tuple(UnclaimedColumn(**one) for one in document["unclaimed"])
        fields["questions"] = tuple(
            Question(**{**one, "code": FileCode(one["code"])}) for one in document["questions"]
        )
        return cls(**fields)


@remembered(8_192)
def _column_dict(column: ColumnPlan) -> Kept:
    return Kept({**as_dict(column), "sentences": list(column.sentences)})


@remembered(256)
def _sentences(plan: Plan) -> tuple[str, ...]:
    return tuple(plan._decided())


@remembered(256)
def _plan_dict(plan: Plan) -> Kept:
    return Kept(
        {
            "schema": SCHEMA,
            **as_dict(plan),
            "reading": kept(plan.reading),
            "columns": [_column_dict(one) for one in plan.columns],
            "unclaimed": [as_dict(one) for one in plan.unclaimed],
            "questions": [{**as_dict(one), "code": one.code.value} for one in plan.questions],
        }
    )
