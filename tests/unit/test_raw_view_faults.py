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


def test_settings_of_two_filled_columns_above_two_columns_of_values_are_left_out() -> None:
    reading = read("Operator,Miller", "Made on,2024-01-02", "Interval,10", "time,level",
                   "0.1,3.4", "0.2,3.5", "0.3,3.4", "0.4,3.6")  # fmt: skip

    assert rows_of(reading) == ["time|level", "0.1|3.4", "0.2|3.5", "0.3|3.4", "0.4|3.6"]
    assert reading.describe()["preamble"] == 3


def test_a_unit_below_each_name_makes_no_settings_of_the_names() -> None:
    reading = read("time,level", "s,mV", "0.1,3.4", "0.2,3.5", "0.3,3.4", "0.4,3.6")

    assert rows_of(reading)[0] == "time s|level mV"


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


# as people really write them


def test_titles_as_wide_as_the_table_are_left_out_though_rows_are_sparse() -> None:
    reading = read("Ward visits,,,", "May 2024,,,", "ward,lead,visits,cost", "North,none,,",
                   "South,Hill,3,12.50", "East,none,,", "West,none,,")  # fmt: skip

    assert rows_of(reading)[:2] == ["ward|lead|visits|cost", "North|none||"]
    assert reading.describe()["preamble"] == 2


def test_names_in_three_levels_are_put_together() -> None:
    reading = read("Ward,Lead,Nurses,,,,Total,", ",,Day,,Night,,,",
                   ",,Count,Cost,Count,Cost,Count,Cost",
                   "North,Hill,4,120.5,2,80.1,6,200.6", "South,Bell,5,150.0,2,81.0,7,231.0",
                   "East,Moss,3,99.9,1,41.2,4,141.1")  # fmt: skip

    assert rows_of(reading)[0] == (
        "Ward|Lead|Nurses Day Count|Nurses Day Cost|Nurses Night Count|Nurses Night Cost"
        "|Total Count|Total Cost"
    )
    assert reading.describe()["header_lines"] == [1, 2, 3]
    assert len(reading.table.rows) == 3


def test_a_row_of_data_is_no_further_level_of_names() -> None:
    reading = read("Ward,,Beds,", "North,x,12,3", "South,,9,4", "East,y,15,5", "West,,3,1")

    assert len(reading.table.rows) == 4
    assert reading.describe()["header_lines"] == [1]


def visits(header: str) -> RawReading:
    row = "2024-01-{0:02},{0}:15,P-{0}7,{0}.50,https://example.org/{0},"
    return read(header, *(row.format(at) for at in range(10, 22)))


@pytest.mark.parametrize(
    "header",
    ["DateTime,Patient,Price,Url,Notes", "Date,TimePatient,Price,Url,Notes",
     "Date,Time,PatientPrice,Url,Notes", "Date,Time,Patient,PriceUrl,Notes"],
)  # fmt: skip
def test_two_names_without_a_separator_are_parted_where_the_values_say_so(header: str) -> None:
    reading = visits(header)

    assert reading.table.header == ["Date", "Time", "Patient", "Price", "Url", "Notes"]


def test_closing_separators_make_no_name_of_two() -> None:
    reading = visits("Date,Time,Patient,PriceNet,WebUrl")

    assert reading.table.header == ["Date", "Time", "Patient", "PriceNet", "WebUrl"]
    assert all(len(row) == 5 for row in reading.table.rows)


NAMES = ("Ann", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal", "Ivy")
NOTES = [
    f'{at},"Hill, {name}","Seen at {at}0 a.m., as agreed with {name}",{at}.5'
    for at, name in enumerate(NAMES, 1)
]


def test_two_quoted_cells_without_a_separator_are_parted() -> None:
    torn = '5,"Moss, Kim""Came back without the letter from home",5.5'
    reading = read("no,name,note,cost", *NOTES, torn)

    assert rows_of(reading)[-1] == "5|Moss, Kim|Came back without the letter from home|5.5"


def test_a_quote_that_opens_in_one_cell_and_closes_in_another_holds_the_separator() -> None:
    torn = '5,Kim"Came back, with all the letters from home, at noon",5.5'
    reading = read("no,name,note,cost", *(line.replace("Hill, ", "") for line in NOTES), torn)

    assert rows_of(reading)[-1] == "5|Kim|Came back, with all the letters from home, at noon|5.5"


def test_a_line_end_in_quotes_behind_the_last_column_stays() -> None:
    reading = read('"ward";"beds";"lead"', '"North";"12";"Hill";"', '"')

    assert reading.table.header == ["ward", "beds", "lead"]
    assert reading.table.rows == [["North", "12", "Hill", "\n"]]


def test_where_no_two_lines_are_alike_the_names_tell_the_columns() -> None:
    reading = read("id,name,age", "11,Ann", "12,Bo,26,left")

    assert reading.table.header == ["id", "name", "age"]
    assert reading.table.rows == [["11", "Ann", ""], ["12", "Bo", "26", "left"]]


def test_remarks_among_few_rows_are_no_rows() -> None:
    reading = read("x,y,z", "# first", "1,2,3", "# second", "# third", "4,5,6", "# end")

    assert rows_of(reading) == ["x|y|z", "1|2|3", "4|5|6"]
    assert reading.describe()["comment_lines"] == [2, 4, 5, 7]


def test_remarks_do_not_decide_what_parts_the_cells() -> None:
    reading = read("# One remark", "# another one", "a line that lacks the mark", "# a third",
                   "ward;beds", "# a fourth", "3;7", "4;9", "# the end")  # fmt: skip

    assert rows_of(reading) == ["ward|beds", "3|7", "4|9"]


def test_a_number_sign_that_begins_the_names_is_no_remark() -> None:
    reading = read("# of beds,ward,lead", "12,North,Hill", "9,South,Bell", "15,East,Moss")

    assert rows_of(reading)[:2] == ["# of beds|ward|lead", "12|North|Hill"]


# as programs show tables, and write logs


@pytest.mark.parametrize(
    "drawn",
    [
        ("+----+-------+", "| id | name  |", "+----+-------+", "|  1 | Ann H |", "|  2 | Bo    |",
         "|  3 | Cy    |", "+----+-------+", "3 rows in set (0.00 sec)"),
        ("| id | name |", "|:---|-----:|", "| 1 | Ann H |", "| 2 | Bo |", "| 3 | Cy |"),
        (" id | name  ", "----+-------", "  1 | Ann H", "  2 | Bo", "  3 | Cy", "(3 rows)"),
    ],
    ids=["framed", "markdown", "ruled"],
)  # fmt: skip
def test_drawn_tables_are_read_without_their_bars_and_rules(drawn: tuple[str, ...]) -> None:
    assert rows_of(read(*drawn)) == ["id|name", "1|Ann H", "2|Bo", "3|Cy"]


def test_bars_without_a_rule_stay_as_they_are() -> None:
    reading = read("|a|b|", "|1|x|", "|2|y|", "|3|z|")

    assert reading.table.width == 4


def test_pairs_of_names_and_values_are_a_table_of_their_values() -> None:
    reading = read('at=2024-01-02 level=info text="bed \\"A\\" free" took=12',
                   'at=2024-01-03 level=warn text="no bed"', "at=2024-01-04 level=info took=9",
                   'at=2024-01-05 level=info text="all quiet" took=7')  # fmt: skip

    assert rows_of(reading) == ["at|level|text|took", '2024-01-02|info|bed "A" free|12',
                                "2024-01-03|warn|no bed|", "2024-01-04|info||9",
                                "2024-01-05|info|all quiet|7"]  # fmt: skip


def test_an_equals_sign_in_a_cell_makes_no_pairs() -> None:
    reading = read("name,rule", "a,x=1", "b,y=2", "c,z=3")

    assert rows_of(reading) == ["name|rule", "a|x=1", "b|y=2", "c|z=3"]


def test_the_colons_of_a_clock_part_no_cells() -> None:
    reading = read(*(f"Jan  2 10:0{at}:01 host{at} app[22{at}]: done with {at} things, {'x' * at}"
                     for at in range(1, 8)))  # fmt: skip

    assert reading.describe()["delimiter"] != ":"


def test_names_of_several_words_stand_above_values_parted_by_single_blanks() -> None:
    reading = read("Patient ID  First Name  Seen on  Weight kg", "101 Ann 2024-01-02 61.5",
                   "102 Bo 2024-01-03 70.2", "103 Cy 2024-01-04 55.0",
                   "104 Di 2024-01-05 81.1")  # fmt: skip

    assert rows_of(reading)[:2] == ["Patient ID|First Name|Seen on|Weight kg",
                                    "101|Ann|2024-01-02|61.5"]  # fmt: skip


def test_columns_that_line_up_win_over_commas_within_their_text() -> None:
    names = ("Smith, J", "Ada", "New York", "Hill, Ann", "Müller, K")
    made = [
        f"{1000 + 7 * at:<14}{names[at % 5]:<20}20{10 + at % 9}-01-{10 + at % 9}    {at / 4:<10}"
        for at in range(40)
    ]
    reading = read(f"{'id':<14}{'name':<20}{'day':<14}{'dose':<10}", *made)

    assert reading.describe()["format"] == "fixed width"
    assert reading.table.header == ["id", "name", "day", "dose"]
    assert [row[1] for row in reading.table.rows] == [names[at % 5] for at in range(40)]


def test_a_long_list_below_a_table_is_told_as_a_table_of_its_own() -> None:
    below = [f"{at};{at * 3};x{at}" for at in range(900)]
    reading = read(*WARDS, "", "code;times;room", *below)

    told = reading.describe()
    assert told["rows"] == 900
    assert reading.table.header == ["code", "times", "room"]
