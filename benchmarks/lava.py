"""What a step of Lava costs: populations, the same graph without work, fused, and the kernel alone.

    python benchmarks/lava.py --sizes 64x100 256x1000 784x2000 --json lava.json

CPU time of all processes of a graph and of the program that started it, per step of Lava, in turn
and over the same recalls; medians. "empty" are the same processes with the same messages and no
arithmetic, once in a Session and once under Lava's own runtime. "kernel" is a period of the
emulator's arithmetic without Lava, to compare with "fused", which does 16 periods in a step of Lava
as the backend "lava-fused" does, or one. Of the emulator with many cues the time is per step of one
cue, in turn with populations that recall one. "lava-float" is compared with DOP853.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import harness

# "import lava" must not find this file, so its folder gives way to that of the empty models.
sys.path[0] = str(Path(__file__).parent / "lava_empty")

SIZES = ("64x100", "256x1000", "784x2000")
STEPS = 192  # of a turn: a recall is on its way; it starts anew with every turn


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that this process and the children have used so far."""
    return time.process_time() + 1e-9 * sum(
        int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[0]) for pid in pids
    )


class Graph:
    """A graph that is running, with so many periods in a step of Lava if it is fused."""

    def __init__(
        self,
        stack: ExitStack,
        plan: Any,
        job: Any,
        config: Any,
        *,
        periods: int = 1,
        own: bool = True,
    ) -> None:
        from lava.magma.core.run_conditions import RunSteps

        from hardware.lava import Session
        from hardware.lava.graph.processes import DenseAM
        from hardware.lava.shared_job import SharedJob

        self.job, self.periods = job, periods
        self.process = DenseAM(plan, SharedJob(plan, job, periods=periods))
        if own:
            session = stack.enter_context(Session(self.process, config))
            self.pids, self.run = session.pids, session.run
        else:
            self.process.run(RunSteps(num_steps=1), config)
            stack.callback(self.process.stop)
            actors = self.process.runtime._messaging_infrastructure.actors
            self.pids = [actor.pid for actor in actors]
            self.run = lambda steps: self.process.run(RunSteps(num_steps=steps))

    def __call__(self) -> int:
        """Run a turn; the number of steps, or of periods if it is fused."""
        self.process.job.load(self.job)
        steps = STEPS // self.periods
        self.run(steps)
        return steps * self.periods


def network(size: int, count: int) -> tuple[Any, Any]:
    """A plan and a cue of random patterns."""
    import amsim as am
    import hardware as hw

    patterns = am.patterns.random(count, size, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(beta=8 / size), tau_hidden=0.1)
    return hw.compile(net), am.patterns.corrupt(patterns[0], flip=0.3, seed=1)


def measure(size: int, count: int, rounds: int, batch: int) -> dict[str, float]:
    """CPU milliseconds per step, or per period, of every contender."""
    import numpy as np
    from empty import MODELS
    from lava.magma.core.run_configs import Loihi2SimCfg

    import hardware as hw
    from hardware.emulator import Machine
    from hardware.lava.backend import FUSED_PERIODS
    from hardware.run import prepare

    plan, cue = network(size, count)
    job, _ = prepare(plan, np.tile(cue, (batch, 1)), steps=STEPS * plan.period)
    empty = Loihi2SimCfg(
        select_tag="fixed_pt", select_sub_proc_model=True, exception_proc_model_map=MODELS
    )
    fused = hw.lava.config("lava-fused")

    def kernel() -> int:
        machine = Machine(plan, job)
        for t in range(STEPS * plan.period):
            machine.step(t)
        return STEPS

    with ExitStack() as stack:
        contenders: dict[str, Any] = {
            "empty, Lava's runtime": Graph(stack, plan, job, empty, own=False),
            "populations": Graph(stack, plan, job, hw.lava.config("lava")),
            "empty, in a Session": Graph(stack, plan, job, empty),
            "fused, 1 period": Graph(stack, plan, job, fused),
            "fused": Graph(stack, plan, job, fused, periods=FUSED_PERIODS),
            "kernel": kernel,
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 1):
            # Back and forth, so that nobody always follows the same one.
            for name, run in list(contenders.items())[:: -1 if turn % 2 else 1]:
                pids = getattr(run, "pids", [])
                before = cpu_seconds(pids)
                steps = run()
                if turn:
                    times[name].append((cpu_seconds(pids) - before) / steps * 1e3)
    cost = {name: median(values) for name, values in times.items()}
    # The two of a ratio ran in the same turn: ratios first, then the median.
    for above, below in (
        ("populations", "empty, Lava's runtime"),
        ("populations", "empty, in a Session"),
        ("fused", "kernel"),
    ):
        ratios = [a / b for a, b in zip(times[above], times[below], strict=True)]
        cost[f"{above} / {below}"] = median(ratios)
    return cost


def emulated(rounds: int, size: int = 64, count: int = 100, batch: int = 256) -> dict[str, float]:
    """CPU microseconds of one cue in one step: populations, the emulator with many cues; ratio."""
    import numpy as np

    import amsim as am
    import hardware as hw
    from hardware import emulator
    from hardware.run import prepare

    emulator._WORTH_COMPILING = 0  # in compiled loops, as for long recalls
    plan, cue = network(size, count)
    patterns = am.patterns.random(count, size, seed=0)
    cues = am.patterns.corrupt(patterns[np.arange(batch) % count], flip=0.3, seed=1)
    one, _ = prepare(plan, cue[None], steps=STEPS)
    many, _ = prepare(plan, cues, steps=STEPS)
    if (emulator.emulate(plan, many).settled >= 0).any():
        raise RuntimeError("a cue came to rest: steps that are not computed must not be counted")
    times: dict[str, list[float]] = {"populations": [], "emulator": []}
    with ExitStack() as stack:
        graph = Graph(stack, plan, one, hw.lava.config("lava"))
        for turn in range(rounds + 1):
            before = cpu_seconds(graph.pids)
            graph()
            between = cpu_seconds(graph.pids)
            emulator.emulate(plan, many)
            if turn:
                times["populations"].append((between - before) / STEPS * 1e6)
                seconds = cpu_seconds(graph.pids) - between
                times["emulator"].append(seconds / (STEPS * batch) * 1e6)
    ratio = median(a / b for a, b in zip(*times.values(), strict=True))
    return {name: median(values) for name, values in times.items()} | {"ratio": ratio}


def float_error(beta: float, parts: int, count: int = 100, taus: int = 6) -> float:
    """Largest error of "lava-float" with dt = tau / parts, over all periods of 8 recalls."""
    import numpy as np

    import amsim as am
    import hardware as hw

    digits = am.patterns.digits(count, seed=0)
    cues = am.patterns.corrupt(digits[:8], flip=0.2, seed=1)
    net = am.dense_am(digits, hidden=am.Softmax(beta), tau_hidden=0.1)
    plan = hw.compile(net, dt=1 / parts)
    periods = taus * parts
    steps = (periods + 1) * plan.period
    result = hw.run(plan, cues, steps=steps, backend="lava-float", record=("visible",))
    found = result.states("visible")[:: plan.period] / plan.visible.scale
    solver = am.ScipyODE("DOP853", rtol=1e-9, atol=1e-9)
    times = np.arange(periods + 1) / parts
    exact = am.simulate(net, cues, solver=solver, times=times, until=None)["visible"]
    return float(np.abs(found - exact).max())


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


def failure(size: int = 64, count: int = 100) -> float:
    """Seconds from the death of a child to the error, with all processes ended."""
    import hardware as hw

    plan, cue = network(size, count)
    seconds = []
    for _ in range(5):
        process = hw.lava.build(plan, cue)
        killed = [0.0]

        def kill(pid: int, killed: list[float] = killed) -> None:
            killed[0] = time.perf_counter()
            os.kill(pid, signal.SIGKILL)

        with hw.lava.Session(process) as session:
            threading.Timer(0.1, kill, [session.pids[0]]).start()
            with suppress(hw.lava.LavaError):
                session.run(10**6)
            seconds.append(time.perf_counter() - killed[0])
    return median(seconds)


def cold_recall() -> tuple[float, float]:
    """CPU and wall seconds of `amsim run --backend lava` on one digit."""
    import resource

    import numpy as np

    import amsim as am
    import hardware as hw

    def children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    digits = am.patterns.digits(100, seed=0)
    with TemporaryDirectory() as folder:
        plan, cue, out = (Path(folder) / name for name in ("plan.json", "cue.npy", "out"))
        hw.compile(am.dense_am(digits, hidden=am.Softmax(beta=2.0))).save(plan)
        np.save(cue, am.patterns.corrupt(digits[3], flip=0.2, seed=1))
        command = [sys.executable, "-m", "amsim", "run", "--backend", "lava"]
        files = ["--plan", str(plan), "--cues", str(cue), "--out", str(out)]
        before, start = children(), time.perf_counter()
        # Not in this folder: `-m` would find this very file under the name of Lava.
        subprocess.run([*command, *files], check=True, capture_output=True, cwd=folder)
        return children() - before, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="DxK")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    harness.one_thread()
    print(f"BLAS kernel: {harness.blas_kernel()}")
    print("CPU ms per step (fused and kernel: per period)")
    costs = {
        name: measure(*map(int, name.split("x")), options.rounds, options.batch)
        for name in options.sizes
    }
    rows = next(iter(costs.values()))
    harness.show({"": row} | {name: costs[name][row] for name in costs} for row in rows)
    speed = emulated(options.rounds)
    print(
        f"one cue, one step: populations {speed['populations']:.0f} us, "
        f"emulator with 256 cues {speed['emulator']:.2f} us, {speed['ratio']:.0f} times less"
    )
    print("\nlava-float: largest error in any period of 6 tau, 8 cues of 100 digits")
    errors = [
        {"": f"beta {beta:g}"}
        | {f"dt = tau / {parts}": float_error(beta, parts) for parts in (10, 20, 40)}
        for beta in (0.5, 1.0, 2.0, 8.0)
    ]
    harness.show(errors)
    values = readout()
    print(f"readout: {values / 1e6:.0f} M values/s")
    print(f"a killed child is an error after {failure() * 1e3:.0f} ms")
    cpu, wall = cold_recall()
    print(f"amsim run --backend lava on one cue: {wall:.2f} s ({cpu:.2f} s CPU)")
    if options.json:
        found = {"steps": costs, "emulator": speed, "float": errors, "readout": values}
        harness.dump(found | {"cold": [cpu, wall]}, options.json)


if __name__ == "__main__":
    main()
