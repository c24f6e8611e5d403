"""Errors of the default integrator and of RK45 over their tolerance, against DOP853 at 1e-12.

Random patterns, damaged cues, 40 output times up to 20 tau; "near a border": cues half-way between
two patterns, a thousandth nearer to one. The error of a layer is the largest over its units and
times, over rtol times the largest |x| of the layer in the run, plus atol::

    uv run python benchmarks/solver_errors.py --networks 30
"""

from __future__ import annotations

import argparse

import numpy as np

import amsim as am

KINDS = {
    "Softmax": am.Softmax(1.0), "Tanh": am.Tanh(1.0), "Sigmoid": am.Sigmoid(1.0),
    "ReLU": am.ReLU(), "RectifiedPower(3)": am.RectifiedPower(3),
}  # fmt: skip
REFERENCE = am.ScipyODE("DOP853", rtol=1e-12, atol=1e-14)
TIMES = np.linspace(0.5, 20, 40)


def ratios(net, cue, rtol):
    """Error over tolerance, the largest over layers, of the default integrator and of RK45."""
    atol = 1e-3 * rtol
    options = {"times": TIMES, "until": None}
    exact = am.simulate(net, cue, solver=REFERENCE, **options)
    found = []
    for solver in (am.ExponentialIntegrator(rtol, atol), am.ScipyODE("RK45", rtol, atol)):
        run = am.simulate(net, cue, solver=solver, **options)
        found.append(
            max(
                np.abs(run[name] - exact[name]).max() / (rtol * np.abs(exact[name]).max() + atol)
                for name in net.layers
            )
        )
    return found


def cases(kind, networks, rng):
    """Networks with two cues each; where memories are unbounded, weights are small."""
    for _ in range(networks):
        stored = rng.choice((-1.0, 1.0), (6, 24))
        if kind in ("ReLU", "RectifiedPower(3)"):
            stored = stored * 0.9 / np.linalg.norm(stored, 2)
        net = am.dense_am(stored, hidden=KINDS[kind], tau_hidden=float(rng.choice((0.1, 1.0))))
        flips = np.where(rng.random(24) < 0.25, -1.0, 1.0)
        yield net, stored[0] * flips, 0.5005 * stored[0] + 0.4995 * stored[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--rtol", type=float, nargs="+", default=[1e-4, 1e-6, 1e-8])
    given = parser.parse_args()
    print(f"{'memories':18} {'rtol':>6}  median, 95 %, largest; near a border; RK45: the same")
    for kind in KINDS:
        for rtol in given.rtol:
            found = np.array(
                [
                    [ratios(net, cue, rtol) for cue in cues]
                    for net, *cues in cases(kind, given.networks, np.random.default_rng(0))
                ]
            )
            text = [
                ", ".join(f"{x:.2g}" for x in np.quantile(found[:, cue, solver], (0.5, 0.95, 1)))
                for solver in (0, 1)
                for cue in (0, 1)
            ]
            print(f"{kind:18} {rtol:6.0e}  {'; '.join(text)}", flush=True)


if __name__ == "__main__":
    main()
