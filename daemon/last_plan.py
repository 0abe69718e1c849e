"""The plan of the last file that came from the same source, to be compared with another's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from daemon.db.queries import ReadStore
from daemon.db.records import JobRecord
from daemon.kept import past_file
from daemon.settings import Settings
from daemon.states import JobState

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
    they have the same labels. `before` leaves out that job and later ones.
    """
    from pipeline.proposal import source_name

    delivered = store.jobs(state=JobState.DELIVERED, limit=_MOST_JOBS, before_id=before)
    source = source_name(source_path, "")
    namesakes = (
        job for job in delivered if source and source_name(os.fsdecode(job.source), "") == source
    )
    found = next(_kept(settings, namesakes), None)
    if found is None:
        alike = (job for job in delivered[:_MOST_PLANS] if job.contract == now["contract"])
        same = (one for one in _kept(settings, alike) if one.plan.get("labels") == now["labels"])
        found = next(same, None)
    return found


def _kept(settings: Settings, jobs: Iterable[JobRecord]) -> Iterator[LastPlan]:
    """Those of the jobs whose plan is still there."""
    folders = {"archive": settings.folder("archive"), "error": settings.folder("error")}
    for job in jobs:
        past = past_file(job, **folders)
        if past is None:
            continue
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield LastPlan(job, json.loads(Path(past.report).read_bytes())["report"]["plan"])
