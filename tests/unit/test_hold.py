"""Whole files: what cannot be proved is asked, answered once, and never asked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import FileCode
from pipeline.mapping.files import load_mapping
from pipeline.mapping.text import write_mapping
from tests.unit.harmonizing import Desk, Held, read

SAMPLES = Path(__file__).parent.parent / "data" / "ehr"
PATIENTS = "patient_id,last name,first name,dob,sex,phone"
LABS = "patient_id,test,collected_at,value,unit"
VITALS = "patient_id,observed_at,vital,value,unit"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def lines(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def many(pattern: str, count: int = 40, start: int = 100) -> list[str]:
    """Rows of a pattern: {n} a running number, {d} a day of the month."""
    return [pattern.format(n=n, d=n % 28 + 1) for n in range(start, start + count)]


def sentence(held: Held, code: FileCode) -> str:
    questions = held.proposal.questions
    return next(question.ask for question in questions if question.code == code)


# --- a second source, from the first file to the last ------------------------------------------

GERMAN = "PatNr;Abnahme;Analyse;Wert;Einheit;Kommentar"


def german(
    *, unit: str = "mg/dl", decimal: str = ",", date: str = "{d:02d}.03.2025", delimiter: str = ";"
) -> str:
    rows = []
    for number in range(60):
        day = date.format(d=number % 27 + 1, m=3)
        test, value = (("GLU", "99,1"), ("KREA", "1,05"))[number % 2]
        cells = [f"P{number:04d}", f"{day} 08:{number:02d}", test, value.replace(",", decimal)]
        rows.append(delimiter.join([*cells, unit, "ok"]))
    return lines(GERMAN.replace(";", delimiter), *rows)


def german_answers() -> dict[str, str]:
    return {"timezone:Abnahme": "Europe/Berlin", "code:Analyse:KREA": "creatinine"}


def test_a_second_source_is_held_confirmed_once_and_passes_by_itself_from_then_on(
    desk: Desk,
) -> None:
    held = desk.hold(german(), source_path="northside/labor_2025-03.csv")
    assert held.code == FileCode.SCHEMA_UNKNOWN
    assert sorted(path.name for path in held.staging.iterdir()) == [
        "mapping.proposed.yaml",
        "questions.txt",
        "review.html",
    ]
    proposal = held.proposal
    assert (proposal.contract, proposal.source) == ("lab_results", "northside-labor")
    assert {one.name: one.to for one in proposal.fields if one.to} == {
        "PatNr": ("patient_id",),
        "Abnahme": ("collected_at",),
        "Analyse": ("test",),
        "Wert": ("value",),
        "Einheit": ("unit",),
    }
    path = desk.answer(held, german_answers())
    assert path.name == "northside-labor.1.mapping.yaml"

    answered = desk.harmonize(german(), answer=str(path))
    later = desk.harmonize(german().replace("99,1", "88,2"), source_path="northside/labor_4.csv")

    for delivered in (answered, later):
        assert delivered.result.mapping == "northside-labor"
        assert delivered.result.counts.written == 60
        assert delivered.rows[1]["test"] == "creatinine"
        assert delivered.rows[1]["value"] == "1.05"
        assert delivered.rows[1]["collected_at"] == "2025-03-02T08:01:00+01:00"
    assert later.rows[0]["value"] == "88.2"
    assert held.result.layout == answered.result.layout == later.result.layout


def test_a_changed_unit_under_the_same_heading_is_held_with_the_right_sentence(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    held = desk.hold(german(unit="mmol/l"))

    assert held.code == FileCode.LAYOUT_CHANGED
    assert held.result.questions == (
        "`Einheit` named mg/dL for creatinine until now and names mmol/L in this file.",
        "`Einheit` named mg/dL for glucose until now and names mmol/L in this file.",
    )
    desk.answer(held, {})
    assert desk.harmonize(german(unit="mmol/l")).rows[0]["value"] == "1785"
    assert desk.harmonize(german()).rows[0]["value"] == "99.1"


def test_a_changed_decimal_sign_is_held_with_the_right_sentence(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    held = desk.hold(german(decimal="."))

    assert held.result.questions == (
        "`Wert` used a comma until now and uses a point in this file.",
    )
    desk.answer(held, {})
    assert desk.harmonize(german(decimal=".")).rows[1]["value"] == "1.05"
    assert desk.hold(german()).code == FileCode.LAYOUT_CHANGED


def test_a_changed_date_order_and_a_changed_date_shape_are_held(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())

    order = desk.hold(german(date="03.{d:02d}.2025"))
    assert order.result.questions == (
        "`Abnahme` was day-month-year until now and is month-day-year in this file "
        "(dates written 99.99.9999 99:99).",
    )
    shape = desk.hold(german(date="2025-03-{d:02d}"))
    assert shape.result.questions == (
        "`Abnahme` was written 99.99.9999 99:99 until now and is written 9999-99-99 99:99 in this "
        "file.",
    )
    desk.answer(order, {})
    assert (
        desk.harmonize(german(date="03.{d:02d}.2025"))
        .rows[26]["collected_at"]
        .startswith("2025-03-27")
    )


def test_a_changed_separator_is_held(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    held = desk.hold(german(decimal="x", delimiter="|").replace("x", ","))

    assert held.result.questions == (
        "The cells were separated by semicolon until now and are separated by bar in this file.",
    )


def test_fewer_units_or_dates_than_before_are_no_change(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    only_glucose = [line for line in german().splitlines() if "KREA" not in line]

    assert desk.harmonize("\n".join(only_glucose)).result.counts.written == 30


def test_the_ehr_samples_pass_without_a_question(desk: Desk) -> None:
    for sample in sorted(SAMPLES.glob("*.csv")):
        delivered = desk.harmonize(sample.read_bytes())
        assert delivered.result.contract == sample.stem
        assert delivered.result.mapping is None


# --- values that prove nothing -----------------------------------------------------------------


def births(*dates: str) -> str:
    return lines(PATIENTS, *(f"P{n:03d},Lee,,{date},F," for n, date in enumerate(dates)))


def test_an_ambiguous_date_order_is_asked_and_remembered(desk: Desk) -> None:
    held = desk.hold(births("03/04/1980", "05/06/1981"))
    assert held.keys == ["date:dob:99/99/9999"]
    assert "`03/04/1980`" in held.asked
    assert held.proposal.questions[0].answers.keys() == {"dmy", "mdy"}

    desk.confirm(held, dob="dmy")
    assert desk.harmonize(births("03/04/1980")).column("birth_date") == ["1980-04-03"]
    assert desk.harmonize(births("25/04/1980")).column("birth_date") == ["1980-04-25"]
    again = desk.hold(births(*(f"04/{day}/1980" for day in range(13, 29))))
    assert again.result.questions == (
        "`dob` was day-month-year until now and is month-day-year in this file "
        "(dates written 99/99/9999).",
    )


def test_a_decimal_sign_that_nothing_proves_is_asked_and_remembered(desk: Desk) -> None:
    content = lines(LABS, 'P001,platelets,2025-01-13 10:00,"1,234",10*3/uL')
    held = desk.hold(content)
    assert held.keys == ["decimal:value"]

    desk.answer(held, {"value.decimal": "comma"})
    assert desk.harmonize(content).column("value") == ["1.234"]


def test_a_missing_unit_is_asked_and_remembered(desk: Desk) -> None:
    content = lines(VITALS, "P001,2025-01-13 10:00,weight,150,")
    held = desk.hold(content)
    assert held.keys == ["unit:value:body_weight"]
    assert {"kg", "[lb_av]"} <= held.proposal.questions[0].answers.keys()

    desk.answer(held, {"unit.body_weight": "[lb_av]"})
    delivered = desk.harmonize(content)
    assert [(row["value"], row["unit"]) for row in delivered.rows] == [("68.04", "kg")]
    assert desk.harmonize(content.replace("150,", "70,kg")).column("value") == ["70"]


def test_a_lone_saturation_of_one_is_asked(desk: Desk) -> None:
    content = lines(VITALS, "P001,2025-01-13 10:00,spo2,1,%", "P002,2025-01-13 10:00,spo2,1,%")
    held = desk.hold(content)
    assert held.keys == ["scale:value:oxygen_saturation"]

    desk.confirm(held, scale__value__oxygen_saturation="fraction")
    assert desk.harmonize(content).column("value") == ["100", "100"]


def test_zone_abbreviations_are_asked_and_remembered(desk: Desk) -> None:
    rows = ["P001,2025-01-13 10:00 PST,hr,70,bpm", "P002,2025-01-13 11:00 PST,hr,71,bpm"]
    held = desk.hold(lines(VITALS, *rows))
    assert held.keys == ["zone:observed_at:PST"]
    assert "-08:00" in held.proposal.questions[0].answers

    desk.confirm(held, zone__observed_at__PST="-08:00")
    delivered = desk.harmonize(lines(VITALS, *rows))
    assert delivered.column("observed_at")[0] == "2025-01-13T10:00:00-08:00"


def test_the_contracts_zone_tells_what_its_own_names_mean(desk: Desk) -> None:
    rows = ["P001,2025-01-13 10:00 EST,hr,70,bpm", "P002,2025-07-13 11:00 EDT,hr,71,bpm"]
    assert desk.harmonize(lines(VITALS, *rows)).column("observed_at") == [
        "2025-01-13T10:00:00-05:00",
        "2025-07-13T11:00:00-04:00",
    ]


def test_dates_without_time_are_asked_about_and_the_answer_holds_for_later_files(
    desk: Desk,
) -> None:
    first = lines(VITALS, "P001,13.01.2025,hr,70,bpm", "P002,02.01.2025,hr,71,bpm")
    held = desk.hold(first)
    assert held.keys == ["time:observed_at"]
    desk.answer(held, {})
    assert desk.harmonize(first).column("observed_at")[0] == "2025-01-13T00:00:00-05:00"

    proves_nothing = lines(VITALS, "P003,03.02.2025,hr,70,bpm")
    assert desk.harmonize(proves_nothing).column("observed_at") == ["2025-02-03T00:00:00-05:00"]


def test_the_language_of_month_names_is_asked_and_remembered(desk: Desk) -> None:
    content = births("15 mars 2025", "16 avril 2024")
    held = desk.hold(content)
    assert held.keys == ["language:dob:fr"]

    desk.answer(held, {})
    assert desk.harmonize(content).column("birth_date") == ["2025-03-15", "2024-04-16"]


def test_unknown_codes_above_one_percent_are_asked_and_remembered(desk: Desk) -> None:
    rows = [
        "P001,Lee,,1980-01-13,weiblich,",
        "P002,Ray,,1980-01-13,k.A.,",
        "P003,Kim,,1980-01-13,Banane,",
    ]
    content = lines(PATIENTS, *rows, *many("P{n},Lee,,1980-01-13,F,"))
    held = desk.hold(content)
    assert held.code == FileCode.CODES_UNKNOWN
    assert held.keys == ["code:sex:Banane", "code:sex:k.A.", "code:sex:weiblich"]
    assert "Banane" not in repr(held.result)

    desk.answer(
        held, {"weiblich": "female", "code:sex:k.A.": "missing", "code:sex:Banane": "reject"}
    )
    delivered = desk.harmonize(content.replace("weiblich", "Weiblich"))
    assert delivered.column("sex")[:2] == ["female", ""]
    assert delivered.reasons == [(3, "sex", "code-unknown")]


def test_one_percent_of_unknown_codes_is_rejected_row_by_row(desk: Desk) -> None:
    good = many("P{n},Lee,,1980-01-13,F,", 99)
    assert desk.harmonize(lines(PATIENTS, "P001,Lee,,1980-01-13,Banane,", *good)).reasons == [
        (1, "sex", "code-unknown")
    ]
    held = desk.hold(lines(PATIENTS, "P001,Lee,,1980-01-13,Banane,", *good[1:]))
    assert held.code == FileCode.CODES_UNKNOWN


FLAGS = "name: table\nfields:\n  - {name: id, type: string}\n  - {name: smoker, type: boolean}\n"


def test_one_and_two_are_yes_and_no_when_a_person_says_so(desk: Desk) -> None:
    desk.contract(FLAGS.replace("type: boolean", "type: boolean, trueValues: [yes]"
                                ", falseValues: [no]"))  # fmt: skip
    content = "id,smoker\na,1\nb,2\nc,1\n"
    held = desk.hold(content)
    assert held.keys == ["code:smoker:1", "code:smoker:2"]

    desk.answer(held, {"code:smoker:1": "true", "code:smoker:2": "false"})
    assert desk.harmonize(content).column("smoker") == ["true", "false", "true"]


def test_an_unknown_unit_spelling_is_asked_once(desk: Desk) -> None:
    content = lines(LABS, "P001,glucose,2025-01-13 10:00,90,Mg/Dl")
    held = desk.hold(content)
    assert held.keys == ["code:unit:Mg/Dl"]
    assert next(iter(held.proposal.questions[0].answers)) == "mg/dL"

    desk.answer(held, {"code:unit:Mg/Dl": "mg/dL"})
    delivered = desk.harmonize(content)
    assert [(row["value"], row["unit"]) for row in delivered.rows] == [("90", "mg/dL")]
    assert delivered.column("unit_raw") == ["Mg/Dl"]


def test_wrongly_decoded_text_is_held_and_repaired_or_kept(desk: Desk) -> None:
    content = lines(PATIENTS, "P001,MÃ¼ller,JosÃ©,1980-01-13,F,", "P002,SÃO,,1980-01-13,F,")
    held = desk.hold(content)
    assert held.code == FileCode.TEXT_DAMAGED

    repaired = desk.answer(held, dict.fromkeys(held.keys, "repair"))
    delivered = desk.harmonize(content, answer=str(repaired))
    assert delivered.column("family_name") == ["Müller", "SÃO"]
    assert delivered.column("given_name")[0] == "José"
    kept = desk.answer(held, dict.fromkeys(held.keys, "keep"))
    delivered = desk.harmonize(content, answer=str(kept))
    assert delivered.column("family_name")[0] == "MÃ¼ller"
    assert delivered.result.warnings["mojibake"] == 1


def test_what_was_lost_is_not_offered_to_be_repaired(desk: Desk) -> None:
    held = desk.hold(lines(PATIENTS, "P001,M\ufffdller,,1980-01-13,F,"))

    assert held.proposal.questions[0].answers.keys() == {"keep"}


def test_ids_that_a_spreadsheet_made_dates_are_held_and_may_be_right(desk: Desk) -> None:
    rows = ["MARCH1,Lee,,1980-01-13,F,", "1-Mar,Lee,,1980-01-13,F,"]
    content = lines(PATIENTS, *rows, *many("P{n},Lee,,1980-01-13,F,"))
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.COLUMN_MISFIT, ["ids:patient_id"])

    desk.confirm(held, patient_id="keep")
    assert desk.harmonize(content).column("patient_id")[:2] == ["MARCH1", "1-Mar"]


def test_values_that_cannot_be_read_are_asked_about_above_five_percent(desk: Desk) -> None:
    good = many("P{n},Lee,,1980-01-{d:02d},F,", 36)
    content = lines(PATIENTS, *good, *many("Q{n},Lee,,Springfield,F,", 4))
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.VALUES_UNREADABLE, ["unread:dob"])
    assert held.result.questions == ("dob: 4 of 40 values cannot be read as birth_date.",)

    desk.confirm(held, dob="reject")
    delivered = desk.harmonize(content)
    assert [reason[1:] for reason in delivered.reasons] == [("birth_date", "type-error")] * 4
    few = lines(PATIENTS, *many("P{n},Lee,,1980-01-{d:02d},F,", 96), *content.splitlines()[-4:])
    for path in desk.mappings.iterdir():
        path.unlink()
    assert desk.harmonize(few).result.counts.rejected == 4


# --- layouts -----------------------------------------------------------------------------------


def test_a_footer_is_held_once_and_dropped_when_it_looks_as_confirmed(desk: Desk) -> None:
    rows = many("P{n},Lee,,1980-01-13,F,")
    content = lines(PATIENTS, *rows, "Total,40,,,,")
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.FOOTER_UNCLEAR, ["footer"])
    assert held.proposal.footer.expect == "^Total"

    desk.confirm(held)
    delivered = desk.harmonize(content)
    assert (delivered.result.counts.written, delivered.result.counts.skipped) == (40, 1)
    assert delivered.report["counts"]["skipped_because"] == {"footer": 1}
    missing = desk.hold(lines(PATIENTS, *rows))
    assert missing.code == FileCode.FOOTER_UNCLEAR
    desk.confirm(missing, footer="keep")
    assert desk.harmonize(lines(PATIENTS, *rows)).result.counts.written == 40


def test_a_short_footer_and_quotes_and_blank_lines_behind_it_make_no_difference(
    desk: Desk,
) -> None:
    rows = many("P{n},Lee,,1980-01-13,F,")
    desk.confirm(desk.hold(lines(PATIENTS, *rows, '"Total",40', "", " , ")))

    delivered = desk.harmonize(lines(PATIENTS, *rows, '"Total",41'))
    assert (delivered.result.counts.written, delivered.result.counts.rejected) == (40, 0)


def test_a_header_in_two_lines_is_joined_when_a_person_says_so(desk: Desk) -> None:
    content = lines(
        "Patient,,Result,",
        "Id,Identifier,Date,Note",
        *many("x{n},P{n},2025-01-{d:02d},ok"),
    ).replace("Id,Identifier,Date,Note", "Row,Identifier,Date of birth,Last name")
    held = desk.hold(content)
    assert held.code == FileCode.LAYOUT_UNCLEAR
    assert held.proposal.dialect.header_rows == (1, 2)
    assert held.proposal.labels == (
        "Patient Row",
        "Patient Identifier",
        "Result Date of birth",
        "Result Last name",
    )
    path = desk.answer(held, {"column:Result Last name": "family_name"})

    assert desk.harmonize(content).result.counts.written == 40
    delivered = desk.harmonize(content, answer=str(path))
    assert delivered.column("patient_id")[0] == "P100"
    assert delivered.column("birth_date")[0] == "2025-01-17"


def test_a_file_without_header_is_read_by_position_when_a_person_says_so(desk: Desk) -> None:
    content = lines(*many("P{n},Lee,1980-01-{d:02d},F"))
    held = desk.hold(content)
    assert held.code == FileCode.HEADER_MISSING
    assert held.proposal.dialect.header is False
    answers = {
        "column:column 1": "patient_id",
        "column:column 2": "family_name",
        "column:column 3": "birth_date",
        "column:column 4": "sex",
    }
    known = {key: answer for key, answer in answers.items() if key in held.keys}
    desk.answer(held, {"contract": "patients", **known})

    delivered = desk.harmonize(content)
    assert delivered.result.counts.written == 40
    assert delivered.rows[0]["patient_id"] == "P100"
    assert delivered.rows[0]["birth_date"] == "1980-01-17"


def test_rows_one_cell_longer_than_the_header_are_asked_about(desk: Desk) -> None:
    content = lines("patient_id,last name,dob", *many("{n},P{n},Lee,1980-01-{d:02d}"))
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.HEADER_MISMATCH, ["header"])

    desk.confirm(held, header="first")
    delivered = desk.harmonize(content)
    assert delivered.rows[0]["patient_id"] == "P100"
    assert delivered.rows[0]["birth_date"] == "1980-01-17"


def test_a_title_that_plainly_is_no_row_is_left_out_and_told(desk: Desk) -> None:
    content = lines(
        "Monthly export", "", "patient_id,last name,dob", *many("P{n},Lee,1980-01-{d:02d}")
    )
    delivered = desk.harmonize(content)

    assert delivered.result.counts.written == 40
    assert delivered.rows[0]["birth_date"] == "1980-01-17"
    assert "lines 1 to 2 stand above the header, no part of the table" in json.dumps(
        delivered.report
    )


def test_lines_before_the_header_that_could_be_rows_are_asked_about(desk: Desk) -> None:
    content = lines(
        "Monthly export,May", "", "patient_id,last name,dob", *many("P{n},Lee,1980-01-{d:02d}")
    )
    held = desk.hold(content)
    assert held.code == FileCode.LAYOUT_UNCLEAR
    assert held.proposal.dialect.header_rows == (3,)

    desk.confirm(held)
    assert desk.harmonize(content).result.counts.written == 40


def test_a_separator_that_nothing_settles_is_asked_about(desk: Desk) -> None:
    desk.contract(
        "name: table\nfields:\n  - {name: v, type: string}\n  - {name: w, type: string}\n"
    )
    content = "v;w,x\n1;2,3\n4;5,6\n7;8,9\n"
    held = desk.hold(content)
    assert held.keys[0] == "delimiter"

    path = desk.answer(held, {"delimiter": "semicolon"})
    assert "v" in path.read_text()


POLISH = """\
contract: patients
source: polish
status: confirmed
encoding: cp1250
fields:
  - {name: patient_id, to: patient_id}
  - {name: nazwisko, to: family_name}
  - {name: dob, to: birth_date}
  - {name: Płeć, to: sex, values: {K: female}}
"""


def test_an_encoding_that_a_mapping_names_is_obeyed(desk: Desk) -> None:
    (desk.mappings / "polish.1.mapping.yaml").write_text(POLISH, encoding="utf-8")
    content = lines("patient_id,nazwisko,dob,Płeć", *many("P{n},Łuczak,1980-01-{d:02d},K"))

    delivered = desk.harmonize(content.encode("cp1250"))
    assert delivered.column("family_name")[0] == "Łuczak"
    assert delivered.column("sex")[0] == "female"
    assert delivered.report["plan"]["reading"]["encoding"] == "cp1250"


# --- columns -----------------------------------------------------------------------------------


def test_swapped_columns_are_vetoed_and_proposed_the_right_way_round(desk: Desk) -> None:
    content = lines("patient_id,last name,sex,dob", *many("P{n},Lee,1980-01-{d:02d},F"))
    held = desk.hold(content)
    assert held.code == FileCode.COLUMN_MISFIT
    assert {one.name: one.to for one in held.proposal.fields}["sex"] == ("birth_date",)

    desk.confirm(held)
    delivered = desk.harmonize(content)
    assert (delivered.rows[0]["birth_date"], delivered.rows[0]["sex"]) == ("1980-01-17", "female")


def test_values_that_fit_everywhere_propose_no_field(desk: Desk) -> None:
    rows = (f"00{n};Meyer;{n:02d}.04.1955;m;8{n % 10},5;A{n % 3}" for n in range(13, 28))
    content = lines("PatNr;Nachname;Geburtsdatum;Merkmal;Gewicht;Station", *rows)
    held = desk.hold(content)

    fields = {one.name: one for one in held.proposal.fields}
    assert fields["PatNr"].to == ("patient_id",)
    assert fields["Geburtsdatum"].to == ("birth_date",)
    for label in ("Gewicht", "Station", "Merkmal"):
        assert fields[label].to == (), f"{label} is like no name, and its values tell nothing"
        assert fields[label].rescue is True
    [asked] = [one for one in held.proposal.questions if one.key == "column:Merkmal"]
    assert "No field is called so, but its values may be codes of" in asked.ask
    assert set(list(asked.answers)[:2]) == {"marital_status", "sex"}
    assert asked.proposed == "rescue"

    desk.answer(held, {"column:Merkmal": "sex"})
    assert set(desk.harmonize(content).column("sex")) == {"male"}


def test_a_renamed_column_is_proposed_from_shape_and_values(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    held = desk.hold(german().replace("Wert", "Messergebnis"))

    assert held.code == FileCode.LAYOUT_CHANGED
    assert held.result.questions[0] == (
        "`Wert` was there until now and is missing in this file; `Messergebnis` is new and looks "
        "the same."
    )
    assert {one.name: one.to for one in held.proposal.fields}["Messergebnis"] == ("value",)
    desk.answer(held, {})
    assert desk.harmonize(german().replace("Wert", "Messergebnis")).rows[1]["value"] == "1.05"


def test_a_new_column_is_kept_beside_the_data_and_a_missing_one_is_asked_about(desk: Desk) -> None:
    desk.answer(desk.hold(german()), german_answers())
    wider = "\n".join(
        f"{line};{'Station' if n == 0 else 'B7'}" for n, line in enumerate(german().splitlines())
    )
    delivered = desk.harmonize(wider)
    assert delivered.result.mapping is not None
    assert {row["column"] for row in read(delivered.staging / "rescued.csv")} == {
        "Kommentar",
        "Station",
    }
    narrower = "\n".join(
        ";".join([*line.split(";")[:4], line.split(";")[5]]) for line in german().splitlines()
    )
    held = desk.hold(narrower)
    assert "`Einheit` was there until now and is missing in this file." in held.result.questions


def test_a_column_a_person_ignores_is_left_out(desk: Desk) -> None:
    held = desk.hold(german())
    path = desk.answer(held, german_answers())
    text = path.read_text().replace(
        "{name: Kommentar, rescue: true}", "{name: Kommentar, ignore: true}"
    )
    path.write_text(text)

    assert not (desk.harmonize(german()).staging / "rescued.csv").exists()


def test_two_columns_of_one_name_are_told_apart_by_their_place(desk: Desk) -> None:
    content = lines("patient_id,surname,surname,dob", *many("P{n},Lee,Li,1980-01-{d:02d}"))
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.COLUMN_CONFLICT, ["field:family_name"])
    assert list(held.proposal.questions[0].answers) == ["surname (column 2)", "surname (column 3)"]

    desk.answer(held, {"family_name": "surname (column 3)"})
    delivered = desk.harmonize(content)
    assert set(delivered.column("family_name")) == {"Li"}
    assert {row["value"] for row in read(delivered.staging / "rescued.csv")} == {"Lee"}


def test_a_required_field_may_be_one_value_for_all_rows(desk: Desk) -> None:
    content = lines("patient_id,collected_at,value,unit", "P001,2025-01-13 10:00,90,mg/dL")
    held = desk.hold(content, contract="lab_results")
    assert held.keys == ["field:test"]

    path = desk.answer(held, {"field:test": "=glucose"})
    assert "test: glucose" in path.read_text()
    delivered = desk.harmonize(content)
    assert delivered.column("test") == ["glucose"]
    assert delivered.rows[0]["value"] == "90"


def test_words_for_no_value_of_one_source_count_for_its_column_only(desk: Desk) -> None:
    path = desk.confirm(desk.hold(births("03/04/1980", "05/06/1981")), dob="mdy")
    mapping = load_mapping(path)
    fields = tuple(
        field.model_copy(update={"missing_values": ("F",)}) if field.name == "sex" else field
        for field in mapping.fields
    )
    path.write_text(write_mapping(mapping.model_copy(update={"fields": fields})), encoding="utf-8")

    delivered = desk.harmonize(births("03/04/1980"))
    assert (delivered.column("sex"), delivered.column("birth_date")) == ([""], ["1980-03-04"])


def test_headings_without_a_latin_letter_have_their_own_fingerprint(desk: Desk) -> None:
    desk.contract(
        "name: table\nfields:\n"
        "  - {name: id, type: string, constraints: {required: true}}\n"
        "  - {name: glucose, type: number}\n"
    )
    rows = many("P{n},5.{n}", 20)
    held = desk.hold(lines("患者,血糖", *rows))
    other = desk.hold(lines("病人,体重", *rows))

    assert held.result.labels != other.result.labels
    assert held.result.layout != other.result.layout
    desk.answer(held, {"column:患者": "id"})
    assert desk.harmonize(lines("患者,血糖", *rows)).column("glucose")[0] == "5.100"
    assert desk.hold(lines("病人,体重", *rows)).result.questions


def test_a_unit_in_the_heading_is_the_unit_of_its_values(desk: Desk) -> None:
    desk.contract(
        "name: table\nfields:\n  - {name: id, type: string}\n"
        "  - {name: weight, type: number, unit: {from: unit, to: kg}}\n"
        "  - {name: unit, type: string, semantic: ucum-unit}\n"
    )
    delivered = desk.harmonize("id,Weight (lb)\na,150\n")

    assert [(row["weight"], row["unit"]) for row in delivered.rows] == [("68.04", "kg")]


# --- what is refused, what goes back, what stays the same --------------------------------------


@pytest.mark.parametrize("content", ["a,b\n1,2\n3,4\n", "sku,color\n1,red\n2,blue\n"])
def test_a_table_that_speaks_for_no_contract_is_refused(desk: Desk, content: str) -> None:
    error, _ = desk.refuse(content)

    assert error.code is FileCode.SCHEMA_UNKNOWN


def test_no_cell_of_a_held_file_goes_back(desk: Desk) -> None:
    canary = "Zzyzx"
    rows = [f"{canary}{n},{canary},{canary}Ã©,0{n}/04/1980,{canary},{canary}" for n in range(1, 9)]
    held = desk.hold(lines(PATIENTS, *rows))

    assert canary not in json.dumps(held.result.to_json())
    assert canary in held.asked
    assert canary in (held.staging / "review.html").read_text(encoding="utf-8")


def test_the_same_file_asks_the_same_questions_byte_for_byte(desk: Desk) -> None:
    first, second = desk.hold(german()), desk.hold(german())

    for name in ("questions.txt", "mapping.proposed.yaml", "review.html"):
        assert (first.staging / name).read_bytes() == (second.staging / name).read_bytes()
    assert first.result == second.result


def test_the_page_says_that_a_code_waits_while_it_is_asked_about(desk: Desk) -> None:
    content = lines("patient_id,last name,dob,sex", *many("P{n},Lee,1980-01-{d:02d},w"))
    held = desk.hold(content)
    assert "code:sex:w" in held.keys
    page = (held.staging / "review.html").read_text(encoding="utf-8")
    assert "waits for an answer" in page
    assert "would be rejected" not in page


def test_the_page_escapes_what_stands_in_the_file(desk: Desk) -> None:
    held = desk.hold(births("03/04/1980").replace("Lee", "<script>alert(1)</script>"))
    page = (held.staging / "review.html").read_text(encoding="utf-8")

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "waits for an answer" in page


def test_another_contract_than_the_proposed_one_is_looked_at_anew(desk: Desk) -> None:
    held = desk.hold(german())
    answers = next(one.answers for one in held.proposal.questions if one.key == "contract")
    assert {"lab_results", "vitals"} <= answers.keys()
    path = desk.answer(held, {"contract": "vitals"})

    again = desk.hold(german(), answer=str(path))
    assert again.result.contract == "vitals"
    assert "contract" not in again.keys
    assert "column:PatNr" in again.keys
