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
from pipeline.formats.declared import meant_codec
from pipeline.formats.encoding import detect_encoding, utf8_chunks
from pipeline.formats.plugin import Format
from pipeline.formats.source import open_source
from pipeline.formats.treereader import Item, TreeReader
from pipeline.formats.trees import MOST_LEVELS, TEXT, Several, Shape, too_deep
from pipeline.formats.xmlnames import Labels
from pipeline.formats.xmlpull import MOST_DEPTH, Attributes, XmlEvents
from pipeline.messages import Limits

NAME = "an XML document"
_CHUNK = 1 << 18
_DECLARED = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LATE_DECLARATION = re.compile(rb"\s+<\?xml\s[^>]{0,200}\?>")
_PADDING = b"\0\x1a"
_SILENT = frozenset({"nil", "schemaLocation", "noNamespaceSchemaLocation"})
_MOST_PATHS = 20_000


def open_xml(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a document; see `TreeReader`.

    Raises:
        ContentError: ENCODING, DAMAGED, TRUNCATED or UNSUPPORTED (entities) too.
    """
    return TreeReader(_Document(path, limits), limits, read_as)


@dataclass(slots=True)
class _Known:
    """What was seen of the elements at one path.

    run: how many of them the present parent has; most: how many any has. said: how many hold text.
    """

    count: int = 0
    run: int = 0
    most: int = 0
    said: int = 0
    attributes: dict[str, None] = field(default_factory=dict)
    children: dict[str, _Known] = field(default_factory=dict)

    def below(self, path: str) -> Iterator[tuple[str, _Known]]:
        """The element and everything in it, by path, outside in."""
        yield path, self
        for tag, child in self.children.items():
            yield from child.below(f"{path}/{tag}")

    def shape(self, limits: Limits, count: int) -> Shape:
        """What the records here have in common."""
        shape = Shape(limits, base=1, count=count)
        self._tell(shape, ())
        return shape

    def _tell(self, shape: Shape, above: tuple[str | int, ...]) -> None:
        if len(above) > MOST_LEVELS:
            raise too_deep()
        for name in self.attributes:
            shape.seen[(*above, name)] = True
        for tag, child in self.children.items():
            path = (*above, tag)
            has_trees = bool(child.children)
            if child.most > 1:
                shape.lists[path] = Several(child.most, has_trees, not has_trees)
                shape.seen[path] = True
                for name in () if has_trees else child.attributes:
                    shape.lists[(*above, f"{tag}.{name}")] = Several(child.most, values=True)
                    shape.seen[(*above, f"{tag}.{name}")] = True
                if has_trees:
                    shape.children[path] = child.shape(shape.limits, child.count)
            elif has_trees:
                child._tell(shape, path)
                if child.said:
                    shape.seen[(*path, TEXT)] = True
            else:
                shape.seen[path] = True
                for name in child.attributes:
                    shape.seen[(*above, f"{tag}.{name}")] = True
        if not above and (self.said or not shape.seen):
            shape.seen[(TEXT,)] = True


class XmlText:
    """The text of a document as UTF-8, whatever it is in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codec = _codec_of(path)

    def pieces(self) -> Iterator[bytes]:
        """The text as UTF-8, without what may stand around a document and is none of it."""
        yield from _trimmed(self._whole())

    def _whole(self) -> Iterator[bytes]:
        if self._codec is None:
            yield from utf8_chunks(self._path, detect_encoding(self._path), _CHUNK)
            return
        decoder = codecs.getincrementaldecoder(self._codec)()
        with open_source(self._path) as source:
            while piece := source.read(_CHUNK):
                yield self._decoded(decoder, piece)
        yield self._decoded(decoder, b"", final=True)

    def _decoded(
        self, decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False
    ) -> bytes:
        try:
            return decoder.decode(piece, final=final).encode()
        except UnicodeError:
            if final:
                return b"\xff"  # it ends within a letter: the parser says so
            raise ContentError(
                FileCode.ENCODING, f"the document says that it is {self._codec}, and is not"
            ) from None


def _trimmed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Text whose declaration may stand behind blank lines, and NULs or Ctrl-Z behind all of it.

    A declaration that does not come first is made blank: lines keep their numbers, and what it says
    of the encoding is known.
    """
    padding, is_first = b"", True
    for piece in pieces:
        whole = padding + piece
        if is_first and (late := _LATE_DECLARATION.match(whole)):
            whole = b" " * (late.end() - late[0].count(b"\n")) + whole[late.end() :]
            whole = b"\n" * late[0].count(b"\n") + whole
        is_first = is_first and not whole.strip()
        kept = whole.rstrip(_PADDING)
        padding = whole[len(kept) :]
        yield kept


class _Document:
    """See `Trees`."""

    kind = NAME
    base = 1
    places = True

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._text = XmlText(path)
        self._labels = Labels()

    def survey(self) -> tuple[dict[str, Shape], tuple[str, ...]]:
        """Find the elements that repeat; their shapes follow from what was seen of each path."""
        root = self._structure()
        if self._labels.settle():
            root = self._structure()
        known = {
            path: one
            for tag, child in root.children.items()
            for path, one in child.below(f"/{tag}")
        }
        repeated = [
            path
            for path, one in known.items()
            if one.most > 1 and (one.attributes or one.children) and path.count("/") > 1
        ]
        outermost = [
            path for path in repeated if not any(path.startswith(f"{one}/") for one in repeated)
        ]
        found = outermost or _single(known)
        notes = tuple(_beside(known, found))
        return {path: known[path].shape(self._limits, known[path].count) for path in found}, notes

    def items(self, table: str) -> Iterator[Item]:
        """The records at one path."""
        for _, item in self._records(frozenset({table})):
            yield item

    def _structure(self) -> _Known:
        root = _Known()
        stack = [root]
        texts = [False]
        labels, tags, names = self._labels, self._labels.tags, self._labels.attributes
        kinds = 0

        def start(name: str, attributes: Attributes) -> None:
            nonlocal kinds
            tag = tags[name]
            above = stack[-1]
            one = above.children.get(tag)
            if one is None:
                one = above.children[tag] = _Known()
                kinds += 1
                if kinds > _MOST_PATHS or len(stack) > MOST_DEPTH:
                    raise _too_many(kinds)
            one.count += 1
            one.run += 1
            if one.run > one.most:
                one.most = one.run
            for attribute in attributes:
                if attribute.startswith("xmlns"):
                    labels.bind(attribute, attributes[attribute])
                elif _is_told(attribute):
                    one.attributes[f"@{names[attribute]}"] = None
            stack.append(one)
            texts.append(False)

        def end(_name: str) -> None:
            one = stack.pop()
            if texts.pop():
                one.said += 1
            for child in one.children.values():
                child.run = 0

        def text(piece: str) -> None:
            if not texts[-1] and not piece.isspace():
                texts[-1] = True

        events = XmlEvents(start, end, text, encoding="utf-8", is_raw=True)
        events.feed(self._text.pieces())
        return root

    def _records(self, wanted: frozenset[str]) -> Iterator[tuple[str, Item]]:
        builder = _Builder(wanted, self._limits, self._labels)
        for _ in builder.events.fed(builder.watched(self._text.pieces())):
            yield from builder.done
            builder.done.clear()


@dataclass(slots=True)
class _Open:
    """An element of a record that has not ended."""

    tag: str
    attributes: Attributes
    tree: dict[str, Any] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    has_children: bool = False


class _Builder:
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
            if _is_told(name)
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


def _is_told(name: str) -> bool:
    prefix, _, local = name.rpartition(":")
    return not (prefix == "xmlns" or name == "xmlns" or (prefix and local in _SILENT))


def _is_nil(attributes: Attributes) -> bool:
    """Whether an element says that it has no value."""
    return any(
        name.endswith(":nil") and value in ("true", "1") for name, value in attributes.items()
    )


def _too_many(kinds: int) -> ContentError:
    what = (
        f"it has more than {_MOST_PATHS} kinds of elements"
        if kinds > _MOST_PATHS
        else f"its elements are nested deeper than {MOST_DEPTH} levels"
    )
    return ContentError(FileCode.LIMIT_EXCEEDED, what)


def _single(known: dict[str, _Known]) -> list[str]:
    """Where the one record of a document is: the outermost element that has values."""
    for path, one in known.items():
        has_values = any(child.said and not child.children for child in one.children.values())
        if has_values or one.attributes:
            return [path]
    raise ContentError(FileCode.EMPTY, "none of its elements holds a value")


def _beside(known: dict[str, _Known], found: list[str]) -> Iterator[str]:
    """What is told of values that stand in no record."""
    beside: dict[str, None] = {}
    for path, one in known.items():
        if not any(path == record or path.startswith(f"{record}/") for record in found):
            beside |= dict.fromkeys(f"{path}/{name}" for name in one.attributes)
            if one.said:
                beside[path] = None
    if beside:
        yield f"values beside the records are not read: {', '.join([*beside][:20])}"


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
    name = declared[1].decode()
    if name.casefold().startswith(("utf-16", "utf-32", "ucs", "utf16")):
        return None  # written by a program that wrote text and named what it holds in memory
    try:
        b"<".decode(name, errors="replace")  # which fails for a codec that makes no text
        return meant_codec(path, codecs.lookup(name).name)
    except (LookupError, ValueError):
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
)
