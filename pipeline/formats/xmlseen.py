"""What was seen of the elements of a document: which repeat, what those have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.errors import ContentError, FileCode
from pipeline.formats.trees import MOST_LEVELS, TEXT, Several, Shape, too_deep
from pipeline.formats.xmlnames import Labels, is_told
from pipeline.formats.xmlpull import MOST_DEPTH, Attributes, XmlEvents
from pipeline.messages import Limits

_MOST_PATHS = 20_000


@dataclass(slots=True)
class Known:
    """What was seen of the elements at one path.

    run: how many of them the present parent has; most: how many any has. said: how many hold text.
    """

    count: int = 0
    run: int = 0
    most: int = 0
    said: int = 0
    attributes: dict[str, None] = field(default_factory=dict)
    children: dict[str, Known] = field(default_factory=dict)

    def below(self, path: str) -> Iterator[tuple[str, Known]]:
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


def seen_in(pieces: Iterable[bytes], labels: Labels) -> Known:
    """Go through a document; gives what is above its outermost element. Learns its names too.

    Raises:
        ContentError: it is no XML, or of more kinds of elements than any document.
    """
    root = Known()
    stack = [root]
    texts = [False]
    tags, names = labels.tags, labels.attributes
    kinds = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal kinds
        tag = tags[name]
        above = stack[-1]
        one = above.children.get(tag)
        if one is None:
            one = above.children[tag] = Known()
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
            elif is_told(attribute):
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
    events.feed(pieces)
    return root


def _too_many(kinds: int) -> ContentError:
    what = (
        f"it has more than {_MOST_PATHS} kinds of elements"
        if kinds > _MOST_PATHS
        else f"its elements are nested deeper than {MOST_DEPTH} levels"
    )
    return ContentError(FileCode.LIMIT_EXCEEDED, what)
