"""Explains rows of finished jobs from what is kept of them: the original and its plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.db.errors import JobUnknown
from daemon.db.queries import ReadStore
from daemon.db.records import JobRecord
from daemon.errors import ExitCode, Refused
from daemon.folders.kept import past_file
from daemon.operations import Operations
from daemon.settings import Settings
from daemon.states import JobState
from pipeline.messages import HarmonizeTask, Limits, PastFile

if TYPE_CHECKING:
    from pipeline.explain import Explainer


def explain_row(
    settings: Settings, job_id: int, record: int, field: str | None = None
) -> dict[str, Any]:
    """What became of one record of a job, as plain data; with `field`, of that field alone.

    Raises:
        Refused: the job, its original, the record or the field is not there.
    """
    from pipeline.errors import PipelineError
    from pipeline.explain import NoSuchRecord

    operations = Operations(settings)
    with operations.reading() as store:
        job = _job(store, job_id)
        past = _past(settings, job, record)
        parent = None if job.parent_id is None else _job(store, job.parent_id)
    try:
        explainer, notes = _explainer(settings, job, past, parent)
        told = explainer.explain(record)
    except NoSuchRecord as error:
        raise Refused(
            ExitCode.NOT_FOUND,
            f"{job.label} has no record {record}.",
            f"Its records are numbered 1 to {error.last}; the header is none.",
        ) from None
    except (PipelineError, OSError) as error:
        raise Refused(
            ExitCode.UNAVAILABLE,
            f"{job.label} cannot be explained: {getattr(error, 'note', error)}.",
            f"Look at {Path(past.source).parent}.",
        ) from None
    if field is not None:
        _narrow(told, field, explainer.contract.field_names)
    return {"job": job.label, "source": job.shown_source, "notes": notes} | told


def _job(store: ReadStore, job_id: int) -> JobRecord:
    try:
        return store.get(job_id)
    except JobUnknown:
        raise Refused(
            ExitCode.NOT_FOUND, f"There is no job j{job_id}.", "See 'harmonizer jobs'."
        ) from None


def _past(settings: Settings, job: JobRecord, record: int) -> PastFile:
    if job.state is JobState.HELD:
        raise Refused(
            ExitCode.UNAVAILABLE,
            f"{job.label} waits for an answer; nothing was decided yet.",
            f"See 'harmonizer why {job.label}'.",
        )
    if job.duplicate_of is not None:
        raise Refused(
            ExitCode.UNAVAILABLE,
            f"{job.label} has the same bytes as j{job.duplicate_of}, which was delivered.",
            f"Run 'harmonizer explain j{job.duplicate_of} --row {record}'.",
        )
    found = past_file(job, archive=settings.folder("archive"), error=settings.folder("error"))
    if found is None:
        hint = f"See 'harmonizer show {job.label}'."
        if not job.state.is_finished:
            raise Refused(ExitCode.UNAVAILABLE, f"{job.label} is not finished yet.", hint)
        raise Refused(
            ExitCode.NOT_FOUND,
            f"{job.label} cannot be explained row by row: its original is not kept any more, or "
            "it was refused before a row was read.",
            hint,
        )
    return found


def _explainer(
    settings: Settings, job: JobRecord, past: PastFile, parent: JobRecord | None
) -> tuple[Explainer, list[str]]:
    from pipeline.corrections.correction import explainer_of
    from pipeline.errors import ContentError, FileCode

    task = HarmonizeTask(
        source=past.source,
        staging_dir="",
        contracts_dir=str(settings.contracts_dir),
        job=job.label,
        now_s=job.created_at_s,
        limits=Limits(**settings.limits.model_dump()),
    )
    if parent is not None:
        folders = {"archive": settings.folder("archive"), "error": settings.folder("error")}
        task = replace(task, parent=past_file(parent, **folders))
    try:
        return explainer_of(task, past)
    except ValueError:
        note = "no plan was kept with it"
        raise ContentError(FileCode.CORRECTION_MISFIT, note) from None


def _narrow(told: dict[str, Any], field: str, known: tuple[str, ...]) -> None:
    if field not in known:
        raise Refused(
            ExitCode.NOT_FOUND, f"There is no field {field}.", f"Known: {', '.join(known)}."
        )
    for row in told["rows"]:
        row["fields"] = [one for one in row["fields"] if one["field"] == field]
