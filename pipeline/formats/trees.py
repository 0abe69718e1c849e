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


@dataclass(frozen=True, slots=True)
class Several:
    """What was seen of a list. most: its greatest length; trees, values: what it holds."""

    most: int = 0
    trees: bool = False
    values: bool = False

    @property
    def is_one_tree(self) -> bool:
        """A list of never more than one tree is that tree."""
        return self.trees and not self.values and self.most <= 1

    @property
    def is_whole(self) -> bool:
        """It stays one cell."""
        return not self.is_one_tree and (self.trees or self.most > MOST_REPEATED)


@dataclass(slots=True)
class Shape:
    """What the records of one table have in common, learned from each of them.

    base: number of the first of several values: 0 in JSON, 1 in XML. depth: how deep in another
    shape it lies. seen: paths of single values, with whether any of them says something. lists:
    paths of lists. children: by path, the table that a list of trees is. flat: names of records
    with single values only, of which nothing new can be learned.
    """

    limits: Limits
    base: int = 0
    count: int = 0
    depth: int = 0
    seen: dict[Path, bool] = field(default_factory=dict)
    lists: dict[Path, Several] = field(default_factory=dict)
    children: dict[Path, Shape] = field(default_factory=dict)
    flat: set[tuple[str, ...]] = field(default_factory=set)

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
        if len(self.seen) > _MOST_PATHS:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have more than {_MOST_PATHS} different names",
            )

    def _observe(self, tree: dict[str, Any], above: Path) -> None:
        seen = self.seen
        if self.depth + len(above) > MOST_LEVELS:
            raise too_deep()
        for name, value in tree.items():
            path = (*above, name)
            if isinstance(value, dict):
                self._observe(value, path)
                if path in self.children:  # a list elsewhere; this is its only element
                    self.children[path].observe(value)
            elif isinstance(value, list):
                self._observe_list(value, path)
            elif not seen.get(path):
                seen[path] = value is not None

    def _observe_list(self, values: list[Any], path: Path) -> None:
        trees = [one for one in values if isinstance(one, dict)]
        known = self.lists.get(path, Several())
        self.lists[path] = Several(
            max(known.most, len(values)),
            known.trees or bool(trees) or any(isinstance(one, list) for one in values),
            known.values or len(trees) < len(values),
        )
        self.seen.setdefault(path, False)
        if trees:
            child = self.children.get(path)
            if child is None:
                depth = self.depth + len(path)
                child = self.children[path] = Shape(self.limits, self.base, depth=depth)
            for tree in trees:
                child.observe(tree)

    def columns(self) -> dict[Path, str]:
        """Paths of the columns with their names, in the order they were first met."""
        found: dict[Path, str] = {}
        parents = {path[:at] for path in self.seen for at in range(1, len(path))}
        for path, says in self.seen.items():
            above = [path[:at] for at in range(1, len(path)) if path[:at] in self.lists]
            if any(self.lists[one].is_whole for one in above):
                continue
            if path in self.lists:
                found |= self._of_list(path)
            elif above and self._is_in_child(path, above[0]):
                continue
            elif says or path not in parents:
                found.setdefault(path, _dotted(path))
        if len(found) > self.limits.max_columns:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"its records have {len(found)} columns; {self.limits.max_columns} are allowed",
            )
        return found

    def _is_in_child(self, path: Path, above: Path) -> bool:
        """Whether a path into what is a list elsewhere is a column by that list."""
        return path[len(above) :] in self.children[above].seen if above in self.children else False

    def _of_list(self, path: Path) -> dict[Path, str]:
        several, label = self.lists[path], _dotted(path)
        if several.is_whole:
            return {path: label}
        if several.is_one_tree:
            inner = self.children[path].columns() if path in self.children else {}
            return {(*path, 0, *below): f"{label}.{name}" for below, name in inner.items()}
        if several.most <= 1:
            return {(*path, 0): label}
        return {
            (*path, number): f"{label}[{number + self.base}]" if number or not self.base else label
            for number in range(several.most)
        }


def _dotted(path: Path) -> str:
    """A path as the name of a column; the text of an element has no name of its own."""
    steps = [str(step) for step in path if step != TEXT]
    return ".".join(steps) or TEXT


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
