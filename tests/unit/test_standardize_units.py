from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.errors import FileCode, RowCode
from pipeline.standardize.base import Converted
from pipeline.standardize.formula import Formula
from pipeline.standardize.numbers import NumberDecision, convert_numbers
from pipeline.standardize.unit_digits import apply_line
from pipeline.standardize.unit_evidence import UnitDecision, UnitEvidence, decide_units
from pipeline.standardize.unit_scale import line_between
from pipeline.standardize.unit_spellings import SPELLINGS
from pipeline.standardize.units import AnalyteUnits, Scales, convert_units, normalize_unit
from tests.unit.counting import counted

SPECS = {
    "glucose": AnalyteUnits(target="mg/dL", molar_mass=180.156, plausible=(5, 2000)),
    "urea_nitrogen": AnalyteUnits(target="mmol/L", molar_mass=28.014),
    "urea": AnalyteUnits(target="mmol/L", molar_mass=60.056),
    "hba1c": AnalyteUnits(
        target="%", plausible=(2, 20), convert={"mmol/mol": "0.09148 * x + 2.152"}
    ),
    "body_temperature": AnalyteUnits(target="Cel", plausible=(25, 45)),
    "body_weight": AnalyteUnits(target="kg", plausible=(0.2, 700)),
    "body_height": AnalyteUnits(target="cm", plausible=(15, 275)),
    "hemoglobin": AnalyteUnits(target="g/dL", plausible=(1, 30)),
    "heart_rate": AnalyteUnits(target="/min", plausible=(0, 400)),
    "platelets": AnalyteUnits(target="10*3/uL", plausible=(1, 3000)),
    "alt": AnalyteUnits(target="U/L"),
    "calcium": AnalyteUnits(target="mg/dL", molar_mass=40.078, valence=2),
    "oxygen_saturation": AnalyteUnits(target="%", plausible=(0, 100), usual=(70, 100)),
    "troponin": AnalyteUnits(target="ng/mL"),
    "lipid_panel": AnalyteUnits(target=None),
}

Row = tuple[str | None, str | None, str | None]


def convert(*rows: Row, scales: Scales | None = None) -> Converted:
    """Convert (code, number, unit) rows."""
    codes, numbers, units = (
        pa.array([row[place] for row in rows], pa.string()) for place in range(3)
    )
    return convert_units(numbers, numbers.cast(pa.float64()), units, codes, SPECS, scales=scales)


def delivered(*rows: Row, scales: Scales | None = None) -> list[tuple[str | None, str | None]]:
    result = convert(*rows, scales=scales)
    assert not result.bad
    pairs = zip(result.values.to_pylist(), result.extra["unit"].to_pylist(), strict=True)
    return list(pairs)


# --- hazards, area G ---


def test_g112_glucose_is_converted_by_its_own_molar_mass() -> None:
    assert delivered(("glucose", "5.5", "mmol/L")) == [("99.1", "mg/dL")]


def test_g113_urea_and_urea_nitrogen_are_two_analytes() -> None:
    assert delivered(("urea_nitrogen", "14", "mg/dL"), ("urea", "14", "mg/dL")) == [
        ("5.0", "mmol/L"),
        ("2.33", "mmol/L"),
    ]


def test_g115_hba1c_is_converted_by_its_formula() -> None:
    assert delivered(("hba1c", "53", "mmol/mol")) == [("7.0", "%")]


def test_g115_without_the_formula_amounts_do_not_cancel_to_a_percentage() -> None:
    assert line_between("mmol/mol", "%") is None


def test_g116_a_temperature_without_unit_is_told_by_its_value_and_marked() -> None:
    result = convert(("body_temperature", "98.6", None), ("body_temperature", "37.2", None))
    assert result.values.to_pylist() == ["37.0", "37.2"]
    assert result.extra["unit"].to_pylist() == ["Cel", "Cel"]
    assert result.marked[RowCode.UNIT_INFERRED].tolist() == [0, 1]
    assert not result.bad


def test_g116_a_temperature_between_the_two_ranges_is_not_told() -> None:
    assert convert(("body_temperature", "60", None)).bad[RowCode.UNIT_MISSING].tolist() == [0]


@pytest.mark.parametrize(
    "row",
    [("body_weight", "150", None), ("body_height", "60", None), ("hemoglobin", "14", None)],
)
def test_g118_ranges_that_meet_tell_nothing(row: Row) -> None:
    assert convert(row).bad[RowCode.UNIT_MISSING].tolist() == [0]
    assert convert(row).values.to_pylist() == [None]


def test_g118_a_whole_analyte_without_unit_is_asked() -> None:
    evidence = UnitEvidence()
    observe(evidence, ("body_weight", "150", None), ("heart_rate", "80", None))
    questions = decide_units(evidence, SPECS, column="value")
    assert isinstance(questions, list)
    assert [question.code for question in questions] == [FileCode.UNIT_MISSING]
    assert "150" not in questions[0].sentence


@pytest.mark.parametrize(
    ("written", "code"),
    [("C", "Cel"), ("F", "[degF]"), ("°C", "Cel"), ("° F", "[degF]"), ("℃", "Cel"),
     ("G/L", "10*9/L"), ("g/L", "g/L"), ("G/l", "10*9/L"),
     ("mg", "mg"), ("mU", "mU"), ("MU", "MU"), ("mmHg", "mm[Hg]"), ("lb", "[lb_av]"),
     ("lbs", "[lb_av]"), ("in", "[in_i]"), ("sec", "s"), ("bpm", "/min"), ("breaths/min", "/min"),
     ("beats/min", "/min"), ("cells/μL", "/uL"), ("cells/µL", "/uL"), ("µg/dl", "ug/dL"),
     ("μg/dl", "ug/dL"), ("mcg", "ug"), ("mIU/L", "m[iU]/L"), ("µIU/mL", "u[iU]/mL"),
     ("mEq/L", "meq/L"), ("mL/min/1.73 m²", "mL/min/{1.73_m2}"), ("kg/m²", "kg/m2"),
     ("mg / dL", "mg/dL"), (" % ", "%"), ("10¹²/L", "10*12/L")],
)  # fmt: skip
def test_g119_g121_g122_spellings_and_their_case(written: str, code: str) -> None:
    assert normalize_unit(written) == code


@pytest.mark.parametrize("written", ["Mg", "mG/dL", "", "foo", "mg/dL/", "103/uL", "Mmol/L", "c"])
def test_g122_an_unknown_spelling_is_not_folded_into_a_known_one(written: str) -> None:
    assert normalize_unit(written) is None


def test_g122_milli_and_mega_stay_a_billion_apart() -> None:
    line = line_between("MU", "mU")
    assert line is not None
    assert line.factor == 10**9


@pytest.mark.parametrize(
    "written",
    ["10^3/uL", "x10E3/µL", "10*9/L", "Thou/uL", "K/uL", "×10⁹/L", "10**3/uL", "x10(3)/uL", "G/L",
     "x 10^3 / µL", "10*3/mm^3"],
)  # fmt: skip
def test_g124_all_writings_of_thousands_are_one_unit(written: str) -> None:
    assert delivered(("platelets", "250", written)) == [("250", "10*3/uL")]


def test_g124_cells_are_counted_in_the_target_unit() -> None:
    assert delivered(("platelets", "250000", "cells/μL")) == [("250.000", "10*3/uL")]


def test_g125_international_and_enzyme_units_are_not_the_same() -> None:
    result = convert(("alt", "30", "IU/L"), ("alt", "30", "U/L"))
    assert result.bad[RowCode.UNIT_NOT_CONVERTIBLE].tolist() == [0]
    assert result.values.to_pylist() == [None, "30"]
    assert normalize_unit("IU/L") != normalize_unit("U/L")


def test_g127_a_cell_with_its_unit_goes_all_the_way() -> None:
    cells = pa.array(["98.6 F", "37.0 °C"])
    numbers = convert_numbers(cells, NumberDecision(), split_unit=True)
    result = convert_units(
        numbers.values,
        numbers.extra["number"],
        numbers.extra["unit"],
        pa.array(["body_temperature"] * 2),
        SPECS,
    )
    assert result.values.to_pylist() == ["37.0", "37.0"]


def test_g128_every_row_is_converted_from_its_own_unit() -> None:
    result = convert(
        ("glucose", "99.0", "mg/dL"),
        ("glucose", "5.5", "mmol/L"),
        ("glucose", "0.99", "g/L"),
        ("calcium", "5", "mEq/L"),
        ("glucose", "100", "mg/dl"),
    )
    assert result.values.to_pylist() == ["99.0", "99.1", "99", "10", "100"]
    assert result.extra["number"].to_pylist() == [99.0, 99.1, 99.0, 10.0, 100.0]
    assert counted(result.changed) == {"unit-converted": 3, "unit-respelled": 1}


def observe(evidence: UnitEvidence, *rows: Row) -> None:
    codes, numbers, units = (
        pa.array([row[place] for row in rows], pa.string()) for place in range(3)
    )
    evidence.observe(numbers.cast(pa.float64()), units, codes)


@pytest.mark.parametrize("unit", [None, "%"])
def test_g131_fractions_are_seen_over_the_whole_column(unit: str | None) -> None:
    rows: tuple[Row, ...] = (("oxygen_saturation", "0.97", unit), ("oxygen_saturation", "1", unit))
    evidence = UnitEvidence()
    observe(evidence, *rows)
    decision = decide_units(evidence, SPECS, column="value")
    assert isinstance(decision, UnitDecision)
    result = convert(*rows, scales=decision.scales)
    assert result.values.to_pylist() == ["97", "100"]
    assert result.marked[RowCode.UNIT_INFERRED].tolist() == [0, 1]
    assert UnitDecision.from_dict(decision.to_dict()) == decision


def test_g131_a_lone_one_is_asked() -> None:
    evidence = UnitEvidence()
    observe(evidence, ("oxygen_saturation", "1", None))
    questions = decide_units(evidence, SPECS, column="value")
    assert isinstance(questions, list)
    assert questions[0].code is FileCode.UNIT_MISSING


def test_g131_a_one_among_percentages_is_refused_and_the_others_are_marked() -> None:
    rows: tuple[Row, ...] = (("oxygen_saturation", "97", None), ("oxygen_saturation", "1", None))
    result = convert(*rows, scales={"oxygen_saturation": "percent"})
    assert result.values.to_pylist() == ["97", None]
    assert result.bad[RowCode.UNIT_MISSING].tolist() == [1]
    assert result.marked[RowCode.UNIT_INFERRED].tolist() == [0]


def test_a_low_percentage_is_not_taken_for_a_fraction() -> None:
    specs = {"eosinophils": AnalyteUnits(target="%", plausible=(0, 100), usual=(1, 4))}
    evidence = UnitEvidence()
    observe(evidence, ("eosinophils", "0.5", "%"), ("eosinophils", "0.8", "%"))
    decision = decide_units(evidence, specs, column="value")
    assert decision == UnitDecision()


def test_a_rare_analyte_without_unit_is_refused_by_row_and_does_not_hold_the_file() -> None:
    evidence = UnitEvidence()
    rows: list[Row] = [("glucose", "99", "mg/dL")] * 99
    observe(evidence, *rows, ("body_weight", "150", None))
    assert decide_units(evidence, SPECS, column="value") == UnitDecision()


# --- factors ---


@pytest.mark.parametrize(
    ("source", "target", "molar_mass", "factor"),
    [
        ("mmol/L", "mg/dL", "180.156", "18.016"),  # glucose
        ("mg/dL", "umol/L", "113.12", "88.40"),  # creatinine
        ("mmol/L", "mg/dL", "386.65", "38.67"),  # cholesterol
        ("mmol/L", "mg/dL", "885.43", "88.54"),  # triglycerides
        ("mmol/L", "mg/dL", "40.078", "4.008"),  # calcium
        ("mmol/L", "mg/dL", "24.305", "2.4305"),  # magnesium
        ("mmol/L", "mg/dL", "30.974", "3.097"),  # phosphate, as phosphorus
        ("mg/dL", "umol/L", "584.66", "17.10"),  # bilirubin
        ("mg/dL", "umol/L", "168.11", "59.48"),  # uric acid
        ("mg/dL", "mmol/L", "28.014", "0.357"),  # urea nitrogen
        ("mg/dL", "mmol/L", "60.056", "0.1665"),  # urea
        ("ug/dL", "umol/L", "55.845", "0.179"),  # iron
        ("ng/mL", "nmol/L", "400.64", "2.496"),  # 25-OH vitamin D
    ],
)
def test_factors_agree_with_the_published_ones(
    source: str, target: str, molar_mass: str, factor: str
) -> None:
    line = line_between(source, target, molar_mass=Fraction(molar_mass))
    assert line is not None
    digits = -int(Decimal(factor).as_tuple().exponent)
    assert float(line.factor) == pytest.approx(float(factor), abs=0.5 * 10**-digits * 1.01)


@pytest.mark.parametrize(
    ("source", "target", "number", "right"),
    [
        ("[lb_av]", "kg", "150", "68.04"),
        ("[oz_av]", "kg", "112", "3.175"),
        ("[in_i]", "cm", "60", "152"),
        ("[ft_i]", "cm", "6.0", "183"),
        ("m", "cm", "1.80", "180"),
        ("kPa", "mm[Hg]", "16.0", "120"),
        ("nkat/L", "U/L", "500", "30.0"),
        ("ukat/L", "U/L", "0.50", "30"),
        ("[degF]", "Cel", "32", "0"),
        ("[degF]", "Cel", "-40", "-40"),
        ("Cel", "[degF]", "37.0", "98.6"),
        ("K", "Cel", "310.15", "37.00"),
        ("L/L", "%", "0.45", "45"),
        ("u[iU]/mL", "m[iU]/L", "2.79", "2.79"),
        ("g/L", "g/dL", "140", "14.0"),
        ("mg", "g", "250", "0.250"),
        ("ng/mL", "ng/L", "0.004", "4"),
        ("h", "min", "1.5", "90"),
    ],
)
def test_conversions_keep_the_digits_that_were_reported(
    source: str, target: str, number: str, right: str
) -> None:
    line = line_between(source, target)
    assert line is not None
    assert apply_line(number, line) == right


def test_a_molar_mass_says_nothing_about_ratios() -> None:
    assert line_between("mg/mmol", "mg/g", molar_mass=Fraction(113)) is None
    assert line_between("mmol/mol", "mg/g", molar_mass=Fraction(113)) is None


def test_equivalents_need_the_valence() -> None:
    assert line_between("meq/L", "mmol/L") is None
    line = line_between("meq/L", "mmol/L", valence=2)
    assert line is not None
    assert line.factor == Fraction(1, 2)


def test_every_spelling_stands_for_one_code_and_every_code_is_its_own_spelling() -> None:
    seen: dict[str, str] = {}
    for code, spellings in SPELLINGS.items():
        assert normalize_unit(code) == code
        for spelling in spellings:
            assert normalize_unit(spelling) == code
            assert seen.setdefault(spelling, code) == code


def test_every_unit_of_the_built_in_contracts_is_known_and_reachable() -> None:
    entries = [
        entry
        for contract in load_contracts(BUILT_IN).values()
        for codeset in contract.codesets.values()
        for entry in codeset.values()
        if entry.unit is not None
    ]
    assert len(entries) > 40
    for entry in entries:
        assert normalize_unit(entry.unit) == entry.unit
        spec = AnalyteUnits(target=entry.unit, convert=entry.convert)
        for unit in entry.convert:
            assert normalize_unit(unit) == unit
            assert spec.way_from(unit) is not None


# --- rows ---


def test_a_number_beyond_all_measure_is_refused_not_rounded() -> None:
    result = convert(("glucose", "1" * 60, "mmol/L"), ("body_temperature", f"9.{'1' * 60}", "F"))
    assert result.bad[RowCode.UNIT_NOT_CONVERTIBLE].tolist() == [0, 1]


def test_a_row_in_its_unit_keeps_every_digit() -> None:
    assert delivered(("troponin", "0.0040", "ng/mL")) == [("0.0040", "ng/mL")]
    assert delivered(("troponin", "0.004", "ug/L")) == [("0.004", "ng/mL")]


def test_an_unknown_unit_is_refused_where_a_value_needs_it() -> None:
    result = convert(("glucose", "99", "mg/foo"), ("glucose", None, "mg/foo"))
    assert result.bad[RowCode.UNIT_UNKNOWN].tolist() == [0]
    assert result.extra["unit"].to_pylist() == [None, "mg/foo"]


def test_another_kind_of_quantity_is_refused() -> None:
    result = convert(("glucose", "99", "U/L"), ("body_weight", "80", "cm"))
    assert result.bad[RowCode.UNIT_NOT_CONVERTIBLE].tolist() == [0, 1]


def test_panels_and_unknown_tests_are_left_as_they_are() -> None:
    result = convert(
        ("lipid_panel", "222", None),
        ("lipid_panel", "222", "mg/dl"),
        (None, "1.0", "whatever"),
        ("other", "1.0", "sec"),
    )
    assert result.values.to_pylist() == ["222", "222", "1.0", "1.0"]
    assert result.extra["unit"].to_pylist() == [None, "mg/dL", "whatever", "s"]
    assert result.marked[RowCode.UNIT_UNKNOWN].tolist() == [2]
    assert not result.bad


def test_a_missing_value_needs_no_unit() -> None:
    result = convert(("glucose", None, None), ("glucose", None, "mg/dl"))
    assert not result.bad
    assert result.extra["unit"].to_pylist() == [None, "mg/dL"]


def test_a_sign_with_one_possible_unit_gets_it_with_a_mark() -> None:
    result = convert(("heart_rate", "80", None))
    assert result.extra["unit"].to_pylist() == ["/min"]
    assert result.marked[RowCode.UNIT_INFERRED].tolist() == [0]


def test_an_empty_batch_converts_to_an_empty_one() -> None:
    assert convert().values.to_pylist() == []


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "x.real", "y + 1", "2", "x ** x", "x ** 99", "True * x", "x if x else 1",
     "[x]", "x +", "x(1)", "x % 2", "1e999j * x"],
)  # fmt: skip
def test_a_formula_is_arithmetic_in_x_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        Formula.parse(text)
    with pytest.raises(ValueError, match="formula"):
        AnalyteUnits(target="%", convert={"mmol/mol": text})


@pytest.mark.parametrize(
    ("formula", "number"), [("1 / x", "0"), ("x ** 9", "1" + "0" * 39), ("2 * x", "1" * 41)]
)
def test_a_formula_without_value_refuses_the_row(formula: str, number: str) -> None:
    specs = {"odd": AnalyteUnits(target="%", convert={"mmol/mol": formula})}
    numbers = pa.array([number])
    result = convert_units(
        numbers, numbers.cast(pa.float64()), pa.array(["mmol/mol"]), pa.array(["odd"]), specs
    )
    assert result.bad[RowCode.UNIT_NOT_CONVERTIBLE].tolist() == [0]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("micromoles per litre", "umol/L"),
        ("Millimoles/Liter", "mmol/L"),
        ("µM", "umol/L"),
        ("thousand/mm³", "10*3/uL"),
        ("Mio/µl", "10*6/uL"),
        ("10x3/uL", "10*3/uL"),
        ("THOU/MCL", "10*3/uL"),
        ("milliequivalents per litre", "meq/L"),
        ("mg per dL", "mg/dL"),
        ("mg/dL.", "mg/dL"),
        ("g/100mL", "g/dL"),
        ("international units/L", "[iU]/L"),
        ("units per liter", "U/L"),
        ("stone", "[stone_av]"),
        ("mm/Std", "mm/h"),
    ],
)
def test_spelled_out_units_are_read_part_by_part(written: str, code: str) -> None:
    assert normalize_unit(written) == code


@pytest.mark.parametrize("written", ["M/L", "G/mL", "K/L", "mega/L", "per dL", "mol per", "a/b/c"])
def test_a_word_that_is_no_unit_makes_none_together_with_another(written: str) -> None:
    assert normalize_unit(written) is None


def test_g125_a_customary_unit_that_cannot_be_converted_is_left_and_marked() -> None:
    specs = {"alt": AnalyteUnits(target="U/L", keep=("[iU]/L",))}
    numbers = pa.array(["30", "30"])
    result = convert_units(
        numbers, numbers.cast(pa.float64()), pa.array(["IU/L", "u/l"]), pa.array(["alt"] * 2), specs
    )
    assert result.values.to_pylist() == ["30", "30"]
    assert result.extra["unit"].to_pylist() == ["[iU]/L", "U/L"]
    assert result.marked[RowCode.UNIT_NOT_CONVERTIBLE].tolist() == [0]
    assert not result.bad


# --- properties ---

amounts = st.decimals(min_value="0.001", max_value=100_000, places=3, allow_nan=False)


@given(amounts, st.sampled_from([("mmol/L", "mg/dL"), ("[lb_av]", "kg"), ("[degF]", "Cel")]))
def test_there_and_back_is_the_same_to_the_digits_reported(
    amount: Decimal, pair: tuple[str, str]
) -> None:
    there = line_between(*pair, molar_mass=Fraction("180.156"))
    back = line_between(pair[1], pair[0], molar_mass=Fraction("180.156"))
    assert there is not None
    assert back is not None
    text = f"{amount:f}"
    converted = apply_line(text, there)
    assert converted is not None
    returned = apply_line(converted, back)
    assert returned is not None
    exact = float(Fraction(text) * there.factor + there.offset)
    assert float(converted) == pytest.approx(exact, rel=0.005, abs=0.005)
    assert float(returned) == pytest.approx(float(text), rel=0.01, abs=0.01)


@given(st.lists(st.tuples(
    st.one_of(st.none(), st.sampled_from([*SPECS, "other"])),
    st.one_of(st.none(), st.decimals(-1000, 100_000, places=2).map("{:f}".format)),
    st.one_of(st.none(), st.text(max_size=8), st.sampled_from(list(SPELLINGS))),
)))  # fmt: skip
def test_any_rows_come_out_converted_or_refused(rows: list[Row]) -> None:
    result = convert(*rows)
    refused = {int(row) for found in result.bad.values() for row in found}
    for place, (_, number, _) in enumerate(rows):
        is_delivered = result.values[place].as_py() is not None
        assert is_delivered == (number is not None and place not in refused)
