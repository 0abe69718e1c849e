"""What is done with a damaged file: everything that the product would do with it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.ends.probe import missing_end
from pipeline.errors import PipelineError
from pipeline.expand import expand_file
from pipeline.formats import open_table
from pipeline.formats.base import TableReader, tables_of
from pipeline.formats.memberview import view_any
from pipeline.messages import HarmonizeTask, Limits

LIMITS = Limits(max_unpacked_bytes=50_000_000, max_record_bytes=1_000_000)
_MOST_ROWS = 20_000


def read_all(path: Path) -> None:
    """Read a file in every way; it may be refused in each of them, anything else is a fault.

    Raises:
        AssertionError: a batch does not fit its header or itself.
    """
    with path.open("rb") as stream:
        missing_end(stream)
    _read_tables(path)
    _expand(path)
    _view(path)


def _read_tables(path: Path) -> None:
    try:
        reader = open_table(path, LIMITS)
    except PipelineError:
        return
    for name in ("", *(one.name for one in tables_of(reader)[:3])):
        try:
            opened: TableReader = reader.at(name) if name else reader  # type: ignore[attr-defined]
            _read(opened)
        except PipelineError:
            continue


def _read(opened: TableReader) -> None:
    opened.describe()
    for batch in opened.batches():
        count = len(batch.records)
        assert len(batch.columns) == len(opened.header), "as many columns as names"
        assert all(len(column) == count for column in batch.columns), "as many cells as records"
        assert len(batch.lines) == count, "as many lines as records"
        for at in range(min(count, 3)):
            batch.raw(at).encode()
            if batch.place is not None:
                batch.place(int(batch.records[at]), int(batch.lines[at]), 0)
        for one in batch.bad[:3]:
            one.raw.encode()


def _expand(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as staging:
        task = HarmonizeTask(
            source=str(path),
            staging_dir=staging,
            contracts_dir="",
            job="j1",
            now_s=0.0,
            limits=LIMITS,
        )
        try:
            expand_file(task)
        except PipelineError:
            return


def _view(path: Path) -> None:
    """The raw view, which looks into archives too."""
    try:
        seen = view_any(path, LIMITS)
        for number, _row in enumerate(seen.rows):
            if number > _MOST_ROWS:
                return
    except PipelineError:
        return
