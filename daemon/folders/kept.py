"""Where finished originals are kept, how they come back from there, and when they go for good.

Part of the spool: nothing else calls what moves or deletes here.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path

from daemon.db.records import JobRecord, KnownFile
from daemon.folders import companions
from daemon.folders.files import TargetTaken, copy_verified, fsync_dir, is_there, move_into_place
from daemon.folders.filing import place_in
from daemon.inbox.names import SIDECARS
from daemon.policy import meaning
from pipeline.messages import PastFile
from pipeline.outputs.spreadsheets import spreadsheet_safe

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FILED = re.compile(r"j([1-9][0-9]{0,17})(?:__|-|$)")
_NAME_BYTES = 255
_INDEX_HEADER = ("job", "failed_at", "file", "code", "what_happened", "note", "folder")


def archive_place(job: JobRecord) -> str:
    """<date>/<job>, below the archive. The day is the arrival's, in UTC."""
    return f"{_day(job)}/{job.label}"


def error_place(job: JobRecord) -> str:
    """<date>/<job>__<CODE>, below the error folder."""
    return f"{_day(job)}/{job.label}__{job.reason_code or 'INTERNAL'}"


def _day(job: JobRecord) -> str:
    return datetime.fromtimestamp(job.created_at_s, UTC).date().isoformat()


def known_file(folder: Path, job: JobRecord) -> KnownFile | None:
    """How to recognise an original when it comes back; None when it is not in its folder."""
    with contextlib.suppress(OSError):
        seen = place_in(folder, os.fsdecode(job.name)).lstat()
        return KnownFile(device=seen.st_dev, inode=seen.st_ino, job_id=job.id)
    return None


def past_file(job: JobRecord, *, archive: Path, error: Path) -> PastFile | None:
    """Where a finished job's original lies with the report of its last attempt.

    `archive` and `error` are the folders themselves. None when one of the two is gone, or when the
    file was refused before anything was planned.
    """
    name = os.fsdecode(job.name)
    for folder, place, paper in (
        (archive, archive_place(job), "job.json"),
        (error, error_place(job), "report.json"),
    ):
        for found in namesakes(folder / place):
            original = place_in(found, name)
            if original.is_file() and (found / paper).is_file():
                return PastFile(source=str(original), report=str(found / paper))
    return None


def original_of(job: JobRecord, archive: Path, error: Path) -> Path | None:
    """Where a finished job's original is kept; None when it is not kept any more."""
    for place in (archive / archive_place(job), error / error_place(job)):
        for folder in namesakes(place):
            original = place_in(folder, os.fsdecode(job.name))
            if original.is_file() and not original.is_symlink():
                return original
    return None


def take_back(parent: JobRecord, target: Path, *, error: Path, archive: Path) -> bool:
    """Bring the original of `parent` to `target`, from where it is kept. Idempotent.

    `error` and `archive` are the folders as first named; the newest of `-2` and so on counts.
    """
    name, job_dir = os.fsdecode(parent.name), target.parent.parent
    for folder in namesakes(error)[:1]:
        companions.take_back(folder, _companions(folder, "reason.json"), job_dir, as_copy=False)
        place = place_in(folder, name)
        if is_there(place):
            with contextlib.suppress(TargetTaken):
                move_into_place(place, target)
        if not is_there(place):
            remove_papers(folder)
    if is_there(target):
        return True
    for folder in namesakes(archive):
        if is_there(place_in(folder, name)):
            names = _companions(folder, "job.json")
            companions.take_back(folder, names, job_dir, as_copy=True)
            copy_verified(place_in(folder, name), target)
            return True
    return False


def _companions(folder: Path, papers: str) -> list[str]:
    """Names of what came with the original, as its papers have them."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        names = json.loads((folder / papers).read_bytes()).get("companions", [])
        return names if isinstance(names, list) else []
    return []


def namesakes(folder: Path) -> list[Path]:
    """The folder, and those that were numbered because its name was taken; newest first."""
    found = [folder] if folder.is_dir() else []
    for number in count(2):
        other = folder.with_name(f"{folder.name}-{number}")
        if not other.is_dir():
            break
        found.insert(0, other)
    return [path for path in found if not path.is_symlink()]


def latest_namesake(folder: Path, relative: str) -> str:
    """What `publish` last called it: the numbered name if there is one, else `relative`."""
    found = namesakes(folder / relative)
    return str(found[0].relative_to(folder)) if found else relative


def remove_papers(folder: Path) -> None:
    """Remove what we wrote beside an original that is gone, and the folder if nothing is left.

    A paper that somebody edited is theirs now, and stays.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        written = json.loads((folder / "reason.json").read_bytes()).get("sidecars", {})
        for name, digest in written.items():
            paper = folder / name
            if name.encode() in SIDECARS and not paper.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    if sha256(paper.read_bytes()).hexdigest() == digest:
                        paper.unlink()
        (folder / "reason.json").unlink()
    with contextlib.suppress(OSError):
        (folder / "original").rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
        fsync_dir(folder.parent)


def originals_in(*folders: Path) -> list[Path]:
    """The originals in a job's private folders: neither our papers nor half a copy."""
    found = []
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            found += [
                path
                for path in sorted(folder.iterdir())
                if path.name != "original"
                and os.fsencode(path.name) not in SIDECARS
                and not path.name.startswith(".harmonizer-")
            ]
            if (folder / "original").is_dir():
                found += sorted((folder / "original").iterdir())
    return found


def give_back(original: Path, inbox: Path, prefix: str) -> Path:
    """Move an original to the inbox under a name that is free there. Returns its place."""
    for number in count(1):
        start = prefix if number == 1 else f"{prefix}{number}-"
        stem, dot, extension = original.name.rpartition(".")
        tail = os.fsencode(dot + extension)[-64:] if stem else b""
        body = os.fsencode(stem or original.name)
        room = _NAME_BYTES - len(start.encode()) - len(tail)
        target = inbox / os.fsdecode(start.encode() + body[:room] + tail)
        with contextlib.suppress(FileExistsError):
            move_into_place(original, target)
            return target
    raise AssertionError("unreachable")


def highest_filed(*folders: Path) -> int:
    """The highest job number in the newest days of the archive and error folders; 0 if none.

    Numbers ascend with time, so two days (the clock may have been set back) are enough.
    """
    highest = 0
    for folder in folders:
        if not folder.is_dir():  # on a mount that is away
            continue
        days = sorted((day for day in folder.iterdir() if _DAY.fullmatch(day.name)), reverse=True)
        for day in days[:2]:
            found = (_FILED.match(entry.name) for entry in day.iterdir())
            highest = max([highest, *(int(name[1]) for name in found if name)])
    return highest


def prune_days(archive: Path, before: date) -> int:
    """Delete the archive's days before `before`. Returns the number of jobs that were in them.

    Only folders named as days are looked at; links are neither followed nor removed.
    """
    removed = 0
    for day in sorted(archive.iterdir()):
        if not _DAY.fullmatch(day.name) or day.is_symlink() or not day.is_dir():
            continue
        with contextlib.suppress(ValueError):  # 2026-02-31 is not ours
            if date.fromisoformat(day.name) < before:
                removed += sum(1 for _ in day.iterdir())
                shutil.rmtree(day)
    if removed:
        fsync_dir(archive)
    return removed


def index_of_errors(jobs: Iterable[JobRecord], error: Path) -> bytes:
    """The content of error/INDEX.csv: one row a refused file."""
    rows: list[Sequence[str]] = [_INDEX_HEADER]
    for job in jobs:
        place = error_place(job)
        failed_at = datetime.fromtimestamp(job.finished_at_s or job.updated_at_s, UTC)
        rows.append(
            (
                job.label,
                failed_at.astimezone().strftime("%Y-%m-%d %H:%M:%S %z"),
                job.shown_source,
                job.reason_code or "INTERNAL",
                meaning(job.reason_code or "INTERNAL"),
                job.reason_note or "",
                place if (error / place).is_dir() else "taken away",
            )
        )
    return table_for_spreadsheets(rows)


def table_for_spreadsheets(rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV that opens right in Excel: UTF-8 with a mark, CRLF, every cell quoted."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([spreadsheet_safe(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig", "backslashreplace")
