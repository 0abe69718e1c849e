"""Booleans: only declared words count, and only as whole words; 1 and 2 mean nothing undeclared."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipeline.errors import RowCode
from pipeline.standardize.base import Converted
from pipeline.standardize.distinct import read_distinct
from pipeline.standardize.text import fold

TRUE_VALUES = ("true", "yes", "y", "t")
FALSE_VALUES = ("false", "no", "n", "f")


def declared_words(true_values: Iterable[str], false_values: Iterable[str]) -> dict[str, bool]:
    """Folded word -> its meaning.

    Raises:
        ValueError: a word is declared both true and false, or folds to nothing.
    """
    words: dict[str, bool] = {}
    for meaning, declared in ((True, true_values), (False, false_values)):
        for word in declared:
            folded = fold(word)
            if not folded:
                raise ValueError(f"{word!r} has no letter or digit")
            if words.setdefault(folded, meaning) is not meaning:
                raise ValueError(f"{word!r} is declared both true and false")
    return words


def convert_booleans(
    values: pa.StringArray,
    true_values: Iterable[str] = TRUE_VALUES,
    false_values: Iterable[str] = FALSE_VALUES,
) -> Converted:
    """True, false or null (missing, or refused as type-error) for each cell of cleaned text."""
    words = declared_words(true_values, false_values)
    meanings = read_distinct(values, lambda text: (text, words.get(fold(text))))
    bad = meanings.rows(lambda answer: answer[1] is None)
    reworded = meanings.rows(
        lambda answer: answer[1] is not None and answer[0] != str(answer[1]).lower()
    )
    return Converted(
        values=meanings.spread(lambda answer: answer[1], pa.bool_()),
        bad={RowCode.TYPE_ERROR: bad} if len(bad) else {},
        changed={"boolean-mapped": reworded} if len(reworded) else {},
    )
