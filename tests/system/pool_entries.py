"""What test workers run instead of harmonizing: each does the thing its task's `source` names."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
from loguru import logger

from pipeline.allocators import keep_little
from pipeline.errors import ContentError, FileCode, PipelineError
from pipeline.messages import HarmonizeResult, HarmonizeTask, RowCounts

CANARY = "Ada Lovelace 12345"  # stands for a cell: it must never leave the worker


class Stubborn(Exception):
    """Cannot be pickled, nor printed."""

    def __init__(self) -> None:
        super().__init__(CANARY)
        self.lock = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError(CANARY)


def obey(task: HarmonizeTask) -> HarmonizeResult:
    """Do what the task says: `verb` or `verb argument`."""
    verb, _, argument = task.source.partition(" ")
    action: Callable[[str], HarmonizeResult] = globals()[f"do_{verb}"]
    return action(argument)


def result(note: str = "") -> HarmonizeResult:
    return HarmonizeResult(
        contract="patients",
        contract_version=note or str(os.getpid()),
        counts=RowCounts(read=1, written=1),
        outputs=(),
    )


def do_nothing(_: str) -> HarmonizeResult:
    return result()


def do_sleep(seconds: str) -> HarmonizeResult:
    time.sleep(float(seconds))
    return result()


def do_sleep_deaf_to_sigterm(seconds: str) -> HarmonizeResult:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(seconds))
    return result()


def do_hold_the_gil(seconds: str) -> HarmonizeResult:
    ctypes.PyDLL(None).sleep(int(seconds))  # PyDLL keeps the GIL while C code runs
    return result()


def do_segfault(_: str) -> NoReturn:
    ctypes.string_at(0)
    raise AssertionError


def do_abort(_: str) -> NoReturn:
    os.abort()


def do_abort_without_memory(_: str) -> NoReturn:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def do_exit(code: str) -> NoReturn:
    os._exit(int(code))


def do_sys_exit(code: str) -> NoReturn:
    sys.exit(int(code))


def do_kill_self(_: str) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def do_hog(_: str) -> HarmonizeResult:
    hoard = [bytearray(8 * 1024 * 1024) for _ in range(4096)]
    return result(str(len(hoard)))


def do_hog_arrow(_: str) -> HarmonizeResult:
    hoard = [pa.allocate_buffer(64 * 1024 * 1024) for _ in range(512)]
    return result(str(len(hoard)))


def do_hog_threads(_: str) -> HarmonizeResult:
    stop = threading.Event()
    try:
        for _number in range(100_000):
            threading.Thread(target=stop.wait, daemon=True).start()
    finally:
        stop.set()
    return result()


def do_hog_and_refuse(_: str) -> HarmonizeResult:
    try:
        return do_hog("")
    except MemoryError:
        note = "a reader that takes every error for bad content"
        raise ContentError(FileCode.UNSUPPORTED, note) from None


def do_refuse(_: str) -> NoReturn:
    raise ContentError(FileCode.DATE_AMBIGUOUS, "column 'dob', 12 values", ("line one", "line two"))


def do_refuse_for_now(_: str) -> NoReturn:
    raise PipelineError(FileCode.STORAGE, "the disk is full")


def do_raise_stubborn(_: str) -> NoReturn:
    raise Stubborn


def do_raise_with_value(_: str) -> NoReturn:
    pa.array([CANARY]).cast(pa.int64())
    raise AssertionError


def do_return_rubbish(_: str) -> HarmonizeResult:
    return object()  # type: ignore[return-value]


def do_return_set(_: str) -> HarmonizeResult:
    return result({1, 2})  # type: ignore[arg-type]


def do_print(_: str) -> HarmonizeResult:
    print(CANARY, flush=True)
    print(CANARY * 10_000, file=sys.stderr, flush=True)
    os.write(1, CANARY.encode() * 100)
    return result()


def do_log(count: str) -> HarmonizeResult:
    for i in range(int(count)):
        logger.bind(number=i).info("a line from inside")
    return result()


def do_spawn(pid_file: str) -> HarmonizeResult:
    child = subprocess.Popen(["sleep", "1000"])
    Path(pid_file).write_text(str(child.pid))
    time.sleep(1000)
    return result()


def do_close_everything(_: str) -> HarmonizeResult:
    os.closerange(3, 1000)
    time.sleep(1000)
    return result()


def do_talk_nonsense(_: str) -> HarmonizeResult:
    for fd in Path("/proc/self/fd").iterdir():
        if fd.is_socket():
            os.write(int(fd.name), b"\x00\xff not a message\n")
    time.sleep(1000)
    return result()


def do_tell_umask(_: str) -> HarmonizeResult:
    mask = os.umask(0o77)
    os.umask(mask)
    return result(oct(mask))


def do_tell_memory(_: str) -> HarmonizeResult:
    status = Path("/proc/self/status").read_text()
    return result(next(line for line in status.splitlines() if line.startswith("VmData")))


def do_use_arrow_and_tell_memory(_: str) -> HarmonizeResult:
    keep_little()
    texts = pa.array([f"{number:08}" for number in range(400_000)])

    def use(_: int) -> int:
        return sum(len(pc.utf8_upper(pc.utf8_reverse(texts))) for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(use, range(4))) == 4 * 20 * len(texts)
    table = pa.table({"texts": texts})
    with pa.ipc.new_stream(pa.BufferOutputStream(), table.schema) as stream:
        stream.write(table)
    return do_tell_memory("")


def do_list_modules(_: str) -> HarmonizeResult:
    return result(" ".join(sorted(sys.modules)))


def do_tell_limits(_: str) -> HarmonizeResult:
    interrupt = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return result(f"{os.getpgrp() == os.getpid()} {interrupt} {os.environ['OPENBLAS_NUM_THREADS']}")


class SpecialRefusal(ContentError):
    """A kind of refusal only one module knows."""


def do_refuse_specially(_: str) -> NoReturn:
    raise SpecialRefusal(FileCode.EMPTY, "no rows")


def do_interrupt(_: str) -> NoReturn:
    raise KeyboardInterrupt


def do_fill_the_disk(_: str) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device", f"/srv/{CANARY}.csv")


def do_quote_memory(_: str) -> NoReturn:
    raise ValueError("could not convert string to float: 'out of memory'")
