"""`why`: one sentence for any file or job, whatever has become of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from daemon.db.records import shown
from daemon.errors import ExitCode, Refused
from daemon.explain import sentence
from daemon.inbox.condition import condition
from daemon.inbox.names import ignored_reason
from daemon.inbox.scan import scan_inbox
from daemon.operations import Operations
from daemon.settings import Settings

_JOB = re.compile(r"j?([1-9][0-9]{0,17})")
_JOB_DEPTH = {"outbox": 1, "archive": 1, "error": 1, "review": 0, "work": 0}
_JOB_IN_REVIEW = re.compile(r"(?:kept-)?j([1-9][0-9]*)-.")
_JOB_IN_PATH = re.compile(r"(?:^|\.)j([1-9][0-9]*)(?:__[A-Z0-9_]+)?(?:-[0-9]+)?$")


def why(settings: Settings, what: str) -> dict[str, Any]:
    """Answer for a job (j42), a path anywhere in the tree, or the name of a file once dropped.

    Raises:
        Refused: nothing here has to do with it.
    """
    operations = Operations(settings)
    found = _JOB.fullmatch(what)
    if found and not os.path.lexists(what):
        return operations.why_job(int(found[1]))
    source = _source(settings, what)
    if source is not None and os.path.lexists(_inbox_path(settings, source)):
        return _why_waiting(operations, source)
    job_id = _job_of_path(settings, what)
    if job_id is None:
        job_id = _newest_job(operations, source if source is not None else os.fsencode(what))
    if job_id is None:
        raise Refused(
            ExitCode.NOT_FOUND,
            f"Nothing is known of '{shown(os.fsencode(what))}'.",
            "Name a file in the inbox, a file that was dropped there, or a job like j42.",
        )
    return operations.why_job(job_id)


def _source(settings: Settings, what: str) -> bytes | None:
    """The path relative to the inbox, when `what` may name something there."""
    inbox = settings.folder("inbox")
    for base in (Path.cwd(), settings.root.resolve()):
        absolute = Path(os.path.abspath(base / what))  # noqa: PTH100 - resolve() follows links
        real = absolute.parent.resolve() / absolute.name
        for path in (absolute, real):
            if path.is_relative_to(inbox) and path != inbox:
                return os.fsencode(path.relative_to(inbox))
    return None if Path(what).is_absolute() else os.fsencode(os.path.normpath(what))


def _inbox_path(settings: Settings, source: bytes) -> Path:
    return settings.folder("inbox") / os.fsdecode(source)


def _why_waiting(operations: Operations, source: bytes) -> dict[str, Any]:
    settings = operations.settings
    answer: dict[str, Any] = {"source": shown(source), "job": None, "state": "waiting"}
    reason = ignored_reason(source, settings.intake.left_alone)
    if reason is not None:
        return {**answer, "state": "ignored", "why": f"It is left alone: {reason}."}
    if _inbox_path(settings, source).is_dir() and not _inbox_path(settings, source).is_symlink():
        return {
            **answer,
            "state": "folder",
            "why": "A folder: the files in it are taken one by one.",
        }
    page = operations.page
    if page is None:
        return {
            **answer,
            "why": f"{_condition(settings, source)}; no daemon is running to take it.",
        }
    found = [e for e in page["waiting"]["entries"] if e["source"] == shown(source)]
    if not found:
        return {**answer, "why": _unlisted(page, settings, source) + _obstacles(page)}
    return {
        **answer,
        "since_s": found[0]["since_s"],
        "why": sentence(found[0]["reason"]) + _obstacles(page),
        "seen_now": _condition(settings, source),
    }


def _unlisted(page: dict[str, Any], settings: Settings, source: bytes) -> str:
    """About a file that is not on the daemon's page, which holds only the oldest ones."""
    if not page["scan"]["inbox"]:
        return "Nothing is taken from this inbox just now."
    for folder in page["scan"]["unreadable"]:
        if shown(source).startswith(f"{folder}/"):
            return f"The service may not enter {folder}; give its user read and execute permission."
    seen, count = _condition(settings, source), page["waiting"]["count"]
    if count > len(page["waiting"]["entries"]):
        return f"{seen}; {count} files wait, and those that came first are taken first."
    return f"{seen}; it is looked at in the next scan."


def _obstacles(page: dict[str, Any]) -> str:
    """What keeps every file waiting just now."""
    said = "".join(f" {sentence(what)}" for what in page.get("obstacles", ()))
    return said + (" The service is paused." if page["phase"] == "paused" else "")


def _condition(settings: Settings, source: bytes) -> str:
    scan = scan_inbox(settings.folder("inbox"), settings.intake.left_alone)
    for candidate in scan.candidates:
        if candidate.source == source:
            return condition(settings, candidate)
    for ignored, reason in scan.ignored:
        if ignored == source:
            return f"It is left alone: {reason}"
    return "It has just left the inbox"


def _job_of_path(settings: Settings, what: str) -> int | None:
    """The job whose number stands in the path of one of our own folders."""
    for path in (Path(what).resolve(), (settings.root / what).resolve()):
        for name, depth in _JOB_DEPTH.items():
            folder = settings.folder(name)
            if not path.is_relative_to(folder):
                continue
            parts = path.relative_to(folder).parts
            if len(parts) <= depth:
                continue
            pattern = _JOB_IN_REVIEW.match if name == "review" else _JOB_IN_PATH.search
            found = pattern(parts[depth])
            if found:
                return int(found[1])
    return None


def _newest_job(operations: Operations, source: bytes) -> int | None:
    with operations.reading() as store:
        found = store.jobs(source=source, limit=1)
    return found[0].id if found else None
