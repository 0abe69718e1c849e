"""What `make demo` does, as somebody sees it who has just cloned the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.files import EXAMPLES

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def test_the_demo_ends_well_and_shows_what_became_of_every_example(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("Where to look")[0].splitlines()
    for example in EXAMPLES:
        [line] = [line for line in table if line.startswith(example.name)]
        assert (example.code or example.contract or "") in line
    assert re.search(r"clean_again.csv +duplicate +same as j1", done.stdout)
    [root] = tmp_path.glob("harmonizer-demo-*")
    assert str(root) in done.stdout
    for place in re.findall(r"((?:outbox|error|review)/\S+)/\n", done.stdout):
        assert list((root / place).iterdir()), place
