"""An archive becomes its members: each is taken out, verified, and a job of its own.

What cannot be taken out is told with its reason; the good ones are not kept waiting for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import ContentError, FileCode
from pipeline.formats.archives import Archive, Member, MemberRefused, archive_kind, opened_archive
from pipeline.formats.unpacked import RATIO_FROM_BYTES
from pipeline.messages import HarmonizeResult, HarmonizeTask, Limits, MemberFile, RowCounts
from pipeline.outputs.durable import make_durable

FOLDER = "members"
_MOST_NAME_BYTES = 200


def expand_file(task: HarmonizeTask) -> HarmonizeResult | None:
    """Take the members out of the task's archive into its staging folder; None if it is none.

    Raises:
        ContentError: LIMIT_EXCEEDED (members, bytes, archives in archives), EMPTY, MEMBERS_REFUSED
            when no member is good, DAMAGED or TRUNCATED when there is no list of members.
    """
    path = Path(task.source)
    kind = archive_kind(path, task.limits)
    if kind is None:
        return None
    if task.depth >= task.limits.max_archive_depth:
        raise ContentError(
            FileCode.LIMIT_EXCEEDED,
            f"archives lie in each other more than {task.limits.max_archive_depth} deep",
        )
    folder = Path(task.staging_dir) / FOLDER
    folder.mkdir()
    with opened_archive(path, task.limits, kind) as archive:
        desk = _Desk(archive, folder, task.limits)
        desk.take_all()
    make_durable([folder, folder.parent])
    if not desk.taken and not desk.refused:
        raise ContentError(FileCode.EMPTY, "there is no file in the archive")
    if not desk.taken:
        if desk.broken is not None and len(desk.refused) == 1:
            raise desk.broken
        raise ContentError(
            FileCode.MEMBERS_REFUSED, "none of its files can be read", tuple(desk.refused)
        )
    return HarmonizeResult(
        contract="",
        contract_version="",
        counts=RowCounts(),
        outputs=(),
        members=tuple(desk.taken),
        refused_members=tuple(desk.refused),
    )


class _Desk:
    """Takes members out, one after the other."""

    def __init__(self, archive: Archive, folder: Path, limits: Limits) -> None:
        self._archive, self._folder, self._limits = archive, folder, limits
        self._bytes = 0
        self.taken: list[MemberFile] = []
        self.refused: list[str] = []
        self.broken: ContentError | None = None

    def take_all(self) -> None:
        """Take out whatever can be; what follows a break in the archive is lost to us."""
        number = 0
        try:
            for member in self._archive.members():
                number += 1
                if number > self._limits.max_members:
                    raise _too_many(self._limits)
                self._take(member, number)
        except ContentError as error:
            if error.code is FileCode.LIMIT_EXCEEDED:
                raise
            self.broken = error
            self.refused.append(f"after file {number}: {error.note}")

    def _take(self, member: Member, number: int) -> None:
        try:
            if member.refused is not None:
                raise member.refused
            taken = self._written(member, self._folder / f"{number:06d}")
        except MemberRefused as refused:
            (self._folder / f"{number:06d}").unlink(missing_ok=True)
            self.refused.append(f"{_shown(member.name)}: {refused.note} [{refused.code}]")
        else:
            self.taken.append(taken)

    def _written(self, member: Member, target: Path) -> MemberFile:
        digest = hashlib.sha256()
        size = 0
        with target.open("xb") as out:
            for piece in self._archive.pieces(member):
                size += len(piece)
                self._bytes += len(piece)
                self._check(member, size)
                digest.update(piece)
                out.write(piece)
        return MemberFile(
            name=safe_name(member.name),
            file=f"{FOLDER}/{target.name}",
            sha256=digest.hexdigest(),
            size_bytes=size,
        )

    def _check(self, member: Member, size: int) -> None:
        limits = self._limits
        if self._bytes > limits.max_unpacked_bytes:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the archive unpacks to more than {limits.max_unpacked_bytes} bytes",
            )
        ratio = limits.max_unpacked_ratio
        if size > RATIO_FROM_BYTES and size > ratio * max(member.packed_bytes, 1):
            raise MemberRefused(
                FileCode.LIMIT_EXCEEDED, f"it unpacks to more than {ratio} times its size"
            )
        if self._bytes > RATIO_FROM_BYTES and self._bytes > ratio * self._archive.packed_bytes:
            raise ContentError(
                FileCode.LIMIT_EXCEEDED,
                f"the archive unpacks to more than {ratio} times its size",
            )


def safe_name(name: str) -> str:
    """A member's name as the end of a path: no empty steps, no control characters, not too long."""
    steps = [step for step in name.replace("\\", "/").split("/") if step not in ("", ".")]
    clean = ["".join(c if c.isprintable() else "_" for c in step) for step in steps] or ["member"]
    return "/".join(_fit(step) for step in clean)


def _fit(step: str) -> str:
    if len(step.encode()) <= _MOST_NAME_BYTES:
        return step
    stem, point, ending = step.rpartition(".")
    if not point or len(ending) > 10:
        stem, ending = step, ""
    room = _MOST_NAME_BYTES - len(ending.encode()) - 1
    return stem.encode()[:room].decode(errors="ignore") + point + ending


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:200]


def _too_many(limits: Limits) -> ContentError:
    return ContentError(
        FileCode.LIMIT_EXCEEDED, f"the archive has more than {limits.max_members} files"
    )
