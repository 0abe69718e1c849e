"""A daemon whose watcher hangs at its first event. Run as `python -m tests.system.frozen`."""

from __future__ import annotations

import threading
from typing import Any

from daemon.cli import main
from daemon.inbox import watch

_HANG = threading.Event()  # never set


class FrozenWatcher(watch.InboxWatcher):
    """Hands the first event on to nobody, and never comes back from it."""

    def __init__(self, inbox: Any, wake: Any, **settings: Any) -> None:
        seen: list[bytes | None] = []

        def hang_once(source: bytes | None, renamed: bool) -> None:
            seen.append(source)
            if len(seen) == 1:
                _HANG.wait()
            wake(source, renamed)

        super().__init__(inbox, hang_once, canary_deadline_s=2.0, **settings)


if __name__ == "__main__":
    import daemon.app

    setattr(daemon.app, "InboxWatcher", FrozenWatcher)  # noqa: B010 - it is a fault, not an override
    main()
