"""A reader in a package of its own: a list of `key=value` lines, known by its first line.

Its package registers it with two lines of pyproject.toml:

    [project.entry-points."harmonizer.readers"]
    kv = "my_package.reader_plugin:FORMAT"
"""

from __future__ import annotations

from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import ReadAs, TextBatch
from pipeline.formats.plugin import Ending, Format
from pipeline.messages import Limits

_MARK = "#kv1"


class KeyValueReader:
    """Records of the form `id=1;name=Ann`, one a line."""

    def __init__(self, path: Path, limits: Limits, read_as: ReadAs | None = None) -> None:
        self._lines = path.read_text(encoding="utf-8").splitlines()[1:]
        self._records = [
            dict(part.split("=", 1) for part in line.split(";")) for line in self._lines
        ]
        names = dict.fromkeys(name for record in self._records for name in record)
        if not names:
            raise ContentError(FileCode.EMPTY, "there are no records")
        self.header = tuple(names)

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return {"format": FORMAT.name, "evidence": [f"its first line is {_MARK}"]}

    def batches(self) -> Iterator[TextBatch]:
        """All records at once: such lists are short."""
        count = len(self._records)
        yield TextBatch(
            columns=[
                pa.array([record.get(name, "") for record in self._records], pa.string())
                for name in self.header
            ],
            records=np.arange(1, count + 1),
            lines=np.arange(2, count + 2),
            raw=lambda at: self._lines[at],
        )


def ending(path: Path) -> Ending:
    """A list is whole when its last line has its line end; half of one is not read."""
    with path.open("rb") as source:
        source.seek(-1, SEEK_END)
        return "complete" if source.read() == b"\n" else "incomplete"


FORMAT = Format(
    name="a key-value list",
    recognises=lambda head: head.text is not None and head.text.startswith(_MARK),
    open=KeyValueReader,
    extensions=("kv",),
    ends=ending,
)
