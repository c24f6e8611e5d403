"""Random networks of any layers: does anything overflow, and are all backends bit for bit equal?

    python benchmarks/graphs.py --plans 500

Each plan is a chain, a star, a ring or a free graph of one to four small layers of random kinds,
weights, biases, taus and options. It recalls two cues at the bounds of their states, with inputs
that jump between their extremes and some units clamped. Every signal of every step is compared with
Python's integers, whose widths are checked (`hardware.graphs.exact`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import hardware as hw
from hardware import exact, random_plans
from hardware.graphs import bounds, turns
from hardware.graphs import exact as graph_exact
from hardware.graphs.job import prepare

# "import lava" must not find the file of that name beside this one.
sys.path[0] = str(Path(__file__).parent / "lava_empty")

PERIODS = 4


def largest_proven(plan: hw.GraphPlan) -> dict[str, int]:
    return {signal.name: signal.largest for signal in bounds.signals(plan)}


def compared(seed: int, backends: tuple[str, ...]) -> str:
    """What becomes of a random network: "refused", "overflow", "beyond", a backend, or "equal"."""
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.graph_plan(rng, random_plans.graph(rng))
    except (hw.RangeError, hw.MappingError):
        return "refused"
    cues = random_plans.graph_cues(rng, plan, 2)
    clamp = {name: rng.random((2, units.size)) < 0.2 for name, units in plan.layers.items()}
    steps = PERIODS * min(plan.period, 400) + 1
    names = turns.signals(plan)
    # The same inputs each time: they are drawn when they are asked for.
    given = [dict(plan=plan, cues=cues, clamp=clamp, steps=steps) for _ in range(2)]

    def inputs() -> dict[str, object]:
        return random_plans.jumping_inputs(np.random.default_rng(seed), plan, 2)

    job, _ = prepare(**given[0], inputs=inputs())
    proven = largest_proven(plan)
    try:
        recalls = [graph_exact.recall(plan, job, cue) for cue in range(2)]
    except exact.Overflow as error:
        print(f"seed {seed}: {error}")
        return "overflow"
    for _, seen in recalls:
        for name, value in seen.largest.items():
            if name in proven and value > proven[name]:
                print(f"seed {seed}: {name} reached {value}, beyond its bound {proven[name]}")
                return "beyond"
    for backend in backends:
        result = hw.run(**given[1], inputs=inputs(), backend=backend, record=names)
        for name in names:
            expected = np.array([rows[name] for rows, _ in recalls]).swapaxes(0, 1)
            if not np.array_equal(result.states(name), expected):
                print(f"seed {seed}: {name} differs in {backend!r}")
                return backend
    return "equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plans", type=int, default=500, help="plans to accept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backends", nargs="+", default=["emulator"])
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    start, seed = time.process_time(), args.seed
    while counts.total() - counts["refused"] < args.plans:
        counts[compared(seed, tuple(args.backends))] += 1
        seed += 1
    words = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{words} ({time.process_time() - start:.0f} s of CPU)")


if __name__ == "__main__":
    main()
