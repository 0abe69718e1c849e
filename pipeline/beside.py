"""A second process that does a part of the work on one large file.

Threads suffice where Arrow and NumPy let go of the interpreter. Where most of the time is Python's
own they wait for each other; then a copy of this process works beside it. It begins with all that
is known here, shares the memory until one of the two writes to it, gets what it needs and gives its
answers through pipes, and is gone when its part is done.

Copying a process is safe only while no other thread of it may hold a lock: so only the main thread
does, and only when every other Python thread is known to stand aside. Arrow renews its thread pools
in the copy, and the C library and jemalloc their locks (pthread_atfork). The copy never runs exit
handlers or flushes files that it inherited.

It ends with this process, whatever ends that; what kills it kills this one likewise; and both
together get no more memory than this one alone would have had.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet

import pyarrow as pa

from pipeline.crossing import as_parts, from_parts
from pipeline.errors import PipelineError, trace_of

T = TypeVar("T")
R = TypeVar("R")

_PR_SET_PDEATHSIG = 1
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_ROOM_BYTES = 384 << 20  # a helper needs less; with less than that to spare none is made

_WANT_OF_MEMORY = ("out of memory", "cannot allocate memory", "unable to allocate", "bad_alloc")

_aside: WeakSet[threading.Thread] = WeakSet()


class FailedBeside(RuntimeError):
    """A mistake of ours in the other process: its type and where it came from, not its words."""


def stands_aside(thread: threading.Thread) -> None:
    """Tell that a thread takes no lock that work on a file needs, and may run on meanwhile."""
    _aside.add(thread)


def is_possible() -> bool:
    """Whether a copy of this process can be made now, and has a core and memory to work with."""
    if not hasattr(os, "fork") or len(os.sched_getaffinity(0)) < 2:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    others = set(threading.enumerate()) - set(_aside) - {threading.main_thread()}
    return not others and _share_of_memory(1) is not None


class Channel:
    """Objects through pipes, one after another. The buffers of arrays go as they are.

    The pipes have no name: nobody has an end of them but this process and its copy.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        with suppress(OSError, ImportError):
            import fcntl

            fcntl.fcntl(target, _F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, thing: Any) -> None:
        """Pass a thing on; waits while the other side has not taken what came before.

        Raises:
            BrokenPipeError: there is no other side any more.
        """
        parts = [memoryview(part).cast("B") for part in as_parts(thing)]
        sizes = struct.pack(f"<{len(parts)}Q", *(len(part) for part in parts))
        for part in (memoryview(struct.pack("<Q", len(parts)) + sizes), *parts):
            rest = part
            while rest:
                rest = rest[os.write(self._target, rest) :]

    def receive(self) -> Any:
        """The next thing.

        Raises:
            EOFError: the other side is gone.
        """
        (count,) = struct.unpack("<Q", self._exactly([8])[0])
        sizes = struct.unpack(f"<{count}Q", self._exactly([8 * count])[0])
        return from_parts(self._exactly(sizes))

    def is_ready(self) -> bool:
        """Whether something has arrived, or nothing ever will."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        return bool(poll.poll(0))

    def _exactly(self, sizes: Sequence[int]) -> list[memoryview]:
        """So many bytes, one after another; each on its own, for some are kept longer."""
        parts = [memoryview(pa.allocate_buffer(size)).cast("B") for size in sizes]
        for part in parts:
            rest = part
            while rest:
                read = os.readv(self._source, [rest])
                if not read:
                    raise EOFError
                rest = rest[read:]
        return parts

    def close(self) -> None:
        """Give up both ends."""
        for end in (self._source, self._target):
            with suppress(OSError):
                os.close(end)


class Helper(Generic[R]):
    """A copy of this process that does `work` and answers with what that returns."""

    def __init__(self, work: Callable[[Channel], R]) -> None:
        """Raises OSError when the system has no room for another process."""
        here, there = os.pipe(), os.pipe()
        self._limit = _share_of_memory(2)
        parent = os.getpid()
        try:
            self._pid = os.fork()
        except OSError:
            for end in (*here, *there):
                os.close(end)
            raise
        if not self._pid:
            try:
                os.close(here[0])
                os.close(there[1])
                _limit_memory(self._limit)
                _work_as_copy(parent, Channel(there[0], here[1]), work)
            finally:
                os._exit(0)
        os.close(here[1])
        os.close(there[0])
        self.channel = Channel(here[0], there[1])
        self._own_limit = resource.getrlimit(resource.RLIMIT_DATA)
        _limit_memory(self._limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def receive(self) -> Any:
        """What the helper has sent. Ends this process when something has killed the helper."""
        try:
            return self.channel.receive()
        except EOFError:
            self._end_likewise()
            raise FailedBeside("it ended without an answer") from None

    def answer(self) -> R:
        """What its work returned; what its work raised is raised here."""
        is_good, answer = self.receive()
        self.end()
        if not is_good:
            raise answer
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let it go; if it is still at work, nobody wants that any more."""
        if self._pid:
            self.channel.close()
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        pid, self._pid = self._pid, 0
        resource.setrlimit(resource.RLIMIT_DATA, self._own_limit)
        with suppress(ChildProcessError):
            return os.waitpid(pid, 0)[1]
        return 0

    def _end_likewise(self) -> None:
        """Something killed it (a crash, want of memory): it was our work, so it is our end."""
        status = self._wait()
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))


def helper(work: Callable[[Channel], R]) -> Helper[R] | None:
    """A helper for this work, if one is possible."""
    if not is_possible():
        return None
    try:
        return Helper(work)
    except OSError:  # the system has no room for another process
        return None


def _work_as_copy(parent: int, channel: Channel, work: Callable[[Channel], Any]) -> None:
    """The whole life of a helper."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process is told, and ends this one
    gc.freeze()  # to search what was there already for garbage would be to copy it
    try:
        answer = True, work(channel)
    except BaseException as error:  # noqa: BLE001 - it belongs to the other process
        answer = False, _that_can_cross(error)
    with suppress(BrokenPipeError):
        channel.send(answer)


def _that_can_cross(error: BaseException) -> BaseException:
    if isinstance(error, PipelineError | OSError | MemoryError):
        return error
    if any(words in str(error).lower() for words in _WANT_OF_MEMORY):
        return MemoryError()  # Arrow and NumPy have other names for it, too
    return FailedBeside(f"{type(error).__qualname__} at {' < '.join(trace_of(error))}")


def _share_of_memory(processes: int) -> int | None:
    """The limit of data for each of so many, counting what is used; None when that is too little.

    Without a limit it is RLIM_INFINITY.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:
        return soft
    used = _data_bytes()
    if soft - used < 2 * _ROOM_BYTES:
        return None
    return used + (soft - used) // processes


def _data_bytes() -> int:
    """What the kernel counts against the limit."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 0


def _limit_memory(limit: int | None) -> None:
    if limit is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


_AHEAD = 2  # items the helper has been given and not answered
_WAITING = 4  # results, at most, that wait for one before them


def shared_out(
    work: Callable[[int], R], count: int, counted: Callable[[], T], take: Callable[[T], None]
) -> Iterator[R]:
    """`map(work, range(count))`, some of it here and some in a helper; results come in order.

    What `work` returns must be plain data and arrays. What it counts elsewhere, `counted` tells in
    the helper at its end, and `take` is told it here.
    """
    one = helper(lambda channel: _answer_each(channel, work, counted))
    if one is None:
        yield from map(work, range(count))
        return
    with one:
        yield from _Shared(work, count, one).results()
        one.channel.send(None)
        take(one.answer())


def _answer_each(channel: Channel, work: Callable[[int], Any], counted: Callable[[], T]) -> T:
    """The helper's part of `shared_out`. Results are sent while the next one is made."""
    done: SimpleQueue[Any] = SimpleQueue()

    def send() -> None:
        with suppress(BrokenPipeError):
            while (one := done.get()) is not None:
                channel.send(one)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        while (at := channel.receive()) is not None:
            try:
                done.put((at, True, work(at)))
            except Exception as error:  # noqa: BLE001 - raised in its turn, over there
                done.put((at, False, _that_can_cross(error)))
    finally:
        done.put(None)
        sender.join()
    return counted()


class _Shared(Generic[R]):
    """Who does which of the items, and what has come of them."""

    def __init__(self, work: Callable[[int], R], count: int, helper: Helper[Any]) -> None:
        self._work, self._count, self._helper = work, count, helper
        self._next = self._given = 0
        self._done: dict[int, tuple[bool, Any]] = {}

    def results(self) -> Iterator[R]:
        """In order, or the first error."""
        for wanted in range(self._count):
            while wanted not in self._done:
                self._give(wanted)
                if self._next < min(self._count, wanted + _WAITING):
                    self._do_one()
                elif wanted not in self._done:
                    self._take()
            is_good, result = self._done.pop(wanted)
            if not is_good:
                raise result
            self._give(wanted + 1)
            yield result

    def _give(self, wanted: int) -> None:
        """Take what the helper has done, and keep it busy."""
        while self._given and self._helper.channel.is_ready():
            self._take()
        while self._given < _AHEAD and self._next < min(self._count, wanted + _WAITING):
            self._helper.channel.send(self._next)
            self._next, self._given = self._next + 1, self._given + 1

    def _take(self) -> None:
        at, is_good, result = self._helper.receive()
        self._done[at] = is_good, result
        self._given -= 1

    def _do_one(self) -> None:
        at, self._next = self._next, self._next + 1
        try:
            self._done[at] = True, self._work(at)
        except Exception as error:  # noqa: BLE001 - raised in its turn
            self._done[at] = False, error
