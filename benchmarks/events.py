"""Event-driven recall: deliveries per CPU second beside other simulators, and messages saved.

    python benchmarks/events.py                      # everything, some minutes
    python benchmarks/events.py speed --rounds 3
    python benchmarks/events.py savings corruption --figure events.png

`speed` runs one network of tanh units everywhere, in turn: the same units, weights, quantum and
delays; laying out links and compiling is not counted. amsim and the plain heap (a smaller network)
are exact in time; Brian2 has a grid of dt. The floor is the memory
traffic of a delivery (a weight, target and gap read and written, two levels, one key: 64 bytes)
over the bandwidth of a copy loop on arrays of the size of the weights, in the same run.
`savings` compares the messages of send-on-delta with those of a clock (exponential Euler, every
unit sends its output at every step) of the same RMS error. `corruption` counts messages and
synaptic operations to settle over damage of the cue.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    from event_peers import Problem, Run

BYTES = 64  # of a delivery: 5 numbers read, 3 written, all float64
GRID = 1e-3  # Brian2's step, in units of tau


def amsim_events(problem: Problem, scope: str = "broadcast") -> Run:
    """EventDriven; its own draw of delays where they differ between links."""
    import scipy.stats

    import amsim as am

    net = am.dense_am(problem.weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    delay: Any = problem.low
    if problem.low < problem.high:
        delay = scipy.stats.uniform(problem.low, problem.high - problem.low)
    timing = am.Timing(delay=delay, scope=scope)
    solver = am.EventDriven(problem.quantum, timing, max_events=10**9)

    def until(t1: float) -> tuple[int, float]:
        begun = time.process_time()
        traj = am.simulate(net, problem.cue, solver=solver, times=[t1], until=None)
        return int(traj.stats["synaptic_operations"]), time.process_time() - begun

    def run() -> tuple[int, float]:
        (early, setup), (count, seconds) = until(1e-6), until(problem.t1)
        return count - early, seconds - setup

    return run


def copy_floor(problem: Problem) -> Run:
    """How many deliveries fit through memory if nothing is computed."""
    import numpy as np

    source = problem.weights.copy()
    target = np.empty_like(source)

    def run() -> tuple[int, float]:
        begun, rounds = time.process_time(), 60
        for _ in range(rounds):
            np.copyto(target, source)
        seconds = time.process_time() - begun
        return int(rounds * 2 * source.nbytes / BYTES), seconds

    return run


def make_problem(size: str, quantum: float, t1: float, delays: tuple[float, float]) -> Problem:
    """Weights of random patterns, scaled so that the network recalls; a cue with 25 % flipped."""
    from event_peers import Problem

    from amsim import patterns

    units, count = map(int, size.split("x"))
    stored = patterns.random(count, units, seed=0)
    cue = patterns.corrupt(stored[0], flip=0.25, seed=1)
    return Problem(stored / units**0.5, cue, quantum, t1, *delays)


def speed(size: str, rounds: int, quantum: float) -> list[dict[str, Any]]:
    """Deliveries per CPU second, in turn."""
    from event_peers import brian2, python_heap

    rows = []
    for words, delays in (("delay 0.1", (0.1, 0.1)), ("delays 0.1 to 1.2 by link", (0.1, 1.2))):
        problem = make_problem(size, quantum, 1.0, delays)
        small = make_problem("64x80", 0.05, 1.0, delays)
        builders: dict[str, Callable[[], Run]] = {
            "amsim": partial(amsim_events, problem, "broadcast"),
            "amsim, link by link": partial(amsim_events, problem, "link"),
            "Brian2 C++ standalone": partial(brian2, "cpp_standalone", GRID, problem),
            "Brian2 Cython": partial(brian2, "cython", GRID, problem),
            "plain Python heap (64x80)": partial(python_heap, small),
            "copy floor": partial(copy_floor, problem),
        }
        if delays[0] < delays[1]:
            del builders["amsim"]
        rows += [{"delays": words, **row} for row in _rates(builders, rounds)]
    rows.append({"delays": "", "simulator": "NEST", "M deliveries/s": float("nan"),
                 "deliveries": 0, "note": _nest()})  # fmt: skip
    return rows


def _nest() -> str:
    try:
        import nest  # noqa: F401
    except ImportError:
        return "not installed"
    return "installed, but has no graded send-on-delta units"


def _rates(builders: dict[str, Callable[[], Run]], rounds: int) -> list[dict[str, Any]]:
    runs: dict[str, Run] = {}
    notes = dict.fromkeys(builders, "")
    for name, build in builders.items():
        try:
            runs[name] = build()
            runs[name]()
        except ImportError as error:
            notes[name] = f"not installed ({error.name})"
            runs.pop(name, None)
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    # Brian2 does not say how much has arrived by the end: in the same network, the same.
    arrived = found["amsim, link by link"][0][0]
    rows = []
    for name in builders:
        count, rate = 0, float("nan")
        if name in found:
            count = arrived if name.startswith("Brian2") else found[name][0][0]
            rate = count / median(seconds for _, seconds in found[name]) / 1e6
        rows.append({"simulator": name, "M deliveries/s": rate, "deliveries": count,
                     "note": notes[name]})  # fmt: skip
    return rows


def euler(network: Any, states: dict[str, Any], times: Any, step: float) -> dict[str, Any]:
    """Exponential Euler: every unit sends its output at every step."""
    import numpy as np

    decay = {n: np.exp(-step / layer.tau) for n, layer in network.layers.items()}
    now, found = {n: x.copy() for n, x in states.items()}, {n: [] for n in states}
    for index in range(round(times[-1] / step) + 1):
        for t in times:
            if index == round(t / step):
                for name, x in now.items():
                    found[name].append(x.copy())
        force = network.unchecked_force(now)
        now = {n: x + force[n] * (1 - decay[n]) for n, x in now.items()}
    return {name: np.array(rows) for name, rows in found.items()}


def savings(size: str) -> list[dict[str, Any]]:
    """Messages of events and of a clock at equal RMS error of the visible states."""
    import numpy as np

    import amsim as am

    units, count = map(int, size.split("x"))
    stored = am.patterns.random(count, units, seed=0)
    # Uneven, since signs of features that are exactly 0 would be decided by rounding.
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=1)
    cue = cue * np.random.default_rng(2).uniform(0.5, 1.5, units)
    times, rows = np.array([0.5, 1.0, 2.0, 4.0]), []
    accurate: Any = am.ExponentialIntegrator(1e-10, 1e-11)
    # No ODE solver here finds the jumps of signs: their reference is a run with small quanta.
    fine: Any = am.EventDriven(3e-4, announce="ahead", max_events=10**9)
    for features, hidden, solver in (("tanh", am.Tanh(), accurate), ("sign", am.Sign(), fine)):
        net = am.dense_am(stored / units**0.5, visible=am.Tanh(), hidden=hidden, tau_hidden=1.0)
        exact = am.simulate(net, cue, times=times, until=None, solver=solver)["visible"]
        first = am.simulate(net, cue, times=[0.0, 1e-9], until=None, solver=am.EventDriven(0.5))

        def rms(found: Any, exact: Any = exact) -> float:
            return float(np.sqrt(np.mean((found["visible"] - exact) ** 2)))

        steps = np.array([0.1, 0.05, 0.02, 0.01, 0.005, 0.0025])
        start = {name: first[name][0] for name in net.layers}
        clocked = np.array([rms(euler(net, start, times, float(h))) for h in steps])
        reached = np.minimum.accumulate(clocked)  # interp needs an order
        for quantum in (0.1, 0.03, 0.01, 0.003):
            for announce in ("output", "ahead"):
                solver = am.EventDriven(quantum, announce=announce)
                begun = time.process_time()
                traj = am.simulate(net, cue, times=times, until=None, solver=solver)
                seconds, error = time.process_time() - begun, rms(traj)
                # Of first order beyond the smallest and the largest step too.
                step = float(
                    np.exp(np.interp(np.log(error), np.log(reached[::-1]), np.log(steps[::-1])))
                )
                step *= min(error / reached[-1], 1.0) * max(error / reached[0], 1.0)
                sent = sum(int(n) for n in traj.stats["messages"].values())
                clock = (units + count) * times[-1] / step
                rows.append({"features": features, "announce": announce, "quantum": quantum,
                             "RMS error": error, "messages": sent, "clock's step": step,
                             "clock's messages": float(clock), "saved": clock / max(sent, 1),
                             "CPU s": seconds})  # fmt: skip
        if features == "tanh":
            rows += [
                {**dict.fromkeys(rows[0], ""), **row}
                for row in _without_events(net, cue, times, rms)
            ]
    return rows


def _without_events(
    net: Any, cue: Any, times: Any, rms: Callable[[Any], float]
) -> list[dict[str, Any]]:
    """What the CPU time buys with an ODE solver."""
    import amsim as am

    rows = []
    for rtol in (1e-1, 1e-2, 1e-3):
        begun = time.process_time()
        solver = am.ExponentialIntegrator(rtol, rtol)
        traj = am.simulate(net, cue, times=times, until=None, solver=solver)
        seconds = time.process_time() - begun
        rows.append({"features": "tanh", "announce": f"(ODE, rtol {rtol:g})",
                     "RMS error": rms(traj), "CPU s": seconds})  # fmt: skip
    return rows


def corruption(size: str) -> list[dict[str, Any]]:
    """Messages and synaptic operations until a damaged cue has settled."""
    import amsim as am

    units, count = map(int, size.split("x"))
    stored, rows = am.patterns.random(count, units, seed=0), []
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Softmax(0.1))
    for flip in (0.0, 0.1, 0.2, 0.3, 0.4):
        cue = am.patterns.corrupt(stored[0], flip=flip, seed=1)
        for quantum in (0.1, 0.01):
            traj = am.simulate(net, cue, solver=am.EventDriven(quantum), until=am.Settled(1e-3))
            ode = am.simulate(net, cue, until=am.Settled(1e-3),
                              solver=am.ExponentialIntegrator(rtol=quantum / 10))  # fmt: skip
            sent = sum(int(n) for n in traj.stats["messages"].values())
            operations = int(traj.stats["synaptic_operations"])
            clocked = 2 * units * count * int(ode.stats["rhs"])
            rows.append({"flipped": flip, "quantum": quantum, "status": traj.status,
                         "messages": sent, "synaptic operations": operations,
                         "of an ODE solver": clocked, "ratio": clocked / max(operations, 1),
                         "settled at": float(traj.settle_times)})  # fmt: skip
    return rows


def draw(saved: list[dict[str, Any]], damaged: list[dict[str, Any]], path: Path) -> None:
    """Savings over the quantum, messages over the damage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for announce, style in (("output", "o-"), ("ahead", "s--")):
        part = [row for row in saved if (row["features"], row["announce"]) == ("tanh", announce)]
        left.loglog(
            [row["quantum"] for row in part],
            [row["saved"] for row in part],
            style,
            color="#0072B2" if announce == "output" else "#E69F00",
            label=f'announce="{announce}"',
        )
    left.set(xlabel="quantum (units of the output)", ylabel="messages of a clock / of events")
    left.legend(frameon=False, fontsize="x-small")
    for quantum, colour in ((0.1, "#0072B2"), (0.01, "#E69F00")):
        part = [row for row in damaged if row["quantum"] == quantum]
        right.semilogy([r["flipped"] for r in part], [max(r["messages"], 0.5) for r in part], "o-",
                       color=colour, label=f"quantum {quantum}")  # fmt: skip
    right.set(xlabel="share of flipped units in the cue", ylabel="messages until settled")
    right.legend(frameon=False, fontsize="x-small")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["speed", "savings", "corruption"],
                        choices=["speed", "savings", "corruption"])  # fmt: skip
    parser.add_argument("--size", default="784x1000", metavar="DxK")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quantum", type=float, default=0.01, help="of speed")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    harness.one_thread()
    tables: dict[str, list[dict[str, Any]]] = {}
    for part in options.parts:
        tables[part] = (speed(options.size, options.rounds, options.quantum) if part == "speed"
                        else globals()[part](options.size))  # fmt: skip
        print(f"\n{part}, {options.size}")
        harness.show(tables[part])
    if options.figure and {"savings", "corruption"} <= tables.keys():
        draw(tables["savings"], tables["corruption"], options.figure)
    if options.json:
        harness.dump(tables, options.json)


if __name__ == "__main__":
    main()
