"""A second source: asked once, believed from then on, and held again when its meaning changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import FileCode
from tests.unit.harmonizing import Desk

LABS = "PatNr;Abnahme;Analyse;Wert;Einheit\n"
FIRST = LABS + (
    "1001;13.01.2025 08:00;Glukose;5,5;mmol/L\n"
    "1002;14.02.2025 09:30;Kreatinin;80,5;µmol/L\n"
    "1003;03.04.2025 10:00;Glukose;6,25;mmol/L\n"
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def known(desk: Desk) -> Desk:
    """A desk on which the German laboratory was confirmed."""
    held = desk.hold(FIRST)
    desk.answer(held, {"code:Analyse:Glukose": "glucose", "code:Analyse:Kreatinin": "creatinine"})
    return desk


def test_german_headings_and_values_propose_the_right_contract_and_fields(desk: Desk) -> None:
    held = desk.hold(FIRST)
    assert held.code == FileCode.SCHEMA_UNKNOWN
    assert held.proposal.contract == "lab_results"
    fed = {column.name: column.to for column in held.proposal.fields}
    assert fed == {
        "PatNr": ("patient_id",),
        "Abnahme": ("collected_at",),
        "Analyse": ("test",),
        "Wert": ("value",),
        "Einheit": ("unit",),
    }


def test_german_patients_are_proposed_though_nothing_has_its_english_name(desk: Desk) -> None:
    content = (
        "Nr;Nachname;Vorname;Geb;Geschl\n10001;Lee;Ann;13.02.1980;w\n10002;Ray;Bob;03.04.1975;m\n"
    )
    held = desk.hold(content)
    desk.answer(held, {"code:Geschl:w": "female"})
    rows = desk.harmonize(content).rows
    assert [(row["patient_id"], row["birth_date"], row["sex"]) for row in rows] == [
        ("10001", "1980-02-13", "female"),
        ("10002", "1975-04-03", "male"),
    ]


def test_once_confirmed_the_file_and_all_later_ones_pass(known: Desk) -> None:
    done = known.harmonize(FIRST)
    assert [(row["test"], row["value"]) for row in done.rows] == [
        ("glucose", "99.1"),
        ("creatinine", "0.9106"),
        ("glucose", "112.6"),
    ]
    assert done.column("collected_at")[2] == "2025-04-03T10:00:00-04:00"


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("1004;03.04.2025 10:00;Glukose;5;mmol/L", "90.1"),  # proves neither sign nor order
        ("1004;03.04.2025 10:00;Kreatinin;1.080,5;µmol/L", "12.2226"),
        ("1004;03.04.2025 10:00;Kreatinin;1.080;µmol/L", "12.217"),
        ("1004;03.04.2025 10:00;Glukose;5,123;mmol/L", "92.294"),
        ("1004;03.04.2025 10:00;Glukose;<0,5;mmol/L", "9.01"),
    ],
)
def test_what_was_learnt_is_kept_where_a_later_file_proves_nothing(
    known: Desk, row: str, value: str
) -> None:
    [delivered] = known.harmonize(f"{LABS}{row}\n").rows
    assert (delivered["value"], delivered["collected_at"]) == (value, "2025-04-03T10:00:00-04:00")


def test_columns_may_change_their_places_and_a_new_one_is_kept_beside(known: Desk) -> None:
    done = known.harmonize(
        "Abnahme;PatNr;Analyse;Wert;Einheit;Kommentar\n"
        "03.04.2025 10:00;1004;Glukose;5,1;mmol/L;nüchtern\n"
    )
    assert done.column("value") == ["91.9"]
    assert "nüchtern" in (done.staging / "rescued.csv").read_text(encoding="utf-8")


CHANGES = [
    (
        "unit",
        "1004;03.04.2025 10:00;Glukose;99;mg/dL",
        "`Einheit` named mmol/L for glucose until now and names mg/dL in this file.",
    ),
    (
        "decimal sign",
        "1004;03.04.2025 10:00;Glukose;5.5;mmol/L",
        "`Wert` used a comma until now and uses a point in this file.",
    ),
    (
        "order",
        "1004;04.15.2025 10:00;Glukose;5,5;mmol/L",
        "`Abnahme` was day-month-year until now and is month-day-year in this file",
    ),
    (
        "shape",
        "1004;2025-04-03 10:00;Glukose;5,5;mmol/L",
        "`Abnahme` was written 99.99.9999 99:99 until now and is written 9999-99-99 99:99",
    ),
]


@pytest.mark.parametrize(("row", "sentence"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_changed_meaning_under_the_same_headings_is_held_and_told(
    known: Desk, row: str, sentence: str
) -> None:
    held = known.hold(f"{LABS}{row}\n")
    assert held.code == FileCode.LAYOUT_CHANGED
    assert held.result.questions[0].startswith(sentence)


def test_a_unit_that_changes_in_one_of_many_rows_is_held_too(known: Desk) -> None:
    rows = "".join(f"2{n:03};03.04.2025 10:00;Glukose;5,{n % 10};mmol/L\n" for n in range(300))
    held = known.hold(f"{LABS}{rows}1004;03.04.2025 10:00;Glukose;99;mg/dL\n")
    assert held.code == FileCode.LAYOUT_CHANGED


def test_a_change_that_is_confirmed_passes_from_then_on_beside_the_old_way(known: Desk) -> None:
    changed = f"{LABS}1004;03.04.2025 10:00;Glukose;99;mg/dL\n"
    known.answer(known.hold(changed), {})
    assert known.harmonize(changed).column("value") == ["99"]
    assert len(known.harmonize(FIRST).rows) == 3


def test_a_missing_a_renamed_and_a_swapped_column_are_held(known: Desk) -> None:
    missing = known.hold("PatNr;Abnahme;Analyse;Wert\n1004;03.04.2025 10:00;Glukose;5,1\n")
    assert missing.result.questions[0] == (
        "`Einheit` was there until now and is missing in this file."
    )
    renamed = known.hold(
        "PatNr;Abnahme;Analyse;Resultatwert;Einheit\n1004;03.04.2025 10:00;Glukose;5,1;mmol/L\n"
    )
    assert renamed.result.questions[0] == (
        "`Wert` was there until now and is missing in this file; `Resultatwert` is new and looks "
        "the same."
    )
    swapped = known.hold(
        LABS + "Glukose;03.04.2025 10:00;1004;5,5;mmol/L\nGlukose;13.04.2025 10:00;1005;5;mmol/L\n"
    )
    assert swapped.code == FileCode.COLUMN_MISFIT


def test_a_unit_that_was_told_and_is_contradicted_by_the_values_is_held(desk: Desk) -> None:
    desk.contract(
        "name: w\nprimaryKey: [id]\nfields:\n"
        "  - {name: id, type: string, semantic: identifier, constraints: {required: true}}\n"
        "  - {name: weight, type: number, unit: {from: unit, to: kg}}\n"
        "  - {name: unit, type: string, semantic: ucum-unit}\n"
    )
    bare = "id,weight\nA1,180.5\nA2,175.5\n"
    desk.answer(desk.hold(bare), {"unit:weight": "[lb_av]"})
    assert desk.harmonize(bare).column("weight") == ["81.873", "79.605"]

    held = desk.hold("id,weight\nA1,80.5 kg\nA2,75.5 kg\n")
    assert held.result.questions[0] == (
        "`weight` named [lb_av] until now and names kg in this file."
    )


VITALS = "patient_id,observed_at,vital,value,unit\n"


def test_half_the_weights_without_unit_are_asked_about_and_told_once(desk: Desk) -> None:
    content = VITALS + ("P001,2025-01-13 08:00,weight,150,\nP002,2025-01-13 08:00,weight,68,kg\n")
    held = desk.hold(content)
    assert held.result.questions[0] == "value: body_weight: 1 of 2 values has no unit."
    desk.answer(held, {"unit:value:body_weight": "[lb_av]"})
    assert desk.harmonize(content).column("value") == ["68.04", "68"]
    assert desk.harmonize(VITALS + "P003,2025-01-13 08:00,weight,150,\n").column("value") == [
        "68.04"
    ]


def test_what_was_told_of_bare_numbers_leaves_those_alone_that_name_their_unit(desk: Desk) -> None:
    held = desk.hold(VITALS + "P001,2025-01-13 08:00,weight,150,\n")
    assert held.result.questions[0] == "value: body_weight: the only value has no unit."
    desk.answer(held, {"unit:value:body_weight": "[lb_av]"})
    named = desk.harmonize(VITALS + "P001,2025-01-13 08:00,weight,70,kg\n")
    assert named.column("value") == ["70"]


@pytest.mark.parametrize("fate", ["rescue", "ignore"])
def test_a_new_column_is_rescued_or_left_out_by_policy(desk: Desk, fate: str) -> None:
    desk.contract(
        "name: w\nfields:\n  - {name: id, type: string}\n  - {name: n, type: integer}\n"
        f"policy: {{newColumns: {fate}}}\n"
    )
    done = desk.harmonize("id,n,extra\nA,1,z\n")
    assert (done.staging / "rescued.csv").exists() is (fate == "rescue")
