"""JSON documents and JSON lines: records found, flattened, and kept as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import FileCode, RowCode
from pipeline.messages import Limits
from tests.unit.harmonizing import Desk
from tests.unit.reading import Reader

RECORDS = [{"id": "1", "v": "a"}, {"id": "2", "v": "b"}]
VITALS = """
name: vitals
fields:
  - {name: patient_id, type: string, constraints: {required: true}}
  - {name: weight, type: number, constraints: {required: true}}
  - {name: note, type: string}
"""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (RECORDS, "$[0].id"),
        ({"data": RECORDS}, "$.data[0].id"),
        ({"meta": {"page": 1, "tags": ["x"]}, "body": {"items": RECORDS}}, "$.body.items[0].id"),
        ({"odd name": RECORDS}, "$['odd name'][0].id"),
        ({"columns": ["id", "v"], "rows": [["1", "a"], ["2", "b"]]}, "$.rows[0].id"),
        ([["id", "v"], ["1", "a"], ["2", "b"]], "$[1].id"),
    ],
    ids=["array", "data", "deep", "odd name", "columns and rows", "rows"],
)
def test_records_are_found_wherever_they_are(reader: Reader, document: object, place: str) -> None:
    found = reader.read(json.dumps(document, indent=1))

    assert found.header == ("id", "v")
    assert found.rows == [("1", "a"), ("2", "b")]
    assert found.places[0] == place


def test_a_path_can_be_set(reader: Reader) -> None:
    document = json.dumps({"old": RECORDS * 3, "new": [{"id": "9"}]})

    assert len(reader.read(document).rows) == 6
    assert reader.read(document, table="$.new").rows == [("9",)]
    assert "$.new (1 records)" in reader.read(document).told


def test_one_object_is_one_record(reader: Reader) -> None:
    assert reader.read('{"id": 1, "name": {"first": "Zoë"}}').rows == [("1", "Zoë")]


def test_objects_under_names_are_records_with_their_name(reader: Reader) -> None:
    found = reader.read(json.dumps({f"P{n}": {"v": n, "w": "x"} for n in range(3)}))

    assert found.header == ("key", "v", "w")
    assert found.rows[1] == ("P1", "1", "x")
    assert found.places[1] == "$.P1.key"


def test_arrays_under_many_names_are_refused(reader: Reader) -> None:
    document = json.dumps({f"P{n}": [{"v": n}] for n in range(300)})
    assert reader.code(document) is FileCode.LIMIT_EXCEEDED


def test_objects_that_follow_each_other_are_records(reader: Reader) -> None:
    assert reader.read('{\n "id": 1\n}\n{\n "id": 2\n}\n').rows == [("1",), ("2",)]


def test_numbers_stay_as_they_are_written(reader: Reader) -> None:
    written = ["1.10", "1E5", "-0", "0.1e-7", "12345678901234567890123", "1.0", "100"]
    content = "[" + ",".join(f'{{"n": {number}}}' for number in written) + "]"

    assert reader.read(content).column("n") == written
    assert reader.read(content.replace("},", "}\n,")).column("n") == written


def test_true_false_and_null_are_words(reader: Reader) -> None:
    assert reader.read('[{"a": true, "b": null}, {"a": false, "b": "x"}]').rows == [
        ("true", ""),
        ("false", "x"),
    ]


def test_a_name_that_turns_up_late_has_its_column(reader: Reader) -> None:
    records = [{"id": str(number)} for number in range(5000)]
    found = reader.read(json.dumps([*records, {"late": "x"}]))

    assert found.header == ("id", "late")
    assert found.rows[-1] == ("", "x")


def test_nested_objects_are_flattened_by_path(reader: Reader) -> None:
    found = reader.read(
        json.dumps([{"id": 1, "name": {"first": "A", "of": {"x": 2}}}, {"name": None}])
    )

    assert found.header == ("id", "name.first", "name.of.x")
    assert found.rows == [("1", "A", "2"), ("", "", "")]


def test_short_lists_become_columns_and_long_ones_stay_json(reader: Reader) -> None:
    found = reader.read(
        json.dumps([{"few": ["a", 1.50], "many": list(range(20)), "one": ["x"]}, {"few": []}])
    )

    assert found.header == ("few[0]", "few[1]", "many", "one")
    assert found.rows[0] == ("a", "1.5", str(list(range(20))).replace(" ", ""), "x")


def test_lists_of_objects_are_a_table_of_their_own(reader: Reader) -> None:
    patients = [
        {"patient_id": "P1", "labs": [{"test": "Na", "value": 140}, {"test": "K", "value": 4.0}]},
        {"patient_id": "P2", "labs": [{"test": "Na", "value": 138}]},
    ]
    content = json.dumps({"patients": patients})
    outer = reader.read(content)
    inner = reader.read(content, table="$.patients[*].labs")

    assert outer.header == ("patient_id", "labs")
    assert json.loads(outer.rows[0][1]) == patients[0]["labs"]
    assert inner.header == ("patient_id", "test", "value")
    assert inner.rows == [("P1", "Na", "140"), ("P1", "K", "4.0"), ("P2", "Na", "138")]
    assert inner.places == [
        "$.patients[0].labs[0].patient_id",
        "$.patients[0].labs[1].patient_id",
        "$.patients[1].labs[0].patient_id",
    ]


def test_what_repeats_within_what_repeats_is_a_table_too(reader: Reader) -> None:
    visits = [{"id": "V1", "labs": [{"t": "Na"}, {"t": "K"}]}, {"id": "V2", "labs": [{"t": "Cl"}]}]
    content = json.dumps([{"id": "P1", "visits": visits}, {"id": "P2", "visits": []}])
    found = reader.read(content, table="$[*].visits[*].labs")

    assert found.header == ("record.id", "id", "t")
    assert found.rows == [("P1", "V1", "Na"), ("P1", "V1", "K"), ("P1", "V2", "Cl")]
    assert found.places[2] == "$[0].visits[1].labs[0].record.id"
    assert json.loads(found.raws[1]) == {"t": "K"}


def test_a_name_twice_around_an_inner_table_counts_for_its_rows(reader: Reader) -> None:
    found = reader.read('[{"id": 1, "id": 2, "labs": [{"t": "a"}, {"t": "b"}]}]', table="$[*].labs")
    assert [(one.record, one.column, one.refuses) for one in found.faults] == [
        (1, 0, True),
        (2, 0, True),
    ]


def test_an_inner_table_is_taken_when_a_contract_asks_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(VITALS)
    content = json.dumps(
        [
            {"patient_id": "P1", "measured": [{"weight": 80.50}, {"weight": 81}]},
            {"patient_id": "P2", "measured": [{"weight": 60}]},
        ]
    )
    delivered = desk.harmonize(content)

    assert [tuple(row.values())[:2] for row in delivered.rows] == [
        ("P1", "80.5"),
        ("P1", "81"),
        ("P2", "60"),
    ]


def test_two_tables_that_fit_are_asked_about_and_the_answer_counts(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(VITALS)
    content = json.dumps(
        {
            "monday": [{"patient_id": "P1", "weight": "80"}],
            "tuesday": [{"patient_id": "P2", "weight": "70"}],
        }
    )
    held = desk.hold(content)
    assert held.code == "TABLE_UNCLEAR"
    assert "$.tuesday" in held.asked
    desk.confirm(held, table="$.tuesday")

    assert desk.harmonize(content).column("patient_id") == ["P2"]


def test_a_name_that_stands_twice_is_told_and_never_guessed(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(VITALS)
    rows = [f'{{"patient_id": "P{n}", "weight": {n + 50}}}' for n in range(20)]
    rows[3] = '{"patient_id": "P3", "weight": 80, "weight": 90}'
    rows[4] = '{"patient_id": "P4", "weight": 80, "weight": 80}'
    delivered = desk.harmonize("[" + ",\n".join(rows) + "]")

    assert delivered.reasons == [(4, "weight", "duplicate-name")]
    assert delivered.rejects[0]["position"] == "$[3].weight"
    assert delivered.report["warnings"] == {"duplicate-name": 1}


def test_nan_is_no_number(tmp_path: Path) -> None:
    desk = Desk(tmp_path).contract(VITALS)
    rows = [f'{{"patient_id": "P{n}", "weight": {n + 50}, "note": "x"}}' for n in range(20)]
    rows[3] = '{"patient_id": "P3", "weight": NaN, "note": "x"}'
    rows[4] = '{"patient_id": "P4", "weight": 80, "note": -Infinity}'
    delivered = desk.harmonize("[" + ",\n".join(rows) + "]")

    assert delivered.reasons == [(4, "weight", "type-error"), (5, "note", "type-error")]


def test_elements_that_are_no_records_are_rejected_one_by_one(reader: Reader) -> None:
    found = reader.read('[{"id": 1}, 5, {"id": 2}, [1]]')

    assert found.rows == [("1",), ("2",)]
    assert [(bad.record, bad.raw, bad.code) for bad in found.bad] == [
        (2, "5", RowCode.BAD_RECORD),
        (4, "[1]", RowCode.BAD_RECORD),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"data": [{"id": 1}, {"id": 2', FileCode.TRUNCATED),
        ('{"data": [{"id": 1}, {"id": 2}', FileCode.TRUNCATED),
        ('[{"id": "x', FileCode.TRUNCATED),
        ('[{"id": 1} {"id": 2}]', FileCode.DAMAGED),
        ('[{"id": 1},, {"id": 2}]', FileCode.DAMAGED),
        ('[{"id": 1}] x', FileCode.DAMAGED),
        ("[]", FileCode.EMPTY),
        ("{}", FileCode.UNSUPPORTED),
        ('["a", "b"]', FileCode.UNSUPPORTED),
        ("[" * 100_000, FileCode.LIMIT_EXCEEDED),
        ('{"a":' * 100_000, FileCode.LIMIT_EXCEEDED),
        ('[{"a":' + "[" * 100_000 + "]" * 100_000 + "}]", FileCode.LIMIT_EXCEEDED),
        ('[{"a":' * 60 + "1" + "}]" * 60, None),
    ],
    ids=[
        *("cut in a value", "cut between", "cut in text", "comma missing", "comma too many"),
        *("more follows", "empty array", "empty object", "no records", "deep arrays"),
        *("deep objects", "deep record", "deep enough"),
    ],
)
def test_what_is_no_document_of_records_is_refused(
    reader: Reader, content: str, code: FileCode | None
) -> None:
    if code is None:
        assert reader.read(content).rows
    else:
        assert reader.code(content) is code


@pytest.mark.parametrize(
    "deep",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 300 + "]" * 300],
    ids=["arrays", "objects", "some arrays"],
)
def test_a_line_nested_without_measure_costs_itself_alone(reader: Reader, deep: str) -> None:
    found = reader.read('{"id":1}\n{"id":' + deep + '}\n{"id":3}\n')

    assert found.rows == [("1",), ("3",)]
    [bad] = found.bad
    assert (bad.line, bad.sentence) == (2, "This line is nested deeper than 64 levels.")


@pytest.mark.parametrize(
    "content",
    ['[{"id":"\\ud83d"},{"id":2}]', '{"id":"\\ud83d"}\n{"id":2}\n', '[{"\\uDC00":1},{"id":2}]'],
    ids=["document", "lines", "name"],
)
def test_half_a_letter_costs_its_record_alone(reader: Reader, content: str) -> None:
    found = reader.read(content)
    assert found.rows == [("2",)]
    assert "half of a letter" in found.bad[0].sentence
    assert reader.read('[{"id":"\\ud83d\\ude00"}]').rows == [("😀",)]


def test_bad_lines_may_come_first_and_the_first_line_may_be_long(reader: Reader) -> None:
    found = reader.read("oops\n" + '{"id":1}\n' * 4)
    assert (found.about["format"], found.rows) == ("JSON lines", [("1",)] * 4)
    assert [bad.line for bad in found.bad] == [1]

    long = json.dumps({"id": 1, "x": ["y" * 900] * 200})
    found = reader.read(f'{long}\n{{"id":2\n{{"id":3}}\n')
    assert found.about["format"] == "JSON lines"
    assert found.column("id") == ["1", "3"]
    assert [bad.line for bad in found.bad] == [2]


@pytest.mark.parametrize(
    "content",
    [
        '{"id": ["a", "b", "c"], "v": [1.10, null, 3]}',
        '{"id": {"0": "a", "1": "b", "2": "c"}, "v": {"0": 1.10, "1": null, "2": 3}}',
    ],
    ids=["lists", "by number"],
)
def test_values_that_stand_column_by_column_are_rows(reader: Reader, content: str) -> None:
    found = reader.read(content)
    assert (found.header, found.rows) == (("id", "v"), [("a", "1.10"), ("b", ""), ("c", "3")])
    assert found.places == ["$.*[0].id", "$.*[1].id", "$.*[2].id"]
    assert "column by column" in found.told


def test_lists_of_different_lengths_are_one_record(reader: Reader) -> None:
    found = reader.read('{"id": ["a", "b"], "v": [1]}')
    assert len(found.rows) == 1


def test_records_marked_as_a_sequence_are_read(reader: Reader) -> None:
    assert reader.read('\x1e{"id":1}\n\x1e{"id":2}\n').rows == [("1",), ("2",)]


def test_large_objects_one_behind_the_other_are_read(reader: Reader) -> None:
    one = json.dumps({"id": 1, "x": ["y" * 900] * 400}, indent=1)
    found = reader.read(f'{one}\n{{\n"id": 2}}\n')
    assert found.column("id") == ["1", "2"]


def test_json_lines_reject_bad_lines_one_by_one(reader: Reader) -> None:
    lines = ['{"id": 1}', "{bad}", "", '{"id": 2} x', '"text"', '{"id": 3},', '{"id": "é"}']
    found = reader.read("\r\n".join(lines))

    assert found.rows == [("1",), ("3",), ("é",)]
    assert found.lines == [1, 6, 7]
    assert [(bad.line, bad.raw) for bad in found.bad] == [
        (2, "{bad}"),
        (4, '{"id": 2} x'),
        (5, '"text"'),
    ]


def test_json_lines_whose_first_line_is_bad(reader: Reader) -> None:
    found = reader.read('{"id": oops}\n{"id": 1}\n{"id": 2}\n')
    assert (found.rows, len(found.bad)) == ([("1",), ("2",)], 1)


def test_a_cut_last_line_is_no_bad_line(reader: Reader) -> None:
    assert reader.code('{"id": 1}\n{"id": 2}\n{"id": "3') is FileCode.TRUNCATED


def test_a_document_spread_over_lines_is_no_json_lines(reader: Reader) -> None:
    content = '{"data": [{"id": 1},\n{"id": 2},\n{"id": 3}\n]}'
    assert reader.read(content).rows == [("1",), ("2",), ("3",)]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_by_content(reader: Reader, codec: str) -> None:
    content = '[{"id": 1, "name": "José Müller"}]'.encode(codec)
    assert reader.read(content).column("name") == ["José Müller"]


def test_a_record_longer_than_the_limit_is_refused(reader: Reader) -> None:
    limits = Limits(max_record_bytes=5_000, max_cell_bytes=2_000)
    long = json.dumps([{"id": "x" * 3_000_000}])
    lines = '{"id": 1}\n{"id": "' + "x" * 3_000_000 + '"}\n'

    assert reader.code(long, limits) is FileCode.LIMIT_EXCEEDED
    assert reader.code(lines, limits) is FileCode.LIMIT_EXCEEDED
    assert reader.code('[{"id": "' + "x" * 2_500 + '"}]', limits) is FileCode.LIMIT_EXCEEDED


def test_too_many_names_are_refused(reader: Reader) -> None:
    records = [{f"n{number}": 1} for number in range(50)]
    assert reader.code(json.dumps(records), Limits(max_columns=20)) is FileCode.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "content",
    ['[{"id": 1}, {"id": 2},]', '{"rows": [{"id": 1}, {"id": 2}, ], "n": 2, }'],
    ids=["array", "object"],
)
def test_a_comma_behind_the_last_value_is_survived(reader: Reader, content: str) -> None:
    assert reader.read(content).column("id") == ["1", "2"]
