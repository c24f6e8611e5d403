"""Integers against the ODE on 100 digits, over the width of the weights, and the emulator's speed.

    python benchmarks/mapping.py --figure docs/weight_bits.png

"gray" digits are whole multiples of 1/8 in [-1, 1] and exact from 5 bits on; "scaled" ones are
centred per pixel and divided by their spread, so that rounding the weights costs. 30 % of the
pixels of a cue are replaced by uniform noise. The speed is CPU time of the compiled emulator for
256 cues that are still moving.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from statistics import median

from harness import one_thread

one_thread()

import numpy as np  # noqa: E402

import amsim as am  # noqa: E402
import hardware as hw  # noqa: E402
from hardware import emulator, figures  # noqa: E402
from hardware.jobs import prepare  # noqa: E402

GRAY = 2 * am.patterns.digits_gray(100) - 1
SCALED = (GRAY - GRAY.mean(axis=0)) / GRAY.std()


def damaged(patterns: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.uniform(patterns.min(), patterns.max(), patterns.shape)
    return np.where(rng.random(patterns.shape) < 0.3, noise, patterns)


def accuracy(name: str, patterns: np.ndarray, beta: float) -> list[hw.Comparison]:
    network = am.dense_am(patterns, hidden=am.Softmax(beta))
    comparisons = hw.compare_bit_widths(network, damaged(patterns), (2, 3, 4, 5, 6, 8))
    for c in comparisons:
        good = c.good
        error, rounded = c.total[good], c.rounded[good]
        print(
            f"{name:8} {beta:4g} {c.plan.weight_bits:5d} {1 / c.plan.weight_scale:9.2g} "
            f"{c.same_basin.mean():7.3f} {good.mean():8.3f} "
            f"{np.median(error):9.2g} {error.max():9.2g} "
            f"{np.median(rounded):9.2g} {rounded.max():9.2g}"
        )
    return comparisons


def speed(periods: int = 40, cues: int = 256, rounds: int = 5) -> None:
    emulator._WORTH_COMPILING = 0
    shown = damaged(GRAY[np.arange(cues) % len(GRAY)])
    for beta in (1.0, 2.0):
        plan = hw.compile(am.dense_am(GRAY, hidden=am.Softmax(beta)))
        job, _ = prepare(plan, shown, steps=periods * plan.period)
        emulator.emulate(plan, job)
        times = []
        for _ in range(rounds):
            start = time.process_time()
            emulator.emulate(plan, job)
            times.append(time.process_time() - start)
        rate = cues * job.steps / median(times)
        print(f"64 x 100, batch {cues}, beta {beta:g}: {rate / 1e6:.2f} M cue-steps per CPU second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--figure", type=Path, help="where to draw the scaled digits at beta 2")
    args = parser.parse_args()
    warnings.simplefilter("ignore", am.GuaranteeWarning)
    print("patterns beta  bits weightstep  basin  settled    median     worst    median     worst")
    print(f"{'':54}against the ODE    ODE, rounded weights")
    for name, patterns in (("gray", GRAY), ("scaled", SCALED)):
        for beta in (1.0, 2.0):
            comparisons = accuracy(name, patterns, beta)
    if args.figure:
        figures.bit_widths(comparisons).savefig(args.figure, dpi=150)
    speed()


if __name__ == "__main__":
    main()
