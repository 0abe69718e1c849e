"""A file is read once and put by; the second reading finds what the first one found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.formats.base import KnownCells, TextBatch
from pipeline.formats.csv import DelimitedReader
from pipeline.formats.source import held, noted_of, open_source
from pipeline.keeping import KeepingReader
from pipeline.mapping.sourcewords import NO_WORDS, cells_in
from pipeline.messages import Limits
from pipeline.same import remembered
from pipeline.standardize.base import Converted, Rows
from pipeline.standardize.contact import convert_emails
from tests.unit.harmonizing import Desk

MESSY = (
    'id,note,mail\n1, a\u00a0,A@B.ORG\n2,"x, ""y""\r\nz",n/a\n\n3,\u00e9e\u0301,b@c.de\n'
    '4,bad "quote,\n'
    'id,note,mail\n5,one,two,three\n6,"open"x,q@r.io\n7,\u200bend,no mail\n8,5" pipe,x@y.zz\n'
)
MISSING = ("", "n/a")


def reader_of(path: Path) -> DelimitedReader:
    return DelimitedReader(path, Limits(), block_bytes=64)


def told(batch: TextBatch, width: int) -> tuple[Any, ...]:
    """Everything that a batch says, cells cleaned and as they stood."""
    rows = list(range(len(batch.records)))
    known = [cells_in(batch, at, NO_WORDS, MISSING) for at in range(width)]
    return (
        batch.records.tolist(),
        batch.lines.tolist(),
        batch.cells_at(rows),
        [column.to_pylist() for column in batch.columns],
        [batch.raw(row) for row in rows],
        batch.bad,
        batch.skipped,
        batch.read,
        [one.cells.to_pylist() for one in known],
        [{reason: at.tolist() for reason, at in one.changed.items()} for one in known],
    )


def as_plain(made: Converted) -> list[Any]:
    groups: list[Mapping[Any, Rows]] = [made.bad, made.marked, made.changed]
    rows = [{reason: at.tolist() for reason, at in group.items()} for group in groups]
    return [made.values.to_pylist(), *rows]


def look_through(reader: KeepingReader, places: range) -> None:
    """Read the columns at `places` of all batches and put everything by."""
    for batch in reader.batches():
        found: dict[int, KnownCells] = {}
        for at in places:
            found[at] = cells_in(batch, at, NO_WORDS, MISSING)
        if 2 in found:
            found[2] = replace(found[2], converted=convert_emails(found[2].cells))
        reader.keep(batch, found)
    reader.whole()


@pytest.fixture(params=["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def messy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "messy.csv"
    text = MESSY * 2
    if request.param == "cp1252":
        text = text.replace("e\u0301", "ö").replace("\u200b", "ü")
    path.write_bytes(text.encode(request.param))
    return path


@pytest.mark.parametrize("in_memory_bytes", [0, 60, 1 << 20])
@pytest.mark.parametrize("places", [range(3), range(1, 2), range(0)])
def test_what_was_put_by_is_what_was_read(
    messy: Path, tmp_path: Path, in_memory_bytes: int, places: range
) -> None:
    reader = reader_of(messy)
    kept = KeepingReader(reader, tmp_path, in_memory_bytes)
    look_through(kept, places)
    expected = [told(batch, 3) for batch in reader.batches()]
    for _ in range(2):
        assert [told(batch, 3) for batch in kept.batches()] == expected
    if 2 in places:
        for batch in kept.batches():
            made = batch.known[2].converted
            assert made is not None
            assert as_plain(made) == as_plain(convert_emails(batch.known[2].cells))
    assert [path.name for path in tmp_path.iterdir()] == [messy.name]


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20])
def test_single_records_are_found_among_what_was_put_by(
    messy: Path, tmp_path: Path, in_memory_bytes: int
) -> None:
    kept = KeepingReader(reader_of(messy), tmp_path, in_memory_bytes)
    look_through(kept, range(2))
    rows = {
        int(record): cells
        for batch in kept.batches()
        for record, cells in zip(
            batch.records, batch.cells_at(range(len(batch.records))), strict=True
        )
    }
    for record, cells in rows.items():
        found = {
            int(batch.records[row]): batch.cells_at([row])[0]
            for batch in kept.batches_with(np.array([record]))
            for row in range(len(batch.records))
        }
        assert found[record] == cells


def test_cells_are_read_anew_by_other_rules(messy: Path, tmp_path: Path) -> None:
    kept = KeepingReader(reader_of(messy), tmp_path, 0)
    look_through(kept, range(3))
    for batch in kept.batches():
        again = cells_in(batch, 1, NO_WORDS, ("one",))
        assert "one" not in again.cells.to_pylist()


def without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.shelf._FREE_BYTES", 1 << 62)


def with_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.shelf._pack", refuse)


@pytest.mark.parametrize("trouble", [without_room, with_a_full_disk])
def test_without_room_the_file_is_read_twice(
    messy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    trouble(monkeypatch)
    reader = reader_of(messy)
    kept = KeepingReader(reader, tmp_path, 0)
    look_through(kept, range(3))
    assert [told(batch, 3) for batch in kept.batches()] == [
        told(batch, 3) for batch in reader.batches()
    ]
    assert not any(batch.known for batch in kept.batches())


def test_what_was_not_read_to_its_end_is_not_kept(messy: Path, tmp_path: Path) -> None:
    reader = reader_of(messy)
    kept = KeepingReader(reader, tmp_path, 0)
    for batch in kept.batches():
        kept.keep(batch, {})
        break
    assert len(list(kept.batches())) == len(list(reader.batches()))


def test_a_delivery_does_not_show_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(
        f"P-{n:03}, Ann\u00a0{n} ,X\u200bu,{1 + n % 28}/1{n % 3}/1980,F,n{n}@Q.ORG,left over\n"
        for n in range(300)
    )
    header = "patient_id,first_name,last_name,date_of_birth,gender,email,shoe size\n"
    text = f"{header}{rows}P-300,\u00c5sa,Li,bad,F,nobody,\nP-299,Other,Person,1/1/1990,M,,\n"
    desk, outcomes = Desk(tmp_path), []
    for kept in ("in memory", "on disk", "not at all"):
        small = 0 if kept == "on disk" else 1 << 22
        monkeypatch.setattr(KeepingReader.__init__, "__defaults__", (small,))
        if kept == "not at all":
            monkeypatch.setattr(KeepingReader, "whole", KeepingReader.give_up)
        done = desk.harmonize(text, contract="patients", changes="full")
        names = ("patients.csv", "rejects.csv", "rescued.csv", "changes.csv")
        outcomes.append([(done.staging / name).read_bytes() for name in names])
        assert len(done.rows) == 299
        assert len(done.rejects) == 4
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_what_was_hashed_is_what_is_read_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"on disk")

    def read() -> bytes:
        with open_source(path) as source:
            return source.read()

    with held(path, b"as hashed"):
        noted_of(path)["kind"] = "text"
        assert read() == read() == b"as hashed"
        assert noted_of(path) == {"kind": "text"}
    assert read() == b"on disk"
    assert noted_of(path) == {}
    with held(path, None):
        assert read() == b"on disk"


def test_what_follows_from_one_thing_is_worked_out_once() -> None:
    asked: list[tuple[object, str]] = []

    @remembered(2)
    def told(thing: object, name: str) -> str:
        asked.append((thing, name))
        return f"{thing} {name}"

    one, other = ["x"], ["x"]
    assert told(one, "a") == told(one, "".join("a")) == "['x'] a"
    assert len(asked) == 1  # the same thing; and a text of the same letters
    assert told(other, "a") == "['x'] a"
    assert len(asked) == 2  # equal, but another one
    assert [told(one, "b"), told(one, "a")] == ["['x'] b", "['x'] a"]
    assert len(asked) == 4  # no more than two are remembered
