"""How memory that is no longer needed is given back to the system.

Of a large file no more than a few batches are in memory at once. But threads that share the work
out each keep what they let go of, for their next batch, and Arrow's and the system's usual
allocators keep a great deal: several times of what is in use.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

import pyarrow as pa

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2


@cache
def keep_little() -> None:
    """Let this process keep little of what it let go of. Where that cannot be told, nothing is."""
    with suppress(NotImplementedError):  # builds of Arrow for other machines may have another one
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give back now what this process holds and does not use: after a step of a large file."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)
