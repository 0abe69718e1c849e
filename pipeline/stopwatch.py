"""How long the steps of one attempt took: for the report, and for nothing else.

The only module here that looks at a running clock. No decision and no value can depend on it, for
it gives out durations only; the time of day comes with the task. Which thread or process does which
part of the work may depend on them, but nothing that comes out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(timings_s: dict[str, float], step: str) -> Iterator[None]:
    """Note under `step` how many seconds the block took."""
    begun = time.perf_counter()
    yield
    timings_s[step] = time.perf_counter() - begun


def spent_s() -> float:
    """Seconds of a processor that this thread has used; only differences mean something."""
    return time.thread_time()
