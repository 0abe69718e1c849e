"""Hashes in memory and hashes on disk answer alike, and as plain NumPy would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.rows.hashlog import HashLog


@contextmanager
def filled(
    folder: Path | None, in_memory: int
) -> Iterator[tuple[HashLog, npt.NDArray[np.uint64], npt.NDArray[np.bool_]]]:
    chance = np.random.default_rng(3)
    hashes = chance.integers(0, 1 << 63, 2_000, dtype=np.uint64) * np.uint64(2)
    hashes[chance.integers(0, 2_000, 300)] = hashes[:300]
    counts = chance.random(2_000) > 0.1
    log = HashLog(folder, in_memory)
    for start, stop in ((0, 700), (700, 700), (700, 1_999), (1_999, 2_000)):
        log.add(hashes[start:stop], counts[start:stop])
    with closing(log):
        yield log, hashes, counts


@pytest.mark.parametrize("in_memory", [1, 100, 1_000, 1 << 20])
def test_every_hash_that_counts_comes_back_with_its_position(
    tmp_path: Path, in_memory: int
) -> None:
    with filled(tmp_path, in_memory) as (log, hashes, counts):
        positions = np.concatenate([one for one, _ in log.chunks()])
        assert positions.tolist() == np.flatnonzero(counts).tolist()
        assert np.concatenate([one for _, one in log.chunks()]).tolist() == hashes[counts].tolist()
        assert not list(tmp_path.iterdir()), "the file has no name, so nothing can be left behind"


@pytest.mark.parametrize("in_a_part", [10, 500, 1 << 19])
@pytest.mark.parametrize("in_memory", [1, 1_000, 1 << 20])
def test_equal_hashes_stand_in_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, in_a_part: int
) -> None:
    monkeypatch.setattr("pipeline.rows.hashlog._IN_A_PART", in_a_part)
    with filled(tmp_path, in_memory) as (log, hashes, counts):
        seen: set[int] = set()
        rows: list[int] = []
        for positions, here in log.parts():
            assert np.all(np.diff(positions) > 0)
            assert hashes[positions].tolist() == here.tolist()
            assert seen.isdisjoint(here.tolist())
            seen |= set(here.tolist())
            rows += positions.tolist()
        assert sorted(rows) == np.flatnonzero(counts).tolist()


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
def test_places_of_hashes_are_found(tmp_path: Path, in_memory: int) -> None:
    with filled(tmp_path, in_memory) as (log, hashes, counts):
        wanted = np.unique(np.append(hashes[5:400:7], np.uint64(1)))
        expected = np.flatnonzero(np.isin(hashes, wanted) & counts)
        assert log.places_of(wanted).tolist() == expected.tolist()
        assert log.places_of(wanted[:0]).tolist() == []
        assert log.among(wanted).tolist() == np.unique(hashes[expected]).tolist()
        assert log.among(wanted[:0]).tolist() == []


def test_without_a_folder_all_stays_in_memory() -> None:
    with filled(None, 1) as (log, _hashes, counts):
        assert sum(len(one) for _, one in log.chunks()) == counts.sum()
