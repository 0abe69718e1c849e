"""Filesystem primitives on real files: leases, renames, moves across filesystems, hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.folders.files import (
    FileChanged,
    FileVanished,
    Lease,
    TargetTaken,
    copy_verified,
    ignore_lease_signals,
    is_there,
    move_into_place,
    read_lease,
    rename_noreplace,
    sha256_of,
    write_atomically,
)
from daemon.folders.linux import is_remote
from daemon.inbox.scan import scan_inbox

LONG = "n" * 251 + ".csv"  # 255 bytes, the most a name may have
NAMES = ["a.csv", LONG, "-rf", "a\nb\x1b[2J.csv", os.fsdecode(b"\xff\xfe.csv"), " space .csv"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A directory on another filesystem than tmp_path."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem here: /dev/shm is missing or the same one")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- leases -------------------------------------------------------------------------------------


def test_a_closed_file_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    assert read_lease(path) is Lease.FREE


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND])
def test_a_file_that_somebody_has_open_for_writing_is_busy(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    writer = os.open(path, flags)
    assert read_lease(path) is Lease.BUSY
    os.close(writer)
    assert read_lease(path) is Lease.FREE


def test_a_writer_in_another_process_that_pauses_keeps_it_busy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    code = (
        "import sys\nf = open(sys.argv[1], 'w')\nf.write('x')\nf.flush()\n"
        "print(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert read_lease(path) is Lease.BUSY
        writer.communicate("\n")
    assert read_lease(path) is Lease.FREE


def test_a_reader_does_not_make_it_busy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    with path.open():
        assert read_lease(path) is Lease.FREE


def test_the_lease_is_given_back_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    read_lease(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # would be EWOULDBLOCK under a lease
    os.close(descriptor)


def test_the_writer_behind_a_hard_link_is_seen(tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("x")
    other.hardlink_to(path)
    with other.open("a"):
        assert read_lease(path) is Lease.BUSY


def test_what_is_not_a_file_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    link, fifo, gone = tmp_path / "link.csv", tmp_path / "fifo.csv", tmp_path / "gone.csv"
    link.symlink_to(secret)
    os.mkfifo(fifo)
    assert read_lease(link) is Lease.CHANGED
    assert read_lease(fifo) is Lease.CHANGED  # returns: an ordinary open would wait for ever
    assert read_lease(tmp_path) is Lease.CHANGED
    assert read_lease(gone) is Lease.GONE


def test_a_file_that_is_not_as_it_was_scanned_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    [candidate] = scan_inbox(tmp_path).candidates
    assert read_lease(path, candidate) is Lease.FREE
    path.write_text("more")
    assert read_lease(path, candidate) is Lease.CHANGED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_file_of_somebody_else_is_unreadable_or_unknown() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        assert _seen_by_nobody(Path(folder)) == ["UNREADABLE", "UNKNOWN"]  # no CAP_LEASE


def _seen_by_nobody(folder: Path) -> list[str]:
    """What another user's probe says of a file of mode 0600 and one of 0644."""
    hidden, shown = folder / "hidden.csv", folder / "shown.csv"
    for path, mode in ((hidden, 0o600), (shown, 0o644)):
        path.write_text("x")
        path.chmod(mode)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom daemon.folders.linux import read_lease\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(*(read_lease(Path(p)).name for p in sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(hidden), str(shown)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def test_a_broken_lease_does_not_end_the_process(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGIO)
    try:
        ignore_lease_signals()
        os.kill(os.getpid(), signal.SIGIO)
    finally:
        signal.signal(signal.SIGIO, before)


def test_local_filesystems_are_not_taken_for_network_mounts(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert not is_remote(descriptor, os.fstat(descriptor).st_dev)
    os.close(descriptor)


# -- renames ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
def test_any_name_can_be_renamed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "to").mkdir()
    rename_noreplace(tmp_path / name, tmp_path / "to" / name)
    assert tree(tmp_path) == {f"to/{name}": b"x"}


def test_a_rename_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    with pytest.raises(FileExistsError):
        rename_noreplace(tmp_path / "a", tmp_path / "b")
    assert tree(tmp_path) == {"a": b"new", "b": b"old"}


def test_a_rename_moves_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    rename_noreplace(tmp_path / "link", tmp_path / "moved")
    assert (tmp_path / "moved").is_symlink()
    assert (tmp_path / "target").exists()


@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "fifo"])
def test_a_filesystem_without_the_flag_does_not_overwrite_either(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.folders.linux._renameat2", None)  # as an old libc has it
    source, taken = tmp_path / "a", tmp_path / "taken"
    taken.write_text("old")
    match kind:
        case "file":
            source.write_text("x")
        case "directory":
            source.mkdir()
        case "symlink":
            source.symlink_to("nowhere")
        case _:
            os.mkfifo(source)
    before = source.lstat().st_mode
    with pytest.raises(FileExistsError):
        rename_noreplace(source, taken)
    rename_noreplace(source, tmp_path / "b")
    assert (tmp_path / "b").lstat().st_mode == before
    assert not os.path.lexists(source)
    assert taken.read_text() == "old"


def test_two_processes_that_race_for_files_each_win_different_ones(tmp_path: Path) -> None:
    inbox, files = tmp_path / "inbox", 400
    inbox.mkdir()
    for number in range(files):
        (inbox / f"{number}.csv").write_text(str(number))
    code = (
        "import sys\nfrom pathlib import Path\nfrom daemon.folders.linux import rename_noreplace\n"
        "inbox, mine = Path(sys.argv[1]), Path(sys.argv[2])\nmine.mkdir()\nwon = 0\n"
        "print(flush=True)\ninput()\n"
        "for n in range(int(sys.argv[3])):\n"
        "    try: rename_noreplace(inbox / f'{n}.csv', mine / f'{n}.csv')\n"
        "    except FileNotFoundError: continue\n"
        "    won += 1\n"
        "print(won)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(inbox), str(tmp_path / f"racer{n}"), str(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    for racer in racers:  # both are up and wait for the start
        assert racer.stdout is not None
        racer.stdout.readline()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    won = [int(racer.communicate()[0]) for racer in racers]
    assert sum(won) == files
    assert len(tree(tmp_path)) == files
    assert list(inbox.iterdir()) == []


# -- moves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
def test_a_move_keeps_name_bytes_mtime_and_mode_across_filesystems(
    tmp_path: Path, elsewhere: Path, name: str
) -> None:
    source = tmp_path / name
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o604)
    os.utime(source, ns=(1, 981_173_106_123_456_789))
    content, target = source.read_bytes(), elsewhere / name
    move_into_place(source, target)
    assert not source.exists()
    assert tree(elsewhere) == {name: content}
    assert target.stat().st_mode & 0o777 == 0o604
    assert target.stat().st_mtime_ns == 981_173_106_123_456_789


def test_a_folder_moves_across_filesystems_whole(tmp_path: Path, elsewhere: Path) -> None:
    source = tmp_path / "delivery"
    (source / "deep").mkdir(parents=True)
    (source / "a.csv").write_text("a")
    (source / "deep" / "b.csv").write_text("b")
    (source / "link").symlink_to("a.csv")
    source.chmod(0o750)
    move_into_place(source, elsewhere / "delivery")
    assert tree(elsewhere) == {
        "delivery/a.csv": b"a",
        "delivery/link": b"a",
        "delivery/deep/b.csv": b"b",
    }
    assert (elsewhere / "delivery" / "link").is_symlink()
    assert (elsewhere / "delivery").stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["same", "other"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where things move to: on this filesystem, and on another."""
    if request.param == "other":
        folder: Path = request.getfixturevalue("elsewhere")
        return folder
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_repeated_move_changes_nothing(tmp_path: Path, place: Path, kind: str) -> None:
    source = _made(tmp_path / "thing", kind)
    move_into_place(source, place / "thing")
    before = tree(place)
    move_into_place(source, place / "thing")
    assert tree(place) == before
    assert before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_move_that_was_cut_after_the_copy_is_finished(
    tmp_path: Path, place: Path, kind: str
) -> None:
    source = _made(tmp_path / "thing", kind)
    copy_verified(source, place / "thing")
    move_into_place(source, place / "thing")
    assert not source.exists()
    assert tree(place)


def test_a_move_that_was_cut_in_the_copy_begins_anew(tmp_path: Path, elsewhere: Path) -> None:
    source = _made(tmp_path / "thing", "file")
    copy_verified(source, elsewhere / "thing")
    [only] = list(elsewhere.iterdir())
    partial = elsewhere / f".harmonizer-{hashlib.sha256(b'thing').hexdigest()[:16]}.partial"
    only.rename(partial)  # the state after kill -9 in the middle of a copy
    partial.write_text("half")
    move_into_place(source, elsewhere / "thing")
    assert tree(elsewhere) == {"thing": b"content"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_something_else_under_the_targets_name_is_never_touched(
    tmp_path: Path, place: Path, kind: str
) -> None:
    source = _made(tmp_path / "thing", kind)
    (place / "thing").write_text("somebody else's")
    with pytest.raises(TargetTaken):
        move_into_place(source, place / "thing")
    assert (place / "thing").read_text() == "somebody else's"
    assert source.exists()
    assert [p.name for p in place.iterdir()] == ["thing"]


def test_a_file_that_is_nowhere_has_vanished(tmp_path: Path, place: Path) -> None:
    with pytest.raises(FileVanished):
        move_into_place(tmp_path / "thing", place / "thing")


def test_two_names_of_one_file_are_not_taken_for_a_collision(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("x")
    target.hardlink_to(source)  # rename(2) would do nothing and report success
    move_into_place(source, target)
    assert tree(tmp_path) == {"b": b"x"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small filesystem")
def test_a_full_disk_leaves_the_source_and_no_debris(tmp_path: Path) -> None:  # hazard 95
    small, source = tmp_path / "small", tmp_path / "a.csv"
    small.mkdir()
    source.write_bytes(os.urandom(3_000_000))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(OSError) as caught:
            move_into_place(source, small / "a.csv")
        assert caught.value.errno == errno.ENOSPC
        assert source.stat().st_size == 3_000_000
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make bind mounts")
def test_bind_mounts_of_one_filesystem_are_crossed_by_copy(tmp_path: Path) -> None:  # hazard 100
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        mount = ["mount", "--bind", str(folder), str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting is not allowed here")
    try:
        (one / "a.csv").write_text("x")
        assert one.stat().st_dev == two.stat().st_dev
        with pytest.raises(OSError) as caught:
            rename_noreplace(one / "a.csv", two / "a.csv")
        assert caught.value.errno == errno.EXDEV
        move_into_place(one / "a.csv", two / "a.csv")
        assert tree(tmp_path) == {"two/a.csv": b"x"}
    finally:
        for folder in (one, two):
            subprocess.run(["umount", str(folder)], check=False)


def test_what_cannot_be_looked_at_is_not_taken_for_absent(tmp_path: Path) -> None:
    """Else an original would be left behind, and go with the folder it lies in."""
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "file").write_text("x")
    assert is_there(tmp_path / "broken")
    assert not is_there(tmp_path / "missing")
    assert not is_there(tmp_path / "file" / "below")
    with pytest.raises(OSError, match="too long"):
        is_there(tmp_path / ("n" * 300))


# -- hashes and writes --------------------------------------------------------------------------


def test_a_hash_comes_with_the_fingerprint_of_what_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc" * 1_000_000)
    digest, fingerprint = sha256_of(path)
    assert digest == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    seen = path.stat()
    assert fingerprint.size_bytes == seen.st_size
    assert (fingerprint.device, fingerprint.inode) == (seen.st_dev, seen.st_ino)
    assert fingerprint.mtime_ns == seen.st_mtime_ns


def test_a_file_written_to_while_it_is_hashed_is_refused(tmp_path: Path) -> None:  # hazard 31
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * 100_000_000)
    code = (
        "import sys\nprint(flush=True)\n"
        "with open(sys.argv[1], 'r+b', buffering=0) as f:\n"
        "    while True: f.seek(0); f.write(b'y')"  # goes on until it is killed
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            with pytest.raises(FileChanged):
                sha256_of(path)
        finally:
            writer.kill()


def test_links_pipes_and_sockets_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("link", "fifo", "socket"):
            with pytest.raises(OSError):
                sha256_of(tmp_path / name)
    with pytest.raises(FileVanished):
        sha256_of(tmp_path / "gone")


def test_a_file_of_ours_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "INDEX.csv"
    write_atomically(path, b"one", 0o640)
    with path.open("rb") as reader:
        write_atomically(path, b"two", 0o604)
        assert reader.read() == b"one"  # who reads keeps what he opened
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o604
    assert [p.name for p in tmp_path.iterdir()] == ["INDEX.csv"]


def test_a_lease_of_somebody_else_counts_as_busy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    code = (
        "import fcntl, os, signal, sys\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\n"
        "d = os.open(sys.argv[1], os.O_RDWR)\nfcntl.fcntl(d, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n"
        "print(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert read_lease(path) is Lease.BUSY  # Samba's oplocks; an ordinary open would wait 45 s
        holder.communicate(b"\n")


def _made(path: Path, kind: str) -> Path:
    if kind == "folder":
        path.mkdir()
        (path / "inside").write_text("content")
    else:
        path.write_text("content")
    return path
