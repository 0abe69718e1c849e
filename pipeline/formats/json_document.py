"""JSON documents: records in an array, wherever it stands, streamed record by record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.encoding import TextEncoding, detect_encoding, utf8_chunks
from pipeline.formats.json_text import JsonText, fault_in
from pipeline.formats.plugin import Format, Head
from pipeline.formats.treeparts import Item
from pipeline.formats.treereader import TreeReader
from pipeline.formats.trees import MOST_LEVELS, Shape, as_json, too_deep
from pipeline.messages import Limits

NAME = "a JSON document"
_CHUNK = 1 << 20
_ROOT = "$"
_MEMBERS = "$.*"
_KEY = "key"
_FEWEST_MEMBERS = 3
_MOST_TABLES = 200
_STARTS = re.compile(
    r'\s*(\{\s*("|\}\s*$)|\[\s*([\[{"\]]|-?\d[\d.eE+-]*\s*[,\]]|(true|false|null|NaN)\b|$))'
)
_PLAIN = re.compile(r"[^\W\d]\w*")
_COLUMNS = ("columns", "fields", "header", "headers")


def open_json(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a document; see `TreeReader`.

    Raises:
        ContentError: ENCODING, DAMAGED or TRUNCATED too.
    """
    encoding = None if read_as is None else read_as.encoding
    return TreeReader(_Document(path, limits, detect_encoding(path, encoding)), limits, read_as)


class _SequenceFound(Exception):
    """Behind the first object comes another: objects follow each other, with nothing around."""


class _Document:
    """See `Trees`."""

    kind = NAME
    base = 0
    places = True

    def __init__(self, path: Path, limits: Limits, encoding: TextEncoding) -> None:
        self._path, self._limits, self._encoding = path, limits, encoding
        self._is_sequence = False
        self._is_empty = False

    def survey(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        """Learn the shape of every array of records."""
        try:
            return self._surveyed()
        except _SequenceFound:
            self._is_sequence = True
            return self._surveyed()

    def _surveyed(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        shapes: dict[str, Shape] = {}
        beside: dict[str, None] = {}
        for path, item in self._walk():
            if item is None:
                beside.setdefault(path)
                continue
            shape = shapes.get(path)
            if shape is None:
                shape = shapes[path] = Shape(self._limits)
            if item.tree is not None:
                shape.observe(item.tree)
            if len(shapes) > _MOST_TABLES:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"it has more than {_MOST_TABLES} arrays of records under different names",
                )
        if not shapes:
            return self._single()
        notes = (f"values beside the records are not read: {', '.join([*beside][:20])}",)
        return shapes, notes if beside else ()

    def items(self, table: str) -> Iterator[Item]:
        """The records of one array."""
        if table in (_ROOT, _MEMBERS) and (single := self._one()) is not None:
            if table == _MEMBERS:
                yield from _members(single)
            else:
                yield from _by_column(single) or [single]
            return
        yield from (item for path, item in self._walk() if path == table and item is not None)

    def _open(self) -> JsonText:
        pieces = utf8_chunks(self._path, self._encoding, _CHUNK)
        return JsonText(pieces, self._limits.max_record_bytes)

    def _walk(self) -> Iterator[tuple[str, Item | None]]:
        """Every record with the path of its array; None for a value that is in no record."""
        text = self._open()
        if self._is_sequence:
            yield from self._sequence(text)
            return
        is_object = text.peek() == "{"
        yield from self._value(text, _ROOT, 0, {})
        if is_object and text.peek() == "{":
            raise _SequenceFound
        if text.peek():
            raise text.wrong("something follows the end of the document")

    def _sequence(self, text: JsonText) -> Iterator[tuple[str, Item | None]]:
        number = 0
        while text.peek():
            yield _ROOT, _item(text, f"{_ROOT}[{number}]", None)
            number += 1
            if text.peek() == ",":
                text.skip()

    def _value(
        self, text: JsonText, path: str, depth: int, beside: dict[str, Any]
    ) -> Iterator[tuple[str, Item | None]]:
        if depth > MOST_LEVELS:
            raise too_deep()
        match text.peek():
            case "{":
                yield from self._object(text, path, depth)
            case "[":
                yield from self._array(text, path, depth, beside)
            case _:
                text.value()
                yield path, None

    def _object(self, text: JsonText, path: str, depth: int) -> Iterator[tuple[str, Item | None]]:
        text.skip()
        names: dict[str, Any] = {}
        if text.peek() == "}":
            text.skip()
            return
        while True:
            if text.peek() != '"':
                raise text.wrong("a name in quotes is missing")
            name = text.value()[0].encode(errors="replace").decode()
            text.expect(":")
            below = f"{path}.{name}" if _PLAIN.fullmatch(name) else f"{path}['{name}']"
            if name.casefold() in _COLUMNS and text.peek() == "[":
                names[name.casefold()], _ = text.value()
                yield below, None
            else:
                yield from self._value(text, below, depth + 1, names)
            if _goes_on(text, "}"):
                continue
            return

    def _array(
        self, text: JsonText, path: str, depth: int, beside: dict[str, Any]
    ) -> Iterator[tuple[str, Item | None]]:
        text.skip()
        header: list[str] | None = None
        number = 0
        if text.peek() == "]":
            text.skip()
            self._is_empty = True
            yield path, None
            return
        kind = text.peek()
        if kind == "[":
            header = _names(beside)
        while True:
            if kind == "{":
                yield path, _item(text, f"{path}[{number}]", None)
            elif kind == "[" and header is None:
                first, _ = text.value()
                header = [str(one) for one in first] if isinstance(first, list) else []
            elif kind == "[":
                yield path, _item(text, f"{path}[{number}]", header)
            else:
                text.value()
                if not number:
                    yield path, None
            number += 1
            if _goes_on(text, "]"):
                continue
            return

    def _single(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        """A document without arrays of records: one record, or records under names."""
        one = self._one()
        if one is None or not one.tree:
            if self._is_empty:
                raise ContentError(FileCode.EMPTY, "the list of records is empty")
            return {}, ()
        shape = Shape(self._limits)
        if rows := _by_column(one):
            for row in rows:
                shape.observe(row.tree or {})
            return {_ROOT: shape}, ("its values stand column by column",)
        if not _is_of_members(one.tree):
            shape.observe(one.tree)
            return {_ROOT: shape}, ("the document is one record",)
        for item in _members(one):
            shape.observe(item.tree or {})
        return {_MEMBERS: shape}, (f"the records' own names stand in the column {_KEY}",)

    def _one(self) -> Item | None:
        """The whole document as a record, when it is an object that holds no array of records."""
        if any(item is not None for _, item in self._walk()):
            return None
        text = self._open()
        return _item(text, _ROOT, None) if text.peek() == "{" else None


def _goes_on(text: JsonText, closing: str) -> bool:
    """Whether another value follows; a comma behind the last one is survived.

    Raises:
        ContentError: neither a comma nor the end is there.
    """
    if text.peek() == ",":
        text.skip()
        if text.peek() != closing:
            return True
    text.expect(closing)
    return False


def _by_column(whole: Item) -> list[Item]:
    """The rows of an object whose values are columns: lists, or objects by the number of the row.

    Empty when it is something else.
    """
    tree = whole.tree or {}
    columns = [
        [*one.values()] if isinstance(one, dict) and _is_numbered(one) else one
        for one in tree.values()
    ]
    lists = [one for one in columns if isinstance(one, list)]
    lengths = set(map(len, lists))
    if len(lists) < max(2, len(columns)) or len(lengths) > 1 or lengths.pop() < 2:
        return []
    if any(isinstance(cell, dict | list) for one in lists for cell in one):
        return []
    rows = [dict(zip(tree, cells, strict=True)) for cells in zip(*lists, strict=True)]
    return [
        Item(line=whole.line, raw=as_json(row), where=f"{_ROOT}.*[{number}]", tree=row)
        for number, row in enumerate(rows)
    ]


def _is_numbered(column: dict[str, Any]) -> bool:
    return [*column] == [str(number) for number in range(len(column))]


def _is_of_members(tree: dict[str, Any]) -> bool:
    """Whether an object is a table by names: several objects that have much the same names."""
    members = [set(one) for one in tree.values() if isinstance(one, dict)]
    if len(members) < _FEWEST_MEMBERS or len(members) < len(tree):
        return False
    common, known = set.intersection(*members), set.union(*members)
    return bool(common) and len(common) * 2 >= len(known)


def _members(whole: Item) -> Iterator[Item]:
    """The objects in an object as records, each with its name."""
    for name, tree in (whole.tree or {}).items():
        step = f".{name}" if _PLAIN.fullmatch(name) else f"['{name}']"
        record = {_KEY: name, **tree} if _KEY not in tree else tree
        yield Item(line=whole.line, raw=as_json(tree), where=f"{_ROOT}{step}", tree=record)


def _names(beside: dict[str, Any]) -> list[str] | None:
    """Names of columns that stand beside an array of rows."""
    for name in _COLUMNS:
        found = beside.get(name)
        if isinstance(found, list) and found:
            return [
                str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in found
            ]
    return None


def _item(text: JsonText, where: str, header: list[str] | None) -> Item:
    text.peek()
    line = text.line
    value, raw = text.value()
    item = Item(line=line, raw=raw, where=where, tree=None)
    if fault := fault_in(value, raw):
        item.fault = fault
    elif header is None:
        if isinstance(value, dict):
            item.tree = value
        else:
            item.fault = "This element is no object, as the records beside it are."
    elif not isinstance(value, list):
        item.fault = "This element is no array, as the rows beside it are."
    elif len(value) != len(header):
        item.code = RowCode.MISSING_CELL if len(value) < len(header) else RowCode.EXTRA_CELL
        item.fault = f"the row has {len(value)} cells, the header has {len(header)}"
    else:
        item.tree = dict(zip(header, value, strict=True))
    return item


def _is_json(head: Head) -> bool:
    return head.text is not None and _STARTS.match(head.text) is not None


FORMAT = Format(
    name=NAME,
    recognises=_is_json,
    open=open_json,
    extensions=("json", "geojson"),
)
