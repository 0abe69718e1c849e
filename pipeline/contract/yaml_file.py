"""A YAML file as plain text values, each with the line it stands on.

No scalar is interpreted: NO, 012, 1:30, ~ and 2020-01-01 stay the text they are (ruamel.yaml by
itself reads `012` as the number 12, YAML 1.1 readers `NO` as false). What is a number is decided
later, by the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

T = TypeVar("T")
Position = tuple[str | int, ...]
"""Keys and list indexes that lead from the top of the document to a value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one file. `line` is 0 when it concerns the file as a whole."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{where}: {self.sentence}"


Found = tuple[T | None, tuple[Problem, ...]]
"""What a file says, and what is wrong with it; nothing but problems when it cannot be used."""


def once_per_version(read: Callable[[Path], Found[T]]) -> Callable[[Path], Found[T]]:
    """`read`, asked again for a file only when its time or size has changed.

    A file that cannot be read is a problem of the file as a whole.
    """

    @lru_cache(maxsize=256)
    def of_version(path: Path, mtime_ns: int, size: int) -> Found[T]:
        return read(path)

    def load(path: Path) -> Found[T]:
        try:
            stamp = path.stat()
            return of_version(path, stamp.st_mtime_ns, stamp.st_size)
        except OSError as error:
            return None, (Problem(path.name, 0, f"it cannot be read: {error.strerror}"),)

    return load


@dataclass(slots=True)
class LocatedDocument:
    """Nested dicts, lists and strings; `lines` gives each key's line by its position."""

    file: str
    document: Any = None
    lines: dict[Position, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, position: Position) -> int:
        """Line of the nearest known place at or above `position`."""
        for length in range(len(position), -1, -1):
            if position[:length] in self.lines:
                return self.lines[position[:length]]
        return 0

    def complain(self, position: Position, sentence: str) -> None:
        """Note a problem at a position."""
        self.problems.append(Problem(self.file, self.line_of(position), sentence))


def read_located(file: str, data: bytes) -> LocatedDocument:
    """Read one YAML document. Problems are collected in the result, none is raised."""
    located = LocatedDocument(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        located.problems.append(Problem(file, line, "the file is not UTF-8 text"))
        return located
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        problem = " ".join(part for part in (error.context, error.problem) if part)
        located.problems.append(Problem(file, line, f"this is not YAML: {problem}"))
    except YAMLError as error:
        first = str(error).splitlines()[0]
        located.problems.append(Problem(file, 0, f"this is not YAML: {first}"))
    else:
        if root is None:
            located.problems.append(Problem(file, 0, "the file is empty"))
        else:
            located.document = _plain(root, (), located, frozenset())
    return located


def _plain(node: Node, at: Position, located: LocatedDocument, above: frozenset[int]) -> Any:
    located.lines.setdefault(at, node.start_mark.line + 1)
    if id(node) in above:
        located.complain(at, "an anchor refers to itself")
        return ""
    above |= {id(node)}
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [_plain(item, (*at, n), located, above) for n, item in enumerate(node.value)]
        case MappingNode():
            return _plain_mapping(node, at, located, above)
        case _:  # pragma: no cover - YAML has three kinds of node
            raise TypeError(type(node).__name__)


def _plain_mapping(
    node: MappingNode, at: Position, located: LocatedDocument, above: frozenset[int]
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            located.problems.append(Problem(located.file, line, "a key must be plain text"))
            continue
        key = key_node.value
        if key in document:
            first = located.lines[(*at, key)]
            sentence = f"'{key}' stands here a second time (first on line {first})"
            located.problems.append(Problem(located.file, line, sentence))
            continue
        located.lines[(*at, key)] = line
        if _is_blank(value_node):
            sentence = f"'{key}' has no value; write one or leave the line out"
            located.problems.append(Problem(located.file, line, sentence))
            continue
        document[key] = _plain(value_node, (*at, key), located, above)
    return document


def _is_blank(node: Node) -> bool:
    """True for a plain nothing after a colon; a quoted "" is a text."""
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None
