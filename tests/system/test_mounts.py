"""What filesystems do to a daemon: unmounts, bare mount points, read-only, full, split by binds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.harness import Service, patients, service
from tests.system.mounts import bind, ext4, private_mounts, remount, tmpfs, unmount

pytestmark = pytest.mark.slow

REFUSED = "colour,shape\nred,round\n"
LOOKS_S = 2.5  # two looks of the fast settings: what would be taken wrongly is taken by then


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with private_mounts():
        yield tmp_path / "root"


def troubles(daemon: Service) -> str:
    return " ".join(trouble["what"] for trouble in daemon.page().get("troubles", ()))


def drop(daemon: Service, name: str, first: int = 0) -> Path:
    path = daemon.inbox / name
    path.write_text(patients(3, first=first))
    return path


def test_a_bare_mount_point_is_not_the_inbox_until_somebody_says_so(root: Path) -> None:
    share = root.parent / "share.img"
    inbox = root / "inbox"
    ext4(share, inbox)
    daemon = Service(root)
    try:
        daemon.start()
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)

        unmount(inbox)
        bare = drop(daemon, "bare.csv", 100)
        daemon.until(lambda: "not mounted" in troubles(daemon))
        time.sleep(LOOKS_S)
        assert bare.exists()
        assert daemon.page()["waiting"]["count"] == 0
        assert not daemon.page()["scan"]["inbox"]
        assert "not mounted" in daemon.ask("why", str(bare))["why"]
        assert "not mounted" in daemon.command("status")
        found = {one["check"]: one for one in daemon.ask_anyway("doctor")}
        assert found["mounts"]["level"] == "error"
        assert "mount it again" in found["mounts"]["finding"]

        assert daemon.stop() == 0
        daemon.start()  # at boot the share may come late
        time.sleep(LOOKS_S)
        assert bare.exists()
        assert len(daemon.finished()) == 1
        assert list(inbox.iterdir()) == [bare]

        ext4(share, inbox)
        drop(daemon, "b.csv", 200)
        daemon.until_finished(2)
        assert "not mounted" not in troubles(daemon)
        assert {job["source"] for job in daemon.finished()} == {"a.csv", "b.csv"}

        unmount(inbox)
        daemon.until(lambda: "not mounted" in troubles(daemon))
        assert daemon.stop() == 0
        daemon.command("run", "--until-idle", "--adopt")
        assert {job["source"] for job in daemon.finished()} == {"a.csv", "b.csv", "bare.csv"}
    finally:
        daemon.end()


def test_an_inbox_is_mounted_over_while_the_daemon_runs(root: Path) -> None:
    with service(root) as daemon:
        drop(daemon, "before.csv", 0)
        daemon.until_finished(1)
        tmpfs(daemon.inbox)
        drop(daemon, "after.csv", 100)
        daemon.until_finished(2)
        for again in range(2):  # a share that flaps
            unmount(daemon.inbox)
            daemon.until(lambda: "not mounted" in troubles(daemon))
            tmpfs(daemon.inbox)
            drop(daemon, f"again-{again}.csv", 200 + 100 * again)
            daemon.until_finished(3 + again)
        assert {job["state"] for job in daemon.finished()} == {"delivered"}


def test_a_share_without_its_marker_is_not_the_right_one(root: Path) -> None:
    inbox = root / "inbox"
    tmpfs(inbox)
    (inbox / "THIS-IS-IT").touch()
    with service(root, HARMONIZER_INTAKE__MARKER="THIS-IS-IT") as daemon:
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)
        unmount(inbox)
        tmpfs(inbox)  # another share by mistake
        wrong = drop(daemon, "wrong.csv", 100)
        daemon.until(lambda: "marker" in troubles(daemon))
        time.sleep(LOOKS_S)
        assert wrong.exists()
        assert "marker" in daemon.ask("why", str(wrong))["why"]
        (inbox / "THIS-IS-IT").touch()  # it was the right one after all
        daemon.until_finished(2)
        assert (inbox / "THIS-IS-IT").exists()
        assert len(daemon.jobs()) == 2


def test_an_inbox_deleted_and_made_anew_or_swapped_by_rename_goes_on(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        shutil.rmtree(daemon.inbox)
        daemon.until(lambda: "inbox is not there" in troubles(daemon))
        assert "not there" in daemon.command("status")
        daemon.inbox.mkdir()
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)
        (daemon.root / "new").mkdir()
        (daemon.root / "new" / "b.csv").write_text(patients(3, first=100))
        daemon.inbox.rename(daemon.root / "old")
        (daemon.root / "new").rename(daemon.inbox)
        daemon.until_finished(2)
        assert "inbox" not in troubles(daemon)
        assert {job["state"] for job in daemon.finished()} == {"delivered"}


@pytest.mark.parametrize("split", ["bind-mounts", "filesystems"])
def test_folders_on_mounts_of_their_own_get_verified_copies(root: Path, split: str) -> None:
    Service(root)
    for name in ("inbox", "outbox", "archive", "error", "review"):
        if split == "bind-mounts":
            bind(root / name, root / name)
        else:
            tmpfs(root / name)
    with service(root) as daemon:
        drop(daemon, "good.csv", 0)
        (daemon.inbox / "bad.csv").write_text(REFUSED)
        (daemon.inbox / "link.csv").symlink_to("/etc/passwd")
        daemon.until_finished(3)
        assert daemon.originals() == {"good.csv": patients(3).encode()}
        assert daemon.originals("error")["bad.csv"] == REFUSED.encode()
        [delivery] = (root / "outbox").glob("*/*")
        assert delivery.name.startswith("good.j")
        assert daemon.leftovers() == []
        found = {one["check"]: one for one in daemon.ask_anyway("doctor")}
        assert found["renames"]["level"] == "warning"
        assert "copied" in found["renames"]["finding"]
        partial = [path for path in root.rglob(".harmonizer-*") if "canary" not in path.name]
        assert partial == []


def test_a_read_only_outbox_is_waited_for_without_haste(root: Path) -> None:
    Service(root)
    tmpfs(root / "outbox")
    with service(root) as daemon:
        remount(root / "outbox", "ro")
        drop(daemon, "a.csv", 0)
        daemon.until(lambda: "Read-only" in troubles(daemon))
        assert daemon.process is not None
        spent = psutil.Process(daemon.process.pid).cpu_times()
        time.sleep(4.0)
        again = psutil.Process(daemon.process.pid).cpu_times()
        assert again.user + again.system - spent.user - spent.system < 2.0  # waits, does not spin
        assert daemon.finished() == []
        assert not list((root / "outbox").rglob("*"))
        (daemon.inbox / "bad.csv").write_text(REFUSED)  # what can be done is done meanwhile
        daemon.until_finished(1)
        remount(root / "outbox", "rw")
        daemon.until_finished(2)
        assert daemon.originals() == {"a.csv": patients(3).encode()}
        assert "Read-only" not in troubles(daemon)


def test_a_full_archive_keeps_the_original_and_heals(root: Path) -> None:
    Service(root)
    tmpfs(root / "archive", "size=32k")
    with service(root) as daemon:
        big = patients(3_000)
        (daemon.inbox / "a.csv").write_text(big)
        daemon.until(lambda: "No space" in troubles(daemon))
        kept = [path for path in (root / "work").rglob("a.csv") if path.stat().st_size]
        assert [path.read_text() for path in kept] == [big]
        assert daemon.originals() == {}
        remount(root / "archive", "size=8m")
        daemon.until_finished(1)
        assert daemon.originals() == {"a.csv": big.encode()}
        assert len(list((root / "outbox").glob("*/*"))) == 1
        assert daemon.leftovers() == []


def test_nothing_is_put_beneath_an_outbox_that_is_away(root: Path) -> None:
    Service(root)
    image = root.parent / "outbox.img"
    ext4(image, root / "outbox")
    with service(root) as daemon:
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)
        unmount(root / "outbox")
        drop(daemon, "b.csv", 100)
        daemon.until(lambda: "outbox folder is not mounted" in troubles(daemon))
        time.sleep(1.0)
        assert list((root / "outbox").iterdir()) == []
        ext4(image, root / "outbox")
        daemon.until_finished(2)
        assert len(list((root / "outbox").glob("patients/*"))) == 2


def test_sub_folders_the_kernel_will_not_watch_are_said_and_scanned(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to set a limit for one daemon alone")
    daemon = Service(tmp_path / "root")
    for number in range(6):
        (daemon.inbox / f"ward {number}").mkdir()
    limit = 'echo 4 > /proc/sys/user/max_inotify_watches && exec "$@"'
    daemon.prefix = ("unshare", "-U", "--map-root-user", "sh", "-c", limit, "sh")
    try:
        daemon.start()
        daemon.until(lambda: "not watched" in troubles(daemon))
        assert set(daemon.page()["watcher"]["unwatched"]) <= {f"ward {n}" for n in range(6)}
        assert "max_user_watches" in daemon.command("status")
        (daemon.inbox / "ward 5" / "a.csv").write_text(patients(3))
        daemon.until_finished(1)
    finally:
        daemon.end()


def test_no_watch_at_all_means_scans_alone_with_a_warning(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to set a limit for one daemon alone")
    daemon = Service(tmp_path / "root")
    limit = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"'
    daemon.prefix = ("unshare", "-U", "--map-root-user", "sh", "-c", limit, "sh")
    try:
        daemon.start()
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)
        daemon.until(lambda: "watch limit" in troubles(daemon))
        assert daemon.page()["watcher"]["state"] == "off"
    finally:
        daemon.end()


@pytest.mark.parametrize("fault", ["frozen", "raising"])
def test_a_watcher_that_froze_or_raises_is_replaced(tmp_path: Path, fault: str) -> None:
    settings = {"HARMONIZER_INTAKE__SCAN_INTERVAL_S": "3"}
    with service(tmp_path / "root", f"tests.system.{fault}", **settings) as daemon:
        drop(daemon, "a.csv", 0)
        daemon.until_finished(1)
        if fault == "frozen":
            daemon.until(lambda: daemon.page()["watcher"]["replaced"] >= 1)
            daemon.until(lambda: daemon.page()["watcher"]["state"] == "watching")
        else:
            daemon.until(lambda: daemon.page()["watcher"]["faults"] >= 1)
        drop(daemon, "b.csv", 100)
        daemon.until_finished(2)


def test_events_lost_in_an_overflow_are_made_up_for_at_once(tmp_path: Path) -> None:
    slow = {"HARMONIZER_INTAKE__SCAN_INTERVAL_S": "900"}  # only the overflow can ask for a look
    with service(tmp_path / "root", **slow) as daemon:
        time.sleep(1.0)
        assert daemon.process is not None
        psutil.Process(daemon.process.pid).suspend()
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        noise = daemon.inbox / ".noise"
        for _ in range(limit // 3 + 1_000):  # open, close and delete: three events each
            os.close(os.open(noise, os.O_WRONLY | os.O_CREAT))
            noise.unlink()
        drop(daemon, "a.csv", 0)
        psutil.Process(daemon.process.pid).resume()
        daemon.until_finished(1)
