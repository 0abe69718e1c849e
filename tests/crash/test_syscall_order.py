"""What the power may take: the order in which one delivery reaches the disk, call by call.

A model of the disk is kept beside the traced calls: what was written or renamed and not yet
fsynced would be lost. At each commit of the state database nothing it relies on may be in it
(docs/architecture.md, durability order).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.folders.linux import sync_filesystem
from tests.crash.sites import DAYS, Site
from tests.crash.sweep import HERE
from tests.crash.tracing import Zygote, why_not

pytestmark = pytest.mark.slow

QUIET = {"HARMONIZER_LOGS__LEVEL": "ERROR"}  # else log lines are commits, too
WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "truncate"}
GONE = {"unlink", "unlinkat", "rmdir"}
SYNCS = {"fsync", "fdatasync"}
NAMES = {"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}
NAMES |= {"mkdir", "mkdirat", "mknod", "mknodat", "open", "openat", "creat"}


class Disk:
    """Replays the calls; `volatile` is what a power failure would take now."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self.volatile: set[str] = set()
        self.commits: list[set[str]] = []  # what was volatile at each, oldest first
        self.landmarks: dict[str, int] = {}  # -> how many commits there were by then
        self.first: dict[str, str] = {}  # -> what was moved
        self.filesystems_synced = 0

    def replay(self, ops: list[list[str]]) -> None:
        for call, _, *paths in ops:
            self._step(call, [path.removeprefix(self._root + "/") for path in paths])

    def _step(self, call: str, paths: list[str]) -> None:
        path = paths[-1]
        if path.startswith("work/state/"):
            if call in SYNCS and path.endswith("-wal"):
                self.commits.append(set(self.volatile))
            return
        if call in WRITES:
            self.volatile.add(path)
        elif call == "syncfs":
            self.filesystems_synced += 1
            self.volatile.clear()  # no test has it on two filesystems
        elif call in SYNCS | GONE:
            self.volatile.discard(path)
        elif call in NAMES:
            self.volatile.update(str(Path(name).parent) for name in paths)
            if call.startswith("rename"):
                self._carry(*paths)
                landmark = _landmark(*paths)
                self.landmarks.setdefault(landmark, len(self.commits))
                self.first.setdefault(landmark, paths[0])

    def _carry(self, old: str, new: str) -> None:
        """What was volatile below the old name is so below the new one."""
        moved = {one for one in self.volatile if one == old or one.startswith(old + "/")}
        self.volatile -= moved
        self.volatile |= {new + one.removeprefix(old) for one in moved}


def _landmark(old: str, new: str) -> str:
    for place in ("outbox/", "archive/"):
        if new.startswith(place):
            return f"into {place}"
    if "/members/" in old:
        return "member"
    return "claim" if old.startswith("inbox/") else "clear" if ".cleared" in new else "other"


def test_the_model_of_the_disk_sees_what_is_not_synced() -> None:
    disk = Disk(Path("/r"))
    disk.replay(
        [
            ["write", "daemon", "/r/work/j1/attempt-1/a.csv"],
            ["fsync", "daemon", "/r/work/j1/attempt-1"],
            ["renameat2", "daemon", "/r/work/j1/attempt-1", "/r/outbox/patients/a.j1"],
            ["fdatasync", "daemon", "/r/work/state/harmonizer.db-wal"],
            ["fsync", "daemon", "/r/outbox/patients"],
            ["fsync", "daemon", "/r/outbox/patients/a.j1/a.csv"],
            ["fdatasync", "daemon", "/r/work/state/harmonizer.db-wal"],
        ]
    )
    unsynced = {"outbox/patients", "outbox/patients/a.j1/a.csv", "work/j1"}
    assert disk.commits == [unsynced, {"work/j1"}]


@pytest.fixture(scope="module", params=["one filesystem", "archive elsewhere"])
def disk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disk]:
    missing = why_not()
    if missing:
        pytest.skip(missing)
    base = tmp_path_factory.mktemp("order")
    settings = dict(QUIET)
    away = Path("/dev/shm") / f"harmonizer-{base.name}"
    if request.param == "archive elsewhere":
        if not away.parent.is_dir() or away.parent.stat().st_dev == base.stat().st_dev:
            pytest.skip("no second filesystem here: /dev/shm is missing or the same one")
        settings["HARMONIZER_FOLDERS__ARCHIVE"] = str(away)
    yield replayed(Site(base / "site", DAYS["one"], **settings), away)
    shutil.rmtree(away, ignore_errors=True)


def replayed(site: Site, away: Path) -> Disk:
    """The calls of an undisturbed day; the archive may lie in `away`."""
    site.renew()
    zygote = Zygote(HERE)
    day = site.work(zygote, keep=True, roots=[str(site.root), str(away)])
    zygote.close()
    assert day.exit_code == 0
    made = Disk(site.root)
    made.replay(
        [[part.replace(str(away), str(site.root / "archive")) for part in op] for op in day.ops]
    )
    return made


def test_the_claim_is_durable_before_it_is_recorded(disk: Disk) -> None:
    intent = disk.landmarks["claim"]
    assert intent >= 1, "the intent is committed before the file moves"
    claimed = disk.commits[intent]
    assert not {"inbox", "work", "work/j1", "work/j1/input", "work/j1/input/good.csv"} & claimed


def test_the_results_are_durable_before_they_are_recorded_and_only_then_appear(disk: Disk) -> None:
    recorded = disk.commits[disk.landmarks["into outbox/"] - 1]
    relied_on = {one for one in recorded if one.startswith("work/j1/attempt-1/")}
    relied_on |= {one for one in recorded if one == "work/j1/attempt-1"}
    kept = {one for one in relied_on if "/." not in one}  # spill files are gone by then
    assert kept == set()


def test_outbox_and_archive_are_durable_before_the_end_is_recorded(disk: Disk) -> None:
    moved = max(disk.landmarks["into outbox/"], disk.landmarks["into archive/"])
    done = disk.commits[moved]
    assert {one for one in done if one.split("/")[0] in ("outbox", "archive")} == set()
    assert disk.landmarks["clear"] > moved, "the work folder goes last"


def test_members_are_durable_before_they_become_jobs_and_before_their_archive_ends(
    tmp_path: Path,
) -> None:
    missing = why_not()
    if missing:
        pytest.skip(missing)
    disk = replayed(Site(tmp_path / "site", DAYS["archive"], **QUIET), tmp_path / "away")
    recorded = disk.commits[disk.landmarks["member"] - 1]
    members = str(Path(disk.first["member"]).parent)  # another archive may be opened meanwhile
    assert {one for one in recorded if one.startswith(members)} == set()
    ended = disk.commits[disk.landmarks["into archive/"]]
    own = ("work/j1/", "work/j2/")  # the archives' folders, which go next
    assert {one for one in ended if "/input" in one and not one.startswith(own)} == set()
    assert disk.landmarks["into archive/"] >= disk.landmarks["member"]


def test_many_claims_at_once_are_durable_before_they_are_recorded(tmp_path: Path) -> None:
    missing = why_not()
    if missing:
        pytest.skip(missing)
    disk = replayed(Site(tmp_path / "site", DAYS["many"], **QUIET), tmp_path / "away")
    claimed, delivered = disk.landmarks["claim"], disk.landmarks["into outbox/"]
    for volatile in disk.commits[claimed:delivered]:
        assert {one for one in volatile if one == "inbox" or one.endswith("/input")} == set()
    for volatile in disk.commits:
        assert {one for one in volatile if one.startswith(("outbox/", "archive/"))} == set()
    if is_local(tmp_path):
        assert disk.filesystems_synced, "so many folders are synced by one call"


def is_local(folder: Path) -> bool:
    """Whether the product would sync this filesystem as a whole, when little is dirty."""
    return sync_filesystem(folder)
