"""The raw view of a file in an archive: `a.zip` is looked at as the table that is in it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline.ends.packed import ZSTD_MARKS
from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.formats.archives import Archive, Member, MemberRefused, archive_kind, opened_archive
from pipeline.formats.raw.view import RawView, view_file
from pipeline.formats.source import open_source
from pipeline.formats.unpacked import RATIO_FROM_BYTES, check_unpacked, nameless_file, write_all
from pipeline.messages import Limits

_HEAD_BYTES = 512
_WITHIN = "!"
_MOST_TOLD = 100
_PACKED = (b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", *ZSTD_MARKS)


def view_any(path: Path, limits: Limits, table: str | None = None, depth: int = 0) -> RawView:
    """Read `path` for itself; of an archive, the first file in it that can be read.

    table: as in `view_file`; in an archive the name or number of a file, which may be followed by
    `!` and a table of that: `export.xlsx!Results`.

    Raises:
        ContentError, TransientError: as `view_file`; LIMIT_EXCEEDED for archives without measure.
    """
    kind = archive_kind(path, limits) if _may_be_archive(path) else None
    if kind is None:
        return view_file(path, limits, table)
    if depth >= limits.max_archive_depth:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"archives lie in each other more than {limits.max_archive_depth} deep",
        )
    with opened_archive(path, limits, kind) as archive:
        return _Look(archive, limits, kind, depth, path.parent).view(table)


def _may_be_archive(path: Path) -> bool:
    with open_source(path) as source:
        head = source.read(_HEAD_BYTES)
    return head.startswith(_PACKED) or (len(head) == _HEAD_BYTES and b"\0" in head)


@dataclass(frozen=True, slots=True)
class _Look:
    """One archive, opened."""

    archive: Archive
    limits: Limits
    kind: str
    depth: int
    folder: Path
    notes: list[str] = field(default_factory=list)

    def view(self, table: str | None) -> RawView:
        """The file that is asked for, or the first that can be read."""
        members = self._members()
        if not members:
            raise ContentError(FileCode.EMPTY, "there is no file in the archive")
        wanted, within = _wanted(table, [one.name for one in members])
        chosen = members if wanted is None else [members[wanted]]
        refused: PipelineError | None = None
        for member in chosen:
            try:
                seen = self._view_of(member, within)
            except PipelineError as error:
                refused = refused or error
                continue
            return self._told(seen, member, members)
        raise refused or ContentError(FileCode.MEMBERS_REFUSED, "none of its files can be read")

    def _members(self) -> list[Member]:
        """The files up to where the archive breaks, if it does behind the first of them."""
        found: list[Member] = []
        most = self.limits.max_members
        try:
            found.extend(islice(self.archive.members(), most + 1))
        except ContentError as error:
            if error.code is FileCode.LIMIT_EXCEEDED or not found:
                raise
            self.notes.append(f"after file {len(found)}: {error.note}")
        if len(found) > most:
            raise ContentError(FileCode.LIMIT_EXCEEDED, f"the archive has more than {most} files")
        return found

    def _view_of(self, member: Member, within: str | None) -> RawView:
        if member.refused is not None:
            raise ContentError(member.refused.code, f"{member.name}: {member.refused.note}")
        target = nameless_file(self.folder)
        try:
            done = 0
            for piece in self.archive.pieces(member):
                done += len(piece)
                packed = self.archive.packed_bytes if done > RATIO_FROM_BYTES else done
                check_unpacked(done, packed, self.limits)
                write_all(target, piece)
            path = Path(f"/proc/self/fd/{target}")
            seen = view_any(path, self.limits, within, self.depth + 1)
        except MemberRefused as refused:
            os.close(target)
            raise ContentError(refused.code, f"{member.name}: {refused.note}") from None
        except BaseException:
            os.close(target)
            raise
        return RawView(seen.described, seen.header, _Held(seen, target))

    def _told(self, seen: RawView, member: Member, members: list[Member]) -> RawView:
        described = seen.described
        described["evidence"].append(f"taken out of {self.kind}: {member.name}")
        described["evidence"] += self.notes
        if len(members) > 1:
            described["tables"] = [
                {
                    "number": number,
                    "name": one.name,
                    "about": one.refused.note if one.refused else f"{one.size_bytes} bytes",
                    "read": one is member,
                }
                for number, one in enumerate(members[:_MOST_TOLD], 1)
            ]
        return seen


class _Held:
    """The rows of a file that was taken out; the file is gone when they are."""

    def __init__(self, seen: RawView, target: int) -> None:
        self._seen = seen
        weakref.finalize(self, os.close, target)

    def __iter__(self) -> Iterator[list[str]]:
        yield from self._seen.rows


def _wanted(table: str | None, names: list[str]) -> tuple[int | None, str | None]:
    """Which file is asked for, and which table in it; of an only file also that alone."""
    if table is None:
        return None, None
    asked = table.strip()
    for at, name in enumerate(names):
        if asked.casefold() == name.casefold():
            return at, None
        if asked.casefold().startswith(f"{name}{_WITHIN}".casefold()):
            return at, asked[len(name) + 1 :]
    if len(names) == 1:
        return 0, asked
    if asked.isascii() and asked.isdigit() and 0 < int(asked[:9]) <= len(names):
        return int(asked[:9]) - 1, None
    there = ", ".join(f"{at} {name}" for at, name in enumerate(names[:20], 1))
    raise ContentError(FileCode.TABLE_UNCLEAR, f"there is no file {asked}; there are: {there}")
