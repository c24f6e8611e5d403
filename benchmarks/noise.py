"""Errors of steps with noise: second moments and escapes of a double well, by solver and step.

    python benchmarks/noise.py
    python benchmarks/noise.py --cues 100000

A unit with two memories, E(x) = x^2 / 2 - log(2 cosh(beta x)) / beta: the drive has the slope beta
at the top of the wall. Exact values are integrals of exp(-E / T), and the least rate of the
Fokker-Planck equation by finite differences. Steps are in units of tau; by default each run
chooses their lengths.
"""

from __future__ import annotations

import argparse
from typing import Any

import harness

STEPS = (0.1, 0.25, 0.5, 1.0)
WELLS = ((3.0, 0.07), (10.0, 0.1))
TIMES = (3.0, 23.0)  # between which escapes are counted


def energy(x: Any, beta: float) -> Any:
    import numpy as np

    return x**2 / 2 - np.logaddexp(beta * x, -beta * x) / beta


def exact(beta: float, temperature: float) -> tuple[float, float]:
    """The second moment, and the rate of escapes either way."""
    import numpy as np
    import scipy.linalg

    grid = np.linspace(-2.5, 2.5, 2001)
    h = grid[1] - grid[0]
    bottom = energy(grid, beta).min()
    there = np.exp((bottom - energy(grid, beta)) / temperature)
    links = temperature * np.exp((bottom - energy(grid[:-1] + h / 2, beta)) / temperature) / h**2
    diagonal = (np.append(links, 0) + np.insert(links, 0, 0)) / there
    off = -links / np.sqrt(there[1:] * there[:-1])
    rates = scipy.linalg.eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 1))[0]
    return float((there * grid**2).sum() / there.sum()), float(rates[1] / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cues", type=int, default=10_000)
    options = parser.parse_args()
    harness.one_thread()
    import numpy as np

    import amsim as am

    rows = []
    for beta, temperature in WELLS:
        net = am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=0.0)
        moment, rate = exact(beta, temperature)
        start = np.full((options.cues, 1), 0.99)
        kinds = (am.ExponentialAdams, am.ExponentialHeun)
        fixed = [(str(step), kind(step)) for step in STEPS for kind in kinds]
        for step, solver in (("chosen", am.ExponentialAdams()), *fixed):
            traj = am.simulate(net, start, noise=temperature, times=TIMES, solver=solver, seed=1)
            x = traj["visible"][..., 0]
            one, two = np.sign(x).mean(axis=1)
            span = 2 * (TIMES[1] - TIMES[0])
            spread = np.sqrt((1 - two**2) / options.cues) / two / span
            rows.append(
                {
                    "beta": beta,
                    "T": temperature,
                    "step": step,
                    "solver": type(solver).__name__,
                    "second moment / exact": (x[1] ** 2).mean() / moment,
                    "+-": (x[1] ** 2).std() / np.sqrt(options.cues) / moment,
                    "escapes / exact": -np.log(two / one) / span / rate,
                    "+- of these": spread / rate,
                    "right-hand sides per tau": traj.stats["rhs"] / options.cues / TIMES[1],
                }
            )
    harness.show(rows)


if __name__ == "__main__":
    main()
