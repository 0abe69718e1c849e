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

from pipeline.errors import ContentError
from pipeline.formats.base import ReadAs
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.raw.choose import choose, likeliest
from pipeline.formats.raw.lexer import Lines
from pipeline.kinds import _convert_identifiers
from pipeline.mapping.sourcewords import NO_WORDS, read_cells
from pipeline.messages import Limits
from pipeline.outputs.files import csv_rows
from pipeline.references import digests_of
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.codes import Code, CodeSet, convert_codes
from pipeline.standardize.contact import convert_emails, convert_phones, convert_postal_codes_us
from pipeline.standardize.dates import DateDecision, convert_dates
from pipeline.standardize.identifiers import IdentifierEvidence
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
    for kind in (TextEvidence, IdentifierEvidence):
        few, all_of_them = kind(), kind()
        few.observe(once)
        all_of_them.observe(over_and_over)
        told = few.as_dict()
        assert {name: count * times for name, count in told.items()} == all_of_them.as_dict()


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


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.text(alphabet="ab ,\r\ufeffé\x00", max_size=8), min_size=1, max_size=9))
def test_few_lines_are_split_as_many_are(rows: list[str]) -> None:
    times = 1 + FEW // len(rows)
    head = b"name,other\nfirst,row\n"
    with tempfile.TemporaryDirectory() as folder:
        few, all_of_them = (
            _read(Path(folder, name), head + "".join(f"{row}\n" for row in lines).encode())
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


@settings(deadline=None, max_examples=40)
@given(
    lines=st.lists(st.text(alphabet="ab1.,;|\t \"'@-", min_size=1, max_size=24), min_size=1).filter(
        lambda lines: any(line.strip() for line in lines)
    )
)
def test_the_likeliest_dialect_is_the_one_that_is_chosen(lines: list[str]) -> None:
    text = Lines.of("\n".join(lines) + "\n")
    assert likeliest(text) == choose(text).best
