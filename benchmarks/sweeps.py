"""What a sweep costs beside its units: processes, Dask and the log on disk against a plain loop.

python benchmarks/sweeps.py [--units 40] [--rounds 3] [--json sweeps.json]
"""

from __future__ import annotations

import harness

if __name__ == "__main__":  # workers import this module, too
    harness.one_thread()

import argparse
import tempfile
import time
from concurrent.futures import Executor, Future, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from experiments.runner.design import Design
from experiments.runner.experiment import Experiment, Quantity
from experiments.runner.pools import Pool, open_pool
from experiments.runner.progress import Progress
from experiments.runner.sweep import Sweep, work
from experiments.runner.unit_log import UnitLog, read

SECONDS = 0.1
SHORT = 2000  # units that do nothing


def spin(*, rounds, seed):
    """Compute something that takes the same time everywhere and every time."""
    total = 0.0
    for number in range(rounds):
        total += number % 7
    return {"total": total}


def unit(rounds, number):
    return {"rounds": rounds}, np.random.SeedSequence(0, spawn_key=(number,))


def calibrate():
    """Rounds of `spin` that take SECONDS of CPU."""
    rates = []
    for _ in range(5):
        start = time.process_time()
        spin(rounds=200_000, seed=None)
        rates.append(200_000 / (time.process_time() - start))
    return int(median(rates) * SECONDS)


def plain_loop(rounds, units):
    for number in range(units):
        parameters, seed = unit(rounds, number)
        spin(seed=seed, **parameters)


def sweep(pool, folder, rounds, units):
    """The same through a sweep, with a log on disk."""
    path = Path(folder) / f"{time.monotonic_ns()}.jsonl"
    with UnitLog(path) as log:
        Sweep(spin_by_name(), partial(unit, rounds), log.append, pool, Progress(units)).run(
            range(units)
        )
    assert path.read_bytes().count(b"\n") == units


def spin_by_name():
    """The function of this module under the name by which workers can import it."""
    import sweeps

    return sweeps.spin


def start_dask(stack, workers):
    from distributed import LocalCluster

    return stack.enter_context(
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0",
            host="127.0.0.1", silence_logs=50,
        )
    ).scheduler_address  # fmt: skip


def contenders(stack, folder, rounds, units):
    """Name, workers and a function for everything that is timed; pools are open and warm."""
    rows = [("plain loop", 1, partial(plain_loop, rounds, units))]
    choices = [("in process", 1, {}), ("processes", 2, {"jobs": 2})]
    try:
        choices += [
            (f"Dask, {n} worker{'s' * (n > 1)}", n, {"scheduler": start_dask(stack, n)})
            for n in (1, 2)
        ]
    except ImportError:
        print("Dask: not installed (pip install 'amsim[cluster]')")
    for name, workers, options in choices:
        start = time.perf_counter()
        pool = stack.enter_context(open_pool(**options))
        sweep(pool, folder, 1, 4 * workers)
        print(f"{name}: ready after {time.perf_counter() - start:.1f} s")
        rows.append((name, workers, partial(sweep, pool, folder, rounds, units)))
    return rows


def fsync_seconds(folder):
    times = []
    for _ in range(20):
        with UnitLog(Path(folder) / "fsync.jsonl") as log:
            start = time.perf_counter()
            log.append([{"unit": 0, "results": {"x": 0.1}, "seconds": 0.1}])
            times.append(time.perf_counter() - start)
    return median(times)


class Instantly(Executor):
    """A cluster that has every task done at once, each unit in one second."""

    def __init__(self):
        self.tasks = 0

    def submit(self, fn, measure, units, budget, /):
        self.tasks += 1
        results = {"distance": 0.123456789, "messages": 1234.0, "time": 12.3, "same": 1.0}
        future = Future()
        future.set_result(
            [{"unit": number, "results": results, "seconds": 1.0} for number, *_ in units]
        )
        return future


def asynchrony_like(units):
    """A design whose results are those of `Instantly`."""
    results = {name: Quantity(name) for name in ("distance", "messages", "time", "same")}
    sizes = {"toy": {"repeats": units}}
    return Design.of(Experiment("driver", "?", spin, {}, results, sizes, draw=len, judge=len))


def driver(folder, units):
    """What the driver does for a thousand workers, and what is left to do at the end."""
    executor, path = Instantly(), Path(folder) / "driver.jsonl"
    cpu, wall = time.process_time(), time.perf_counter()
    with UnitLog(path) as log:
        pool = Pool(executor, lambda: 1000)
        Sweep(spin, partial(unit, 1), log.append, pool, Progress(units)).run(range(units))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    start = time.process_time()
    assert sum(1 for _ in read(path, asynchrony_like(units))) == units
    return {
        "units": units,
        "units per task": units / executor.tasks,
        "units/s": units / wall,
        "CPU per unit (us)": 1e6 * cpu / units,
        "read a unit (us)": 1e6 * (time.process_time() - start) / units,
        "log bytes per unit": path.stat().st_size / units,
    }


def task_costs(pool, tasks=400):
    """A task of one empty unit, with many under way.

    The CPU time is that of this process: of the driver, and of a Dask scheduler, but no worker.
    """
    units = [[(number, *unit(1, number))] for number in range(tasks)]
    cpu, wall = time.process_time(), time.perf_counter()
    wait([pool.executor.submit(work, spin_by_name(), one, 0.0) for one in units])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"task (ms)": 1e3 * wall / tasks, "its CPU here (ms)": 1e3 * cpu / tasks}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=40, help="of 0.1 s, for each contender")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rounds = calibrate()
    result = {"seconds": SECONDS, "rows": []}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="."))
        result["fsync"] = fsync_seconds(folder)
        print(f"one row on disk: {1e3 * result['fsync']:.1f} ms")
        long = contenders(stack, folder, rounds, args.units)
        timings = harness.interleave({name: run for name, _, run in long}, args.rounds)
        loop = timings["plain loop"].wall_median / args.units
        for name, workers, run in long:
            wall = timings[name].wall_median
            row = {
                "contender": name,
                "workers": workers,
                "units/s": args.units / wall,
                "efficiency": loop * args.units / (wall * workers),
                "overhead (ms)": 1e3 * (wall * workers / args.units - loop),
            }
            if name != "plain loop":
                short = partial(sweep, run.args[0], folder, 1, SHORT)
                start = time.perf_counter()
                short()
                row["empty unit (ms)"] = 1e3 * (time.perf_counter() - start) / SHORT
                row |= task_costs(run.args[0])
            else:
                row |= dict.fromkeys(
                    ("empty unit (ms)", "task (ms)", "its CPU here (ms)"), float("nan")
                )
            result["rows"].append(row)
        result["driver"] = driver(folder, 100_000)
    print(f"units of {SECONDS} s of CPU; overhead = workers x wall time per unit - plain loop")
    harness.show(result["rows"])
    print("empty unit: in batches of 0.2 s; task: one empty unit a task, with its thread limit")
    print("driver of 1000 workers with units of one second:")
    harness.show([result["driver"]])
    if args.json:
        harness.dump(result, args.json)


if __name__ == "__main__":
    main()
