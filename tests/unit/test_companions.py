"""Markers, checksums and manifests: what waits for them, what they prove, and where they end."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from daemon.folders.spool import Spool
from daemon.starting import folders_of
from daemon.states import JobState
from tests.support import GOOD, REFUSED, World, document

SHA = hashlib.sha256(GOOD.encode()).hexdigest()
MD5 = hashlib.md5(GOOD.encode(), usedforsecurity=False).hexdigest()
WRONG = hashlib.sha256(b"something else").hexdigest()
OTHER = GOOD.replace("Ada", "Grace")


def world_with(tmp_path: Path, **complete: Any) -> World:
    return World(tmp_path, sources=[{"path": "labs", "complete": complete}])


def reasons(world: World) -> dict[str, str]:
    """Why each file waits."""
    return {w.source.decode(): w.reason for w in world.coordinator.intake.waiting(100)}


def archived(world: World) -> dict[str, list[str]]:
    """Names in each job's folder of the archive, without our own paper."""
    found: dict[str, list[str]] = {}
    for path in sorted((world.root / "archive").glob("*/*/*")):
        if path.name != "job.json":
            found.setdefault(path.parent.name, []).append(path.name)
    return found


def nothing_is_left(world: World) -> bool:
    jobs = [path for path in (world.root / "work").iterdir() if path.name.startswith("j")]
    return world.files("inbox") == [] and jobs == []


# -- markers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("{name}.ok", "labs/a.csv.ok"),
        ("{stem}.done", "labs/a.done"),
        ("ready-{name}", "labs/ready-a.csv"),
    ],
)
@pytest.mark.parametrize("order", ["file first", "marker first"])
def test_a_file_waits_for_its_marker_and_takes_it_along(
    tmp_path: Path, marker: str, name: str, order: str
) -> None:
    world = world_with(tmp_path, marker=marker)
    first, second = ("labs/a.csv", name) if order == "file first" else (name, "labs/a.csv")
    world.drop(first, GOOD if first.endswith("a.csv") and first != name else "")
    world.run_until_idle()
    assert world.store.jobs() == []
    said = reasons(world)[first]
    assert Path(second).name in said or "not here" in said, said
    world.drop(second, GOOD if second == "labs/a.csv" else "")
    world.run_until_idle()

    assert world.job(1).state is JobState.DELIVERED
    assert archived(world) == {"j1": sorted(["a.csv", Path(name).name])}
    assert nothing_is_left(world)
    world.close()


def test_a_pair_that_could_not_be_taken_is_put_together_anew(tmp_path: Path) -> None:
    """Nothing changes in the inbox meanwhile, and still the marker is not taken for gone."""

    class RefusesOnce(Spool):
        refused = False

        def claim_all(self, jobs: Any, along: Any = None) -> dict[int, str]:
            if not self.refused:
                self.refused = True
                return {job.id: "it cannot be taken" for job in jobs}
            return super().claim_all(jobs, along)

    world = world_with(tmp_path, marker="{name}.ok")
    coordinator = world.build(spool=RefusesOnce(folders_of(world.settings), ()))
    world.drop("labs/a.csv")
    world.drop("labs/a.csv.ok", "")
    world.run_until_idle(coordinator)
    assert archived(world).popitem()[1] == ["a.csv", "a.csv.ok"]
    assert world.files("inbox") == []
    coordinator.close()
    world.close()


def test_a_marker_that_still_rests_lets_its_file_go_when_it_has(tmp_path: Path) -> None:
    """Without another look that sees something new."""
    world = world_with(tmp_path, marker="{name}.ok")
    world.drop("labs/a.csv")
    world.run_until_idle()
    world.drop("labs/a.csv.ok", "")
    world.coordinator.look_soon()
    world.coordinator.step()
    assert "still being written" in reasons(world)["labs/a.csv"]
    world.clock.advance(world.settings.intake.quiet_period_s)
    world.coordinator.step()
    assert world.job(1).state is not JobState.WITHDRAWN
    assert world.files("inbox") == []
    world.close()


def test_outside_the_source_nothing_waits(tmp_path: Path) -> None:
    world = world_with(tmp_path, marker="{name}.ok", checksum="required")
    world.drop("elsewhere/a.csv")
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    world.close()


# -- checksums ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("sha256", f"{SHA}  a.csv\n"),
        ("sha256", f"{SHA} *a.csv\r\n"),
        ("sha256", SHA.upper()),
        ("SHA256", f"SHA256 (a.csv) = {SHA}\n"),
        ("md5", f"{MD5}  a.csv\n"),
        ("md5", MD5),
        ("sha256sum", f"{SHA}  upload.tmp\n"),
    ],
)
@pytest.mark.parametrize("folder", ["", "labs/"])
def test_a_right_checksum_travels_with_its_file(
    tmp_path: Path, folder: str, ending: str, text: str
) -> None:
    world = world_with(tmp_path, checksum="required")
    world.drop(f"{folder}a.csv.{ending}", text)
    world.drop(f"{folder}a.csv")
    world.run_until_idle()
    [job] = world.store.jobs()
    assert job.state is JobState.DELIVERED
    assert archived(world) == {"j1": ["a.csv", f"a.csv.{ending}"]}
    [papers] = (world.root / "archive").glob("*/*/job.json")
    assert document(papers)["companions"] == [f"a.csv.{ending}"]
    assert nothing_is_left(world)
    world.close()


@pytest.mark.parametrize(
    ("ending", "text", "says"),
    [
        ("sha256", f"{WRONG}  a.csv\n", "SHA-256"),
        ("md5", f"{WRONG[:32]} *a.csv\n", "MD5"),
        ("sha256", f"{SHA}  b.csv\n{WRONG}  a.csv\n", "SHA-256"),
    ],
)
@pytest.mark.parametrize("folder", ["", "labs/"])
def test_a_wrong_checksum_is_refused_with_both_files_together(
    tmp_path: Path, folder: str, ending: str, text: str, says: str
) -> None:
    world = world_with(tmp_path, checksum="required")
    world.drop(f"{folder}a.csv")
    world.drop(f"{folder}a.csv.{ending}", text)
    world.run_until_idle()
    [job] = world.store.jobs()
    assert (job.state, job.reason_code) == (JobState.QUARANTINED, "CHECKSUM")
    [entry] = (world.root / "error").glob("*/j1__CHECKSUM")
    assert (entry / "a.csv").read_text(encoding="utf-8") == GOOD
    assert (entry / f"a.csv.{ending}").read_text(encoding="utf-8") == text
    assert says in (entry / "REASON.txt").read_text(encoding="utf-8")
    assert world.files("outbox") == []
    assert nothing_is_left(world)
    world.close()


def test_a_wrong_checksum_counts_before_the_bytes_are_known_as_delivered(world: World) -> None:
    world.drop("a.csv")
    world.run_until_idle()
    world.drop("again.csv")
    world.drop("again.csv.sha256", WRONG)
    world.run_until_idle()
    assert world.job(2).reason_code == "CHECKSUM"


def test_a_required_checksum_is_waited_for(tmp_path: Path) -> None:
    world = world_with(tmp_path, checksum="required")
    world.drop("labs/a.csv")
    world.run_until_idle()
    assert "a.csv.sha256" in reasons(world)["labs/a.csv"]
    world.drop("labs/a.csv.md5", "not yet")
    world.run_until_idle()
    assert "no checksum that can be read" in reasons(world)["labs/a.csv"]
    world.drop("labs/a.csv.md5", MD5)
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    assert nothing_is_left(world)
    world.close()


def test_a_checksum_whose_file_never_comes_is_explained_and_never_data(world: World) -> None:
    world.drop("a.csv.sha256", f"{SHA}  a.csv\n")
    world.run_until_idle()
    assert world.store.jobs() == []
    assert reasons(world) == {
        "a.csv.sha256": "it holds the checksum of a.csv, which is not here",
    }
    assert world.coordinator.is_idle, "nobody waits for it to leave"


def test_a_file_that_is_only_called_like_a_checksum_is_data(world: World) -> None:
    world.drop("a.csv")
    world.drop("a.csv.md5", OTHER)
    world.drop("b.sha256", OTHER.replace("Grace", "Alan"))
    world.run_until_idle()
    assert len(world.in_state(JobState.DELIVERED)) == 3


def test_checksums_can_be_left_out_of_account(tmp_path: Path) -> None:
    world = world_with(tmp_path, checksum="ignored")
    world.drop("labs/a.csv")
    world.drop("labs/a.csv.sha256", WRONG)
    world.run_until_idle()
    assert {job.source: str(job.state) for job in world.store.jobs()} == {
        b"labs/a.csv": "delivered",
        b"labs/a.csv.sha256": "quarantined",
    }
    world.close()


# -- manifests ---------------------------------------------------------------------------------


def batch(number: int) -> str:
    return GOOD.replace("PT-000", f"PT-{number}00")


@pytest.mark.parametrize("claim_ahead", [0, 16])
def test_a_batch_is_taken_when_all_of_it_is_there(tmp_path: Path, claim_ahead: int) -> None:
    world = World(
        tmp_path,
        sources=[{"path": "labs", "complete": {"manifest": "*.manifest"}}],
        intake={"claim_ahead": claim_ahead},
    )
    names = [f"part-{number}.csv" for number in range(1, 5)]
    for number in (1, 2, 3):
        world.drop(f"labs/part-{number}.csv", batch(number))
    world.run_until_idle()
    assert "no manifest (*.manifest) lists it yet" in reasons(world)["labs/part-1.csv"]
    world.drop("labs/monday.manifest", "\n".join(names))
    world.run_until_idle()
    said = "3 of 4 files of monday.manifest are there; part-4.csv is missing"
    assert set(reasons(world).values()) == {said}
    assert world.store.jobs() == []
    world.drop("labs/part-4.csv", batch(4))
    world.run_until_idle(turns=20)
    assert len(world.in_state(JobState.DELIVERED)) == 4
    assert all("monday.manifest" in found for found in archived(world).values())
    assert nothing_is_left(world)
    assert not [key for key in (world.store.meta_get("x"),) if key]
    world.close()


def test_a_manifest_knows_sizes_and_digests(tmp_path: Path) -> None:
    world = world_with(tmp_path, manifest="*.txt")
    world.drop("labs/all.txt", f"name,size,sha256\na.csv,{len(GOOD)},{SHA}\nb.csv,,{WRONG}\n")
    world.drop("labs/a.csv", GOOD[:40])
    world.drop("labs/b.csv", OTHER)
    world.run_until_idle()
    assert f"a.csv has 40 of the {len(GOOD)} bytes" in reasons(world)["labs/b.csv"]
    world.drop("labs/a.csv")
    world.run_until_idle()
    found = {job.name: (str(job.state), job.reason_code) for job in world.store.jobs()}
    assert found == {b"a.csv": ("delivered", None), b"b.csv": ("quarantined", "CHECKSUM")}
    assert nothing_is_left(world)
    world.close()


def test_a_batch_goes_on_after_a_restart_in_the_middle(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        sources=[{"path": ".", "complete": {"manifest": "*.manifest"}}],
        intake={"claim_ahead": 0},
    )
    for number in (1, 2, 3):
        world.drop(f"part-{number}.csv", batch(number))
    world.drop("all.manifest", "part-1.csv\npart-2.csv\npart-3.csv\n")
    world.coordinator.intake.look()
    world.clock.advance(10)
    world.coordinator.intake.look()
    assert world.coordinator.intake.claim(1) == 1
    world.restart()
    world.run_until_idle(turns=20)
    assert len(world.in_state(JobState.DELIVERED)) == 3
    assert nothing_is_left(world)
    world.close()


@pytest.mark.parametrize("text", ["", "{", "../../etc/passwd\n"])
def test_a_manifest_that_says_nothing_is_explained(tmp_path: Path, text: str) -> None:
    world = world_with(tmp_path, manifest="*.manifest")
    world.drop("labs/a.csv")
    world.drop("labs/x.manifest", text)
    world.run_until_idle()
    assert "cannot be read as a list of files" in reasons(world)["labs/x.manifest"]
    assert world.store.jobs() == []
    world.close()


# -- waiting too long ---------------------------------------------------------------------------


def test_after_the_limit_of_the_source_both_halves_are_refused_by_name(tmp_path: Path) -> None:
    world = world_with(tmp_path, marker="{name}.ok", give_up_s=600)
    world.drop("labs/a.csv")
    world.drop("labs/b.csv.ok", "")
    world.run_until_idle()
    assert world.store.jobs() == []
    world.clock.advance(700)
    world.run_until_idle()
    found = {job.name: job.reason_code for job in world.store.jobs()}
    assert found == {b"a.csv": "INCOMPLETE", b"b.csv.ok": "UNPAIRED"}
    assert nothing_is_left(world)
    world.close()


def test_without_a_limit_an_operator_hears_of_it(tmp_path: Path) -> None:
    world = world_with(tmp_path, marker="{name}.ok")
    world.drop("labs/a.csv")
    world.run_until_idle()
    assert world.coordinator.troubles == []
    world.clock.advance(world.settings.intake.incomplete_alarm_s)
    world.run_until_idle()
    assert "1 files in the inbox wait for a marker" in world.coordinator.troubles[0]
    world.drop("labs/a.csv.ok", "")
    world.run_until_idle()
    assert world.coordinator.troubles == []
    world.close()


# -- and back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["retry", "folder", "file", "both files"])
def test_a_refused_file_comes_back_with_what_came_with_it(world: World, way: str) -> None:
    sha = hashlib.sha256(REFUSED.encode()).hexdigest()
    world.drop("shapes.csv", REFUSED)
    world.drop("shapes.csv.sha256", sha)
    world.run_until_idle()
    [entry] = (world.root / "error").glob("*/j1__SCHEMA_UNKNOWN")
    inbox = world.spool.folders.inbox
    match way:
        case "retry":
            world.ask("retry", job=1)
        case "folder":
            shutil.move(entry, inbox / entry.name)
        case "file":
            shutil.move(entry / "shapes.csv", inbox / "shapes.csv")
        case "both files":
            shutil.move(entry / "shapes.csv.sha256", inbox / "shapes.csv.sha256")
            shutil.move(entry / "shapes.csv", inbox / "shapes.csv")
    world.run_until_idle()
    assert (world.job(2).parent_id, world.job(2).reason_code) == (1, "SCHEMA_UNKNOWN")
    [again] = (world.root / "error").glob("*/j2__SCHEMA_UNKNOWN")
    assert (again / "shapes.csv.sha256").exists() is (way != "file")
    assert nothing_is_left(world)
    assert entry.exists() is (way in ("file", "both files"))


def test_a_delivered_file_is_retried_with_a_copy_of_what_came_with_it(world: World) -> None:
    world.drop("a.csv")
    world.drop("a.csv.sha256", SHA)
    world.run_until_idle()
    world.ask("retry", job=1)
    assert world.job(2).state is JobState.DELIVERED
    assert archived(world) == {"j1": ["a.csv", "a.csv.sha256"], "j2": ["a.csv", "a.csv.sha256"]}


def test_a_held_file_shows_what_came_with_it_and_it_goes_with_the_answer(world: World) -> None:
    held = GOOD.replace("1955-12-10", "03/04/1955").replace("1962-06-23", "05/06/1962")
    world.drop("a.csv", held)
    world.drop("a.csv.sha256", hashlib.sha256(held.encode()).hexdigest())
    world.run_until_idle()
    [job] = world.in_state(JobState.HELD)
    [folder] = (world.root / "review").iterdir()
    assert (folder / "a.csv.sha256").is_file()
    world.ask("refuse", job=job.id)
    assert list((world.root / "review").iterdir()) == []
    [entry] = (world.root / "error").glob("*/j1__*")
    assert (entry / "a.csv.sha256").is_file()
    assert nothing_is_left(world)


def test_what_came_with_a_lost_file_is_given_back(world: World) -> None:
    world.drop("a.csv")
    world.drop("a.csv.sha256", SHA)
    intake = world.coordinator.intake
    intake.look()
    world.clock.advance(10)
    intake.claim(1)
    intake.confirm()
    [job] = world.in_state(JobState.QUEUED)
    world.spool.input_path(job).unlink()
    world.run_until_idle()
    assert world.job(1).state is JobState.LOST
    assert world.files("inbox") == ["a.csv.sha256"]


def test_an_orphan_is_offered_again_with_what_came_with_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop("a.csv")
    world.drop("a.csv.sha256", SHA)
    intake = world.coordinator.intake
    intake.look()
    world.clock.advance(10)
    intake.claim(1)
    intake.confirm()
    world.close()
    for path in world.settings.state_path.parent.glob("harmonizer.db*"):
        path.unlink()
    again = World(tmp_path)
    again.coordinator.recover()
    again.run_until_idle()
    [job] = again.store.jobs()
    assert (job.source, job.state) == (b"recovered-j1-a.csv", JobState.DELIVERED)
    assert archived(again) == {
        job.label: ["recovered-j1-a.csv", "recovered-j1-a.csv.sha256"],
    }
    again.close()


def test_a_forced_contract_comes_from_the_source(tmp_path: Path) -> None:
    world = World(tmp_path, sources=[{"path": "labs", "contract": "vitals"}])
    world.drop("labs/a.csv")
    world.run_until_idle()
    assert world.job(1).state is not JobState.DELIVERED
    world.drop("b.csv", OTHER)
    world.run_until_idle()
    assert world.job(2).state is JobState.DELIVERED
    world.close()


# -- coming late --------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "digest"), [("sha256", SHA), ("md5", MD5)])
@pytest.mark.parametrize("content", [GOOD, REFUSED], ids=["delivered", "refused"])
def test_a_checksum_that_comes_when_its_file_was_taken_is_filed_with_it(
    world: World, ending: str, digest: str, content: str
) -> None:
    if content == REFUSED:
        kind = "md5" if ending == "md5" else "sha256"
        digest = hashlib.new(kind, content.encode(), usedforsecurity=False).hexdigest()
    world.drop("labs/a.csv", content)
    world.run_until_idle()
    world.drop(f"labs/a.csv.{ending}", f"{digest}  a.csv\n")
    world.run_until_idle()
    [job] = world.store.jobs()
    [original] = [path for path in world.root.glob("*/*/*/a.csv") if path.is_file()]
    assert original.with_name(f"a.csv.{ending}").is_file()
    [papers] = [p for p in original.parent.iterdir() if p.name in ("job.json", "reason.json")]
    assert document(papers)["companions"] == [f"a.csv.{ending}"]
    assert nothing_is_left(world)
    world.ask("retry", job=job.id)
    assert len(list(world.root.glob(f"*/*/j2*/a.csv.{ending}"))) == 1


def test_a_checksum_for_the_next_file_of_that_name_waits_for_it(world: World) -> None:
    world.drop("report.csv")
    world.run_until_idle()
    world.drop("report.csv.sha256", hashlib.sha256(OTHER.encode()).hexdigest())
    world.run_until_idle()
    assert "the one taken as j1 has another checksum" in reasons(world)["report.csv.sha256"]
    world.drop("report.csv", OTHER)
    world.run_until_idle()
    assert len(world.in_state(JobState.DELIVERED)) == 2
    assert archived(world) == {"j1": ["report.csv"], "j2": ["report.csv", "report.csv.sha256"]}
    assert nothing_is_left(world)
