"""Delimiter and header are decided by the content, or the file is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ContentError, FileCode
from pipeline.formats import open_table
from pipeline.formats.base import TableReader
from pipeline.messages import Limits

Open = Callable[[str], TableReader]


@pytest.fixture
def table(tmp_path: Path) -> Open:
    def table(content: str) -> TableReader:
        path = tmp_path / "anything.bin"
        path.write_bytes(content.encode())
        return open_table(path, Limits())

    return table


def rows(reader: TableReader) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for batch in reader.batches():
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def refused(table: Open, content: str) -> FileCode:
    with pytest.raises(ContentError) as caught:
        list(table(content).batches())
    assert caught.value.note
    return caught.value.code


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_content(table: Open, delimiter: str) -> None:
    lines = [["id", "name", "born"], ["1", "Ann", "1990-01-02"], ["2", "Bo", "1985-03-04"]]
    reader = table("\n".join(map(delimiter.join, lines)))

    assert reader.header == ("id", "name", "born")
    assert reader.describe()["delimiter"] == delimiter
    assert len(rows(reader)) == 2


def test_decimal_commas_do_not_separate(table: Open) -> None:
    assert rows(table("v;w\n1,5;1.234,56\n")) == [("1,5", "1.234,56")]
    assert rows(table("v;w\n1,5;2,5\n3,5;4,5\n")) == [("1,5", "2,5"), ("3,5", "4,5")]
    assert table("id;weight,kg;height,m\n1;70,5;1,80\n2;60,1;1,75\n").header[1] == "weight,kg"


def test_commas_in_prose_do_not_separate(table: Open) -> None:
    text = "id|note|by\n1|well, slept, ate|Smith, J\n2|ill, coughs; tired|Roe, R\n"
    assert rows(table(text))[0] == ("1", "well, slept, ate", "Smith, J")


def test_an_apostrophe_never_quotes(table: Open) -> None:
    found = rows(table("name,n\n'tis,1\nO'Brien,2\nD'Arcy,3\n"))
    assert found == [("'tis", "1"), ("O'Brien", "2"), ("D'Arcy", "3")]


@pytest.mark.parametrize("declared", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_declared_separator_is_honoured_and_dropped(table: Open, declared: str) -> None:
    reader = table(f"{declared}\r\na,x;b\r\n1;2,5\r\n")

    assert reader.header == ("a,x", "b")
    assert reader.describe()["header_line"] == 2
    assert [batch.lines.tolist() for batch in reader.batches()] == [[3]]


def test_equally_good_readings_are_a_question(table: Open) -> None:
    assert refused(table, "a;b,c\nx;y,z\np;q,r\n") is FileCode.LAYOUT_UNCLEAR
    assert refused(table, "a,b|c,d\n1,2|3,4\n5,6|7,8\n") is FileCode.LAYOUT_UNCLEAR


def test_a_declared_separator_that_is_not_there_is_a_question(table: Open) -> None:
    assert refused(table, "sep=;\na,b\n1,2\n") is FileCode.LAYOUT_UNCLEAR


def test_one_column_needs_a_plausible_name(table: Open) -> None:
    assert rows(table("patient_id\nP1\nP2\n")) == [("P1",), ("P2",)]
    assert rows(table("note\nslept well, ate\nfine\nill\n"))[0] == ("slept well, ate",)
    assert table("patient_id\nP1\n").describe()["delimiter"] is None


@pytest.mark.parametrize(
    "content",
    [
        "v\n1,5\n2,5\n",
        "Report of the ward\nid,name\n1,Ann\n2,Bo\n",
        "# made by Export 3.1\n\nid,name\n1,Ann\n",
        'id,"na\n1,Ann\n',
    ],
)
def test_what_does_not_split_into_columns_is_refused(table: Open, content: str) -> None:
    assert refused(table, content) is FileCode.LAYOUT_UNCLEAR


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("id   name   born\n1    Ann    1990\n22   Bob    1991\n", ["1", "Ann", "1990"]),
        ("id name born\n1 Ann 1990\n2 Bob 1991\n", ["1", "Ann", "1990"]),
        ("id^name^born\n1^Ann^1990\n2^Bob^1991\n", ["1", "Ann", "1990"]),
        ("id||name||born\n1||Ann||1990\n2||Bob||1991\n", ["1", "Ann", "1990"]),
        ("id::name::born\n1::Ann::1990\n2::Bob::1991\n", ["1", "Ann", "1990"]),
        ("id\x1fname\x1fborn\n1\x1fAnn\x1f1990\n2\x1fBob\x1f1991\n", ["1", "Ann", "1990"]),
        ("id,name,born\n1,'Lee, Ann',1990\n2,'Bob',1991\n", ["1", "Lee, Ann", "1990"]),
        (
            'id,name,born\n1,"Ann \\"A\\" Lee, jr",1990\n2,"Bob",1991\n',
            ["1", 'Ann "A" Lee, jr', "1990"],
        ),
        (
            "id   name      born\n1    Ann Lee   1990\n22   Bob       1991\n333  Cy Moe    92\n",
            ["1", "Ann Lee", "1990"],
        ),
    ],
)
def test_unusual_separators_and_quotes_are_found_by_content(
    table: Open, content: str, row: list[str]
) -> None:
    reader = table(content)
    batch = next(iter(reader.batches()))
    assert [column[0].as_py() for column in batch.columns] == row
    assert [label.strip() for label in reader.header] == ["id", "name", "born"]


@pytest.mark.parametrize(
    "above", [("Export of the ward",), ("# made by Export 3.1", "# in May", ""), ("Ward: 3",)]
)
def test_titles_beyond_doubt_are_left_out_by_line(table: Open, above: tuple[str, ...]) -> None:
    rows = [f"{at},Ann {at},1990-01-{at + 10}" for at in range(6)]
    reader = table("\n".join([*above, "id,name,born", *rows]) + "\n")
    batch = next(iter(reader.batches()))

    assert reader.header == ("id", "name", "born")
    assert batch.columns[0].to_pylist() == list("012345")
    assert batch.lines[0] == len(above) + 2
    assert "above the header" in "".join(reader.describe()["evidence"])


def test_lines_before_the_header_are_not_taken_for_it(table: Open) -> None:
    text = "Ward 3, 2024\nid,name,born\n1,Ann,1990-01-02\n2,Bo,1985-03-04\n"
    assert refused(table, text) is FileCode.LAYOUT_UNCLEAR


@pytest.mark.parametrize(
    "content",
    [
        "P1,Ann,1990-01-02,70\nP2,Bo,1985-03-04,80\nP3,Cy,1999-12-31,65\n",
        "1,2\n3,4\n",
        "2021,2022\n2023,2024\n",
        "Female,Paris\nMale,Rome\nFemale,Oslo\n",
        "17\n18\n",
        "a@b.org,x\nc@d.org,y\n",
    ],
)
def test_data_is_not_taken_for_a_header(table: Open, content: str) -> None:
    assert refused(table, content) is FileCode.HEADER_MISSING


@pytest.mark.parametrize(
    "content",
    [
        "id,2021,2022,2023\n1,5,6,7\n2,8,9,10\n",
        "2021,2022,2023\n5.1,6.2,7\n",
        "id,1,2,3\n1,5,6,7\n",
        "name,city\nAnn,Paris\nBo,Rome\n",
        "patient_id,icd10,O2\nP1,E11.9,98\nP2,I10,97\n",
        ",a,b\n0,x,y\n1,z,w\n",
        "id,name,name\n1,a,b\n",
    ],
)
def test_unusual_names_are_still_a_header(table: Open, content: str) -> None:
    assert table(content).header == tuple(content.split("\n")[0].split(","))


@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2,3\n4,5,6\n", "name,city\nBo,Paris,x\nAl,Rome,y\n", "a,b,c\n1,2\n3,4\n5,6\n"],
)
def test_a_header_of_another_width_than_its_rows_is_refused(table: Open, content: str) -> None:
    assert refused(table, content) is FileCode.HEADER_MISMATCH


@pytest.mark.parametrize(
    "content", ["", "\n\n \n", "id,name\n", "id,name", "id,name\n\n,\n \n", "id,v\nid,v\n", "\x1a"]
)
def test_a_file_without_rows_is_empty(table: Open, content: str) -> None:
    assert refused(table, content) is FileCode.EMPTY


def test_a_big_file_of_blank_lines_is_empty(table: Open) -> None:
    assert refused(table, "id,name\n" + " \n" * 200_000) is FileCode.EMPTY


def test_blank_lines_before_the_header_are_told(table: Open) -> None:
    reader = table("\n\nid,v\n1,x\n")

    assert reader.describe()["header_line"] == 3
    assert [batch.lines.tolist() for batch in reader.batches()] == [[4]]


def test_a_bad_quote_in_the_first_row_does_not_hide_the_layout(table: Open) -> None:
    good = "".join(f"{at},x{at},2020-01-02\n" for at in range(50))
    reader = table('id,v,day\n"5\'11"",80,2020-01-01\n' + good)
    assert len(rows(reader)) == 50


def test_a_long_quoted_text_does_not_hide_the_layout(table: Open) -> None:
    note = "plain words, and more; of them\n" * 20_000
    reader = table(f'id;note\n1;"{note}"\n2;"short"\n')
    assert len(rows(reader)) == 2


def test_the_description_is_plain_data_without_cell_values(table: Open) -> None:
    import json

    described = json.dumps(table("id,secret_value\n1,Canary77\n").describe())
    assert "Canary77" not in described
    assert "secret_value" not in described
