"""What else a text may hold beside a plain table, kind by kind, in small files of our own."""

from __future__ import annotations

import pytest

from pipeline.formats.raw.columns import models_of
from pipeline.formats.raw.headerline import placed
from pipeline.formats.raw.reading import RawReading, read_text


def lines(*texts: str) -> str:
    return "\n".join(texts) + "\n"


def read(*texts: str) -> RawReading:
    return read_text(lines(*texts).encode())


def rows_of(reading: RawReading) -> list[str]:
    """Header and rows in one notation, whatever the file's separator was."""
    table = reading.table
    return ["|".join(cells) for cells in ([table.header] if table.header else []) + table.rows]


WARDS = ("ward,beds,nurses,opened", "North,12,8,2001-04-05", "South,9,7,1998-01-02",
         "East,15,11,2010-10-11", "West,7,5,2003-03-04", "Hill,21,14,2015-06-07")  # fmt: skip
WARD_ROWS = [line.replace(",", "|") for line in WARDS]


# what stands above the table


@pytest.mark.parametrize(
    ("above", "count"),
    [
        (("Made by:,Miller,,", "On:,2024-01-02,,"), 2),
        (("Logger 7,,,", "Interval,10,,", ""), 3),
        (("% ward, beds, made, by", "% tool, 1, 2, x"), 2),
        (("@relation wards", "@attribute ward {a, b, c, d}", "@data"), 3),
        (("---", "name: wards", "fields:", "  - ward, beds", "---"), 5),
        (("# one", "# two, three, four, five"), 2),
        (("Survey of the wards, which was made in May, as told; see below.", ""), 2),
    ],
    ids=["settings", "gap", "percent", "arff", "front-matter", "hash", "prose"],
)
def test_settings_and_comments_are_no_rows_though_they_split_alike(
    above: tuple[str, ...], count: int
) -> None:
    reading = read(*above, *WARDS)

    assert rows_of(reading) == WARD_ROWS
    assert reading.describe()["preamble"] == count


def test_settings_of_two_columns_above_two_columns_are_left_out() -> None:
    reading = read("Apex,01/03/2021", "96-well,", ",", ",", "x,y", "A1,34", "A2,36", "A3,35")

    assert rows_of(reading) == ["x|y", "A1|34", "A2|36", "A3|35"]
    assert reading.describe()["preamble"] == 4


def test_a_line_drawn_below_the_header_is_no_row() -> None:
    reading = read("id;name;made", "--;----;----", "1;Ann;2020-01-01", "2;Bo;2020-01-02")

    assert rows_of(reading) == ["id|name|made", "1|Ann|2020-01-01", "2|Bo|2020-01-02"]
    assert reading.describe()["comment_lines"] == [2]


# header lines


@pytest.mark.parametrize(
    ("above", "header"),
    [
        (("ward,city,lead", "(a),(b),(c)"), "ward (a)|city (b)|lead (c)"),
        (("Place,,Person", "ward,city,lead"), "Place ward|Place city|Person lead"),
        (("ward,How is it?,", ",city,lead"), "ward|How is it? city|How is it? lead"),
    ],
    ids=["units", "groups", "complementary"],
)
def test_two_header_lines_above_nothing_but_text_are_joined(
    above: tuple[str, ...], header: str
) -> None:
    reading = read(*above, "North,Rome,Ann", "South,Oslo,Bo", "East,Rome,Cy", "West,Oslo,Ann")

    assert rows_of(reading)[0] == header
    assert reading.describe()["header_rows"] == 2
    assert len(reading.table.rows) == 4


def test_a_single_row_does_not_make_the_row_above_it_a_header() -> None:
    assert rows_of(read("field1,field2", "hello,goodbye", "hello2,goodbye2")) == [
        "field1|field2",
        "hello|goodbye",
        "hello2|goodbye2",
    ]


def test_a_header_with_more_names_than_columns_is_kept_whole() -> None:
    reading = read("a,b,c,spare,spare 2", "1,x,2020-01-01", "2,y,2020-01-02", "3,z,2020-01-03")

    assert reading.table.header == ["a", "b", "c", "spare", "spare 2"]
    assert reading.table.rows[0] == ["1", "x", "2020-01-01"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("mpg,UrbanPop,firstName", ["", "mpg", "UrbanPop", "firstName"]),
        ("id,item1item2,item3", ["id", "item1", "item2", "item3"]),
        ("code,pricedate,item3", ["code", "price", "date", "item3"]),
    ],
    ids=["first-column-without-name", "repeated-shape", "two-known-words"],
)
def test_a_header_one_name_too_short_is_completed_where_it_is_likeliest(
    header: str, names: list[str]
) -> None:
    rows = [["R1", "1.5", "2020-01-01", "3"], ["R2", "2.5", "2020-01-02", "4"]]
    assert placed([*header.split(","), ""], models_of(rows, 4)) == names


# several tables


@pytest.mark.parametrize("gap", [[], [""], ["", "Second part", ""]], ids=["close", "gap", "title"])
def test_the_first_of_two_tables_is_read_though_it_is_the_smaller(gap: list[str]) -> None:
    second = ["code,meaning", *(f"{letter},{at}" for at, letter in enumerate("abcdef"))]
    reading = read(*WARDS[:4], *gap, *second)

    assert rows_of(reading) == WARD_ROWS[:4]
    assert len(reading.describe()["other_tables"]) == 1


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_table_in_other_separators_is_told_apart(mark: str) -> None:
    second = [mark.join(("code", "meaning")), *(f"{c}{mark}{at}" for at, c in enumerate("abcde"))]
    below = read(*WARDS, "", *second)
    above = read(*second, "", *WARDS)

    assert rows_of(below) == WARD_ROWS
    assert below.describe()["other_tables"] == [8]
    assert rows_of(above) == [line.replace(mark, "|") for line in second]
    assert above.describe()["other_tables"] == [8]


# damaged rows


DAMAGED = {
    "separator-lost": ("North,12,8,B-207", "North,12,8B-207"),
    "separator-lost-in-quotes": ('"North","12","8","B-207"', '"North""12","8","B-207"'),
    "separator-too-many": ("North,12,8,B-207", "North,12,,8,B-207"),
    "other-separator": ("North,12,8,B-207", "North\t12\t8\tB-207"),
    "other-quotes": ("North,12,8,B-207", "'North','12','8','B-207'"),
    "other-quotes-and-comma": ('"Hill, N",12,8,B-207', "'Hill, N',12,8,B-207"),
    "quote-too-many": ('North,12,"""8",B-207', 'North,12,"8,B-207'),
    "cells-too-many": ("North,12,8,B-207,B-207,B-207", "North,12,8,B-207,B-207,B-207"),
}


@pytest.mark.parametrize("fault", DAMAGED)
@pytest.mark.parametrize("count", [4, 40])
def test_a_damaged_row_is_read_as_the_other_rows_suggest(fault: str, count: int) -> None:
    good = [f"{['North', 'South', 'East', 'West'][at % 4]},{10 + at % 7},{5 + at % 4},B-{200 + at}"
            for at in range(count)]  # fmt: skip
    meant, written = DAMAGED[fault]
    quoted = ['"' + line.replace(",", '","') + '"' for line in good]
    other = quoted if "in-quotes" in fault else good
    expected = read("ward,beds,nurses,room", *other[:2], meant, *other[2:])
    found = read("ward,beds,nurses,room", *other[:2], written, *other[2:])

    assert rows_of(found) == rows_of(expected)


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_a_row_in_another_separator_is_split_in_tables_of_nothing_but_text(mark: str) -> None:
    texts = ["animal,home,country", "Owl,wood,Spain", "Sea lion,sea,New Zealand", "Fox,wood,Peru"]
    assert rows_of(read(*texts[:2], texts[2].replace(",", mark), texts[3])) == [
        text.replace(",", "|") for text in texts
    ]


def test_a_separator_lost_between_two_empty_cells_in_quotes_is_put_back() -> None:
    rows = [f'"{at}","","","B-{at}"' if at % 2 else f'"{at}","7","8","B-{at}"' for at in range(9)]
    reading = read("id,a,b,room", *rows[:5], '"5","""","B-5"', *rows[6:])
    assert rows_of(reading)[6] == "5|||B-5"


def test_a_short_row_whose_values_cannot_be_cut_well_is_filled_up() -> None:
    rows = [f"{1 + at % 9}1,{1 + at % 7}5" for at in range(30)]
    reading = read("a,b", *rows[:15], "417", *rows[15:])
    assert reading.table.rows[15] == ["417", ""]


# separators and quotes


@pytest.mark.parametrize(
    ("mark", "cells"),
    [
        ("::", ("10:30:01", "Rome", "3.5")),
        ("\\t", ("Lee, Ann", "Rome", "3.5")),
        ("@", ("MS 1", "13,48", "3,5")),
        ("*", ("http://x.example/a?b=1", "200", "61")),
        ("#", ("https://x.example/a", "200", "61")),
        (":", ("A 1", "13,4", "3,5")),
    ],
    ids=["colons", "written-tab", "at", "star", "hash", "colon"],
)
def test_a_rare_separator_below_which_all_is_even_is_found(
    mark: str, cells: tuple[str, ...]
) -> None:
    reading = read(*(mark.join(row) for row in (("item", "place", "size"), cells, cells, cells)))

    assert reading.describe()["delimiter"] == mark
    assert rows_of(reading) == ["item|place|size", *["|".join(cells)] * 3]


@pytest.mark.parametrize(("quote", "mark"), [("~", "^"), ("þ", "\x14")])
def test_unusual_quotes_are_taken_off(quote: str, mark: str) -> None:
    table = [["id", "text"], ["1", f"one {mark} two"], ["2", "three"], ["3", "four, five"]]
    reading = read(*(mark.join(quote + cell + quote for cell in row) for row in table))

    assert (reading.describe()["delimiter"], reading.describe()["quotechar"]) == (mark, quote)
    assert rows_of(reading) == ["|".join(row) for row in table]


def test_a_quote_within_single_quotes_may_be_doubled() -> None:
    reading = read("id,name", "1,'O''Neil, Pat'", "2,'D''Arcy, Jo'", "3,'Lee, Ann'")
    assert rows_of(reading) == ["id|name", "1|O'Neil, Pat", "2|D'Arcy, Jo", "3|Lee, Ann"]


def test_few_quoted_cells_that_hold_the_separator_prove_the_quotes() -> None:
    reading = read("key;en;de", "hi;Hello, world!;Hallo!", 'ask;"Sure; really?";"Sicher; echt?"')

    assert reading.describe()["quotechar"] == '"'
    assert rows_of(reading)[-1] == "ask|Sure; really?|Sicher; echt?"


def test_quotes_that_come_late_in_a_long_text_count_too() -> None:
    plain = [f"{at},name {at % 9},{at * 3}" for at in range(2_000)]
    reading = read("id,name,qty", *plain, '2000,"Lee, Ann",6', '2001,"say ""hi""",7')

    assert rows_of(reading)[-2:] == ["2000|Lee, Ann|6", '2001|say "hi"|7']
    assert reading.describe()["quotechar"] == '"'


def test_times_and_addresses_are_not_cut_at_their_colons() -> None:
    reading = read(
        "10:01:02 INFO Start on port 80", "10:01:09 WARN Low memory", "10:02:00 INFO Bye"
    )
    assert reading.describe()["delimiter"] != ":"


def test_names_parted_by_commas_above_decimal_numbers_are_names() -> None:
    assert read("a,b,c,d", *["1,2"] * 20).describe()["delimiter"] == ","
    assert read("value", "1,5", "2,75", "3,25").describe()["delimiter"] is None


def test_one_name_above_values_of_two_words_names_one_column() -> None:
    reading = read("Place", "MS 29", "MS 8", "MS 17", "MS 5")

    assert reading.describe()["delimiter"] is None
    assert rows_of(reading) == ["Place", "MS 29", "MS 8", "MS 17", "MS 5"]


def test_sentences_are_no_table() -> None:
    reading = read(
        "The quick brown fox jumps over the lazy dog.",
        "It was a bright cold day in April, and the clocks were striking thirteen.",
        "Call me Ishmael.",
        "Happy families are all alike; every unhappy family is unhappy in its own way.",
    )
    assert reading.describe()["delimiter"] is None


def test_text_with_blanks_between_values_parted_by_blanks_is_one_column() -> None:
    reading = read("Code Description Price", "A1 Blue widget 3.50", "B22 Large red box 13.50",
                   "C3 Screw 0.05", "D4 Nut and bolt set 1.25")  # fmt: skip

    assert rows_of(reading)[1:3] == ["A1|Blue widget|3.50", "B22|Large red box|13.50"]
    assert reading.confidence < 0.6


# what stands below


@pytest.mark.parametrize(
    "below",
    [
        ("", "Notes:", "1. rounded, see manual"),
        ("", "© 2020 Office, all rights reserved"),
        ("Total: Account,99",),
    ],
    ids=["notes", "rights", "total"],
)
def test_notes_that_split_as_rows_do_are_left_out(below: tuple[str, ...]) -> None:
    reading = read("word,count", "red,35", "blue,61", "green,7", *below)
    assert rows_of(reading) == ["word|count", "red|35", "blue|61", "green|7"]
