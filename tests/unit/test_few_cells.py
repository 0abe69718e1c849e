"""A few cells are read by Python, many by Arrow: the same cells give the same values either way."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.check import check_field
from pipeline.contract.loading import Field
from pipeline.errors import ContentError
from pipeline.formats.base import ReadAs
from pipeline.formats.cells import _few_cells, _parsable, _read_arrow
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.raw.choose import choose, likeliest
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.structure import Block
from pipeline.formula.evaluate import ARROW_TYPES, Moment, broken_rows
from pipeline.formula.few import answer_of, broken_few
from pipeline.formula.language import Column, parse_check
from pipeline.formula.terms import Kind
from pipeline.kinds import _convert_identifiers
from pipeline.mapping.sourcewords import NO_WORDS, read_cells
from pipeline.messages import Limits
from pipeline.outputs.files import csv_rows
from pipeline.references import digests_of
from pipeline.rows.keyfilter import matching_form
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.codes import Code, CodeEvidence, CodeSet, convert_codes
from pipeline.standardize.contact import convert_emails, convert_phones, convert_postal_codes_us
from pipeline.standardize.dates import DateDecision, DateEvidence, convert_dates
from pipeline.standardize.identifiers import IdentifierEvidence
from pipeline.standardize.numbers import NumberEvidence
from pipeline.standardize.text import TextEvidence, convert_string
from pipeline.standardize.wholetexts import FEW, match_pattern, replace_whole

CELLS = [
    "", " ", "x", " x", "x\t", "NA", "null", "Müller", "M\u00c3\u00bcller", "a\u200bb", "e\u0301",
    "\u00a0y", "\x00", "a\nb", 'say "a"', "a,b", "#N/A", "(405) 901-4744", "405.901.4744 ",
    "+49 30 123456", "4059014744.0", "ada@Example.COM", "a@b", "33501", "335011234", "33501-1234",
    "33501 1234", "33501\u20101234", "33501.0", "1960-02-30", "1960-05-17", "17.5.1960", "44000",
    "1-Mar", "SEP-12", "01. Okt", "1.23457E+19", "1000000000000000", "F", "female", "Ｆ", "١٢",
]  # fmt: skip
SEX = CodeSet([Code("female", ("F", "woman")), Code("male", ("M",))])
DATES = DateDecision(
    kind="date",
    orders={"9999-99-99": "ymd", "99.9.9999": "dmy"},
    timezone=None,
    century="past",
    today=datetime.date(2026, 1, 1),
)
KINDS: dict[str, Callable[[pa.StringArray], Converted]] = {
    "codes": lambda cells: convert_codes(cells, SEX),
    "codes-kept": lambda cells: convert_codes(cells, SEX, unknown="keep"),
    "dates": lambda cells: convert_dates(cells, DATES),
    "emails": convert_emails,
    "identifiers": _convert_identifiers,
    "pattern": lambda cells: convert_string(cells, pattern="[A-Za-z]{1,3}[0-9]?"),
    "phones": lambda cells: convert_phones(cells, "US"),
    "phones-of-no-country": convert_phones,
    "postal-codes": convert_postal_codes_us,
    "text": convert_string,
}
PATTERNS = [
    "[A-Za-z0-9][A-Za-z0-9-]{2,31}", r"\d{5}(?:-\d{4})?", "x|y|", "[^a-z]+", r"\w+", "a.b",
    "(a|x)*", "^x$", "(?i)na", r"\s*x", "[[:alpha:]]+", r"\p{L}+", r"(?=x)x", r"a\nb",
    "(?:x{2}){2}", "[x",
]  # fmt: skip
cells_of_a_column = st.lists(
    st.none() | st.sampled_from(CELLS) | st.text(alphabet="aX 9@.-/#é\u200b\n", max_size=8),
    min_size=1,
    max_size=30,
)


def many(cells: list[str | None]) -> pa.StringArray:
    """The same cells over and over, too many for Python to read."""
    return pa.array(cells * (1 + FEW // len(cells)), pa.string())


def facts(converted: Converted, count: int) -> dict[str, Any]:
    """All about the first `count` rows."""
    return {
        "values": converted.values.to_pylist()[:count],
        **{
            name: {str(key): [row for row in rows.tolist() if row < count] for key, rows in of}
            for name, of in (
                ("bad", converted.bad.items()),
                ("marked", converted.marked.items()),
                ("changed", converted.changed.items()),
            )
        },
    }


@pytest.mark.parametrize("convert", KINDS.values(), ids=KINDS.keys())
@settings(deadline=None, max_examples=40)
@given(more=cells_of_a_column)
def test_few_cells_become_what_many_do(
    convert: Callable[[pa.StringArray], Converted], more: list[str | None]
) -> None:
    cells = [*CELLS, None, *more]
    assert facts(convert(pa.array(cells, pa.string())), len(cells)) == facts(
        convert(many(cells)), len(cells)
    )


@pytest.mark.parametrize("convert", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("cell", CELLS)
def test_one_cell_becomes_what_it_does_among_many(
    cell: str, convert: Callable[[pa.StringArray], Converted]
) -> None:
    assert facts(convert(pa.array([cell])), 1) == facts(convert(many([cell])), 1)


@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column.map(lambda cells: [cell or "" for cell in cells]))
def test_few_cells_are_cleaned_as_many_are(cells: list[str]) -> None:
    few, changed = read_cells(pa.array(cells, pa.string()), NO_WORDS, ("", "NA"))
    all_of_them, changed_too = read_cells(many([*cells]), NO_WORDS, ("", "NA"))
    assert few.to_pylist() == all_of_them.to_pylist()[: len(cells)]
    assert _first(changed, len(cells)) == _first(changed_too, len(cells))


def _first(changed: dict[str, Rows], count: int) -> dict[str, list[int]]:
    """The rows below `count` by reason; a reason without any says nothing."""
    kept = {
        reason: [row for row in rows.tolist() if row < count] for reason, rows in changed.items()
    }
    return {reason: rows for reason, rows in kept.items() if rows}


@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column)
def test_few_cells_are_the_evidence_that_many_are(cells: list[str | None]) -> None:
    once, over_and_over = pa.array(cells, pa.string()), many(cells)
    times = len(over_and_over) // len(once)
    for kind in (TextEvidence, IdentifierEvidence, DateEvidence):
        few, all_of_them = kind(), kind()
        few.observe(once)
        all_of_them.observe(over_and_over)
        assert _times(few.as_dict(), times) == all_of_them.as_dict()
    codes, more_codes = CodeEvidence(SEX), CodeEvidence(SEX)
    codes.observe(once)
    more_codes.observe(over_and_over)
    assert codes.as_dict()["unknown"] * times == more_codes.as_dict()["unknown"]


_NUMBERS = st.none() | st.sampled_from(
    ["1", "12", "1234", "0123", "1.234", "1.5", "1,5", "1,234", "1.234,5", "<5", "5 mg", "-3", "5-",
     "1 234", "1'234", "1E3", "neg", "", "12\n", "１２", "+4", "(5.00)", "1,2345",
     "0.000", "1234.567"]
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(cells=st.lists(_NUMBERS, min_size=1, max_size=9))
def test_few_numbers_are_the_evidence_that_many_are(cells: list[str | None]) -> None:
    few, all_of_them = NumberEvidence(), NumberEvidence()
    few.observe(pa.array(cells, pa.string()))
    over_and_over = pa.concat_arrays([pa.array(cells, pa.string())] * (FEW + 1))
    all_of_them.observe(over_and_over)
    assert _times(few.as_dict(), FEW + 1) == all_of_them.as_dict()


def _times(counts: dict[str, Any], times: int) -> dict[str, Any]:
    """Evidence of as many times as many cells; how many dates differ stays."""
    return {
        name: _times(count, times)
        if isinstance(count, dict)
        else count * (1 if name == "different" else times)
        for name, count in counts.items()
    }


WRITTEN = st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y", "%Y/%m/%d", "%Y%m%d", "%d %b %Y"])


@settings(deadline=None, max_examples=60)
@given(
    days=st.lists(st.none() | st.dates(), min_size=1, max_size=12),
    form=WRITTEN,
    odd=st.sampled_from([[], ["1960-02-30"], ["0000-01-01"], ["31.02.1960"], ["2024-W01-1"]]),
)
def test_a_few_dates_written_alike_are_what_many_are(
    days: list[datetime.date | None], form: str, odd: list[str]
) -> None:
    cells = [None if day is None else day.strftime(form) for day in days] + odd
    assert facts(convert_dates(pa.array(cells, pa.string()), DATES), len(cells)) == facts(
        convert_dates(many(cells), DATES), len(cells)
    )
    few, all_of_them = DateEvidence(), DateEvidence()
    few.observe(pa.array(cells, pa.string()))
    all_of_them.observe(many(cells))
    assert _times(few.as_dict(), 1 + FEW // len(cells)) == all_of_them.as_dict()


@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column)
def test_few_cells_break_the_rules_that_many_break(cells: list[str | None]) -> None:
    rules = {
        "pattern": "[A-Za-z]{1,3}[0-9]?",
        "minLength": 2,
        "maxLength": 5,
        "required": True,
        "enum": ["F", "33501", "x"],
    }
    told = Field.model_validate({"name": "f", "type": "string", "constraints": rules})
    assert _broken(told, pa.array(cells, pa.string())) == _broken(told, many(cells), len(cells))


@settings(deadline=None, max_examples=40)
@given(
    days=st.lists(st.none() | st.dates(), min_size=1, max_size=9),
    numbers=st.lists(st.none() | st.floats(-10, 10), min_size=1, max_size=9),
)
def test_few_values_are_beyond_the_bounds_that_many_are(
    days: list[datetime.date | None], numbers: list[float | None]
) -> None:
    for kind, ends, values in (
        ("date", ("1950-01-01", "2020-12-31"), pa.array(days, pa.date32())),
        ("number", (-1, 2.5), pa.array(numbers, pa.float64())),
    ):
        more = pa.concat_arrays([values] * (1 + FEW // len(values)))
        for low, high in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
            rules = {low: ends[0], high: ends[1]}
            told = Field.model_validate({"name": "f", "type": kind, "constraints": rules})
            assert _broken(told, values) == _broken(told, more, len(values))


def _broken(
    told: Field, values: pa.Array, count: int | None = None
) -> dict[tuple[str, str], list[int]]:
    """Which of the first `count` rows break which rule."""
    most = len(values) if count is None else count
    found = {
        (one.rule, one.sentence): [row for row in one.rows.tolist() if row < most]
        for one in check_field(told, values)
    }
    return {rule: rows for rule, rows in found.items() if rows}


_FIELDS = {
    "born": Kind.DATE,
    "died": Kind.DATE,
    "seen": Kind.TIME,
    "weight": Kind.NUMBER,
    "sign": Kind.TEXT,
    "fasting": Kind.YES_NO,
}
_FORMULAS = [
    "age(born) < 40",
    "born <= today()",
    "died >= born and not fasting",
    "died is null or died >= born",
    "age(born) >= 0 and born > '1990-01-01' or sign = 'x'",
    "seen <= now() and (weight > 2.5 or weight is null)",
    "not (weight <= 2.5 or fasting = true) and length(sign) != 2",
    "sign in ('x', 'é', 'xé') or sign < 'y' and fasting",
    "weight * 2 > 5 or sign is not null",
]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.dates(),
            st.none() | st.dates(),
            st.none() | st.datetimes(timezones=st.just(datetime.UTC)),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.sampled_from(["", "x", "é", "xé", "\U0001f600", "zz"]),
            st.none() | st.booleans(),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_few_rows_answer_a_formula_as_many_do(rows: list[tuple[Any, ...]]) -> None:
    moment = Moment.at(1_772_000_000.0)
    columns = {
        name: pa.array(values, ARROW_TYPES[kind])
        for (name, kind), values in zip(_FIELDS.items(), zip(*rows, strict=True), strict=True)
    }
    for formula in _FORMULAS:
        rule = parse_check(formula, {name: Column(kind) for name, kind in _FIELDS.items()})
        answer = answer_of(rule)
        assert (answer is None) is ("*" in formula)
        if answer is not None:
            few = {name: column.to_pylist() for name, column in columns.items()}
            assert broken_few(answer, few, moment) == broken_rows(rule, columns, moment).tolist()


@settings(deadline=None, max_examples=60)
@given(
    cells=st.lists(st.none() | st.text(alphabet="aX \t\n\r\f’é\x0b\u00a0", max_size=8), min_size=1)
)
def test_few_texts_are_compared_as_many_are(cells: list[str | None]) -> None:
    few = matching_form(pa.array(cells, pa.string())).to_pylist()
    assert few == matching_form(many(cells)).to_pylist()[: len(cells)]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column)
def test_a_contracts_pattern_means_the_same_for_few_cells(
    pattern: str, cells: list[str | None]
) -> None:
    def answers(column: pa.StringArray) -> list[bool | None] | None:
        try:
            found: list[bool | None] = match_pattern(column, pattern).to_pylist()
        except pa.ArrowInvalid:
            return None
        return found[: len(cells)]

    assert answers(pa.array(cells, pa.string())) == answers(many(cells))


@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column)
def test_few_texts_are_rewritten_as_many_are(cells: list[str | None]) -> None:
    for pattern, template in (("([a-z])(X)?(9)?", r"\1-\3"), ("(x|y|)", r"<\1>")):
        few = replace_whole(pa.array(cells, pa.string()), pattern, template).to_pylist()
        assert few == replace_whole(many(cells), pattern, template).to_pylist()[: len(cells)]


@settings(deadline=None, max_examples=40)
@given(cells=cells_of_a_column)
def test_few_rows_are_written_and_hashed_as_many_are(cells: list[str | None]) -> None:
    others = pa.array([None if cell is None else len(cell) for cell in cells], pa.int64())
    few = [pa.array(cells, pa.string()), others]
    times = 1 + FEW // len(cells)
    all_of_them = [pa.concat_arrays([column] * times) for column in few]
    assert csv_rows(all_of_them) == csv_rows(few) * times
    assert csv_rows(all_of_them[:1]) == csv_rows(few[:1]) * times
    digests, rows = digests_of(few)
    digests_too, rows_too = digests_of(all_of_them)
    assert digests_too.tolist() == digests.tolist() * times
    assert rows_too[: len(rows)].tolist() == rows.tolist()
    assert rows.dtype == rows_too.dtype == np.int64


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.text(alphabet="ab ,\r\ufeffé\x00", max_size=8), min_size=1, max_size=9),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_few_lines_are_split_as_many_are(rows: list[str], end: str) -> None:
    times = 1 + FEW // len(rows)
    head = f"name,other{end}first,row{end}"
    with tempfile.TemporaryDirectory() as folder:
        few, all_of_them = (
            _read(Path(folder, name), (head + "".join(f"{row}{end}" for row in lines)).encode())
            for name, lines in (("few", rows), ("many", rows * times))
        )
    assume(few and all_of_them)
    count = len(few[0])
    assert [column[:count] for column in all_of_them] == few


def _read(path: Path, content: bytes) -> list[list[object]]:
    """Records and cells by column; nothing when the header is not that of the rows."""
    path.write_bytes(content)
    try:
        batches = DelimitedReader(path, Limits(), read_as=ReadAs(encoding="utf-8", delimiter=","))
    except ContentError:
        return []
    found: list[list[object]] = [[], [], []]
    for batch in batches.batches():
        for into, column in zip(found, [batch.records, *batch.columns], strict=True):
            into += column.tolist()
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


_CELL = (
    st.text(alphabet="ab ;'\ufeffé\x00", max_size=4)
    | st.text(alphabet="ab", min_size=1, max_size=2).map(lambda text: f'{text}"{text}""')
    | st.text(alphabet='ab,"\n\r é', max_size=4).map(_quoted)
)


@settings(deadline=None, max_examples=200)
@given(
    rows=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=9),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
)
def test_few_quoted_records_are_split_as_many_are(
    rows: list[tuple[str, str]], end: str, is_ended: bool
) -> None:
    records = [f"{','.join(cells)}{end}".encode() for cells in rows]
    records[-1] = records[-1] if is_ended else records[-1].removesuffix(end.encode())
    lines = [
        record.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") for record in records
    ]
    block = Block(
        text=b"".join(records),
        starts=np.cumsum([0, *map(len, records)]),
        first_lines=np.cumsum([0, *lines[:-1]]),
        lines=sum(lines) + (not is_ended),
        has_quotes=True,
    )
    assume(not block.text.startswith(b"\xef\xbb\xbf"))
    table, ragged = _read_arrow(_parsable(block), ["0", "1"], ",", block)
    few = _few_cells(block, 2, b",")
    assert few is not None
    assert not ragged
    assert [one.to_pylist() for one in few] == [one.to_pylist() for one in table.columns]


@settings(deadline=None, max_examples=40)
@given(
    lines=st.lists(st.text(alphabet="ab1.,;|\t \"'@-", min_size=1, max_size=24), min_size=1).filter(
        lambda lines: any(line.strip() for line in lines)
    )
)
def test_the_likeliest_dialect_is_the_one_that_is_chosen(lines: list[str]) -> None:
    text = Lines.of("\n".join(lines) + "\n")
    assert likeliest(text) == choose(text).best
