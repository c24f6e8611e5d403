"""What any layers cost beside two: compilation, and steps in the emulator and in Lava.

    python benchmarks/graph_speed.py

One memory of 64 features and 100 softmax memories, planned as two layers and as a graph, and the
three levels of `benchmarks/hierarchy.py`. CPU times, with those of Lava's processes: the time of a
step is the difference of a long and a short run, medians of --rounds in turn.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import hierarchy
import numpy as np

import amsim as am
import hardware as hw
from hardware.planner import compile_graph

# "import lava" must not find the file of that name beside this one.
sys.path[0] = str(Path(__file__).parent / "lava_empty")

RUNS = (("emulator", 256), ("lava-fused", 1), ("lava", 1))  # backend, cues
SHORT, LONG = 16, 96  # periods, after which nothing is at rest


def cpu() -> float:
    """Of this process, and of the processes of graphs that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def step(plan: Any, cue: np.ndarray, backend: str, count: int) -> float:
    """CPU seconds of a step and cue."""
    cues, times = np.tile(cue, (count, 1)), []
    for periods in (SHORT, LONG):
        before = cpu()
        hw.run(plan, cues, steps=periods * plan.period, backend=backend)
        times.append(cpu() - before)
    return (times[1] - times[0]) / (LONG - SHORT) / plan.period / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    digits = am.patterns.digits(100, seed=0)
    memory, levels = am.dense_am(digits, hidden=am.Softmax(beta=2.0)), hierarchy.network()
    planned = {
        "two layers": lambda: hw.compile(memory),
        "the same as a graph": lambda: compile_graph(memory),
        "six layers": lambda: hw.compile(levels),
    }
    for backend in ("lava", "lava-fused"):  # imported
        hw.run(hw.compile(memory), digits[0], steps=1, backend=backend)
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(args.rounds):
        for name, make in planned.items():
            row = rows.setdefault(name, {})
            before = time.process_time()
            plan = make()
            row.setdefault("compile, ms", []).append(1e3 * (time.process_time() - before))
            for backend, count in RUNS:
                cue = am.patterns.corrupt(digits[0], flip=0.2, seed=1)
                hw.run(plan, np.tile(cue, (9, 1)), steps=LONG * plan.period)  # compiled, or loaded
                label = f"{backend}, {count} cue{'s' if count > 1 else ''}, us a step and cue"
                row.setdefault(label, []).append(1e6 * step(plan, cue, backend, count))
    print(f"{'':44}" + "".join(f"{name:>22}" for name in rows))
    for label in next(iter(rows.values())):
        print(f"{label:44}" + "".join(f"{median(row[label]):22.2f}" for row in rows.values()))


if __name__ == "__main__":
    main()
