"""Random plans that the planner accepted, run in exact arithmetic: does anything overflow?

    python benchmarks/overflow.py --plans 100000

Each plan is a small network of random kind, weights, biases, taus and options. It recalls two cues
chosen to press on the ranges (corners, memories, inputs that jump between their extremes), in
Python's integers with the width of every value checked (`hardware.exact`). Also printed: how much
larger the proven bounds are than the largest values seen, and what becomes of the plans that the
planner drafted and then refused, if they are run all the same.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from unittest.mock import patch

import numpy as np

import hardware as hw
from hardware import exact, random_plans, ranges
from hardware.run import prepare

# What `hardware.exact` calls the signals of `hardware.ranges`.
SIGNALS = {
    "total": "sum arriving at hidden",
    "hidden": "state of hidden",
    "drive of hidden": "target - state of hidden",
    "arriving": "sum arriving at visible",
    "visible": "state of visible",
    "drive of visible": "target - state of visible",
    "logit": "logits",
    "logit - c": "logit - c",
    "c": "c of the normaliser",
    "message of visible": "messages of visible",
    "sum of a round": "sum arriving at the normaliser",
}
PERIODS = 6


def largest(plan: hw.Plan, rng: np.random.Generator) -> dict[str, int]:
    """The largest values of two hard cues; raises `exact.Overflow`."""
    cues = random_plans.hard_cues(rng, plan, 2)
    inputs = random_plans.jumping_inputs(rng, plan, 2)
    job, _ = prepare(plan, cues, steps=plan.period * PERIODS, inputs=inputs)
    seen: dict[str, int] = defaultdict(int)
    for cue in range(2):
        for name, value in exact.recall(plan, job, cue).largest.items():
            seen[name] = max(seen[name], value)
    return seen


def refused(seed: int) -> str:
    """What becomes of a refused plan without the proof: "no plan", "overflow" or "fits"."""
    rng = np.random.default_rng(seed)
    network = random_plans.network(rng)
    try:
        with patch.object(ranges, "check"):
            plan = random_plans.plan(rng, network)
        largest(plan, rng)
    except hw.RangeError:
        return "no plan"
    except exact.Overflow:
        return "overflow"
    return "fits"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plans", type=int, default=100_000, help="plans to accept")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    refusals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    slack: dict[str, list[float]] = defaultdict(list)
    start, seed = time.process_time(), args.seed
    while counts["accepted"] < args.plans:
        rng = np.random.default_rng(seed)
        seed += 1
        network = random_plans.network(rng)
        try:
            plan = random_plans.plan(rng, network)
        except hw.RangeError as error:
            counts["refused"] += 1
            refusals[error.signal][refused(seed - 1)] += 1
            continue
        counts["accepted"] += 1
        try:
            seen = largest(plan, rng)
        except exact.Overflow as error:
            counts["overflow"] += 1
            print(f"seed {seed - 1}: {error}")
            continue
        proven = {signal.name: signal.largest for signal in ranges.signals(plan)}
        for name, signal in SIGNALS.items():
            if seen.get(name) and signal in proven:
                slack[signal].append(np.log2(proven[signal] / seen[name]))
                if seen[name] > proven[signal]:
                    counts["beyond"] += 1
                    print(f"seed {seed - 1}: {signal} reached {seen[name]}, beyond its bound")
    print(
        f"{counts['accepted']} plans accepted, {counts['overflow']} overflows, "
        f"{counts['beyond']} values beyond their bound, "
        f"{counts['refused']} networks refused ({time.process_time() - start:.0f} s of CPU)"
    )
    print("\nrefused, and what two hard cues do if it is run all the same")
    print(f"{'':34} {'refused':>8} {'no plan':>8} {'overflow':>8} {'fits':>8}")
    for name, found in sorted(refusals.items(), key=lambda item: -item[1].total()):
        numbers = (found.total(), found["no plan"], found["overflow"], found["fits"])
        print(f"  {name:32} " + " ".join(f"{number:8}" for number in numbers))
    print("\nbits by which a proven bound exceeds the largest value seen")
    print(f"{'':34} {'least':>7} {'median':>7} {'95 %':>7}")
    for signal, bits in slack.items():
        least, median, most = np.min(bits), np.median(bits), np.quantile(bits, 0.95)
        print(f"  {signal:32} {least:7.2f} {median:7.2f} {most:7.2f}")


if __name__ == "__main__":
    main()
