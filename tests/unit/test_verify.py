"""`harmonizer verify`: what was edited, lost or added since it was filed, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.cli.root import app
from tests.support import GOOD, REFUSED, World


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """One delivered file, a copy of it, one of an odd name, and a refused one."""
    world = World(tmp_path)
    world.drop("a.csv")
    world.drop("copy.csv")
    world.drop(os.fsdecode(b"odd\xff\n.csv"), GOOD.replace("PT-0001", "PT-0009"))
    world.drop("bad.csv", REFUSED)
    world.run_until_idle()
    world.close()
    return tmp_path


def verdict(root: Path, *words: str, ends: int) -> dict[str, object]:
    done = CliRunner().invoke(app, ["verify", *words, "--json", "--root", str(root)])
    assert done.exit_code == ends, done.output
    found: dict[str, object] = json.loads(done.output)
    return found


def problems(root: Path, *words: str) -> set[tuple[str, str]]:
    found = verdict(root, *words, ends=74)["problems"]
    assert isinstance(found, list)
    return {(problem["kind"], Path(problem["where"]).name) for problem in found}


def only(root: Path, pattern: str) -> Path:
    [path] = root.glob(pattern)
    return path


def test_what_was_left_alone_is_as_it_was_recorded(kept: Path) -> None:
    found = verdict(kept, ends=0)
    assert found["ok"] is True
    assert found["originals_checked"] == 3
    assert found["problems"] == []
    shutil.rmtree(kept / "error")  # a person decides about refused files
    shutil.rmtree(kept / "outbox" / "patients")  # whoever they were for took them
    assert verdict(kept, ends=0)["deliveries_taken"] == 2


def test_every_kind_of_change_is_found(kept: Path) -> None:
    only(kept, "archive/*/*/a.csv").write_text("edited")
    only(kept, "archive/*/*/copy.csv").unlink()
    (only(kept, "archive/*/j1") / "note.txt").write_text("mine")
    (kept / "archive" / "holiday").mkdir()
    delivery = next(path for path in kept.glob("outbox/patients/*") if path.name.startswith("a."))
    (delivery / "patients.csv").write_text("edited")
    (delivery / "rejects.csv").unlink()
    assert problems(kept) == {
        ("edited", "a.csv"),
        ("missing", "copy.csv"),
        ("foreign", "note.txt"),
        ("foreign", "holiday"),
        ("edited", "patients.csv"),
        ("missing", "rejects.csv"),
    }


def test_a_link_in_an_originals_place_is_not_followed(kept: Path) -> None:
    original = only(kept, "archive/*/*/a.csv")
    elsewhere = kept / "elsewhere.csv"
    original.rename(elsewhere)
    original.symlink_to(elsewhere)  # the right bytes, behind a link
    assert problems(kept) == {("unreadable", "a.csv")}


def test_a_pipe_in_an_originals_place_does_not_hang_it(kept: Path) -> None:
    original = only(kept, "archive/*/*/a.csv")
    original.unlink()
    os.mkfifo(original)
    assert problems(kept) == {("unreadable", "a.csv")}


def test_a_changed_job_json_is_told(kept: Path) -> None:
    paper = only(kept, "archive/*/j1/job.json")
    paper.write_text(paper.read_text().replace("sha256", "sha-256"))
    assert problems(kept) == {("edited", "job.json")}


def test_one_job_can_be_verified_alone(kept: Path) -> None:
    day = only(kept, "archive/*")
    label = only(kept, "archive/*/*/a.csv").parent.name
    shutil.rmtree(day / label)
    assert problems(kept, label) == {("missing", label)}
    others = {path.name for path in day.iterdir()}
    assert verdict(kept, *sorted(others), ends=0)["originals_checked"] == 2


def test_what_is_past_its_retention_is_not_missed(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(only(kept, "archive/*"))
    assert {kind for kind, _ in problems(kept)} == {"missing"}
    (kept / "harmonizer.yaml").write_text("retention:\n  archive_days: 0.5\n")
    monkeypatch.setattr("daemon.verify._today", lambda: date(2100, 1, 1))
    assert verdict(kept, ends=0)["originals_past_retention"] == 3


def test_an_archive_that_is_not_there_is_said(kept: Path) -> None:
    shutil.rmtree(kept / "archive")
    done = CliRunner().invoke(app, ["verify", "--root", str(kept)])
    assert done.exit_code == 66
    assert "no archive" in done.output


def test_odd_names_are_shown_escaped(kept: Path) -> None:
    [odd] = [path for path in kept.glob("archive/*/*/*") if "odd" in path.name]
    odd.write_text("edited")
    done = CliRunner().invoke(app, ["verify", "--root", str(kept)])
    assert done.exit_code == 74
    assert "\\xff\\n.csv" in done.output.replace("\n  ", "")
