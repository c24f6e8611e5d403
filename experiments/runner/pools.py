"""Pools of workers: this process, local processes, Dask, any executor."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from amsim import checks

_DASK_TIMEOUT = 10.0  # seconds to wait for a Dask scheduler to answer
_POLL_INTERVAL = 1.0  # seconds between two looks whether the driver is still there
_MOST_PROCESSES, _MOST_WORKERS = 1024, 10**6
# Loggers that tell at length what we say in one line.
_SILENCED_LOGGERS = ("distributed", "tornado", "asyncio")


class PoolError(RuntimeError):
    """The workers cannot be reached, or are gone."""


@dataclass
class Pool:
    """An executor, and what a sweep has to know about it.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    width : callable
        How many units it measures at once, now.
    poll : callable, optional
        ``poll()`` says in words what is seen of the workers; it raises PoolError if they are gone.
    renew : callable, optional
        ``renew(workers)`` gives a context manager with a new pool, after a process died and took
        this one with it.
    """

    executor: Executor
    width: Callable[[], int]
    poll: Callable[[], str] = lambda: "units may take long, or the workers have stopped"
    renew: Callable[[int], Any] | None = None


@contextmanager
def open_pool(
    jobs: int = 1, scheduler: str | None = None, executor: Executor | None = None
) -> Iterator[Pool]:
    """Choose: an executor that is given, a Dask cluster, local processes, or none."""
    if executor is not None and scheduler is not None:
        raise ValueError("executor and scheduler exclude each other; pass one of them")
    jobs = count_jobs(jobs, here=executor is None and scheduler is None)
    if executor is not None:
        yield Pool(executor, lambda: jobs)
    elif scheduler is not None:
        with _dask(scheduler) as pool:
            yield pool
    elif jobs == 1:
        yield Pool(_InProcess(), lambda: 1)
    else:
        with local(jobs) as pool:
            yield pool


def count_jobs(jobs: int, *, here: bool) -> int:
    """Check a number of workers: of processes on this machine, or of those elsewhere."""
    return checks.count("jobs", jobs, at_most=_MOST_PROCESSES if here else _MOST_WORKERS)


@contextmanager
def local(jobs: int) -> Iterator[Pool]:
    """Start processes by joblib's loky; they end with this block, and with this process."""
    from joblib.externals.loky import ProcessPoolExecutor

    threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "MKL", "OMP", "NUMBA")}
    executor = ProcessPoolExecutor(jobs, initializer=_start, initargs=(os.getpid(),), env=threads)
    try:
        yield Pool(_Undisturbed(executor), lambda: jobs, renew=local)
    finally:
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def _dask(address: str) -> Iterator[Pool]:
    """Connect to a cluster that runs already; it tries again what a lost worker had."""
    import asyncio

    from amsim.errors import MissingDependencyError

    late = (TimeoutError, asyncio.TimeoutError)  # Dask raises the second: one class from 3.11 on

    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host
    except ImportError as error:
        raise MissingDependencyError(
            "a Dask cluster needs distributed; install it with: pip install 'amsim[cluster]'"
        ) from error
    try:
        get_address_host(address)  # of what is no address a client would complain again at its end
        connect: Any = Client  # without types
        client = connect(address, timeout=_DASK_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise PoolError(f"no Dask scheduler answers at {address!r}: {reason}") from error
    # Not pure: what is sent again has to run again.
    executor = client.get_executor(pure=False)
    known = 0  # threads, when the scheduler last answered

    def threads() -> int | None:
        """How many there are now, or None if the scheduler does not answer."""
        nonlocal known
        if client.scheduler is None:  # the client has lost it, and closed itself
            raise PoolError(f"the Dask scheduler at {address} is gone")
        try:
            found = client.sync(
                client.scheduler.ncores, workers=None, callback_timeout=_POLL_INTERVAL
            )
        except late:
            return None
        except OSError as error:
            raise PoolError(f"the Dask scheduler at {address} is gone: {error}") from error
        known = int(sum(found.values()))
        return known

    def poll() -> str:
        found = threads()
        if found is None:
            return f"the Dask scheduler at {address} does not answer"
        return f"the Dask scheduler at {address} has {found or 'no'} worker threads"

    def width() -> int:
        threads()
        return max(1, known)

    if not client.nthreads():
        warnings.warn(f"{address} has no workers yet; units wait for them", stacklevel=2)
    with _quiet():
        try:
            yield Pool(executor, width, poll)
        finally:
            executor.shutdown(wait=False)
            with suppress(*late):  # an error of the sweep is the one to tell of
                client.close(timeout=_DASK_TIMEOUT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the logs of Dask to itself: each end of a cluster is one line of ours."""
    known = [
        name for name in logging.root.manager.loggerDict if name.split(".")[0] in _SILENCED_LOGGERS
    ]
    levels = {name: logging.getLogger(name).level for name in known}
    for name in known:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class _InProcess(Executor):
    """Does the work when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Undisturbed(Executor):
    """Hands work on; processes that are started for it never see Ctrl-C, which comes to all."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        if hasattr(signal, "pthread_sigmask"):
            from multiprocessing import resource_tracker

            resource_tracker.ensure_running()  # its start would let go what is held back

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _ctrl_c_held_back():
            return self._executor.submit(fn, *args, **kwargs)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Processes inherit what is held back; here it comes a moment later."""
    if hasattr(signal, "pthread_sigmask"):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    else:
        yield


def _start(driver: int) -> None:
    """Prepare a process: Ctrl-C is for the driver, and without a driver there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_POLL_INTERVAL)
        os._exit(1)

    # Elsewhere the parent of an orphan does not change; it ends where it asks for more work.
    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()
