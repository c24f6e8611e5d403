"""The sweep of an experiment: batches of units on a pool, each result logged when it comes."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from contextlib import ExitStack
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from amsim.progress import whole_runs

from .pools import Pool, PoolError
from .progress import Progress

Measure: TypeAlias = Callable[..., Mapping[str, ArrayLike]]
Parameters: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]

# Short units are sent in batches that take about this long, in seconds: much longer than sending
# them, and no great loss where a driver dies.
_BATCH = 0.2
# Driver and scheduler spend milliseconds on a task: with many workers batches are longer.
_TASKS_PER_SECOND = 100
_SMOOTHING = 0.3  # of the last batch in the running mean of seconds per unit
_WIDTH_INTERVAL = 1.0  # seconds between two looks how many workers there are
# Seconds without a result after which a person who waits is told, and again.
_NOTICE_INTERVAL = 10.0


class Sweep:
    """Measures units, in any order.

    Parameters
    ----------
    measure : callable
        ``measure(seed=..., **parameters)``, importable by the workers.
    unit : callable
        ``unit(number)`` returns parameters and seed.
    keep : callable
        Takes the rows of finished units, and returns when they are safe.
    pool : Pool
    progress : Progress
        Is told how long no unit has come back.

    Notes
    -----
    A row has the "unit" number, its "seconds", and "results" by name, or the "error" and
    "traceback" of a unit that failed.
    """

    def __init__(
        self,
        measure: Measure,
        unit: Callable[[int], tuple[Parameters, np.random.SeedSequence]],
        keep: Callable[[Sequence[Row]], object],
        pool: Pool,
        progress: Progress,
    ) -> None:
        self._measure, self._unit, self._keep, self._pool = measure, unit, keep, pool
        self._progress = progress
        self._todo: deque[int] = deque()
        self._running: dict[Future[list[Row]], list[int]] = {}
        self._done: SimpleQueue[Future[list[Row]]] = SimpleQueue()
        self._suspects: list[int] = []
        self._broken = False
        self._seconds = math.inf  # of one unit, on average
        self._width, self._width_checked = 0, -math.inf

    def run(self, numbers: Iterable[int]) -> None:
        """Measure the units with these numbers.

        Raises
        ------
        PoolError
            If the workers are gone.
        """
        self._todo.extend(numbers)
        with ExitStack() as stack:
            try:
                while self._todo or self._running or self._suspects:
                    self._fill_workers()
                    self._collect()
                    if self._broken and not self._running:
                        self._recover(stack)
            except KeyboardInterrupt:
                self._collect(wait=False)
                raise

    def _fill_workers(self) -> None:
        """Give every worker a batch, and one to go on with."""
        if time.monotonic() - self._width_checked > _WIDTH_INTERVAL:
            self._width, self._width_checked = self._pool.width(), time.monotonic()
        budget = max(_BATCH, self._width / _TASKS_PER_SECOND)
        while self._todo and self._done.empty() and not self._broken:
            if len(self._running) >= 2 * self._width:
                break
            fair = math.ceil(len(self._todo) / (2 * self._width))
            count = min(fair, max(1, int(budget / self._seconds)))
            self._submit([self._todo.popleft() for _ in range(count)], budget)

    def _submit(self, numbers: list[int], budget: float) -> None:
        units = [(number, *self._unit(number)) for number in numbers]
        try:
            future = self._pool.executor.submit(work, self._measure, units, budget)
        except BrokenExecutor:
            self._broken = True
            self._todo.extendleft(reversed(numbers))
            return
        self._running[future] = numbers
        future.add_done_callback(self._done.put)

    def _collect(self, *, wait: bool = True) -> None:
        """Keep what has arrived, all in one go."""
        arrived = [self._next()] if wait and self._running else []
        try:
            while True:
                arrived.append(self._done.get_nowait())
        except Empty:
            pass
        rows: list[Row] = []
        try:
            for future in arrived:
                rows += self._take(future)
        finally:
            if rows:
                self._keep(rows)

    def _next(self) -> Future[list[Row]]:
        """Wait for the next batch, and say so if that takes long: twice as long each time."""
        start, told = time.monotonic(), 0
        while True:
            until = start + _NOTICE_INTERVAL * 2**told
            try:
                return self._done.get(timeout=max(until - time.monotonic(), 0.0))
            except Empty:
                told += 1
                self._progress.silent(time.monotonic() - start, self._pool.poll())

    def _take(self, future: Future[list[Row]]) -> list[Row]:
        """Return the rows of a batch; what it did not get to is sent again."""
        numbers = self._running.pop(future)
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, KeyboardInterrupt):
            raise PoolError("the workers are gone: what they were given was cancelled")
        if error is None:
            rows = future.result()
            self._todo.extendleft(reversed(numbers[len(rows) :]))
            self._update_speed(sum(row["seconds"] for row in rows) / len(rows))
            return rows
        if isinstance(error, BrokenExecutor):
            self._broken = True
            self._suspects += numbers
        elif len(numbers) > 1:
            # One unit of the batch lost more workers than the cluster allows: which one?
            for number in numbers:
                self._submit([number], 0.0)
        else:
            return [failure(numbers[0], error)]
        return []

    def _update_speed(self, seconds: float) -> None:
        seconds = max(seconds, 1e-6)
        known = self._seconds if math.isfinite(self._seconds) else seconds
        self._seconds = (1 - _SMOOTHING) * known + _SMOOTHING * seconds

    def _recover(self, stack: ExitStack) -> None:
        """Start anew after a process died.

        Which unit killed it is not known: each that was in flight is measured again in a process of
        its own, where a second death has one possible cause.
        """
        if self._pool.renew is None:
            raise PoolError("a worker died, and its executor with it; pass a new executor")
        suspects, self._suspects = self._suspects, []
        for start in range(0, len(suspects), self._width):
            self._one_by_one(suspects[start : start + self._width], self._pool.renew)
        self._pool = stack.enter_context(self._pool.renew(self._width))
        self._broken = False

    def _one_by_one(self, numbers: Sequence[int], renew: Callable[[int], Any]) -> None:
        with ExitStack() as stack:
            futures = {}
            for number in numbers:
                executor = stack.enter_context(renew(1)).executor
                unit = [(number, *self._unit(number))]
                futures[executor.submit(work, self._measure, unit, 0.0)] = number
            for future in as_completed(futures):
                error, number = future.exception(), futures[future]
                died = isinstance(error, BrokenExecutor)
                self._keep([failure(number, _death(error))] if died else future.result())


def _death(error: BaseException | None) -> PoolError:
    """What ended the process of a unit for the second time, when it was alone."""
    cause = getattr(error, "__cause__", None)  # the traceback of the process, as text in quotes
    lines = [line.strip() for line in str(cause or "").split("\n") if line.strip(' "')]
    reason = lines[-1] if lines else "a crash, or out of memory"
    return PoolError(f"its process died twice, the second time alone: {reason}")


def work(
    measure: Measure,
    units: Iterable[tuple[int, Parameters, np.random.SeedSequence]],
    budget: float,
) -> list[Row]:
    """Measure the first of these units, and more of them until the seconds are used up."""
    rows: list[Row] = []
    end = time.perf_counter() + budget
    # Sums over several threads would differ with their number.
    with _thread_pools(len(sys.modules)).limit(limits=1):
        for number, parameters, seed in units:
            start = time.perf_counter()
            try:
                with whole_runs():  # no unit is measured from half a run
                    results = measure(seed=seed, **parameters)
                row = {"unit": number, "results": {k: _plain(v) for k, v in results.items()}}
            except Exception as error:
                row = failure(number, error)
            rows.append(row | {"seconds": round(time.perf_counter() - start, 6)})
            if time.perf_counter() > end:
                break
    return rows


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> Any:
    """Those of the libraries in this process, looked for again after an import: it takes long."""
    import scipy.linalg  # noqa: F401 (its BLAS has to be loaded to be limited)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def failure(number: int, error: BaseException) -> Row:
    """Make the row of a unit that failed."""
    return {
        "unit": number,
        "error": " ".join(f"{type(error).__name__}: {error}".split()),
        "traceback": "".join(traceback.format_exception(error)),
        "seconds": 0.0,
    }


def _plain(value: ArrayLike) -> Any:
    return np.asarray(value, dtype=np.float64).tolist()
