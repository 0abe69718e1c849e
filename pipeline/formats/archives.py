"""Archives (ZIP, tar and tar in any compression): what is in them, read member by member.

A member's name is told and never followed: what is taken out goes where the caller says.
"""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal
from zipfile import BadZipFile, ZipFile, ZipInfo

from pipeline.ends.binary import is_cut, is_tar
from pipeline.errors import ContentError, FileCode
from pipeline.formats.signatures import DELIMITED_TEXT
from pipeline.formats.source import open_source
from pipeline.formats.tars import BROKEN, entries, opened_tar
from pipeline.formats.unpacked import UnpackedFile, check_directory
from pipeline.messages import Limits

ZIP = "a ZIP archive"
TAR = "a tar archive"
_PIECE = 1 << 20
_JUNK = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_ENCRYPTED = 0x1
_DAMAGED = (*BROKEN, BadZipFile, zlib.error, lzma.LZMAError, struct.error)


class MemberRefused(Exception):
    """A member that cannot be taken out; `note` says why, in a sentence."""

    def __init__(self, code: FileCode, note: str) -> None:
        super().__init__(code, note)
        self.code, self.note = code, note


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in an archive. name: as the archive has it. refused: why it is not taken out."""

    name: str
    size_bytes: int
    packed_bytes: int
    refused: MemberRefused | None
    source: ZipInfo | tarfile.TarInfo


@dataclass(slots=True)
class Archive:
    """An opened archive."""

    kind: Literal["zip", "tar"]
    packed_bytes: int
    opened: ZipFile | tarfile.TarFile

    def members(self) -> Iterator[Member]:
        """The files in it, in their order, without folders and what systems leave behind.

        Raises:
            ContentError: TRUNCATED or DAMAGED when the list itself cannot be read on.
        """
        if isinstance(self.opened, ZipFile):
            for info in self.opened.infolist():
                is_folder = info.filename != "" and info.is_dir()
                if not is_folder and not _is_junk(info.filename):
                    yield _of_zip(info)
            return
        for entry in entries(self.opened):
            if not entry.isdir() and not _is_junk(entry.name):
                yield _of_tar(entry)

    def pieces(self, member: Member) -> Iterator[bytes]:
        """A member's bytes, checked against its checksum where the archive has one.

        Raises:
            MemberRefused: it is damaged or cut off.
        """
        read = 0
        try:
            with self._open(member) as stream:
                while piece := stream.read(_PIECE):
                    read += len(piece)
                    yield piece
        except (*_DAMAGED, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(error, RuntimeError):  # NotImplementedError too
                raise MemberRefused(
                    FileCode.UNSUPPORTED, "it is compressed in a way that cannot be read here"
                ) from None
            if isinstance(error, tarfile.ReadError):
                raise MemberRefused(FileCode.TRUNCATED, "it ends before its end") from None
            raise MemberRefused(
                FileCode.DAMAGED, f"it is damaged ({type(error).__name__})"
            ) from None
        if read != member.size_bytes:
            raise MemberRefused(FileCode.TRUNCATED, "it ends before its end")

    def _open(self, member: Member) -> IO[bytes]:
        if isinstance(self.opened, ZipFile):
            assert isinstance(member.source, ZipInfo)  # noqa: S101 - members() made it
            return self.opened.open(member.source)
        assert isinstance(member.source, tarfile.TarInfo)  # noqa: S101 - members() made it
        found = self.opened.extractfile(member.source)
        if found is None:
            raise MemberRefused(FileCode.SPECIAL, "it is no ordinary file")
        return found


@contextmanager
def opened_archive(path: Path, limits: Limits, kind_of: str) -> Iterator[Archive]:
    """Open what `archive_kind` has recognised.

    Raises:
        ContentError: TRUNCATED, DAMAGED or LIMIT_EXCEEDED.
    """
    size = path.stat().st_size
    unpacked = UnpackedFile(path, limits)
    if kind_of == ZIP:
        check_directory(unpacked.path)
    with open_source(unpacked.path) as source:
        try:
            opened = _open(source, kind_of)
        except (*_DAMAGED, NotImplementedError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            has_no_end = kind_of == ZIP and is_cut(unpacked.path)
            raise ContentError(
                FileCode.TRUNCATED if has_no_end else FileCode.DAMAGED,
                "the archive ends before its end mark" if has_no_end else "the archive is damaged",
            ) from None
        with opened:
            kind: Literal["zip", "tar"] = "zip" if kind_of == ZIP else "tar"
            yield Archive(kind, size, opened)
    del unpacked  # its bytes were needed until here


def _open(source: BinaryIO, kind: str) -> ZipFile | tarfile.TarFile:
    return ZipFile(source) if kind == ZIP else opened_tar(source)


def archive_kind(path: Path, limits: Limits) -> str | None:
    """ZIP or TAR when the file at `path`, unpacked, is an archive; None for anything else.

    Raises:
        ContentError: it is compressed, and damaged or without measure.
    """
    from pipeline.formats.registry import recognised  # above this module; it asks for endings here

    unpacked = UnpackedFile(path, limits)
    found = recognised(unpacked.path)
    if found.format is not None and found.kind != DELIMITED_TEXT:
        return None
    if found.kind in (ZIP, TAR):
        return found.kind
    with open_source(unpacked.path) as source:
        head = source.read(512)
    return TAR if is_tar(head) else None


def _of_zip(info: ZipInfo) -> Member:
    refused = _escape(info.filename)
    if info.flag_bits & _ENCRYPTED:
        refused = MemberRefused(FileCode.UNSUPPORTED, "it has a password")
    elif stat.S_ISLNK(info.external_attr >> 16):
        refused = MemberRefused(FileCode.SYMLINK, "it is a link, not a file")
    return Member(
        name=info.filename,
        size_bytes=info.file_size,
        packed_bytes=info.compress_size,
        refused=refused,
        source=info,
    )


def _of_tar(entry: tarfile.TarInfo) -> Member:
    refused = _escape(entry.name)
    if entry.issym() or entry.islnk():
        refused = MemberRefused(FileCode.SYMLINK, "it is a link, not a file")
    elif not entry.isfile():
        refused = MemberRefused(FileCode.SPECIAL, "it is a device or pipe, not a file")
    return Member(
        name=entry.name,
        size_bytes=entry.size,
        packed_bytes=entry.size,
        refused=refused,
        source=entry,
    )


def _escape(name: str) -> MemberRefused | None:
    """A name that leads out of the folder it would be unpacked to."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        return MemberRefused(FileCode.SPECIAL, "its name leads out of the archive")
    return None


def _is_junk(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    last = parts[-1].casefold()
    return parts[0] == "__MACOSX" or last in _JUNK or last.startswith("._")
