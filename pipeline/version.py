"""Which version of the program this is. Looked up once: it is written into every report."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def program_version() -> str:
    """As the installed package says it."""
    return metadata.version("file-harmonizer")
