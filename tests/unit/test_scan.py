"""Looking at the inbox: real directories with everything a sender may leave in them."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from daemon.inbox.scan import Scan, scan_inbox


def sources(scan: Scan) -> list[bytes]:
    return sorted(candidate.source for candidate in scan.candidates)


def test_files_in_the_inbox_and_its_folders_are_found_by_relative_path(tmp_path: Path) -> None:
    (tmp_path / "labs" / "2026").mkdir(parents=True)
    for name in ("a.csv", "labs/b.csv", "labs/2026/c.csv"):
        (tmp_path / name).write_text("x")
    assert sources(scan_inbox(tmp_path)) == [b"a.csv", b"labs/2026/c.csv", b"labs/b.csv"]


def test_what_a_scan_says_of_a_file_is_what_lstat_says(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("abc")
    path.chmod(0o604)
    [found], seen = scan_inbox(tmp_path).candidates, path.lstat()
    assert found.kind == "file"
    assert found.fingerprint.size_bytes == 3
    assert found.fingerprint.mtime_ns == seen.st_mtime_ns
    assert (found.fingerprint.device, found.fingerprint.inode) == (seen.st_dev, seen.st_ino)
    assert (found.owner.uid, found.owner.gid, found.owner.mode) == (seen.st_uid, seen.st_gid, 0o604)
    assert found.links == 1
    assert found.allocated_bytes == seen.st_blocks * 512


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.csv", b"a\nb\x1b[2J.csv", b"n" * 251 + b".csv", b"-rf.csv", b"* ?.csv"]
)
def test_any_name_is_found_as_it_is(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")  # hazards 53-56
    assert sources(scan_inbox(tmp_path)) == [name]


def test_twins_that_differ_in_case_or_composition_are_two_files(tmp_path: Path) -> None:
    for name in ("A.csv", "a.csv", "\u00fc.csv", "u\u0308.csv"):  # hazard 57
        (tmp_path / name).write_text("x")
    assert len(sources(scan_inbox(tmp_path))) == 4


def test_links_and_special_files_are_candidates_of_their_kind(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/passwd")  # hazards 58, 61
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.csv"))
        kinds = {c.source: c.kind for c in scan_inbox(tmp_path).candidates}
    assert kinds == {
        b"link.csv": "symlink",
        b"dangling.csv": "symlink",
        b"fifo.csv": "special",
        b"socket.csv": "special",
    }


def test_a_link_to_a_folder_is_not_entered(tmp_path: Path) -> None:  # hazard 60
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    assert sources(scan_inbox(tmp_path)) == [b"a.csv", b"loop"]


def test_a_folder_named_like_a_file_is_entered(tmp_path: Path) -> None:  # hazard 52
    (tmp_path / "x.csv").mkdir()
    (tmp_path / "x.csv" / "inside.csv").write_text("x")
    assert sources(scan_inbox(tmp_path)) == [b"x.csv/inside.csv"]


def test_junk_is_ignored_with_its_reason_and_junk_folders_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / ".rsync-partial").mkdir()  # hazards 8, 11, 40
    (tmp_path / "__MACOSX").mkdir()
    for name in (".rsync-partial/a.csv", "__MACOSX/a.csv", "a.csv.filepart", "~$a.xlsx", "a.bak"):
        (tmp_path / name).write_text("x")
    found = scan_inbox(tmp_path, ("*.bak",))
    assert found.candidates == []
    ignored = dict(found.ignored)
    assert set(ignored) == {
        b".rsync-partial",
        b"__MACOSX",
        b"a.csv.filepart",
        b"~$a.xlsx",
        b"a.bak",
    }
    assert all(ignored.values())


def test_a_sparse_file_and_a_hard_link_show(tmp_path: Path) -> None:  # hazards 22, 24
    with (tmp_path / "sparse.csv").open("wb") as stream:
        stream.truncate(1_000_000)
    (tmp_path / "one.csv").write_text("x")
    (tmp_path / "two.csv").hardlink_to(tmp_path / "one.csv")
    found = {c.source: c for c in scan_inbox(tmp_path).candidates}
    assert found[b"sparse.csv"].has_holes
    assert not found[b"one.csv"].has_holes
    assert found[b"one.csv"].links == found[b"two.csv"].links == 2


def test_a_missing_inbox_is_not_an_empty_one(tmp_path: Path) -> None:  # hazard 80
    assert scan_inbox(tmp_path / "gone").inbox_identity is None
    seen = tmp_path.stat()
    assert scan_inbox(tmp_path).inbox_identity == (seen.st_dev, seen.st_ino)


def test_a_folder_that_cannot_be_read_is_reported_and_the_others_are_scanned(
    tmp_path: Path,
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("this process may read any folder")
    (tmp_path / "a.csv").write_text("x")
    found = scan_inbox(tmp_path)
    (tmp_path / "closed").chmod(stat.S_IRWXU)
    assert found.unreadable == [b"closed"]
    assert sources(found) == [b"a.csv"]


def test_folders_may_be_deep_but_not_endless(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
        (deep / "a.csv").write_text("x")
    found = scan_inbox(tmp_path)
    assert len(found.candidates) == 32
    assert found.unreadable == [b"/".join([b"d"] * 33)]


def test_an_error_folder_is_known_by_its_papers_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my fix"
    folder.mkdir()
    for name in ("REASON.txt", "reason.json", "rejects.csv", "labs.csv"):
        (folder / name).write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rejects.csv").write_text("x")
    scan = scan_inbox(tmp_path)
    assert sources(scan) == [b"mine/rejects.csv", b"my fix/labs.csv"]
    assert [ignored.source for ignored in scan.ignored] == [
        b"my fix/REASON.txt",
        b"my fix/reason.json",
        b"my fix/rejects.csv",
    ]
