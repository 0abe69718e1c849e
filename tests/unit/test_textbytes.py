"""Kernels over the bytes of a column, against the same said for one text after another."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.standardize.distinct import put
from pipeline.standardize.plainphones import plain_us_numbers
from pipeline.standardize.text import _clean_one, clean
from pipeline.standardize.textbytes import (
    both,
    bytes_of,
    gather,
    is_valid,
    longest,
    once,
    rows_beginning,
    rows_beyond_ascii,
    rows_of_at_most,
    rows_of_unusual_text,
    rows_with_any,
    rows_with_capitals,
    rows_with_outer_space,
    without,
)

LETTERS = st.characters(codec="utf-8") | st.sampled_from(
    ' ,"\n\r\tNAZaz09-+()\x00\x1f\x7f\x80\x85\xa0\xad\xc0ÿ\u02ff\u0300\u0301\u200b\ufeff\U0001f600'
)
TEXTS = st.lists(st.none() | st.text(LETTERS, max_size=8), max_size=12)


@st.composite
def columns(draw: st.DrawFn) -> tuple[pa.StringArray, list[str | None]]:
    """A column, perhaps a part of a larger one, and its texts."""
    texts = draw(TEXTS)
    begin = draw(st.integers(0, len(texts)))
    end = draw(st.integers(begin, len(texts)))
    return pa.array(texts, pa.string()).slice(begin, end - begin), texts[begin:end]


def where(texts: list[str | None], is_so: object) -> list[int]:
    return [row for row, text in enumerate(texts) if text is not None and is_so(text)]  # type: ignore[operator]


@given(columns())
def test_rows_are_found_as_one_text_after_another_would_be(
    column: tuple[pa.StringArray, list[str | None]],
) -> None:
    values, texts = column
    printable = re.compile(r"[ -~]*")
    usual = re.compile("[ -~\u00c0-\u02ff]*")
    assert rows_beyond_ascii(values).tolist() == where(
        texts, lambda text: not printable.fullmatch(text)
    )
    assert rows_of_unusual_text(values).tolist() == where(
        texts, lambda text: not usual.fullmatch(text)
    )
    assert rows_with_outer_space(values).tolist() == where(
        texts, lambda text: text[:1] == " " or text[-1:] == " "
    )
    assert rows_beginning(values, b"a(9").tolist() == where(
        texts, lambda text: text[:1] in ("a", "(", "9")
    )
    assert rows_with_any(values, b',"\n\r').tolist() == where(
        texts, lambda text: any(sign in text for sign in ',"\n\r')
    )
    assert rows_with_capitals(values).tolist() == where(
        texts, lambda text: re.search("[A-Z]", text) is not None
    )
    assert longest(values) == max((len(text.encode()) for text in texts if text), default=0)
    assert is_valid(values).tolist() == [text is not None for text in texts]
    assert rows_of_at_most(values, 3).tolist() == [
        row for row, text in enumerate(texts) if len((text or "").encode()) <= 3
    ]


@given(columns(), st.data())
def test_texts_become_null_one_after_another(
    column: tuple[pa.StringArray, list[str | None]], data: st.DataObject
) -> None:
    values, texts = column
    rows = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1)))) if texts else []
    found = without(values, np.array(rows, dtype=np.int64)) if texts else values
    found.validate(full=True)
    assert found.to_pylist() == [None if row in rows else text for row, text in enumerate(texts)]


@pytest.mark.parametrize("many", [0, 1 << 30])
@given(columns(), TEXTS, st.data())
def test_texts_are_replaced_one_after_another(
    many: int, column: tuple[pa.StringArray, list[str | None]], fresh: list[str | None], data: Any
) -> None:
    values, texts = column
    count = min(len(texts), len(fresh))
    rows = sorted(data.draw(st.permutations(range(len(texts))))[:count])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.standardize.distinct._MANY", many)
        replaced = put(values, rows, pa.array(fresh[:count], pa.string()))
    expected = list(texts)
    for row, text in zip(rows, fresh, strict=False):
        expected[row] = text
    replaced.validate(full=True)
    assert replaced.to_pylist() == expected


@pytest.mark.parametrize("start", [0, 1_000])
def test_few_of_many_are_put_in_place_as_many_are(start: int) -> None:
    values = pa.array([f"text {n}" if n % 7 else None for n in range(5_000)]).slice(start)
    rows = np.arange(3, 4_000, 100)
    fresh = [None if row % 3 else f"fresh {row}" for row in rows.tolist()]
    expected = values.to_pylist()
    for row, text in zip(rows.tolist(), fresh, strict=True):
        expected[row] = text
    assert put(values, rows, pa.array(fresh, pa.string())).to_pylist() == expected


def test_texts_that_fill_a_column_can_still_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.standardize.distinct._MANY", 1)
    huge = np.zeros(2**31 - 2, dtype=np.uint8)  # of which no byte is ever touched
    ends = pa.py_buffer(np.array([0, len(huge) - 1, len(huge)], dtype=np.int32))
    values = pa.StringArray.from_buffers(2, ends, pa.py_buffer(huge))
    assert put(values, [0], pa.array(["some"])).to_pylist() == ["some", "\x00"]


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_rows_come_together_ascending_and_once(one: list[int], other: list[int]) -> None:
    ones, others = (np.array(sorted(rows), dtype=np.int64) for rows in (one, other))
    assert once(ones).tolist() == sorted(set(one))
    assert both(ones, others).tolist() == sorted({*one, *other})


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(min_size=4, max_size=4)), min_size=1))
def test_bytes_are_gathered_from_anywhere(pieces: list[tuple[bytes, bytes]]) -> None:
    text, starts = b"", []
    for between, piece in pieces:
        starts.append(len(text) + len(between))
        text += between + piece
    found = gather(np.frombuffer(text, dtype=np.uint8), np.array(starts, dtype=np.int32), 4)
    assert [bytes(row) for row in found] == [piece for _, piece in pieces]


def test_a_column_without_bytes_has_none() -> None:
    for empty in (pa.array([], pa.string()), pa.nulls(3, pa.string())):
        _, offsets = bytes_of(empty)
        assert offsets.tolist() == [0] * (len(empty) + 1)
        assert rows_beyond_ascii(empty).tolist() == rows_with_outer_space(empty).tolist() == []


@given(TEXTS)
def test_a_column_is_cleaned_as_its_texts_are(texts: list[str | None]) -> None:
    cleaned, changed = clean(pa.array(texts, pa.string()))
    ones = [None if text is None else _clean_one(text) for text in texts]
    assert cleaned.to_pylist() == [one and one.text for one in ones]
    for reason, rows in changed.items():
        expected = [row for row, one in enumerate(ones) if one and reason in one.reasons]
        assert rows.tolist() == expected
    assert {reason for one in ones if one for reason in one.reasons} == changed.keys()


PLAIN_US = re.compile(
    r"(?:\+?1[-. ]?)?(?:\(([2-9][0-9]{2})\) ?|([2-9][0-9]{2})[-. ]?)([0-9]{3})[-. ]?([0-9]{4})"
)
NUMBERS = st.from_regex(PLAIN_US, fullmatch=True, alphabet="0123456789+-. ()") | st.text(
    "0123456789+-. ()x", max_size=18
)


@given(st.lists(st.none() | NUMBERS, max_size=20))
def test_plain_numbers_are_read_as_a_pattern_reads_them(texts: list[str | None]) -> None:
    rows, numbers = plain_us_numbers(pa.array(texts, pa.string()))
    matched = {
        row: found
        for row, text in enumerate(texts)
        if text is not None and (found := PLAIN_US.fullmatch(text))
    }
    assert rows.tolist() == list(matched)
    assert numbers.to_pylist() == [
        f"+1{one[1] or one[2]}{one[3]}{one[4]}" for one in matched.values()
    ]
    numbers.validate(full=True)
