"""Whether a file looks cut off: asked for every file in the inbox before it is taken.

Only the head and the end are read, of packed files the stream. A probe says what is missing, as a
short sentence without values, or None when nothing speaks against the file; it never raises for
what is in it. Probes of other people's formats are asked by the worker, when it opens the file.
"""

from __future__ import annotations

from typing import BinaryIO

from pipeline.ends.binary import probe_of, takes_long
from pipeline.ends.seen import Ends
from pipeline.ends.text import text_end

__all__ = ["missing_end", "takes_long"]


def missing_end(stream: BinaryIO) -> str | None:
    """What is missing at the end of an open file; None when nothing seems to be.

    Raises:
        OSError: it cannot be read.
    """
    ends = Ends.of(stream)
    if not ends.size:
        return None
    if not ends.head.strip(b"\x00") and not ends.tail.strip(b"\x00"):
        return "it begins and ends with zeros: its space was reserved, its content never came"
    return (probe_of(ends.head) or text_end)(ends)
