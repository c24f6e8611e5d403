"""What recalls cost beside their matrix products: compiling, loading, steps.

    OPENBLAS_CORETYPE=SkylakeX python benchmarks/recall_costs.py

CPU seconds in one thread. First come processes of their own: the first recall without any compiled
code, with it, and what single recalls take in both. Then one right-hand side of a batch in units of
two products of NumPy, of its precision and in turn with it, medians; what `traj.energy` adds to a
recall; and one call by one worker and by two, whose wall time needs a machine with two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import harness

# Units, memories, cues; float64 where the patterns are no whole numbers.
BATCHES = ((784, 1000, 64), (64, 100_000, 64))
SINGLES = ((64, 10), (784, 1000))


def recall(units: int, count: int, cues: int, real: bool = False) -> Callable[..., Any]:
    """A recall of damaged random patterns, as a function of the options of `simulate`."""
    import numpy as np

    import amsim as am

    patterns = am.patterns.random(count, units, seed=0)
    start = am.patterns.corrupt(np.resize(patterns, (cues, units)), flip=0.25, seed=1)
    if real:
        patterns = patterns * (1 + 1e-9)
    network = am.dense_am(patterns, hidden=am.Softmax(beta=units**-0.5), tau_hidden=0.1)
    return lambda **options: am.simulate(network, start, **options)


def child() -> None:
    """Print the CPU seconds of recalls in this process, the first of which may have to compile."""
    loaded = time.process_time()
    batch, singles = recall(784, 1000, 64), [recall(*size, 1) for size in SINGLES]
    found: dict[str, Any] = {"import": loaded}
    order = [*singles, batch] if "--single" in sys.argv else [batch, *singles]
    for run in order:
        name = "batch" if run is batch else f"single {SINGLES[singles.index(run)]}"
        readings = []
        for _ in range(1 if run is batch else 10):
            before = time.process_time()
            run()
            readings.append(time.process_time() - before)
        found[name] = [readings[0], median(readings[1:] or readings)]
    print(json.dumps(found))


def process(folder: str, *options: str) -> Any:
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
    command = [sys.executable, __file__, "--child", *options]
    return json.loads(subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout)  # fmt: skip


def in_processes(rounds: int) -> list[dict[str, Any]]:
    """First recalls on a machine without compiled code, and in later processes there."""
    rows = []
    for options in ((), ("--single",)):
        readings: dict[str, list[Any]] = {"bare": [], "later": []}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                readings["bare"].append(process(folder, *options))
                process(folder, *options)  # loads from disk what the next finds in memory
                readings["later"].append(process(folder, *options))
        for state, found in readings.items():
            for name in found[0]:
                if name != "import":
                    rows.append({
                        "process": state, "order": " ".join(options) or "--batch", "recall": name,
                        "first CPU s": median(x[name][0] for x in found),
                        "median CPU s": median(x[name][1] for x in found),
                    })  # fmt: skip
    return rows


def against_products(rounds: int, batches: Any = BATCHES) -> list[dict[str, Any]]:
    """One right-hand side of all cues over two products of NumPy with float patterns."""
    import numpy as np

    import amsim as am

    rows = []
    for units, count, cues in batches:
        runs: dict[str, Callable[[], Any]] = {}
        for name, kind, real in (("float32", np.float32, False), ("float64", np.float64, True)):
            patterns = am.patterns.random(count, units, seed=0).astype(kind)
            query = np.resize(patterns, (cues, units)).copy()
            hidden, visible = np.empty((cues, count), kind), np.empty((cues, units), kind)

            def pair(
                query: Any = query, patterns: Any = patterns, hidden: Any = hidden,
                visible: Any = visible,
            ) -> None:  # fmt: skip
                np.matmul(query, patterns.T, out=hidden)
                np.matmul(hidden, patterns, out=visible)

            solve = recall(units, count, cues, real)
            runs[f"pair {name}"] = pair
            runs[name] = lambda solve=solve: solve(t1=10.0, times=[0.0, 10.0], until=None)
        timings = harness.interleave(runs, rounds)
        for name in ("float32", "float64"):
            rhs = runs[name]().stats["rhs"] / cues
            one = timings[name].cpu_median / rhs
            two = timings[f"pair {name}"].cpu_median
            rows.append({
                "D x K x cues": f"{units}x{count}x{cues}", "products": name, "rhs/cue": rhs,
                "ms / rhs": 1e3 * one, "ms / pair": 1e3 * two, "ratio": one / two,
            })  # fmt: skip
    return rows


def energies(rounds: int) -> list[dict[str, Any]]:
    """A recall recorded at 100 times, with its energies and without."""
    import numpy as np

    solve, times = recall(784, 1000, 1), np.linspace(0.0, 10.0, 100)
    runs = {
        "recall": lambda: solve(times=times),
        "and its energies": lambda: solve(times=times).energy,
    }
    timings = harness.interleave(runs, rounds)
    return [{"784x1000, 100 times": n, "CPU ms": 1e3 * x.cpu_median} for n, x in timings.items()]


def by_workers(rounds: int) -> list[dict[str, Any]]:
    """Cues by one worker and by two; what CPU time allows holds on a machine with other work, too.

    The thread that calls works alone, before and after the others, which share the rest.
    """
    rows = []
    for cues in (64, 256):
        solve = recall(784, 1000, cues)
        alone: list[float] = []

        def two(solve: Any = solve, alone: list[float] = alone) -> None:
            before = time.thread_time()
            solve(workers=2)
            alone.append(time.thread_time() - before)

        timings = harness.interleave({"1": lambda solve=solve: solve(workers=1), "2": two}, rounds)
        one, both, serial = timings["1"], timings["2"], median(alone)
        rows.append(
            {
                "784x1000, cues": cues,
                "wall ms, 1 worker": 1e3 * one.wall_median,
                "2 workers": 1e3 * both.wall_median,
                "CPU ms, 1 worker": 1e3 * one.cpu_median,
                "CPU ms, 2 workers": 1e3 * both.cpu_median,
                "of one thread alone": 1e3 * serial,
                "gain that CPU time allows": one.cpu_median
                / (serial + (both.cpu_median - serial) / 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument("--turns", type=int, default=9, help="timings of each batch")
    parser.add_argument("--json", type=Path, help="also write the tables here")
    options = parser.parse_args()
    harness.one_thread()
    results: dict[str, Any] = {"blas kernel": harness.blas_kernel()}
    print("BLAS kernel:", results["blas kernel"])
    if options.rounds:
        results["processes"] = in_processes(options.rounds)
        harness.show(results["processes"])
    if options.turns:
        results["batches"] = against_products(options.turns)
        harness.show(results["batches"])
        for name, measure in (("energies", energies), ("workers", by_workers)):
            results[name] = measure(options.turns)
            harness.show(results[name])
    if options.json:
        harness.dump(results, options.json)


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
