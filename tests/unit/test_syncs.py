"""Ways that go in step: what one noted is durable before it goes on, and one's fault is its own."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from daemon.folders.syncs import Steps, Syncs, alone, in_step, sync_all, sync_trees


def writes(path: Path, story: list[str], syncs: Syncs) -> Steps[str]:
    path.write_text("x")
    syncs.want(path, path.parent)
    story.append(f"{path.name} written")
    yield
    story.append(f"{path.name} durable")
    return path.name


def vanishes(path: Path, syncs: Syncs) -> Steps[str]:
    syncs.want(path)
    yield
    raise AssertionError("it went on")


def test_all_ways_stop_before_any_goes_on(tmp_path: Path) -> None:
    story: list[str] = []
    ways = {name: partial(writes, tmp_path / name, story) for name in ("a", "b", "c")}
    results, failed = in_step(ways)
    assert results == {"a": "a", "b": "b", "c": "c"}
    assert not failed
    assert story == [f"{name} {what}" for what in ("written", "durable") for name in "abc"]


def test_what_cannot_be_synced_ends_its_own_way_only(tmp_path: Path) -> None:
    story: list[str] = []
    ways = {
        "gone": partial(vanishes, tmp_path / "never there"),
        "a": partial(writes, tmp_path / "a", story),
    }
    results, failed = in_step(ways)
    assert results == {"a": "a"}
    assert isinstance(failed["gone"], FileNotFoundError)


def test_a_way_may_deal_with_what_its_sync_raised(tmp_path: Path) -> None:
    def goes_round(syncs: Syncs) -> Steps[str]:
        syncs.want(tmp_path / "never there")
        try:
            yield
        except FileNotFoundError:
            return "round"
        return "straight"

    assert alone(goes_round) == "round"


def test_alone_raises_what_the_way_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        alone(partial(vanishes, tmp_path / "never there"))


@pytest.mark.parametrize("count", [1, 5, 200])
def test_those_that_are_refused_are_named_however_many_there_are(
    tmp_path: Path, count: int
) -> None:
    """From dozens on the filesystem is synced as a whole, and names nobody."""
    there = [tmp_path / f"f{number}" for number in range(count)]
    for path in there:
        path.write_bytes(os.urandom(100))
    missing, link = tmp_path / "missing", tmp_path / "link"
    link.symlink_to(there[0])
    refused = sync_all([*there, missing, link])
    assert missing in refused
    assert set(refused) <= {missing, link}
    assert sync_all(there) == {}


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_folder_that_is_gone_is_named_and_the_others_are_synced(
    tmp_path: Path, count: int
) -> None:
    folders = [tmp_path / f"attempt-{number}" for number in range(count)]
    for folder in folders:
        folder.mkdir()
        for name in ("a.csv", "report.json", "report.html"):
            (folder / name).write_bytes(os.urandom(100))
    there, gone = [os.fspath(folder) for folder in folders], os.fspath(tmp_path / "gone")
    assert sync_trees(there) == {}
    refused = sync_trees([*there, gone])
    assert isinstance(refused.pop(gone), FileNotFoundError)
    assert refused == {}
