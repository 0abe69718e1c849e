"""What the first pass sees of units: with each number its unit and its analyte.

Only a whole column tells whether saturations are written 97 or 0.97, or whether an analyte never
names its unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract
from pipeline.kinds import codeset_of, takes_unit
from pipeline.mapping.sourcewords import SourceWords
from pipeline.measures import Measure, measures_of
from pipeline.rows.rowsplit import lookups_of, split_rows
from pipeline.standardize.base import Question
from pipeline.standardize.codes import CodeSet, convert_codes
from pipeline.standardize.numbers import NumberDecision, convert_numbers
from pipeline.standardize.ranges import split_ranges
from pipeline.standardize.unit_evidence import (
    UNKNOWN_CODE,
    UnitDecision,
    UnitEvidence,
    decide_units,
)


class UnitWatch:
    """Evidence about units: collected in the first pass, one collector a measured field.

    `decisions` are how the numbers of each source column are written. In the first pass that is
    not known yet; a point is assumed, and the pass is repeated if it turns out otherwise. `words`
    are what a mapping says, for every field that has a column.
    """

    def __init__(
        self,
        contract: Contract,
        words: Mapping[str, SourceWords],
        decisions: Mapping[str, NumberDecision],
    ) -> None:
        mapped = words.keys()
        self._contract = contract
        self._words = words
        self._decisions = decisions
        self._lookups = lookups_of(contract)
        self._measures = [one for one in measures_of(contract) if one.source in mapped]
        self._evidence = {one.field: UnitEvidence() for one in self._measures}
        self._codesets: dict[str, CodeSet] = {
            one.code_field: codeset_of(contract.field(one.code_field), contract)
            for one in self._measures
            if one.code_field in mapped and one.code_field is not None
        }

    def depends_on(self, columns: Mapping[str, object]) -> bool:
        """True when any measured number comes from one of these fields' columns."""
        return any(one.source in columns for one in self._measures)

    def fields_of(self, mapped: Iterable[str]) -> frozenset[str]:
        """Those of the mapped fields whose cells are looked at."""
        if not self._measures:
            return frozenset()
        if self._contract.split_rows:
            return frozenset(mapped)
        seen = {name for one in self._measures for name in (one.source, one.unit_field)}
        return frozenset(mapped) & (seen | self._codesets.keys())

    def observe(self, cells: Mapping[str, pa.StringArray]) -> None:
        """Look at one batch of cleaned cells, by field."""
        if not self._measures:
            return
        if self._contract.split_rows:  # 120/80 is two measured values
            count = len(next(iter(cells.values())))
            cells = split_rows(cells, self._contract.split_rows, self._lookups, count).columns
        codes = {name: _coded(cells[name], codeset) for name, codeset in self._codesets.items()}
        for one in self._measures:
            numbers, written = self._numbers(one, cells[one.source])
            units = [cells[one.unit_field]] if one.unit_field in cells else []
            units += [] if written is None else [written]
            unit = pc.coalesce(*units) if units else pa.nulls(len(numbers), pa.string())
            analytes = one.analytes(codes, len(numbers))
            told = self._words[one.source].told_units(analytes)
            self._evidence[one.field].observe(numbers, unit, analytes, told)

    def _numbers(
        self, one: Measure, cells: pa.StringArray
    ) -> tuple[pa.DoubleArray, pa.StringArray | None]:
        decision = self._decisions.get(one.source, NumberDecision(decimal=".", group=","))
        if one.part is not None:
            parts = split_ranges(cells)
            end = convert_numbers(getattr(parts, one.part), decision)
            return end.extra["number"], parts.unit
        converted = convert_numbers(
            cells,
            decision,
            split_comparator=True,
            split_text=True,
            split_unit=takes_unit(self._contract.field(one.field)),
        )
        return converted.extra["number"], converted.extra.get("unit")

    def seen_units(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Units by code, of the results themselves."""
        return {
            one.field: self._evidence[one.field].units() for one in self._measures if one.is_main
        }

    def settle(
        self, labels: Mapping[str, str]
    ) -> tuple[dict[str, UnitDecision], tuple[Question, ...]]:
        """Decide for each measured field. Only about results themselves questions are asked."""
        decisions: dict[str, UnitDecision] = {}
        questions: list[Question] = []
        for one in self._measures:
            decided = decide_units(
                self._evidence[one.field],
                one.specs,
                column=labels[one.source],
                told=self._words[one.source].scales(),
            )
            if isinstance(decided, UnitDecision):
                decisions[one.field] = decided
            elif one.is_main:
                questions += decided
        return decisions, tuple(questions)


def _coded(cells: pa.StringArray, codeset: CodeSet) -> pa.StringArray:
    """Codes; what is in no code keeps its spelling behind UNKNOWN, so that units are seen of it."""
    codes = convert_codes(cells, codeset).values
    unknown = pc.binary_join_element_wise(UNKNOWN_CODE, cells, "")
    return pc.coalesce(codes, unknown)
