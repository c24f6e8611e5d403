"""Other event-driven simulators on one network of tanh units, each behind ``build(...) -> run``.

Units x relax to what their registers hold and announce tanh(x) whenever it has moved by a quantum;
messages travel for `delay` (one number, or one per link). A run returns the number of deliveries
and the CPU seconds that the simulation itself took, without building and compiling.
"""

from __future__ import annotations

import heapq
import math
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Run = Callable[[], tuple[int, float]]


@dataclass(frozen=True)
class Problem:
    """Visible and hidden units with weights (K, D), from a cue, up to time t1 in units of tau."""

    weights: Floats
    cue: Floats
    quantum: float
    t1: float
    low: float
    high: float  # delays are uniform between both

    def start(self) -> tuple[Floats, Floats]:
        """Visible and hidden states at t = 0."""
        return self.cue, self.weights @ np.tanh(self.cue)

    def delay(self) -> Any:
        """One number, or the distribution that amsim draws each link's from."""
        if self.low == self.high:
            return self.low
        from scipy.stats import uniform

        return uniform(self.low, self.high - self.low)

    def delays(self, seed: int, shape: tuple[int, int]) -> Any:
        """One number, or one per link."""
        if self.low == self.high:
            return self.low
        return np.random.default_rng(seed).uniform(self.low, self.high, shape)


def brian2(target: str, dt: float, problem: Problem, *, uneven: bool = False) -> Run:
    """Two events per unit, a quantum up and a quantum down, on a grid of dt.

    Delays that are all equal become one for Brian2, and a message one entry in a queue. With
    `uneven`, every other link (at random) is longer by dt. A standalone run does not count
    deliveries.
    """
    import brian2 as b2

    standalone = target == "cpp_standalone"
    b2.BrianLogger.log_level_error()
    if standalone:
        b2.set_device("cpp_standalone", build_on_run=False)
        b2.device.reinit()
        b2.device.activate(build_on_run=False)
        b2.prefs.devices.cpp_standalone.openmp_threads = 0
    else:
        b2.set_device("runtime")
        b2.prefs.codegen.target = target
    b2.defaultclock.dt = dt * b2.second
    quantum, objects, groups = problem.quantum, [], []
    visible, hidden = problem.start()
    weights = problem.weights
    targets = weights.T @ np.tanh(hidden), weights @ np.tanh(visible)
    for x, goal in zip((visible, hidden), targets, strict=True):
        group = b2.NeuronGroup(
            len(x),
            "dx/dt = (target - x) / second : 1\ntarget : 1\nsaid : 1",
            events={
                "rise": f"tanh(x) >= said + {quantum}",
                "fall": f"tanh(x) <= said - {quantum}",
            },
            method="exact",
        )
        group.run_on_event("rise", f"said += {quantum}")
        group.run_on_event("fall", f"said -= {quantum}")
        group.x, group.target, group.said = x, goal, np.tanh(x)
        groups.append(group)
        objects += [group, *(b2.EventMonitor(group, e, record=False) for e in ("rise", "fall"))]
    for a, b, matrix in ((0, 1, weights.T), (1, 0, weights)):
        delay = problem.delays(a, matrix.shape)
        if uneven:
            delay = delay + dt * np.random.default_rng(a).integers(2, size=matrix.shape)
        same = {} if np.ndim(delay) else {"delay": {"rise": delay * b2.second,
                                                    "fall": delay * b2.second}}  # fmt: skip
        link = b2.Synapses(
            groups[a],
            groups[b],
            "w : 1",
            on_pre={
                "rise": f"target_post += w * {quantum}",
                "fall": f"target_post -= w * {quantum}",
            },
            on_event={"rise": "rise", "fall": "fall"},
            **same,
        )
        link.connect()
        link.w = matrix.ravel()
        if np.ndim(delay):
            link.rise.delay = link.fall.delay = delay.ravel() * b2.second
        objects.append(link)
    network = b2.Network(*objects)
    monitors = [item for item in objects if isinstance(item, b2.EventMonitor)]
    fan = [len(hidden), len(hidden), len(visible), len(visible)]

    def deliveries() -> int:
        return int(sum(int(m.num_events) * n for m, n in zip(monitors, fan, strict=True)))

    if not standalone:
        network.store()

        def run() -> tuple[int, float]:
            network.restore()
            begun = time.process_time()
            network.run(problem.t1 * b2.second)
            return deliveries(), time.process_time() - begun

        return run
    folder, device = tempfile.mkdtemp(), b2.get_device()  # others are set later
    device.insert_code("before_network_run", "std::clock_t begun = std::clock();")
    device.insert_code(
        "after_network_run",
        'std::ofstream("cpu") << double(std::clock() - begun) / CLOCKS_PER_SEC;',
    )
    network.run(problem.t1 * b2.second)
    device.build(directory=folder, run=False)

    def run_binary() -> tuple[int, float]:
        # Not by the device, which knows the network that was built last.
        subprocess.run([Path(folder) / "main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return 0, float((Path(folder) / "cpu").read_text())

    return run_binary


def python_heap(problem: Problem) -> Run:
    """A heap of deliveries in plain Python, exact crossings; one message per unit in the queue."""
    visible, hidden = problem.start()
    size, quantum, t1 = len(visible), problem.quantum, problem.t1
    rows = [*problem.weights.T.tolist(), *problem.weights.tolist()]
    delay = {a: problem.delays(a, (len(rows[a * size]),) * 2) for a in (0, 1)}
    goals = [*(problem.weights.T @ np.tanh(hidden)), *(problem.weights @ np.tanh(visible))]
    start = [*visible, *hidden]

    def run() -> tuple[int, float]:
        begun, count, serial = time.process_time(), 0, 0
        x, goal, since = list(start), list(goals), [0.0] * len(start)
        said, version = [math.tanh(value) for value in start], [0] * len(start)
        queue: list[tuple[float, int, int, int, float]] = []

        def plan(i: int) -> None:
            nonlocal serial
            up = goal[i] > x[i]
            level = said[i] + (quantum if up else -quantum)
            if abs(level) < 1:
                span = goal[i] - math.atanh(level)
                if (span > 0) == up and span:
                    serial += 1
                    version[i] = serial
                    t = since[i] + math.log(max((goal[i] - x[i]) / span, 1.0))
                    heapq.heappush(queue, (t, serial, i, -1, 0.0))
                    return
            version[i] = -1

        for i in range(len(x)):
            plan(i)
        while queue and queue[0][0] <= t1:
            t, number, i, sender, change = heapq.heappop(queue)
            if sender < 0 and version[i] != number:
                continue
            x[i] = goal[i] + (x[i] - goal[i]) * math.exp(since[i] - t)
            since[i] = t
            if sender >= 0:
                count += 1
                goal[i] += change
            else:
                step = quantum if goal[i] > x[i] else -quantum
                said[i] += step
                first, side = (size, 0) if i < size else (0, 1)
                for k, weight in enumerate(rows[i]):
                    serial += 1
                    late = problem.low if problem.low == problem.high else delay[side][0][k]
                    heapq.heappush(queue, (t + late, serial, first + k, i, weight * step))
            plan(i)
        return count, time.process_time() - begun

    return run
