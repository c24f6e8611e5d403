"""Wall time of one batch of cues by one thread and by two, on a machine that does nothing else.

    python benchmarks/workers.py

Runs of one and of two threads take turns; the smallest of each counts. Compiled before.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import amsim as am


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| units | memories | cues | one thread | two threads | gain | CPU, two |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for units, count, cues in ((784, 1000, 64), (784, 1000, 256), (64, 10_000, 64), (64, 10**6, 1)):
        patterns = am.patterns.random(count, units, seed=0).astype(np.int8)
        net = am.dense_am(patterns, hidden=am.Softmax(16 / units))
        given = am.patterns.corrupt(patterns[:cues].astype(float), flip=0.2, seed=1)
        took: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
        for turn in range(rounds + 1):
            for workers in took:
                wall, cpu = time.perf_counter(), time.process_time()
                am.simulate(net, given, workers=workers)
                spent = time.perf_counter() - wall, time.process_time() - cpu
                if turn:
                    took[workers].append(spent)
        one, two = (min(wall for wall, _ in took[workers]) for workers in took)
        cpu = min(own for _, own in took[2])
        print(
            f"| {units} | {count} | {cues} | {one:.3g} s | {two:.3g} s | {one / two:.2f} "
            f"| {cpu:.3g} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
