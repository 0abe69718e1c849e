"""The units that are known here, and every way they are written: a table, nothing else.

Left the code that is delivered (UCUM, case-sensitive), right the other spellings met in exports.
Case is never folded, because case is meaning: `mU` and `MU` differ by a billion, `G/L` is the
French giga per litre and not grams. A spelling in capitals stands here only where UCUM's
case-insensitive form or common use leaves one reading. `normalize_unit` first unifies what has one
meaning only: both code points of the micro sign, superscripts, spaces around a slash and the ways
to write a power of ten.

The table is our own. UCUM codes are used as identifiers: this product includes all or a portion of
the UCUM table, UCUM codes, and UCUM definitions or is derived from it, subject to a license from
Regenstrief Institute, Inc. and The UCUM Organization. The UCUM specification is at
https://ucum.org; its license at https://ucum.org/license.
"""

from __future__ import annotations

SPELLINGS: dict[str, tuple[str, ...]] = {
    # mass
    "kg": ("KG", "Kg", "kgs", "kilogram", "kilograms", "kilo", "kilos"),
    "g": ("gm", "gms", "gram", "grams", "GM"),
    "mg": ("MG", "mgs", "milligram", "milligrams"),
    "ug": ("mcg", "MCG", "mcgs", "UG", "microgram", "micrograms"),
    "ng": ("NG", "nanogram", "nanograms"),
    "pg": ("PG", "picogram", "picograms"),
    "[lb_av]": ("lb", "lbs", "LB", "LBS", "Lbs", "lb.", "lbs.", "pound", "pounds"),
    "[oz_av]": ("oz", "OZ", "oz.", "ounce", "ounces"),
    "[stone_av]": ("stone", "stones"),
    # volume
    "L": ("l", "liter", "liters", "litre", "litres"),
    "dL": ("dl", "DL", "deciliter", "decilitre"),
    "mL": ("ml", "ML", "cc", "CC", "milliliter", "milliliters", "millilitre", "millilitres"),
    "uL": ("ul", "UL", "mcL", "mcl", "microliter", "microlitre"),
    "fL": ("fl", "FL", "femtoliter", "femtolitre"),
    # length
    "m": ("meter", "meters", "metre", "metres"),
    "cm": ("CM", "Cm", "cms", "centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("MM", "millimeter", "millimeters", "millimetre", "millimetres"),
    "[in_i]": ("in", "IN", "in.", "inch", "inches", '"'),
    "[ft_i]": ("ft", "FT", "ft.", "foot", "feet"),
    # time
    "s": ("sec", "SEC", "Sec", "secs", "sec.", "second", "seconds"),
    "ms": ("msec", "millisecond", "milliseconds"),
    "min": ("MIN", "mins", "min.", "minute", "minutes"),
    "h": ("hr", "HR", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "wk": ("week", "weeks"),
    # temperature
    "Cel": ("C", "°C", "° C", "℃", "ºC", "deg C", "degC", "celsius", "Celsius", "cel"),
    "[degF]": ("F", "°F", "° F", "℉", "ºF", "deg F", "degF", "fahrenheit", "Fahrenheit"),
    "K": ("kelvin", "Kelvin"),
    # pressure
    "mm[Hg]": ("mmHg", "mmhg", "MMHG", "mm Hg", "mm hg", "MM HG", "mmHG", "torr", "Torr"),
    "kPa": ("KPA", "kpa", "KPa"),
    "cm[H2O]": ("cmH2O", "cm H2O", "CMH2O"),
    # rates
    "/min": (
        "bpm", "BPM", "Bpm", "beats/min", "Beats/min", "beats/minute", "beats per minute",
        "breaths/min", "Breaths/min", "breaths/minute", "breaths per minute", "br/min", "brpm",
        "resp/min", "1/min", "per minute", "/minute", "min-1", "{beats}/min", "{breaths}/min",
    ),
    "mm/h": ("mm/hr", "MM/HR", "mm/hour", "mm/1h", "mm/1 h"),
    "mL/min": ("ml/min", "ML/MIN"),
    "mL/min/{1.73_m2}": (
        "mL/min/1.73m2", "mL/min/1.73 m2", "mL/min/1.73",
        "ml/min/1.73m2", "ml/min/1.73 m2", "mL/min/1.73sq m", "mL/min/{1.73m2}",
    ),
    "mL/h": ("ml/h", "mL/hr", "ml/hr"),
    "L/min": ("l/min", "lpm", "LPM"),
    "kg/m2": ("KG/M2", "kg/sqm"),
    "m2": ("sqm",),
    # mass concentration
    "g/dL": ("g/dl", "G/DL", "gm/dL", "gm/dl", "GM/DL", "g%", "g/100mL", "g/100 mL", "g/100ml"),
    "g/L": ("g/l", "gm/L"),
    "mg/dL": ("mg/dl", "MG/DL", "mg/DL", "mg%", "mg/100mL", "mg/100 mL", "mg/100ml"),
    "mg/L": ("mg/l", "MG/L"),
    "mg/mL": ("mg/ml", "MG/ML"),
    "ug/dL": ("ug/dl", "UG/DL", "mcg/dL", "mcg/dl", "MCG/DL"),
    "ug/L": ("ug/l", "UG/L", "mcg/L", "mcg/l"),
    "ug/mL": ("ug/ml", "UG/ML", "mcg/mL", "mcg/ml", "MCG/ML"),
    "ng/dL": ("ng/dl", "NG/DL"),
    "ng/mL": ("ng/ml", "NG/ML"),
    "ng/L": ("ng/l", "NG/L"),
    "pg/mL": ("pg/ml", "PG/ML"),
    "pg/dL": ("pg/dl",),
    "mg/g": ("mg/g creat", "mg/g{creat}", "mg/gCr"),
    "ug/mg": ("mcg/mg", "ug/mg creat", "mcg/mg creat"),
    "mg/mmol": ("mg/mmol creat", "mg/mmol{creat}"),
    "mg/(24.h)": ("mg/24h", "mg/24 h", "mg/24hr", "mg/24 hr", "mg/d", "mg/day"),
    # amount of substance
    "mol": ("mole", "moles"),
    "mmol": ("MMOL", "mMol", "millimole", "millimoles"),
    "umol": ("UMOL", "micromole", "micromoles"),
    "nmol": (),
    "mol/L": ("mol/l",),
    "mmol/L": ("mmol/l", "MMOL/L", "mMol/L", "mmoles/L", "mM"),
    "umol/L": ("umol/l", "UMOL/L", "mcmol/L", "uMol/L", "uM"),
    "nmol/L": ("nmol/l", "NMOL/L", "nMol/L", "nM"),
    "pmol/L": ("pmol/l", "PMOL/L", "pMol/L"),
    "mmol/mol": ("MMOL/MOL", "mmol/mol Hb", "mmol/molHb", "mmol/mol{Hb}"),
    "meq": ("mEq", "MEQ", "mval"),
    "meq/L": ("mEq/L", "meq/l", "mEq/l", "MEQ/L", "mval/L", "mval/l"),
    "mosm/kg": ("mOsm/kg", "mosmol/kg", "mOsmol/kg", "MOSM/KG", "mOsm/kg H2O"),
    # catalytic activity; an enzyme unit (U) is not an international unit ([iU])
    "U": ("unit", "units", "Units", "UNITS"),
    "mU": (),
    "MU": (),
    "mU/L": ("mU/l",),
    "uU/mL": ("uU/ml",),
    "U/L": ("u/L", "u/l", "U/l", "Units/L", "units/L"),
    "U/mL": ("U/ml", "u/mL", "units/mL", "Units/mL"),
    "kat/L": ("kat/l",),
    "ukat/L": ("ukat/l",),
    "nkat/L": ("nkat/l",),
    # arbitrary units
    "[iU]": ("IU", "I.U.", "iu"),
    "[iU]/L": ("IU/L", "IU/l", "iU/L", "iu/L", "[IU]/L"),
    "[iU]/mL": ("IU/mL", "IU/ml", "IU/ML", "iU/mL", "[IU]/mL"),
    "m[iU]/L": ("mIU/L", "mIU/l", "miU/L", "m[IU]/L", "miu/L"),
    "m[iU]/mL": ("mIU/mL", "mIU/ml", "m[IU]/mL"),
    "u[iU]/mL": ("uIU/mL", "uIU/ml", "u[IU]/mL", "mcIU/mL"),
    "k[iU]/L": ("kIU/L", "kIU/l", "k[IU]/L"),
    # counts; powers of ten arrive here as 10*n
    "/L": ("1/L",),
    "/uL": (
        "cells/uL", "cell/uL", "cells/ul", "cells/mcL", "cells/mm3", "/mm3", "/cumm", "cells/cumm",
        "/ul", "/mcL", "1/uL", "{cells}/uL",
    ),
    "10*3/uL": (
        "10*3/ul", "10*3/UL", "10*3/mcL", "10*3/mm3", "10*3/cumm", "10*3 cells/uL", "Thou/uL",
        "thou/uL", "THOU/UL", "Thous/uL", "thous/uL", "Thou/mcL", "thousand/uL", "Thousand/uL",
        "K/uL", "k/uL", "k/ul", "K/UL", "K/mcL", "K/ul", "K/mm3", "Thou/mm3", "THOU/MM3",
        "Thou/cumm",
    ),
    "10*6/uL": (
        "10*6/ul", "10*6/UL", "10*6/mcL", "10*6/mm3", "10*6/cumm", "10*6 cells/uL", "M/uL",
        "M/UL", "M/mcL", "Mill/uL", "mill/uL", "MILL/UL", "Mil/uL", "mil/uL", "M/mm3", "million/uL",
        "Million/uL", "Mill/mcL", "Mill/mm3",
    ),
    "10*9/L": ("10*9/l", "G/L", "G/l", "Gpt/L", "Gpt/l", "giga/L", "/nL", "/nl", "10*9 cells/L"),
    "10*12/L": ("10*12/l", "T/L", "T/l", "Tpt/L", "Tpt/l", "tera/L", "/pL", "/pl"),
    "/[HPF]": ("/HPF", "/hpf", "per HPF", "cells/HPF"),
    "/[LPF]": ("/LPF", "/lpf", "per LPF"),
    # fractions and plain numbers
    "%": ("percent", "Percent", "pct", "PCT", "per cent", "%{Hb}", "% Hb", "%Hb", "% of total Hgb"),
    "L/L": ("l/l", "l/L"),
    "{ratio}": ("ratio", "Ratio", "RATIO"),
    "{INR}": ("INR", "inr"),
    "[pH]": ("pH", "PH"),
    # medicines
    "[drp]": ("drop", "drops", "gtt", "gtts"),
    "{tablet}": ("tablet", "tablets", "tab", "tabs", "tbl"),
    "{capsule}": ("capsule", "capsules", "cap", "caps"),
    "{puff}": ("puff", "puffs"),
    "{patch}": ("patch", "patches"),
    "{spray}": ("spray", "sprays"),
    "mg/kg": ("MG/KG",),
    "mg/m2": ("MG/M2",),
    "ug/kg": ("mcg/kg",),
    "mg/h": ("mg/hr",),
    "ug/h": ("mcg/h", "mcg/hr", "ug/hr"),
    "U/h": ("units/hr", "units/h", "U/hr"),
    "mg/5.mL": ("mg/5mL", "mg/5 mL", "mg/5ml", "mg/5 ml"),
}  # fmt: skip
