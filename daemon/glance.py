"""What `status` shows, put together without what only the daemon and longer answers need.

People and monitors ask for it all day, and most of the time of so short a command is its imports.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from daemon.db.glance import Figures, figures
from daemon.lock import daemon_pid
from daemon.settings import Settings
from daemon.statusfile import read_status

_STALE_PAGE_S = 30.0  # it is written every second; a very long scan delays it


class Served(NamedTuple):
    """Who serves a folder tree. page: what the daemon says of itself, if it is there now."""

    pid: int | None
    page: dict[str, Any] | None


def served(settings: Settings) -> Served:
    """The daemon of this tree, as its lock and its page tell."""
    page = read_status(settings.state_path.parent)
    pid = daemon_pid(settings.folder("work"))
    if pid == 0:  # it runs, but its note is gone
        pid = int(page["pid"]) if page else 0
    is_its_own = page is not None and pid is not None and page.get("pid") == pid
    return Served(pid, page if is_its_own else None)


def status(settings: Settings, ask: Callable[[], Figures]) -> dict[str, Any]:
    """One screen: is it up, what waits and why, what runs, what went wrong.

    ask: the ordinary way to the figures, for when they cannot be had at a glance.

    Raises: what `ask` raises.
    """
    pid, page = served(settings)
    found = figures(settings.state_path) or ask()
    answer: dict[str, Any] = {
        "root": str(settings.root.resolve()),
        "daemon": {"pid": pid, "phase": page["phase"] if page else ("starting" if pid else "down")},
        "paused": found.paused,
        "jobs": found.jobs,
        "errors": found.errors,
        "last_delivery": _iso_time(found.last_delivery_s),
        "disk_free_bytes": _free_bytes(settings.folder("work")),
    }
    for key in ("waiting", "ignored", "watcher", "scan", "workers", "troubles"):
        answer[key] = page[key] if page else None
    if page is None:
        answer |= _inbox_as_it_lies(settings)
    elif time.time() - page["at_s"] > _STALE_PAGE_S:
        what = "the service has stopped telling how it is: it hangs, or its disk is full"
        answer["troubles"] = [*page["troubles"], {"what": what, "since_s": page["at_s"]}]
    return answer


def _iso_time(at_s: float | None) -> str | None:
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _inbox_as_it_lies(settings: Settings) -> dict[str, Any]:
    from daemon.inbox.view import inbox_view  # only a stopped daemon leaves this to us

    return inbox_view(settings)
