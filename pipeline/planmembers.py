"""What would be decided about the files in an archive: each is planned as the job it becomes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.expand import expand_file
from pipeline.harmonize import plan_file, storage_trouble
from pipeline.messages import HarmonizeTask
from pipeline.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMember:
    """A file of an archive. path: as its job would be called, `a.zip!labs.csv`.

    What is None tells: `plan` of a file that would be refused, `refused` of any other.
    """

    path: str
    plan: Plan | None = None
    refused: PipelineError | None = None


@dataclass(slots=True)
class ArchivePlan:
    """What an archive holds. refused: members that cannot be taken out, with the reason."""

    members: list[PlannedMember] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def plan_archive(task: HarmonizeTask) -> ArchivePlan | None:
    """Plan the files of an archive, and of archives in it; None when it is none.

    They are taken out into the task's staging folder, which is empty and nobody else's.

    Raises:
        ContentError: nothing can be taken out of it, or more than the limits allow.
        TransientError: the disk or the file could not be read now.
    """
    with storage_trouble():
        expanded = expand_file(task)
    if expanded is None:
        return None
    found = ArchivePlan(refused=list(expanded.refused_members))
    for member in expanded.members:
        within = replace(
            task,
            source=str(Path(task.staging_dir) / member.file),
            source_path=f"{task.source_path}!{member.name}",
            depth=task.depth + 1,
        )
        found.members.extend(_planned(within, found.refused))
        Path(within.source).unlink()
    return found


def _planned(task: HarmonizeTask, refused: list[str]) -> Iterator[PlannedMember]:
    """The plan of a member, or of the files in it."""
    try:
        with tempfile.TemporaryDirectory(dir=task.staging_dir) as folder:
            inner = plan_archive(replace(task, staging_dir=folder))
        if inner is None:
            yield PlannedMember(path=task.source_path, plan=plan_file(task))
            return
    except PipelineError as error:
        yield PlannedMember(path=task.source_path, refused=error)
        return
    yield from inner.members
    refused.extend(f"{task.source_path}!{one}" for one in inner.refused)
