"""Laboratory exports: one result a row, in the unit of whichever laboratory sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from examples.analytes import TESTS
from examples.drafts import Cell
from examples.pen import ZONES, Dates, Numbers, Pen, identifier
from examples.table import Fact, Fault, Table
from examples.vitals import moment_of, patients_of

_WORDS = ("Negative", "Positive", "Trace", "+1", "2+", "1:80", "Not detected")
_FLAGS = {
    "N": ("N", "Normal", "WNL"),
    "H": ("H", "High", "HIGH", "elevated"),
    "L": ("L", "Low", "below normal"),
    "A": ("A", "Abnormal", "ABN"),
}


class LabResults(Table):
    """Makes results: numbers, bounds such as <5, and words."""

    fields = (
        "patient_id", "test", "collected_at", "value", "comparator", "value_text", "unit",
        "value_raw", "unit_raw", "reference_range", "range_low", "range_high", "range_text",
        "interpretation", "status", "ordering_provider",
    )  # fmt: skip
    columns = (
        "patient_id", "test", "collected_at", "value", "reference_range", "unit",
        "interpretation", "ordering_provider",
    )  # fmt: skip
    labels: ClassVar[Mapping[str, Sequence[str]]] = {
        "patient_id": ("patient_id", "MRN", "Pat ID"),
        "test": ("test_name", "Analyte", "Component"),
        "collected_at": ("test_date", "Collection Date", "Specimen collected"),
        "value": ("result_value", "Result", "Numeric Result"),
        "reference_range": ("reference_range", "Ref Range", "Normal Range"),
        "unit": ("unit", "Units", "UOM"),
        "interpretation": ("abnormal_flag", "Flag"),
        "ordering_provider": ("ordering_provider", "Ordered By"),
    }
    faults = (
        Fault("collected_at", "31-Feb-2024 10:00", "impossible-date"),
        Fault("collected_at", "2023-02-29T10:00:00", "impossible-date"),
        Fault("collected_at", "2024-03-10 02:30:00", "nonexistent-time"),
        Fault("collected_at", "2024-11-03 01:30:00", "ambiguous-time"),
        Fault("collected_at", "2024-10-30", "partial-date"),
        Fault("collected_at", "see report", "type-error"),
        Fault("collected_at", "2091-01-01 10:00:00", "row-constraint"),
        Fault("collected_at", "--", "required"),
        Fault("test", "Unobtainium", "code-unknown"),
        Fault("test", "UA", "code-unknown"),
        Fault("test", "", "required"),
        Fault("value", "N/A", "row-constraint", "glucose"),
        Fault("value", "5-10", "type-error", "glucose"),
        Fault("value", "#REF!", "type-error", "glucose"),
        Fault("value", "999999", "constraint-error", "glucose"),
        Fault("unit", "", "unit-missing", "glucose"),
        Fault("unit", "mm Hg", "unit-not-convertible", "glucose"),
        Fault("unit", "blorps", "unit-unknown", "glucose"),
        Fault("unit", "mmol/L", "unit-not-convertible", "alt"),
        Fault("interpretation", "maybe", "code-unknown"),
        Fault("patient_id", "NULL", "required"),
        Fault("patient_id", "P", "pattern"),
    )
    usual = "sodium"

    def __init__(self, pen: Pen, total: int) -> None:
        super().__init__(pen, total)
        self._dates = Dates(pen)
        self._numbers = Numbers(pen)
        self._patients = patients_of(total)

    def fact(self, index: int, about: str = "") -> dict[str, Any]:
        """One result; one that is asked for is a plain number with its unit."""
        chance = self.pen.chance
        common = {
            "patient_id": identifier(index % self._patients),
            "at": moment_of(index // self._patients, chance),
            "zone": chance.choice(ZONES),
            "provider": f"PROV{chance.randrange(10_000, 100_000)}",
        }
        if self.pen.some(0.1) and not about:
            words = chance.choice(_WORDS)
            flag = "N" if words in ("Negative", "Not detected") else "A"
            return {**common, "words": words, "flag": flag}
        code = about or chance.choice(tuple(TESTS))
        unit = chance.choice(TESTS[code].units)
        low, high = float(unit.low or 0), float(unit.high)
        value = f"{chance.uniform(max(low * 0.8, high * 0.15), high * 1.3):.{unit.decimals}f}"
        bound = chance.choice(("<", "<=", ">", ">="))
        return {
            **common,
            "test": code,
            "unit": unit,
            "value": value,
            "bound": bound if self.pen.some(0.06) and not about else "",
            "flag": "L" if float(value) < low else "H" if float(value) > high else "N",
        }

    def retell(self, fact: Fact) -> Fact:
        """The same moment, perhaps told in another zone."""
        return {**fact, "zone": self.pen.chance.choice(("local", "offset", "utc"))}

    def contradict(self, fact: Fact) -> dict[str, Any]:
        """Another result of the same specimen."""
        return {**fact, "value": "131" if fact["value"] != "131" else "132"}

    def deliver(self, fact: Fact, cells: Mapping[str, Cell]) -> tuple[dict[str, str], ...]:
        """The row with the fields that are made of parts of cells."""
        [row] = super().deliver(fact, cells)
        row["value_raw"] = cells["value"][0]
        if "words" in fact:
            return ({**row, "value_text": fact["words"], "range_text": "Negative"},)
        unit = fact["unit"]
        row |= {"comparator": fact["bound"], "unit_raw": cells["unit"][0]}
        row |= {
            "range_low": unit.convert(unit.low) if unit.low else "",
            "range_high": unit.convert(unit.high),
        }
        return (row,)

    def write(self, fact: Fact) -> dict[str, Cell]:
        """Number or words, unit and range as the laboratory writes them."""
        pen = self.pen
        cells = {
            "patient_id": pen.text(fact["patient_id"]),
            "collected_at": self._dates.write_moment(fact["at"], fact["zone"]),
            "interpretation": pen.code(_FLAGS[fact["flag"]], fact["flag"]),
            "ordering_provider": pen.text(fact["provider"]),
        }
        return cells | (self._in_words(fact) if "words" in fact else self._in_numbers(fact))

    def _in_words(self, fact: Fact) -> dict[str, Cell]:
        pen = self.pen
        return {
            "test": pen.code(("Urinalysis", "URINALYSIS", "Urine analysis"), "urinalysis"),
            "value": (pen.padded(fact["words"]), ""),
            "reference_range": ("Negative", "Negative"),
            "unit": pen.missing(),
        }

    def _in_numbers(self, fact: Fact) -> dict[str, Cell]:
        pen, unit, bound = self.pen, fact["unit"], fact["bound"]
        if pen.some(0.5) and bound in _OTHER_BOUNDS:
            bound = pen.fit(_OTHER_BOUNDS[bound])
        gap = " " if pen.some(0.3) and bound else ""
        number = pen.padded(f"{bound}{gap}{self._numbers.write(fact['value'])}")
        ends = [end.replace(".", pen.style.decimal) for end in (unit.low, unit.high) if end]
        reference = "-".join(ends) if len(ends) > 1 else f"<{ends[0]}"
        test = TESTS[fact["test"]]
        return {
            "test": pen.code(test.names, fact["test"]),
            "value": (number, unit.convert(fact["value"])),
            "reference_range": (reference, reference),
            "unit": (pen.padded(pen.one_of(unit.spellings)), test.target),
        }


_OTHER_BOUNDS = {"<=": "≤", ">=": "≥"}
