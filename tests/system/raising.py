"""A daemon whose receiver of events always raises. Run as `python -m tests.system.raising`."""

from __future__ import annotations

from typing import Any

from daemon.cli import main
from daemon.inbox import watch


class RaisingWatcher(watch.InboxWatcher):
    """Every event ends in an exception in the library's thread."""

    def __init__(self, inbox: Any, wake: Any, **settings: Any) -> None:
        def fail(source: bytes | None, renamed: bool) -> None:
            raise RuntimeError

        super().__init__(inbox, fail, **settings)


if __name__ == "__main__":
    import daemon.app

    setattr(daemon.app, "InboxWatcher", RaisingWatcher)  # noqa: B010 - it is a fault, not an override
    main()
