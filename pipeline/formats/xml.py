"""XML: the element that repeats is the record; it is found by itself, or told.

The document is parsed as a stream: what is in memory is one batch of records. Entities are refused
and nothing outside the file is ever opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats import signatures
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formats.plugin import Format
from pipeline.formats.treeparts import Item
from pipeline.formats.treereader import TreeReader
from pipeline.formats.trees import Shape
from pipeline.formats.xmlnames import Labels
from pipeline.formats.xmlrecords import RecordBuilder
from pipeline.formats.xmlseen import Known, seen_in
from pipeline.formats.xmltext import XmlText
from pipeline.messages import Limits

NAME = "an XML document"


def open_xml(path: Path, limits: Limits, read_as: ReadAs | None = None) -> TableReader:
    """Open a document; see `TreeReader`.

    Raises:
        ContentError: ENCODING, DAMAGED, TRUNCATED or UNSUPPORTED (entities) too.
    """
    return TreeReader(_Document(path, limits), limits, read_as)


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
        root = seen_in(self._text.pieces(), self._labels)
        if self._labels.settle():
            root = seen_in(self._text.pieces(), self._labels)
        known = {
            path: one
            for tag, child in root.children.items()
            for path, one in child.below(f"/{tag}")
        }
        repeated = {
            path: None
            for path, one in known.items()
            if one.most > 1 and (one.attributes or one.children) and path.count("/") > 1
        }
        found = [path for path in repeated if not _lies_in(path, repeated)] or _single(known)
        notes = tuple(_beside(known, found))
        return {path: known[path].shape(self._limits, known[path].count) for path in found}, notes

    def items(self, table: str) -> Iterator[Item]:
        """The records at one path."""
        for _, item in self._records(frozenset({table})):
            yield item

    def _records(self, wanted: frozenset[str]) -> Iterator[tuple[str, Item]]:
        builder = RecordBuilder(wanted, self._limits, self._labels)
        for _ in builder.events.fed(builder.watched(self._text.pieces())):
            yield from builder.done
            builder.done.clear()


def _single(known: dict[str, Known]) -> list[str]:
    """Where the one record of a document is: the outermost element that has values."""
    for path, one in known.items():
        has_values = any(child.said and not child.children for child in one.children.values())
        if has_values or one.attributes:
            return [path]
    raise ContentError(FileCode.EMPTY, "none of its elements holds a value")


def _lies_in(path: str, others: Collection[str]) -> bool:
    """Whether an element lies within one of others."""
    steps = [at for at, sign in enumerate(path) if sign == "/"]
    return any(path[:at] in others for at in steps[1:])


def _beside(known: dict[str, Known], found: list[str]) -> Iterator[str]:
    """What is told of values that stand in no record."""
    beside: dict[str, None] = {}
    records = frozenset(found)
    for path, one in known.items():
        if path not in records and not _lies_in(path, records):
            beside |= dict.fromkeys(f"{path}/{name}" for name in one.attributes)
            if one.said:
                beside[path] = None
    if beside:
        yield f"values beside the records are not read: {', '.join([*beside][:20])}"


FORMAT = Format(
    name=NAME,
    recognises=lambda head: (
        head.text is not None and signatures.name_text(head.text) == signatures.XML
    ),
    open=open_xml,
    extensions=("xml",),
)
