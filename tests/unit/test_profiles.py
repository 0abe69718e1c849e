"""Whose file it is: the deepest source that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.doctor import examine
from daemon.errors import Refused
from daemon.inbox.profiles import Profiles
from daemon.settings import Settings, Source
from daemon.starting import check_contracts
from tests.support import World

PROFILES = Profiles(
    [
        Source(path="labs", priority=1),
        Source(path="labs/northside", priority=2, contract="lab_results"),
        Source(path="wärd", priority=3),
    ]
)


@pytest.mark.parametrize(
    ("source", "priority"),
    [
        (b"a.csv", 0),
        (b"labs/a.csv", 1),
        (b"labs/2026/11/a.csv", 1),
        (b"labs/northside/a.csv", 2),
        (b"labs/northside/deep/a.csv", 2),
        (b"labs/northside2/a.csv", 1),
        (b"labsouth/a.csv", 0),
        ("wärd/a.csv".encode(), 3),
        (b"\xff/a.csv", 0),
    ],
)
def test_the_deepest_source_that_fits_counts(source: bytes, priority: int) -> None:
    assert PROFILES.of(source).priority == priority


@pytest.mark.parametrize(
    ("source", "turn"),
    [
        (b"a.csv", b""),
        (b"labs/northside/x/a.csv", b"labs/northside"),
        (b"labs/other/a.csv", b"labs"),
        (b"east/2026/11/21/a.csv", b"east"),
    ],
)
def test_a_sender_has_one_turn_however_many_folders_he_makes(source: bytes, turn: bytes) -> None:
    assert PROFILES.turn(source) == turn


def test_a_profile_of_the_whole_inbox_leaves_each_sub_folder_its_turn() -> None:
    profiles = Profiles([Source(path=".", priority=5)])
    assert profiles.of(b"east/a.csv").priority == 5
    assert profiles.turn(b"east/a.csv") == b"east"


def test_a_contract_that_is_not_there_is_named_before_the_start(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, sources=[{"path": "labs", "contract": "lab_result"}])
    with pytest.raises(Refused) as refused:
        check_contracts(settings)
    assert "lab_result" in refused.value.sentence
    assert "lab_results" in refused.value.hint


@pytest.mark.parametrize(
    ("complete", "level", "says"),
    [
        ({"marker": ".{name}.ok"}, "error", "left alone"),
        ({"marker": "{name}.part"}, "error", "left alone"),
        ({"manifest": "~$*"}, "error", "left alone"),
        ({"marker": "{name}.ok"}, "ok", "1 in the settings"),
    ],
)
def test_doctor_finds_a_marker_that_could_never_be_seen(
    tmp_path: Path, complete: dict[str, str], level: str, says: str
) -> None:
    world = World(tmp_path, sources=[{"path": "labs", "complete": complete}])
    (tmp_path / "inbox" / "labs").mkdir()
    [found] = [one for one in examine(world.settings) if one["check"] == "sources"]
    assert found["level"] == level
    assert says in found["finding"]
    world.close()
