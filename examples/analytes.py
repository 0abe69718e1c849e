"""Laboratory tests: names, units and reference ranges as laboratories write them, with the factors.

mmol/L to mg/dL is a tenth of the molar mass in g/mol, umol/L a thousandth of that tenth; mEq/L to
mmol/L is one over the charges of the ion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from examples.amounts import formula, times


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit results come in: spellings, the reference range's ends, decimals, the way to UCUM."""

    spellings: tuple[str, ...]
    low: str
    high: str
    decimals: int
    convert: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test. target: UCUM unit it is delivered in."""

    names: tuple[str, ...]
    target: str
    units: tuple[Unit, ...]


def _to(factor: str) -> Callable[[str], str]:
    return lambda text: times(text, Fraction(factor))


def _glycated(text: str) -> str:
    """mmol/mol to percent, by the NGSP's master equation (ngsp.org/ifcc.asp)."""
    return formula(text, Fraction("0.09148"), Fraction("2.152"))


def _unit(spellings: str, low: str, high: str, decimals: int, factor: str = "1") -> Unit:
    return Unit(
        spellings=tuple(spellings.split("; ")),
        low=low,
        high=high,
        decimals=decimals,
        convert=_to(factor),
    )


_MG_DL = "mg/dL; mg/dl; MG/DL; mg%"
TESTS = {
    "glucose": Test(
        names=("Blood Glucose", "Glucose", "GLU", "Fasting Glucose"),
        target="mg/dL",
        units=(
            _unit(_MG_DL, "70", "99", 0),
            _unit("mmol/L; mmol/l; MMOL/L", "3.9", "5.5", 1, "18.0156"),
        ),
    ),
    "creatinine": Test(
        names=("Creatinine", "Serum Creatinine", "CREAT"),
        target="mg/dL",
        units=(
            _unit(_MG_DL, "0.6", "1.3", 2),
            _unit("µmol/L; umol/L; μmol/l", "53", "115", 0, "0.011312"),
        ),
    ),
    "hba1c": Test(
        names=("Hemoglobin A1C", "HbA1c", "A1c", "Glycated Haemoglobin"),
        target="%",
        units=(
            _unit("%; percent", "4.0", "5.6", 1),
            Unit(
                spellings=("mmol/mol", "MMOL/MOL"),
                low="20",
                high="38",
                decimals=0,
                convert=_glycated,
            ),
        ),
    ),
    "sodium": Test(
        names=("Sodium", "Na", "Na+", "SODIUM"),
        target="mmol/L",
        units=(_unit("mmol/L; mmol/l", "135", "145", 0), _unit("mEq/L; meq/L", "135", "145", 0)),
    ),
    "calcium": Test(
        names=("Calcium", "Ca", "Total Calcium", "calcium, total"),
        target="mg/dL",
        units=(
            _unit(_MG_DL, "8.5", "10.5", 1),
            _unit("mmol/L; mmol/l", "2.12", "2.62", 2, "4.0078"),
            _unit("mEq/L; mval/L", "4.2", "5.2", 1, "2.0039"),
        ),
    ),
    "urea_nitrogen": Test(
        names=("BUN", "Urea Nitrogen", "Blood urea nitrogen"),
        target="mg/dL",
        units=(
            _unit(_MG_DL, "7", "20", 0),
            _unit("mmol/L; mmol/l", "2.5", "7.1", 1, "2.8014"),
        ),
    ),
    "total_cholesterol": Test(
        names=("Cholesterol", "Total Cholesterol", "CHOL"),
        target="mg/dL",
        units=(
            _unit(_MG_DL, "", "200", 0),
            _unit("mmol/L; mMol/L", "", "5.17", 2, "38.665"),
        ),
    ),
    "hemoglobin": Test(
        names=("Hemoglobin", "Hgb", "Hb", "Haemoglobin"),
        target="g/dL",
        units=(
            _unit("g/dL; g/dl; gm/dL", "12.0", "17.5", 1),
            _unit("g/L; g/l", "120", "175", 0, "0.1"),
        ),
    ),
    "platelets": Test(
        names=("Platelet Count", "PLT", "Platelets"),
        target="10*3/uL",
        units=(
            _unit("K/µL; 10^3/uL; x10³/µL; Thou/uL; 10*3/uL", "150", "450", 0),
            _unit("10^9/L; 10⁹/L; x10^9/L", "150", "450", 0),
            _unit("cells/μL; /mm3", "150000", "450000", 0, "0.001"),
        ),
    ),
    "thyroid_stimulating_hormone": Test(
        names=("Thyroid Stimulating Hormone", "TSH", "THYROTROPIN"),
        target="m[iU]/L",
        units=(_unit("mIU/L; mIU/l", "0.4", "4.0", 2), _unit("µIU/mL; uIU/mL", "0.4", "4.0", 2)),
    ),
    "c_reactive_protein": Test(
        names=("CRP", "C-Reactive Protein"),
        target="mg/L",
        units=(_unit("mg/L; mg/l", "", "5", 1), _unit("mg/dL; mg/dl", "", "0.5", 2, "10")),
    ),
    "alt": Test(names=("ALT", "SGPT"), target="U/L", units=(_unit("U/L; u/L", "10", "40", 0),)),
    "prothrombin_time": Test(
        names=("Prothrombin Time", "PT"),
        target="s",
        units=(_unit("sec; s; seconds", "11.0", "13.5", 1),),
    ),
    "ferritin": Test(
        names=("Ferritin", "Serum Ferritin"),
        target="ng/mL",
        units=(_unit("ng/mL; ng/ml", "24", "1336", 0), _unit("µg/L; mcg/L", "24", "1336", 0)),
    ),
    "vitamin_d_25_hydroxy": Test(
        names=("25-OH Vitamin D", "Vitamin D, 25-Hydroxy"),
        target="ng/mL",
        units=(
            _unit("ng/mL; ng/ml", "30", "100", 1),
            _unit("nmol/L; nmol/l", "75", "250", 0, "0.40064"),
        ),
    ),
    # A heading over several tests: its value is kept as it came, in the unit it came with.
    "lipid_panel": Test(
        names=("Lipid Panel", "LIPID PANEL", "Lipid profile"),
        target="mg/dL",
        units=(_unit("mg/dL; mg/dl", "", "200", 0),),
    ),
}
