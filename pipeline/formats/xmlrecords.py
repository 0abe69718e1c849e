"""Trees of the elements that are records, with their text as it stood and their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats.treeparts import Item
from pipeline.formats.trees import TEXT
from pipeline.formats.xmlnames import Labels, is_told
from pipeline.formats.xmlpull import Attributes, XmlEvents
from pipeline.messages import Limits

_CHUNK = 1 << 18


@dataclass(slots=True)
class _Open:
    """An element of a record that has not ended."""

    tag: str
    attributes: Attributes
    tree: dict[str, Any] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    has_children: bool = False


class RecordBuilder:
    """Makes trees of the wanted elements."""

    def __init__(self, wanted: frozenset[str], limits: Limits, labels: Labels) -> None:
        self.done: list[tuple[str, Item]] = []
        self._wanted, self._limits = wanted, limits
        self._tags, self._names = labels.tags, labels.attributes
        self._path: list[str] = [""]
        self._counts: list[dict[str, int]] = [{}]
        self._numbers: list[int] = []
        self._open: list[_Open] = []
        self._window, self._window_at = bytearray(), 0
        self._began = self._line = 0
        self.events = XmlEvents(self._start, self._end, self._text, encoding="utf-8", is_raw=True)

    def watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces, kept for as long as a record's text may begin in them."""
        for piece in pieces:
            keep = self._began if self._open else self.events.parser.CurrentByteIndex
            drop = max(0, min(keep - self._window_at, len(self._window)))
            del self._window[:drop]
            self._window_at += drop
            if len(self._window) > self._limits.max_record_bytes + 2 * _CHUNK:
                raise self._too_long()
            self._window += piece
            yield piece

    def _start(self, name: str, attributes: Attributes) -> None:
        tag = self._tags[name]
        if self._open:
            self._open[-1].has_children = True
            self._open.append(_Open(tag, attributes))
            return
        path = f"{self._path[-1]}/{tag}"
        counts = self._counts[-1]
        counts[tag] = counts.get(tag, 0) + 1
        if path in self._wanted:
            self._began = self.events.parser.CurrentByteIndex
            self._line = self.events.parser.CurrentLineNumber
            self._open.append(_Open(tag, attributes))
        else:
            self._path.append(path)
            self._counts.append({})
            self._numbers.append(counts[tag])

    def _text(self, piece: str) -> None:
        if self._open:
            self._open[-1].parts.append(piece)

    def _end(self, _name: str) -> None:
        if not self._open:
            self._path.pop()
            self._counts.pop()
            self._numbers.pop()
            return
        one = self._open.pop()
        text: str | None = "".join(one.parts)
        if not self._open:
            self._finish(one, text)
            return
        above = self._open[-1].tree
        if one.has_children:
            tree = {**self._told(one), **one.tree}
            if text and not text.isspace():
                tree[TEXT] = text
            _add(above, one.tag, tree)
        elif one.attributes:
            told = self._told(one)
            _add(above, one.tag, None if _is_nil(one.attributes) else text)
            for attribute, value in told.items():
                _add(above, f"{one.tag}.{attribute}", value)
        else:
            _add(above, one.tag, text)

    def _told(self, one: _Open) -> dict[str, Any]:
        return {
            f"@{self._names[name]}": value
            for name, value in one.attributes.items()
            if is_told(name)
        }

    def _finish(self, one: _Open, text: str | None) -> None:
        tree: dict[str, Any] = {**self._told(one), **one.tree}
        if text and (not text.isspace() or not (tree or one.has_children)):
            tree[TEXT] = text
        path = f"{self._path[-1]}/{one.tag}"
        number = self._counts[-1][one.tag]
        where = f"{self._where()}/{one.tag}[{number}]"
        item = Item(line=self._line, raw=self._raw(), where=where, tree=tree)
        self.done.append((path, item))

    def _where(self) -> str:
        """The path of the parent, with numbers where it has siblings of its name."""
        steps = zip(self._path[1:], self._numbers, strict=True)
        return "".join(
            f"/{path.rpartition('/')[2]}{f'[{number}]' if number > 1 else ''}"
            for path, number in steps
        )

    def _too_long(self) -> ContentError:
        return ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"the record in line {self._line} is longer than {self._limits.max_record_bytes} bytes",
        )

    def _raw(self) -> str:
        """The record as it stood."""
        start = self._began - self._window_at
        at = self.events.parser.CurrentByteIndex - self._window_at
        end = _end_of_tag(self._window, at)
        if end - start > self._limits.max_record_bytes:
            raise self._too_long()
        return self._window[start:end].decode(errors="replace")


def _end_of_tag(window: bytearray, at: int) -> int:
    """Index behind the tag that begins at `at`; attributes may hold a `>`."""
    found = re.compile(rb"<[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*>").match(window, at)
    return len(window) if found is None else found.end()


def _add(tree: dict[str, Any], name: str, value: Any) -> None:
    """Put a child beside its siblings; several of one name become a list."""
    if name not in tree:
        tree[name] = value
    elif isinstance(tree[name], list):
        tree[name].append(value)
    else:
        tree[name] = [tree[name], value]


def _is_nil(attributes: Attributes) -> bool:
    """Whether an element says that it has no value."""
    return any(
        name.endswith(":nil") and value in ("true", "1") for name, value in attributes.items()
    )
