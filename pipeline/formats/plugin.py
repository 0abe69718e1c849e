"""What one format brings along: how its files are known, how they are opened, how they end.

Ours and other people's are made of the same thing; see docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile, ZipFile

from pipeline.formats.base import TableReader
from pipeline.formats.zipdirectory import MOST_DIRECTORY_BYTES, zip_directory_bytes

ZIP_MARK = b"PK\x03\x04"
Ending = Literal["complete", "incomplete", "unknown"]
"""What a format says about whether all of a file has arrived."""


@dataclass(frozen=True)
class Head:
    """The beginning of a file, as a format looks at it.

    data: its first bytes. text: the same decoded, None when it is binary. path: the whole file.
    """

    data: bytes
    text: str | None
    path: Path

    @cached_property
    def members(self) -> frozenset[str]:
        """Names of the files in a ZIP container; empty for anything else, or a damaged one."""
        if not self.data.startswith((ZIP_MARK, b"PK\x05\x06")):
            return frozenset()
        if zip_directory_bytes(self.path) > MOST_DIRECTORY_BYTES:
            return frozenset()  # whoever opens it refuses it
        try:
            with ZipFile(self.path) as archive:
                return frozenset(name.replace("\\", "/") for name in archive.namelist())
        except (BadZipFile, OSError, ValueError, NotImplementedError):
            return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file that can be read.

    name: what it is, with its article: "an Excel workbook (.xlsx)". recognises: tells by the
    content, never by the name. open: called as `open(path, limits, read_as=...)`, gives a
    `TableReader`. extensions: the endings of names such files have, lower case, without the dot;
    another one is told to people and changes nothing. ends: whether a file of it is whole, asked
    before it is opened; one that says "incomplete" goes back to the inbox and waits for its end.
    The ends of our own formats are known to `pipeline.ends`.
    """

    name: str
    recognises: Callable[[Head], bool]
    open: Callable[..., TableReader]
    extensions: tuple[str, ...] = ()
    ends: Callable[[Path], Ending] | None = None
