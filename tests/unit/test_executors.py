from __future__ import annotations

import json
import signal
from concurrent.futures import Future

import pytest

from daemon.executors.base import AttemptLost, InternalFailure, settle
from daemon.executors.inline import InlineExecutor
from daemon.executors.process import blame
from daemon.executors.worker import run_task
from pipeline.errors import ContentError, FileCode, PipelineError, trace_of
from pipeline.messages import HarmonizeResult, HarmonizeTask, OutputFile, RowCounts
from tests.system.pool_entries import CANARY

ENTRY = "tests.system.pool_entries:obey"
DUMP = """Some library said: {value}
Fatal Python error: Segmentation fault

Thread 0x00007f0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 331 in wait

Thread 0x00007f1 (most recent call first):
  File "/srv/elsewhere/pipeline/formats/csv.py", line 42 in read
  File "/srv/elsewhere/pipeline/harmonize.py", line 7 in harmonize_file
"""


def task(source: str) -> HarmonizeTask:
    return HarmonizeTask(source=source, staging_dir="", contracts_dir="", job="j1", now_s=0.0)


def outcome(verb: str) -> BaseException | None:
    return InlineExecutor(entry=ENTRY).submit(task(verb), 1.0).exception(0)


# --- inline -----------------------------------------------------------------------------------


def test_an_inline_task_is_done_when_submit_returns() -> None:
    rang: list[bool] = []
    executor = InlineExecutor(on_done=lambda: rang.append(True), entry=ENTRY)

    future = executor.submit(task("nothing"), 1.0)

    assert future.result(0).counts.written == 1
    assert rang == [True]
    assert executor.busy() == []


def test_an_inline_refusal_is_the_refusal_itself() -> None:
    error = outcome("refuse")

    assert isinstance(error, ContentError)
    assert (error.code, error.details) == (FileCode.DATE_AMBIGUOUS, ("line one", "line two"))


@pytest.mark.parametrize(
    "verb", ["raise_stubborn", "raise_with_value", "sys_exit 3", "no_such_verb"]
)
def test_nothing_but_the_three_promised_errors_leaves_an_executor(verb: str) -> None:
    error = outcome(verb)

    assert isinstance(error, InternalFailure)
    assert CANARY not in f"{error!r} {error}"


def test_an_entry_that_cannot_be_imported_is_a_failure_of_the_task() -> None:
    future = InlineExecutor(entry="pipeline.no_such_module:f").submit(task(""), 1.0)

    error = future.exception(0)
    assert isinstance(error, InternalFailure)
    assert error.type_name == "ModuleNotFoundError"


def test_ctrl_c_is_not_taken_for_a_mistake_of_the_task() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcome("interrupt")


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", ["nothing", "refuse", "refuse_for_now", "raise_with_value", "return_set", "log 1"]
)
def test_every_answer_is_plain_json(verb: str) -> None:
    answer = run_task(task(verb).to_json(), ENTRY)

    assert len(answer) == 1
    assert json.loads(json.dumps(answer)).keys() == answer.keys()


def test_a_result_survives_the_way_through_json_unchanged() -> None:
    result = HarmonizeResult(
        contract="vitals",
        contract_version="1.0.0",
        counts=RowCounts(read=3, written=2, rejected=1),
        outputs=(OutputFile(name="vitals.csv", sha256="0" * 64, size_bytes=9),),
        rejects={"required": 1},
        decisions=("dates are day-first",),
    )
    future: Future[HarmonizeResult] = Future()

    settle(future, json.loads(json.dumps({"ok": result.to_json()})))

    assert future.result(0) == result


@pytest.mark.parametrize(
    "answer",
    [{}, {"ok": {}}, {"ok": None}, {"refused": {}}, {"refused": {"class": "os"}}, {"failed": 3}],
)
def test_an_answer_that_makes_no_sense_still_completes_the_future(
    answer: dict[str, object],
) -> None:
    future: Future[HarmonizeResult] = Future()

    settle(future, answer)

    assert isinstance(future.exception(0), InternalFailure)


def test_a_subclass_of_a_refusal_crosses_as_the_class_everybody_knows() -> None:
    assert type(outcome("refuse_specially")) is ContentError


def test_an_operating_system_error_keeps_its_errno_and_loses_its_file_name() -> None:
    error = outcome("fill_the_disk")

    assert isinstance(error, InternalFailure)
    assert error.type_name == "OSError ENOSPC"
    assert CANARY not in repr(error)


def test_a_cell_that_speaks_of_memory_is_not_taken_for_a_lack_of_it() -> None:
    assert isinstance(outcome("quote_memory"), InternalFailure)


# --- blame ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "noise", "overdue", "out_of_memory", "kind", "detail"),
    [
        (1, "", True, False, "timeout", "deadline"),
        (-signal.SIGALRM, "", True, False, "timeout", "deadline"),
        (-signal.SIGALRM, "", False, False, "crashed", "SIGALRM"),
        (1, "", False, False, "crashed", "exit code 1"),
        (0, "", False, False, "crashed", "exit code 0"),
        (-signal.SIGXCPU, "", False, False, "timeout", "processor time"),
        (-signal.SIGKILL, "", False, False, "killed", "SIGKILL"),
        (-signal.SIGKILL, "", False, True, "memory", "kernel"),
        (-signal.SIGSEGV, "", False, False, "crashed", "SIGSEGV"),
        (-signal.SIGABRT, "", False, False, "crashed", "SIGABRT"),
        (-signal.SIGABRT, "what():  std::bad_alloc", False, False, "memory", "SIGABRT"),
        (-signal.SIGABRT, "memory allocation of 9 bytes failed", False, False, "memory", "SIGABRT"),
        (1, "MemoryError", False, False, "memory", "exit code 1"),
        (255, "", False, False, "killed", "starts workers"),
        (-64, "", False, False, "crashed", "SIGRTMAX"),
        (-99, "", False, False, "crashed", "signal 99"),
    ],
)
def test_every_end_has_its_own_name(
    exit_code: int, noise: str, overdue: bool, out_of_memory: bool, kind: str, detail: str
) -> None:
    lost = blame(exit_code, noise, overdue=overdue, out_of_memory=out_of_memory)

    assert lost.kind == kind
    assert detail in lost.detail


def test_a_crash_names_the_line_of_code_and_nothing_that_was_printed() -> None:
    noise = DUMP.format(value=CANARY)

    lost = blame(-signal.SIGSEGV, noise, overdue=False, out_of_memory=False)

    assert lost.detail == "signal SIGSEGV at /srv/elsewhere/pipeline/formats/csv.py:42:read"


# --- traces -----------------------------------------------------------------------------------


def test_a_trace_names_places_and_types_and_never_messages() -> None:
    with pytest.raises(ValueError) as caught:
        int(CANARY)
    refusal = PipelineError(FileCode.INTERNAL, "a note")
    refusal.__cause__ = caught.value
    trace = trace_of(refusal)

    assert trace[0] == "from ValueError"
    assert all(line.endswith("_never_messages") for line in trace[1:])
    assert len(trace) == 2
    assert CANARY not in str(trace)


def test_a_trace_of_an_endless_recursion_stays_short() -> None:
    def recurse() -> None:
        recurse()

    with pytest.raises(RecursionError) as caught:
        recurse()

    assert len(trace_of(caught.value)) <= 20


def test_errors_that_name_each_other_are_told_once() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert trace_of(first) == ("from KeyError",)


@pytest.mark.parametrize("error", [AttemptLost("killed", "why"), InternalFailure("T", ("a:1:f",))])
def test_losses_are_plain_and_can_be_rebuilt_from_their_args(error: Exception) -> None:
    assert str(type(error)(*error.args)) == str(error)
