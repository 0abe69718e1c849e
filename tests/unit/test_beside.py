"""A second process changes how soon a large file is done, and nothing that comes out."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import beside, delivery, parallel
from pipeline.beside import Channel, FailedBeside, Helper, shared_out
from pipeline.crossing import as_parts, from_parts
from pipeline.errors import ContentError, FileCode, RowCode, TransientError
from pipeline.formats.csv import DelimitedReader
from pipeline.keeping import KeepingReader
from pipeline.looking import _part_of
from pipeline.outputs.rejects import Reject, RejectTally
from pipeline.parallel import at_once
from tests.unit.harmonizing import Desk

TEXTS = ["Åsa", None, "", "x" * 100_000]


def ignored(counted: object) -> None:
    """Nothing was counted."""


@pytest.fixture(autouse=True)
def may_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other threads those who run the tests have; no copy runs their code."""
    monkeypatch.setattr(beside, "is_possible", lambda: True)


def shared(work: Any, count: int) -> Iterator[Any]:
    return shared_out(work, count, counted=lambda: None, take=ignored)


def test_what_goes_through_the_pipes_arrives_as_it_was() -> None:
    def echo(channel: Channel) -> str:
        while (thing := channel.receive()) is not None:
            channel.send(thing)
        return "done"

    text = pa.array(TEXTS)
    tally, code = RejectTally(), RowCode.PATTERN
    tally.count(Reject(record=1, line=2, field="a", code=code, sentence="", raw="\udcff"))
    sent = [
        {"a": (1, "b"), ("c", None): [0.5, True]},
        Counter({code: 2}),
        frozenset({1}),
        tally,
        text,
        text.slice(1, 2),
        pa.record_batch({"t": text}).slice(1),
    ]
    with Helper(echo) as helper:
        for thing in sent:
            helper.channel.send(thing)
            back = helper.receive()
            assert back == thing
            assert type(back) is type(thing)
        helper.channel.send(None)
        assert helper.answer() == "done"


def test_nothing_but_our_own_data_crosses() -> None:
    for thing in (object(), print, Path("x"), ValueError("text")):
        with pytest.raises(TypeError):
            as_parts([thing])
    for name in (["os", "system"], ["pipeline.beside", "os.system"], ["pipeline.beside", "helper"]):
        with pytest.raises((TypeError, AttributeError)):
            from_parts([memoryview(json.dumps(["data", name, ["true"]]).encode())])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_results_come_in_order_whoever_made_them(count: int) -> None:
    def work(at: int) -> tuple[int, int]:
        time.sleep(0.001 * (at % 3))
        return at, os.getpid()

    found = list(shared(work, count))
    assert [at for at, _ in found] == list(range(count))
    if count == 50:
        assert len({pid for _, pid in found}) == 2


def test_what_was_counted_on_both_sides_is_counted_once() -> None:
    counted: list[int] = []

    def work(at: int) -> int:
        counted.append(at)
        time.sleep(0.001)
        return at

    list(shared_out(work, 40, counted=lambda: counted, take=counted.extend))
    assert sorted(counted) == list(range(40))


@pytest.mark.parametrize(
    "error",
    [
        ContentError(FileCode.EMPTY, "no rows", ("detail",)),
        TransientError(FileCode.STORAGE, "disk"),
        OSError(28, "full"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 17])
def test_an_error_comes_out_in_its_turn_as_what_it_is(error: Exception, place: int) -> None:
    def work(at: int) -> int:
        if at == place:
            raise error
        return at

    found: list[int] = []
    with pytest.raises(type(error)) as raised:
        found.extend(shared(work, 20))
    assert found == list(range(place))
    assert raised.value.args == error.args


def test_a_mistake_of_ours_is_told_without_its_words() -> None:
    def work(channel: Channel) -> None:
        raise KeyError("Jane Roe")

    with (
        pytest.raises(FailedBeside, match=r"KeyError at .*test_beside") as raised,
        Helper(work) as one,
    ):
        one.answer()
    assert "Roe" not in str(raised.value)


def test_a_system_with_no_room_for_another_process_has_the_work_done_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", no_room)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    assert list(shared(abs, 5)) == [0, 1, 2, 3, 4]
    assert at_once(lambda: "a", lambda: "b", lambda: "c") == ("a", "b", "c")
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_the_foremost_error_comes_out_and_nothing_is_left_running() -> None:
    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        at_once(fail, lambda: time.sleep(60), lambda: None)
    with suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG)[0] == 0


def in_its_own_process(code: str) -> subprocess.CompletedProcess[str]:
    prepared = "from daemon.executors import process\nprocess.prepare('')"  # as workers are
    said = "import os, time, signal\nfrom pipeline.beside import Helper, is_possible"
    told = f"{prepared}\n{said}\n{code}"
    return subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGSEGV])
def test_what_kills_the_helper_kills_this_process_likewise(with_signal: int) -> None:
    done = in_its_own_process(
        f"Helper(lambda channel: os.kill(os.getpid(), {int(with_signal)})).answer()"
    )
    assert done.returncode == -with_signal


def test_the_helper_ends_with_the_process_it_helps() -> None:
    done = in_its_own_process(
        "helper = Helper(lambda channel: (channel.send(os.getpid()), time.sleep(60)))\n"
        "print(helper.receive(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    helper = int(done.stdout)
    for _ in range(500):
        if not Path(f"/proc/{helper}").exists():
            return
        time.sleep(0.01)
    raise AssertionError("it lives on")


def test_both_together_get_no_more_memory_than_one_would() -> None:
    done = in_its_own_process(
        "import resource\n"
        "from pipeline.beside import _data_bytes\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, resource.RLIM_INFINITY))\n"
        "def limit(): return resource.getrlimit(resource.RLIMIT_DATA)[0]\n"
        "used = _data_bytes()\n"
        "with Helper(lambda channel: limit()) as helper:\n"
        "    here, there = limit(), helper.answer()\n"
        "spare = 32 << 20\n"
        "assert here - used + there - used <= (2 << 30) - used + spare, (here, there, used)\n"
        "assert limit() == 2 << 30\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (used + (300 << 20), 2 << 30))\n"
        "assert not is_possible()\n"
    )
    assert done.returncode == 0, done.stderr


def test_a_process_with_threads_of_its_own_is_not_copied() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    done = in_its_own_process(
        "import threading\n"
        "from pipeline.beside import stands_aside\n"
        "assert is_possible()\n"
        "one = threading.Thread(target=time.sleep, args=(60,), daemon=True)\n"
        "one.start()\n"
        "assert not is_possible()\n"
        "stands_aside(one)\n"
        "assert is_possible()\n"
        "seen = []\n"
        "two = threading.Thread(target=lambda: seen.append(is_possible()))\n"
        "two.start(); two.join()\n"
        "assert seen == [False]\n"
    )
    assert done.returncode == 0, done.stderr


def test_columns_are_shared_out_so_that_both_have_about_as_much_to_do() -> None:
    costs = dict.fromkeys("abcdefghij", 1.0)
    chosen = _part_of(costs, here=("a",))
    assert "a" not in chosen
    assert 6 <= len(chosen) <= 7  # the other side reads, too
    assert _part_of(costs, here=tuple(costs)) == ()


PATIENTS = "patient_id,first_name,last_name,date_of_birth,gender,email,shoe size\n" + "".join(
    f"P-{n:05}, Ann{n}\u00a0,X\u200bu,{1 + n % 28}/1{n % 3}/1980,F,n{n}@Q.ORG,left over\n"
    f"P-{n:05},Ann{n},Xu,{'bad' if n % 97 == 0 else f'{1 + n % 28}/1{n % 3}/1980'},F,,\n"
    for n in range(700)
)
LABS = "patient_id,collected,test,result,units,reference range\n" + "".join(
    f"P-{n % 500:05},2024-0{1 + n % 9}-03 10:{n % 60:02},{('Glucose', 'Sodium')[n % 2]},"
    f'{"n/a" if n % 89 == 0 else 90 + n % 50},{("mg/dL", "mmol/L")[n % 2]},"{60 + n % 2},0 - 150"\n'
    for n in range(1_000)
)


@pytest.mark.parametrize(("text", "contract"), [(PATIENTS, "patients"), (LABS, "lab_results")])
@pytest.mark.parametrize("changes", ["full", "counted"])
def test_every_byte_is_the_same_with_one_thread_with_several_and_with_a_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, contract: str, changes: str
) -> None:
    desk = Desk(tmp_path)
    outcomes: list[dict[str, bytes]] = []
    copies: list[int] = []
    monkeypatch.setattr(KeepingReader.__init__, "__defaults__", (0,))
    monkeypatch.setattr(DelimitedReader.__init__, "__defaults__", (1 << 14, None))
    monkeypatch.setattr(delivery, "_MANY_ROWS", 100)
    fork = os.fork

    def noted_fork() -> int:
        copies.append(threading.active_count())
        return fork()

    monkeypatch.setattr(os, "fork", noted_fork)
    for cores, is_possible in ((1, False), (3, False), (2, True)):
        monkeypatch.setattr(parallel, "threads", lambda cores=cores: cores)
        monkeypatch.setattr(beside, "is_possible", lambda is_possible=is_possible: is_possible)
        done = desk.harmonize(text, contract=contract, changes=changes)
        outcomes.append({one.name: one.read_bytes() for one in done.staging.iterdir()})
        report = json.loads(outcomes[-1].pop("report.json"))
        report.pop("timings_s")
        outcomes[-1]["report"] = json.dumps(report).encode()
        outcomes[-1].pop("report.html", None)
    assert outcomes[0].keys() == outcomes[2].keys()
    assert all(one == outcomes[0] for one in outcomes)
    assert len(copies) == 3  # to look, to apply, to write


@pytest.mark.slow
def test_a_worker_with_its_usual_memory_has_a_helper_for_a_large_file(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    head, *rows = PATIENTS.splitlines(keepends=True)
    many = head + "".join(row.replace("P-", f"P-{n}") for n in range(250) for row in rows[::2])
    task = replace(Desk(tmp_path).task(many), contract="patients")
    done = in_its_own_process(
        "import json, resource, sys\n"
        "from pipeline.harmonize import harmonize_file\n"
        "from pipeline.messages import HarmonizeTask\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2048 << 20, 2048 << 20))\n"
        "fork = os.fork\n"
        "os.fork = lambda: print('copied', file=sys.stderr) or fork()\n"
        f"harmonize_file(HarmonizeTask.from_json(json.loads({json.dumps(task.to_json())!r})))"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("copied") >= 2
