"""Real clients against a real daemon: never read early, one outcome per arrival.

Everything here must also hold without a watcher, and with one that loses most of its events.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow

# One by one on the kernel most people have; test_writers runs all at once on four kinds of it.
KERNELS: dict[str, tuple[str, dict[str, str]]] = {"watched": ("daemon", {})}


@pytest.fixture(params=KERNELS)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    module, settings = KERNELS[request.param]
    with service(tmp_path / "root", module, **settings) as running:
        yield running


def delivered_whole(daemon: Service, name: str, text: str) -> None:
    """Exactly one job, delivered, whose original is what the client meant to send."""
    daemon.until_finished(1)
    time.sleep(1.5)  # a second job of the same file would have come by now
    assert [job["state"] for job in daemon.finished()] == ["delivered"]
    assert daemon.originals() == {name: text.encode()}
    assert daemon.leftovers() == []


def test_cp(daemon: Service, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(patients(50))
    subprocess.run(["cp", "-p", source, daemon.inbox / "a.csv"], check=True)
    delivered_whole(daemon, "a.csv", patients(50))


def test_mv_on_the_same_filesystem(daemon: Service, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(patients(50))
    subprocess.run(["mv", source, daemon.inbox / "a.csv"], check=True)
    delivered_whole(daemon, "a.csv", patients(50))


def test_mv_from_another_filesystem(daemon: Service, tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second filesystem at /dev/shm")
    source = shm / f"harmonizer-test-{os.getpid()}.csv"
    source.write_text(patients(20_000))
    subprocess.run(["mv", source, daemon.inbox / "a.csv"], check=True)
    delivered_whole(daemon, "a.csv", patients(20_000))


def test_a_slow_writer_that_keeps_the_file_open_through_long_pauses(daemon: Service) -> None:
    text = patients(30)
    pause_s = 1.0  # twice the quiet period; less than the one without leases
    with (daemon.inbox / "a.csv").open("w") as stream:
        for part in (text[:300], text[300:700], text[700:]):
            stream.write(part)
            stream.flush()
            time.sleep(pause_s)
    delivered_whole(daemon, "a.csv", text)


def test_an_sftp_like_writer_with_many_small_writes(daemon: Service) -> None:
    text = patients(3_000)
    descriptor = os.open(daemon.inbox / "a.csv", os.O_WRONLY | os.O_CREAT)
    for start in range(0, len(text), 4_096):
        os.write(descriptor, text[start : start + 4_096].encode())
        time.sleep(0.02)
    os.close(descriptor)
    delivered_whole(daemon, "a.csv", text)


def test_rsync_and_its_temporary_name(daemon: Service, tmp_path: Path) -> None:
    text = patients(500)
    partial = daemon.inbox / ".a.csv.MONUtK"
    with partial.open("w") as stream:
        stream.write(text[:1000])
        stream.flush()
        time.sleep(1.0)
        stream.write(text[1000:])
    time.sleep(1.0)
    assert daemon.finished() == []
    partial.rename(daemon.inbox / "a.csv")
    delivered_whole(daemon, "a.csv", text)


def test_an_editors_atomic_save_over_a_file_that_settles(daemon: Service) -> None:
    target = daemon.inbox / "a.csv"
    swap = daemon.inbox / ".a.csv.swp"
    target.write_text(patients(5))
    swap.write_text(patients(7))
    swap.replace(target)
    delivered_whole(daemon, "a.csv", patients(7))


def test_a_partial_suffix_is_waited_for_and_shown(daemon: Service) -> None:
    partial = daemon.inbox / "a.csv.filepart"
    partial.write_text(patients(5))
    time.sleep(1.5)
    assert daemon.finished() == []
    assert "left alone" in daemon.ask("why", str(partial))["why"]
    daemon.until(lambda: daemon.page()["ignored"]["count"] == 1)
    partial.rename(daemon.inbox / "a.csv")
    delivered_whole(daemon, "a.csv", patients(5))


def test_a_placeholder_that_is_filled_later(daemon: Service) -> None:
    target = daemon.inbox / "a.csv"
    target.touch()
    time.sleep(1.5)
    assert daemon.finished() == []
    target.write_text(patients(5))
    delivered_whole(daemon, "a.csv", patients(5))


def test_a_hard_link_is_copied_so_that_later_edits_cannot_reach_us(
    daemon: Service, tmp_path: Path
) -> None:
    source = tmp_path / "mine.csv"
    source.write_text(patients(5))
    (daemon.inbox / "a.csv").hardlink_to(source)
    delivered_whole(daemon, "a.csv", patients(5))
    source.write_text("changed afterwards")
    assert daemon.originals() == {"a.csv": patients(5).encode()}


def test_a_folder_copied_in_keeps_its_path(daemon: Service, tmp_path: Path) -> None:
    source = tmp_path / "north"
    (source / "ward 3").mkdir(parents=True)
    (source / "ward 3" / "a.csv").write_text(patients(5))
    (source / "b.csv").write_text(patients(5, first=100))
    shutil.copytree(source, daemon.inbox / "north")
    daemon.until_finished(2)
    assert {job["source"] for job in daemon.jobs()} == {"north/ward 3/a.csv", "north/b.csv"}
    assert {job["state"] for job in daemon.jobs()} == {"delivered"}


def test_the_same_name_again_is_a_new_arrival(daemon: Service) -> None:
    for first in (0, 100):
        (daemon.inbox / "report.csv").write_text(patients(5, first=first))
        daemon.until_finished(first // 100 + 1)
    outcomes = [job["state"] for job in daemon.jobs()]
    assert outcomes == ["delivered", "delivered"]
    assert len(list((daemon.root / "outbox" / "patients").iterdir())) == 2


def test_a_deleted_file_is_dropped_without_a_word(daemon: Service) -> None:
    target = daemon.inbox / "a.csv"
    with target.open("w") as stream:
        stream.write(patients(5))
        stream.flush()
        daemon.until(lambda: daemon.page()["waiting"]["count"] == 1)
        target.unlink()
    daemon.until(lambda: daemon.page()["waiting"]["count"] == 0)
    assert daemon.jobs() == []


def test_an_inbox_that_is_replaced_is_watched_again(daemon: Service) -> None:
    daemon.inbox.rename(daemon.root / "old-inbox")
    daemon.inbox.mkdir()
    (daemon.inbox / "a.csv").write_text(patients(5))
    delivered_whole(daemon, "a.csv", patients(5))
