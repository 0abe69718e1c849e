"""No bytes make a reader crash: each damaged file is read, or refused in our words.

A few files of every target here; `make fuzz` reads them by the thousand, with limits on time and
memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import damaged
from tests.fuzz.reading import read_all
from tests.fuzz.targets import targets

TARGETS = targets()
FILES = 8


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_damage_crashes_a_reader(tmp_path: Path, target: str) -> None:
    path = tmp_path / "table"
    for number in range(FILES):
        path.write_bytes(damaged(target, TARGETS[target], number))
        read_all(path)


def test_a_damaged_file_can_be_made_again_by_its_number() -> None:
    for target, made in TARGETS.items():
        assert damaged(target, made, 7) == damaged(target, made, 7), target
        assert len({damaged(target, made, number) for number in range(9)}) > 5, target
