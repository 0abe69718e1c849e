"""Measured fields: which unit and which analyte belong to each number of a row.

The contract says it (`unit: {from: unit, to: analytes.unit}`); `standardize.units` converts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from pipeline.contract.loading import Contract
from pipeline.same import Same
from pipeline.standardize.units import AnalyteUnits

_NO_CODE = ""  # the one analyte of a field that is always in one unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measured field. `code_field` is None when every row has the same unit.

    is_main: the first field of its code set: the result itself, not an end of its range.
    source: the field whose column holds the number; another field's when it is an end of a range.
    """

    field: str
    unit_field: str
    code_field: str | None
    specs: Mapping[str, AnalyteUnits]
    is_main: bool
    source: str
    part: str | None = None

    def analytes(self, codes: Mapping[str, pa.StringArray], count: int) -> pa.StringArray:
        """The key into `specs` of every row."""
        if self.code_field is None:
            return pa.repeat(pa.scalar(_NO_CODE), count)
        known = codes.get(self.code_field)
        return pa.nulls(count, pa.string()) if known is None else known


def measures_of(contract: Contract) -> tuple[Measure, ...]:
    """The measured fields of a contract, in its order."""
    return _measures_of(Same(contract))


@lru_cache(maxsize=256)
def _measures_of(of: Same[Contract]) -> tuple[Measure, ...]:
    contract = of.thing
    range_ends = {
        name: (field.name, part)
        for field in contract.fields
        if field.split is not None
        for part, name in (("low", field.split.low), ("high", field.split.high))
        if name is not None
    }
    found: list[Measure] = []
    for field in contract.fields:
        if field.unit is None:
            continue
        code_field, specs = _specs_of(field.unit.to, contract)
        source, part = range_ends.get(field.name, (field.name, None))
        found.append(
            Measure(
                field=field.name,
                unit_field=field.unit.from_,
                code_field=code_field,
                specs=specs,
                is_main=all(known.unit_field != field.unit.from_ for known in found),
                source=source,
                part=part,
            )
        )
    return tuple(found)


def _specs_of(target: str, contract: Contract) -> tuple[str | None, dict[str, AnalyteUnits]]:
    name, dot, attribute = target.rpartition(".")
    if not dot or attribute != "unit" or name not in contract.codesets:
        return None, {_NO_CODE: AnalyteUnits(target=target)}
    code_field = next(
        (one.name for one in contract.fields if one.codes is not None and one.codes.set == name),
        None,
    )
    return code_field, {
        code: AnalyteUnits(
            target=None if entry.kind == "panel" else entry.unit,
            molar_mass=entry.molar_mass,
            valence=entry.valence,
            plausible=entry.plausible,
            usual=entry.usual,
            convert=entry.convert,
            keep=entry.keep,
        )
        for code, entry in contract.codesets[name].items()
    }
