"""A file as the probes of its end see it: both of its ends, and a way to the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

HEAD_BYTES = 65_536
TAIL_BYTES = 70_000  # a ZIP archive's end may have a comment of 65,535 bytes
CHUNK_BYTES = 1024 * 1024
ZEROS = 16
"""So many NUL bytes at the end are no padding."""


class Ends(NamedTuple):
    """`tail` begins `size - len(tail)` bytes into the file."""

    stream: BinaryIO
    size: int
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, stream: BinaryIO) -> Ends:
        """Look at an open file.

        Raises:
            OSError: it cannot be read.
        """
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(HEAD_BYTES)
        stream.seek(max(0, size - TAIL_BYTES))
        return cls(stream, size, head, stream.read(TAIL_BYTES))

    @property
    def zeros(self) -> int:
        """How many NUL bytes stand at its end, as far as its tail tells."""
        return len(self.tail) - len(self.tail.rstrip(b"\x00"))


Probe = Callable[[Ends], str | None]
"""Says what is missing, as a short sentence without values; None when nothing speaks against the
file. It never raises for what is in it."""
