"""`verify`: are the kept originals and the deliveries still what the record says? Only looks.

Every original in the archive is hashed and compared with the hash taken when it was claimed; every
file of a delivery that is still in the outbox with the hash its worker noted. Deliveries may be
taken away by whoever they are for; originals may only go with their retention time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from daemon.db.queries import ReadStore
from daemon.db.records import JobRecord, shown
from daemon.errors import ExitCode, Refused
from daemon.folders.files import FileChanged, FileVanished, sha256_of
from daemon.folders.filing import place_in
from daemon.folders.kept import archive_place, namesakes
from daemon.operations import Operations
from daemon.settings import Settings
from daemon.states import JobState

_PAGE = 1_000
_ARCHIVED = (JobState.DELIVERED, JobState.DUPLICATE, JobState.CANCELLED)
_PAPER = "job.json"

Kind = Literal["edited", "missing", "foreign", "unreadable"]


class Problem(NamedTuple):
    """Something that is not as it was recorded. `where` is the path, escaped for people."""

    kind: Kind
    job: str | None
    where: str
    what: str


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what was wrong with it."""

    originals: int = 0
    outputs: int = 0
    pruned: int = 0
    taken: int = 0
    problems: list[Problem] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for --json."""
        return {
            "ok": not self.problems,
            "originals_checked": self.originals,
            "outputs_checked": self.outputs,
            "originals_past_retention": self.pruned,
            "deliveries_taken": self.taken,
            "problems": [problem._asdict() for problem in self.problems],
        }


def verify(
    settings: Settings,
    job_ids: Sequence[int] = (),
    *,
    advance: Callable[[], None] = lambda: None,
) -> Verdict:
    """Check the named jobs, or all of them and the archive for what no job put there.

    Raises:
        Refused: there is no record to compare with, no such job, or the archive is not there.
    """
    archive = settings.folder("archive")
    if not archive.is_dir():
        raise Refused(
            ExitCode.NOT_FOUND, f"There is no archive at {archive}.", "Is it mounted? See 'doctor'."
        )
    verdict, known = Verdict(), set[Path]()
    operations = Operations(settings)
    if job_ids:
        operations.must_exist(job_ids)
    with operations.reading() as store:
        for job in _jobs(store, job_ids):
            _check_original(settings, job, known, verdict)
            if job.state is JobState.DELIVERED:
                _check_delivery(settings, store, job, verdict)
            advance()
    if not job_ids:
        _find_foreign(archive, known, verdict)
    return verdict


def _jobs(store: ReadStore, job_ids: Sequence[int]) -> Iterator[JobRecord]:
    if job_ids:
        yield from (job for job in map(store.get, job_ids) if job.state in _ARCHIVED)
        return
    before_id = None
    while True:
        page = store.jobs(limit=_PAGE, before_id=before_id)
        yield from (job for job in page if job.state in _ARCHIVED)
        if len(page) < _PAGE:
            return
        before_id = page[-1].id


def _check_original(settings: Settings, job: JobRecord, known: set[Path], verdict: Verdict) -> None:
    folders = namesakes(settings.folder("archive") / archive_place(job))
    if not folders:
        if _is_past_retention(settings, job):
            verdict.pruned += 1
        else:
            place = settings.folder("archive") / archive_place(job)
            _add(verdict, "missing", job, place, "its folder is gone from the archive")
        return
    folder = next((one for one in folders if _is_of(one, job)), folders[-1])
    known.add(folder)
    paper = _paper(folder) or {}
    if not _is_of(folder, job):
        _add(verdict, "edited", job, folder / _PAPER, "job.json is missing or was changed")
    if paper.get("original_missing"):
        return  # recorded as lost when it was filed; there is nothing to compare
    verdict.originals += 1
    original = place_in(folder, os.fsdecode(job.name))
    _compare(verdict, job, original, job.sha256)
    ours = {_PAPER, original.relative_to(folder).parts[0], *map(str, paper.get("companions", ()))}
    for entry in sorted(folder.iterdir()):
        if entry.name not in ours:
            _add(verdict, "foreign", job, entry, "no file of this job; somebody put it there")


def _check_delivery(settings: Settings, store: ReadStore, job: JobRecord, verdict: Verdict) -> None:
    folder = settings.folder("outbox") / (job.delivery or "")
    if not job.delivery or not folder.is_dir():
        verdict.taken += 1
        return
    outputs = {output.name: output.sha256 for output in store.outputs_of(job.id)}
    for name, digest in outputs.items():
        if not os.path.lexists(folder / name):
            _add(verdict, "missing", job, folder / name, "its delivery is there without it")
            continue
        verdict.outputs += 1
        _compare(verdict, job, folder / name, digest)
    for entry in sorted(folder.iterdir()):
        if entry.name not in outputs and entry.name != "report.json":
            _add(verdict, "foreign", job, entry, "the delivery was made without it")


def _compare(verdict: Verdict, job: JobRecord, path: Path, expected: str | None) -> None:
    try:
        found = sha256_of(path)[0]
    except FileVanished:
        _add(verdict, "missing", job, path, "the file is gone")
    except FileChanged:
        _add(verdict, "edited", job, path, "somebody writes to it at this moment")
    except OSError as error:
        _add(verdict, "unreadable", job, path, f"it cannot be read: {error.strerror}")
    else:
        if found != expected:
            _add(verdict, "edited", job, path, "its bytes are not those that were recorded")


def _find_foreign(archive: Path, known: set[Path], verdict: Verdict) -> None:
    """Whatever lies in the archive and no job put there."""
    for day in sorted(archive.iterdir()):
        if day.name.startswith(".harmonizer-"):
            continue
        if day.is_symlink() or not day.is_dir() or not _is_day(day.name):
            verdict.problems.append(
                Problem("foreign", None, _shown(day), "the service made nothing of that name")
            )
            continue
        for folder in sorted(day.iterdir()):
            if folder not in known and not folder.name.startswith(".harmonizer-"):
                verdict.problems.append(
                    Problem("foreign", None, _shown(folder), "no finished job belongs to it")
                )


def _is_of(folder: Path, job: JobRecord) -> bool:
    """Whether that folder is this job's: an older database may have had a job of this number."""
    original = (_paper(folder) or {}).get("original")
    return isinstance(original, dict) and original.get("sha256") == job.sha256


def _paper(folder: Path) -> dict[str, Any] | None:
    try:
        path = folder / _PAPER
        document = None if path.is_symlink() else json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _is_past_retention(settings: Settings, job: JobRecord) -> bool:
    days = settings.retention.archive_days
    if days is None:
        return False
    return date.fromisoformat(archive_place(job).split("/")[0]) <= _today() - timedelta(days=days)


def _today() -> date:
    return datetime.now(UTC).date()


def _is_day(name: str) -> bool:
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _add(verdict: Verdict, kind: Kind, job: JobRecord, path: Path, what: str) -> None:
    verdict.problems.append(Problem(kind, job.label, _shown(path), what))


def _shown(path: Path) -> str:
    return shown(os.fsencode(path))
