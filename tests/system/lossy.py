"""The daemon with a kernel that loses most of its events. Run as `python -m tests.system.lossy`."""

from __future__ import annotations

import random
from typing import Any

from daemon.cli import main
from daemon.inbox import watch

_LUCK = random.Random(7)


class LossyWatcher(watch.InboxWatcher):
    """Passes on one event in five."""

    def __init__(self, inbox: Any, wake: Any, **settings: Any) -> None:
        def sometimes(source: bytes | None, renamed: bool) -> None:
            if _LUCK.random() < 0.2:
                wake(source, renamed)

        super().__init__(inbox, sometimes, **settings)


if __name__ == "__main__":
    import daemon.app

    setattr(daemon.app, "InboxWatcher", LossyWatcher)  # noqa: B010 - it is a fault, not an override
    main()
