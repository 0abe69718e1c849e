"""The worker pool with real processes and real kills."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.executors.base import AttemptLost, InternalFailure
from daemon.executors.pool import WorkerPool
from pipeline.contract.loading import BUILT_IN
from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.messages import HarmonizeResult, HarmonizeTask
from tests.system.pool_entries import CANARY

pytestmark = pytest.mark.slow

ENTRY = "tests.system.pool_entries:obey"
LONG_S = 120.0  # so far away that only a bug gets there
Open = Callable[..., WorkerPool]


def task(source: str, job: str = "j1") -> HarmonizeTask:
    return HarmonizeTask(source=source, staging_dir="", contracts_dir="", job=job, now_s=0.0)


@pytest.fixture
def open_pool() -> Iterator[Open]:
    opened: list[WorkerPool] = []

    def start(capacity: int, **options: Any) -> WorkerPool:
        opened.append(WorkerPool(capacity, entry=ENTRY, **options))
        return opened[-1]

    yield start
    for pool in opened:
        pool.stop()


def until(claim: Callable[[], Any], within_s: float = 60.0) -> Any:
    end = time.monotonic() + within_s
    while not (found := claim()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return found


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until_gone(*pids: int) -> None:
    until(lambda: not any(is_running(pid) for pid in pids))


@contextlib.contextmanager
def every_descriptor_taken() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def loss(future: Future[HarmonizeResult]) -> AttemptLost:
    error = future.exception(timeout=LONG_S)
    assert isinstance(error, AttemptLost), error
    return error


def succeeded(future: Future[HarmonizeResult]) -> bool:
    return future.result(timeout=LONG_S).counts.written == 1


def busy_pid(pool: WorkerPool, job: str) -> int:
    held = until(lambda: [worker for worker in pool.busy() if worker.job == job])
    return int(held[0].pid)


# --- answers ----------------------------------------------------------------------------------


def test_a_result_comes_back_whole(open_pool: Open) -> None:
    result = open_pool(1).submit(task("nothing"), LONG_S).result(LONG_S)

    assert result.counts.adds_up
    assert result.counts.written == 1


def test_a_refusal_keeps_its_class_code_note_and_details(open_pool: Open) -> None:
    pool = open_pool(1)

    refused = pool.submit(task("refuse"), LONG_S).exception(LONG_S)
    for_now = pool.submit(task("refuse_for_now"), LONG_S).exception(LONG_S)

    assert isinstance(refused, ContentError)
    assert refused.code is FileCode.DATE_AMBIGUOUS
    assert refused.note == "column 'dob', 12 values"
    assert refused.details == ("line one", "line two")
    assert type(for_now) is PipelineError


@pytest.mark.parametrize("verb", ["raise_stubborn", "raise_with_value", "return_set", "sys_exit 3"])
def test_a_mistake_of_ours_is_told_by_its_place_and_never_by_its_words(
    open_pool: Open, verb: str
) -> None:
    failure = open_pool(1).submit(task(verb), LONG_S).exception(LONG_S)

    assert isinstance(failure, InternalFailure)
    assert failure.trace
    assert CANARY not in f"{failure!r} {failure} {failure.trace}"


def test_the_callback_comes_after_the_answer_is_there(open_pool: Open) -> None:
    seen: list[bool] = []
    rang = threading.Event()
    futures: list[Future[HarmonizeResult]] = []

    def on_done() -> None:
        seen.append(futures[0].done())
        rang.set()

    pool = open_pool(1, on_done=on_done)
    futures.append(pool.submit(task("sleep 0.2"), LONG_S))

    assert rang.wait(LONG_S)
    assert seen == [True]


def test_a_callback_that_fails_does_not_end_the_pool(open_pool: Open) -> None:
    def on_done() -> None:
        raise RuntimeError

    pool = open_pool(1, on_done=on_done)

    assert succeeded(pool.submit(task("nothing"), LONG_S))
    assert succeeded(pool.submit(task("nothing"), LONG_S))
    assert pool.trouble() is None


def test_what_a_worker_logs_arrives_with_its_job_and_before_its_answer(open_pool: Open) -> None:
    lines: list[dict[str, Any]] = []
    pool = open_pool(1, on_log=lines.append)

    pool.submit(task("log 300", job="j42"), LONG_S).result(LONG_S)

    assert [line["fields"]["number"] for line in lines] == list(range(300))
    assert {line["job"] for line in lines} == {"j42"}
    assert {line["message"] for line in lines} == {"a line from inside"}


def test_what_libraries_print_in_a_worker_reaches_nobody(
    open_pool: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    open_pool(1).submit(task("print"), LONG_S).result(LONG_S)

    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err


# --- blame ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "kind", "detail"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("abort", "crashed", "SIGABRT"),
        ("exit 0", "crashed", "exit code 0"),
        ("exit 3", "crashed", "exit code 3"),
        ("kill_self", "killed", "SIGKILL"),
        ("abort_without_memory", "memory", "SIGABRT"),
        ("hog", "memory", "MemoryError"),
        ("hog_arrow", "memory", "ArrowMemoryError"),
        ("hog_threads", "memory", "RuntimeError"),
        ("hog_and_refuse", "memory", "ContentError"),
        ("close_everything", "crashed", "pipe"),
        ("talk_nonsense", "crashed", "message"),
    ],
)
def test_a_worker_that_dies_is_blamed_exactly_and_replaced(
    open_pool: Open, verb: str, kind: str, detail: str
) -> None:
    pool = open_pool(1, memory_limit_mb=512)

    lost = loss(pool.submit(task(verb), LONG_S))

    assert lost.kind == kind
    assert detail in lost.detail
    assert succeeded(pool.submit(task("nothing"), LONG_S))


@pytest.mark.parametrize("verb", ["sleep 1000", "hold_the_gil 1000", "sleep_deaf_to_sigterm 1000"])
def test_a_hung_task_ends_at_its_deadline_while_the_others_go_on(
    open_pool: Open, verb: str
) -> None:
    pool = open_pool(2)

    hung = pool.submit(task(verb), 1.0)
    others = [pool.submit(task("nothing"), LONG_S) for _ in range(20)]

    assert all(succeeded(other) for other in others)
    assert loss(hung).kind == "timeout"
    assert f"do_{verb.split()[0]}" in loss(hung).detail


def test_a_stopped_worker_that_cannot_even_end_itself_is_ended(open_pool: Open) -> None:
    pool = open_pool(1)
    frozen = pool.submit(task("sleep 1000"), 1.0)
    os.kill(busy_pid(pool, "j1"), signal.SIGSTOP)

    assert loss(frozen).kind == "timeout"
    assert succeeded(pool.submit(task("nothing"), LONG_S))


def test_the_time_of_a_task_runs_only_from_when_a_worker_has_it(open_pool: Open) -> None:
    pool = open_pool(1)

    pool.submit(task("sleep 1.5"), LONG_S)
    waiting = pool.submit(task("sleep 0.1"), 1.0)

    assert succeeded(waiting)


def test_what_a_killed_worker_had_started_dies_with_it(open_pool: Open, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    pool = open_pool(1)
    spawned = pool.submit(task(f"spawn {pid_file}"), LONG_S)
    grandchild = int(until(lambda: pid_file.exists() and pid_file.read_text()))
    pool.cancel(spawned)

    assert loss(spawned).kind == "cancelled"
    until_gone(grandchild)


# --- limits and surroundings ------------------------------------------------------------------


def test_a_worker_has_its_own_group_ignores_ctrl_c_and_uses_one_thread_for_blas(
    open_pool: Open,
) -> None:
    answer = open_pool(1).submit(task("tell_limits"), LONG_S).result(LONG_S)

    assert answer.contract_version == "True True 1"


def test_a_worker_loads_the_pipeline_and_none_of_the_daemon_s_libraries(open_pool: Open) -> None:
    answer = open_pool(1).submit(task("list_modules"), LONG_S).result(LONG_S)

    loaded = set(answer.contract_version.split())
    assert not loaded & {"sqlalchemy", "watchdog", "apscheduler", "typer", "_pytest"}
    of_the_daemon = {name for name in loaded if name.partition(".")[0] == "daemon"}
    assert of_the_daemon == {"daemon", "daemon.executors", "daemon.executors.worker"}


def test_the_smallest_memory_limit_that_can_be_set_leaves_room_to_work(open_pool: Open) -> None:
    answer = open_pool(1, memory_limit_mb=256).submit(task("tell_memory"), LONG_S).result(LONG_S)

    used_kb = int(answer.contract_version.split()[1])
    assert used_kb < 128 * 1024


def test_what_a_worker_has_let_go_of_does_not_count_against_its_next_file(open_pool: Open) -> None:
    answer = open_pool(1).submit(task("use_arrow_and_tell_memory"), LONG_S).result(LONG_S)

    left_kb = int(answer.contract_version.split()[1])
    assert left_kb < 256 * 1024


def test_workers_are_replaced_after_their_turns_even_with_a_backlog(open_pool: Open) -> None:
    pool = open_pool(2, tasks_per_worker=3)

    futures = [pool.submit(task("nothing"), LONG_S) for _ in range(60)]

    turns = Counter(future.result(LONG_S).contract_version for future in futures)
    assert sum(turns.values()) == 60
    assert max(turns.values()) <= 3


def test_no_more_tasks_run_at_once_than_the_capacity(open_pool: Open) -> None:
    pool = open_pool(5, tasks_per_worker=2)
    futures = [pool.submit(task("sleep 0.05", job=f"j{i}"), LONG_S) for i in range(50)]

    most = 0
    while not all(future.done() for future in futures):
        most = max(most, len(pool.busy()))
        time.sleep(0.005)

    assert most == 5


def test_contracts_are_read_before_the_first_file_comes(open_pool: Open) -> None:
    pool = open_pool(1, contracts_dir=str(BUILT_IN))

    answer = pool.submit(task("list_modules"), LONG_S).result(LONG_S)

    assert "pipeline.contract.loading" in answer.contract_version.split()


def test_contracts_that_cannot_be_read_keep_no_worker_from_its_work(open_pool: Open) -> None:
    pool = open_pool(1, contracts_dir="/nowhere")

    assert succeeded(pool.submit(task("nothing"), LONG_S))


def test_a_pool_that_can_start_no_worker_says_so_keeps_its_tasks_and_recovers(
    open_pool: Open,
) -> None:
    pool = open_pool(1)
    pid = int(pool.submit(task("nothing"), LONG_S).result(LONG_S).contract_version)
    with every_descriptor_taken():
        os.kill(pid, signal.SIGKILL)
        waiting = pool.submit(task("nothing"), LONG_S)
        trouble = until(pool.trouble)

    assert "cannot be started" in trouble
    assert succeeded(waiting)
    assert pool.trouble() is None


def test_a_pool_that_ends_by_a_mistake_of_its_own_blames_no_task(open_pool: Open) -> None:
    pool = open_pool(2)
    running = pool.submit(task("sleep 1000"), LONG_S)
    pid = busy_pid(pool, "j1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # the kernel now refuses to wait on more
    try:
        waiting = pool.submit(task("nothing"), LONG_S)
        kinds = {loss(running).kind, loss(waiting).kind}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert kinds == {"stopping"}
    assert "ended" in until(pool.trouble)
    assert loss(pool.submit(task("nothing"), LONG_S)).kind == "stopping"
    until_gone(pid)


# --- cancel and stop --------------------------------------------------------------------------


def test_a_waiting_task_can_be_cancelled_without_a_kill(open_pool: Open) -> None:
    pool = open_pool(1)
    running = pool.submit(task("sleep 0.5"), LONG_S)
    waiting = pool.submit(task("nothing"), LONG_S)

    pool.cancel(waiting)

    assert loss(waiting).kind == "cancelled"
    assert succeeded(running)


def test_cancelling_a_running_task_costs_its_neighbours_nothing(open_pool: Open) -> None:
    pool = open_pool(2)
    neighbour = pool.submit(task("sleep 0.5"), LONG_S)
    doomed = pool.submit(task("sleep 1000", job="j2"), LONG_S)
    busy_pid(pool, "j2")

    pool.cancel(doomed)

    assert loss(doomed).kind == "cancelled"
    assert succeeded(neighbour)


def test_cancelling_a_finished_task_changes_nothing(open_pool: Open) -> None:
    pool = open_pool(1)
    finished = pool.submit(task("nothing"), LONG_S)
    result = finished.result(LONG_S)

    pool.cancel(finished)

    assert finished.result() is result
    assert succeeded(pool.submit(task("nothing"), LONG_S))


def test_a_stop_during_work_ends_every_task_and_every_process(open_pool: Open) -> None:
    pool = open_pool(3)
    futures = [pool.submit(task("sleep 1000", job=f"j{i}"), LONG_S) for i in range(6)]
    pids = until(lambda: len(pool.busy()) == 3 and [worker.pid for worker in pool.busy()])

    pool.stop()

    assert {loss(future).kind for future in futures} == {"stopping"}
    assert not any(is_running(pid) for pid in pids)
    assert pool.busy() == []


def test_a_stop_with_grace_lets_running_tasks_end_and_starts_no_others(open_pool: Open) -> None:
    pool = open_pool(1)
    running = pool.submit(task("sleep 0.5"), LONG_S)
    waiting = pool.submit(task("nothing"), LONG_S)
    until(pool.busy)
    began_s = time.monotonic()

    pool.stop(grace_s=LONG_S)

    assert time.monotonic() - began_s < LONG_S / 2  # it ends with the task, not with the grace
    assert succeeded(running)
    assert loss(waiting).kind == "stopping"


def test_a_second_stop_cuts_the_grace_short(open_pool: Open) -> None:
    pool = open_pool(1)
    running = pool.submit(task("sleep 1000"), LONG_S)
    until(pool.busy)
    patient = threading.Thread(target=pool.stop, args=(LONG_S,))
    patient.start()

    pool.stop()
    patient.join(LONG_S)

    assert loss(running).kind == "stopping"


def test_a_task_for_a_stopped_pool_is_answered_at_once(open_pool: Open) -> None:
    pool = open_pool(1)
    pool.stop()

    assert loss(pool.submit(task("nothing"), LONG_S)).kind == "stopping"


def test_a_pool_stopped_right_after_a_submit_leaves_no_process_behind(open_pool: Open) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    futures = []
    for _ in range(10):
        pool = open_pool(2)
        futures.append(pool.submit(task("nothing"), LONG_S))
        pool.stop()

    assert all(future.done() for future in futures)
    left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
    assert [c for c in left if any("daemon" in part for part in c.cmdline()[2:])] == []


# --- kills from outside -----------------------------------------------------------------------


def test_an_idle_worker_killed_from_outside_is_replaced_and_costs_nothing(open_pool: Open) -> None:
    pool = open_pool(1)

    for _ in range(20):  # now and then the pool hands it a task before it hears of the death
        pid = int(pool.submit(task("nothing"), LONG_S).result(LONG_S).contract_version)
        os.kill(pid, signal.SIGKILL)
        until_gone(pid)

        assert succeeded(pool.submit(task("nothing"), LONG_S))


def test_a_storm_of_kills_costs_only_the_tasks_that_were_hit(open_pool: Open) -> None:
    pool = open_pool(4, tasks_per_worker=7)
    shots = random.Random(7)
    futures = {
        f"j{i}": pool.submit(task(f"sleep {0.002 * (i % 10)}", job=f"j{i}"), LONG_S)
        for i in range(400)
    }
    landed = 0

    while not all(future.done() for future in futures.values()):
        for target in shots.sample(targets := pool.busy(), min(1, len(targets))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(target.pid, signal.SIGKILL)
                landed += 1
        time.sleep(0.01)

    lost = [future for future in futures.values() if future.exception() is not None]
    assert 0 < len(lost) <= landed
    assert {loss(future).kind for future in lost} == {"killed"}
    assert all(succeeded(future) for future in futures.values() if future not in lost)
    assert succeeded(pool.submit(task("nothing"), LONG_S))


def test_a_killed_fork_server_costs_the_running_tasks_and_no_others(
    open_pool: Open, tmp_path: Path
) -> None:
    pool = open_pool(2)
    notes = [tmp_path / "0", tmp_path / "1"]
    running = [pool.submit(task(f"spawn {n}", job=f"j{n.name}"), LONG_S) for n in notes]
    waiting = [pool.submit(task("nothing"), LONG_S) for _ in range(10)]
    until(lambda: all(n.exists() and n.read_text() for n in notes))  # given is not yet begun
    workers = [worker.pid for worker in pool.busy()]
    server = psutil.Process(workers[0]).parent()
    assert server is not None

    server.kill()

    assert {loss(future).kind for future in running} == {"killed"}
    assert all(succeeded(future) for future in waiting)
    assert not any(is_running(pid) for pid in workers)


def test_a_task_that_no_worker_had_begun_outlives_the_fork_server(
    open_pool: Open,
) -> None:
    pool = open_pool(1)
    worker = int(pool.submit(task("nothing"), LONG_S).result(LONG_S).contract_version)
    server = psutil.Process(worker).parent()
    assert server is not None
    os.kill(worker, signal.SIGSTOP)  # it is handed a task and cannot begin it

    given = pool.submit(task("nothing"), LONG_S)
    busy_pid(pool, "j1")
    server.kill()

    assert succeeded(given)


DAEMON = """
import sys, time
from daemon.executors.pool import WorkerPool
from tests.system.test_pool import task
pool = WorkerPool(3, entry="tests.system.pool_entries:obey")
futures = [pool.submit(task(verb), 1000) for verb in sys.argv[1:]]
while len(pool.busy()) < 3:
    time.sleep(0.01)
print(*(worker.pid for worker in pool.busy()), flush=True)
time.sleep(1000)
"""


def test_a_killed_daemon_leaves_no_worker_behind_not_even_one_that_holds_the_gil(
    tmp_path: Path,
) -> None:
    script = tmp_path / "daemon_script.py"
    script.write_text(DAEMON)
    verbs = ["sleep 1000", "hold_the_gil 1000", "sleep_deaf_to_sigterm 1000"]
    with subprocess.Popen(
        [sys.executable, str(script), *verbs],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as daemon:
        assert daemon.stdout is not None
        workers = [int(pid) for pid in daemon.stdout.readline().split()]
        server = psutil.Process(workers[0]).parent()
        assert server is not None
        time.sleep(0.2)  # so that the one that holds the GIL does
        daemon.kill()

    assert len(workers) == 3
    until_gone(*workers)
    until_gone(server.pid)


def test_ctrl_c_in_the_terminal_is_left_to_the_daemon(tmp_path: Path) -> None:
    script = tmp_path / "daemon_script.py"
    script.write_text("import signal\nsignal.signal(signal.SIGINT, print)\n" + DAEMON)
    with subprocess.Popen(
        [sys.executable, str(script), "sleep 1000", "sleep 1000", "sleep 1000"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    ) as daemon:
        assert daemon.stdout is not None
        workers = [int(pid) for pid in daemon.stdout.readline().split()]
        server = psutil.Process(workers[0]).parent()
        assert server is not None
        for number in (signal.SIGINT, signal.SIGINT):
            os.killpg(daemon.pid, number)
            time.sleep(0.3)

        assert all(is_running(pid) for pid in [*workers, server.pid])
        daemon.kill()
    until_gone(*workers)
