"""Every way programs write files, all at once, against a real daemon: one whole job for each.

The same with a kernel that tells nothing, one that loses most events, and without read leases.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow

PAUSE_S = 1.0  # more than twice the quiet period; less than the one without leases
Writer = Callable[[Path, bytes], None]

KERNELS = {
    "watched": ("daemon", {}),
    "scan-only": ("daemon", {"HARMONIZER_INTAKE__USE_WATCHER": "false"}),
    "lossy": ("tests.system.lossy", {}),
    "no-leases": ("daemon", {"HARMONIZER_INTAKE__USE_LEASE": "false"}),
}


def thirds(data: bytes) -> list[bytes]:
    """Three pieces, cut within rows."""
    third = len(data) // 3
    return [data[:third], data[third : 2 * third], data[2 * third :]]


def keeps_it_open_and_pauses(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as stream:
        for piece in thirds(data):
            stream.write(piece)
            time.sleep(PAUSE_S)


def preallocates(path: Path, data: bytes) -> None:
    """As Explorer over Samba: final size at once, blocks reserved, then the content."""
    with path.open("wb", buffering=0) as stream:
        os.posix_fallocate(stream.fileno(), 0, len(data))
        for piece in thirds(data):
            time.sleep(PAUSE_S)
            stream.write(piece)


def reserves_closes_and_fills_later(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, len(data))
    time.sleep(2 * PAUSE_S)
    with path.open("r+b") as stream:
        stream.write(data)


def leaves_a_sparse_file_and_fills_it_later(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.truncate(len(data))
    time.sleep(2 * PAUSE_S)
    with path.open("r+b") as stream:
        stream.write(data)


def writes_the_end_first(path: Path, data: bytes) -> None:
    """Out of order, and closed in between, with real zeros where the beginning will be."""
    half = len(data) // 2
    path.write_bytes(data[: half // 2] + b"\x00" * (half - half // 2) + data[half:])
    time.sleep(2 * PAUSE_S)
    with path.open("r+b") as stream:
        stream.write(data[:half])


def writes_through_a_map(path: Path, data: bytes) -> None:
    """Stores through a memory map change neither size nor, for long, the time."""
    with path.open("w+b") as stream:
        stream.truncate(len(data))
        with mmap.mmap(stream.fileno(), len(data)) as mapped:
            at = 0
            for piece in thirds(data):
                mapped[at : at + len(piece)] = piece
                at += len(piece)
                time.sleep(PAUSE_S)


def is_cut_off_and_resumes(path: Path, data: bytes) -> None:
    """An interrupted upload that goes on where it stopped: closed within a row for a while."""
    cut = data.index(b",", len(data) // 2) + 1
    path.write_bytes(data[:cut])
    time.sleep(2 * PAUSE_S)
    with path.open("ab") as stream:
        stream.write(data[cut:])


def is_replaced_while_it_settles(path: Path, data: bytes) -> None:
    newer = path.with_name(f".{path.name}.new")
    newer.write_bytes(data)
    path.write_bytes(data[: len(data) // 2])
    newer.replace(path)


def is_overwritten_while_it_settles(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as first:
        first.write(data[:500])
        with path.open("wb") as second:  # O_TRUNC
            second.write(data)


def is_renamed_while_it_settles(path: Path, data: bytes) -> None:
    before = path.with_name(f"earlier-{path.name}")
    with before.open("wb", buffering=0) as stream:
        stream.write(data)
        time.sleep(PAUSE_S / 2)
        before.rename(path)
        time.sleep(PAUSE_S)


def is_linked_and_edited_elsewhere(path: Path, data: bytes) -> None:
    outside = path.parents[2] / f"outside-{path.name}"
    outside.write_bytes(data)
    path.hardlink_to(outside)
    while path.exists():
        time.sleep(0.1)
    outside.write_bytes(b"edited afterwards")


def appears_nameless_and_is_linked(path: Path, data: bytes) -> None:
    descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o640)
    try:
        os.write(descriptor, data)
        # any folder's descriptor will do: it makes Python call linkat(2), which follows the link
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
        time.sleep(PAUSE_S / 2)
    finally:
        os.close(descriptor)


def comes_from_the_future(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, (4_000_000_000, 4_000_000_000))


def comes_from_the_past(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, (1_000_000_000, 1_000_000_000))


def has_its_old_time_before_its_content(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as stream:
        for piece in thirds(data):
            stream.write(piece)
            os.utime(path, (1_000_000_000, 1_000_000_000))
            time.sleep(PAUSE_S)


def is_a_placeholder_first(path: Path, data: bytes) -> None:
    path.touch()
    time.sleep(2 * PAUSE_S)
    path.write_bytes(data)


def is_copied(path: Path, data: bytes) -> None:
    outside = path.parents[2] / f"copied-{path.name}"
    outside.write_bytes(data)
    os.utime(outside, (1_200_000_000, 1_200_000_000))
    shutil.copy2(outside, path)


WRITERS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        keeps_it_open_and_pauses,
        preallocates,
        reserves_closes_and_fills_later,
        leaves_a_sparse_file_and_fills_it_later,
        writes_the_end_first,
        writes_through_a_map,
        is_cut_off_and_resumes,
        is_replaced_while_it_settles,
        is_overwritten_while_it_settles,
        is_renamed_while_it_settles,
        is_linked_and_edited_elsewhere,
        appears_nameless_and_is_linked,
        comes_from_the_future,
        comes_from_the_past,
        has_its_old_time_before_its_content,
        is_a_placeholder_first,
        is_copied,
    )
}


@pytest.fixture(params=KERNELS)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    module, settings = KERNELS[request.param]
    patient = {"HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S": "4"}
    with service(tmp_path / "root", module, **patient, **settings) as running:
        yield running


def test_every_writer_gets_one_job_with_all_of_its_bytes(daemon: Service) -> None:
    sent = {
        f"{name}.csv": patients(400, first=1000 * number).encode()
        for number, name in enumerate(WRITERS)
    }
    deleted = daemon.inbox / "deleted-while-it-settles.csv"
    with ThreadPoolExecutor(len(WRITERS) + 1) as senders:
        running = [
            senders.submit(WRITERS[name.removesuffix(".csv")], daemon.inbox / name, data)
            for name, data in sent.items()
        ]
        with deleted.open("w") as stream:
            stream.write(patients(3))
            time.sleep(PAUSE_S)
            deleted.unlink()
        daemon.until_finished(len(sent))
        for one in running:
            one.result()
    time.sleep(2 * PAUSE_S)  # a second job of the same file would have come by now
    ended = [(job["source"], job["state"]) for job in daemon.finished()]
    assert sorted(ended) == sorted((name, "delivered") for name in sent)
    assert daemon.originals() == sent
    assert daemon.leftovers() == []


def test_a_name_that_is_used_again_is_another_file(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        path = daemon.inbox / "report.csv"
        sent = [patients(60, first=100), patients(4, first=500), patients(60, first=900)]
        for text in sent:
            path.write_text(text)
            daemon.until(lambda: not path.exists(), "the file is taken")
        daemon.until_finished(3)
        assert [job["state"] for job in daemon.jobs()] == ["delivered"] * 3
        kept = sorted((daemon.root / "archive").glob("*/*/report.csv"))
        assert sorted(one.read_text() for one in kept) == sorted(sent)


COMPLETE = """
root: .
sources:
  - path: labs
    contract: patients
    complete: {marker: "{name}.ok"}
  - path: batch
    complete: {manifest: "*.manifest"}
"""


def test_what_is_waited_for_is_told_with_and_without_a_daemon(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "harmonizer.yaml").write_text(COMPLETE)
    with service(root) as daemon:
        for folder in ("labs", "batch"):
            (daemon.inbox / folder).mkdir()
        (daemon.inbox / "labs/a.csv").write_text(patients(5))
        for number in (1, 2, 3):
            (daemon.inbox / f"batch/{number}.csv").write_text(patients(5, first=100 * number))
        (daemon.inbox / "batch/all.manifest").write_text("1.csv\n2.csv\n3.csv\n4.csv\n")
        (daemon.inbox / "lone.csv.md5").write_text("0" * 32)

        def reasons() -> dict[str, str]:
            entries = daemon.page().get("waiting", {}).get("entries", [])
            return {one["source"]: one["reason"] for one in entries}

        marker, three = "its marker a.csv.ok has not come", "3 of 4 files of all.manifest are there"
        daemon.until(lambda: marker in reasons().get("labs/a.csv", ""))
        daemon.until(lambda: three in reasons().get("batch/2.csv", ""))
        daemon.until(lambda: "lone.csv" in reasons().get("lone.csv.md5", ""))
        assert marker[1:] in daemon.ask("why", str(daemon.inbox / "labs/a.csv"))["why"]
        assert "4.csv is missing" in daemon.ask("why", "batch/all.manifest")["why"]
        assert "labs" in daemon.command("config", "show")
        daemon.stop()
        assert marker[1:] in daemon.ask("why", "labs/a.csv")["why"]
        assert three in daemon.ask("why", "batch/1.csv")["why"]
        assert "lone.csv" in daemon.ask("why", "lone.csv.md5")["why"]
        daemon.start()
        (daemon.inbox / "labs/a.csv.ok").touch()
        (daemon.inbox / "batch/4.csv").write_text(patients(5, first=900))
        daemon.until_finished(5)
        assert {job["state"] for job in daemon.finished()} == {"delivered"}
        assert daemon.leftovers() == [str(daemon.inbox / "lone.csv.md5")]


def test_a_file_that_is_written_to_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Through a handle that was open before the claim, and with its old time put back."""
    settings = {
        "HARMONIZER_INTAKE__USE_LEASE": "false",
        "HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S": "1",
    }
    with service(tmp_path / "root", **settings) as daemon:
        text = patients(900_000)
        path = daemon.inbox / "a.csv"
        path.write_text(text)
        descriptor = os.open(path, os.O_RDWR)
        pids: list[int] = []

        def is_read() -> bool:
            pids[:] = [one["pid"] for one in daemon.page().get("workers", {}).get("busy", [])]
            return bool(pids)

        daemon.until(is_read, "a worker reads it")
        os.kill(pids[0], signal.SIGSTOP)
        before = os.fstat(descriptor)
        os.pwrite(descriptor, b"Changed", text.index("Family7,"))
        os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.kill(pids[0], signal.SIGCONT)
        os.close(descriptor)
        daemon.until_finished(1)

        [job] = daemon.jobs()
        assert (job["state"], job["attempts_made"]) == ("delivered", 1)
        events = [one["event"] for one in daemon.ask("show", job["job"])["events"]]
        assert "input_changed" in events
        final = text.replace("Family7,", "Changed,", 1)
        assert daemon.originals() == {"a.csv": final.encode()}
        [table] = (daemon.root / "outbox").glob("*/*/patients.csv")
        assert "Changed" in table.read_text(encoding="utf-8")
        assert len(list((daemon.root / "outbox").glob("*/*"))) == 1
