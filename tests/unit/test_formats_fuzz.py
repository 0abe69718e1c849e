"""No bytes make a reader crash or hang: each either gives batches that fit, or refuses.

Longer by hand: `HARMONIZER_FUZZ_S=600 python -m pytest tests/unit/test_formats_fuzz.py`.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ends.probe import missing_end
from pipeline.errors import PipelineError
from pipeline.expand import expand_file
from pipeline.formats import open_table
from pipeline.formats.archives import archive_kind
from pipeline.formats.base import tables_of
from pipeline.messages import HarmonizeTask, Limits
from tests.unit.binarybooks import as_xls, as_xlsb
from tests.unit.opendocument import cell, content, ods, row, words
from tests.unit.tables import FORMATS, as_zip

HEADER = ["id", "name", "v"]
ROWS = [["1", "Zoë", "2.50"], ["2", 'B"o,b', ""], ["3", "x\ny", "1e5"]]
SEEDS = {kind: FORMATS[kind](HEADER, ROWS) for kind in FORMATS}
LIMITS = Limits(max_unpacked_bytes=50_000_000, max_record_bytes=1_000_000)
LONG_S = float(os.environ.get("HARMONIZER_FUZZ_S", "0"))
EXAMPLES = 20 if not LONG_S else int(LONG_S * 4)
NUMBERS: list[list[Any]] = [["x", (123.0, "00000"), True], ["y", (45000.5, "d/m/yy h:mm"), -2.5]]
WORKBOOKS = {
    "xlsx": SEEDS["xlsx"],
    "xlsb": as_xlsb(HEADER, NUMBERS, merges=[(1, 2, 0, 0)]),
    "ods": ods(
        content(
            row(*map(words, HEADER))
            + row(words("x"), cell("float", "123", "N1"), cell("time", "PT26H30M00S", "T2"))
            + row(words("y", ' table:number-rows-spanned="2"'), cell("date", "2025-03-04", "D1"))
        )
    ),
}
SEEDS["xls numbers"] = as_xls(HEADER, NUMBERS, merges=[(1, 2, 0, 0)])
PARTS = [
    ("xlsx", "xl/worksheets/sheet1.xml"),
    ("xlsx", "xl/styles.xml"),
    ("xlsb", "xl/worksheets/sheet1.bin"),
    ("xlsb", "xl/styles.bin"),
    ("xlsb", "xl/workbook.bin"),
    ("ods", "content.xml"),
]
TOKENS = [b"", b"\0", b"\xff" * 4, b'"', b"{", b"[", b"]", b"<", b">", b"&x;", b"PK\x05\x06"]
TOKENS += [b"PAR1", b"\x1f\x8b", b",", b"\n", b"-1", b"NaN", b"9" * 400, b"</row>", b"<![CDATA["]

edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 30),
        st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)),
    ),
    min_size=1,
    max_size=6,
)


def edited(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Pieces cut out and others put in, anywhere."""
    for share, removed, added in changes:
        at = int(share * len(content))
        content = content[:at] + added + content[at + removed :]
    return content


def read_all(path: Path) -> None:
    """Open and read every table; refusals are fine, anything else is not."""
    with path.open("rb") as stream:
        missing_end(stream)
    try:
        reader = open_table(path, LIMITS)
        for name in ("", *(one.name for one in tables_of(reader)[:3])):
            opened = reader.at(name) if name else reader  # type: ignore[attr-defined]
            opened.describe()
            for batch in opened.batches():
                count = len(batch.records)
                assert all(len(column) == count for column in batch.columns)
                assert len(batch.columns) == len(opened.header)
                assert len(batch.lines) == count
                for at in range(min(count, 3)):
                    batch.raw(at).encode()
                    if batch.place is not None:
                        batch.place(int(batch.records[at]), int(batch.lines[at]), 0)
    except PipelineError:
        return


@pytest.mark.parametrize("kind", sorted(SEEDS))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG_S,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=edits)
def test_no_damage_crashes_a_reader(
    tmp_path: Path, kind: str, changes: list[tuple[float, int, bytes]]
) -> None:
    path = tmp_path / "table"
    path.write_bytes(edited(SEEDS[kind], changes))
    read_all(path)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG_S,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=edits, part=st.sampled_from(PARTS))
def test_no_damage_inside_a_workbook_crashes_its_reader(
    tmp_path: Path, changes: list[tuple[float, int, bytes]], part: tuple[str, str]
) -> None:
    kind, name = part
    with zipfile.ZipFile(io.BytesIO(WORKBOOKS[kind])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[name] = edited(parts[name], changes)
    path = tmp_path / "table"
    path.write_bytes(as_zip(parts))
    read_all(path)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG_S,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=edits)
def test_no_damage_crashes_the_unpacking_of_archives(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    path, staging = folder / "a", folder / "staging"
    staging.mkdir()
    path.write_bytes(edited(as_zip({"a.csv": SEEDS["csv"], "b/c.xml": SEEDS["xml"]}), changes))
    task = HarmonizeTask(
        source=str(path),
        staging_dir=str(staging),
        contracts_dir="",
        job="j1",
        now_s=0.0,
        limits=LIMITS,
    )
    try:
        archive_kind(path, LIMITS)
        expand_file(task)
    except PipelineError:
        return
