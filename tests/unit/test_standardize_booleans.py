from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.errors import RowCode
from pipeline.standardize.booleans import convert_booleans
from tests.unit.counting import counted


def test_declared_words_are_read_in_any_case() -> None:
    values = pa.array(["TRUE", "yes", "Y", "t", "false", "No", "n", " F ", None])
    result = convert_booleans(values)
    assert result.values.to_pylist() == [True] * 4 + [False] * 4 + [None]
    assert not result.bad


def test_f110_one_and_two_mean_nothing_unless_the_contract_says_so() -> None:
    values = pa.array(["1", "2", "0"])
    assert convert_booleans(values).bad[RowCode.TYPE_ERROR].tolist() == [0, 1, 2]
    result = convert_booleans(values, true_values=("1",), false_values=("2",))
    assert result.values.to_pylist() == [True, False, None]
    assert result.bad[RowCode.TYPE_ERROR].tolist() == [2]


def test_a_part_of_a_word_is_not_the_word() -> None:
    result = convert_booleans(pa.array(["yes please", "yess", "not", "NA", "unknown"]))
    assert result.bad[RowCode.TYPE_ERROR].tolist() == [0, 1, 2, 3, 4]


def test_only_rewritten_words_are_counted() -> None:
    assert counted(convert_booleans(pa.array(["true", "false", "yes", "N"])).changed) == {
        "boolean-mapped": 2
    }


def test_a_word_cannot_be_declared_both() -> None:
    with pytest.raises(ValueError, match="both true and false"):
        convert_booleans(pa.array(["x"]), true_values=("X",), false_values=("x",))
