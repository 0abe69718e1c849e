"""Corrected rejects and the job they belong to. Only looks, and never fails: a worker says why."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from daemon.db.errors import JobUnknown
from daemon.db.records import JobRecord
from daemon.folders.kept import past_file
from daemon.shell import Shell
from daemon.states import JobState
from pipeline.corrections.rejectfile import job_in
from pipeline.messages import PastFile


def corrected_job(shell: Shell, job: JobRecord) -> JobRecord | None:
    """The finished job whose rejects the claimed file of `job` corrects; None for any other."""
    label = job_in(shell.spool.input_path(job))
    if not label:
        return None
    with suppress(JobUnknown):
        found = shell.store.get(int(label[1:]))
        if found.state.is_finished and found.id != job.id:
            return found
    return None


def past_of(shell: Shell, job: JobRecord) -> tuple[PastFile | None, tuple[PastFile, ...]]:
    """The file that `job` corrects, and what corrected it before, oldest first."""
    parent = corrected_job(shell, job)
    if parent is None:
        return None, ()
    children = [
        child
        for child in shell.store.children_of(parent.id)
        if child.state is JobState.DELIVERED and child.id != job.id
    ]
    siblings = [past for child in children if (past := _kept(shell, child)) is not None]
    return _kept(shell, parent), tuple(one for one in siblings if _corrects(one, parent.label))


def _kept(shell: Shell, job: JobRecord) -> PastFile | None:
    folders = shell.spool.folders
    return past_file(job, archive=folders.archive, error=folders.error)


def _corrects(past: PastFile, label: str) -> bool:
    """A job sent again is a child as well; only a report tells the two apart."""
    with suppress(OSError, ValueError, AttributeError):
        report = json.loads(Path(past.report).read_bytes()).get("report", {})
        return bool(report.get("parent") == label)
    return False
