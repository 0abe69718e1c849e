"""Every hazard of tests/data/hazards.csv by its id: the input, and what must come of it.

The list was collected from files that made other programs silently wrong. A case here goes through
the same door as any file; what waits for another part of the program is named, with the reason, in
docs/hazards.md.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from daemon.states import JobState
from pipeline.contract.loading import BUILT_IN, load_contract
from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.mapping.by_name import map_columns
from pipeline.standardize.units import normalize_unit
from tests.support import GOOD, World
from tests.unit.harmonizing import Delivered, Desk
from tests.unit.tables import saved

ROOT = Path(__file__).resolve().parents[2]
HAZARDS = ROOT / "tests" / "data" / "hazards.csv"
PAGE = ROOT / "docs" / "hazards.md"

Case = Callable[[Desk], None]
CASES: dict[str, Case] = {}


def hazard(number: str) -> Callable[[Case], Case]:
    def register(case: Case) -> Case:
        assert number not in CASES, f"{number} has two cases"
        CASES[number] = case
        return case

    return register


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# -- the ways in -----------------------------------------------------------------------------------

TWO_PATIENTS = "patient_id,family_name,birth_date\nP001,Smith,1980-01-31\nP002,Jones,1975-12-25\n"
PATIENTS = "patient_id,family_name,birth_date\n"
LABS = "patient_id,test,collected_at,value,unit\n"
VITALS = "patient_id,observed_at,vital,value,unit\n"
MEDICATIONS = "patient_id,medication,start_date,dose,frequency,route\n"


def columns(desk: Desk, fields: str, content: str | bytes, more: str = "") -> Delivered:
    """Harmonize with a contract of these fields (lines of YAML)."""
    lines = "".join(f"  - {{{line.strip()}}}\n" for line in fields.strip().splitlines())
    return desk.contract(f"name: t\n{more}\nfields:\n{lines}").harmonize(content)


def cells(kind: str, *values: str) -> tuple[str, str]:
    """Contract fields and file for one column `x` of a kind, beside a running number."""
    rows = "".join(f'{n},"{value}"\n' for n, value in enumerate(values, start=1))
    return f"name: n, type: integer\nname: x, {kind}", f"n,x\n{rows}"


def values_of(desk: Desk, kind: str, *values: str) -> dict[str, str]:
    """What became of each value; a reject code in angle brackets where it was refused.

    A row with a good value is added, so that a file of rejects only is not refused whole.
    """
    done = columns(desk, *cells(kind, *values))
    found = {row["n"]: row["x"] for row in done.rows}
    found |= {str(record): f"<{code}>" for record, _, code in done.reasons}
    return {value: found[str(n)] for n, value in enumerate(values, start=1)}


def asked(desk: Desk, content: str | bytes) -> set[FileCode]:
    """Codes of the questions for which the file is held; empty when nothing is asked."""
    return {question.code for question in desk.plan(content).questions}


def refused(desk: Desk, content: str | bytes) -> FileCode:
    """Why the file cannot be harmonized, whatever anybody answers."""
    error, _ = desk.refuse(content)
    return error.code


def asked_about(desk: Desk, kind: str, *values: str) -> set[FileCode]:
    fields, content = cells(kind, *values)
    lines = "".join(f"  - {{{line.strip()}}}\n" for line in fields.splitlines())
    return asked(desk.contract(f"name: t\nfields:\n{lines}"), content)


def labs(desk: Desk, *rows: str) -> list[tuple[str, str, str]]:
    """(test, value, unit) of laboratory rows written `test,value,unit`."""
    lines = [row.split(",") for row in rows]
    content = LABS + "".join(
        f"P{n:03},{test},2025-01-13 08:00,{value},{unit}\n"
        for n, (test, value, unit) in enumerate(lines, start=1)
    )
    return [(row["test"], row["value"], row["unit"]) for row in desk.harmonize(content).rows]


def medications(desk: Desk, **more: list[str]) -> Delivered:
    count = max(len(values) for values in more.values())
    rows = []
    for n in range(count):
        cell = {"dose": "5 mg", "frequency": "daily", "route": "oral"}
        cell |= {name: values[n] for name, values in more.items()}
        rows.append(
            f"P{n:03},Aspirin,2025-01-13 08:00,{cell['dose']},"
            f'"{cell["frequency"]}",{cell["route"]}\n'
        )
    return desk.harmonize(MEDICATIONS + "".join(rows))


# -- A. bytes and files ----------------------------------------------------------------------------


@hazard("A1")
def a_byte_order_mark_is_not_part_of_the_first_name(desk: Desk) -> None:
    done = desk.harmonize(b"\xef\xbb\xbf" + TWO_PATIENTS.encode())
    assert done.column("patient_id") == ["P001", "P002"]
    assert done.report["plan"]["columns"][0]["label"] == "patient_id"


@hazard("A2")
def utf_16_is_decoded_by_its_mark(desk: Desk) -> None:
    text = TWO_PATIENTS.replace(",", "\t").replace("Smith", "Müller")
    assert desk.harmonize(text.encode("utf-16")).column("family_name") == ["Müller", "Jones"]


@hazard("A4")
def short_western_text_is_windows_1252_where_it_is_not_utf_8(desk: Desk) -> None:
    text = "n,x\n1,José Müller 37°C 5 µg/L\n"
    fields = "name: n, type: integer\nname: x, type: string"
    assert columns(desk, fields, text).column("x") == ["José Müller 37°C 5 µg/L"]
    done = desk.harmonize(text.encode("cp1252"))
    assert done.column("x") == ["José Müller 37°C 5 µg/L"]
    assert done.report["plan"]["reading"]["encoding"] == "cp1252"


@hazard("A5")
def text_that_was_decoded_wrongly_once_is_asked_about(desk: Desk) -> None:
    content = "patient_id,family_name,birth_date\nP001,JosÃ©,1980-01-31\nP002,MÃ¼ller,1975-12-25\n"
    held = desk.hold(content)
    assert held.code == FileCode.TEXT_DAMAGED
    desk.confirm(held, text="repair")
    assert desk.harmonize(content).column("family_name") == ["José", "Müller"]


@hazard("A7")
def a_closing_control_z_is_dropped(desk: Desk) -> None:
    done = desk.harmonize(TWO_PATIENTS.encode() + b"\x1a\r\n")
    assert (len(done.rows), done.result.counts.rejected) == (2, 0)


@hazard("A8")
def a_file_without_rows_is_empty_and_no_crash(desk: Desk) -> None:
    assert refused(desk, "") is FileCode.EMPTY
    assert refused(desk, PATIENTS) is FileCode.EMPTY
    assert refused(desk, PATIENTS + "\n,,\n") is FileCode.EMPTY


@hazard("A10")
def a_file_cut_off_within_a_quoted_cell_is_incomplete(desk: Desk) -> None:
    assert refused(desk, TWO_PATIENTS + 'P003,"Smi') is FileCode.TRUNCATED


@hazard("A11")
def a_declared_separator_is_honoured_and_dropped(desk: Desk) -> None:
    done = desk.harmonize("sep=;\n" + TWO_PATIENTS.replace(",", ";"))
    assert done.column("family_name") == ["Smith", "Jones"]


@hazard("A13")
def the_columns_tell_the_contract_and_not_the_files_name(desk: Desk) -> None:
    for name in ("outpatient_vitals.csv", "comments_media.csv"):
        path = desk.folder / name
        path.write_text(LABS + "P001,glucose,2025-01-13 08:00,90,mg/dL\n", encoding="utf-8")
        done = desk.harmonize("", source=str(path), source_path=name)
        assert done.result.contract == "lab_results"


# -- B. table shape --------------------------------------------------------------------------------


@hazard("B14")
def semicolons_separate_and_commas_are_decimal(desk: Desk) -> None:
    done = columns(desk, "name: v, type: number\nname: w, type: number", "v;w\n1,5;1.234,56\n")
    assert done.rows == [{"v": "1.5", "w": "1234.56"}]


@hazard("B16")
def a_quoted_comma_does_not_separate(desk: Desk) -> None:
    done = columns(desk, "name: n, type: integer\nname: x, type: string", 'n,x\n1,"Smith, J"\n')
    assert done.column("x") == ["Smith, J"]


@hazard("B17")
def a_line_break_within_quotes_is_one_cell(desk: Desk) -> None:
    done = columns(
        desk, "name: n, type: integer\nname: x, type: string", 'n,x\n1,"one\ntwo"\n2,three\n'
    )
    assert [re.split(r"\s", text) for text in done.column("x")] == [["one", "two"], ["three"]]


@hazard("B19")
def one_bad_quote_costs_one_row(desk: Desk) -> None:
    good = "".join(f"{n},80\n" for n in range(2, 30))
    done = columns(
        desk, "name: height, type: string\nname: pulse, type: integer",
        f'height,pulse\n"5\'11"",80\n{good}',
    )  # fmt: skip
    assert [code for _, _, code in done.reasons] == ["unbalanced-quote"]
    assert len(done.rows) == 28


@hazard("B20")
def an_apostrophe_never_quotes(desk: Desk) -> None:
    done = columns(
        desk, "name: x, type: string\nname: n, type: integer",
        "x,n\n'tis,1\nO'Brien,2\nD'Arcy,3\n",
    )  # fmt: skip
    assert done.column("x") == ["'tis", "O'Brien", "D'Arcy"]


@hazard("B22")
def one_row_with_a_cell_too_many_is_rejected_and_the_rest_load(desk: Desk) -> None:
    done = desk.harmonize(
        PATIENTS + "".join(f"P{n:03},Smith,19{n}-01-31\n" for n in range(60, 80)) + "P1,S,1,extra\n"
    )
    assert [(record, code) for record, _, code in done.reasons] == [(21, "extra-cell")]
    assert len(done.rows) == 20


@hazard("B23")
def a_header_that_fits_no_row_is_asked_about(desk: Desk) -> None:
    rows = "".join(f"P{n:03},Smith,1980-01-{n},oops\n" for n in range(13, 25))
    held = desk.hold(PATIENTS + rows)
    assert held.code == FileCode.HEADER_MISMATCH
    assert not list(held.staging.glob("*.csv"))


@hazard("B25")
def one_row_with_a_cell_too_few_is_rejected_or_filled_up_by_policy(desk: Desk) -> None:
    fields = "name: a, type: string\nname: b, type: string"
    content = "a,b\n" + "1,2\n" * 20 + "3\n"
    assert columns(desk, fields, content, "duplicates: {identical: keep}").reasons == [
        (21, "", "missing-cell")
    ]
    filled = columns(
        desk, fields, content, "duplicates: {identical: keep}\npolicy: {missingCell: \"null\"}"
    )  # fmt: skip
    assert filled.rows[-1] == {"a": "3", "b": ""}


@hazard("B26")
def blank_rows_are_skipped_and_counted(desk: Desk) -> None:
    done = desk.harmonize(TWO_PATIENTS + "\n   \n,,\nP003,Miller,1990-05-31\n")
    assert done.column("patient_id") == ["P001", "P002", "P003"]
    assert done.result.counts.skipped == 3
    assert done.result.counts.adds_up


@hazard("B28")
def a_header_of_two_rows_is_joined_when_a_person_says_so(desk: Desk) -> None:
    content = "Patient,,Result,,\npatient_id,test,collected_at,value,unit\n" + (
        "P001,glucose,2025-01-13 08:00,90,mg/dL\nP002,glucose,2025-01-13 09:00,91,mg/dL\n"
    )
    held = desk.hold(content)
    assert held.code == FileCode.LAYOUT_UNCLEAR
    assert held.proposal.labels[0] == "Patient patient_id"
    assert held.proposal.dialect.header_rows == (1, 2)
    desk.answer(held, {})
    done = desk.harmonize(content)
    assert done.column("patient_id") == ["P001", "P002"]
    assert done.column("value") == ["90", "91"]
    labels = {column["label"] for column in done.report["plan"]["columns"]}
    assert labels == {
        "Patient patient_id",
        "Patient test",
        "Result collected_at",
        "Result value",
        "Result unit",
    }


@hazard("B29")
def a_row_of_totals_is_asked_about_once_and_dropped(desk: Desk) -> None:
    rows = "".join(f"P{n:03},glucose,2025-01-13 08:00,{n},mg/dL\n" for n in range(60, 90))
    held = desk.hold(LABS + rows + "Total,,,30,\n")
    assert held.code == FileCode.FOOTER_UNCLEAR
    desk.answer(held, {})
    done = desk.harmonize(LABS + rows + "Total,,,30,\n")
    assert (len(done.rows), done.result.counts.skipped) == (30, 1)
    again = desk.harmonize(LABS + rows + "Total,,,31,\n")
    assert (len(again.rows), again.result.counts.skipped) == (30, 1)
    assert desk.hold(LABS + rows).code == FileCode.FOOTER_UNCLEAR


@hazard("B31")
def two_columns_of_one_name_are_kept_apart_and_asked_about(desk: Desk) -> None:
    content = "patient_id,family_name,family_name,birth_date\nP001,Smith,Jones,1980-01-31\n"
    assert asked(desk, content) == {FileCode.COLUMN_CONFLICT}


@hazard("B32")
def case_and_space_of_a_heading_do_not_matter_and_stay_as_they_were(desk: Desk) -> None:
    for label in (" patient_id ", "PATIENT_ID", "Patient Id"):
        plan = desk.plan(TWO_PATIENTS.replace("patient_id", label))
        assert plan.columns[0].field == "patient_id"
        assert plan.columns[0].label == label


@hazard("B34")
def a_first_row_of_data_is_no_header(desk: Desk) -> None:
    content = "".join(f"P{n:03},Smith,19{n}-01-31\n" for n in range(60, 80))
    held = desk.hold(content)
    assert held.code == FileCode.HEADER_MISSING
    desk.answer(held, {})
    assert desk.harmonize(content).column("patient_id")[0] == "P060"


@hazard("B35")
def years_as_headings_get_the_offer_to_unpivot(desk: Desk) -> None:
    with pytest.raises(ContentError) as refused:
        desk.plan("patient_id,2021,2022,2023\nP001,1,2,3\n")
    assert "unpivot the table" in refused.value.details[-1]


@hazard("B37")
def vitals_come_long_or_wide(desk: Desk) -> None:
    long = desk.harmonize(
        "patient_id,observation_datetime,vital_type,vital_value,unit\n"
        "P001,2025-01-13 08:00,HR,72,bpm\n"
    )
    wide = desk.harmonize("patient_id,observation_datetime,HR\nP001,2025-01-13 08:00,72\n")
    assert long.rows == wide.rows
    assert long.rows[0]["vital"] == "heart_rate"


# -- C. identifiers --------------------------------------------------------------------------------


@hazard("C38")
def a_postal_code_keeps_its_zero(desk: Desk) -> None:
    assert values_of(desk, "type: string, semantic: postal-code-us", "02134") == {"02134": "02134"}


@hazard("C40")
def an_identifier_is_no_number_in_powers_of_ten(desk: Desk) -> None:
    given = ("1E5", "100000", "2e3")
    assert values_of(desk, "type: string, semantic: identifier", *given) == {x: x for x in given}


@hazard("C41")
def an_identifier_that_looks_infinite_stays(desk: Desk) -> None:
    given = ("5e309130", "12345", "67890")
    assert values_of(desk, "type: string, semantic: identifier", *given) == {x: x for x in given}


@hazard("C43")
def no_prefix_is_invented(desk: Desk) -> None:
    done = desk.harmonize(TWO_PATIENTS.replace("P001", "172184"))
    assert done.column("patient_id") == ["172184", "P002"]


@hazard("C44")
def a_blank_identifier_is_rejected(desk: Desk) -> None:
    rows = "".join(f"P{n:03},Smith,19{n}-01-31\n" for n in range(60, 80))
    done = desk.harmonize(PATIENTS + rows + ",Miller,1990-05-31\n")
    assert done.reasons == [(21, "patient_id", "required")]


@hazard("C46")
def more_digits_than_a_spreadsheet_keeps_are_marked(desk: Desk) -> None:
    done = columns(
        desk, *cells("type: string, semantic: identifier", "12345678901234500000", "123")
    )
    assert done.column("x") == ["12345678901234500000", "123"]
    assert done.report["warnings"] == {"precision-lost": 1}


@hazard("C47")
def nineteen_digits_beside_a_blank_stay_text(desk: Desk) -> None:
    given = values_of(desk, "type: string, semantic: identifier", "1234567890123456789", "")
    assert given["1234567890123456789"] == "1234567890123456789"


@hazard("C49")
def codes_with_a_point_keep_their_zeros(desk: Desk) -> None:
    given = ("250.00", "401.10")
    assert values_of(desk, "type: string", *given) == {x: x for x in given}


@hazard("C50")
def a_provider_number_is_checked_not_corrected(desk: Desk) -> None:
    done = columns(desk, *cells("type: string, semantic: npi", "1234567890", "1234567893"))
    assert done.reasons == [(1, "x", "check-digit")]
    assert done.column("x") == ["1234567893"]


@hazard("C52")
def namibia_is_no_missing_value(desk: Desk) -> None:
    assert values_of(desk, "type: string", "NA", "DE") == {"NA": "NA", "DE": "DE"}


@hazard("C53")
def identifiers_that_a_spreadsheet_made_dates_are_asked_about(desk: Desk) -> None:
    given = ["MARCH1", "1-2", "3/4", "2025-03-01", "1-Mar", "SEPT2", "01.03.2025"]
    found = asked_about(desk, "type: string, semantic: identifier", *given)
    assert found == {FileCode.COLUMN_MISFIT}


@hazard("C55")
def letters_of_two_alphabets_are_marked_and_left(desk: Desk) -> None:
    done = columns(desk, *cells("type: string, semantic: identifier", "\u0410B1", "A2"))
    assert done.column("x") == ["\u0410B1", "A2"]
    assert done.report["warnings"] == {"mixed-script": 1}


# -- D. nulls, space, Unicode ----------------------------------------------------------------------


@hazard("D56")
def null_none_and_na_are_surnames(desk: Desk) -> None:
    names = ("Null", "None", "NA")
    rows = "".join(f"P00{n},{name},1980-01-31\n" for n, name in enumerate(names))
    assert desk.harmonize(PATIENTS + rows).column("family_name") == list(names)


@hazard("D58")
def space_of_any_kind_is_nothing(desk: Desk) -> None:
    done = columns(desk, *cells("type: string", "one", " ", "\u00a0", "\u2007\u202f", "two"))
    assert done.column("x") == ["one", "", "", "", "two"]


@hazard("D59")
def magic_numbers_are_missing_only_where_they_are_listed(desk: Desk) -> None:
    assert values_of(desk, "type: integer", "999", "-9") == {"999": "999", "-9": "-9"}
    listed = 'type: integer, missingValues: ["", "999", "-9"]'
    assert values_of(desk, listed, "999", "-9", "5") == {"999": "", "-9": "", "5": "5"}
    days = ("9999-12-31", "1900-01-01", "2025-01-31")
    assert values_of(desk, "type: date", *days) == {day: day for day in days}
    listed = 'type: date, missingValues: ["", "9999-12-31", "1900-01-01"]'
    assert values_of(desk, listed, *days)["9999-12-31"] == ""


@hazard("D61")
def both_ways_to_write_an_accent_are_one(desk: Desk) -> None:
    done = columns(desk, "name: x, type: string", "x\nJosé\nJose\u0301\n")
    assert done.rows == [{"x": "José"}]
    assert done.result.counts.duplicate == 1


@hazard("D62")
def apostrophes_match_and_stay_as_given(desk: Desk) -> None:
    done = desk.harmonize(
        PATIENTS + "P001,O\u2019Brien,1980-01-31\nP001,O'Brien,1980-01-31\nP002,Smith,1980-01-30\n"
    )
    assert done.column("family_name") == ["O\u2019Brien", "Smith"]
    assert done.result.counts.duplicate == 1


@hazard("D64")
def letters_are_matched_by_casefold(desk: Desk) -> None:
    kind = "type: string, categories: [{value: road, aliases: [straße]}, {value: \u0130}]"
    assert values_of(desk, kind, "STRASSE", "straße", "\u0130") == {
        "STRASSE": "road",
        "straße": "road",
        "\u0130": "\u0130",
    }


@hazard("D65")
def damaged_text_is_seen_in_units_too(desk: Desk) -> None:
    assert asked_about(desk, "type: string", "JosÃ©", "37 Â°C", "38 Â°C") == {FileCode.TEXT_DAMAGED}


@hazard("D67")
def words_of_a_contract_stay_the_words_they_are(desk: Desk) -> None:
    path = desk.folder / "t.contract.yaml"
    path.write_text(
        "name: t\nfields:\n  - name: x\n    type: string\n    categories:\n"
        "      - {value: NO}\n      - {value: 01}\n      - {value: 012}\n      - {value: 1:30}\n",
        encoding="utf-8",
    )
    categories = load_contract(path).fields[0].categories or ()
    assert [one.value for one in categories] == ["NO", "01", "012", "1:30"]


# -- E. dates --------------------------------------------------------------------------------------


@hazard("E68")
def one_day_above_twelve_proves_the_order_of_its_column(desk: Desk) -> None:
    assert values_of(desk, "type: date", "03/04/2025", "25/04/2025") == {
        "03/04/2025": "2025-04-03",
        "25/04/2025": "2025-04-25",
    }


@hazard("E70")
def an_order_nothing_proves_is_asked_once(desk: Desk) -> None:
    content = PATIENTS + "P001,Smith,03/04/1985\nP002,Jones,05/06/1985\n"
    held = desk.hold(content)
    assert held.code == FileCode.DATE_AMBIGUOUS
    desk.answer(held, {"date:birth_date:99/99/9999": "dmy"})
    assert desk.harmonize(content).column("birth_date") == ["1985-04-03", "1985-06-05"]
    later = desk.harmonize(PATIENTS + "P003,Miller,07/08/1985\n")
    assert later.column("birth_date") == ["1985-08-07"]


@hazard("E71")
def iso_dates_are_never_turned_round(desk: Desk) -> None:
    given = values_of(desk, "type: date", "2025-03-04", "25/04/2025", "03/04/2025")
    assert given["2025-03-04"] == "2025-03-04"


@hazard("E73")
def nobody_is_born_ahead_and_nothing_expires_behind(desk: Desk) -> None:
    born = values_of(desk, "type: date, century: past", "01/02/45", "31/12/44")
    assert born["01/02/45"] == "1945-02-01"
    expires = values_of(desk, "type: date, century: future", "30/01/30")
    assert expires == {"30/01/30": "2030-01-30"}


@hazard("E74")
def day_numbers_of_a_spreadsheet_are_dates_in_a_date_column(desk: Desk) -> None:
    assert values_of(desk, "type: date", "45000", "45001")["45000"] == "2023-03-15"


@hazard("E76")
def the_day_that_never_was_is_rejected(desk: Desk) -> None:
    given = values_of(desk, "type: date", "60", *(str(45000 + n) for n in range(20)))
    assert given["60"] == "<impossible-date>"


@hazard("E77")
def eight_digits_are_a_date(desk: Desk) -> None:
    given = values_of(desk, "type: date", "20250115", "20251231")
    assert given["20250115"] == "2025-01-15"


@hazard("E79")
def time_stamps_of_hl7_are_read(desk: Desk) -> None:
    given = "20250115103000-0500"
    assert values_of(desk, "type: datetime", given) == {given: "2025-01-15T10:30:00-05:00"}


@hazard("E80")
def fractions_are_no_dates(desk: Desk) -> None:
    assert FileCode.COLUMN_MISFIT in asked_about(desk, "type: date", "1/2", "3/4", "5/6")


@hazard("E82")
def a_time_of_day_is_no_date(desk: Desk) -> None:
    given = values_of(desk, "type: date", "10:30", *(f"2025-01-{n}" for n in range(13, 31)))
    assert given["10:30"] == "<type-error>"


@hazard("E83")
def days_outside_the_calendar_are_rejected(desk: Desk) -> None:
    good = [f"2025-01-{n}" for n in range(13, 31)]
    given = values_of(desk, "type: date", "2025-02-30", "31/02/2025", "30/12/2024", *good)
    assert given["2025-02-30"] == "<impossible-date>"
    assert given["31/02/2025"] == "<impossible-date>"


@hazard("E85")
def a_date_of_zeros_is_missing_only_where_listed(desk: Desk) -> None:
    good = [f"2025-01-{n}" for n in range(13, 31)]
    assert values_of(desk, "type: date", "0000-00-00", *good)["0000-00-00"] == "<impossible-date>"
    listed = 'type: date, missingValues: ["", "0000-00-00"]'
    assert values_of(desk, listed, "0000-00-00", *good)["0000-00-00"] == ""


@hazard("E86")
def twelve_at_night_is_midnight(desk: Desk) -> None:
    kind = "type: datetime, timezone: UTC"
    given = values_of(desk, kind, "01/01/2025 12:00 AM", "01/31/2025 12:00 PM")
    assert given["01/01/2025 12:00 AM"] == "2025-01-01T00:00:00+00:00"
    assert given["01/31/2025 12:00 PM"] == "2025-01-31T12:00:00+00:00"


@hazard("E88")
def the_name_of_a_zone_needs_somebody_who_says_what_it_means(desk: Desk) -> None:
    text = "2025-01-01 10:00 EST"
    assert asked_about(desk, "type: datetime", text) == {FileCode.TIMEZONE_UNKNOWN}
    told = values_of(desk, "type: datetime, timezone: America/New_York", text)
    assert told == {text: "2025-01-01T10:00:00-05:00"}
    elsewhere = asked_about(desk, "type: datetime, timezone: Europe/Berlin", text)
    assert elsewhere == {FileCode.TIMEZONE_UNKNOWN}
    good = [f"2025-01-{n}T10:00:00-05:00" for n in range(13, 31)]
    assert values_of(desk, "type: datetime", text, *good)[text] == "<timezone-missing>"
    desk.contracts = BUILT_IN
    content = VITALS + "P001,2025-01-13 10:00 PST,HR,72,bpm\n"
    desk.answer(desk.hold(content), {"zone:observed_at:PST": "-08:00"})
    assert desk.harmonize(content).column("observed_at") == ["2025-01-13T10:00:00-08:00"]


@hazard("E89")
def the_hour_that_happened_twice_is_not_guessed(desk: Desk) -> None:
    good = [f"2025-10-{n} 01:30" for n in range(13, 31)]
    kind = "type: datetime, timezone: America/New_York"
    given = values_of(desk, kind, "2025-11-02 01:30", *good)
    assert given["2025-11-02 01:30"] == "<ambiguous-time>"


@hazard("E91")
def french_months_are_read_when_somebody_said_the_source_is_french(desk: Desk) -> None:
    content = PATIENTS + "P001,Smith,15 mars 2025\nP002,Jones,3 février 2025\n"
    held = desk.hold(content)
    assert (held.code, held.keys) == (FileCode.DATE_AMBIGUOUS, ["language:birth_date:fr"])
    desk.answer(held, {"language:birth_date:fr": "fr"})
    assert desk.harmonize(content).column("birth_date") == ["2025-03-15", "2025-02-03"]
    later = desk.harmonize(PATIENTS + "P003,Miller,1er août 2024\n")
    assert later.column("birth_date") == ["2024-08-01"]


@hazard("E92")
def a_date_without_its_day_is_not_made_whole(desk: Desk) -> None:
    good = [f"2025-01-{n}" for n in range(13, 31)]
    given = values_of(desk, "type: date", "1980", "Jan-85", *good)
    assert given["Jan-85"] == "<partial-date>"
    assert given["1980"] == "<partial-date>"


@hazard("E94")
def an_end_before_its_start_breaks_a_rule(desk: Desk) -> None:
    rows = "".join(f"P{n:03},Aspirin,2025-01-13 08:00,2025-01-14 08:00\n" for n in range(30))
    done = desk.harmonize(
        "patient_id,medication,start_date,end_date\n"
        + rows
        + "P999,Aspirin,2025-01-13 08:00,2025-01-12 08:00\n"
    )
    assert done.reasons == [(31, "", "row-constraint")]
    fields = "name: born, type: date\nname: taken, type: date"
    both = columns(
        desk, fields, "born,taken\n1980-01-31,2025-01-31\n1980-01-31,1979-01-31\n",
        "checks: [{id: order, formula: taken >= born}]",
    )  # fmt: skip
    assert both.reasons == [(2, "", "row-constraint")]


# -- F. numbers ------------------------------------------------------------------------------------


@hazard("F95")
def a_decimal_comma_is_one(desk: Desk) -> None:
    assert values_of(desk, "type: number", "1,5", "37,25") == {"1,5": "1.5", "37,25": "37.25"}


@hazard("F97")
def digits_are_grouped_in_many_ways(desk: Desk) -> None:
    assert values_of(desk, "type: number", "12,34,567", "1.5") == {
        "12,34,567": "1234567",
        "1.5": "1.5",
    }
    assert values_of(desk, "type: number", "1'234.50") == {"1'234.50": "1234.50"}
    assert values_of(desk, "type: number", "1 234,5") == {"1 234,5": "1234.5"}


@hazard("F98")
def groups_are_of_three(desk: Desk) -> None:
    points = [f"{n}.5" for n in range(40)]
    given = values_of(desk, "type: number", "1,23", "1,234.5", *points)
    assert (given["1,23"], given["1,234.5"]) == ("<type-error>", "1234.5")
    assert asked_about(desk, "type: number", "1,23", "1.5") == {FileCode.NUMBER_AMBIGUOUS}


@hazard("F100")
def a_percent_sign_is_a_unit(desk: Desk) -> None:
    assert labs(desk, "hba1c,7%,", "hba1c,6.5,%") == [
        ("hba1c", "7", "%"),
        ("hba1c", "6.5", "%"),
    ]
    done = columns(
        desk, "name: x, type: number, split: {unit: u}\nname: u, type: string", "x\n50%\n"
    )
    assert done.rows == [{"x": "50", "u": "%"}]


@hazard("F101")
def a_comparator_stands_in_its_own_field(desk: Desk) -> None:
    fields = "name: x, type: number, split: {comparator: c}\nname: c, type: string"
    done = columns(desk, fields, "x\n<5\n>1000\n")
    assert [(row["c"], row["x"]) for row in done.rows] == [("<", "5"), (">", "1000")]
    comma = columns(desk, fields, 'x\n"≤0,1"\n"2,5"\n')
    assert [(row["c"], row["x"]) for row in comma.rows] == [("<=", "0.1"), ("", "2.5")]


@hazard("F103")
def what_is_not_one_number_is_rejected(desk: Desk) -> None:
    good = [f"{n}.5" for n in range(200)]
    given = values_of(desk, "type: number", "5-10", "2nd 140", "1.2.3", *good)
    assert {given[x] for x in ("5-10", "2nd 140", "1.2.3")} == {"<type-error>"}


@hazard("F104")
def infinity_is_no_measurement(desk: Desk) -> None:
    good = [f"{n}.5" for n in range(200)]
    given = values_of(desk, "type: number", "NaN", "Inf", "Infinity", *good)
    assert {given[x] for x in ("NaN", "Inf", "Infinity")} == {"<type-error>"}


@hazard("F106")
def small_numbers_are_not_rounded(desk: Desk) -> None:
    assert labs(desk, "creatinine,0.85,mg/dL") == [("creatinine", "0.85", "mg/dL")]


@hazard("F107")
def digits_stay_as_reported(desk: Desk) -> None:
    assert values_of(desk, "type: number", "1.10", "80") == {"1.10": "1.10", "80": "80"}


@hazard("F109")
def grades_and_words_are_no_quantities(desk: Desk) -> None:
    fields = "name: n, type: integer\nname: x, type: number, split: {text: t}\n"
    done = columns(
        desk,
        fields + "name: t, type: string",
        "n,x\n1,+1\n2,Trace\n3,Positive\n4,5.5\n5,6.5\n6,7\n7,8\n",
    )
    assert done.column("t")[:3] == ["+1", "Trace", "Positive"]
    assert done.column("x")[:4] == ["", "", "", "5.5"]


@hazard("F110")
def yes_and_no_are_the_words_that_are_declared(desk: Desk) -> None:
    kind = "type: boolean, trueValues: [Y, '1'], falseValues: [N, '2']"
    assert values_of(desk, kind, "Y", "N", "1", "2") == {
        "Y": "true",
        "N": "false",
        "1": "true",
        "2": "false",
    }


# -- G. units --------------------------------------------------------------------------------------


def converted(desk: Desk, test: str, value: str, unit: str) -> float:
    [(_, number, _)] = labs(desk, f"{test},{value},{unit}")
    return float(number)


@hazard("G112")
def the_factor_belongs_to_the_analyte(desk: Desk) -> None:
    assert converted(desk, "glucose", "5.5", "mmol/L") == pytest.approx(99.1, abs=0.06)
    assert converted(desk, "creatinine", "88.4", "umol/L") == pytest.approx(1.0, abs=0.01)


@hazard("G113")
def urea_and_urea_nitrogen_are_two(desk: Desk) -> None:
    assert converted(desk, "BUN", "5", "mmol/L") == pytest.approx(14, abs=0.1)
    assert converted(desk, "urea", "2.33", "mmol/L") == pytest.approx(14, abs=0.1)


@hazard("G115")
def hba1c_has_a_formula(desk: Desk) -> None:
    assert converted(desk, "HbA1c", "53", "mmol/mol") == pytest.approx(7.0, abs=0.05)


@hazard("G116")
def a_temperature_tells_its_unit_and_is_marked(desk: Desk) -> None:
    done = desk.harmonize(VITALS + "P001,2025-01-13 08:00,temp,98.6,\n")
    assert [(row["value"], row["unit"]) for row in done.rows] == [("37.0", "Cel")]
    assert done.report["warnings"] == {"unit-inferred": 1}


@hazard("G118")
def weight_height_and_hemoglobin_do_not_tell_their_unit(desk: Desk) -> None:
    for vital, value in (("weight", "150"), ("height", "60")):
        content = VITALS + f"P001,2025-01-13 08:00,{vital},{value},\n"
        assert asked(desk, content) == {FileCode.UNIT_MISSING}
    content = LABS + "P001,hemoglobin,2025-01-13 08:00,14,\n"
    assert asked(desk, content) == {FileCode.UNIT_MISSING}


@hazard("G119")
def c_and_f_are_degrees(desk: Desk) -> None:
    assert (normalize_unit("C"), normalize_unit("F")) == ("Cel", "[degF]")
    done = desk.harmonize(VITALS + "P001,2025-01-13 08:00,temp,98.6,F\n")
    assert done.column("value") == ["37.0"]


@hazard("G121")
def french_giga_per_litre_is_no_mass(desk: Desk) -> None:
    assert normalize_unit("G/L") == "10*9/L"
    assert labs(desk, "platelets,250,G/L") == [("platelets", "250", "10*3/uL")]


@hazard("G122")
def the_case_of_a_unit_is_never_folded(desk: Desk) -> None:
    for large, small in (("Mg", "mg"), ("MU", "mU")):
        assert normalize_unit(large) != normalize_unit(small)
    rows = "".join(f"P{n:03},glucose,2025-01-13 08:00,90,mg/dL\n" for n in range(200))
    mega = "Q001,glucose,2025-01-13 08:00,90,Mg/dL\n"
    assert desk.harmonize(LABS + rows + mega).reasons == [(201, "value", "unit-unknown")]
    held = desk.hold(LABS + mega)
    assert (held.code, held.keys) == (FileCode.CODES_UNKNOWN, ["code:unit:Mg/dL"])
    desk.answer(held, {"code:unit:Mg/dL": "mg/dL"})
    assert desk.harmonize(LABS + mega).column("value") == ["90"]


@hazard("G124")
def thousands_per_microlitre_have_many_spellings(desk: Desk) -> None:
    spellings = ("10^3/uL", "x10E3/µL", "10*9/L", "Thou/uL")
    rows = labs(desk, *(f"platelets,250,{spelling}" for spelling in spellings))
    assert rows == [("platelets", "250", "10*3/uL")] * 4


@hazard("G125")
def international_units_are_not_units(desk: Desk) -> None:
    assert (normalize_unit("IU/L"), normalize_unit("U/L")) == ("[iU]/L", "U/L")
    assert labs(desk, "alt,30,IU/L", "alt,30,U/L") == [
        ("alt", "30", "[iU]/L"),
        ("alt", "30", "U/L"),
    ]


@hazard("G127")
def a_unit_behind_the_number_is_taken_off(desk: Desk) -> None:
    done = medications(desk, dose=["25mg", "98.6 mg"])
    assert [(row["dose_value"], row["dose_unit"]) for row in done.rows] == [
        ("25", "mg"),
        ("98.6", "mg"),
    ]
    vital = desk.harmonize(VITALS + "P001,2025-01-13 08:00,temp,98.6 F,\n")
    assert vital.column("value") == ["37.0"]


@hazard("G128")
def units_are_converted_row_by_row(desk: Desk) -> None:
    rows = labs(desk, "glucose,90,mg/dL", "glucose,5,mmol/L", "glucose,0.9,g/L")
    assert [float(value) for _, value, _ in rows] == pytest.approx([90, 90.08, 90], abs=0.5)


@hazard("G130")
def a_range_may_have_one_end_or_be_words(desk: Desk) -> None:
    done = desk.harmonize(
        "patient_id,test,collected_at,value,unit,reference_range\n"
        "P001,glucose,2025-01-13 08:00,90,mg/dL,up to 200\n"
        "P002,glucose,2025-01-13 08:00,90,mg/dL,Negative to trace\n"
    )
    assert [(row["range_low"], row["range_high"], row["range_text"]) for row in done.rows] == [
        ("", "200", ""),
        ("", "", "Negative to trace"),
    ]


@hazard("G131")
def a_saturation_is_a_fraction_when_the_column_says_so(desk: Desk) -> None:
    def sats(*values: str) -> str:
        return VITALS + "".join(
            f"P{n:03},2025-01-13 08:00,spo2,{value},\n" for n, value in enumerate(values)
        )

    assert desk.harmonize(sats("0.97", "0.95", "1")).column("value") == ["97", "95", "100"]
    assert asked(desk, sats("1")) == {FileCode.UNIT_MISSING}


# -- H. codes and words ----------------------------------------------------------------------------


@hazard("H133")
def urinalysis_is_no_sodium(desk: Desk) -> None:
    done = desk.harmonize(LABS + "P001,Urinalysis,2025-01-13 08:00,Negative,\n")
    assert done.column("test") == ["urinalysis"]


@hazard("H134")
def names_that_hold_other_names_are_themselves(desk: Desk) -> None:
    given = ("HbA1c,6,%", "LDL Cholesterol,100,mg/dL", "Creatine Kinase,100,U/L")
    assert [test for test, _, _ in labs(desk, *given)] == [
        "hba1c",
        "ldl_cholesterol",
        "creatine_kinase",
    ]


@hazard("H136")
def twice_is_not_once(desk: Desk) -> None:
    done = medications(
        desk, frequency=["Twice daily", "Three times daily", "Four times-daily".replace("-", " ")]
    )
    assert done.column("frequency") == ["BID", "TID", "QID"]


@hazard("H137")
def words_around_a_frequency_are_kept_and_a_double_meaning_is_asked_about(desk: Desk) -> None:
    done = medications(desk, frequency=["TID with food", "QOD"])
    assert [(row["frequency"], row["instructions"]) for row in done.rows] == [
        ("TID", "with food"),
        ("QOD", ""),
    ]
    assert question_or_reject(desk, frequency="Biweekly")


@hazard("H139")
def routes_match_as_a_whole(desk: Desk) -> None:
    assert medications(desk, route=["intramuscular"]).column("route") == ["IM"]
    assert question_or_reject(desk, route="suppository")
    assert question_or_reject(desk, route="Port-a-cath")


def question_or_reject(desk: Desk, **cell: str) -> bool:
    """True when it is asked about among few rows, and kept out alone among many."""
    [(name, text)] = cell.items()
    good = {"frequency": "daily", "route": "oral"}[name]
    column = [*[good] * 40, text]
    with pytest.raises(AssertionError, match="no known code"):
        medications(desk, **{name: column})
    done = medications(desk, **{name: [good] * 80 + column})
    return [(record, field) for record, field, _ in done.reasons] == [(121, name)]


@hazard("H140")
def non_binary_is_an_answer(desk: Desk) -> None:
    done = desk.harmonize(
        "patient_id,family_name,birth_date,sex\n"
        "P001,Smith,1980-01-31,NB\nP002,Jones,1980-01-31,Non-binary\n"
    )
    assert done.column("sex") == ["other", "other"]


@hazard("H142")
def critical_high_is_a_code(desk: Desk) -> None:
    flagged = LABS.replace("unit", "unit,flag")
    done = desk.harmonize(flagged + "P001,glucose,2025-01-13 08:00,600,mg/dL,Critical High\n")
    assert done.column("interpretation") == ["HH"]


@hazard("H143")
def a_status_is_no_flag(desk: Desk) -> None:
    done = desk.harmonize(
        LABS.replace("unit", "unit,status") + "P001,glucose,2025-01-13 08:00,90,mg/dL,final\n"
    )
    assert (done.column("status"), done.column("interpretation")) == (["F"], [""])


@hazard("H145")
def names_are_left_alone(desk: Desk) -> None:
    names = ("ASA", "McDonald", "III", "de la Cruz")
    rows = "".join(f"P00{n},{name},1980-01-31\n" for n, name in enumerate(names))
    assert desk.harmonize(PATIENTS + rows).column("family_name") == list(names)


@hazard("H146")
def a_whole_name_is_nobodys_surname(desk: Desk) -> None:
    """Without a mapping that says how to split it, a column of whole names claims no field."""
    content = (
        'patient_id,name,birth_date\nP001,"Smith, John A.",1980-01-31\nP002,SMITH JOHN,1981-01-31\n'
    )
    assert asked(desk, content) & {FileCode.REQUIRED_MISSING, FileCode.SCHEMA_UNKNOWN}


@hazard("H148")
def a_telephone_number_of_nobody_is_kept_and_marked(desk: Desk) -> None:
    done = columns(
        desk, *cells("type: string, semantic: phone, region: US", "020 7946 0958", "4059014744")
    )
    assert done.result.counts.rejected == 0
    assert done.report["warnings"]["phone-not-valid"] >= 1
    zeros = columns(
        desk, *cells("type: string, semantic: phone, region: US", "0000000000", "4059014744")
    )
    assert zeros.result.counts.rejected == 0
    assert zeros.report["warnings"]["phone-not-valid"] >= 1


@hazard("H149")
def a_telephone_number_that_became_a_number_is_turned_back(desk: Desk) -> None:
    done = columns(desk, *cells("type: string, semantic: phone, region: US", "4059014744.0"))
    assert done.column("x") == ["+14059014744"]
    assert "phone-repaired" in done.report["warnings"]


# -- I. mapping and drift --------------------------------------------------------------------------


@hazard("I151")
def a_date_of_death_is_no_birth(desk: Desk) -> None:
    plan = desk.plan(PATIENTS.strip() + ",Date of Death\nP001,Smith,1980-01-31,2020-12-25\n")
    assert [(one.label, one.field) for one in plan.columns][-1] == ("Date of Death", "death_date")


@hazard("I152")
def headings_that_only_sound_like_a_field_stay_unmapped(desk: Desk) -> None:
    contract = load_contract(desk.contracts / "patients.contract.yaml")
    headings = ("Mother Last Name", "First Visit Date", "Phone Type", "City of Birth")
    mapping = map_columns(headings, contract)
    assert (mapping.matched, mapping.rescued) == ({}, (0, 1, 2, 3))


@hazard("I154")
def values_veto_what_a_heading_claims(desk: Desk) -> None:
    fields = "  - {name: country, type: string}\n  - {name: staff_count, type: integer}\n"
    desk.contract(f"name: t\nfields:\n{fields}")
    rows = "".join(f"{n},United States\n" for n in range(20))
    assert asked(desk, "country,staff_count\n" + rows) == {FileCode.COLUMN_MISFIT}


@hazard("I155")
def a_renamed_column_is_proposed_by_its_shape_and_never_taken(desk: Desk) -> None:
    known = (
        "patient_id,family_name,given_name,sex,birth_date\n"
        "P001,Smith,Ann,F,1980-01-31\nP002,Jones,Bob,M,1975-12-25\n"
    )
    content = known.replace("birth_date", "born")
    held = desk.hold(content)
    assert {field.name: field.to for field in held.proposal.fields}["born"] == ("birth_date",)
    desk.answer(held, {})
    assert desk.harmonize(content).column("birth_date") == ["1980-01-31", "1975-12-25"]
    renamed = desk.hold(known.replace("birth_date", "came"))
    assert renamed.result.questions[0] == (
        "`born` was there until now and is missing in this file; `came` is new and looks the same."
    )
    assert {field.name: field.to for field in renamed.proposal.fields}["came"] == ("birth_date",)


@hazard("I157")
def headings_in_other_scripts_are_different_headings(desk: Desk) -> None:
    who = "{name: who, type: string, aliases: [患者]}"
    sugar = "{name: x, type: number, aliases: [血糖]}"
    desk.contract(f"name: t\nfields:\n  - {who}\n  - {sugar}\n")
    one, other = desk.plan("患者,血糖\nA1,5.5\n"), desk.plan("患者,血压\nA1,5.5\n")
    assert [column.field for column in one.columns] == ["who", "x"]
    assert [column.field for column in other.columns] == ["who"]
    assert one.labels
    assert other.labels
    assert one.labels != other.labels


# -- J. duplicates and keys ------------------------------------------------------------------------


@hazard("J158")
def rows_that_differ_by_case_or_space_are_one(desk: Desk) -> None:
    done = desk.harmonize(
        PATIENTS + "P001,Smith,1980-01-31\nP001, SMITH ,1980-01-31\nP001,smith,1980-01-31\n"
    )
    assert (len(done.rows), done.result.counts.duplicate) == (1, 2)


@hazard("J160")
def one_number_and_two_persons_are_both_kept_out(desk: Desk) -> None:
    others = "".join(f"Q{n:03},Smith,19{n}-01-31\n" for n in range(60, 90))
    done = desk.harmonize(PATIENTS + others + "P001,Smith,1980-01-31\nP001,Jones,1975-12-25\n")
    assert [(record, code) for record, _, code in done.reasons] == [
        (31, "key-conflict"),
        (32, "key-conflict"),
    ]


@hazard("J161")
def the_fullest_row_wins_where_rows_agree(desk: Desk) -> None:
    done = desk.harmonize(
        "patient_id,family_name,birth_date,phone,city\n"
        "P001,Smith,1980-01-31,,Boston\nP001,Smith,1980-01-31,405-901-4744,\n"
    )
    [row] = done.rows
    assert (row["phone"], row["city"]) == ("+14059014744", "Boston")


@hazard("J163")
def day_and_month_swapped_are_listed_and_never_merged(desk: Desk) -> None:
    done = desk.harmonize(PATIENTS + "P001,Smith,1980-03-04\nP002,Smith,1980-04-03\n")
    assert len(done.rows) == 2
    listed = (done.staging / "possible-duplicates.csv").read_text(encoding="utf-8")
    assert "birth_date (day and month swapped)" in listed


# -- K. JSON, XML, Excel -------------------------------------------------------------------------

PEOPLE = [
    {"patient_id": f"P{n:03d}", "family_name": "Lee", "birth_date": "1980-01-31"} for n in range(20)
]
BOMB = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 9 if n else 'aaaaaaaaa'}'>" for n in range(9))


def workbook(*sheets: tuple[str, list[list[object]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(book)


def people(**changed: object) -> list[list[object]]:
    """The rows of a sheet; `changed` replaces cells of the fourth person."""
    rows: list[dict[str, object]] = [dict(one) for one in PEOPLE]
    rows[3] |= changed
    return [[*PEOPLE[0]], *([*row.values()] for row in rows)]


@hazard("K166")
def records_of_a_document_are_at_their_path(desk: Desk) -> None:
    done = desk.harmonize(json.dumps({"meta": {"count": 20}, "data": PEOPLE}))
    assert done.column("patient_id") == [one["patient_id"] for one in PEOPLE]


@hazard("K167")
def text_of_a_document_stays_text(desk: Desk) -> None:
    document = json.dumps([{"n": 1, "x": "02134"}, {"n": 2, "x": "005"}])
    fields = "name: n, type: integer\nname: x, type: string"
    assert columns(desk, fields, document).column("x") == ["02134", "005"]


@hazard("K169")
def a_name_twice_is_marked_and_nan_is_rejected(desk: Desk) -> None:
    rows = [json.dumps({"n": n, "x": n}) for n in range(20)]
    rows[3], rows[4] = '{"n": 3, "x": 3, "x": 3}', '{"n": 4, "x": NaN}'
    fields = "name: n, type: integer\nname: x, type: number"
    done = columns(desk, fields, f"[{','.join(rows)}]")
    assert done.report["warnings"] == {"duplicate-name": 1}
    assert done.reasons == [(5, "x", "type-error")]


@hazard("K170")
def one_bad_line_of_json_lines_is_one_reject(desk: Desk) -> None:
    lines = [json.dumps(one) for one in PEOPLE]
    lines[7] = lines[7][:20]
    done = desk.harmonize("\n".join([*lines, ""]))
    assert done.reasons == [(8, "", "bad-record")]
    assert len(done.rows) == 19


@hazard("K172")
def entities_are_refused(desk: Desk) -> None:
    for declared in (BOMB, "<!ENTITY a8 SYSTEM 'file:///etc/passwd'>"):
        error, _ = desk.refuse(f"<!DOCTYPE e [{declared}]><e><r><x>&a8;</x></r><r/></e>")
        assert error.code is FileCode.UNSUPPORTED
        assert "entities" in error.note


@hazard("K173")
def the_sheet_that_fits_is_found(desk: Desk) -> None:
    cover: list[list[object]] = [["Monthly report"], ["by", "Amy", "on", "Monday"]]
    done = desk.harmonize(workbook(("Cover", cover), ("Patients", people())))
    assert len(done.rows) == 20


@hazard("K175")
def formulas_without_result_and_errors_are_flagged(desk: Desk) -> None:
    for cell, code in {"=A1&B1": "formula-uncached", "#N/A": "cell-error"}.items():
        done = desk.harmonize(workbook(("Patients", people(family_name=cell))))
        assert done.reasons == [(4, "family_name", code)]


@hazard("K176")
def text_beside_numbers_stays_text(desk: Desk) -> None:
    fields = "name: n, type: integer\nname: x, type: string"
    content = workbook(("t", [["n", "x"], [1, "00123"], [2, 123], [3, 7.5]]))
    assert columns(desk, fields, content).column("x") == ["00123", "123", "7.5"]


# -- J164 needs the daemon: see below --------------------------------------------------------------


@pytest.mark.parametrize("number", sorted(CASES))
def test_hazard(number: str, desk: Desk) -> None:
    CASES[number](desk)


def test_hazard_j164_the_same_bytes_under_another_name_are_not_loaded_twice(world: World) -> None:
    world.drop("monday.csv", GOOD)
    world.run_until_idle()
    world.drop("tuesday.csv", GOOD)
    world.run_until_idle()
    assert world.job(2).state is JobState.DUPLICATE
    assert world.job(2).duplicate_of == 1


def listed() -> dict[str, str]:
    with HAZARDS.open(encoding="utf-8", newline="") as lines:
        return {row["id"]: row["area"] for row in csv.DictReader(lines)}


def waiting() -> dict[str, str]:
    """Hazards that docs/hazards.md puts off, with the reason given there."""
    text = PAGE.read_text(encoding="utf-8").partition("## Waits")[2]
    rows = re.findall(r"^\| ([A-Z]\d+) \|[^|]*\|\s*(\S[^|]*?)\s*\|$", text, flags=re.MULTILINE)
    return dict(rows)


def test_every_hazard_is_tested_or_waits_with_a_reason() -> None:
    tested = {*CASES, "J164"}
    assert not tested & set(waiting()), "a hazard is tested or waits, not both"
    assert tested | set(waiting()) == set(listed())
    assert all(len(reason) > 20 for reason in waiting().values())


def test_only_loading_waits() -> None:
    assert {number[0] for number in waiting()} == {"L"}


def test_the_page_lists_every_hazard() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| {number} |" in page for number in listed())
    assert RowCode.KEY_CONFLICT.value in page
