"""Fair timings on a shared machine: one thread, one accuracy, contenders in turn.

NumPy is not imported here, so that :func:`one_thread` can come first.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

TURN = 0.05  # seconds
LADDER = tuple(10 ** (-3 - step / 2) for step in range(19))  # 1e-3, 3.2e-4, ... 1e-12


def one_thread() -> None:
    """Limit BLAS, OpenMP, Numba and XLA to one thread; call it before importing any of them."""
    loaded = {"numpy", "scipy", "numba", "jax"} & sys.modules.keys()
    if loaded:
        raise RuntimeError(f"{', '.join(sorted(loaded))} already imported; call one_thread() first")
    # NPROC sizes the thread pool of XLA's CPU client. The flags often quoted for it
    # (--xla_cpu_multi_thread_eigen=false, intra_op_parallelism_threads=1) still use every core.
    for name in ("OPENBLAS", "MKL", "OMP", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = "1"
    os.environ["NPROC"] = "1"


def blas_kernel() -> str:
    """Return the processor that NumPy's BLAS takes this one for; warn if that costs speed.

    An OpenBLAS older than the processor falls back to its slowest kernel, several times slower in
    matrix products, and then compares NumPy's contenders unfairly with those that bring their own.
    """
    import numpy as np
    from threadpoolctl import threadpool_info

    folder = str(Path(np.__file__).parent)  # or numpy.libs beside it: the same beginning
    pools = (pool for pool in threadpool_info() if pool["filepath"].startswith(folder))
    kernel = next((pool.get("architecture", "unknown") for pool in pools), "unknown")
    if kernel == "Prescott":
        print("warning: OpenBLAS runs its oldest kernel; set OPENBLAS_CORETYPE (say, SkylakeX)")
    return str(kernel)


@dataclass
class Timing:
    """CPU and wall times of one contender in seconds, or a note that says why there are none."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def cpu_median(self) -> float:
        return median(self.cpu) if self.cpu else math.nan

    @property
    def wall_median(self) -> float:
        return median(self.wall) if self.wall else math.nan


def interleave(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Warm up every contender once, then time them in turn, A B C A B C ..., `rounds` times.

    Taking turns spreads a slow spell of the machine over all of them. A turn repeats a short run
    until `TURN` is over, so that all are timed with their own code and data in the caches. A
    contender whose package is missing is noted as not installed and left out.
    """
    timings = {name: Timing() for name in contenders}
    for name, run in contenders.items():
        try:
            run()
        except ImportError as error:
            timings[name].note = f"not installed ({error.name})"
    for _ in range(rounds):
        for name, run in contenders.items():
            timing = timings[name]
            if timing.note:
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            calls = 0
            while not calls or time.perf_counter() - wall < TURN:
                run()
                calls += 1
            timing.cpu.append((time.process_time() - cpu) / calls)
            timing.wall.append((time.perf_counter() - wall) / calls)
    for timing in timings.values():
        # A median: one reading of a fast run can be off by the resolution of either clock.
        if timing.cpu and timing.cpu_median > 1.1 * timing.wall_median:
            timing.note = "used more than one core"
    return timings


@dataclass(frozen=True)
class Calibration:
    """The loosest tolerance that meets the target, or the most accurate one tried."""

    rtol: float
    error: float
    reached: bool
    note: str = ""


def tolerance_for(
    solve: Callable[[float], Any],
    reference: Any,
    target: float = 1e-6,
    budget: float = 60.0,
    loosest: float = LADDER[0],
) -> Calibration:
    """Walk `rtol` down from `loosest` until `solve(rtol)` is within `target` of the reference.

    Parameters
    ----------
    solve : callable
        Takes rtol, returns the states at the output times; may raise RuntimeError to give up.
    reference : ndarray
        The exact states, of the same shape.
    target : float
        Largest error allowed, in the max norm over times, cues and units.
    budget : float
        CPU seconds that one solve may take before the walk stops short.
    loosest : float
        The first `rtol` tried; smaller ones are those of `LADDER`.
    """
    best = Calibration(math.nan, math.inf, False)
    for rtol in (step for step in LADDER if step <= loosest):
        start = time.process_time()
        try:
            error = float(abs(solve(rtol) - reference).max())
        except RuntimeError as failure:
            return Calibration(best.rtol, best.error, False, str(failure))
        if error <= target:
            return Calibration(rtol, error, True)
        if error < best.error:  # false for NaN, the error of an unstable run
            best = Calibration(rtol, error, False)
        if time.process_time() - start > budget:
            return Calibration(best.rtol, best.error, False, f"{budget:.0f} s per solve used up")
    return best


def show(rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows with the same keys as an aligned table."""
    rows = list(rows)
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def markdown(rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows with the same keys as a table of a page."""
    rows = list(rows)
    if not rows:
        return
    for cells in (list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)):
        print(f"| {' | '.join(_text(cell) for cell in cells)} |")


def dump(content: object, path: Path) -> None:
    """Write JSON; numbers that do not exist (NaN) become null."""
    path.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
