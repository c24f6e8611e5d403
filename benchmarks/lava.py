"""What a step of Lava costs: populations, the same graph without work, fused, and the kernel alone.

    python benchmarks/lava.py --sizes 64x100 256x1000 784x2000 --json lava.json

CPU time of all processes of a graph and of the program that started it, per step of Lava, in turn
and over the same recalls; medians. "empty" are the same processes with the same messages and no
arithmetic, once in a Session and once under Lava's own runtime. "kernel" is a period of the
emulator's arithmetic without Lava, to compare with "fused", whose step is a period.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import harness

# "import lava" must not find this file, so its folder gives way to that of the empty models.
sys.path[0] = str(Path(__file__).parent / "lava_empty")

SIZES = ("64x100", "256x1000", "784x2000")
STEPS = 200


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that this process and the children have used so far."""
    return time.process_time() + 1e-9 * sum(
        int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids
    )


class Graph:
    """A running graph, and the CPU times of its steps."""

    def __init__(
        self, stack: ExitStack, process: Any, config: Any, *, guarded: bool = True
    ) -> None:
        from lava.magma.core.run_conditions import RunSteps

        from hardware.lava import Session

        if guarded:
            session = stack.enter_context(Session(process, config))
            self.pids, self.run = session.pids, session.run
        else:
            process.run(RunSteps(num_steps=1), config)
            stack.callback(process.stop)
            self.pids = [a.pid for a in process.runtime._messaging_infrastructure.actors]
            self.run = lambda steps: process.run(RunSteps(num_steps=steps))


def network(size: int, count: int) -> tuple[Any, Any]:
    """A plan and a cue of random patterns; recall goes on for as long as is needed."""
    import amsim as am
    import hardware as hw

    patterns = am.patterns.random(count, size, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(beta=8 / size), tau_hidden=0.1)
    return hw.compile(net), am.patterns.corrupt(patterns[0], flip=0.3, seed=1)


def measure(size: int, count: int, rounds: int, batch: int) -> dict[str, float]:
    """CPU milliseconds per step of every contender."""
    import numpy as np
    from empty import MODELS
    from lava.magma.core.run_configs import Loihi2SimCfg

    import hardware as hw
    from hardware.emulator import Machine
    from hardware.run import prepare

    plan, cue = network(size, count)
    cues = np.tile(cue, (batch, 1)) if batch > 1 else cue
    steps = STEPS * (rounds + 1)
    empty = Loihi2SimCfg(
        select_tag="fixed_pt", select_sub_proc_model=True, exception_proc_model_map=MODELS
    )
    with ExitStack() as stack:

        def graph(
            config: Any, steps: int = steps, *, periods: int = 1, guarded: bool = True
        ) -> Graph:
            process = hw.lava.build(plan, cues, steps=steps * periods, periods=periods)
            return Graph(stack, process, config, guarded=guarded)

        graphs = {
            "populations": graph(hw.lava.config("lava")),
            "empty": graph(empty),
            "empty, Lava's runtime": graph(empty, guarded=False),
            "fused": graph(hw.lava.config("lava-fused"), steps * plan.period),
            "fused, 8 periods": graph(hw.lava.config("lava-fused"), steps * plan.period, periods=8),
        }
        machine = Machine(plan, prepare(plan, np.atleast_2d(cues))[0])
        done = 0

        def kernel(periods: int) -> None:
            nonlocal done
            for t in range(done * plan.period, (done + periods) * plan.period):
                machine.step(t)
            done += periods

        contenders: dict[str, tuple[Callable[[int], object], list[int]]] = {
            name: (graph.run, graph.pids) for name, graph in graphs.items()
        }
        contenders["kernel"] = (kernel, [])
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 1):
            for name, (run, pids) in contenders.items():
                before = cpu_seconds(pids)
                run(STEPS)
                if turn:
                    times[name].append((cpu_seconds(pids) - before) / STEPS * 1e3)
    return {name: median(values) for name, values in times.items()}


def readout(count: int = 2000, batch: int = 256) -> float:
    """Values per second that Var.get reads from a running graph."""
    import numpy as np

    import hardware as hw

    plan, cue = network(64, count)
    process = hw.lava.build(plan, np.tile(cue, (batch, 1)))
    with hw.lava.Session(process) as session:
        session.run(2)
        process.h.get()
        seconds = []
        for _ in range(9):
            start = time.perf_counter()
            process.h.get()
            seconds.append(time.perf_counter() - start)
    return batch * count / median(seconds)


def cold_recall() -> tuple[float, float]:
    """CPU and wall seconds of a program that recalls one digit in Lava."""
    code = (
        "import amsim as am, hardware as hw\n"
        "digits = am.patterns.digits(100, seed=0)\n"
        "plan = hw.compile(am.dense_am(digits, hidden=am.Softmax(beta=2.0)))\n"
        "hw.run(plan, am.patterns.corrupt(digits[3], flip=0.2, seed=1), backend='lava')\n"
    )
    import resource

    def children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before, start = children(), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return children() - before, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="DxK")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    harness.one_thread()
    rows = []
    for name in options.sizes:
        size, count = map(int, name.split("x"))
        cost = measure(size, count, options.rounds, options.batch)
        ratios = {
            "populations / empty": cost["populations"] / cost["empty"],
            "fused / kernel": cost["fused"] / cost["kernel"],
        }
        rows.append({"D x K": name, **cost, **ratios})
    print("CPU ms per step of Lava (fused and kernel: per period)")
    harness.show(rows)
    values = readout()
    print(f"readout: {values / 1e6:.0f} M values/s")
    cpu, wall = cold_recall()
    print(f"one cue in a new program: {wall:.2f} s ({cpu:.2f} s CPU)")
    if options.json:
        harness.dump({"steps": rows, "readout": values, "cold": [cpu, wall]}, options.json)


if __name__ == "__main__":
    main()
