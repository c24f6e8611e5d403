"""The energy, with what is under way, along hostile executions of bounded staleness.

    python benchmarks/energy.py [--networks 100]

Random pairs of layers, parallel synapses, a Softmax layer or a ReLU one, unequal time constants.
Messages are at most `factor` times `energy_staleness` old: the oldest, random ones, or on each link
the one that drives its target on. Prints the largest rise of E + W within a step, relative to its
size; below a factor of 1 none may be more than rounding.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

import amsim as am
from amsim.stability import energy_staleness

Array = npt.NDArray[Any]
AGES, SUB = 12, 6  # steps within the staleness, and points within a step
HOSTILITIES = ("greedy", "random", "oldest")


def memory(seed: int) -> am.Network:
    rng = np.random.default_rng(seed)
    hidden: am.Lagrangian = am.Softmax(2.0) if seed % 2 else am.ReLU()
    return am.Network(
        {
            "v": am.Layer(3, am.Tanh(1.5), tau=rng.uniform(0.5, 2, 3), bias=rng.normal(size=3)),
            "h": am.Layer(3, hidden, tau=0.7, leak=2.0),
        },
        [
            am.Dense(rng.normal(size=(3, 3)), between=("h", "v"), name="one"),
            am.Dense(0.3 * rng.normal(size=(3, 3)), between=("h", "v"), name="other"),
        ],
    )


def run(net: am.Network, bound: float, staleness: float, hostility: str, seed: int) -> Array:
    """E + W at the ends of steps; a register holds one value of its last AGES - 1 steps a step."""
    rng = np.random.default_rng(seed)
    step = staleness / AGES
    links = [np.asarray(s.weights) for s in net.synapses if isinstance(s, am.Dense)]
    tau = np.concatenate([np.full(n.size, n.tau) for n in net.layers.values()])
    leak = np.repeat([n.leak for n in net.layers.values()], 3)
    bias = np.concatenate([np.full(n.size, n.bias) for n in net.layers.values()])
    slope = np.repeat([1.5, 1.0], 3)  # of tanh(1.5 x); of ReLU, and of a softmax of beta = 2

    def outputs(x: Array) -> Array:
        return np.concatenate(
            [
                n.lagrangian.activation(p)
                for n, p in zip(net.layers.values(), (x[:3], x[3:]), strict=True)
            ]
        )

    x = 2 * rng.normal(size=6)
    past = [outputs(x)] * AGES
    moved: list[tuple[float, float]] = []  # of the points so far: time, sum of D y'^2 times width
    total, t = [], 0.0
    for _ in range(4 * AGES):
        force = np.zeros(6)
        direction = past[-1] - past[-2] + 1e-9 * rng.normal(size=6)
        for weights in links:
            block = np.zeros((6, 6))
            block[3:, :3], block[:3, 3:] = weights, weights.T
            seen = np.array(past[-AGES:])  # (ages, sources)
            if hostility == "greedy":
                gain = direction[:, None, None] * block[:, None, :] * seen[None]
                chosen = gain.argmax(axis=1)
            elif hostility == "random":
                chosen = rng.integers(0, AGES, (6, 6))
            else:
                chosen = np.zeros((6, 6), int)
            heard = seen[chosen, np.arange(6)]
            force += (block * heard).sum(axis=1)
        goal = bias + force / leak
        for _ in range(SUB):
            width = step / SUB
            new = goal + (x - goal) * np.exp(-width * leak / tau)
            rate = (outputs(new) - outputs(x)) / width
            x, t = new, t + width
            moved.append((t - width / 2, float(width * (tau / slope * rate**2).sum())))
        past.append(outputs(x))
        under_way = sum(max(s - t + staleness, 0.0) * size for s, size in moved) / (2 * bound)
        states = {"v": x[:3], "h": x[3:]}
        total.append(float(net.energy(states)) + under_way)
    return np.array(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--networks", type=int, default=100)
    options = parser.parse_args()
    for factor in (0.95, 3.0, 12.0):
        rises = []
        for seed in range(options.networks):
            net = memory(seed)
            bound = energy_staleness(net)
            for hostility in HOSTILITIES:
                total = run(net, bound, factor * bound, hostility, seed)
                rises.append(float(np.diff(total).max() / (1 + np.abs(total).max())))
        risen = np.mean(np.array(rises) > 1e-9)
        print(f"{factor:g} of the bound: {len(rises)} executions, largest rise {max(rises):.2g}, "
              f"{risen:.0%} rise")  # fmt: skip
        assert factor > 1 or max(rises) <= 1e-9, "the energy rose below the bound"


if __name__ == "__main__":
    main()
