"""Vital signs, one measurement a row, in whatever unit the ward's device speaks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, ClassVar

from examples.amounts import celsius, times
from examples.drafts import Cell
from examples.pen import ZONES, Dates, Numbers, Pen, identifier, safe_minute
from examples.table import Fact, Fault, Table

_FIRST = datetime(2022, 1, 3)  # noqa: DTZ001 - the ward's clock; the zone is added when written
_SPAN_MINUTES = 3 * 365 * 24 * 60
_PER_PATIENT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit a sign is measured in: its spellings, the values it comes with, the way to UCUM."""

    spellings: tuple[str, ...]
    low: float
    high: float
    decimals: int = 0
    convert: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One vital sign. `told`: whether its value alone tells the unit."""

    names: tuple[str, ...]
    target: str
    units: tuple[Unit, ...]
    told: bool = False


def _scaled(factor: str) -> Callable[[str], str]:
    return lambda text: times(text, Fraction(factor))


_PRESSURE = Unit(spellings=("mmHg", "mm Hg", "MMHG", "mm[Hg]"), low=0, high=0)
_SIGNS = {
    "heart_rate": Sign(
        names=("Heart Rate", "HR", "Pulse", "PULSE RATE"),
        target="/min",
        told=True,
        units=(Unit(spellings=("bpm", "BPM", "beats/min", "/min"), low=45, high=160),),
    ),
    "respiratory_rate": Sign(
        names=("Respiratory Rate", "RR", "Resp Rate", "Respirations"),
        target="/min",
        told=True,
        units=(Unit(spellings=("breaths/min", "/min", "br/min"), low=9, high=35),),
    ),
    "body_temperature": Sign(
        names=("Temperature", "Temp", "Body Temp", "body_temperature"),
        target="Cel",
        told=True,
        units=(
            Unit(spellings=("°C", "C", "Celsius", "Cel", "℃"), low=35.1, high=40.9, decimals=1),
            Unit(spellings=("°F", "F", "deg F"), low=95.2, high=105.5, decimals=1, convert=celsius),
        ),
    ),
    "oxygen_saturation": Sign(
        names=("Oxygen Saturation", "SpO2", "O2 Sat", "o2 saturation"),
        target="%",
        told=True,
        units=(Unit(spellings=("%", "percent"), low=82, high=100),),
    ),
    "body_weight": Sign(
        names=("Weight", "Body Weight", "Wt"),
        target="kg",
        units=(
            Unit(spellings=("kg", "KG", "Kg"), low=45, high=150, decimals=1),
            Unit(
                spellings=("lb", "lbs", "LBS"),
                low=100,
                high=300,
                convert=_scaled("0.45359237"),
            ),
            Unit(spellings=("g", "gm"), low=2_000, high=4_500, convert=_scaled("0.001")),
        ),
    ),
    "body_height": Sign(
        names=("Height", "Body Height", "Ht"),
        target="cm",
        units=(
            Unit(spellings=("cm", "CM"), low=150, high=200),
            Unit(spellings=("in", "inches", "IN"), low=58, high=78, convert=_scaled("2.54")),
            Unit(spellings=("m",), low=1.5, high=2.0, decimals=2, convert=_scaled("100")),
        ),
    ),
    "blood_pressure": Sign(
        names=("Blood Pressure", "BP", "blood pressure"), target="mm[Hg]", units=(_PRESSURE,)
    ),
}


class Vitals(Table):
    """Makes measurements; a blood pressure is one record and two delivered rows."""

    fields = ("patient_id", "observed_at", "vital", "value", "unit", "provider_id")
    columns = fields
    labels: ClassVar[Mapping[str, Sequence[str]]] = {
        "patient_id": ("patient_id", "MRN", "Patient No."),
        "observed_at": ("observation_datetime", "Measured At", "Recorded at"),
        "vital": ("vital_type", "Vital Sign", "Measurement"),
        "value": ("vital_value", "Reading", "Result"),
        "unit": ("unit", "Units", "UOM"),
        "provider_id": ("provider_id", "Observed by"),
    }
    faults = (
        Fault("observed_at", "31-Feb-2024 10:00", "impossible-date"),
        Fault("observed_at", "2023-02-29 10:00:00", "impossible-date"),
        Fault("observed_at", "2024-03-10 02:30:00", "nonexistent-time"),
        Fault("observed_at", "2024-11-03 01:30:00", "ambiguous-time"),
        Fault("observed_at", "2024-10-30", "partial-date"),
        Fault("observed_at", "2024-10-30 25:10:00", "type-error"),
        Fault("observed_at", "yesterday", "type-error"),
        Fault("observed_at", "2091-01-01 10:00:00", "row-constraint"),
        Fault("observed_at", "", "required"),
        Fault("vital", "Mood", "code-unknown"),
        Fault("vital", "", "required"),
        Fault("value", "N/A", "required"),
        Fault("value", "high", "type-error"),
        Fault("value", "<60", "type-error"),
        Fault("value", "9999", "constraint-error"),
        Fault("value", "-40", "constraint-error"),
        Fault("unit", "furlongs", "unit-unknown"),
        Fault("unit", "mmol/L", "unit-not-convertible"),
        Fault("unit", "", "unit-missing", "body_weight"),
        Fault("unit", "--", "unit-missing", "body_height"),
        Fault("value", "120", "type-error", "blood_pressure"),
        Fault("value", "120/80/60", "type-error", "blood_pressure"),
        Fault("value", "80/high", "type-error", "blood_pressure"),
        Fault("patient_id", "NULL", "required"),
        Fault("patient_id", "P", "pattern"),
    )
    usual = "heart_rate"

    def __init__(self, pen: Pen, total: int) -> None:
        super().__init__(pen, total)
        self._dates = Dates(pen)
        self._numbers = Numbers(pen)
        self._patients = patients_of(total)

    def fact(self, index: int, about: str = "") -> dict[str, Any]:
        """One measurement; one that is asked for comes with its unit."""
        pick = self.pen.chance.choice
        vital = about or pick(tuple(_SIGNS))
        unit = pick(_SIGNS[vital].units)
        return {
            "patient_id": identifier(index % self._patients),
            "at": moment_of(index // self._patients, self.pen.chance),
            "zone": pick(ZONES),
            "vital": vital,
            "value": self._value(vital, unit),
            "unit": unit,
            "has_unit": not (self.pen.some(0.05) and _SIGNS[vital].told and not about),
            "provider_id": f"PROV{self.pen.chance.randrange(10_000, 100_000)}",
        }

    def retell(self, fact: Fact) -> Fact:
        """The same moment, perhaps told in another zone."""
        return {**fact, "zone": self.pen.chance.choice(("local", "offset", "utc"))}

    def contradict(self, fact: Fact) -> dict[str, Any]:
        """Another value at the same moment."""
        return {**fact, "value": "61" if fact["value"] != "61" else "62"}

    def deliver(self, fact: Fact, cells: Mapping[str, Cell]) -> tuple[dict[str, str], ...]:
        """One row, but a systolic and a diastolic one for a blood pressure."""
        [row] = super().deliver(fact, cells)
        if fact["vital"] != "blood_pressure":
            return (row,)
        ends = zip(("systolic", "diastolic"), fact["value"].split("/"), strict=True)
        return tuple({**row, "vital": vital, "value": end} for vital, end in ends)

    def write(self, fact: Fact) -> dict[str, Cell]:
        """Sign, value and unit as the ward's devices write them."""
        pen, sign, unit = self.pen, _SIGNS[fact["vital"]], fact["unit"]
        value, spelling = fact["value"], pen.one_of(unit.spellings)
        is_pressure = "/" in value
        written = value if is_pressure else self._numbers.write(value)
        if pen.some(0.2) and is_pressure:
            written = written.replace("/", " / ")
        return {
            "patient_id": pen.text(fact["patient_id"]),
            "observed_at": self._dates.write_moment(fact["at"], fact["zone"]),
            "vital": pen.code(sign.names, fact["vital"]),
            "value": (pen.padded(written), value if is_pressure else unit.convert(value)),
            "unit": (pen.padded(spelling) if fact["has_unit"] else pen.missing()[0], sign.target),
            "provider_id": pen.text(fact["provider_id"]),
        }

    def _value(self, vital: str, unit: Unit) -> str:
        chance = self.pen.chance
        if vital == "blood_pressure":
            return f"{chance.randrange(95, 181)}/{chance.randrange(50, 95)}"
        return f"{chance.uniform(unit.low, unit.high):.{unit.decimals}f}"


def patients_of(total: int) -> int:
    """How many patients a table of `total` records about their stays has."""
    return total // _PER_PATIENT + 1


def moment_of(slot: int, chance: random.Random) -> datetime:
    """A minute in the slot of a patient: none is in two slots, so a patient's times differ."""
    width = _SPAN_MINUTES // (_PER_PATIENT + 2)
    minute = slot * width + chance.randrange(width - 24 * 60)
    return safe_minute(_FIRST + timedelta(minutes=minute))
