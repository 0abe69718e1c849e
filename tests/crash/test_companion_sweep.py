"""Markers, checksums and manifests, with the power failing everywhere: they end with their file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.db.records import JobRecord
from daemon.folders.spool import Spool
from daemon.inbox.completeness import Along
from daemon.states import JobState
from tests.crash import test_crash_sweep as days
from tests.crash import test_spool_sweep as verbs
from tests.support import GOOD, World
from tests.unit.test_spool import DAY, dropped, quarantine, retire

fresh = verbs.fresh
SUM = (hashlib.sha256(verbs.CONTENT).hexdigest() + "  a.csv\n").encode()
LIST = b"a.csv\nb.csv\n"


def accompanied(spool: Spool) -> JobRecord:
    job = dropped(spool)
    (spool.folders.inbox / "a.csv.sha256").write_bytes(SUM)
    (spool.folders.inbox / "all.manifest").write_bytes(LIST)
    return job


def claim(spool: Spool, job: JobRecord) -> None:
    here = {one.source: one for one in spool.scan().candidates}
    wanted = ((b"a.csv.sha256", False), (b"all.manifest", True))
    along = [Along(here[name], as_copy) for name, as_copy in wanted if name in here]
    if job.source in here:
        spool.claim_all([job], {job.id: along})
    spool.bring_companions(job)


def claimed_with(spool: Spool) -> JobRecord:
    job = accompanied(spool)
    claim(spool, job)
    (spool.folders.inbox / "all.manifest").unlink()
    return job


def files_of(spool: Spool) -> dict[str, bytes]:
    found = verbs.everything(spool)
    return {name: content for name, content in found.items() if not name.endswith(".json")}


def test_a_claim_with_companions(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert files_of(spool) == {
            "inbox/all.manifest": LIST,
            "work/j1/companions/a.csv.sha256": SUM,
            "work/j1/companions/all.manifest": LIST,
            "work/j1/input/a.csv": verbs.CONTENT,
        }

    assert verbs.sweep(fresh, accompanied, claim, check) >= 8


def test_companions_go_to_the_archive(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert files_of(spool) == {
            f"archive/{DAY}/j1/a.csv": verbs.CONTENT,
            f"archive/{DAY}/j1/a.csv.sha256": SUM,
            f"archive/{DAY}/j1/all.manifest": LIST,
        }

    def act(spool: Spool, job: JobRecord) -> None:
        retire(spool, job, {"job": job.label})
        spool.clear(job.id)

    assert verbs.sweep(fresh, claimed_with, act, check, takes_apart=True) >= 6


def test_companions_go_back_with_their_file(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert files_of(spool) == {
            "inbox/a.csv": verbs.CONTENT,
            "inbox/a.csv.sha256": SUM,
            "inbox/all.manifest": LIST,
        }

    def act(spool: Spool, job: JobRecord) -> None:
        spool.unclaim(job)
        spool.clear(job.id)

    assert verbs.sweep(fresh, claimed_with, act, check) >= 3


def test_a_retry_brings_companions_along(fresh: Callable[[], Spool]) -> None:
    def prepare(spool: Spool) -> JobRecord:
        job = claimed_with(spool)
        quarantine(spool, job, lambda beside: "why\n", {"job": job.label})
        spool.clear(job.id)
        return job

    def act(spool: Spool, job: JobRecord) -> None:
        again = replace(job, id=2)
        assert spool.reclaim(again, job)

    def check(spool: Spool) -> None:
        assert files_of(spool) == {
            "work/j2/companions/a.csv.sha256": SUM,
            "work/j2/companions/all.manifest": LIST,
            "work/j2/input/a.csv": verbs.CONTENT,
        }

    assert verbs.sweep(fresh, prepare, act, check, takes_apart=True) >= 6


@pytest.fixture(autouse=True)
def effects_of_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"bring_companions", "give_back_companions"}
    monkeypatch.setattr(days, "SPOOL_EFFECTS", days.SPOOL_EFFECTS | more)


@pytest.mark.slow
@pytest.mark.parametrize("is_right", [True, False])
def test_a_file_and_its_checksum_end_together_wherever_the_power_fails(
    tmp_path: Path, is_right: bool
) -> None:
    digest = hashlib.sha256(GOOD.encode() if is_right else b"x").hexdigest()

    def prepare(world: World) -> None:
        world.drop("patients.csv")
        world.drop("patients.csv.sha256", digest)

    def check(world: World) -> None:
        folder = "archive/*/*" if is_right else "error/*/*__CHECKSUM"
        assert len(list(world.root.glob(f"{folder}/patients.csv"))) == 1
        assert len(list(world.root.glob(f"{folder}/patients.csv.sha256"))) == 1
        assert len(list(world.root.glob("outbox/patients/*"))) == is_right
        state = JobState.DELIVERED if is_right else JobState.QUARANTINED
        assert len(world.in_state(state)) == 1

    assert days.sweep(tmp_path, prepare, check, stride=2 + is_right) > 15


@pytest.mark.slow
def test_a_batch_is_delivered_once_wherever_the_power_fails(tmp_path: Path) -> None:
    def world_of(root: Path) -> World:
        return World(root, sources=[{"path": ".", "complete": {"manifest": "*.manifest"}}])

    def prepare(world: World) -> None:
        for number in (1, 2, 3):
            world.drop(f"part-{number}.csv", GOOD.replace("PT-000", f"PT-{number}00"))
        world.drop("all.manifest", "part-1.csv\npart-2.csv\npart-3.csv\n")

    def check(world: World) -> None:
        assert len(world.in_state(JobState.DELIVERED)) == 3
        assert len(list(world.root.glob("archive/*/*/all.manifest"))) == 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "World", world_of)
        assert days.sweep(tmp_path, prepare, check, stride=7) > 15


@pytest.mark.slow
def test_a_cut_file_goes_back_and_is_refused_once_wherever_the_power_fails(
    tmp_path: Path,
) -> None:
    def world_of(root: Path) -> World:
        return World(root, intake={"incomplete_grace_s": 40})

    def check(world: World) -> None:
        entries = list(world.root.glob("error/*/*__TRUNCATED/a.csv"))
        assert len(entries) == 1
        assert len(world.in_state(JobState.QUARANTINED)) == 1
        assert world.in_state(JobState.LOST) == []

    cut = GOOD + 'PT-0003,"Fam\nily'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "World", world_of)
        assert days.sweep(tmp_path, lambda world: world.drop("a.csv", cut), check, 4) > 15
