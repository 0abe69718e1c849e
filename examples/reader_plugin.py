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

from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import BadRecord, ReadAs, TextBatch
from pipeline.formats.plugin import Ending, Format
from pipeline.messages import Limits

_MARK = "#kv1"


class KeyValueReader:
    """Records of the form `id=1;name=Ann`, one a line. A line of another form is one reject."""

    def __init__(self, path: Path, limits: Limits, read_as: ReadAs | None = None) -> None:
        try:
            self._lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise ContentError(FileCode.ENCODING, "the text is not UTF-8") from None
        self._records: dict[int, dict[str, str]] = {}
        for number, line in enumerate(self._lines[1:], 2):
            parts = [part.partition("=") for part in line.split(";")]
            if all(sign for _, sign, _ in parts):
                self._records[number] = {name: value for name, _, value in parts}
        names = dict.fromkeys(name for record in self._records.values() for name in record)
        if not names:
            raise ContentError(FileCode.EMPTY, "there are no records")
        self.header = tuple(names)

    def describe(self) -> dict[str, Any]:
        """How the file is read."""
        return {"format": FORMAT.name, "evidence": [f"its first line is {_MARK}"]}

    def batches(self) -> Iterator[TextBatch]:
        """All records at once: such lists are short."""
        numbers = list(self._records)
        yield TextBatch(
            columns=[
                pa.array([record.get(name, "") for record in self._records.values()], pa.string())
                for name in self.header
            ],
            records=np.array(numbers) - 1,  # the first line below the mark is the first record
            lines=np.array(numbers),
            raw=lambda at: self._lines[numbers[at] - 1],
            bad=list(self._bad()),
            skipped={"blank": sum(not line.strip() for line in self._lines[1:])},
        )

    def _bad(self) -> Iterator[BadRecord]:
        for number, line in enumerate(self._lines[1:], 2):
            if line.strip() and number not in self._records:
                yield BadRecord(
                    record=number - 1,
                    line=number,
                    raw=line,
                    code=RowCode.BAD_RECORD,
                    sentence="This line is no list of names and values.",
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
