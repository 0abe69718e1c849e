"""What a whole file says about its units, analyte by analyte, before any row is converted.

Two things no single row can tell: whether a percentage column is written 0 to 100 or 0 to 1, and
whether an analyte never names its unit at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import FileCode
from pipeline.standardize.base import Question
from pipeline.standardize.distinct import Distinct, is_true, read_distinct
from pipeline.standardize.units import AnalyteUnits, Scales, normalize_unit

_ASKED_FROM = 0.05
UNKNOWN_CODE = "?"
"""Stands before a spelling that is no code, where units of it are counted."""
_MOST_UNKNOWN = 50
_MAX_ANSWERS = 6
_COMMON = (
    "mg/dL", "mmol/L", "umol/L", "g/L", "g/dL", "mg/L", "ug/L", "ng/mL", "ug/dL", "nmol/L",
    "pmol/L", "meq/L", "10*9/L", "10*3/uL", "U/L", "kg", "g", "[lb_av]", "cm", "m", "[in_i]",
    "Cel", "[degF]", "mm[Hg]", "kPa", "%",
)  # fmt: skip


class UnitEvidence:
    """Per analyte code: how many values there are, without unit, and on which side of 1."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._units: dict[str, Counter[str]] = {}

    def observe(
        self,
        number: pa.DoubleArray,
        unit: pa.StringArray,
        analyte: pa.StringArray,
        told: pa.StringArray | None = None,
    ) -> None:
        """Count one batch; rows without number or code do not count.

        told: units a person has said of values that name none; they are not seen, but not missed.
        """
        values = np.asarray(number.to_numpy(zero_copy_only=False), dtype=np.float64)
        bare = ~is_true(unit.is_valid())
        if told is not None:
            bare &= ~is_true(told.is_valid())
        codes = read_distinct(analyte, str)
        units = read_distinct(unit, normalize_unit)
        for slot, code in enumerate(codes.answers):
            if code.startswith(UNKNOWN_CODE) and not self._has_room_for(code):
                continue
            rows = (codes.slots == slot) & ~np.isnan(values)
            counts = self._counts.setdefault(code, Counter())
            counts.update(_tally(values[rows], bare[rows]))
            self._units.setdefault(code, Counter()).update(_units_at(units, rows))

    def _has_room_for(self, code: str) -> bool:
        """Of spellings that are no code only so many are counted: memory has an end."""
        unknown = sum(1 for known in self._counts if known.startswith(UNKNOWN_CODE))
        return code in self._counts or unknown < _MOST_UNKNOWN

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Code -> counts, in a fixed order, zeros left out."""
        return {
            code: {name: counts[name] for name in sorted(counts) if counts[name]}
            for code, counts in sorted(self._counts.items())
        }

    def count(self, code: str, name: str) -> int:
        """One count of one code: measured, without_unit, between_0_and_1, is_0_or_1, above_1."""
        return self._counts.get(code, Counter())[name]

    def units(self) -> dict[str, tuple[str, ...]]:
        """Code -> the UCUM units its numbers came with; units of unknown spelling left out."""
        return {code: tuple(sorted(seen)) for code, seen in sorted(self._units.items()) if seen}

    def total(self, name: str) -> int:
        """One count over all known codes."""
        return sum(
            counts[name]
            for code, counts in self._counts.items()
            if not code.startswith(UNKNOWN_CODE)
        )


def _units_at(units: Distinct[str | None], rows: npt.NDArray[np.bool_]) -> dict[str, int]:
    slots, counts = np.unique(units.slots[rows], return_counts=True)
    named = ((units.answers[slot] if slot >= 0 else None) for slot in slots.tolist())
    return {
        unit: count for unit, count in zip(named, counts.tolist(), strict=True) if unit is not None
    }


def _tally(values: npt.NDArray[np.float64], bare: npt.NDArray[np.bool_]) -> dict[str, int]:
    return {
        "measured": len(values),
        "without_unit": int(bare.sum()),
        "between_0_and_1": int(((values > 0) & (values < 1)).sum()),
        "is_0_or_1": int(((values == 0) | (values == 1)).sum()),
        "above_1": int((values > 1).sum()),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDecision:
    """How percentages are written, per code. `scales` goes to `convert_units`."""

    scales: dict[str, Literal["fraction", "percent"]] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return {"scales": dict(self.scales), "sentences": list(self.sentences)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> UnitDecision:
        """Inverse of `to_dict`."""
        return cls(scales=dict(document["scales"]), sentences=tuple(document["sentences"]))


def decide_units(
    evidence: UnitEvidence,
    specs: Mapping[str, AnalyteUnits],
    *,
    column: str,
    told: Scales | None = None,
) -> UnitDecision | list[Question]:
    """Decide the scale of percentages; ask where a whole analyte's unit cannot be told.

    told: code -> scale of its percentages, as a person confirmed it.

    An analyte that is rare in the file (below 5 % of its values), or of which less than half of
    the values lack their unit, is not asked about: such rows are refused one by one.
    """
    many = _ASKED_FROM * evidence.total("measured")
    scales: dict[str, Literal["fraction", "percent"]] = {}
    sentences: list[str] = []
    questions: list[Question] = []
    for code, spec in sorted(specs.items()):
        measured = evidence.count(code, "measured")
        if not measured or spec.target is None:
            continue
        if spec.tells_fractions():
            scale = (told or {}).get(code) or _scale_of_percentage(evidence, code)
            if scale is None:
                questions.append(_ask_scale(column, code))
                continue
            scales[code] = scale
            if scale == "fraction":
                sentences.append(f"{code}: all {measured} values lie in 0 to 1, read as fractions")
        elif measured >= many and _needs_unit(evidence, code, spec):
            bare = evidence.count(code, "without_unit")
            questions.append(_ask_unit(column, code, spec, bare, measured))
    if questions:
        return questions
    return UnitDecision(scales=scales, sentences=tuple(sentences))


def _ask_scale(column: str, code: str) -> Question:
    return Question(
        code=FileCode.UNIT_MISSING,
        column=column,
        sentence=f"{code}: 1 can be a fraction or a percentage.",
        key=f"scale:{column}:{code}",
        answers={"fraction": "1 means 100 %", "percent": "1 means 1 %"},
    )


def _ask_unit(column: str, code: str, spec: AnalyteUnits, bare: int, measured: int) -> Question:
    """Ask for the unit of an analyte; a field of one unit has no code to name."""
    units = possible_units(spec)
    some = f"{bare} of {measured} values {'has' if bare == 1 else 'have'} no unit"
    none = f"none of {measured} values has a unit" if measured > 1 else "the only value has no unit"
    return Question(
        code=FileCode.UNIT_MISSING,
        column=column,
        sentence=f"{code or column}: {none if bare == measured else some}.",
        key=f"unit:{column}:{code}" if code else f"unit:{column}",
        answers={unit: f"the values are in {unit}" for unit in units},
        free="any other unit that can be converted",
    )


def possible_units(spec: AnalyteUnits) -> list[str]:
    """The unit the analyte is delivered in, then others its values may have come in."""
    others = [unit for unit in _COMMON if unit != spec.target and spec.way_from(unit) is not None]
    return [*([spec.target] if spec.target else []), *spec.convert, *others][:_MAX_ANSWERS]


def _needs_unit(evidence: UnitEvidence, code: str, spec: AnalyteUnits) -> bool:
    """True when half of the analyte's values or more have no unit, and none can be told without.

    What a part of the values names proves nothing about the others: one clerk writes kg, the next
    one notes pounds.
    """
    bare = 2 * evidence.count(code, "without_unit") >= evidence.count(code, "measured")
    return bare and not spec.ranges_without_unit()


def _scale_of_percentage(
    evidence: UnitEvidence, code: str
) -> Literal["fraction", "percent"] | None:
    if evidence.count(code, "above_1"):
        return "percent"
    return "fraction" if evidence.count(code, "between_0_and_1") else None
