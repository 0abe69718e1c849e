"""Prescription exports: a drug, a dose and how often, in the words of whoever prescribed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from examples.drafts import Cell
from examples.pen import ZONES, Dates, Numbers, Pen, identifier, safe_minute
from examples.table import Fact, Fault, Table
from examples.vitals import moment_of, patients_of

_DRUGS = (
    "Lisinopril", "Levothyroxine", "OMEPRAZOLE", "Gabapentin", "Sertraline", "losartan",
    "Amlodipine", "Albuterol HFA", "Hydrochlorothiazide", "Insulin glargine, 100 units/mL",
    "Metformin ER", "Amoxicillin/Clavulanate",
)  # fmt: skip
_DOSES = (
    ("25", "mg"), ("500", "mg"), ("1000", "mg"), ("0.5", "mg"), ("2.5", "mg"), ("12.5", "mg"),
    ("100", "ug"), ("0.25", "ug"), ("1", "g"), ("1.5", "g"), ("5", "mL"), ("10", "U"),
    ("2", "{tablet}"), ("1200", "mg"),
)  # fmt: skip
_DOSE_UNITS = {
    "mg": ("mg", "MG", "milligrams"),
    "ug": ("mcg", "µg", "ug", "MCG"),
    "g": ("g", "gm"),
    "mL": ("mL", "ml", "ML"),
    "U": ("units", "U", "Units"),
    "{tablet}": ("tablets", "tab", "tabs"),
}
_FREQUENCIES = {
    "QD": ("Once daily", "QD", "daily", "Every day", "q.d."),
    "BID": ("Twice daily", "BID", "b.i.d.", "2 times a day", "two times a day"),
    "TID": ("Three times daily", "TID", "t.i.d.", "3x daily"),
    "QID": ("Four times daily", "QID", "Q.I.D.", "four times  daily"),
    "Q6H": ("Every 6 hours", "Q6H", "every six hours"),
    "Q12H": ("Every 12 hours", "q12h"),
    "AM": ("Every morning", "QAM"),
    "PM": ("Every evening", "in the evening"),
    "BED": ("At bedtime", "QHS"),
    "WK": ("Weekly", "Once a week"),
    "MO": ("Monthly", "once a month"),
}
_PRN = ("As needed", "PRN", "p.r.n.", "if needed", "as required")
_REST = ("with food", "before meals", "for pain")
_ROUTES = {
    "PO": ("Oral", "PO", "by mouth", "per os"),
    "IV": ("IV", "intravenous"),
    "SC": ("SC", "subq", "Subcutaneous"),
    "IH": ("Inhalation", "inhaled"),
    "TP": ("Topical",),
}


class Medications(Table):
    """Makes prescriptions. They have no key: only what is said twice in full is one."""

    fields = (
        "patient_id", "medication", "dose_value", "dose_unit", "frequency", "as_needed",
        "instructions", "route", "start_date", "end_date", "prescriber_id",
    )  # fmt: skip
    columns = (
        "patient_id", "medication", "dose_value", "frequency", "route", "start_date", "end_date",
        "prescriber_id",
    )  # fmt: skip
    labels: ClassVar[Mapping[str, Sequence[str]]] = {
        "patient_id": ("patient_id", "MRN", "Hospital Number"),
        "medication": ("medication_name", "Drug"),
        "dose_value": ("dosage", "Dose", "Strength"),
        "frequency": ("frequency", "Schedule"),
        "route": ("route", "Admin. Route"),
        "start_date": ("start_date", "Prescribed Date"),
        "end_date": ("end_date", "Stop Date"),
        "prescriber_id": ("prescriber_id", "Provider ID"),
    }
    faults = (
        Fault("start_date", "31-Apr-2024 10:00", "impossible-date"),
        Fault("start_date", "2024-03-10 02:30:00", "nonexistent-time"),
        Fault("start_date", "2024-11-03 01:30:00", "ambiguous-time"),
        Fault("start_date", "2024-05", "partial-date"),
        Fault("start_date", "asap", "type-error"),
        Fault("start_date", "", "required"),
        Fault("end_date", "2025-02-30 10:00:00", "impossible-date"),
        Fault("end_date", "2001-01-01 10:00:00", "row-constraint"),
        Fault("medication", " ", "required"),
        Fault("dose_value", "two tablets", "type-error"),
        Fault("dose_value", "10-20 mg", "type-error"),
        Fault("dose_value", "0 mg", "constraint-error"),
        Fault("dose_value", "-5 mg", "constraint-error"),
        Fault("frequency", "Biweekly", "code-unknown"),
        Fault("frequency", "daily or twice daily", "code-unknown"),
        Fault("frequency", "not daily", "code-unknown"),
        Fault("route", "Suppository", "code-unknown"),
        Fault("patient_id", "n/a", "required"),
        Fault("patient_id", "P", "pattern"),
    )

    def __init__(self, pen: Pen, total: int) -> None:
        super().__init__(pen, total)
        self._starts, self._ends = Dates(pen), Dates(pen)
        self._numbers = Numbers(pen)
        self._patients = patients_of(total)

    def fact(self, index: int, about: str = "") -> dict[str, Any]:
        """One prescription."""
        del about
        chance, pen = self.pen.chance, self.pen
        pick = chance.choice
        start = moment_of(index // self._patients, chance)
        end = safe_minute(start + timedelta(minutes=chance.randrange(2_000, 300_000)))
        is_prn, is_bare = pen.some(0.15), chance.random() < 0.5
        return {
            "patient_id": identifier(index % self._patients),
            "medication": pick(_DRUGS),
            "dose": pick(_DOSES),
            "has_dose": not pen.some(0.04),
            "code": pick(tuple(_FREQUENCIES)) if not (is_prn and is_bare) else "",
            "is_prn": is_prn,
            "rest": pick(_REST) if pen.some(0.12) else "",
            "route": pick(tuple(_ROUTES)),
            "start_date": start,
            "end_date": end if chance.random() < 0.6 else None,
            "zones": (pick(ZONES), pick(ZONES)),
            "prescriber_id": f"PROV{chance.randrange(10_000, 100_000)}",
        }

    def retell(self, fact: Fact) -> Fact:
        """The same moments, perhaps told in another zone."""
        zones = tuple(self.pen.chance.choice(("local", "offset", "utc")) for _ in range(2))
        return {**fact, "zones": zones}

    def contradict(self, fact: Fact) -> dict[str, Any]:
        """Nothing: a prescription has no key."""
        del fact
        return {}

    def deliver(self, fact: Fact, cells: Mapping[str, Cell]) -> tuple[dict[str, str], ...]:
        """The row with unit, flag and instructions taken out of their cells."""
        [row] = super().deliver(fact, cells)
        row["dose_unit"] = fact["dose"][1] if fact["has_dose"] else ""
        row["as_needed"] = "true" if fact["is_prn"] else ""
        row["instructions"] = _rest_of(fact)
        return (row,)

    def write(self, fact: Fact) -> dict[str, Cell]:
        """The prescription in its prescriber's words."""
        pen, end = self.pen, fact["end_date"]
        start_zone, end_zone = fact["zones"]
        return {
            "patient_id": pen.text(fact["patient_id"]),
            "medication": pen.text(fact["medication"]),
            "dose_value": self._dose(*fact["dose"]) if fact["has_dose"] else pen.missing(),
            "frequency": self._frequency(fact),
            "route": pen.code(_ROUTES[fact["route"]], fact["route"]),
            "start_date": self._starts.write_moment(fact["start_date"], start_zone),
            "end_date": self._ends.write_moment(end, end_zone) if end else pen.missing(),
            "prescriber_id": pen.text(fact["prescriber_id"]),
        }

    def _dose(self, number: str, unit: str) -> Cell:
        gap = self.pen.one_of(("", " "))
        spelling = self.pen.fit(self.pen.one_of(_DOSE_UNITS[unit]))
        return self.pen.padded(f"{self._numbers.write(number)}{gap}{spelling}"), number

    def _frequency(self, fact: Fact) -> Cell:
        """A code, whether only when needed, and a rest: `TID with food, as needed`."""
        pen, code, rest = self.pen, fact["code"], _rest_of(fact)
        phrases = [pen.one_of(_FREQUENCIES[code])] if code else []
        if fact["is_prn"]:
            phrases.append(pen.one_of(_PRN))
        if rest:
            phrases[0] += f" {rest}"
        text = pen.one_of((", ", " ")).join(phrases)
        is_code_alone = bool(code) and not rest and not fact["is_prn"]
        return pen.code((text,), code) if is_code_alone else (pen.padded(text), code)


def _rest_of(fact: Fact) -> str:
    """Words beside the schedule; without one, only what a drug is needed for."""
    rest: str = fact["rest"]
    return rest if fact["code"] or rest == "for pain" else ""
