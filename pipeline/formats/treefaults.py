"""What JSON allows to be written and nobody can read: NaN, and names that stand twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.errors import RowCode
from pipeline.formats.base import CellFault
from pipeline.formats.treeparts import Column, Row
from pipeline.formats.trees import Doubled, NotJson, doubled_names, is_flat, value_at

_NO_NUMBER = "JSON has no NaN and no Infinity; there is no value in this cell."
_TWICE = "The record says two different things under this name."
_TWICE_SAME = "The record says the same thing twice under this name."


def faults_of(rows: list[Row], numbers: list[int], columns: list[Column]) -> Iterator[CellFault]:
    """NaN, and names that stand twice; most records have neither."""
    for number, row in zip(numbers, rows, strict=True):
        if not (_has_non_json(row.item.raw) or _has_doubles(row.item.tree)):
            continue
        doubles = [dict(doubled_names(tree)) for tree in row.trees]
        for at, (level, path, _) in enumerate(columns):
            if isinstance(value_at(row.trees[level], path), NotJson):
                yield _fault(number, at, RowCode.TYPE_ERROR, _NO_NUMBER, refuses=True)
            for double, same in doubles[level].items():
                if path[: len(double)] == double:
                    why = _TWICE_SAME if same else _TWICE
                    yield _fault(number, at, RowCode.DUPLICATE_NAME, why, refuses=not same)


def _fault(number: int, at: int, code: RowCode, sentence: str, *, refuses: bool) -> CellFault:
    return CellFault(record=number, column=at, code=code, sentence=sentence, refuses=refuses)


def _has_doubles(tree: Any) -> bool:
    if isinstance(tree, Doubled):
        return True
    if isinstance(tree, dict):
        if is_flat(tree):
            return False
        return any(_has_doubles(one) for one in tree.values() if isinstance(one, dict | list))
    return isinstance(tree, list) and any(_has_doubles(one) for one in tree)


def _has_non_json(raw: str) -> bool:
    return "NaN" in raw or "Infinity" in raw
