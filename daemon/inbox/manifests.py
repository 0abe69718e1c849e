"""Manifests: lists of the files that belong together. Bytes in, entries out. Pure.

Read are plain lists (a name a line, perhaps with size or digest behind it, separated by comma,
semicolon or tab, with or without a header), the output of sha256sum and its like, and JSON: a list
of names or objects, or an object with such a list under "files".
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from daemon.inbox.checksums import Digest, digests_in, lines_of

MOST_BYTES = 4 * 1024 * 1024
_LONGEST_LINE = 8_192
_SEPARATORS = ("\t", ";", ",")
_NAMES = ("name", "file", "filename", "file_name", "path", "datei", "dateiname")
_SIZES = ("size", "size_bytes", "bytes", "length", "filesize", "file_size")
_HEX = re.compile(r"[0-9A-Fa-f]{32,128}")
_ENDS_WITH_SIZE = re.compile(r"(.*\.[^.\s]+)\s+(\d+)")
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


class Entry(NamedTuple):
    """One file of a manifest; `path` is relative to the manifest's folder. What is None is free."""

    path: bytes
    size_bytes: int | None = None
    digest: Digest | None = None


@lru_cache(64)
def entries_in(content: bytes) -> tuple[Entry, ...]:
    """The files a manifest lists, each once; none when it is no manifest, or leads elsewhere."""
    summed = digests_in(content)
    if summed:
        entries = [Entry(one.name, None, one) for one in summed if one.name is not None]
    else:
        text = "\n".join(lines_of(content))
        try:
            entries = list(_from_json(text) if text[:1] in ("[", "{") else _from_lines(text))
        except (ValueError, TypeError, LookupError, RecursionError, csv.Error):
            return ()
    by_path = {_plain(entry.path): entry for entry in entries}
    if not by_path or any(not _is_below(path) for path in by_path):
        return ()
    return tuple(entry._replace(path=path) for path, entry in by_path.items())


def _from_json(text: str) -> Iterator[Entry]:
    document = json.loads(text)
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        document = document.get("files", lists[0] if len(lists) == 1 else ())
    for one in document:
        if isinstance(one, str):
            yield Entry(_bytes(one))
        elif isinstance(one, dict):
            yield _from_object({str(key).casefold(): value for key, value in one.items()})
        else:
            raise TypeError("not a list of files")


def _from_object(values: Mapping[str, Any]) -> Entry:
    name = values[next((key for key in _NAMES if key in values), _NAMES[0])]
    size = next((values[key] for key in _SIZES if values.get(key) is not None), None)
    texts = [value for value in values.values() if isinstance(value, str)]
    return Entry(_bytes(name), None if size is None else int(size), _first_digest(texts))


def _from_lines(text: str) -> Iterator[Entry]:
    lines = text.split("\n")
    separator = next((sign for sign in _SEPARATORS if sign in lines[0]), None)
    if separator is None:
        yield from map(_from_line, lines)
        return
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    heads = [cell.casefold() for cell in rows[0]]
    place = next((at for at, head in enumerate(heads) if head in _NAMES), None)
    for row in rows if place is None else rows[1:]:
        yield _from_cells(row, place or 0)


def _from_line(line: str) -> Entry:
    if len(line) > _LONGEST_LINE:
        raise ValueError("no name is that long")
    found = _ENDS_WITH_SIZE.fullmatch(line)
    return Entry(_bytes(found[1].rstrip()), int(found[2])) if found else Entry(_bytes(line))


def _from_cells(cells: list[str], place: int) -> Entry:
    others = cells[:place] + cells[place + 1 :]
    sizes = [int(cell) for cell in others if cell.isdecimal() and len(cell) < 20]
    return Entry(_bytes(cells[place]), sizes[0] if sizes else None, _first_digest(others))


def _first_digest(texts: list[str]) -> Digest | None:
    for text in texts:
        bare = text.rpartition(":")[2].strip()
        if _HEX.fullmatch(bare) and len(bare) in _ALGORITHMS:
            return Digest(_ALGORITHMS[len(bare)], bare.lower(), None)
    return None


def _bytes(name: Any) -> bytes:
    if not isinstance(name, str):
        raise TypeError("a name is text")
    return name.encode("utf-8", "surrogateescape")


def _plain(path: bytes) -> bytes:
    return path.replace(b"\\", b"/").removeprefix(b"./")


def _is_below(path: bytes) -> bool:
    return all(part not in (b"", b".", b"..") for part in path.split(b"/"))
