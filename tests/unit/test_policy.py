"""What a failed attempt means for its file."""

from __future__ import annotations

import errno
import os

import pytest

from daemon.errors import may_pass
from daemon.executors.base import InternalFailure
from daemon.policy import Failure, FailureKind, RetryPolicy, after_daemon_loss, judge
from daemon.states import JobEvent
from pipeline.errors import FileCode

POLICY = RetryPolicy(max_attempts=3, max_setbacks=5, base_s=10.0, cap_s=60.0)
FULL = Failure(kind=FailureKind.TRANSIENT, code=FileCode.STORAGE, note="No space left on device")


def test_a_full_disk_costs_no_attempt_and_is_tried_again_with_growing_pauses() -> None:
    verdicts = [judge(FULL, 1, POLICY, setbacks=before) for before in range(4)]
    assert {verdict.event for verdict in verdicts} == {JobEvent.ATTEMPT_FAILED}
    assert {verdict.attempts for verdict in verdicts} == {0}
    assert [verdict.delay_s for verdict in verdicts] == [10.0, 20.0, 40.0, 60.0]
    assert {verdict.code for verdict in verdicts} == {FileCode.STORAGE}


def test_a_disk_that_never_takes_it_ends_in_the_error_folder() -> None:
    last = judge(FULL, 1, POLICY, setbacks=4)
    assert last.event is JobEvent.ATTEMPTS_EXHAUSTED
    assert last.code is FileCode.STORAGE


def test_setbacks_do_not_use_up_the_attempts_of_a_crashing_file() -> None:
    crash = Failure(kind=FailureKind.CRASHED, note="signal SIGSEGV")
    assert judge(crash, 1, POLICY, setbacks=4).event is JobEvent.ATTEMPT_FAILED
    assert judge(crash, 3, POLICY).event is JobEvent.ATTEMPTS_EXHAUSTED


def test_a_loss_of_the_daemon_counts_unless_the_worker_outlived_it() -> None:
    given_back = after_daemon_loss(3, POLICY, counts=False)
    assert (given_back.event, given_back.attempts) == (JobEvent.ATTEMPT_INTERRUPTED, 2)
    charged = after_daemon_loss(3, POLICY, counts=True)
    assert (charged.event, charged.code) == (JobEvent.ATTEMPTS_EXHAUSTED, FileCode.POISON_CRASH)


@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EROFS", "EMFILE", "ESTALE", "EINTR", "EDQUOT"])
def test_what_the_system_refuses_for_now_may_pass(name: str) -> None:
    number = getattr(errno, name)
    assert may_pass(OSError(number, os.strerror(number)))
    assert InternalFailure(f"OSError {name}", ()).is_storage


@pytest.mark.parametrize("type_name", ["ValueError", "OSError ENOENT", "PermissionError EACCES"])
def test_a_mistake_of_our_own_is_no_trouble_with_the_disk(type_name: str) -> None:
    assert not InternalFailure(type_name, ()).is_storage
