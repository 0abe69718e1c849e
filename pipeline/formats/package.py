"""The parts of an Office file: a ZIP container in which parts refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from pipeline.ends.binary import is_cut
from pipeline.errors import ContentError, FileCode
from pipeline.formats.source import open_source
from pipeline.formats.unpacked import check_directory, check_unpacked
from pipeline.formats.xmlpull import Attributes, XmlEvents
from pipeline.messages import Limits

MOST_STRINGS_BYTES = 512 << 20
_CHUNK = 1 << 18
_DAMAGED = (BadZipFile, ZlibError, NotImplementedError, EOFError, KeyError, RuntimeError)

Relations = dict[str, tuple[str, str]]
"""What a part refers to: kind and target, by id."""


def damage(path: Path, error: Exception) -> ContentError:
    """What to say of a workbook over which reading stumbled: it is cut off, or else damaged."""
    if is_cut(path):
        return ContentError(FileCode.TRUNCATED, "the workbook ends before its end mark")
    return ContentError(FileCode.DAMAGED, f"the workbook is damaged ({type(error).__name__})")


class Package:
    """A container, opened anew for each look at it."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits

    @contextmanager
    def opened(self) -> Iterator[ZipFile]:
        """The container.

        Raises:
            ContentError: DAMAGED, TRUNCATED or LIMIT_EXCEEDED, here or while its parts are read.
        """
        try:
            with open_source(self._path) as source:
                check_directory(self._path)
                with ZipFile(source) as archive:
                    yield archive
        except _DAMAGED as error:
            raise damage(self._path, error) from None

    @contextmanager
    def part(self, archive: ZipFile, name: str) -> Iterator[BinaryIO]:
        """One part; one that unpacks without measure is refused."""
        info = archive.getinfo(stored_name(archive, name))
        check_unpacked(info.file_size, info.compress_size, self._limits)
        with archive.open(info) as stream:
            yield stream  # type: ignore[misc]

    def pieces(self, part: BinaryIO) -> Iterator[bytes]:
        """The bytes of a part, whatever size it claims to have."""
        done = 0
        while piece := part.read(_CHUNK):
            done += len(piece)
            if done > self._limits.max_unpacked_bytes:
                check_unpacked(done, 1, self._limits)
            yield piece

    def feed(self, archive: ZipFile, name: str, events: XmlEvents) -> None:
        """Parse a part that is XML."""
        with self.part(archive, name) as stream:
            events.feed(self.pieces(stream))

    def relations(self, archive: ZipFile, name: str) -> Relations:
        """What a part refers to."""
        folder, _, own = name.rpartition("/")
        found: Relations = {}

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = (kind, attributes.get("Target", ""))

        self.feed(archive, f"{folder}/_rels/{own}.rels".lstrip("/"), starts(start))
        return found


def starts(start: Callable[[str, Attributes], None]) -> XmlEvents:
    """Events of which only the beginnings of elements count."""
    return XmlEvents(start, lambda _: None)


def part_of_kind(archive: ZipFile, relations: Relations, kind: str, folder: str) -> str | None:
    """The part of a kind, None when there is none."""
    for known, target in relations.values():
        if known == kind:
            name = resolved(folder, target)
            return name if stored_name(archive, name) in archive.NameToInfo else None
    return None


def check_strings(archive: ZipFile, name: str) -> None:
    """Refuse shared texts that would not fit into memory.

    Raises:
        ContentError: LIMIT_EXCEEDED.
    """
    size = archive.getinfo(stored_name(archive, name)).file_size
    if size > MOST_STRINGS_BYTES:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"its texts are {size} bytes; {MOST_STRINGS_BYTES} are allowed",
        )


def stored_name(archive: ZipFile, name: str) -> str:
    """How a part is called in the container: small and capital letters are one, and so are both
    slashes, as some programs for Windows write them. Source: ECMA-376 part 2, 6.2.2.
    """
    if name in archive.NameToInfo:
        return name
    wanted = name.casefold()
    return next((one for one in archive.namelist() if _plain(one) == wanted), name)


def _plain(stored: str) -> str:
    return stored.replace("\\", "/").lstrip("/").casefold()


def resolved(folder: str, target: str) -> str:
    """A part's name in the container from how the workbook refers to it."""
    if target.startswith(("/", "\\")):
        return target.replace("\\", "/").lstrip("/")
    parts: list[str] = [*folder.split("/")] if folder else []
    for step in target.replace("\\", "/").split("/"):
        if step == "..":
            parts = parts[:-1]
        elif step not in ("", "."):
            parts.append(step)
    return "/".join(parts)
