"""Records that are trees (JSON objects, XML elements), flattened to columns by path.

A first pass over all records learns which columns there are, so a name that turns up late still has
its column; memory holds the paths, never the records. What repeats becomes a table of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.messages import Limits

Step = str | int
Path = tuple[Step, ...]

MOST_REPEATED = 8
"""A list of more values than this stays one cell, as JSON."""
MOST_LEVELS = 64
TEXT = "#text"
"""Step to the text of an element that has more than text; it has no name of its own."""
_MOST_PATHS = 20_000


class Number(str):
    """A number as it was written. It is text, but not text in quotes."""

    __slots__ = ()


class NotJson(Number):
    """NaN and its like: some programs write it, and it is no number."""

    __slots__ = ()


class Doubled(dict[str, Any]):
    """An object that has a name twice. `names`: those, and whether they say the same."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        values: dict[str, list[Any]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        self.names = {
            name: all(one == several[0] for one in several)
            for name, several in values.items()
            if len(several) > 1
        }


@dataclass(slots=True)
class Shape:
    """What the records of one table have in common, learned from each of them.

    base: number of the first of several values: 0 in JSON, 1 in XML. seen: paths of single values,
    with whether any of them says something. lists: paths of lists, with their greatest length and
    whether they hold more than single values. children: by path, the table that a list of trees is.
    """

    limits: Limits
    base: int = 0
    count: int = 0
    seen: dict[Path, bool] = field(default_factory=dict)
    lists: dict[Path, tuple[int, bool]] = field(default_factory=dict)
    children: dict[Path, Shape] = field(default_factory=dict)
    flat: set[tuple[str, ...]] = field(default_factory=set)
    """Names of flat records of which nothing new can be learned."""

    def observe(self, tree: dict[str, Any]) -> None:
        """Learn from one record."""
        self.count += 1
        if is_flat(tree):
            names = tuple(tree)
            if names in self.flat:
                return
            if None not in tree.values():
                self.flat.add(names)
        self._observe(tree, ())
        if len(self.seen) + len(self.lists) > _MOST_PATHS:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have more than {_MOST_PATHS} different names",
            )

    def _observe(self, tree: dict[str, Any], above: Path) -> None:
        seen = self.seen
        if len(above) > MOST_LEVELS:
            raise too_deep()
        for name, value in tree.items():
            path = (*above, name)
            if isinstance(value, dict):
                self._observe(value, path)
            elif isinstance(value, list):
                self._observe_list(value, path)
            elif not seen.get(path):
                seen[path] = value is not None

    def _observe_list(self, values: list[Any], path: Path) -> None:
        longest, has_trees = self.lists.get(path, (0, False))
        has_trees = has_trees or any(isinstance(one, dict | list) for one in values)
        self.lists[path] = (max(longest, len(values)), has_trees)
        self.seen.setdefault(path, False)
        trees = [one for one in values if isinstance(one, dict)]
        if trees:
            child = self.children.get(path)
            if child is None:
                child = self.children[path] = Shape(self.limits, self.base)
            for tree in trees:
                child.observe(tree)
            if len(values) == 1:
                self._observe(trees[0], (*path, 0))

    def columns(self) -> list[Path]:
        """Paths of the columns, in the order they were first met."""
        kept_whole = {
            path for path, (longest, trees) in self.lists.items() if trees and longest > 1
        }
        found: dict[Path, None] = {}
        parents = {path[:at] for path in self.seen for at in range(1, len(path))}
        for path, says in self.seen.items():
            bare = tuple(step for step in path if isinstance(step, str))
            if any(self._covers(one, path) for one in kept_whole):
                continue
            if path in self.lists:
                for column in self._of_list(path):
                    found.setdefault(column)
            elif (bare != path and self._is_known_bare(bare)) or says or path not in parents:
                found.setdefault(path)
        if len(found) > self.limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have {len(found)} columns; {self.limits.max_columns} are allowed",
            )
        return list(found)

    def _is_known_bare(self, bare: Path) -> bool:
        return bare in self.seen

    @staticmethod
    def _covers(whole: Path, path: Path) -> bool:
        """Whether a path leads into a list that stays whole."""
        return len(path) > len(whole) and path[: len(whole)] == whole

    def _of_list(self, path: Path) -> Iterator[Path]:
        longest, has_trees = self.lists[path]
        if has_trees and longest <= 1:
            return  # its only element was looked at as if it stood there alone
        if has_trees or longest > MOST_REPEATED:
            yield path
        else:
            for number in range(max(longest, 1)):
                yield (*path, number)

    def label(self, path: Path) -> str:
        """A column's name: its path, with dots; a number only where there are several."""
        label = ""
        for at, step in enumerate(path):
            if step == TEXT and label:
                continue
            if isinstance(step, str):
                label += f".{step}" if label else step
            elif self.lists.get(path[:at], (2, False))[0] > 1 and (step or not self.base):
                label += f"[{step + self.base}]"
        return label


_SINGLE = frozenset({str, Number, NotJson, bool, type(None)})


def is_flat(tree: dict[str, Any]) -> bool:
    """Whether a record holds only single values."""
    return _SINGLE.issuperset(map(type, tree.values()))


def too_deep() -> ContentError:
    """What refuses records that are nested without measure."""
    return ContentError(
        FileCode.LIMIT_EXCEEDED, f"its records are nested deeper than {MOST_LEVELS} levels"
    )


def value_at(tree: Any, path: Path) -> Any:
    """The value at a path; None where the record has none."""
    for step in path:
        if isinstance(step, int):
            if isinstance(tree, list):
                tree = tree[step] if step < len(tree) else None
            elif step:
                return None
        elif isinstance(tree, list):
            tree = tree[0].get(step) if len(tree) == 1 and isinstance(tree[0], dict) else None
        elif isinstance(tree, dict):
            tree = tree.get(step)
        else:
            return None
        if tree is None:
            return None
    return tree


def text_of(value: Any) -> str:
    """A value as the text of a cell."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_json(value)


def as_json(value: Any) -> str:
    """A value as JSON, its numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(k)}:{as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def doubled_names(tree: Any, above: Path = ()) -> Iterator[tuple[Path, bool]]:
    """Paths of names that stand twice, and whether they say the same."""
    if isinstance(tree, dict):
        for name, same in getattr(tree, "names", {}).items():
            yield (*above, name), same
        for name, value in tree.items():
            if isinstance(value, dict | list):
                yield from doubled_names(value, (*above, name))
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield from doubled_names(value, (*above, at))


def elements(tree: dict[str, Any], path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    """The trees of a list within a record, with their numbers from 0."""
    found = value_at(tree, path)
    several = found if isinstance(found, list) else [found]
    return [(at, one) for at, one in enumerate(several) if isinstance(one, dict)]
