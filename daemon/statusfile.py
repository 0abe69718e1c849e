"""The status page on disk, beside the state database.

It is a view, not state: replaced whole every few seconds, never fsynced, ignored when stale.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

_NAME = "status.json"


def write_status(state_dir: Path, page: dict[str, Any]) -> None:
    """Replace the page. Nobody ever reads half of one."""
    partial = state_dir / f".{_NAME}"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(page))  # `dump` is many times slower
        partial.replace(state_dir / _NAME)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _overwrite(state_dir / _NAME, page)


def _overwrite(path: Path, page: dict[str, Any]) -> None:
    """On a full disk, write into the space the last page has: who reads half of it reads again.

    Raises:
        OSError: not even that is possible.
    """
    text = json.dumps(page).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))
    finally:
        os.close(descriptor)


def read_status(state_dir: Path) -> dict[str, Any] | None:
    """The page as last written, or None when there is none that can be read."""
    try:
        page = json.loads((state_dir / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return page if isinstance(page, dict) else None
