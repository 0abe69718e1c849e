"""Units belong to the analyte: the same mg/dL is another mmol/L for glucose than for urea.

Every row is converted from the unit it names to the unit its analyte is delivered in: by prefix,
by the analyte's molar mass or valence, or by its own formula; anything else is refused. A row
already in that unit keeps its digits. A missing unit is told from the value only where the
plausible ranges of the possible units cannot meet (25 to 45 Cel, 77 to 113 [degF]).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RowCode
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.distinct import is_true, put, read_distinct
from pipeline.standardize.formula import Formula
from pipeline.standardize.unit_digits import apply_line, is_too_long, rounded
from pipeline.standardize.unit_scale import Line, line_between, normalize_unit

__all__ = ["AnalyteUnits", "Scales", "convert_units", "normalize_unit"]

Scales = Mapping[str, Literal["fraction", "percent"]]
"""Code -> how its whole column writes percentages (see `unit_evidence`)."""

_HIGH_PERCENTAGE = 10.0
_PERCENT_OF_FRACTION = Line(Fraction(100))

# Units a value can have come in when none is named. Only what stands here is ever inferred, and
# only when the plausible ranges of all of them are apart. Weight (kg, lb), height (cm, in) and
# concentrations stand nowhere: their ranges meet.
_RIVALS: dict[str, tuple[str, ...]] = {"Cel": ("[degF]",), "[degF]": ("Cel",), "/min": ()}

Way = Callable[[str], str | None]
"""Number text in one unit -> number text in another; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyteUnits:
    """What is known about one analyte (or vital sign), from its entry in the contract.

    target: UCUM unit its values are delivered in; None for panels, which are not converted.
    molar_mass: g/mol. valence: charges of its ion. plausible, usual: range in the target unit.
    convert: UCUM unit -> formula in x, for units that are no multiple of the target.
    keep: UCUM units that are customary and cannot be converted; their values are left in them.

    Raises:
        ValueError: a formula is not arithmetic in x.
    """

    target: str | None
    molar_mass: float | None = None
    valence: int | None = None
    plausible: tuple[float, float] | None = None
    usual: tuple[float, float] | None = None
    convert: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    _formulas: dict[str, Formula] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        formulas = {
            normalize_unit(unit) or unit: Formula.parse(text) for unit, text in self.convert.items()
        }
        object.__setattr__(self, "_formulas", formulas)

    def way_from(self, unit: str) -> Way | None:
        """How a number in `unit` (UCUM) gets to the target unit; None when no way is known."""
        if self.target is None or unit == self.target:
            return lambda text: text
        formula = self._formulas.get(unit)
        if formula is not None:
            return lambda text: _by_formula(formula, text)
        line = line_between(
            unit,
            normalize_unit(self.target) or self.target,
            # repr gives back the digits the contract wrote, so the factor is exact
            molar_mass=None if self.molar_mass is None else Fraction(repr(self.molar_mass)),
            valence=self.valence,
        )
        return None if line is None else lambda text: apply_line(text, line)

    def ranges_without_unit(self) -> dict[str, tuple[float, float]]:
        """Possible unit -> its plausible range; empty when the value cannot tell the unit."""
        if self.target not in _RIVALS or self.plausible is None:
            return {}
        ranges = {self.target: self.plausible}
        for rival in _RIVALS[self.target]:
            line = line_between(self.target, rival)
            if line is None:
                return {}
            low, high = (float(Fraction(end) * line.factor + line.offset) for end in self.plausible)
            ranges[rival] = (low, high)
        ends = sorted(ranges.values())
        apart = all(lower[1] < upper[0] for lower, upper in pairwise(ends))
        return ranges if apart else {}

    def tells_fractions(self) -> bool:
        """True for a percentage whose usual values lie so high that 1 or less is not one of them.

        Oxygen saturation is (70 to 100 %); eosinophils are not, where 0.5 % is a good value.
        """
        believed = self.usual or self.plausible
        return self.target == "%" and believed is not None and believed[0] >= _HIGH_PERCENTAGE


def _by_formula(formula: Formula, text: str) -> str | None:
    result = None if is_too_long(text) else formula(Decimal(text))
    return None if result is None else rounded(result, reported=text)


def convert_units(
    number_text: pa.StringArray,
    number: pa.DoubleArray | npt.NDArray[np.float64],
    unit: pa.StringArray,
    analyte: pa.StringArray,
    specs: Mapping[str, AnalyteUnits],
    *,
    scales: Scales | None = None,
) -> Converted:
    """Each row's number in its analyte's unit, as canonical decimal text.

    number_text, number: the same numbers as text and float64; null where a row has none.
    unit: as written in the row, null where missing. analyte: the row's code, a key of `specs`;
    rows with no or another code are not converted. scales: what `decide_units` found.

    extra["number"] is the converted float64, extra["unit"] the UCUM unit of the delivered value
    (a spelling that is not known stays as written). Bad: unit-missing, unit-unknown,
    unit-not-convertible. Marked: unit-inferred, unit-unknown where nothing had to be converted, and
    unit-not-convertible where the unit is one to keep. Converted values are rounded as
    `unit_digits` says.
    """
    floats = np.asarray(
        number.to_numpy(zero_copy_only=False) if isinstance(number, pa.Array) else number,
        dtype=np.float64,
    )
    work = _Work(number_text, floats, scales or {})
    for text, code, rows in _pairs(unit, analyte):
        spec = specs.get(code) if code is not None else None
        if spec is None or spec.target is None:
            work.keep(rows, text)
        elif text is None:
            work.without_unit(rows, spec, code or "")
        else:
            work.with_unit(rows, spec, code or "", text)
    return work.finish()


def _pairs(
    unit: pa.StringArray, analyte: pa.StringArray
) -> Iterator[tuple[str | None, str | None, Rows]]:
    """Every distinct (unit as written, code) with its rows, in order of first appearance."""
    units, codes = read_distinct(unit, str), read_distinct(analyte, str)
    slots = (units.slots + 1) * (len(codes.answers) + 1) + codes.slots + 1
    if not len(slots):
        return
    order = np.argsort(slots, kind="stable").astype(np.int64)
    edges = np.flatnonzero(np.diff(slots[order])) + 1
    for rows in np.split(order, edges):
        unit_slot, code_slot = units.slots[rows[0]], codes.slots[rows[0]]
        yield (
            units.answers[unit_slot] if unit_slot >= 0 else None,
            codes.answers[code_slot] if code_slot >= 0 else None,
            rows,
        )


class _Work:
    """The columns of one batch while its (unit, code) pairs are worked through."""

    def __init__(
        self, texts: pa.StringArray, floats: npt.NDArray[np.float64], scales: Scales
    ) -> None:
        self._texts = texts
        self._floats = floats
        self._scales = scales
        self._measured = is_true(texts.is_valid())
        self._units: npt.NDArray[np.object_] = np.full(len(texts), None, dtype=object)
        self._bad: dict[RowCode, list[Rows]] = {}
        self._marked: dict[RowCode, list[Rows]] = {}
        self._changed: dict[str, list[Rows]] = {}

    def keep(self, rows: Rows, written: str | None) -> None:
        """Leave the numbers; write the unit in UCUM where its spelling is known."""
        if written is None:
            return
        code = normalize_unit(written)
        self._units[rows] = code or written
        if code is None:
            self._marked.setdefault(RowCode.UNIT_UNKNOWN, []).append(rows)
        elif code != written:
            self._note("unit-respelled", rows)

    def with_unit(self, rows: Rows, spec: AnalyteUnits, code: str, written: str) -> None:
        """Convert rows that name their unit."""
        silent, rows = rows[~self._measured[rows]], rows[self._measured[rows]]
        if len(silent):
            self.keep(silent, written)
        unit = spec.target if written == spec.target else normalize_unit(written)
        if unit is None:
            self._refuse(RowCode.UNIT_UNKNOWN, rows)
        elif unit == "%" and self._is_fraction(spec, code):
            self._infer_fraction(rows, spec)
        elif unit in spec.keep:
            self.keep(rows, written)
            self._marked.setdefault(RowCode.UNIT_NOT_CONVERTIBLE, []).append(rows)
        elif (way := spec.way_from(unit)) is None:
            self._refuse(RowCode.UNIT_NOT_CONVERTIBLE, rows)
        elif unit == spec.target:
            self._deliver(rows, spec, "unit-respelled" if written != unit else None)
        else:
            self._convert(rows, spec, way)

    def without_unit(self, rows: Rows, spec: AnalyteUnits, code: str) -> None:
        """Tell the missing unit where only one can be meant, refuse the row otherwise."""
        rows = rows[self._measured[rows]]
        if self._is_fraction(spec, code):
            self._infer_fraction(rows, spec)
            return
        told = np.zeros(len(rows), dtype=np.bool_)
        numbers = self._floats[rows]
        ranges = spec.ranges_without_unit()
        if spec.tells_fractions() and self._scales.get(code) == "percent":
            ranges = {"%": (np.nextafter(1.0, 2.0), 100.0)}
        for unit, (low, high) in ranges.items():
            fits = (numbers >= low) & (numbers <= high)
            told |= fits
            way = spec.way_from(unit)
            if way is not None and fits.any():
                self._mark_inferred(rows[fits])
                if unit == spec.target:
                    self._deliver(rows[fits], spec, None)
                else:
                    self._convert(rows[fits], spec, way)
        self._refuse(RowCode.UNIT_MISSING, rows[~told])

    def _is_fraction(self, spec: AnalyteUnits, code: str) -> bool:
        return spec.tells_fractions() and self._scales.get(code) == "fraction"

    def _infer_fraction(self, rows: Rows, spec: AnalyteUnits) -> None:
        """The whole column lies between 0 and 1: it is a fraction, whatever its unit says."""
        self._mark_inferred(rows)
        self._convert(rows, spec, lambda text: apply_line(text, _PERCENT_OF_FRACTION))

    def _convert(self, rows: Rows, spec: AnalyteUnits, way: Way) -> None:
        if not len(rows):
            return
        answers = read_distinct(self._texts.take(pa.array(rows)), way)
        self._texts = put(self._texts, rows, answers.spread(lambda text: text, pa.string()))
        self._deliver(rows, spec, "unit-converted")
        self._refuse(RowCode.UNIT_NOT_CONVERTIBLE, rows[answers.rows(lambda text: text is None)])

    def _deliver(self, rows: Rows, spec: AnalyteUnits, reason: str | None) -> None:
        self._units[rows] = spec.target
        if reason is not None:
            self._note(reason, rows)

    def _mark_inferred(self, rows: Rows) -> None:
        if len(rows):
            self._marked.setdefault(RowCode.UNIT_INFERRED, []).append(rows)

    def _refuse(self, code: RowCode, rows: Rows) -> None:
        if len(rows):
            self._bad.setdefault(code, []).append(rows)

    def _note(self, reason: str, rows: Rows) -> None:
        if len(rows):
            self._changed.setdefault(reason, []).append(rows)

    def finish(self) -> Converted:
        """The worked columns; refused rows are null in all of them."""
        bad = {code: np.sort(np.concatenate(rows)) for code, rows in self._bad.items()}
        for rows in bad.values():
            self._texts = put(self._texts, rows, pa.nulls(len(rows), pa.string()))
            self._units[rows] = None
        numbers = pc.cast(self._texts, pa.float64())
        return Converted(
            values=self._texts,
            bad=bad,
            marked={code: np.sort(np.concatenate(rows)) for code, rows in self._marked.items()},
            extra={"number": numbers, "unit": pa.array(self._units, pa.string())},
            changed={code: np.sort(np.concatenate(rows)) for code, rows in self._changed.items()},
        )
