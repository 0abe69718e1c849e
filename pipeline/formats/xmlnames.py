"""What the names of a document are called: without their prefix, where that confuses nothing.

Two names of different namespaces that differ in nothing else (`a:id`, `b:id`) are two things, and
so one of them keeps its prefix. Names that differ in their prefix alone are one thing.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.formats.xmlpull import LocalNames

_SILENT = frozenset({"nil", "schemaLocation", "noNamespaceSchemaLocation"})


class Labels:
    """Labels of elements and of attributes, learnt from a first reading of a document."""

    def __init__(self) -> None:
        self.tags = LocalNames()
        self.attributes = LocalNames()
        self._bound: dict[str, dict[str, None]] = {}

    def bind(self, attribute: str, uri: str) -> None:
        """Learn from an attribute `xmlns` or `xmlns:prefix`."""
        prefix = attribute.partition(":")[2]
        self._bound.setdefault(prefix, {})[uri] = None

    def settle(self) -> bool:
        """Part the names that must not be confused; False when there are none."""
        told = [self._part(self.tags, has_default=True), self._part(self.attributes)]
        return any(told)

    def _part(self, labels: LocalNames, *, has_default: bool = False) -> bool:
        by_local: dict[str, list[str]] = {}
        for name in labels:
            by_local.setdefault(name.rpartition(":")[2], []).append(name)
        parted = False
        for local, names in by_local.items():
            spaces = {name: self._space(name, has_default=has_default) for name in names}
            if len(set(spaces.values())) < 2:
                continue
            kept = spaces.get(local, spaces[names[0]])
            for name in names:
                if spaces[name] != kept:
                    labels[name] = self._first(name, names, spaces)
                    parted = True
        return parted

    def _space(self, name: str, *, has_default: bool) -> str:
        """The namespace of a name; one that is not told, or told twice, is called by its prefix."""
        prefix = name.rpartition(":")[0]
        if not prefix and not has_default:
            return ""
        bound = list(self._bound.get(prefix, ()))
        return bound[0] if len(bound) == 1 else f"\0{prefix}"

    @staticmethod
    def _first(name: str, names: Iterable[str], spaces: dict[str, str]) -> str:
        """The first name with the same namespace: whatever its prefixes are, it has one label."""
        return next(one for one in names if spaces[one] == spaces[name])


def is_told(name: str) -> bool:
    """Whether an attribute says anything of its element, and not of the document's own names."""
    prefix, _, local = name.rpartition(":")
    return not (prefix == "xmlns" or name == "xmlns" or (prefix and local in _SILENT))
