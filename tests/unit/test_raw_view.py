"""The raw view of polluted text, checked against the truth of files made for it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.formats.raw import large
from pipeline.formats.raw.decoding import detect_encoding
from pipeline.formats.raw.reading import plain_rows, read_text
from pipeline.formats.raw.view import view_file, write_plain
from pipeline.messages import Limits
from tests.polluted.cases import CASES, Case
from tests.polluted.pollute import Polluted, collection, plain_csv

LABELLED = collection(seed=20_261_121, count=30)


def family(name: str) -> str:
    """`sales-row-quote-3-7` is of the family row-quote."""
    return "-".join(name.split("-")[1:3])


FAMILIES = sorted({family(one.name) for one in LABELLED})


def members(name: str, most: int = 6) -> list[Polluted]:
    found = [one for one in LABELLED if family(one.name) == name]
    return found[:: max(1, len(found) // most)]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_cell_of_a_polluted_file_is_read_as_its_truth_says(name: str) -> None:
    for one in members(name):
        table = read_text(one.data).table
        assert (one.name, table.header) == (one.name, one.header)
        assert (one.name, table.rows) == (one.name, one.rows)


@pytest.mark.parametrize("name", [name for name in FAMILIES if not name.startswith("row")])
def test_marks_and_surroundings_are_told_as_the_truth_says(name: str) -> None:
    for one in members(name):
        told = read_text(one.data).describe()
        mark = "," if one.delimiter == ", " else one.delimiter
        assert (one.name, told["delimiter"]) in [(one.name, mark), (one.name, one.delimiter)]
        assert (one.name, told["quotechar"]) == (one.name, one.quote)
        assert (one.name, told["header_rows"]) == (one.name, one.header_lines)
        if one.preamble is not None:
            assert (one.name, told["preamble"]) == (one.name, one.preamble)
        if one.footer is not None:
            assert (one.name, told["footer"]) == (one.name, one.footer)


@pytest.mark.slow
def test_nearly_all_files_of_other_seeds_are_wholly_right() -> None:
    right: Counter[bool] = Counter()
    for seed in (31, 32):
        for one in collection(seed):
            table = read_text(one.data).table
            right[table.header == one.header and table.rows == one.rows] += 1
    assert right[True] >= 0.98 * right.total()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_files_that_other_sniffers_get_wrong(case: Case) -> None:
    reading = read_text(case.text.encode())
    told = reading.describe()

    assert told["delimiter"] == case.delimiter
    assert told["quotechar"] == case.quote
    assert told["escapechar"] == case.escape
    assert reading.table.header == case.header
    assert len(reading.table.rows) == case.count
    assert reading.table.rows[:1] == ([case.first] if case.count else [])
    if case.last is not None:
        assert reading.table.rows[-1] == case.last


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("José Müller 37°C 5 µg/L", "cp1252"),
        ("it’s 100 €", "cp1252"),
        ("Größe,Straße,Müller,Köln", "cp850"),
        ("café,élève,français,déjà", "mac-roman"),
        ("Łódź,Kraków,Gdańsk,Żółć", "cp1250"),
        ("žluťoučký kůň,Příbram,Dvořák", "iso-8859-2"),
        ("Москва,Санкт-Петербург", "cp1251"),
        ("Москва,Санкт-Петербург", "koi8-r"),
        ("Москва,Санкт-Петербург", "cp866"),
        ("Αθήνα,Θεσσαλονίκη", "cp1253"),
        ("İstanbul,Ağrı,Çağlar,Şişli", "cp1254"),
        ("שלום,ירושלים", "cp1255"),
        ("القاهرة,محمد", "cp1256"),
        ("Klaipėda,vardas,ąžuolas", "cp1257"),
        ("東京都,テスト,患者", "cp932"),
        ("東京都の,テスト,患者です", "euc-jp"),
        ("患者编号,检验结果,单位", "gb18030"),
        ("病患編號,檢驗結果", "cp950"),
        ("환자 번호,검사 결과", "cp949"),
        ("a,é\n1,2", "utf-16-le"),
        ("a,b\n1,2", "utf-32-be"),
    ],
)
def test_text_of_any_code_page_is_decoded_undamaged(text: str, codec: str) -> None:
    data = text.encode(codec)
    assert detect_encoding(data).decode(data) == text


def test_one_bad_byte_does_not_turn_utf8_into_something_else() -> None:
    data = ("id,name\n" + "1,Zoë Müller\n" * 20).encode() + b"2,Jos\xe9\n"
    reading = read_text(data)

    assert reading.table.rows[0] == ["1", "Zoë Müller"]
    assert reading.table.rows[-1] == ["2", "José"]
    assert reading.confidence < 0.7


def test_fixed_width_columns_are_inferred() -> None:
    text = (
        "id   name        city        qty\n"
        "1    Ann Lee     New York     12\n"
        "22   Bob         Rome          3\n"
        "333  Cy O. Moe               104\n"
    )
    reading = read_text(text.encode())

    assert reading.describe()["format"] == "fixed width"
    assert reading.table.header == ["id", "name", "city", "qty"]
    assert reading.table.rows == [
        ["1", "Ann Lee", "New York", "12"],
        ["22", "Bob", "Rome", "3"],
        ["333", "Cy O. Moe", "", "104"],
    ]


def test_an_unclosed_quote_never_swallows_the_rows_below() -> None:
    rows = "".join(f"{at},name {at},{at * 3}\n" for at in range(200))
    reading = read_text(f'id,name,qty\n{rows}200,"open,600\n{rows}'.encode())

    assert len(reading.table.rows) == 401
    assert reading.table.rows[200] == ["200", '"open', "600"]


def test_what_is_left_out_is_told_by_line() -> None:
    told = read_text(b"Report\n\nid,qty\n1,2\n# note\n3,4\nid,qty\n5,6\nTotal,12\n").describe()

    assert told["preamble_lines"] == [1]
    assert told["header_lines"] == [3]
    assert told["comment_lines"] == [5]
    assert told["repeated_header_lines"] == [7]
    assert told["footer_lines"] == [9]


def test_two_equally_good_readings_are_not_told_as_sure() -> None:
    assert read_text(b"a;b,c\nx;y,z\np;q,r\n").confidence < 0.7


def test_a_large_text_reads_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f'{at},name {at % 7},"text, {at}",{at * 2}' for at in range(5_000)]
    lines[4_000] = '4000,na"me,"bad "quote", here",8000'
    text = "Title\n\nid,name,text,qty\n" + "\n".join(lines) + "\n\nSource: us\n"
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    small = view_file(path, Limits())
    monkeypatch.setattr(large, "_HEAD_BYTES", 20_000)
    monkeypatch.setattr(large, "_CHUNK_BYTES", 7_001)
    passing = large.LargeText(path)

    assert passing.header == small.header
    assert list(passing) == list(small.rows)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    reading = read_text(data)
    assert 0 <= reading.confidence <= 1
    assert all(isinstance(cell, str) for row in plain_rows(reading) for cell in row)


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet="ab1,;\t|\"'\\ \n\r#.", max_size=300),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)
def test_any_text_is_read_and_no_letter_of_its_rows_is_made_up(text: str, codec: str) -> None:
    reading = read_text(text.encode(codec))
    found = Counter("".join(cell for row in plain_rows(reading) for cell in row))
    for letter in "ab1":
        assert found[letter] <= text.count(letter) or reading.table.header is not None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9999), st.text(alphabet='abc ",\n', min_size=1, max_size=12)),
        min_size=3,
        max_size=12,
    )
)
def test_well_formed_files_read_as_they_were_written(rows: list[tuple[int, str]]) -> None:
    table = [[str(number), f"x{text}y", "2024-01-05"] for number, text in rows]
    text = plain_csv(["id", "some text", "day"], table)
    reading = read_text(text.encode())

    assert reading.table.header == ["id", "some text", "day"]
    assert reading.table.rows == table


def test_the_plain_csv_is_rfc_4180(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes('id|text\n1|a, "b"\n2|Zoë\n'.encode("cp1252"))
    target = io.StringIO(newline="")
    count = write_plain(view_file(path, Limits()), target)

    assert count == 2
    assert target.getvalue() == 'id,text\r\n1,"a, ""b"""\r\n2,Zoë\r\n'
    assert list(csv.reader(io.StringIO(target.getvalue(), newline="")))[1] == ["1", 'a, "b"']
