"""Log lines on their way to the database: buffered, batched, and never in the daemon's way.

Losing a log line is allowed, waiting for one is not: when the database cannot keep up, new lines
are dropped, counted, and the count is stored as soon as it can be.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from daemon.db.records import LogLine

_PATIENCE = 60  # failed tries at one batch, a flush interval apart, before it is given up
_CLOSE_S = 5.0


class LogTable:
    """Stores lines through `write` from a thread of its own.

    flush_s: a line waits at most this long. batch: lines in one call of `write`. capacity: lines
    held in memory while `write` fails or hangs.
    """

    def __init__(
        self,
        write: Callable[[list[LogLine]], None],
        *,
        flush_s: float = 1.0,
        batch: int = 200,
        capacity: int = 10_000,
    ) -> None:
        self._write = write
        self._flush_s, self._batch, self._capacity = flush_s, batch, capacity
        self._lines: deque[LogLine] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._failures = 0
        self.dropped = 0  # in all
        self._confessed = 0  # of those, told to the database
        self._thread = threading.Thread(target=self._run, name="log-table", daemon=True)
        self._thread.start()

    def put(self, line: LogLine) -> None:
        """Take a line, or count it as dropped. Never waits for the database."""
        with self._changed:
            if len(self._lines) >= self._capacity or self._closing:
                self.dropped += 1
                return
            self._lines.append(line)
            if len(self._lines) >= self._batch:
                self._changed.notify()

    def close(self) -> None:
        """Write what is left, if the database takes it within a few seconds. Safe to call twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(self._is_due, self._flush_s)
                is_last = self._closing
            while self._write_batch():
                pass

    def _is_due(self) -> bool:
        # after a failure the full interval passes, however many lines wait
        return self._closing or (not self._failures and len(self._lines) >= self._batch)

    def _write_batch(self) -> bool:
        """Write one batch; False when there is none or the database does not take it."""
        with self._changed:
            lines = list(islice(self._lines, self._batch))
            lost = self.dropped - self._confessed
        if not lines and not lost:
            return False
        try:
            self._write([*lines, *([_confession(lost)] if lost else ())])
        except Exception:  # noqa: BLE001 - whatever ails the database, the daemon goes on
            self._failures += 1
            if self._failures >= _PATIENCE:
                self._forget(len(lines), dropped=True)
            return False
        self._confessed += lost
        self._forget(len(lines), dropped=False)
        return True

    def _forget(self, count: int, *, dropped: bool) -> None:
        with self._changed:
            for _ in range(count):
                self._lines.popleft()
            self.dropped += count if dropped else 0
            self._failures = 0


def _confession(count: int) -> LogLine:
    return LogLine(
        at_s=time.time(), level="WARNING", message="log lines dropped", fields={"count": count}
    )
