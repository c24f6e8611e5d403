"""Random networks: does anything overflow, and are all backends bit for bit equal?

    python benchmarks/graphs.py --plans 500
    python benchmarks/graphs.py --shapes two-layers graphs --backends emulator lava-fused lava

Each plan is that of a two-layer memory, or of a chain, a star, a ring or a free graph of one to
four small layers, of random kinds, weights, biases, taus and options; `--shapes` in turn. It
recalls two cues at the bounds of their states, with inputs that jump between their extremes and
some units clamped. Every signal of every step is compared with Python's integers, whose widths are
checked (`hardware.exact`, `hardware.graphs.exact`), and the final states and counts of the emulator
with those of a run that records nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import hardware as hw
from hardware import exact, jobs, random_plans, ranges, schedule
from hardware.graphs import bounds, turns
from hardware.graphs import exact as graph_exact
from hardware.graphs import job as graph_jobs

# "import lava" must not find the file of that name beside this one.
sys.path[0] = str(Path(__file__).parent / "lava_empty")

PERIODS = 4
Rows = dict[str, np.ndarray]


def drawn(rng: np.random.Generator, shape: str) -> tuple[Any, dict[str, Any]]:
    """A random plan, and two cues with clamped units for `hw.run`."""
    if shape == "graphs":
        graph = random_plans.graph_plan(rng, random_plans.graph(rng))
        cues: Any = random_plans.graph_cues(rng, graph, 2)
        clamp = {name: rng.random((2, units.size)) < 0.2 for name, units in graph.layers.items()}
        return graph, {"cues": cues, "clamp": clamp}
    plan = random_plans.plan(rng, random_plans.network(rng))
    cues = random_plans.hard_cues(rng, plan, 2)
    return plan, {"cues": cues, "clamp": rng.random((2, plan.units[1])) < 0.2}


def by_hand(plan: Any, given: dict[str, Any]) -> tuple[list[Rows], dict[str, int]]:
    """Every signal of both cues in Python's integers, and the largest values that were seen."""
    if isinstance(plan, hw.GraphPlan):
        job, _ = graph_jobs.prepare(plan, **given)
        found = [graph_exact.recall(plan, job, cue) for cue in range(2)]
        rows = [{name: np.array(x) for name, x in signals.items()} for signals, _ in found]
        return rows, _largest(seen.largest for _, seen in found)
    job, _ = jobs.prepare(plan, **given)
    recalls = [exact.recall(plan, job, cue) for cue in range(2)]
    return [_signals(plan, each) for each in recalls], _largest(x.largest for x in recalls)


def _largest(every: Any) -> dict[str, int]:
    first, second = every
    return {name: max(first[name], second.get(name, 0)) for name in first}


def _signals(plan: hw.Plan, recall: exact.Recall) -> Rows:
    """States and messages of a two-layer memory by their names."""
    rows = {"visible": np.array(recall.v), "hidden": np.array(recall.h)}
    if plan.normaliser is not None:
        rows["normaliser"] = np.array(recall.c).reshape(-1, 1)
    for name, states in list(rows.items()):
        sent = np.zeros_like(states)
        for t, message in enumerate(recall.out):
            if plan.schedule[t % plan.period].population == name:
                sent[t] = message
        rows[f"{name}_out"] = sent
    return rows


def compared(seed: int, shape: str, backends: tuple[str, ...]) -> str:
    """What becomes of a random network: "refused", "overflow", "beyond", a backend, or "equal"."""
    rng = np.random.default_rng(seed)
    try:
        plan, given = drawn(rng, shape)
    except (hw.RangeError, hw.MappingError, ValueError):
        return "refused"
    given["steps"] = PERIODS * min(plan.period, 400) + 1

    def inputs() -> dict[str, object]:
        """The same each time: they are drawn when they are asked for."""
        return random_plans.jumping_inputs(np.random.default_rng(seed), plan, 2)

    signals = bounds.signals(plan) if isinstance(plan, hw.GraphPlan) else ranges.check(plan)
    proven = {signal.name: signal.largest for signal in signals}
    try:
        rows, largest = by_hand(plan, given | {"inputs": inputs()})
    except exact.Overflow as error:
        print(f"{shape}, seed {seed}: {error}")
        return "overflow"
    for name, value in largest.items():
        if name in proven and value > proven[name]:
            print(f"{shape}, seed {seed}: {name} reached {value}, beyond its bound {proven[name]}")
            return "beyond"
    names = tuple(rows[0])
    assert set(names) <= {*schedule.SIGNALS} or set(names) == {*turns.signals(plan)}
    for backend in backends:
        result = hw.run(plan, **given, inputs=inputs(), backend=backend, record=names)
        for name in names:
            expected = np.array([each[name] for each in rows]).swapaxes(0, 1)
            if not np.array_equal(result.states(name), expected):
                print(f"{shape}, seed {seed}: {name} differs in {backend!r}")
                return backend
        if backend == "emulator":
            again = hw.run(plan, **given, inputs=inputs())
            pairs = [(result.integers, again.integers), (result.messages, again.messages)]
            if any(not np.array_equal(x[n], y[n]) for x, y in pairs for n in x):
                print(f"{shape}, seed {seed}: differs where nothing is recorded")
                return "unrecorded"
    return "equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plans", type=int, default=500, help="plans to accept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", nargs="+", default=["graphs"], help="two-layers, graphs")
    parser.add_argument("--backends", nargs="+", default=["emulator"])
    parser.add_argument("--seconds", type=float, default=np.inf, help="stop after so many")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    cpu, start = sum(os.times()[:4]), time.monotonic()
    for seed, shape in zip(itertools.count(args.seed), itertools.cycle(args.shapes), strict=False):
        accepted = counts.total() - counts["refused"]
        if accepted == args.plans or time.monotonic() - start > args.seconds:
            break
        counts[compared(seed, shape, tuple(args.backends))] += 1
    words = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(
        f"{words}; backends {', '.join(args.backends)} ({time.process_time() - cpu:.0f} s of CPU)"
    )


if __name__ == "__main__":
    main()
