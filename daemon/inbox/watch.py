"""Makes the daemon look sooner. It only ever wakes: what it says is a hint, what it misses the
next scan finds. So nothing here may stop the daemon, and losing sight is said, not hidden.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from watchdog.events import (
    DirMovedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from daemon.inbox.names import CANARY, ignored_reason

if TYPE_CHECKING:
    from watchdog.observers.inotify import InotifyObserver

Wake = Callable[[bytes | None, bool], None]
WatchState = Literal["watching", "blind", "off"]

_CANARY_INTERVAL_S = 60.0
_CANARY_DEADLINE_S = 10.0
_RETRY_S = 60.0  # watch limits are raised by people, not by the minute
_LONGEST_STOP_S = 10.0
_PAIRING_S = 0.02  # the kernel tells both halves of a rename at once
_WATCHED = re.compile(rb"^inotify .*?\bino:([0-9a-f]+)", re.MULTILINE)
_LIBRARY_LOG = "watchdog.observers.inotify_c"  # the only place that says "overflow"


class WatchHealth(NamedTuple):
    """Whether events can be relied on to come soon. `since_s` is monotonic."""

    state: WatchState
    why: str
    since_s: float


class InboxWatcher:
    """Watches one folder tree for files that were closed after writing, or moved.

    `wake(source, renamed)` is called from a thread of the library; `source` is relative to the
    inbox, None for "look at everything". The other methods belong to one thread of the caller;
    their `now_s` is its monotonic clock.
    """

    def __init__(
        self,
        inbox: Path,
        wake: Wake,
        *,
        canary_interval_s: float = _CANARY_INTERVAL_S,
        canary_deadline_s: float = _CANARY_DEADLINE_S,
        retry_s: float = _RETRY_S,
    ) -> None:
        self._inbox = inbox
        self._wake = wake
        self._canary_interval_s = canary_interval_s
        self._canary_deadline_s = canary_deadline_s
        self._retry_s = retry_s
        self._observer: InotifyObserver | None = None
        self._identity: tuple[int, int] | None = None
        self._listener = _OverflowListener(self._overflowed)
        self._canary_seen = False
        self._canary_sent_s: float | None = None
        self._canary_due_s = float("-inf")
        self._retry_at_s = float("-inf")
        self._health = WatchHealth("off", "not started", time.monotonic())
        self._suspected: set[bytes] = set()
        self.unwatched: tuple[bytes, ...] = ()
        self.checked_s = time.monotonic()
        self.overflows = 0
        self.replaced = 0
        self.faults = 0

    @property
    def health(self) -> WatchHealth:
        """As of the last `check`."""
        return self._health

    def identity(self) -> tuple[int, int] | None:
        """(device, inode) of the folder that is watched; None when none is."""
        return self._identity

    def start(self, now_s: float | None = None) -> WatchHealth:
        """Begin to watch. When that cannot be, `check` tries again later; nothing is raised."""
        if self._observer is not None:
            return self._health
        now_s = time.monotonic() if now_s is None else now_s
        try:
            self._observe()
        except FileNotFoundError:
            self._retry_at_s = now_s  # a mount may come back any moment
            return self._set("off", "the inbox is not there", now_s)
        except (OSError, ImportError, RuntimeError) as error:
            self._retry_at_s = now_s + self._retry_s
            return self._set("off", f"the kernel refuses to watch: {_said(error)}", now_s)
        self._canary_sent_s = None
        self._canary_due_s = now_s
        return self._set("watching", "", now_s)

    def stop(self) -> None:
        """End watching; the library's threads have ended on return."""
        observer, self._observer, self._identity = self._observer, None, None
        logging.getLogger(_LIBRARY_LOG).removeHandler(self._listener)
        if observer is not None:
            _end(observer)
        self._health = WatchHealth("off", "stopped", self._health.since_s)

    def check(self, now_s: float) -> WatchHealth:
        """Make sure that we still see, and watch anew where we do not. Call every few seconds.

        Cheap: one stat, and once in `canary_interval_s` a file made and removed in the inbox.
        """
        self.checked_s = now_s
        current = _identity_of(self._inbox)
        if self._observer is None:
            return self._start_again(now_s) if now_s >= self._retry_at_s else self._health
        if current is None:
            self.stop()
            self._retry_at_s = now_s
            return self._set("blind", "the inbox is not there", now_s)
        if current != self._identity:
            return self._start_again(now_s)
        if not _is_alive(self._observer):
            return self._start_again(now_s)
        return self._check_canary(now_s)

    def compare(self, folders: Mapping[bytes, int], now_s: float) -> None:
        """Find out which of the scanned folders (path to inode) the kernel does not watch.

        The library says nothing when a sub-folder cannot be watched (watch limit, permissions), so
        the kernel is asked. A folder counts from the second time on: the first may be a race with
        its making. While there are any, watching is begun anew now and then: limits get raised.
        """
        watched = _watched_inodes() if self._observer is not None else set()
        if folders.get(b"") not in watched:  # nothing is watched, or numbers do not compare here
            self._suspected, self.unwatched = set(), ()
            return
        missing = {path for path, inode in folders.items() if inode not in watched}
        self.unwatched = tuple(sorted(missing & self._suspected))
        self._suspected = missing
        if self.unwatched and now_s >= self._retry_at_s:
            self._retry_at_s = now_s + self._retry_s
            self._start_again(now_s)

    def _start_again(self, now_s: float) -> WatchHealth:
        if self._observer is not None:
            self.stop()
            self.replaced += 1
        health = self.start(now_s)
        if health.state == "watching":
            self._wake(None, False)  # whatever came in between gave no event
        return health

    def _check_canary(self, now_s: float) -> WatchHealth:
        if self._canary_seen:
            self._canary_seen, self._canary_sent_s = False, None
            self._canary_due_s = now_s + self._canary_interval_s
            return self._set("watching", "", now_s)
        if self._canary_sent_s is None:
            return self._send_canary(now_s) if now_s >= self._canary_due_s else self._health
        if now_s - self._canary_sent_s < self._canary_deadline_s:
            return self._health
        self._start_again(now_s)  # it may only have been a dead thread of the library
        return self._set("blind", "a file made as a test gave no event", now_s)

    def _send_canary(self, now_s: float) -> WatchHealth:
        try:
            _touch_and_remove(self._inbox / CANARY.decode())
        except OSError as error:
            self._canary_due_s = now_s + self._canary_interval_s
            why = f"the watcher cannot be tested, since the inbox cannot be written: {_said(error)}"
            return self._set("blind", why, now_s)
        self._canary_sent_s = now_s
        return self._health

    def _set(
        self, state: Literal["watching", "blind", "off"], why: str, now_s: float
    ) -> WatchHealth:
        if (state, why) != self._health[:2]:
            self._health = WatchHealth(state, why, now_s)
        return self._health

    def _observe(self) -> None:
        from watchdog.observers.inotify import InotifyObserver  # Linux only; raises elsewhere
        from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

        # A file that leaves, as each does that we claim, would hold up all later events for the
        # half second in which the library waits for the other half of the rename.
        InotifyMoveEventGrouper.delay = _PAIRING_S
        identity = _identity_of(self._inbox)
        observer = InotifyObserver(generate_full_events=True)  # shows moves from outside as moves
        try:
            observer.schedule(
                _Handler(self._inbox, self._on_event, self._on_fault),
                str(self._inbox),
                recursive=True,
                event_filter=[FileClosedEvent, FileMovedEvent, DirMovedEvent],
            )
            observer.start()
        except BaseException:
            _end(observer)
            raise
        self._observer, self._identity = observer, identity
        self._canary_seen = False
        logging.getLogger(_LIBRARY_LOG).addHandler(self._listener)

    def _on_event(self, source: bytes | None, renamed: bool) -> None:
        if source == CANARY:
            self._canary_seen = True
        elif source is None or ignored_reason(source) is None:
            self._wake(source, renamed)

    def _on_fault(self) -> None:
        self.faults += 1
        self._wake(None, False)

    def _overflowed(self) -> None:
        self.overflows += 1
        self._wake(None, False)


class _Handler(FileSystemEventHandler):
    """Turns the library's events into ours. Never raises: that would end all later events."""

    def __init__(
        self,
        inbox: Path,
        on_event: Wake,
        on_fault: Callable[[], None],
    ) -> None:
        self._prefix = os.fsencode(inbox) + b"/"
        self._on_event = on_event
        self._on_fault = on_fault

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            if not self._has_left(event):
                self._on_event(*self._meaning(event))
        except Exception:  # noqa: BLE001 - the border to a thread that must not die
            with contextlib.suppress(Exception):
                self._on_fault()

    def _has_left(self, event: FileSystemEvent) -> bool:
        """A file was moved out of the inbox, mostly by us: there is nothing new to look at."""
        if not isinstance(event, FileMovedEvent):
            return False
        return not os.fsencode(event.dest_path or "").startswith(self._prefix)

    def _meaning(self, event: FileSystemEvent) -> tuple[bytes | None, bool]:
        renamed = isinstance(event, FileMovedEvent)
        path = os.fsencode((event.dest_path if renamed else event.src_path) or "")
        if isinstance(event, DirMovedEvent) or not path.startswith(self._prefix):
            return None, False  # a folder came or went: look at everything
        return path[len(self._prefix) :], renamed


class _OverflowListener(logging.Handler):
    """The library tells its log, and nobody else, that the kernel dropped events."""

    def __init__(self, overflowed: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._overflowed = overflowed

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            with contextlib.suppress(Exception):
                self._overflowed()


def _watched_inodes() -> set[int]:
    """Inode numbers of everything this process watches, as the kernel lists them."""
    found: set[int] = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(link.readlink()) == "anon_inode:inotify":
                info = Path(f"/proc/self/fdinfo/{link.name}").read_bytes()
                found |= {int(number, 16) for number in _WATCHED.findall(info)}
    return found


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _is_alive(observer: InotifyObserver) -> bool:
    """Of a removed root only the emitter ends; the observer says it lives (watchdog 7.1)."""
    emitters = observer.emitters
    return observer.is_alive() and bool(emitters) and all(e.is_alive() for e in emitters)


def _end(observer: InotifyObserver) -> None:
    """Stop and join; one that hangs is left behind, since it holds a lock that `stop` wants too.

    The library calls a last event that comes meanwhile an error; it is none.
    """
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)

    def stop() -> None:
        observer.stop()
        if observer.ident is not None:
            observer.join(_LONGEST_STOP_S)

    ending = threading.Thread(target=stop, name="end of a watcher", daemon=True)
    ending.start()
    ending.join(_LONGEST_STOP_S)


def _touch_and_remove(path: Path) -> None:
    """Make, close and remove a file; its event carries the name although it is gone by then."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))
    path.unlink()


def _said(error: BaseException) -> str:
    """The system's words without the path."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
