"""How well a column's values are what a field takes: from a sample, and only to propose.

Values can veto a pair and speak for one; they never accept one. A text fits nearly everywhere, so
it says little; a column of dates, codes or units says much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, Field
from pipeline.formats.base import TableReader
from pipeline.formula.evaluate import Moment
from pipeline.inspectors import Setting, inspector_of
from pipeline.kinds import kind_of
from pipeline.mapping.sourcewords import NO_WORDS, SourceWords, read_cells
from pipeline.measures import measures_of
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.units import normalize_unit

SAMPLE_ROWS = 2_000
_TELLING: dict[str, float] = {
    "date": 1.0, "datetime": 1.0, "category": 1.0, "code": 1.0, "ucum-unit": 1.0, "npi": 1.0,
    "loinc": 1.0, "luhn": 0.5,
    "email": 1.0, "boolean": 0.8, "us-state": 0.9, "phone": 0.7, "number": 0.6, "integer": 0.6,
    "postal-code-us": 0.6, "range": 0.6, "identifier": 0.5, "person-name": 0.2, "text": 0.1,
}  # fmt: skip
"""How much it says that values fit a kind, 0 to 1."""

STRONG = 0.6
"""A kind that tells at least so much is evidence by itself."""

_SHORT_CODES = 0.55
"""How much codes of one or two letters tell: M and W are codes of many things."""


@dataclass(frozen=True, slots=True)
class Fit:
    """share: of the sampled values that fit, 0 to 1. telling: how much that says.

    Of codes half of the values fitting says it all, for no other column has any.
    values: how many were looked at. repeats: share of values that stand elsewhere in the column.
    """

    share: float
    telling: float
    values: int
    repeats: float = 0.0
    is_code: bool = False

    @property
    def is_vetoed(self) -> bool:
        """True when most values are something else; of codes, when none is known."""
        return self.values > 0 and self.share < (0.01 if self.is_code else 0.5)

    @property
    def speaks(self) -> float:
        """How much the values speak for the field, 0 to 1."""
        share = min(1.0, 2 * self.share) if self.is_code else self.share
        return share * self.telling


@dataclass(slots=True)
class Sample:
    """The first rows of a file, as text, and what was found out about them."""

    header: tuple[str, ...]
    columns: list[pa.StringArray]
    delimiter: str | None
    _fits: dict[tuple[int, str, str], Fit] = field(default_factory=dict)

    @classmethod
    def take(cls, reader: TableReader, rows: int = SAMPLE_ROWS) -> Sample:
        """Read the first rows."""
        parts: list[list[pa.StringArray]] = []
        taken = 0
        for batch in reader.batches():
            parts.append([column.slice(0, rows - taken) for column in batch.columns])
            taken += min(len(batch.records), rows - taken)
            if taken >= rows:
                break
        columns = [
            pa.concat_arrays([part[at] for part in parts]) if parts else pa.array([], pa.string())
            for at in range(len(reader.header))
        ]
        return cls(reader.header, columns, reader.describe().get("delimiter"))

    def fit(self, at: int, name: str, contract: Contract, moment: Moment) -> Fit:
        """How well the column at a place fits a field; worked out once."""
        key = (at, contract.name, name)
        if key not in self._fits:
            self._fits[key] = self._look(at, contract.field(name), contract, moment)
        return self._fits[key]

    def _look(self, at: int, described: Field, contract: Contract, moment: Moment) -> Fit:
        cells, _ = read_cells(self.columns[at], NO_WORDS, contract.missing_values_of(described))
        setting = Setting(
            label=self.header[at], contract=contract, today=moment.today, delimiter=self.delimiter
        )
        inspector = inspector_of(described, setting)
        inspector.observe(cells)
        settled = inspector.settle()
        present = cells.drop_null()
        kind = kind_of(described)
        share = _share(kind, settled.parse_share, settled.evidence, present)
        if kind == "ucum-unit":
            share = _share_of_units(described, contract, present)
        return Fit(
            share=share,
            is_code=kind in ("code", "category"),
            telling=_telling(kind, present),
            values=len(present),
            repeats=1 - len(pc.unique(present)) / len(present) if len(present) else 0.0,
        )

    def cells(self, at: int, count: int, words: SourceWords = NO_WORDS) -> list[str | None]:
        """The first cells of a column, for people."""
        cells, _ = read_cells(self.columns[at].slice(0, count), words, ("",))
        found: list[str | None] = cells.to_pylist()
        return found


def _telling(kind: str, present: pa.StringArray) -> float:
    telling = _TELLING.get(kind, 0.1)
    if kind not in ("code", "category", "boolean") or not len(present):
        return telling
    is_short: bool = pc.max(pc.utf8_length(present)).as_py() <= 2
    return min(telling, _SHORT_CODES) if is_short else telling


def _share(
    kind: str, parse_share: float | None, evidence: Mapping[str, Any], present: pa.StringArray
) -> float:
    count = len(present)
    if not count:
        return 0.0
    match kind:
        case "date" | "datetime":
            return _share_of_dates(kind, evidence)
        case "number" | "integer":
            bad: int = evidence.get("other", 0) + evidence.get("text", 0)
            return max(0.0, (count - bad) / count)
        case "range":
            return _matching(present, r"^\s*[<>≤≥]|\d\s*(?:-|–|to|bis)\s*[\d<>]")
        case "person-name":
            return _matching(present, r"^[^\d@/;]*\pL[^\d@/;]*$")
        case "identifier" | "npi" | "loinc" | "luhn":
            share = 1.0 if parse_share is None else parse_share
            return share * _matching(present, r"^[^\s]*\d[^\s]*$|^[A-Z0-9-]+$")
        case "phone":
            return _matching(present, r"^[^\pL]*(?:\d[^\pL]*){6,}$")
        case _:
            return 1.0 if parse_share is None else parse_share


def _share_of_units(described: Field, contract: Contract, present: pa.StringArray) -> float:
    """Part of the values that are units in which the contract's numbers may come: no mmol/L of a
    blood pressure."""
    specs = [
        spec
        for one in measures_of(contract)
        if one.unit_field == described.name
        for spec in one.specs.values()
        if spec.target is not None
    ]

    def is_possible(text: str) -> bool:
        unit = normalize_unit(text)
        if unit is None or not specs:
            return unit is not None
        return any(unit in spec.keep or spec.way_from(unit) is not None for spec in specs)

    answers = read_distinct(present, is_possible)
    return sum(count for possible, count in answers.counted() if possible) / max(len(present), 1)


def _share_of_dates(kind: str, evidence: Mapping[str, Any]) -> float:
    values = evidence.get("values", 0)
    fitting = 0
    for shape, counts in evidence.get("shapes", {}).items():
        if shape in ("number", "partial", "number with decimals"):
            continue
        timed = "99:99" in shape or (shape.startswith("99999999") and len(shape) > len("99999999"))
        count = counts.get("values", 0) - counts.get("other", 0)
        if kind == "datetime":
            fitting += count if timed else 0
        else:
            fitting += counts.get("midnight", 0) if timed else count
    return fitting / values if values else 0.0


def _matching(present: pa.StringArray, pattern: str) -> float:
    found: int = pc.match_substring_regex(present, pattern).true_count
    return found / len(present)
