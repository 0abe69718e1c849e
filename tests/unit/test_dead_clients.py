"""What a sender leaves that died, paused or came back: waited for, explained, refused by name."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from daemon.states import JobState
from daemon.timers import Chore
from tests.support import GOOD, World
from tests.unit.test_companions import nothing_is_left, reasons

ROWS = "".join(f"PT-{n:04d},Family{n},Given,1960-05-{10 + n},F\n" for n in range(3, 12))
TEXT = GOOD + ROWS
QUOTED = GOOD + 'PT-0003,"Fam\nily'

CUT = {
    "half a row": (TEXT + "PT-0099,Fam").encode(),
    "a tail of zeros": TEXT.encode() + b"\x00" * 3000,
    "nothing but zeros": b"\x00" * 9000,
    "zeros in the middle": (GOOD + "\x00" * 9000 + ROWS).encode(),
    "gzip without a trailer": gzip.compress(TEXT.encode())[:-6],
    "an open quote": QUOTED.encode(),
    "half a JSON document": b'[{"patient_id": "PT-1"}, {"pat',
}


def grace(world: World) -> float:
    return world.settings.intake.incomplete_grace_s


@pytest.mark.parametrize("content", CUT.values(), ids=CUT)
def test_a_cut_file_waits_and_is_refused_after_its_grace(tmp_path: Path, content: bytes) -> None:
    world = World(tmp_path)
    world.drop("a.csv", content)
    world.run_until_idle()
    assert world.files("inbox") == ["a.csv"]
    assert "looks incomplete" in reasons(world)["a.csv"]
    assert "TRUNCATED" in reasons(world)["a.csv"]
    world.clock.advance(grace(world))
    world.run_until_idle()
    *_, job = reversed(world.store.jobs())
    assert (job.state, job.reason_code) == (JobState.QUARANTINED, "TRUNCATED")
    [entry] = (world.root / "error").glob("*/*__TRUNCATED")
    assert (entry / "a.csv").read_bytes() == content
    assert len((entry / "REASON.txt").read_text(encoding="utf-8").splitlines()) < 40
    assert nothing_is_left(world)
    assert world.files("outbox") == []
    world.close()


@pytest.mark.parametrize("content", CUT.values(), ids=CUT)
def test_a_sender_that_comes_back_in_time_is_not_told_off(tmp_path: Path, content: bytes) -> None:
    world = World(tmp_path)
    world.drop("a.csv", content)
    world.run_until_idle()
    world.drop("a.csv", TEXT)
    world.run_until_idle()
    assert world.store.jobs()[0].state is JobState.DELIVERED
    assert world.in_state(JobState.QUARANTINED) == []
    assert nothing_is_left(world)
    world.close()


def test_what_only_a_worker_finds_cut_off_goes_back_once_and_survives_a_restart(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.drop("labs/a.csv", QUOTED)
    world.run_until_idle()
    assert world.job(1).state is JobState.WITHDRAWN
    assert world.files("inbox") == ["labs/a.csv"]
    world.restart()
    world.run_until_idle()
    assert "looks incomplete" in reasons(world)["labs/a.csv"]
    assert len(world.store.jobs()) == 1, "it is not read over and over"
    world.clock.advance(grace(world))
    world.run_until_idle()
    assert world.job(2).reason_code == "TRUNCATED"
    assert world.job(2).parent_id == 1
    assert nothing_is_left(world)
    world.close()


def test_a_newer_file_under_its_name_keeps_a_cut_one_from_going_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    path = world.drop("a.csv", QUOTED)
    intake = world.coordinator.intake
    intake.look()
    world.clock.advance(10)
    intake.claim(1)
    intake.confirm()
    world.coordinator.attempts.start()
    world.coordinator.attempts.collect()
    path.write_text(TEXT, encoding="utf-8")
    world.run_until_idle()
    assert world.job(1).reason_code == "TRUNCATED"
    assert world.job(1).state is JobState.QUARANTINED
    assert world.job(2).state is JobState.DELIVERED
    assert nothing_is_left(world)
    world.close()


def test_without_a_grace_it_is_refused_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"incomplete_grace_s": 0})
    world.drop("a.csv", QUOTED)
    world.drop("b.csv", CUT["half a row"])
    world.run_until_idle()
    assert [job.reason_code for job in world.store.jobs()] == ["TRUNCATED", "TRUNCATED"]
    world.close()


def test_a_sender_that_vouches_for_his_file_is_believed(tmp_path: Path) -> None:
    world = World(tmp_path, sources=[{"path": ".", "complete": {"marker": "{name}.ok"}}])
    world.drop("a.csv", CUT["half a row"])
    world.drop("a.csv.ok", "")
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    counts = world.job(1).counts
    assert counts is not None
    assert counts.rejected == 1
    world.close()


# -- second parts -------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_at", [len(TEXT) - 40, TEXT.rindex("\n", 0, -1) + 1])
def test_the_second_part_of_a_file_is_recognised(tmp_path: Path, cut_at: int) -> None:
    world = World(tmp_path, intake={"incomplete_grace_s": 0.001})
    world.drop("a.csv", TEXT[: TEXT.rindex("\n", 0, cut_at - 1) + 1])
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    world.drop("a.csv", TEXT[TEXT.rindex("\n", 0, cut_at - 1) + 1 :])
    world.run_until_idle()
    assert (world.job(2).reason_code, world.job(2).parent_id) == ("SPLIT", 1)
    [entry] = (world.root / "error").glob("*/*__SPLIT")
    assert "it continues j1" in (entry / "REASON.txt").read_text(encoding="utf-8").lower()
    assert nothing_is_left(world)
    world.close()


def test_a_new_file_of_the_same_name_is_no_second_part(world: World) -> None:
    world.drop("a.csv", TEXT)
    world.run_until_idle()
    world.drop("a.csv", TEXT.replace("Family", "Relation"))
    world.run_until_idle()
    assert len(world.in_state(JobState.DELIVERED)) == 2


def test_an_original_that_grows_after_it_was_filed_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"use_lease": False})
    path = world.drop("a.csv")
    sender = path.open("a", encoding="utf-8")
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    sender.write(ROWS)
    sender.close()
    world.coordinator.do(Chore.HEARTBEAT)
    assert "the original of j1 was written to" in world.coordinator.troubles[0]
    world.close()


def test_a_claimed_file_that_is_still_open_is_not_read_before_it_is_closed(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    path = world.drop("a.csv")
    intake = world.coordinator.intake
    intake.look()
    world.clock.advance(10)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    jobs = world.store.open_jobs([intake._intent(intake.scan.candidates[0], None)])
    assert world.spool.claim_all(jobs) == {}
    world.run_until_idle()
    assert world.job(1).state is JobState.QUEUED
    assert "open for writing" in world.coordinator.troubles[0]
    os.write(descriptor, ROWS.encode())
    os.close(descriptor)
    world.run_until_idle(turns=30)
    assert world.job(1).state is JobState.DELIVERED
    counts = world.job(1).counts
    assert counts is not None
    assert counts.read == 11
    world.close()
