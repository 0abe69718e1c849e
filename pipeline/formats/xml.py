"""XML: the element that repeats is the record; it is found by itself, or told.

The document is parsed as a stream: what is in memory is one batch of records. Entities are refused
and nothing outside the file is ever opened.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ContentError, FileCode
from pipeline.formats import signatures
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.encoding import detect_encoding, utf8_chunks
from pipeline.formats.endings import xml_ending
from pipeline.formats.plugin import Format
from pipeline.formats.source import open_source
from pipeline.formats.treereader import Item, TreeReader
from pipeline.formats.trees import Shape
from pipeline.formats.xmlpull import Attributes, XmlEvents
from pipeline.messages import Limits

NAME = "an XML document"
_CHUNK = 1 << 18
_DECLARED = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SILENT = frozenset({"nil", "schemaLocation", "noNamespaceSchemaLocation"})
_TEXT = "#text"
_MOST_PATHS = 20_000


def open_xml(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a document; see `TreeReader`.

    Raises:
        ContentError: ENCODING, DAMAGED, TRUNCATED or UNSUPPORTED (entities) too.
    """
    return TreeReader(_Document(path, limits), limits, read_as)


@dataclass(slots=True)
class _Known:
    """What was seen of the elements at one path. most: how many one parent has."""

    count: int = 0
    most: int = 0
    attributes: bool = False
    children: bool = False
    leaves: bool = False


class _Document:
    """See `Trees`."""

    kind = NAME
    base = 1
    places = True

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._codec = _codec_of(path)

    def survey(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        """Find the elements that repeat, and learn their shapes."""
        known = self._structure()
        repeated = [
            path
            for path, one in known.items()
            if one.most > 1 and (one.attributes or one.children) and path.count("/") > 1
        ]
        outermost = [
            path for path in repeated if not any(path.startswith(f"{one}/") for one in repeated)
        ]
        if not outermost:
            outermost = _single(known)
        shapes = {path: Shape(self._limits, base=1) for path in outermost}
        for path, item in self._records(frozenset(outermost)):
            if item.tree is not None:
                shapes[path].observe(item.tree)
        return shapes, ()

    def items(self, table: str) -> Iterator[Item]:
        """The records at one path."""
        for _, item in self._records(frozenset({table})):
            yield item

    def _pieces(self) -> Iterator[bytes]:
        """The text as UTF-8."""
        if self._codec is None:
            yield from utf8_chunks(self._path, detect_encoding(self._path), _CHUNK)
            return
        decoder = None if self._codec == "utf-8" else codecs.getincrementaldecoder(self._codec)()
        with open_source(self._path) as source:
            while piece := source.read(_CHUNK):
                yield piece if decoder is None else self._decoded(decoder, piece)
        if decoder is not None:
            yield self._decoded(decoder, b"", final=True)

    def _decoded(
        self, decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False
    ) -> bytes:
        try:
            return decoder.decode(piece, final=final).encode()
        except UnicodeError:
            raise ContentError(
                FileCode.ENCODING, f"the document says that it is {self._codec}, and is not"
            ) from None

    def _structure(self) -> dict[str, _Known]:
        known: dict[str, _Known] = {}
        stack: list[tuple[str, dict[str, int]]] = [("", {})]
        has_children = [False]

        def start(tag: str, attributes: Attributes) -> None:
            above, counts = stack[-1]
            path = f"{above}/{tag}"
            one = known.get(path)
            if one is None:
                one = known[path] = _Known()
                if len(known) > _MOST_PATHS:
                    raise ContentError(
                        FileCode.LIMIT_EXCEEDED, f"it has more than {_MOST_PATHS} kinds of elements"
                    )
            counts[tag] = counts.get(tag, 0) + 1
            one.count += 1
            one.most = max(one.most, counts[tag])
            if attributes and any(_is_told(name) for name in attributes):
                one.attributes = True
            has_children[-1] = True
            has_children.append(False)
            stack.append((path, {}))

        def end(_tag: str) -> None:
            path, _ = stack.pop()
            if has_children.pop():
                known[path].children = True
            else:
                above = known.get(stack[-1][0])
                if above is not None:
                    above.leaves = True

        XmlEvents(start, end, encoding="utf-8").feed(self._pieces())
        return known

    def _records(self, wanted: frozenset[str]) -> Iterator[tuple[str, Item]]:
        builder = _Builder(wanted, self._limits)
        for _ in builder.events.fed(builder.watched(self._pieces())):
            yield from builder.done
            builder.done.clear()


@dataclass(slots=True)
class _Open:
    """An element of a record that has not ended."""

    tag: str
    tree: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    is_nil: bool = False
    has_children: bool = False


class _Builder:
    """Makes trees of the wanted elements."""

    def __init__(self, wanted: frozenset[str], limits: Limits) -> None:
        self.done: list[tuple[str, Item]] = []
        self._wanted, self._limits = wanted, limits
        self._path: list[str] = [""]
        self._counts: list[dict[str, int]] = [{}]
        self._numbers: list[int] = []
        self._open: list[_Open] = []
        self._window, self._window_at = bytearray(), 0
        self._began = self._line = 0
        self.events = XmlEvents(self._start, self._end, self._text, encoding="utf-8")

    def watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces, kept for as long as a record's text may begin in them."""
        for piece in pieces:
            if not self._open:
                keep = self.events.parser.CurrentByteIndex
                drop = max(0, min(keep - self._window_at, len(self._window)))
                del self._window[:drop]
                self._window_at += drop
            elif len(self._window) > self._limits.max_record_bytes + 2 * _CHUNK:
                raise ContentError(
                    FileCode.LIMIT_EXCEEDED,
                    f"the record in line {self._line} is longer than "
                    f"{self._limits.max_record_bytes} bytes",
                )
            self._window += piece
            yield piece

    def _start(self, tag: str, attributes: Attributes) -> None:
        if self._open:
            self._open[-1].has_children = True
            self._push(tag, attributes)
            return
        path = f"{self._path[-1]}/{tag}"
        counts = self._counts[-1]
        counts[tag] = counts.get(tag, 0) + 1
        if path in self._wanted:
            self._began = self.events.parser.CurrentByteIndex
            self._line = self.events.parser.CurrentLineNumber
            self._push(tag, attributes)
        else:
            self._path.append(path)
            self._counts.append({})
            self._numbers.append(counts[tag])

    def _push(self, tag: str, attributes: Attributes) -> None:
        one = _Open(tag)
        for name, value in attributes.items():
            if _is_told(name):
                one.attributes[f"@{name.rpartition(':')[2]}"] = value
            elif name.endswith(":nil"):
                one.is_nil = value in ("true", "1")
        self._open.append(one)

    def _text(self, piece: str) -> None:
        if self._open:
            self._open[-1].parts.append(piece)

    def _end(self, tag: str) -> None:
        if not self._open:
            self._path.pop()
            self._counts.pop()
            self._numbers.pop()
            return
        one = self._open.pop()
        text = None if one.is_nil else "".join(one.parts)
        if not self._open:
            self._finish(one, text)
            return
        above = self._open[-1].tree
        if one.has_children:
            if text is not None and text.strip():
                one.tree[_TEXT] = text
            _add(above, tag, {**one.attributes, **one.tree})
        else:
            _add(above, tag, text)
            for name, value in one.attributes.items():
                _add(above, f"{tag}.{name}", value)

    def _finish(self, one: _Open, text: str | None) -> None:
        tree: dict[str, Any] = {**one.attributes, **one.tree}
        if text is not None and (text.strip() or not (tree or one.has_children)):
            tree[_TEXT] = text
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

    def _raw(self) -> str:
        """The record as it stood."""
        start = self._began - self._window_at
        at = self.events.parser.CurrentByteIndex - self._window_at
        end = _end_of_tag(self._window, at)
        if end - start > self._limits.max_record_bytes:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the record in line {self._line} is longer than "
                f"{self._limits.max_record_bytes} bytes",
            )
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


def _is_told(name: str) -> bool:
    prefix, _, local = name.rpartition(":")
    return not (prefix == "xmlns" or name == "xmlns" or (prefix and local in _SILENT))


def _single(known: dict[str, _Known]) -> list[str]:
    """Where the one record of a document is: the outermost element that has values."""
    for path, one in known.items():
        if one.leaves or one.attributes:
            return [path]
    raise ContentError(FileCode.EMPTY, "none of its elements holds a value")


def _codec_of(path: Path) -> str | None:
    """The encoding by mark or declaration; None when neither is there."""
    with open_source(path) as source:
        head = source.read(1024)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec
    if head.startswith((b"<\0", b"\0<")):
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    declared = _DECLARED.search(head)
    if declared is None:
        return None
    try:
        return codecs.lookup(declared[1].decode()).name
    except LookupError:
        raise ContentError(
            FileCode.ENCODING, "the document names an encoding that is not known"
        ) from None


FORMAT = Format(
    name=NAME,
    recognises=lambda head: (
        head.text is not None and signatures.name_text(head.text) == signatures.XML
    ),
    open=open_xml,
    extensions=("xml",),
    ends=xml_ending,
)
