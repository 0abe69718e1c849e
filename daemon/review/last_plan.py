"""The plan of the last file that came from the same source, to be compared with another's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.db.queries import ReadStore
from daemon.db.records import JobRecord
from daemon.folders.kept import past_file
from daemon.operations import Operations
from daemon.settings import Settings
from daemon.states import JobState

if TYPE_CHECKING:
    from pipeline.plan import Plan

_MOST_JOBS = 2_000  # deliveries whose paths are looked through
_MOST_PLANS = 50  # kept plans that are read in search of the same labels


class LastPlan(NamedTuple):
    """A delivered job and its plan, as `Plan.to_dict` wrote it."""

    job: JobRecord
    plan: dict[str, Any]


def last_plan(
    settings: Settings,
    store: ReadStore,
    source_path: str,
    now: dict[str, Any],
    *,
    before: int | None = None,
) -> LastPlan | None:
    """The plan of the newest delivery from the source of a file; None when there is none.

    Files are of one source when their paths are the same but for dates and numbers, or else when
    they have the same labels or one confirmed mapping. `before` leaves out that job and later ones.
    """
    from pipeline.review.proposal import source_name

    delivered = store.jobs(state=JobState.DELIVERED, limit=_MOST_JOBS, before_id=before)
    source = source_name(source_path, "")
    namesakes = (
        job for job in delivered if source and source_name(os.fsdecode(job.source), "") == source
    )
    found = next(_kept(settings, namesakes), None)
    if found is None:
        alike = (job for job in delivered[:_MOST_PLANS] if job.contract == now["contract"])
        found = next((one for one in _kept(settings, alike) if _is_alike(one.plan, now)), None)
    return found


def _is_alike(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two files are of one source by their labels or by the mapping they rest on."""
    is_mapped = now["mapping"] is not None and before.get("mapping") == now["mapping"]
    return is_mapped or bool(before.get("labels") == now["labels"])


def compared(
    settings: Settings, store: ReadStore, source_path: str, now: Plan, *, before: int | None = None
) -> dict[str, Any] | None:
    """What a plan decides otherwise than the last one of its source, as plain data."""
    from pipeline.plan import Plan
    from pipeline.plandiff import differences

    last = last_plan(settings, store, source_path, now.to_dict(), before=before)
    if last is None:
        return None
    changes = list(differences(Plan.from_dict(last.plan), now))
    return {"job": last.job.label, "source": last.job.shown_source, "changes": changes}


def compared_job(settings: Settings, job_id: int) -> dict[str, Any] | None:
    """The same of a finished job; None when its plan, or an earlier one, is not kept."""
    from pipeline.plan import Plan

    with Operations(settings).reading() as store:
        job = store.get(job_id)
        own = next(_kept(settings, [job] if job.state.is_finished else []), None)
        if own is None:
            return None
        with suppress(KeyError, TypeError, ValueError):  # a plan of another version
            plan = Plan.from_dict(own.plan)
            return compared(settings, store, os.fsdecode(job.source), plan, before=job_id)
        return None


def _kept(settings: Settings, jobs: Iterable[JobRecord]) -> Iterator[LastPlan]:
    """Those of the jobs whose plan is still there."""
    folders = {"archive": settings.folder("archive"), "error": settings.folder("error")}
    for job in jobs:
        past = past_file(job, **folders)
        if past is None:
            continue
        with suppress(OSError, ValueError, KeyError, TypeError):
            report = json.loads(Path(past.report).read_bytes())
            yield LastPlan(job, report.get("report", report)["plan"])
