from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.mapping.dateformats import FormatError, format_of_shape, orders_of, shape_of_format
from pipeline.mapping.docs import PAGE, SCHEMA, describe_mappings
from pipeline.mapping.files import (
    MappingError,
    load_mapping,
    load_mappings,
    mapping_schema,
    next_name,
    numbered,
    parse_mapping,
)
from pipeline.mapping.model import Mapping
from pipeline.mapping.text import confirmed_text, retired_text, update_text, write_mapping

CONTRACTS = load_contracts(BUILT_IN)

NORTHSIDE = """\
# yaml-language-server: $schema=./mapping.schema.json
# Written by the daemon from the first file it did not know; a person confirmed it.
contract: lab_results
source: northside-labs
status: confirmed              # proposed | confirmed | retired
confirmed: {by: amy, at: "2026-11-20T09:14:00-05:00"}
match: {path: "northside/*.csv", fingerprint: "sha256:9c1d0a"}
encoding: cp1252
dialect: {delimiter: ";", headerRows: [3]}
footer: {drop: 1, expect: "^Summe"}       # the pattern must match or the file is held
fields:                                   # the source's own Table Schema, plus `to`
  - {name: PatNr,   type: string,   to: patient_id, evidence: ["alias pat nr"]}
  - {name: Abnahme, type: datetime, format: "%d.%m.%Y %H:%M", timezone: Europe/Berlin, to: collected_at}
  - {name: Analyse, type: string,   to: test, values: {GLU: glucose, NO: sodium, 012: potassium}}
  - {name: Wert,    type: number,   decimalChar: ",", groupChar: ".", to: value, confidence: 0.99}
  - {name: Einheit, type: string,   to: unit, values: {"G/l": "10*9/L"}}
  - {name: Kommentar, type: string, rescue: true}
constants: {}
"""  # noqa: E501


def parsed(text: str = NORTHSIDE) -> Mapping:
    mapping, problems = parse_mapping("x.mapping.yaml", text.encode(), CONTRACTS)
    assert mapping is not None, [str(problem) for problem in problems]
    return mapping


def mistakes(old: str, new: str, text: str = NORTHSIDE) -> list[str]:
    assert old in text
    _, problems = parse_mapping("x.mapping.yaml", text.replace(old, new).encode(), CONTRACTS)
    return [str(problem) for problem in problems]


def test_a_mapping_is_read_with_every_scalar_as_the_text_it_is() -> None:
    mapping = parsed()

    assert mapping.fields[2].values == {"GLU": "glucose", "NO": "sodium", "012": "potassium"}
    assert mapping.dialect.header_rows == (3,)
    assert (mapping.footer.drop, mapping.footer.expect) == (1, "^Summe")
    assert mapping.match.fingerprint == ("sha256:9c1d0a",)
    assert mapping.fields[1].to == ("collected_at",)
    assert mapping.labels == ("PatNr", "Abnahme", "Analyse", "Wert", "Einheit", "Kommentar")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("delimiter:", "delimitr:", "line 9: 'delimitr' is not a known key here; did you mean"),
        ("to: unit", "to: unt", "line 16: lab_results has no field 'unt'; did you mean 'unit'?"),
        ("GLU: glucose", "GLU: glukose", "'glukose' is no code of test; did you mean 'glucose'?"),
        ("Europe/Berlin", "Europe/Berlim", "no time zone 'Europe/Berlim'; did you mean"),
        ("%d.%m.%Y", "%d.%m", "line 13: the format must name day, month and year"),
        ("%d.%m.%Y", "%q", "unknown letters in the format: %q"),
        ("contract: lab_results", "contract: lab_result", "no contract 'lab_result'; did you mean"),
        ("status: confirmed ", "status: yes ", "must be one of: 'proposed', 'confirmed'"),
        ('groupChar: "."', 'groupChar: ","', "it cannot be the decimal sign as well"),
        ("to: value,", "to: test,", "'Analyse' and 'Wert' both feed the field 'test'"),
        ("rescue: true", "rescue: true, ignore: true", "exactly one of: to, rescue, ignore"),
        ("rescue: true", "rescue: false", "'rescue' must be one of: True"),
        ("cp1252", "cp9999", "there is no encoding 'cp9999'"),
        ('expect: "^Summe"', 'expect: "("', "is no regular expression"),
        (', expect: "^Summe"', "", "a footer needs 'expect'"),
        ("name: Wert", "name: PatNr", "the label 'PatNr' stands here twice"),
        ("to: patient_id", "rescue: true", "lab_results requires 'patient_id'"),
        ("constants: {}", "constants: {test: x}", "fed by 'Analyse' and by a constant"),
        ('"10*9/L"', '"10*9/Q"', "the unit '10*9/Q' is not known"),
        ("source: northside-labs", "source: ../x", "'source' must be of the form"),
        ("status: confirmed ", "status: confirmed\nstatus: retired ", "stands here a second time"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_word(
    old: str, new: str, sentence: str
) -> None:
    assert any(sentence in mistake for mistake in mistakes(old, new))


def test_a_confirmed_mapping_has_an_answer_to_each_of_its_questions() -> None:
    asking = NORTHSIDE.replace(
        "constants: {}",
        'questions:\n  - key: "date:Abnahme:99/99/9999"\n    code: DATE_AMBIGUOUS\n'
        "    ask: Which?\n"
        "    answers: {dmy: day first, mdy: month first}\n",
    )
    _, problems = parse_mapping("x", asking.encode())
    assert "has no answer" in str(problems[0])
    _, problems = parse_mapping("x", f"{asking}    answer: dym\n".encode())
    assert "'dym' is no answer to" in str(problems[0])

    mapping = parsed(f"{asking}    answer: dmy\n")
    assert mapping.questions == ()
    assert mapping.fields[1].format == ("%d.%m.%Y %H:%M", "%d/%m/%Y")
    proposed = parsed(asking.replace("status: confirmed ", "status: proposed "))
    assert [question.key for question in proposed.open_questions] == ["date:Abnahme:99/99/9999"]


# --- written and read again --------------------------------------------------------------------


def test_what_is_written_is_what_is_read() -> None:
    mapping = parsed()

    assert parsed(write_mapping(mapping)) == mapping


@pytest.mark.parametrize(
    "label",
    ["NO", "012", "1:30", "~", "null", "a: b", "a #b", "- x", "'q'", '"q"', "x\ty", "é", "患者",
     "", " ", "{a}", "a,b", "&a", "*", "!t", "%x", "@x", "`x`", "true", "1e5", "a\nb", "\ufeffid"],
)  # fmt: skip
def test_every_label_and_value_survives(label: str) -> None:
    field = (
        parsed()
        .fields[2]
        .model_copy(
            update={
                "name": label,
                "values": {label: "glucose", "x": ""},
                "missing_values": (label,),
            }
        )
    )
    mapping = parsed()
    fields = (*mapping.fields[:2], field, *mapping.fields[3:])
    mapping = mapping.model_copy(update={"fields": fields})

    assert parsed(write_mapping(mapping)).fields[2] == field
    assert parsed(update_text(NORTHSIDE, mapping)).fields[2] == field


def test_a_confirmed_file_keeps_the_comments_of_people() -> None:
    proposed = NORTHSIDE.replace("status: confirmed ", "status: proposed ")
    text = confirmed_text(
        proposed, parsed(proposed), by="Béa", at="2026-11-21T10:00:00+00:00", layout="sha256:new"
    )

    assert "# the pattern must match or the file is held" in text
    assert "012: potassium" in text
    mapping = parsed(text)
    assert (mapping.status, mapping.confirmed.by) == ("confirmed", "Béa")
    assert mapping.match.fingerprint == ("sha256:9c1d0a", "sha256:new")
    assert mapping.fields == parsed().fields
    retired = retired_text(text, mapping)
    assert "# the pattern must match" in retired
    assert parsed(retired).status == "retired"


# --- the folder --------------------------------------------------------------------------------


def save(folder: Path, name: str, text: str = NORTHSIDE) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_of_each_source_the_confirmed_mapping_with_the_highest_number_counts(
    tmp_path: Path,
) -> None:
    save(tmp_path, "north.1.mapping.yaml", NORTHSIDE.replace("cp1252", "utf-8"))
    save(tmp_path, "north.10.mapping.yaml")
    save(tmp_path, "north.9.mapping.yaml", NORTHSIDE.replace("cp1252", "latin-1"))
    save(
        tmp_path, "north.11.mapping.yaml", NORTHSIDE.replace("status: confirmed", "status: retired")
    )
    save(tmp_path, "south.mapping.yaml")
    save(tmp_path, "notes.txt", "no mapping")

    found = load_mappings(tmp_path)
    assert [Path(one.source_file).name for one in found] == [
        "north.10.mapping.yaml",
        "south.mapping.yaml",
    ]
    assert load_mappings(tmp_path / "nowhere") == load_mappings(None) == ()


def test_a_mistake_in_a_mapping_that_counts_is_told_and_in_an_older_one_is_not(
    tmp_path: Path,
) -> None:
    save(tmp_path, "north.1.mapping.yaml", "nonsense: true")
    save(tmp_path, "north.2.mapping.yaml")
    assert len(load_mappings(tmp_path)) == 1

    save(tmp_path, "south.1.mapping.yaml", "nonsense: true")
    with pytest.raises(MappingError) as caught:
        load_mappings(tmp_path)
    assert "south.1.mapping.yaml, line 1: 'nonsense' is not a known key" in "".join(
        caught.value.details
    )
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert again.details == caught.value.details


def test_a_missing_file_and_one_that_is_no_text_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(MappingError):
        load_mapping(tmp_path / "nothing.mapping.yaml")
    (tmp_path / "x.mapping.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MappingError):
        load_mapping(tmp_path / "x.mapping.yaml")


def test_versions_are_numbered() -> None:
    assert numbered("north.12.mapping.yaml") == ("north", 12)
    assert numbered("north.mapping.yml") == ("north", 0)
    assert next_name("north", []) == "north.1.mapping.yaml"
    known = ["north.1.mapping.yaml", "north.9.mapping.yaml", "south.30.mapping.yaml"]
    assert next_name("north", known) == "north.10.mapping.yaml"


# --- formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", ["99.99.9999", "99/99/99", "99-99-9999 99:99", "99/99/9999 99:99 AM"]
)
@pytest.mark.parametrize("order", ["dmy", "mdy", "ymd"])
def test_a_shape_and_its_order_are_one_format(shape: str, order: str) -> None:
    if order == "ymd" and "9999" in shape:
        return
    text = format_of_shape(shape, order)
    assert text is not None
    assert shape_of_format(text) == (shape, order)


def test_formats_that_leave_nothing_to_decide_and_formats_that_contradict() -> None:
    assert orders_of(["%Y-%m-%d", "%d %B %Y", "%d.%m.%Y"]) == {"99.99.9999": "dmy"}
    with pytest.raises(FormatError):
        orders_of(["%d.%m.%Y", "%m.%d.%Y"])
    assert format_of_shape("9999-99-99", "ymd") is None


# --- what is generated is up to date -----------------------------------------------------------


def test_the_schema_and_the_page_are_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == mapping_schema()
    assert PAGE.read_text(encoding="utf-8") == describe_mappings()


def test_every_key_of_the_schema_is_described() -> None:
    schema = json.loads(mapping_schema())
    parts = {"Mapping": schema, **schema["$defs"]}
    bare = [
        f"{part}.{key}"
        for part, content in parts.items()
        for key, about in content.get("properties", {}).items()
        if not about.get("description")
    ]
    assert bare == []
    assert all(content["additionalProperties"] is False for content in parts.values())
