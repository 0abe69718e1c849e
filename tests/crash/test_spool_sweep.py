"""The power fails before every single change that a verb of the spool makes to the disk.

At the moment of the cut the original must exist somewhere, whole; after the verb is repeated
everything must be where it belongs, once, and nothing else may lie about.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from daemon.db.records import JobRecord
from daemon.folders import linux
from daemon.folders.spool import Spool
from tests.unit.test_spool import (
    DAY,
    claimed,
    deliver,
    dropped,
    job_for,
    quarantine,
    reason,
    retire,
    spool_in,
    staged,
)

CONTENT = b"id\n1\n"
CHANGES = {
    "chmod",
    "fchmod",
    "fchown",
    "fsync",
    "ftruncate",
    "link",
    "mkdir",
    "mknod",
    "rename",
    "replace",
    "rmdir",
    "symlink",
    "unlink",
    "utime",
    "write",
}


class PowerCut(BaseException):
    """Nothing in the daemon may catch it."""


class Machine:
    """Counts changes to the disk; from the chosen one on, none happens any more."""

    def __init__(self, cut_at: int) -> None:
        self._left = cut_at
        self.is_off = False
        self._rename: Any = linux._renameat2

    def tick(self) -> None:
        if self._left == 0:
            self.is_off = True
            raise PowerCut
        self._left -= 1

    def _profile(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and getattr(function, "__name__", "") in CHANGES:
            self.tick()

    def _renameat2(self, *arguments: Any) -> Any:
        self.tick()
        return self._rename(*arguments)

    def run(self, act: Callable[[], object]) -> None:
        setattr(linux, "_renameat2", self._renameat2)  # noqa: B010 - the kernel's, not ours
        sys.setprofile(self._profile)
        try:
            act()
        except PowerCut:
            pass
        finally:
            sys.setprofile(None)
            setattr(linux, "_renameat2", self._rename)  # noqa: B010


@pytest.fixture(params=["one filesystem", "two filesystems"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Spool]]:
    """Makes new folders at every call; work/ is on a filesystem of its own or not."""
    other = Path("/dev/shm")
    two = request.param == "two filesystems"
    if two and (not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("no second filesystem here: /dev/shm is missing or the same one")
    with tempfile.TemporaryDirectory(dir=other if two else None) as away:

        def make() -> Spool:
            root, there = Path(tempfile.mkdtemp(dir=tmp_path)), Path(tempfile.mkdtemp(dir=away))
            names = ("inbox", "outbox", "archive", "error") if two else ()
            return spool_in(root, **{name: there / name for name in names})

        yield make


def everything(spool: Spool) -> dict[str, bytes]:
    """Every file, as folder/path; state folders apart."""
    found = {}
    for name in ("inbox", "outbox", "archive", "error", "review", "work"):
        base = getattr(spool.folders, name)
        for path in base.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found[f"{name}/{path.relative_to(base)}"] = path.read_bytes()
    return found


def everything_visible_is_whole(spool: Spool) -> bool:
    """What bears a final name outside work/ has all its files."""
    wanted = {
        "outbox": {"patients.csv", "rejects.csv", "report.json"},
        "archive": {"a.csv", "job.json"},
        "error": {"a.csv", "REASON.txt", "reason.json", "rejects.csv", "report.json"},
    }
    return all(
        {path.name for path in place.iterdir()} == names
        for folder, names in wanted.items()
        for place in getattr(spool.folders, folder).glob("*/[!.]*")
    )


def sweep(
    fresh: Callable[[], Spool],
    prepare: Callable[[Spool], JobRecord],
    act: Callable[[Spool, JobRecord], object],
    check: Callable[[Spool], None],
    *,
    takes_apart: bool = False,
) -> int:
    """Cut before change 0, 1, 2 ... until the verb runs through. Returns the number of cuts."""
    cuts = 0
    while True:
        spool = fresh()
        job = prepare(spool)
        machine = Machine(cuts)
        machine.run(lambda: act(spool, job))  # noqa: B023 - called at once
        if not machine.is_off:
            check(spool)
            return cuts
        assert CONTENT in everything(spool).values(), f"lost at change {cuts}"
        assert takes_apart or everything_visible_is_whole(spool), f"half visible at change {cuts}"
        act(spool, job)
        check(spool)
        cuts += 1


def test_a_claim(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert everything(spool) == {"work/j1/input/a.csv": CONTENT}

    assert sweep(fresh, dropped, lambda spool, job: spool.claim_all([job]), check) >= 4


def test_a_claim_of_a_file_with_two_names(fresh: Callable[[], Spool]) -> None:
    def prepare(spool: Spool) -> JobRecord:
        job = dropped(spool)
        (spool.folders.inbox.parent / "other").hardlink_to(spool.folders.inbox / "a.csv")
        return job

    def check(spool: Spool) -> None:
        assert everything(spool) == {"work/j1/input/a.csv": CONTENT}

    assert sweep(fresh, prepare, lambda spool, job: spool.claim_all([job]), check) >= 8


def test_a_delivery(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        delivered = "outbox/patients/a.j1"
        assert sorted(everything(spool)) == [
            f"archive/{DAY}/j1/a.csv",
            f"archive/{DAY}/j1/job.json",
            f"{delivered}/patients.csv",
            f"{delivered}/rejects.csv",
            f"{delivered}/report.json",
        ]

    def act(spool: Spool, job: JobRecord) -> None:
        assert deliver(spool, job) == "patients/a.j1"
        retire(spool, job, {"job": "j1"})
        spool.clear(1)

    assert sweep(fresh, staged, act, check) >= 16


def test_filing_in_the_archive_and_clearing(fresh: Callable[[], Spool]) -> None:
    def act(spool: Spool, job: JobRecord) -> None:
        retire(spool, job, {"job": "j1"})
        spool.clear(1)

    def check(spool: Spool) -> None:
        found = everything(spool)
        assert sorted(found) == [f"archive/{DAY}/j1/a.csv", f"archive/{DAY}/j1/job.json"]
        assert found[f"archive/{DAY}/j1/a.csv"] == CONTENT

    assert sweep(fresh, staged, act, check) >= 12


def test_filing_in_the_error_folder_and_clearing(fresh: Callable[[], Spool]) -> None:
    def act(spool: Spool, job: JobRecord) -> None:
        quarantine(spool, job, reason, {"job": "j1"})
        spool.clear(1)

    def check(spool: Spool) -> None:
        found = everything(spool)
        names = ("REASON.txt", "a.csv", "reason.json", "rejects.csv", "report.json")
        assert sorted(found) == [f"error/{DAY}/j1__TRUNCATED/{name}" for name in names]
        assert found[f"error/{DAY}/j1__TRUNCATED/a.csv"] == CONTENT

    assert sweep(fresh, staged, act, check) >= 16


def test_taking_back_a_returned_error_folder(fresh: Callable[[], Spool]) -> None:
    def prepare(spool: Spool) -> JobRecord:
        quarantine(spool, staged(spool), reason, {"job": "j1"})
        spool.clear(1)
        folder = spool.folders.inbox / "j1__TRUNCATED"
        shutil.move(spool.folders.error / DAY / "j1__TRUNCATED", folder)
        return job_for(spool, b"j1__TRUNCATED/a.csv", 2)

    def check(spool: Spool) -> None:
        assert everything(spool) == {"work/j2/input/a.csv": CONTENT}
        assert list(spool.folders.inbox.iterdir()) == []

    assert sweep(fresh, prepare, lambda spool, job: spool.claim_all([job]), check) >= 8


def test_a_retry_from_the_error_folder(fresh: Callable[[], Spool]) -> None:
    def prepare(spool: Spool) -> JobRecord:
        job = staged(spool)
        quarantine(spool, job, reason, {"job": "j1"})
        spool.clear(1)
        return job

    def check(spool: Spool) -> None:
        assert everything(spool) == {"work/j2/input/a.csv": CONTENT}

    def act(spool: Spool, job: JobRecord) -> None:
        assert spool.reclaim(replace(job, id=2), job)

    assert sweep(fresh, prepare, act, check, takes_apart=True) >= 8


def test_a_retry_from_the_archive(fresh: Callable[[], Spool]) -> None:
    def prepare(spool: Spool) -> JobRecord:
        job = staged(spool)
        retire(spool, job, {"job": "j1"})
        spool.clear(1)
        return job

    def check(spool: Spool) -> None:
        kept = {"work/j2/input/a.csv", f"archive/{DAY}/j1/a.csv", f"archive/{DAY}/j1/job.json"}
        assert set(everything(spool)) == kept

    def act(spool: Spool, job: JobRecord) -> None:
        assert spool.reclaim(replace(job, id=2), job)

    assert sweep(fresh, prepare, act, check) >= 8


def test_offering_an_orphan_again(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert everything(spool) == {"inbox/recovered-j1-a.csv": CONTENT}
        assert spool.orphans(set()) == []

    def act(spool: Spool, job: JobRecord) -> None:
        for orphan in spool.orphans(set()):
            spool.offer_again(orphan)

    assert sweep(fresh, staged, act, check) >= 4


def test_giving_a_file_back(fresh: Callable[[], Spool]) -> None:
    def check(spool: Spool) -> None:
        assert everything(spool) == {"inbox/a.csv": CONTENT}

    assert sweep(fresh, claimed, lambda spool, job: spool.unclaim(job), check) >= 2
