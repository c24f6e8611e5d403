"""Fingerprint of the integers of random two-layer plans: equal before and after a change.

    python benchmarks/chip_bits.py

Each of 115 plans (`--plans`) recalls two hard cues for four periods in the emulator. What is
hashed are the numbers of the plan, every state and every message; so plans that are planned, proven
or run in another way have another fingerprint.
"""

from __future__ import annotations

import argparse
import hashlib
import time

import numpy as np

import hardware as hw
from hardware import random_plans
from hardware.files import to_parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plans", type=int, default=115)
    args = parser.parse_args()
    seen, seed, start = hashlib.sha256(), 0, time.process_time()
    for _ in range(args.plans):
        while True:
            rng = np.random.default_rng(seed)
            seed += 1
            try:
                plan = random_plans.plan(rng, random_plans.network(rng))
            except hw.RangeError:
                continue
            break
        cues = random_plans.hard_cues(rng, plan, 2)
        inputs = random_plans.jumping_inputs(rng, plan, 2)
        result = hw.run(plan, cues, steps=4 * plan.period + 1, inputs=inputs, record=True)
        scalars, arrays = to_parts(plan)
        seen.update(repr(sorted(scalars.items())).encode())
        named = {**arrays, **result.integers, **result.trace.signals, **result.messages}
        for name in sorted(named):
            array = np.ascontiguousarray(named[name])
            seen.update(name.encode() + array.dtype.str.encode() + array.tobytes())
    print(f"{args.plans} plans, {seed} networks, {seen.hexdigest()[:16]}")
    print(f"{time.process_time() - start:.1f} s of CPU")


if __name__ == "__main__":
    main()
