"""Contract files: everything is text until the model says otherwise, and every mistake is named."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from pipeline.contract.docs import (
    PAGES,
    SCHEMA,
    contract_schema,
    describe_contract,
    describe_format,
)
from pipeline.contract.loading import (
    BUILT_IN,
    Contract,
    ContractError,
    exceeds,
    load_contract,
    load_contracts,
    parse_contract,
)
from pipeline.contract.names import squeezed
from pipeline.errors import FileCode
from pipeline.standardize.text import fold

SHARED_FIELDS = {
    "patients": "patient_id family_name given_name birth_date sex state postal_code phone email",
    "vitals": "patient_id observed_at vital value unit provider_id",
    "lab_results": "patient_id test collected_at value comparator value_text unit range_low "
    "range_high interpretation",
    "medications": "patient_id medication dose_value dose_unit frequency as_needed route "
    "start_date end_date prescriber_id",
}


def contract_of(text: str) -> Contract:
    contract, problems = parse_contract("x.contract.yaml", text.encode())
    assert contract is not None, problems
    return contract


def problems_of(text: str) -> list[str]:
    contract, problems = parse_contract("x.contract.yaml", text.encode())
    assert contract is None
    return [str(problem) for problem in problems]


def with_field(line: str) -> str:
    return f"name: x\nfields:\n  - {line}\n"


# --- the built-in set


def test_the_built_in_contracts_load_under_their_own_names() -> None:
    assert sorted(load_contracts(BUILT_IN)) == ["lab_results", "medications", "patients", "vitals"]


@pytest.mark.parametrize("name", SHARED_FIELDS)
def test_the_agreed_fields_keep_their_names(name: str) -> None:
    assert set(SHARED_FIELDS[name].split()) <= set(load_contracts(BUILT_IN)[name].field_names)


def test_a_bare_id_is_nobodys_alias() -> None:
    for contract in load_contracts(BUILT_IN).values():
        headings = {squeezed(heading) for one in contract.fields for heading in one.headings}
        assert not headings & {"id", "name", "date", "type", "code", "number"}


def test_about_forty_analytes_are_known_and_those_measured_have_a_unit() -> None:
    analytes = load_contracts(BUILT_IN)["lab_results"].codesets["analytes"]
    tests = {code: entry for code, entry in analytes.items() if entry.kind is None}
    assert len(tests) >= 40
    assert [code for code, entry in tests.items() if entry.unit is None] == ["inr"]
    assert all(entry.plausible is not None for entry in tests.values())


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("Urinalysis", "urinalysis"),
        ("HbA1c", "hba1c"),
        ("HEMOGLOBIN A1C", "hba1c"),
        ("LDL Cholesterol", "ldl_cholesterol"),
        ("Creatine Kinase", "creatine_kinase"),
        ("Creatinine", "creatinine"),
        ("Hemoglobin", "hemoglobin"),
        ("Thyroid Stimulating Hormone", "thyroid_stimulating_hormone"),
        ("Blood Glucose", "glucose"),
        ("Prothrombin Time", "prothrombin_time"),
        ("Complete Blood Count", "complete_blood_count"),
        ("Cl-", "chloride"),
        ("Na+", "sodium"),
        ("UA", None),
        ("Bilirubin", None),
        ("CO2", None),
    ],
)
def test_a_test_is_known_by_its_whole_name_or_not_at_all(spelling: str, code: str | None) -> None:
    analytes = load_contracts(BUILT_IN)["lab_results"].codesets["analytes"]
    found = [
        key
        for key, entry in analytes.items()
        if fold(spelling) in {fold(name) for name in (key, *entry.aliases)}
    ]
    assert found == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("Twice daily", "BID"),
        ("Three times daily", "TID"),
        ("Four  times-daily", "QID"),
        ("Once daily", "QD"),
        ("q.i.d.", "QID"),
        ("Every evening", "PM"),
        ("Biweekly", None),
        ("OD", None),
    ],
)
def test_a_frequency_is_a_whole_phrase(phrase: str, value: str | None) -> None:
    categories = load_contracts(BUILT_IN)["medications"].field("frequency").categories or ()
    found = [
        one.value
        for one in categories
        if fold(phrase) in {fold(word) for word in (one.value, *one.aliases)}
    ]
    assert found == ([] if value is None else [value])


def test_a_positive_and_a_negative_blood_group_stay_two_words() -> None:
    categories = load_contracts(BUILT_IN)["patients"].field("blood_type").categories or ()
    assert len({fold(one.value) for one in categories}) == 8


def test_a_label_is_one_of_the_aliases() -> None:
    categories = load_contracts(BUILT_IN)["patients"].field("marital_status").categories or ()
    by_word = {word: one.value for one in categories for word in one.aliases}
    assert by_word["Separated"] == "A"
    assert by_word["Legally separated"] == "E"


def test_seven_shared_patient_numbers_in_a_hundred_rows_do_not_refuse_the_file() -> None:
    policy = load_contracts(BUILT_IN)["patients"].policy
    assert not policy.too_many_rejected(14, 100)
    assert not policy.too_many_rejected(20, 100)
    assert policy.too_many_rejected(21, 100)


def test_an_absent_tolerance_tolerates_everything_and_a_count_counts() -> None:
    assert not exceeds(None, 10, 10)
    assert exceeds("3", 4, 1_000_000)
    assert not exceeds("2.5%", 25, 1000)
    assert exceeds("2.5%", 26, 1000)


# --- text stays text


def test_no_012_and_1_30_stay_text() -> None:
    contract = contract_of(
        "name: x\nmissingValues: [NO, 012, 1:30, ~, null, 2020-01-01, 1_000, yes]\n"
        "fields:\n  - {name: a, type: string, categories: [{value: NO, aliases: [012, off]}]}\n"
    )
    assert contract.missing_values == (
        *("NO", "012", "1:30", "~", "null", "2020-01-01", "1_000", "yes"),
    )
    assert contract.fields[0].categories is not None
    assert contract.fields[0].categories[0].value == "NO"
    assert contract.fields[0].categories[0].aliases == ("012", "off")


@pytest.mark.parametrize(
    ("constraint", "sentence"),
    [
        ("required: yes", "'required' must be true or false"),
        ("maxLength: 012", "'maxLength' must be a whole number"),
        ("maxLength: 1_000", "'maxLength' must be a whole number"),
        ("minimum: 3", "'minimum' has no meaning for a string"),
    ],
)
def test_numbers_and_yes_no_are_written_one_way(constraint: str, sentence: str) -> None:
    [problem] = problems_of(with_field(f"{{name: a, type: string, constraints: {{{constraint}}}}}"))
    assert sentence in problem


def test_bounds_take_the_type_of_their_field() -> None:
    contract = contract_of(
        "name: x\nfields:\n"
        "  - {name: a, type: integer, constraints: {minimum: 3, enum: [3, 4]}}\n"
        "  - {name: b, type: number, constraints: {maximum: 3}}\n"
        "  - {name: c, type: date, constraints: {minimum: 1900-01-01}}\n"
    )
    assert contract.field("a").constraints.minimum == 3
    assert contract.field("a").constraints.enum == (3, 4)
    assert isinstance(contract.field("b").constraints.maximum, float)
    assert contract.field("c").constraints.minimum == "1900-01-01"


@pytest.mark.parametrize(
    ("kind", "rule", "sentence"),
    [
        ("date", "minimum: 1900-13-01", "'minimum' must be a date like 2025-01-31"),
        ("number", "maximum: a lot", "'maximum' must be a number"),
        ("integer", "enum: [1.5]", "'enum' must be a whole number"),
        ("number", "maxLength: 3", "'maxLength' has no meaning for a number"),
        ("boolean", "enum: [a]", "'enum' has no meaning for a boolean"),
        ("number", "{minimum: 5, maximum: 4}", "the smallest allowed is above the largest"),
        ("string", "{minLength: 5, maxLength: 4}", "the smallest allowed is above the largest"),
        ("string", 'pattern: "[a"', "the pattern is not valid"),
        ("string", 'pattern: "a(?=b)"', "the pattern is not valid"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(kind: str, rule: str, sentence: str) -> None:
    rules = rule if rule.startswith("{") else f"{{{rule}}}"
    problems = problems_of(with_field(f"{{name: a, type: {kind}, constraints: {rules}}}"))
    assert len(problems) == 1
    assert sentence in problems[0]


# --- every mistake is named, with its line


def test_a_misspelt_key_is_named_with_its_line_and_the_nearest_known_key() -> None:
    text = (
        "name: x\nfields:\n  - name: a\n    type: string\n    constraints:\n      requierd: true\n"
    )
    assert problems_of(text) == [
        "x.contract.yaml, line 6: 'requierd' is not a known key here; did you mean 'required'?"
    ]


def test_all_mistakes_are_told_together_in_the_order_of_their_lines() -> None:
    text = (
        "name: x\n"
        "titel: y\n"
        "fields:\n"
        "  - {name: a, type: strin}\n"
        "  - {type: string}\n"
        "codesets: {s: {a: {molarMas: 1, plausible: [1]}}}\n"
        "policy: {maxRejected: many}\n"
    )
    found = problems_of(text)
    assert [problem.split(":")[0][-6:] for problem in found] == [
        *("line 2", "line 4", "line 5", "line 6", "line 6", "line 7"),
    ]
    assert "did you mean 'title'?" in found[0]
    assert "'type' must be one of: 'string', 'integer'" in found[1]
    assert "the key 'name' is missing" in found[2]
    assert any("did you mean 'molarMass'?" in problem for problem in found[3:5])
    assert any("entry 2 of 'plausible' is missing" in problem for problem in found[3:5])
    assert "'maxRejected' must be a share like 5%" in found[5]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty"),
        ("name: [", "this is not YAML"),
        ("name: x\nname: y\nfields: []", "line 2: 'name' stands here a second time"),
        ("name: x\nfields:\n", "line 2: 'fields' has no value"),
        ("name: x\nfields: []", "'fields' must not be empty"),
        ("- a\n- b", "the contract must have keys of its own"),
        ("name: X\nfields: [{name: a, type: string}]", "'name' must be a name of small letters"),
        ("a: &x [*x]\n", "an anchor refers to itself"),
        ("name: x\nfields: a\n", "'fields' must be a list"),
        ("name: x\nfields: [a]\n", "entry 1 of 'fields' must have keys of its own"),
        ("? [a]\n: b\n", "a key must be plain text"),
    ],
)
def test_a_file_that_is_no_contract_says_why(text: str, sentence: str) -> None:
    assert sentence in "\n".join(problems_of(text))


def test_a_file_that_is_not_utf_8_says_so_with_its_line() -> None:
    _, problems = parse_contract("x.contract.yaml", b"name: x\ntitle: caf\xe9\n")
    assert [str(problem) for problem in problems] == [
        "x.contract.yaml, line 2: the file is not UTF-8 text"
    ]


# --- what is named exists, what is compared fits

BASE = """\
name: x
fields:
  - {name: id_number, type: string, aliases: [number of id]}
  - {name: value, type: number}
  - {name: unit, type: string}
  - {name: born, type: date}
  - {name: seen, type: datetime}
  - {name: kind, type: string, codes: {set: kinds}}
codesets:
  kinds: {weight: {unit: kg}, height: {unit: cm}}
"""


def test_the_base_of_the_next_tests_is_sound() -> None:
    assert contract_of(BASE).field("kind").codes is not None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("primaryKey: [id_numbr]", "did you mean 'id_number'?"),
        ("uniqueKeys: [[nobody]]", "which is no field of this contract"),
        ("duplicates: {conflict: [bron]}", "did you mean 'born'?"),
        ("duplicates: {review: {block: [nobody], similar: {born: 0.9}}}", "'nobody', which is no"),
        ("duplicates: {review: {block: [born], similar: {nobody: 0.9}}}", "'nobody', which is no"),
        ("privacy: {restricted: [nobody]}", "restricted names 'nobody'"),
        (
            "foreignKeys: [{fields: [nobody], reference: {resource: other, fields: [a]}}]",
            "names 'nobody'",
        ),
        (
            "foreignKeys: [{fields: [unit], reference: {resource: other, fields: [a, b]}}]",
            "same number of fields",
        ),
        ("splitRows: [{field: valu, when: {kind: weight}, into: [{}, {}]}]", "mean 'value'?"),
        ("splitRows: [{field: value, when: {kind: wight}, into: [{}, {}]}]", "mean 'weight'?"),
        (
            "splitRows: [{field: value, when: {kind: weight}, into: [{kind: hight}, {}]}]",
            "'height'",
        ),
        ("splitRows: [{field: value, when: {kind: weight}, into: [{}]}]", "at least two entries"),
        ('checks: [{id: c, formula: "valeu > 1"}]', "did you mean 'value'?"),
        ('checks: [{id: c, formula: "born <= now()"}]', "'born' (a date) cannot be compared"),
        ('checks: [{id: c, formula: "born < 5"}]', "'born' (a date) cannot be compared"),
        ("checks: [{id: c, formula: \"kind = 'wieght'\"}]", "did you mean 'weight'?"),
        ("checks: [{id: c, formula: value > 1}, {id: c, formula: value > 2}]", "second time"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(line: str, sentence: str) -> None:
    [problem] = problems_of(f"{BASE}{line}\n")
    assert "line 11" in problem
    assert sentence in problem


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("{name: n, type: number, unit: {from: nobody, to: kg}}", "names 'nobody'"),
        ("{name: n, type: number, unit: {from: born, to: kg}}", "'born' must be a string"),
        ("{name: n, type: number, unit: {from: unit, to: kinds.unit}}", ""),
        ("{name: n, type: number, unit: {from: unit, to: kind.unit}}", "did you mean 'kinds'?"),
        ("{name: n, type: number, unit: {from: unit, to: parsec-ish}}", "no UCUM unit"),
        ("{name: n, type: number, unit: {from: unit, to: mmHg}}", "did you mean 'mm[Hg]'?"),
        ("{name: n, type: string, unit: {from: unit, to: kg}}", "'unit' is for fields of type"),
        ("{name: n, type: string, codes: {set: kind}}", "did you mean 'kinds'?"),
        ("{name: n, type: number, codes: {set: kinds}}", "'codes' is for fields of type string"),
        (
            "{name: n, type: string, codes: {set: kinds}, categories: [{value: a}]}",
            "a field has categories or codes, not both",
        ),
        ("{name: n, type: datetime, timezone: America/NewYork}", "mean 'America/New_York'?"),
        ("{name: n, type: string, timezone: UTC}", "'timezone' is for fields of type datetime"),
        ("{name: n, type: string, century: past}", "'century' is for fields of type date"),
        ("{name: n, type: string, region: US}", "'region' is for telephone numbers"),
        ("{name: n, type: number, split: {unit: nobody}}", "names 'nobody'"),
        ("{name: n, type: number, split: {unit: born}}", "'born' must be of type string"),
        ("{name: n, type: number, split: {unit: unit}}", ""),
        ("{name: n, type: number, split: {low: value}}", "'low' cannot be split off"),
        ("{name: n, type: string, split: {flags: {unit: [prn]}}}", "'flags' cannot be split off"),
        ("{name: n, type: number, split: {unit: n}}", "must be of type string"),
        ("{name: n, type: string, aliases: [Unit]}", "'Unit' is a name of 'unit' and of 'n'"),
        ("{name: n, type: string, aliases: [ID-Number]}", "is a name of 'id_number' and of 'n'"),
        ("{name: n, type: string, aliases: [NumberOfID]}", "is a name of 'id_number' and of 'n'"),
        ("{name: n, type: string, title: Born}", "'Born' is a name of 'born' and of 'n'"),
        ("{name: n, type: string, aliases: ['--']}", "has no letter or digit"),
        ("{name: born, type: string}", "the field 'born' stands here a second time"),
        (
            "{name: n, type: string, categories: [{value: a, aliases: [x]}, {value: b, label: X}]}",
            "'X' means 'a' and 'b'",
        ),
        ("{name: n, type: string, categories: [{value: a}, {value: a}]}", "second time"),
        ('{name: n, type: boolean, trueValues: ["yes"], falseValues: [Yes]}', "means 'trueValues'"),
    ],
)
def test_a_field_that_does_not_fit_the_others_is_refused(field: str, sentence: str) -> None:
    text = BASE.replace("codesets:", f"  - {field}\ncodesets:")
    if not sentence:
        contract_of(text)
        return
    found = problems_of(text)
    assert all("line 9" in problem for problem in found)
    assert any(sentence in problem for problem in found), found


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{unit: kg, aliases: [Height]}", "'height' means 'weight' and 'height'"),
        ("{unit: Kg}", "no UCUM unit"),
        ("{unit: kg, plausible: [5, 1]}", "the lower end of 'plausible' is not below"),
        ("{unit: kg, plausible: [1, 5], usual: [0, 4]}", "'usual' must lie inside 'plausible'"),
        ("{unit: kg, convert: {g: x +}}", "is not arithmetic in x"),
        ("{unit: kg, convert: {zorkmid: 2 * x}}", "'zorkmid' is no unit"),
        ("{unit: kg, kind: panel}", "it has no unit and no range"),
        ("{unit: kg, molarMass: 0}", "'molarMass' is not right"),
        ("{unit: kg, valence: 9}", "'valence' is not right"),
    ],
)
def test_a_code_that_cannot_be_meant_is_refused(entry: str, sentence: str) -> None:
    found = problems_of(BASE.replace("weight: {unit: kg}", f"weight: {entry}"))
    assert any(sentence in problem and "line 10" in problem for problem in found), found


# --- a directory of contracts


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / f"{name}.contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_mistakes_of_several_files_are_told_together(tmp_path: Path) -> None:
    write(tmp_path, "one", "name: one\nfeilds: []\n")
    write(tmp_path, "two", with_field("{name: a, type: text}"))
    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)
    assert caught.value.code is FileCode.CONTRACT_INVALID
    assert {line.split(",")[0] for line in caught.value.details} == {
        *("one.contract.yaml", "two.contract.yaml"),
    }
    assert "(and 2 more)" in caught.value.note


def test_two_contracts_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, name, with_field("{name: a, type: string}"))
    with pytest.raises(ContractError, match="already used by one"):
        load_contracts(tmp_path)


def test_a_directory_without_contracts_says_so(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"there is no \*.contract.yaml here"):
        load_contracts(tmp_path)
    with pytest.raises(ContractError, match="cannot be read"):
        load_contracts(tmp_path / "nowhere")


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, "x", with_field("{name: a, type: string}"))
    first = load_contract(path)
    assert load_contract(path) is first
    path.write_text(with_field("{name: b, type: string}"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert load_contract(path).field_names == ("b",)


def test_a_contract_knows_its_file_and_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path, "x", with_field("{name: a, type: string}"))
    contract = load_contract(path)
    assert contract.source == str(path)
    assert len(contract.sha256) == 64


def test_the_error_and_the_contract_survive_a_process_boundary(tmp_path: Path) -> None:
    contract = load_contracts(BUILT_IN)["vitals"]
    again = pickle.loads(pickle.dumps(contract))  # noqa: S301
    assert (again, again.sha256, again.source) == (contract, contract.sha256, contract.source)
    with pytest.raises(ContractError) as caught:
        load_contract(tmp_path / "nothing.contract.yaml")
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (type(error), error.details) == (ContractError, caught.value.details)


# --- what is generated is up to date


def test_the_json_schema_for_editors_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == contract_schema(), (
        "run: python -m pipeline.contract.docs"
    )


def test_every_key_of_the_json_schema_is_described() -> None:
    schema = json.loads(contract_schema())
    parts = {"Contract": schema, **schema["$defs"]}
    bare = [
        f"{part}.{key}"
        for part, content in parts.items()
        for key, value in content.get("properties", {}).items()
        if not value.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("name", SHARED_FIELDS)
def test_the_page_of_each_contract_is_up_to_date(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page == describe_contract(load_contracts(BUILT_IN)[name]), (
        "run: python -m pipeline.contract.docs"
    )


def test_the_page_of_all_keys_is_up_to_date() -> None:
    page = (PAGES / "README.md").read_text(encoding="utf-8")
    assert page == describe_format(), "run: python -m pipeline.contract.docs"
