"""Is this folder the right one? Without real mounts; tests/system/test_mounts.py has those."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from daemon.folders.groups import GroupUnusable, group_number
from daemon.folders.linux import is_pinned
from daemon.folders.places import Places, mount_point


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("inbox", "outbox", "work")}
    for path in made.values():
        path.mkdir()
    return made


def test_folders_beside_work_are_always_the_right_ones(folders: dict[str, Path]) -> None:
    kept: list[str] = []
    places = Places(folders, remember=kept.append)
    places.settle_in()
    assert {place[1] for place in json.loads(kept[-1]).values()} == {""}
    folders["inbox"].rmdir()
    folders["inbox"].mkdir()  # another inode, the same mount
    assert Places(folders, known=kept[-1]).absence("inbox") is None
    folders["inbox"].rmdir()  # missing, but nothing lies beneath anything
    assert Places(folders, known=kept[-1]).absence("inbox") is None


def test_a_folder_that_was_on_a_mount_of_its_own_is_away_without_it(
    folders: dict[str, Path],
) -> None:
    known = json.dumps({"inbox": [str(folders["inbox"]), str(folders["inbox"]), 1, 1]})
    kept: list[str] = []
    places = Places(folders, known=known, remember=kept.append)
    assert "not mounted" in str(places.absence("inbox"))
    places.settle_in()  # what is away is not learnt as the right one
    assert "not mounted" in str(places.absence("inbox"))
    places.adopt()  # a person says so
    assert places.absence("inbox") is None
    assert Places(folders, known=kept[-1]).absence("inbox") is None


def test_the_same_folder_is_the_right_one_whatever_mount_it_is_seen_through(
    folders: dict[str, Path],
) -> None:
    seen = folders["inbox"].stat()
    place = [str(folders["inbox"]), str(folders["inbox"]), seen.st_dev, seen.st_ino]
    assert Places(folders, known=json.dumps({"inbox": place})).absence("inbox") is None


def test_what_was_known_of_another_path_does_not_count(folders: dict[str, Path]) -> None:
    known = json.dumps({"inbox": ["/srv/other/inbox", "/srv/other/inbox", 1, 1]})
    assert Places(folders, known=known).absence("inbox") is None


@pytest.mark.parametrize("known", ["", "null", "[]", "{", '{"inbox": 3}', '{"inbox": [1]}'])
def test_what_cannot_be_read_is_learnt_anew(folders: dict[str, Path], known: str) -> None:
    assert Places(folders, known=known).absence("inbox") is None


def test_a_marker_must_lie_in_the_inbox(folders: dict[str, Path]) -> None:
    places = Places(folders, marker="THIS")
    assert "marker THIS" in str(places.absence("inbox"))
    assert places.absence("outbox") is None
    (folders["inbox"] / "THIS").symlink_to("nowhere")  # any entry of that name will do
    assert places.absence("inbox") is None


def test_the_mount_of_an_open_folder_is_known(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        mount = mount_point(descriptor)
    finally:
        os.close(descriptor)
    assert os.path.ismount(mount)
    assert tmp_path.resolve().is_relative_to(mount)


def test_ordinary_files_and_folders_are_not_pinned(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    os.mkfifo(tmp_path / "pipe")
    assert not is_pinned(tmp_path)
    assert not is_pinned(tmp_path / "a.csv")
    assert not is_pinned(tmp_path / "pipe")
    assert not is_pinned(tmp_path / "missing")


def test_a_group_is_found_by_name_or_number() -> None:
    assert group_number(None) is None
    assert group_number(str(os.getegid())) == os.getegid()
    with pytest.raises(GroupUnusable, match="there is no group"):
        group_number("no-such-group-here")
