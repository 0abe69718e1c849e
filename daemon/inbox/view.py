"""What lies in the inbox when no daemon is there to say: the same rules, looked at from outside.

Part of what `status` answers, so it imports next to nothing.
"""

from __future__ import annotations

from typing import Any

from daemon.db.files import shown
from daemon.inbox.scan import scan_inbox
from daemon.settings import Settings

_MOST_ENTRIES = 500


def inbox_view(settings: Settings) -> dict[str, Any]:
    """Waiting and ignored files as `status` shows them."""
    scan = scan_inbox(settings.folder("inbox"), settings.intake.left_alone)
    return {
        "scan": {"at_s": None, "inbox": scan.inbox_identity is not None, "unreadable": []}
        if scan.inbox_identity is None
        else None,
        "waiting": {
            "count": len(scan.candidates),
            "oldest_s": None,
            "entries": [
                {
                    "source": shown(candidate.source),
                    "reason": "no daemon is running",
                    "since_s": candidate.mtime_ns / 1e9,
                    "size_bytes": candidate.size_bytes,
                }
                for candidate in scan.candidates[:_MOST_ENTRIES]
            ],
        },
        "ignored": {
            "count": len(scan.ignored),
            "entries": [
                {"source": shown(source), "reason": reason}
                for source, reason in scan.ignored[:_MOST_ENTRIES]
            ],
        },
    }
