"""Roundings of weights in a network of three levels: how many damaged digits are recalled.

    python benchmarks/graph_rounding.py

40 gray digits are recalled through the quarters that they consist of: a softmax of the 40 quarters
above each quarter of the pixels, and one of whole digits above these. In ten cues of each digit
30 % of the pixels have the gray of any pixel of any digit.
"""

from __future__ import annotations

import numpy as np

import amsim as am
import hardware as hw

DIGITS, COPIES, SIDE, DAMAGED = 40, 10, 8, 0.3
QUARTERS = [(slice(r, r + 4), slice(c, c + 4)) for r in (0, 4) for c in (0, 4)]


def network(digits: np.ndarray) -> am.Network:
    """Pixels, the quarters at four places, and the digits."""
    layers = {"visible": am.Layer(SIDE * SIDE, am.Identity())}
    synapses = []
    for place, (rows, columns) in enumerate(QUARTERS):
        parts = np.zeros((len(digits), SIDE, SIDE))
        parts[:, rows, columns] = digits.reshape(-1, SIDE, SIDE)[:, rows, columns]
        parts = parts.reshape(len(digits), -1)
        name, bias = f"part{place}", -0.5 * (parts**2).sum(axis=1)
        layers[name] = am.Layer(len(digits), am.Softmax(4.0), tau=0.3, bias=bias)
        synapses.append(am.Dense(parts, between=(name, "visible")))
        synapses.append(am.Dense(2.0 * np.eye(len(digits)), between=("wholes", name)))
    layers["wholes"] = am.Layer(len(digits), am.Softmax(4.0), tau=0.1)
    return am.Network(layers, synapses)


def main() -> None:
    rng = np.random.default_rng(0)
    digits = am.patterns.digits_gray(DIGITS, seed=0)
    cues = np.tile(digits, (COPIES, 1))
    others = rng.choice(digits.ravel(), cues.shape)
    cues = np.where(rng.random(cues.shape) < DAMAGED, others, cues)
    net = network(digits)
    print("share recalled of 400 cues\nbits  nearest  stochastic  learned")
    for bits in (2, 3, 4, 8):
        shares = []
        for rounding in ("nearest", "stochastic", "learned"):
            plan = hw.compile(net, weight_bits=bits, rounding=rounding, dt=0.1)
            final = hw.run(plan, cues, steps=60 * plan.period).final["visible"]
            nearest = ((final[:, None] - digits) ** 2).sum(axis=-1).argmin(axis=1)
            shares.append((nearest == np.tile(np.arange(DIGITS), COPIES)).mean())
        print(f"{bits:4}  {shares[0]:7.3f}  {shares[1]:10.3f}  {shares[2]:7.3f}", flush=True)


if __name__ == "__main__":
    main()
