"""Dates: every hazard of area E, and what is decided, asked or refused beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import FileCode, RowCode
from pipeline.standardize.base import Converted, Question
from pipeline.standardize.dates import (
    Century,
    DateDecision,
    DateEvidence,
    DateHint,
    DateKind,
    convert_dates,
    decide_dates,
    format_datetimes,
)
from tests.unit.counting import counted

TODAY = date(2026, 11, 21)
NEW_YORK = "America/New_York"


def decide(
    texts: Sequence[str | None],
    kind: DateKind = "date",
    *,
    timezone: str | None = NEW_YORK,
    century: Century = "past",
    hint: DateHint | None = None,
) -> DateDecision | list[Question]:
    evidence = DateEvidence()
    evidence.observe(pa.array(texts, pa.string()))
    return decide_dates(
        evidence,
        column="when",
        kind=kind,
        timezone=timezone,
        century=century,
        today=TODAY,
        hint=hint,
    )


def outcomes(converted: Converted) -> list[str | None]:
    """The value of each row as it is delivered, or the code that refused it."""
    if "offset_minutes" in converted.extra:
        values = format_datetimes(converted.values, converted.extra["offset_minutes"])
    else:
        values = converted.values.cast(pa.string())
    found: list[str | None] = values.to_pylist()
    for code, rows in converted.bad.items():
        for row in rows:
            assert found[row] is None
            found[row] = code.value
    return found


def read(
    texts: Sequence[str | None],
    kind: DateKind = "date",
    *,
    timezone: str | None = NEW_YORK,
    century: Century = "past",
    hint: DateHint | None = None,
) -> list[str | None]:
    """Outcomes of a column that must be decidable."""
    decision = decide(texts, kind, timezone=timezone, century=century, hint=hint)
    assert isinstance(decision, DateDecision), decision
    return outcomes(convert_dates(pa.array(texts, pa.string()), decision, TODAY))


def asked(
    texts: Sequence[str | None], kind: DateKind = "date", hint: DateHint | None = None
) -> str:
    """The questions of a column that must not be decidable, as one text."""
    questions = decide(texts, kind, hint=hint)
    assert isinstance(questions, list), questions
    assert questions
    assert {question.code for question in questions} == {FileCode.DATE_AMBIGUOUS}
    assert {question.column for question in questions} == {"when"}
    return " | ".join(question.sentence for question in questions)


def questions_of(texts: Sequence[str | None], timezone: str | None = NEW_YORK) -> list[Question]:
    """What is asked about a column of times."""
    questions = decide(texts, "datetime", timezone=timezone)
    assert isinstance(questions, list), questions
    return questions


DATES = [
    ("E68 proof in the same shape", ["03/04/2025", "25/04/2025"], ["2025-04-03", "2025-04-25"]),
    ("E68 month first", ["03/04/2025", "04/25/2025"], ["2025-03-04", "2025-04-25"]),
    ("E71 ISO beside day first", ["2025-03-04", "25-04-2025"], ["2025-03-04", "2025-04-25"]),
    ("E74 serial", ["45000"], ["2023-03-15"]),
    (
        "E74 serials around the day that never was",
        ["45000", "59", "61", "1"],
        ["2023-03-15", "1900-02-28", "1900-03-01", "1900-01-01"],
    ),
    ("E76 serial 60", ["45000", "60"], ["2023-03-15", "impossible-date"]),
    ("E77 compact", ["20250115"], ["2025-01-15"]),
    ("E80 fractions", ["2025-01-01", "1/2", "3/4"], ["2025-01-01", "type-error", "type-error"]),
    ("E82 a time", ["2025-01-01", "10:30"], ["2025-01-01", "type-error"]),
    ("E83 30 February", ["2025-02-30", "31/02/2025"], ["impossible-date", "impossible-date"]),
    ("E83 29 February", ["2024-02-29", "2025-02-29"], ["2024-02-29", "impossible-date"]),
    ("E83 29 February 1900", ["1900-02-29", "2000-02-29"], ["impossible-date", "2000-02-29"]),
    ("E85 zeros", ["0000-00-00", "00/00/0000"], ["impossible-date", "impossible-date"]),
    ("E85 zeros listed as missing", [None], [None]),
    ("E92 a year", ["2025-01-01", "1980"], ["2025-01-01", "partial-date"]),
    ("E92 month and year", ["Jan-85", "2025-03", "03/2025", "March 1985"], ["partial-date"] * 4),
    ("named, upper case", ["16-MAR-2025", "16MAR2025"], ["2025-03-16", "2025-03-16"]),
    ("named, long", ["March 5, 2025", "5 March 2025"], ["2025-03-05", "2025-03-05"]),
    ("named, weekday", ["Wednesday, March 5th, 2025"], ["2025-03-05"]),
    ("named, wrong weekday", ["Monday, March 5, 2025"], ["impossible-date"]),
    ("named, of", ["5th of Sept. 2025", "sep 5 2025"], ["2025-09-05", "2025-09-05"]),
    ("named, impossible", ["31-Apr-2025"], ["impossible-date"]),
    ("not a month", ["31-Foo-2025", "5 Marx 2025"], ["type-error", "type-error"]),
    ("year first", ["2025/3/4", "2025.03.04", "2025-Mar-04"], ["2025-03-04"] * 3),
    ("dots", ["3.4.2025", "25.12.2025"], ["2025-04-03", "2025-12-25"]),
    ("day equals month", ["05/05/2025", "11/11/2024"], ["2025-05-05", "2024-11-11"]),
    ("midnight is a date", ["2025-03-04 00:00:00", "2025-03-04T00:00Z"], ["2025-03-04"] * 2),
    ("a time of day is not dropped", ["1965-11-23 23:00"], ["type-error"]),
    ("mixed separators", ["2025-03/04", "03/04-2025"], ["type-error", "type-error"]),
    ("no dates at all", ["PT-1234", "n/a", "4.5", "+1", "患者", "٣/٤/٢٠٢٥"], ["type-error"] * 6),
    ("not a compact date", ["12345678", "25122024"], ["type-error", "type-error"]),
    ("small numbers", ["5", "45", "120"], ["type-error"] * 3),
]


@pytest.mark.parametrize(("texts", "right"), [c[1:] for c in DATES], ids=[c[0] for c in DATES])
def test_a_date_is_read_as_it_was_meant_or_refused(
    texts: list[str | None], right: list[str | None]
) -> None:
    assert read(texts) == right


TIMES = [
    ("E79 HL7", ["20250115103000-0500"], ["2025-01-15T10:30:00-05:00"]),
    ("E79 HL7 short", ["202501151030"], ["2025-01-15T10:30:00-05:00"]),
    ("E79 HL7 fraction", ["20250115103000.1234+0100"], ["2025-01-15T10:30:00.123400+01:00"]),
    ("E86 12 AM", ["12/31/2025 12:00 AM"], ["2025-12-31T00:00:00-05:00"]),
    ("E86 12 PM", ["12/31/2025 12:30 PM"], ["2025-12-31T12:30:00-05:00"]),
    ("E86 13 PM", ["12/31/2025 13:00 PM", "12/31/2025 0:30 AM"], ["type-error"] * 2),
    ("E86 no space", ["12/31/2025 1:05pm"], ["2025-12-31T13:05:00-05:00"]),
    ("E86 dots", ["12/31/2025 1:05 p.m."], ["2025-12-31T13:05:00-05:00"]),
    ("E88 EST", ["2025-01-01 10:00 EST"], ["2025-01-01T10:00:00-05:00"]),
    ("E88 EDT", ["2025-07-01 10:00 EDT"], ["2025-07-01T10:00:00-04:00"]),
    ("E88 EST in July", ["2025-07-01 10:00 EST"], ["timezone-missing"]),
    ("E89 told", ["2025-11-02 01:30 EDT", "2025-11-02 01:30 EST"],
     ["2025-11-02T01:30:00-04:00", "2025-11-02T01:30:00-05:00"]),
    ("E89 twice", ["2025-11-02 01:30"], ["ambiguous-time"]),
    ("E89 never", ["2025-03-09 02:30"], ["nonexistent-time"]),
    (
        "E89 around the changes",
        ["2025-11-02 00:59:59", "2025-11-02 02:00", "2025-03-09 01:59:59", "2025-03-09 03:00"],
        [
            "2025-11-02T00:59:59-04:00",
            "2025-11-02T02:00:00-05:00",
            "2025-03-09T01:59:59-05:00",
            "2025-03-09T03:00:00-04:00",
        ],
    ),
    ("E89 told by its offset", ["2025-11-02T01:30:00-04:00"], ["2025-11-02T01:30:00-04:00"]),
    ("ISO", ["2025-03-04T10:15:30Z"], ["2025-03-04T10:15:30+00:00"]),
    ("ISO with a space", ["2025-03-04 10:15"], ["2025-03-04T10:15:00-05:00"]),
    ("offset", ["2025-03-04T10:15+05:30"], ["2025-03-04T10:15:00+05:30"]),
    ("offset without colon", ["2025-03-04T10:15+0530"], ["2025-03-04T10:15:00+05:30"]),
    ("fraction", ["2025-03-04T10:15:30.5Z"], ["2025-03-04T10:15:30.500+00:00"]),
    ("named month", ["16-Mar-2025 12:15"], ["2025-03-16T12:15:00-04:00"]),
    ("browser", ["Tue Mar 04 2025 10:15:00 GMT-0500 (EST)"], ["2025-03-04T10:15:00-05:00"]),
    ("SQL Server", ["Mar  5 2025 10:15AM"], ["2025-03-05T10:15:00-05:00"]),
    ("SAS", ["16MAR2025:12:15:00"], ["2025-03-16T12:15:00-04:00"]),
    ("UTC by name", ["2025-03-04 10:15 UTC"], ["2025-03-04T10:15:00+00:00"]),
    ("hour 24", ["2025-03-04 24:00"], ["type-error"]),
    ("second 60, minute 60", ["2025-03-04 23:59:60", "2025-03-04 10:60"], ["type-error"] * 2),
    ("no such offset", ["2025-03-04T10:15+15:00", "2025-03-04T10:15+05:75"], ["type-error"] * 2),
    ("o'clock", ["13.1.2025 10:15 Uhr"], ["2025-01-13T10:15:00-05:00"]),
    ("a remark", ["2025-03-04 10:15 by phone"], ["type-error"]),
    ("serial with time", ["45000.4375"], ["2023-03-15T10:30:00-04:00"]),
    ("serial, rounded by the sheet", ["45000.4270833333"], ["2023-03-15T10:15:00-04:00"]),
    ("impossible", ["2025-02-30 10:00"], ["impossible-date"]),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "right"), [c[1:] for c in TIMES], ids=[c[0] for c in TIMES])
def test_a_time_is_read_as_it_was_meant_or_refused(
    texts: list[str | None], right: list[str | None]
) -> None:
    assert read(texts, "datetime") == right


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["03/04/2025", "05/06/2025"], "99/99/9999 may be day-month-year or month-day-year"),
        (["25/04/2025", "04/25/2025"], "99/99/9999 contradict each other: 1 of 2 values"),
        (["03-04-2025", "25/04/2025"], "99-99-9999 may be"),
        (["15 mars 2025"], "a language that nobody confirmed: fr or sv"),
        (["45000", "1985"], "1 of 2 values written as plain numbers"),
        (["45000", "0"], "1 of 2 values written as plain numbers"),
        (["45000", "12.5"], "1 of 1 value written as plain numbers"),
        (["45000", "99999"], "1 of 2 values written as plain numbers"),
        (["20250115", "25122024", "20250116"], "1 of 3 values can be no year-month-day"),
        (["24-12-01", "24-12-02", "24-12-03"], "may have the year first or last"),
    ],
    ids=[
        "E70 no proof", "E70 contradiction", "E70 proof in another shape", "E91 no language",
        "E74 a year among serials", "E74 zero among serials", "E74 measurements",
        "E74 too large for a serial", "E77 eight digits of two kinds", "E73 year first or last",
    ],
)  # fmt: skip
def test_what_the_values_do_not_prove_is_asked(texts: list[str | None], words: str) -> None:
    assert words in asked(texts)


@pytest.mark.parametrize(
    ("text", "century", "right"),
    [
        ("25/12/45", "past", "1945-12-25"),
        ("21/11/26", "past", "2026-11-21"),
        ("22/11/26", "past", "1926-11-22"),
        ("25/12/30", "future", "2030-12-25"),
        ("25/12/22", "future", "2022-12-25"),
        ("25/12/70", "future", "2070-12-25"),
        ("25/12/45", "nearest", "2045-12-25"),
        ("25/12/80", "nearest", "1980-12-25"),
        ("25-Dec-45", "past", "1945-12-25"),
        ("29/02/00", "past", "2000-02-29"),
        ("29/02/30", "past", "impossible-date"),
    ],
)
def test_e73_a_two_digit_year_finds_its_century_by_the_meaning_of_its_field(
    text: str, century: Century, right: str
) -> None:
    assert read([text], century=century) == [right]


def test_e73_years_first_of_two_digits_are_read_when_nothing_else_is_possible() -> None:
    assert read(["85-03-12", "93-11-30", "07-01-02"]) == ["1985-03-12", "1993-11-30", "2007-01-02"]


def test_e70_a_confirmed_order_answers_the_question() -> None:
    assert read(["03/04/2025"], hint=DateHint(order="dmy")) == ["2025-04-03"]
    assert read(["03/04/2025"], hint=DateHint(orders={"99/99/9999": "mdy"})) == ["2025-03-04"]


def test_e70_a_confirmed_order_does_not_bend_proof() -> None:
    sentence = asked(["25/04/2025", "03/04/2025"], hint=DateHint(order="mdy"))
    assert "were confirmed as month-day-year, but 1 of 2 values" in sentence


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"order": "DMY"}, "unknown date order: DMY"),
        ({"orders": {"99/99/9999": "day"}}, "unknown date order: day"),
        ({"languages": ("xx",)}, "unknown language: xx"),
        ({"zones": {"EST": "Nowhere/Land"}}, "unknown zone: Nowhere/Land"),
    ],
)
def test_what_a_person_confirms_must_exist(mistake: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DateHint(**mistake)


def test_e88_an_abbreviation_means_what_a_person_said() -> None:
    text = ["2025-01-01 10:00 EST"]
    fixed = DateHint(zones={"EST": "-05:00"})
    zoned = DateHint(zones={"EST": NEW_YORK})
    assert read(text, "datetime", hint=fixed) == ["2025-01-01T10:00:00-05:00"]
    assert read(text, "datetime", hint=zoned) == ["2025-01-01T10:00:00-05:00"]
    assert read(["2025-07-01 10:00 EST"], "datetime", hint=zoned) == ["timezone-missing"]


def test_e89_an_abbreviation_settles_the_doubled_hour() -> None:
    hint = DateHint(zones={"EST": NEW_YORK, "EDT": NEW_YORK})
    assert read(["2025-11-02 01:30 EDT", "2025-11-02 01:30 EST"], "datetime", hint=hint) == [
        "2025-11-02T01:30:00-04:00",
        "2025-11-02T01:30:00-05:00",
    ]


def test_e91_months_of_a_confirmed_language_are_read() -> None:
    french = DateHint(languages=("fr",))
    assert read(["15 mars 2025", "1er août 2025"], hint=french) == ["2025-03-15", "2025-08-01"]
    german = DateHint(languages=("de",))
    texts: Sequence[str | None] = ["15. März 2025", "1-Okt-2025"]
    assert read(texts, hint=german) == ["2025-03-15", "2025-10-01"]


def test_serials_may_count_from_1904_where_a_person_said_so() -> None:
    assert read(["43538"], hint=DateHint(serials="1904")) == ["2023-03-15"]


@pytest.mark.parametrize(
    ("text", "timezone"),
    [
        ("2025-03-04 10:15", None),
        ("2025-03-04 10:15 EST", None),
        ("2025-03-04 10:15 PST", NEW_YORK),
        ("2025-03-04 10:15 EST", "Europe/Berlin"),
    ],
)
def test_a_zone_that_nothing_tells_is_asked_and_among_many_refused(
    text: str, timezone: str | None
) -> None:
    [question] = questions_of([text], timezone)
    assert question.code is FileCode.TIMEZONE_UNKNOWN
    good = [f"2025-03-{day:02}T10:15:00Z" for day in range(1, 29)]
    assert read([*good, text], "datetime", timezone=timezone)[-1] == "timezone-missing"


def test_dates_without_time_are_asked_about_where_times_are_wanted() -> None:
    texts: Sequence[str | None] = ["13.01.2025", "02.01.2025"]
    [question] = questions_of(texts)
    assert (question.code, question.key) == (FileCode.VALUES_UNREADABLE, "time:when")
    assert read(texts, "datetime", hint=DateHint(bare="start")) == [
        "2025-01-13T00:00:00-05:00",
        "2025-01-02T00:00:00-05:00",
    ]
    given: Sequence[str | None] = ["2025-03-04", "03/04/2025", "45000", "20250304"]
    assert read(given, "datetime", hint=DateHint(bare="reject")) == ["partial-date"] * 4


def test_a_midnight_that_never_was_is_not_made_up_for_a_date() -> None:
    hint = DateHint(bare="start")
    assert read(["2025-09-07"], "datetime", timezone="America/Santiago", hint=hint) == [
        "nonexistent-time"
    ]


def test_a_lone_day_number_among_dates_is_read_and_marked() -> None:
    decision = decide(["2023-03-14", "45000", "2023-03-16"])
    assert isinstance(decision, DateDecision)
    result = convert_dates(pa.array(["2023-03-14", "45000", "60"]), decision)
    assert [str(day) for day in result.values.to_pylist()] == ["2023-03-14", "2023-03-15", "None"]
    assert {code: rows.tolist() for code, rows in result.marked.items()} == {
        RowCode.SERIAL_DATE: [1]
    }
    alone = decide(["45000", "45001"])
    assert isinstance(alone, DateDecision)
    assert not convert_dates(pa.array(["45000"]), alone).marked


def test_one_date_without_time_among_times_is_refused() -> None:
    times = [f"2025-03-{day:02} 10:15" for day in range(1, 29)]
    assert read([*times, "2025-03-29"], "datetime")[-1] == "partial-date"


def test_solar_time_before_zones_is_refused() -> None:
    assert read(["1880-01-01 10:15"], "datetime") == ["timezone-missing"]


def test_a_day_that_a_country_skipped_never_was() -> None:
    samoa = read(["2011-12-30 12:00", "2011-12-31 12:00"], "datetime", timezone="Pacific/Apia")
    assert samoa == ["nonexistent-time", "2011-12-31T12:00:00+14:00"]


def test_the_sentence_tells_how_many_values_prove_what() -> None:
    texts: Sequence[str | None] = ["25-04-1957"] * 22 + ["09-05-1957"] * 15
    decision = decide(texts)
    assert isinstance(decision, DateDecision)
    assert decision.sentences == (
        "dates written 99-99-9999 are day-month-year: 22 of 37 values have a first part above 12, "
        "none a second part above 12",
    )


def test_one_slip_does_not_turn_a_column_of_first_of_month_dates() -> None:
    firsts: Sequence[str | None] = [
        f"{month:02d}/01/{year}" for year in range(1950, 2000) for month in range(1, 13)
    ]
    assert "hardly proven" in asked([*firsts, "13/01/2000"])


def test_one_proof_is_enough_where_few_dates_read_both_ways() -> None:
    assert read(["03/04/2025"] * 5000 + ["25/04/2025"])[0] == "2025-04-03"


def test_a_value_that_no_reading_allows_proves_nothing() -> None:
    assert "may be" in asked(["31/02/2025", "03/04/2025"])


def test_a_plan_meets_a_shape_it_never_saw_and_refuses_it() -> None:
    decision = decide(["25/04/2025"])
    assert isinstance(decision, DateDecision)
    converted = convert_dates(pa.array(["03-04-2025", "2025-03-04"]), decision)
    assert outcomes(converted) == ["type-error", "2025-03-04"]


def test_a_decision_survives_json() -> None:
    decision = decide(["25/04/2025", "15 März 2025"], hint=DateHint(languages=("de",)))
    assert isinstance(decision, DateDecision)
    assert DateDecision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision


def test_evidence_holds_no_value() -> None:
    evidence = DateEvidence()
    evidence.observe(pa.array(["17/11/1961", "CANARY", "5 CANARY 2025", "10:15 CANAR", None]))
    plain = json.dumps(evidence.as_dict())
    assert "1961" not in plain
    assert "CANAR" not in plain
    assert evidence.as_dict()["values"] == 4
    assert evidence.as_dict()["missing"] == 1
    assert evidence.as_dict()["unreadable"] == 3


def test_the_parse_share_tells_a_column_of_something_else() -> None:
    decision = decide(["United States", "France", "2025-03-04", "2025-02-30", None])
    assert isinstance(decision, DateDecision)
    assert decision.parse_share == 0.5


def test_changes_are_counted_by_reason() -> None:
    texts = ["25/12/24", "2025-03-04", "25/12/2025", None]
    decision = decide(texts)
    assert isinstance(decision, DateDecision)
    converted = convert_dates(pa.array(texts), decision)
    assert counted(converted.changed) == {"date-reformatted": 2, "century-added": 1}
    times = ["2025-03-04T10:15:00-05:00", "2025-03-04 10:15", "2025-03-04T10:15:00.1234567Z"]
    decided = decide([*times], "datetime")
    assert isinstance(decided, DateDecision)
    assert counted(convert_dates(pa.array(times), decided).changed) == {
        "date-reformatted": 2,
        "timezone-added": 1,
        "fraction-shortened": 1,
    }


@pytest.mark.parametrize("kind", ["date", "datetime"])
@pytest.mark.parametrize("count", [0, 1, 5000])
def test_a_column_of_nothing_is_decided_and_stays_nothing(kind: DateKind, count: int) -> None:
    assert read([None] * count, kind) == [None] * count


def test_types_are_as_promised() -> None:
    dates = decide(["2025-03-04"])
    times = decide(["2025-03-04 10:15"], "datetime")
    assert isinstance(dates, DateDecision)
    assert isinstance(times, DateDecision)
    assert convert_dates(pa.array(["2025-03-04"]), dates).values.type == pa.date32()
    converted = convert_dates(pa.array(["2025-03-04 10:15"]), times)
    assert converted.values.type == pa.timestamp("us", tz="UTC")
    assert converted.extra["offset_minutes"].type == pa.int16()


def test_a_birth_date_column_of_three_spellings_is_read_without_one_mistake() -> None:
    """As mock EHR exports write it: dashes day first, slashes month first, ISO between."""
    random = Random(7)
    births = [date(1940, 1, 1) + timedelta(days=random.randrange(30_000)) for _ in range(100)]
    spellings = [random.choice(["%d-%m-%Y", "%m/%d/%Y", "%Y-%m-%d"]) for _ in births]
    texts: Sequence[str | None] = [
        birth.strftime(spelling) for birth, spelling in zip(births, spellings, strict=True)
    ]
    assert read(texts) == [birth.isoformat() for birth in births]
