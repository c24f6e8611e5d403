"""The operating-system processes of one Lava graph: started, watched and ended together."""

import contextlib
import faulthandler
import gc
import math
import mmap
import multiprocessing
import os
import signal
import struct
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_REPORT_BYTES = 1 << 16
_JOIN_SECONDS = 1.0
_POLL_SECONDS = 0.01
_REPORT_SECONDS = 1.0  # that a report may be later than the death of another child
_WAITING = ("pypychannel.py", "lava/channels.py")  # where a child waits for a message


class LavaError(RuntimeError):
    """A Lava graph failed and was ended; the message holds the traceback of its process."""


class LavaTimeoutError(LavaError, TimeoutError):
    """A Lava graph made no progress within the time limit, and was ended."""


def shared_array(shape: tuple[int, ...], dtype: Any = np.float64) -> NDArray[Any]:
    """Zeros in memory that this process shares with the children it forks later.

    The memory has no name: nothing of it can be left behind in /dev/shm.

    Parameters
    ----------
    shape, dtype
        As of `numpy.zeros`.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, buffer=mmap.mmap(-1, max(size, 1)))


class WorkerStatus:
    """What one child tells its parent: commands done, and why it failed.

    Plain shared memory, since a lock or a pipe could be left locked or half written by a child
    that dies.
    """

    _HEADER = struct.Struct("qqqd")  # ready, commands done, bytes of the report, time of failure

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._HEADER.size + _REPORT_BYTES)
        self._counts: NDArray[np.int64] = np.ndarray(3, np.int64, buffer=self._memory)
        self._stack = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close(); has no name either

    @property
    def ready(self) -> bool:
        return bool(self._counts[0])

    @property
    def progress(self) -> int:
        return int(self._counts[0] + self._counts[1])

    @property
    def failure(self) -> tuple[float, str] | None:
        """Time and traceback of the child's exception."""
        *_, size, when = self._HEADER.unpack_from(self._memory)
        start = self._HEADER.size
        return (when, self._memory[start : start + size].decode(errors="replace")) if size else None

    @property
    def stack(self) -> str:
        """Where the child was when it got the stack signal, innermost call first."""
        text = os.pread(self._stack.fileno(), _REPORT_BYTES, 0).decode(errors="replace")
        lines = text.splitlines()
        ours = [i for i, line in enumerate(lines) if line.endswith("in _run_child")]
        return "\n".join(lines[: ours[0]] if ours else lines)  # below is where the parent was

    def answer_stack_signal(self) -> None:
        # Written by a handler in C, which answers even if the interpreter is stuck.
        faulthandler.register(signal.SIGUSR1, file=self._stack, all_threads=False)

    def mark_ready(self) -> None:
        self._counts[0] = 1

    def count(self) -> None:
        self._counts[1] += 1

    def close(self) -> None:
        self._stack.close()

    def report(self) -> None:
        """Keep the traceback of the exception that is being handled."""
        text = traceback.format_exc().encode(errors="replace")
        if len(text) > _REPORT_BYTES:  # the calls come first, what was raised last
            half = _REPORT_BYTES // 2
            text = text[:half] + text[-half:]
        start = self._HEADER.size
        self._memory[start : start + len(text)] = text
        struct.pack_into("d", self._memory, 24, time.monotonic())
        self._counts[2] = len(text)  # last: it says that the rest is complete


class WorkerGroup:
    """The children of one session; only they are ever signalled, by their process ids."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.dismissed = False  # from now on a child may end
        self._children: list[tuple[str, Any, WorkerStatus]] = []

    def start(self, name: str, build: Callable[[WorkerStatus], Any]) -> None:
        """Fork a child that builds an actor and runs it.

        Parameters
        ----------
        name
            What error messages call it.
        build
            Called in the child; returns an object whose ``start()`` does the work.
        """
        status = WorkerStatus()
        child = multiprocessing.get_context("fork").Process(
            target=_run_child, args=(build, status, self.owner), name=name, daemon=True
        )
        with _interrupts_held():
            child.start()
            self._children.append((name, child, status))

    @property
    def ready(self) -> bool:
        return all(status.ready for _, _, status in self._children)

    @property
    def progress(self) -> int:
        """A number that grows while anything is done."""
        return sum(status.progress for _, _, status in self._children)

    @property
    def pids(self) -> list[int]:
        return [child.pid for _, child, _ in self._children]

    def check(self) -> None:
        """Raise `LavaError` if a child has failed or died."""
        self._raise_failures()
        dead = self._dead()
        if not dead:
            return
        if not any(code < 0 for _, _, code in dead):
            self.wait_for_reports()
            dead = self._dead()
        # Who was killed by a signal did not end because of another.
        name, pid, code = min(dead, key=lambda child: (child[2] >= 0, child[2] == 0))
        raise LavaError(f"{name} (process {pid}) died {_cause_of_death(code)}; the graph was ended")

    def wait_for_reports(self) -> None:
        """Raise the `LavaError` of a child that failed, for some time from now.

        A child that fails takes others along, which may be seen to end, or to answer, before its
        report is.
        """
        limit = time.monotonic() + _REPORT_SECONDS
        while time.monotonic() < limit:
            self._raise_failures()
            time.sleep(_POLL_SECONDS)

    def _dead(self) -> list[tuple[str, int, int]]:
        """Name, process id and exit code of every child that ended and should not have."""
        ended = [(name, child) for name, child, _ in self._children if not child.is_alive()]
        return [
            (name, child.pid, child.exitcode)
            for name, child in ended
            if not (self.dismissed and child.exitcode == 0)
        ]

    def _raise_failures(self) -> None:
        failures = [(status.failure, name) for name, _, status in self._children if status.failure]
        if failures:
            (_, report), name = min(failures)  # the first one: the others may be consequences
            raise LavaError(f"{name} failed; the graph was ended. Its traceback:\n{report}")

    def stacks(self) -> str:
        """Where the busy children are now; if all wait, where those that wait for a message are."""
        for _, child, _ in self._children:
            os.kill(child.pid, signal.SIGUSR1)
        time.sleep(0.1)
        stacks = [(f"{name} (process {child.pid})", b.stack) for name, child, b in self._children]
        busy = [entry for entry in stacks if not any(file in entry[1] for file in _WAITING)]
        waiting = [entry for entry in stacks if "in recv" in entry[1] and "in run_spk" in entry[1]]
        return "\n".join(f"{name}:\n{stack}" for name, stack in busy or waiting or stacks)

    def end(self, grace: float = 0.0) -> None:
        """End all children: wait `grace` seconds for them to end on their own, then kill them."""
        if os.getpid() != self.owner:
            return
        with _interrupts_held():
            deadline = time.monotonic() + grace
            for _, child, _ in self._children:
                child.join(max(0.0, deadline - time.monotonic()))
            for _, child, _ in self._children:
                child.kill()
            for _, child, _ in self._children:
                child.join(_JOIN_SECONDS)
                with contextlib.suppress(ValueError):  # it cannot be killed: the kernel holds it
                    child.close()
            for _, _, status in self._children:
                status.close()
            self._children.clear()


def _run_child(build: Callable[[WorkerStatus], Any], status: WorkerStatus, parent: int) -> None:
    gc.freeze()  # a search of the parent's objects for garbage would copy all their memory
    # Ctrl-C reaches every process of the terminal; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    status.answer_stack_signal()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        actor = build(status)
        status.mark_ready()
        actor.start()
    except BaseException:
        status.report()
        os._exit(1)  # no second traceback on stderr


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _cause_of_death(exitcode: int) -> str:
    if exitcode >= 0:
        return f"with exit code {exitcode}"
    return f"of signal {signal.Signals(-exitcode).name}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until a child is on the list, or until all are ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
