"""Errors of recalls in single precision throughout, `dtype="float32"`, beside those of the default.

    python benchmarks/single.py

Largest distance of a feature to where updates in float64 rest (to 1e-11), over 32 cues. Both are
asked for the same residual, the least that float32 can tell; what is left of motion is in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import amsim as am

UNTIL = am.Settled(1e-5)


def memories(kind: str, count: int, units: int) -> Any:
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (count, units))
    return signs if kind == "signs" else np.clip(signs + 0.1 * rng.normal(size=signs.shape), -1, 1)


def main() -> None:
    print("| memories | units | beta x units | solver | float32 | default |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, count, units, scaled in (
        ("signs", 1000, 64, 16),
        ("reals", 1000, 64, 16),
        ("reals", 1000, 784, 16),
    ):
        patterns = memories(kind, count, units)
        net = am.dense_am(patterns, hidden=am.Softmax(scaled / units))
        cues = am.patterns.corrupt(patterns[:32], noise=0.3, seed=1)
        rest = am.simulate(net, cues, solver=am.FixedPoint(), until=am.Settled(1e-11))
        for solver in (None, am.FixedPoint()):
            apart = []
            for dtype in ("float32", None):
                traj = am.simulate(net, cues, solver=solver, until=UNTIL, dtype=dtype)
                apart.append(np.abs(traj.final["visible"] - rest.final["visible"]).max())
            name = "ODE" if solver is None else "updates"
            errors = " | ".join(f"{error:.1e}" for error in apart)
            row = f"{count} {kind} | {units} | {scaled} | {name} | {errors}"
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
