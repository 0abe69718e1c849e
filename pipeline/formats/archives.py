"""What is packed: which archive or compression a file is, told by its bytes."""

from __future__ import annotations

from pathlib import Path

from pipeline.formats.source import open_source

_MARKS = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}


def wrapping_of(path: Path) -> str | None:
    """The kind of packing, by the ending such files have; None for anything else."""
    with open_source(path) as source:
        head = source.read(8)
    return next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), None)
