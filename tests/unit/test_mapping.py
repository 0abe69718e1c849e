"""Columns are matched by whole names; contracts are told by columns; nothing is guessed."""

from __future__ import annotations

import csv

import pytest

from pipeline.contract.loading import BUILT_IN, load_contracts, parse_contract
from pipeline.errors import ContentError, FileCode
from pipeline.mapping.by_name import choose_contract, map_columns

CONTRACTS = load_contracts(BUILT_IN)

SAMPLE_HEADERS = {
    "patients": "patient_id,first_name,middle_name,last_name,date_of_birth,gender,address,city,"
    "state,zip_code,phone_number,email,blood_type,ethnicity,race,marital_status,insurance_type,"
    "insurance_id,primary_care_provider,provider_id",
    "vitals": "patient_id,observation_datetime,vital_type,vital_value,unit,provider_id",
    "lab_results": "patient_id,test_name,test_date,result_value,reference_range,unit,"
    "abnormal_flag,ordering_provider",
    "medications": "patient_id,medication_name,dosage,frequency,start_date,end_date,prescriber_id",
}


def labels(line: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([line])))


def fields_of(line: str, contract: str) -> list[str | None]:
    """The field each column of a header line was matched to."""
    header = labels(line)
    mapping = map_columns(header, CONTRACTS[contract])
    by_position = {match.position: field for field, match in mapping.matched.items()}
    return [by_position.get(position) for position in range(len(header))]


def refusal(line: str) -> ContentError:
    with pytest.raises(ContentError) as caught:
        choose_contract(labels(line), CONTRACTS)
    return caught.value


@pytest.mark.parametrize("name", SAMPLE_HEADERS)
def test_each_ehr_export_finds_its_contract_and_every_column_its_field(name: str) -> None:
    contract, mapping = choose_contract(labels(SAMPLE_HEADERS[name]), CONTRACTS)
    assert contract.name == name
    assert mapping.rescued == ()
    assert mapping.conflicts == {}
    assert len(mapping.matched) == len(labels(SAMPLE_HEADERS[name]))


def test_the_ehr_columns_become_the_fields_one_expects() -> None:
    assert fields_of("last_name,first_name,date_of_birth,gender,zip_code", "patients") == [
        *("family_name", "given_name", "birth_date", "sex", "postal_code"),
    ]
    assert fields_of("test_date,result_value,abnormal_flag", "lab_results") == [
        *("collected_at", "value", "interpretation"),
    ]


def test_usual_headings_of_other_systems_are_known_by_their_whole_name() -> None:
    assert fields_of("Patient MRN,Patient Date of Birth,Surname", "patients") == [
        *("patient_id", "birth_date", "family_name"),
    ]
    assert fields_of("Collected Date/Time,Collected By", "lab_results") == ["collected_at", None]
    assert fields_of("Recorded DateTime,Recorded Flag", "vitals") == ["observed_at", None]


@pytest.mark.parametrize(
    "heading",
    [
        "Mother Last Name",
        "First Visit Date",
        "Phone Type",
        "City of Birth",
        "ID",
        " id ",
        "Name",
        "Date",
        "State of Mind",
        "Emergency Contact Phone",
        "Birth Weight",
        "Email Opt In",
        "Sex Offender",
        "Patient",
        "Number",
        "",
        "  ",
        "?",
        "Spouse Date of Birth",
        "Insurance",
        "患者",
    ],
)
def test_a_heading_that_only_sounds_like_a_field_stays_unmatched(heading: str) -> None:
    for contract in CONTRACTS.values():
        mapping = map_columns((heading,), contract)
        assert mapping.matched == {}
        assert mapping.rescued == (0,)


def test_date_of_death_is_the_death_and_not_the_birth() -> None:
    assert fields_of("Date of Death,DOB", "patients") == ["death_date", "birth_date"]


def test_status_is_the_state_of_the_report_and_not_the_flag() -> None:
    assert fields_of("Status,Flag", "lab_results") == ["status", "interpretation"]


@pytest.mark.parametrize(
    "heading",
    ["Date of Birth", "DATE_OF_BIRTH", "date-of-birth", " DateOfBirth ", "date  of\u00a0birth:"],
)
def test_case_space_and_punctuation_do_not_matter(heading: str) -> None:
    assert fields_of(f'"{heading}"', "patients") == ["birth_date"]


def test_a_fields_own_name_is_exact_and_another_name_an_alias() -> None:
    mapping = map_columns(("Patient ID", "MRN "), CONTRACTS["vitals"])
    assert mapping.conflicts == {"patient_id": (0, 1)}
    exact = map_columns(("Patient ID",), CONTRACTS["vitals"]).matched["patient_id"]
    alias = map_columns(("MRN",), CONTRACTS["vitals"]).matched["patient_id"]
    assert (exact.how, exact.confidence) == ("exact", 1.0)
    assert (alias.how, alias.confidence) == ("alias", 0.97)


def test_two_columns_of_one_name_are_both_kept_by_position() -> None:
    mapping = map_columns(("id", "name", "name"), CONTRACTS["patients"])
    assert mapping.rescued == (0, 1, 2)
    doubled = map_columns(("mrn", "sex", "Sex"), CONTRACTS["patients"])
    assert doubled.conflicts == {"sex": (1, 2)}
    assert "sex" not in doubled.matched


def test_a_disputed_field_is_not_a_missing_one() -> None:
    mapping = map_columns(("patient_id", "mrn"), CONTRACTS["medications"])
    assert "patient_id" not in mapping.missing_required


def test_likeness_suggests_and_never_accepts() -> None:
    mapping = map_columns(("patiend_id", "lst name"), CONTRACTS["patients"])
    assert mapping.matched == {}
    assert mapping.suggestions == {0: ("patient_id",), 1: ("family_name", "given_name")}


def test_a_required_field_may_come_out_of_another_ones_cell() -> None:
    contract, problems = parse_contract(
        "x.contract.yaml",
        b"name: x\nfields:\n"
        b"  - {name: dose, type: number, split: {unit: dose_unit}}\n"
        b"  - {name: dose_unit, type: string, constraints: {required: true}}\n",
    )
    assert contract is not None, problems
    assert map_columns(("dose",), contract).missing_required == ()
    assert map_columns(("other",), contract).missing_required == ("dose_unit",)


# --- which contract


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("MRN,Surname,DOB", "patients"),
        ("pid,timestamp,measurement,result,units", "vitals"),
        ("mrn,analyte,drawn at,result,uom,flag,status", "lab_results"),
        ("mrn,drug,dose,start date", "medications"),
        ("notes,patient_id,vital_type,vital_value,observation_datetime,comments", "vitals"),
    ],
)
def test_the_columns_alone_tell_the_contract(line: str, name: str) -> None:
    assert choose_contract(labels(line), CONTRACTS)[0].name == name


def test_the_order_of_the_columns_does_not_matter() -> None:
    backwards = labels(SAMPLE_HEADERS["lab_results"])[::-1]
    assert choose_contract(backwards, CONTRACTS)[0].name == "lab_results"


def test_foreign_columns_are_refused_as_unknown() -> None:
    assert refusal("患者,血糖").code is FileCode.SCHEMA_UNKNOWN
    assert refusal("sku,price,quantity").code is FileCode.SCHEMA_UNKNOWN
    assert refusal("").code is FileCode.SCHEMA_UNKNOWN


def test_the_right_contract_without_a_required_column_says_which() -> None:
    error = refusal("patient_id,first_name,dob,gender")
    assert error.code is FileCode.REQUIRED_MISSING
    assert "patients" in error.note
    assert "family_name" in error.note
    assert "patients: family_name has no column" in error.details


def test_a_nearest_contract_is_named_when_none_is_clear() -> None:
    error = refusal("patient_id,value,unit,a,b,c,d")
    assert error.code is FileCode.SCHEMA_UNKNOWN
    assert "nearest is" in error.note


def test_a_header_that_is_really_a_row_does_not_leak_into_the_refusal() -> None:
    error = refusal("PT-9236-26,Zebulon,Quartermain,09-09-1957,patient id")
    said = " ".join([error.note, *error.details])
    assert "Zebulon" not in said
    assert "9236" not in said


def test_two_contracts_that_fit_equally_are_not_chosen_between() -> None:
    twins = {}
    for name in ("one", "two"):
        contract, problems = parse_contract(
            f"{name}.contract.yaml",
            f"name: {name}\nfields: [{{name: a, type: string}}]\n".encode(),
        )
        assert contract is not None, problems
        twins[name] = contract
    with pytest.raises(ContentError) as caught:
        choose_contract(("a",), twins)
    assert caught.value.code is FileCode.SCHEMA_AMBIGUOUS
    assert "one, two" in caught.value.note


def test_a_contract_with_no_required_field_needs_at_least_one_column() -> None:
    contract, _ = parse_contract("x.contract.yaml", b"name: x\nfields: [{name: a, type: string}]\n")
    assert contract is not None
    with pytest.raises(ContentError) as caught:
        choose_contract(("b", "c"), {"x": contract})
    assert caught.value.code is FileCode.SCHEMA_UNKNOWN
