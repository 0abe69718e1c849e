"""What becomes of files, seen from outside: folders, rows in the database, papers."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from daemon.states import JobState
from daemon.timers import Chore
from tests.support import GOOD, REFUSED, World, document, table

DELIVERED = ["datapackage.json", "patients.csv", "rejects.csv", "report.html", "report.json"]


def test_a_good_file_becomes_a_delivery_and_its_original_an_archive_entry(world: World) -> None:
    world.drop("north/monday.csv")
    world.run_until_idle()

    assert world.job(1).state is JobState.DELIVERED
    delivery = world.root / "outbox" / "patients" / "monday.j1"
    assert sorted(p.name for p in delivery.iterdir()) == DELIVERED
    assert [row["birth_date"] for row in table(delivery / "patients.csv")] == [
        "1955-12-10",
        "1962-06-23",
    ]
    [original] = (world.root / "archive").glob("*/j1/monday.csv")
    assert original.read_text(encoding="utf-8") == GOOD
    papers = document(original.with_name("job.json"))
    assert (papers["source"], papers["delivery"]) == ("north/monday.csv", "patients/monday.j1")
    assert world.files("inbox") == []


def test_a_file_that_cannot_be_decided_lies_explained_in_error(world: World) -> None:
    world.drop("shapes.csv", REFUSED)
    world.run_until_idle()

    [entry] = (world.root / "error").glob("*/j1__SCHEMA_UNKNOWN")
    reason = (entry / "REASON.txt").read_text(encoding="utf-8")
    assert "THIS FILE WAS NOT DELIVERED" in reason
    assert "What to do" in reason
    assert len(reason.splitlines()) < 40, "one screen"
    assert document(entry / "reason.json")["reason"]["code"] == "SCHEMA_UNKNOWN"
    assert (entry / "shapes.csv").read_text(encoding="utf-8") == REFUSED
    index = (world.root / "error" / "INDEX.csv").read_text(encoding="utf-8-sig")
    assert "SCHEMA_UNKNOWN" in index


def test_the_same_bytes_again_are_a_duplicate_linked_to_the_first(world: World) -> None:
    world.drop("monday.csv")
    world.run_until_idle()
    world.drop("tuesday.csv")
    world.run_until_idle()

    assert world.job(2).state is JobState.DUPLICATE
    assert world.job(2).duplicate_of == 1
    assert world.files("outbox") == [f"patients/monday.j1/{name}" for name in DELIVERED]
    [papers] = (world.root / "archive").glob("*/j2/job.json")
    assert document(papers)["duplicate_of"] == "j1"


@pytest.mark.parametrize("what", ["file", "folder", "edited file"])
def test_moving_a_refused_file_back_makes_a_linked_job(world: World, what: str) -> None:
    world.drop("shapes.csv", REFUSED)
    world.run_until_idle()
    [entry] = (world.root / "error").glob("*/j1__SCHEMA_UNKNOWN")
    if what == "edited file":
        (entry / "shapes.csv").write_text(GOOD, encoding="utf-8")
    back = entry if what == "folder" else entry / "shapes.csv"
    shutil.move(back, world.spool.folders.inbox / back.name)
    world.run_until_idle()

    assert world.job(2).parent_id == 1
    assert world.job(2).state is (
        JobState.DELIVERED if what == "edited file" else JobState.QUARANTINED
    )
    assert world.files("inbox") == []
    assert len(world.store.jobs()) == 2, "no sidecar was taken for data"


def test_a_link_is_refused_and_its_target_untouched(world: World, tmp_path: Path) -> None:
    target = tmp_path / "colleague.csv"
    target.write_text(GOOD, encoding="utf-8")
    (world.spool.folders.inbox / "link.csv").symlink_to(target)
    world.run_until_idle()

    assert world.job(1).reason_code == "SYMLINK"
    assert target.read_text(encoding="utf-8") == GOOD
    [entry] = (world.root / "error").glob("*/j1__SYMLINK")
    assert (entry / "link.csv").is_symlink()


def test_a_pipe_is_refused_and_nothing_hangs(world: World) -> None:
    os.mkfifo(world.spool.folders.inbox / "pipe.csv")
    world.run_until_idle()
    assert world.job(1).reason_code == "SPECIAL"


def test_a_placeholder_that_is_never_filled_is_refused_after_its_grace(world: World) -> None:
    world.drop("empty.csv", "")
    world.run_until_idle()
    assert world.store.jobs() == []
    world.clock.advance(world.settings.intake.empty_grace_s)
    world.run_until_idle()
    assert world.job(1).reason_code == "EMPTY"


def test_retry_makes_a_new_job_from_the_kept_original(world: World) -> None:
    world.drop("shapes.csv", REFUSED)
    world.drop("monday.csv")
    world.run_until_idle()
    by_source = {job.source: job.id for job in world.store.jobs()}

    assert "tries" in world.ask("retry", job=by_source[b"shapes.csv"])
    assert "tries" in world.ask("retry", job=by_source[b"monday.csv"])

    refused, delivered = world.job(3), world.job(4)
    assert refused.state is JobState.QUARANTINED
    assert delivered.state is JobState.DELIVERED, "asked for, so the same bytes are done again"
    assert len(list((world.root / "error").glob("*/*/shapes.csv"))) == 1
    assert len(list((world.root / "archive").glob("*/*/monday.csv"))) == 2
    assert len(list((world.root / "outbox" / "patients").iterdir())) == 2


def test_a_finished_job_cannot_be_cancelled_and_an_unknown_one_is_said(world: World) -> None:
    world.drop("monday.csv")
    world.run_until_idle()
    assert "can no longer be cancelled" in world.ask("cancel", job=1)
    assert world.ask("cancel", job=99) == "there is no such job"


def test_a_pause_leaves_files_in_the_inbox_until_resume(world: World) -> None:
    world.ask("pause", reason="maintenance")
    world.drop("monday.csv")
    world.run_until_idle()
    assert world.files("inbox") == ["monday.csv"]
    world.ask("resume")
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED


def test_a_file_removed_from_work_is_lost_with_an_explanation(world: World) -> None:
    world.drop("monday.csv")
    intake = world.coordinator.intake
    intake.look()
    world.clock.advance(10)
    intake.claim(1)
    intake.confirm()
    [job] = world.in_state(JobState.QUEUED)
    world.spool.input_path(job).unlink()
    world.run_until_idle()
    assert world.job(job.id).state is JobState.LOST
    assert world.job(job.id).reason_code == "TAMPERED"


def test_an_old_database_does_not_give_a_number_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop("monday.csv")
    world.run_until_idle()
    world.close()
    world.settings.state_path.unlink()
    for extra in ("-wal", "-shm"):
        world.settings.state_path.with_name(f"harmonizer.db{extra}").unlink(missing_ok=True)

    again = World(tmp_path)
    again.coordinator.recover()
    again.drop("tuesday.csv", GOOD.replace("Ada", "Grace"))
    again.run_until_idle()
    assert [job.id for job in again.store.jobs()] == [2]
    assert len(list((tmp_path / "outbox" / "patients").iterdir())) == 2
    again.close()


def test_no_value_and_no_name_of_the_data_reaches_the_state_but_the_path(tmp_path: Path) -> None:
    world = World(tmp_path)
    canary = "Zyxwvutsrq"
    world.drop("a.csv", GOOD.replace("Lovelace", canary).replace("1962-06-23", canary))
    world.drop("b.csv", REFUSED.replace("round", canary))
    world.drop("c.csv", GOOD.replace("PT-0002", "PT-0001").replace("Ada", canary))
    world.run_until_idle()
    world.close()

    database = sqlite3.connect(world.settings.state_path)
    dump = "\n".join(database.iterdump())
    database.close()
    assert "a.csv" in dump
    assert canary not in dump
    assert any(canary in p.read_text(encoding="utf-8") for p in tmp_path.glob("**/rejects.csv"))
    for papers in [*tmp_path.glob("**/reason.json"), *tmp_path.glob("**/REASON.txt")]:
        assert canary not in papers.read_text(encoding="utf-8")


def test_a_backup_is_a_whole_database_and_the_oldest_go(world: World) -> None:
    world.drop("monday.csv")
    world.run_until_idle()
    for _ in range(world.settings.retention.backups_kept + 2):
        world.coordinator.do(Chore.BACKUP)
        world.coordinator.housekeeping._aside.submit(lambda: None).result()
        world.coordinator.do(Chore.HEARTBEAT)
        world.clock.advance(60)
    backups = sorted((world.spool.state_dir / "backups").glob("*.db"))
    assert len(backups) == world.settings.retention.backups_kept
    copy = sqlite3.connect(backups[-1])
    assert copy.execute("SELECT state FROM job").fetchall() == [("delivered",)]
    copy.close()
    assert world.coordinator.troubles == []


def test_old_archive_days_go_and_young_ones_stay(tmp_path: Path) -> None:
    world = World(tmp_path, retention={"archive_days": 30})
    world.drop("old.csv")
    world.run_until_idle()
    world.clock.advance(40 * 86_400)
    world.drop("young.csv", GOOD.replace("Ada", "Grace"))
    world.run_until_idle()
    world.coordinator.do(Chore.ARCHIVE_RETENTION)
    assert [Path(name).name for name in world.files("archive")] == ["job.json", "young.csv"]
    assert len(world.store.jobs()) == 2, "the history is kept"
    world.close()


@pytest.mark.parametrize("note", ["left alone", "edited"])
def test_a_refused_folder_comes_back_under_another_name(world: World, note: str) -> None:
    world.drop("shapes.csv", REFUSED)
    world.run_until_idle()
    [entry] = (world.root / "error").glob("*/j1__SCHEMA_UNKNOWN")
    if note == "edited":
        (entry / "REASON.txt").write_text("Ann: I have asked the sender", encoding="utf-8")
    (entry / "shapes.csv").write_text(GOOD, encoding="utf-8")
    shutil.move(entry, world.spool.folders.inbox / "my fix")
    world.run_until_idle()

    assert world.job(2).state is JobState.DELIVERED
    assert world.job(2).parent_id == 1
    assert len(world.store.jobs()) == 2, "no sidecar was taken for data"
    kept = ["my fix/REASON.txt", "my fix/reason.json"] if note == "edited" else []
    assert world.files("inbox") == kept
    assert (world.spool.folders.inbox / "my fix").exists() is (note == "edited")


def test_folders_of_a_flood_of_small_files_go_when_it_is_over(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"claim_ahead": 60})
    for number in range(30):
        world.drop(f"{number}.csv", GOOD.replace("PT-", f"PT-{number}-"))
    for _ in range(40):  # no time passes but what a file takes to settle
        world.coordinator.look_soon()
        world.coordinator.step()
        if len(world.files("inbox")) == 30:
            world.clock.advance(5)
    assert world.store.counts_by_state()[JobState.DELIVERED] == 30
    folders = [path.name for path in (tmp_path / "work").iterdir() if path.name != "state"]
    assert len(folders) == 30
    assert all(name.endswith(".cleared") for name in folders), "their names are free at once"

    world.clock.advance(5)
    world.coordinator.step()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["state"]
    world.close()


def test_at_a_stop_no_folder_of_a_finished_job_is_left(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"claim_ahead": 60})
    for number in range(30):
        world.drop(f"{number}.csv", GOOD.replace("PT-", f"PT-{number}-"))
    for _ in range(40):
        world.coordinator.look_soon()
        world.coordinator.step()
        if len(world.files("inbox")) == 30:
            world.clock.advance(5)
    world.coordinator.give_back()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["state"]
    world.close()
