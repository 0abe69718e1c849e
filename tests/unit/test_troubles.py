"""What the system refuses: it is shown, tried again with pauses, forgotten when it is over."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.executors.base import AttemptLost
from daemon.executors.inline import InlineExecutor
from daemon.folders.linux import rights_in
from daemon.folders.refusing import Refusing
from daemon.folders.spool import Spool
from daemon.inbox.settle import Candidate
from daemon.shell import Troubles
from daemon.starting import folders_of
from daemon.states import JobState
from daemon.timers import Chore
from pipeline.errors import FileCode, TransientError
from pipeline.messages import HarmonizeResult, HarmonizeTask, begun_mark
from tests.support import GOOD, World


def block_job_folders(world: World) -> None:
    """Make sure that no job's folder can be made: files bear the names."""
    for number in range(1, 60):
        (world.root / "work" / f"j{number}").write_text("in the way", encoding="utf-8")


def test_a_trouble_that_nobody_tries_again_lets_the_loop_sleep() -> None:
    troubles = Troubles()
    troubles.note("config", "new configuration refused", 100.0)
    assert troubles.next_try_s(100.5) == 101.0
    assert troubles.next_try_s(101.5) == float("inf"), "only a person ends it"
    assert [what for what, _ in troubles.shown()] == ["new configuration refused"]


def test_a_file_that_cannot_be_taken_says_so_and_leaves_nothing_behind_when_it_goes(
    world: World,
) -> None:
    path = world.drop("monday.csv")
    block_job_folders(world)
    world.run_until_idle(turns=4)
    [waiting] = world.coordinator.intake.waiting(10)
    assert "cannot be taken" in waiting.reason
    assert world.coordinator.troubles == [waiting.reason]

    path.unlink()
    world.run_until_idle(turns=4)
    assert world.coordinator.troubles == []
    assert world.coordinator.wait_s() > 0, "the loop sleeps"


def test_a_claim_that_came_to_nothing_leaves_no_folder(world: World) -> None:
    spool = world.spool

    class Refusing(Spool):
        def claim_all(self, jobs: Any, along: Any = None) -> dict[int, str]:
            for job in jobs:
                self.input_dir(job.id).mkdir(parents=True)
            return {job.id: "it cannot be taken" for job in jobs}

    world.drop("monday.csv")
    refusing = Refusing(folders_of(world.settings), ())
    coordinator = world.build(spool=refusing)
    world.run_until_idle(coordinator, turns=4)
    assert {job.state for job in world.store.jobs()} == {JobState.WITHDRAWN}
    assert list((world.root / "work").glob("j*")) == []
    assert spool.scan().candidates != []
    coordinator.close()


def test_an_input_that_cannot_be_hashed_after_its_attempt_is_dealt_with_later(
    world: World,
) -> None:
    class Swapping(Spool):
        swapped = False
        was_swapped = False

        def digest(self, job: Any, syncs: Any) -> Any:
            if self.swapped:
                raise OSError(5, "Input/output error")
            return super().digest(job, syncs)

        def prepare_staging(self, job_id: int, attempt: int) -> Path:
            if not self.was_swapped:
                self.swapped = self.was_swapped = True
                [path] = self.input_dir(job_id).iterdir()
                path.write_text(GOOD.replace("Ada", "Grace"), encoding="utf-8")
            return super().prepare_staging(job_id, attempt)

    spool = Swapping(folders_of(world.settings), ())
    coordinator = world.build(spool=spool)
    world.drop("monday.csv")
    world.run_until_idle(coordinator, turns=4)
    assert world.job(1).state is JobState.QUEUED
    assert "cannot be read" in coordinator.troubles[0]

    spool.swapped = False
    world.clock.advance(100)
    world.run_until_idle(coordinator)
    assert world.job(1).state is JobState.DELIVERED
    assert coordinator.troubles == []
    coordinator.close()


def test_an_archive_that_cannot_be_pruned_stops_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, retention={"archive_days": 1})

    class Immutable(Spool):
        def prune_archive(self, before: Any) -> int:
            assert before + timedelta(days=1)
            raise PermissionError(1, "Operation not permitted")

    coordinator = world.build(spool=Immutable(folders_of(world.settings), ()))
    coordinator.do(Chore.ARCHIVE_RETENTION)
    assert "Operation not permitted" in coordinator.troubles[0]
    world.drop("monday.csv")
    world.run_until_idle(coordinator)
    assert world.job(1).state is JobState.DELIVERED
    coordinator.close()
    world.close()


def test_a_file_that_waits_its_turn_does_not_claim_to_be_settling(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"claim_ahead": 0})
    world.drop("first.csv", GOOD)
    world.drop("second.csv", GOOD.replace("Ada", "Grace"))
    os.utime(world.spool.folders.inbox / "first.csv", (1, 1))
    world.coordinator.look_soon()
    world.coordinator.step()
    world.clock.advance(5)
    world.coordinator.intake.claim(1)
    [waiting] = world.coordinator.intake.waiting(10)
    assert waiting.source == b"second.csv"
    assert "when a worker is free" in waiting.reason
    world.close()


def as_somebody_else(question: Callable[[], bool]) -> bool:
    """The answer of a process that is neither root nor the owner of what root made."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(PermissionError):
            os.setuid(65_534)
        os._exit(0 if question() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_file_in_a_sticky_folder_of_others_opens_no_job() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o1777)
        assert rights_in(folder).may_take(0)
        assert as_somebody_else(lambda: rights_in(folder).may_take(65_534)), "its own file"
        assert not as_somebody_else(lambda: rights_in(folder).may_take(0))
        folder.chmod(0o777)
        assert as_somebody_else(lambda: rights_in(folder).may_take(0))
        folder.chmod(0o755)
        assert not as_somebody_else(lambda: rights_in(folder).may_take(65_534))


def test_a_file_in_a_folder_we_may_not_change_waits_without_filling_the_history(
    world: World,
) -> None:
    class Refuses(Refusing):
        def why(self, candidate: Candidate) -> str | None:
            return "the service may not take it out of its folder"

    class ReadOnly(Spool):
        def refusing(self) -> Refusing:
            return Refuses(self.folders.inbox, self.folders.work)

    coordinator = world.build(spool=ReadOnly(folders_of(world.settings), ()))
    world.drop("monday.csv")
    world.run_until_idle(coordinator)
    assert world.store.jobs() == []
    [waiting] = coordinator.intake.waiting(10)
    assert waiting.reason == "the service may not take it out of its folder"
    coordinator.close()


class Powerless(InlineExecutor):
    """A pool whose workers never came to begin anything before the daemon was lost."""

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        return Future()


class Deadly(Powerless):
    """A pool in which whatever is begun brings the daemon down."""

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        begun_mark(task.staging_dir).touch()
        return Future()


def test_a_file_that_only_waited_for_a_worker_is_not_blamed_for_a_lost_daemon(
    world: World,
) -> None:
    world.drop("monday.csv")
    for _ in range(6):
        world.restart(Powerless())
        world.run_until_idle(turns=3)
    assert world.job(1).state is JobState.RUNNING
    world.restart()
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    assert world.job(1).attempts == 1


@pytest.mark.parametrize("executor", [Powerless, Deadly])
def test_no_file_is_tried_for_ever_when_the_daemon_is_lost_each_time(
    world: World, executor: type[InlineExecutor]
) -> None:
    world.drop("monday.csv")
    restarts = 0
    while not world.store.jobs() or world.job(1).state is not JobState.QUARANTINED:
        world.restart(executor())
        world.run_until_idle(turns=3)
        restarts += 1
        assert restarts < 30
    assert world.job(1).reason_code == "POISON_CRASH"
    assert (restarts < 6) is (executor is Deadly)


def test_an_outbox_that_went_away_is_named_and_deliveries_go_on_when_it_is_back(
    world: World,
) -> None:
    outbox = world.spool.folders.outbox
    outbox.rmdir()
    world.drop("monday.csv")
    world.run_until_idle()
    assert world.coordinator.troubles == [
        "the outbox folder is not there; mount it again, or make it"
    ]
    outbox.mkdir()
    world.clock.advance(100)
    world.run_until_idle()
    assert world.job(1).state is JobState.DELIVERED
    assert world.coordinator.troubles == []


class Cancellable(InlineExecutor):
    """A pool whose only task runs until it is cancelled."""

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        return Future()

    def cancel(self, future: Future[HarmonizeResult]) -> None:
        future.set_exception(AttemptLost("cancelled", "by request"))


def test_a_running_attempt_that_is_cancelled_is_not_started_anew(world: World) -> None:
    world.drop("monday.csv")
    world.restart(Cancellable())
    world.run_until_idle(turns=3)
    assert world.job(1).state is JobState.RUNNING
    assert "is cancelled" in world.ask("cancel", job=1)
    assert world.job(1).state is JobState.CANCELLED
    assert len(world.store.attempts_of(1)) == 1
    assert len(list((world.root / "archive").glob("*/j1/monday.csv"))) == 1


def test_a_twin_delivered_meanwhile_leaves_no_blame_on_the_file_that_met_the_full_disk(
    world: World,
) -> None:
    class FullAtFirst(InlineExecutor):
        is_full = True

        def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
            if not self.is_full:
                return super().submit(task, deadline_s)
            self.is_full = False
            future: Future[HarmonizeResult] = Future()
            future.set_exception(TransientError(FileCode.STORAGE, "No space left on device"))
            return future

    coordinator = world.build(executor=FullAtFirst())
    world.drop("monday.csv")
    world.drop("tuesday.csv")
    world.run_until_idle(coordinator)
    first, second = world.job(1), world.job(2)
    assert (first.state, first.reason_code) == (JobState.DUPLICATE, None)
    assert (second.state, second.attempts) == (JobState.DELIVERED, 1)
    coordinator.close()
