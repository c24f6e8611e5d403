"""The energy along hostile executions whose messages are younger than `energy_staleness`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import energy_staleness
from amsim.theory import timing

Array = npt.NDArray[Any]
AGES, SUB = 12, 6  # steps within the staleness, and points within a step


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
            [n.lagrangian.activation(p) for n, p in zip(net.layers.values(), (x[:3], x[3:]))]
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


@pytest.mark.parametrize("hostility", ["greedy", "random", "oldest"])
@pytest.mark.parametrize("seed", range(4))
def test_the_energy_with_what_is_under_way_falls(seed: int, hostility: str) -> None:
    net = memory(seed)
    bound = energy_staleness(net)
    total = run(net, bound, 0.95 * bound, hostility, seed)
    assert total[0] - total[-1] > 1e-3
    assert np.diff(total).max() <= 1e-9 * (1 + np.abs(total).max())


def test_far_beyond_the_bound_it_rises() -> None:
    net = memory(0)
    bound = energy_staleness(net)
    assert np.diff(run(net, bound, 8 * bound, "greedy", 0)).max() > 1e-3


def test_one_unit_is_within_a_factor_of_two_of_its_oscillation() -> None:
    """x' = -x - b tanh(x(t - d)): B = 1 / b; it oscillates from arccos(-1 / b) / sqrt(b^2 - 1)."""
    for strength in (2.0, 4.0, 100.0):
        layer = am.Layer(1, am.Tanh())
        own = am.Dense(np.array([[-strength]]), between=("x", "x"))
        bound = energy_staleness(am.Network({"x": layer}, [own]))
        assert bound == pytest.approx(1 / strength, rel=1e-7) and bound <= 1 / strength
        ratio = timing.critical_delay_one_layer(strength) / bound
        assert np.pi / 2 < ratio < 2.5


def test_parallel_synapses_add_and_broadcasts_cancel() -> None:
    layers = {"a": am.Layer(1, am.Tanh(2.0), tau=3.0), "b": am.Layer(2, am.Softmax(4.0))}
    one, other = np.array([[0.9], [0.1]]), np.array([[-0.8], [0.3]])
    net = am.Network(
        layers, [am.Dense(one, between=("b", "a"), name="one"),
                 am.Dense(other, between=("b", "a"), name="other")],
    )  # fmt: skip
    inertia = np.sqrt(3.0 / 2.0) * np.sqrt(1.0 / 2.0)
    assert energy_staleness(net) == pytest.approx(inertia / np.hypot(1.7, 0.4))
    assert energy_staleness(net, "broadcast") == pytest.approx(inertia / np.hypot(0.1, 0.4))


LAYERS: dict[str, Callable[[], am.Layer]] = {
    "Sign": lambda: am.Layer(2, am.Sign()),
    "Exponential": lambda: am.Layer(2, am.Exponential()),
    "RectifiedPower": lambda: am.Layer(2, am.RectifiedPower(3)),
    "algebraic": lambda: am.Layer(2, am.Tanh(), tau=0.0),
    "unequal tau": lambda: am.Layer(2, am.Softmax(), tau=[1.0, 2.0]),
}


@pytest.mark.parametrize("what", list(LAYERS))
def test_what_no_proof_covers_is_refused(what: str) -> None:
    layers = {"a": am.Layer(2, am.Identity()), "b": LAYERS[what]()}
    net = am.Network(layers, [am.Dense(np.eye(2), between=("b", "a"))])
    with pytest.raises(ValueError, match=what):
        energy_staleness(net)


def test_directed_synapses_have_no_energy() -> None:
    turn = am.Directed(np.eye(2), source="x", target="x")
    with pytest.raises(ValueError, match="Directed"):
        energy_staleness(am.Network({"x": am.Layer(2, am.Tanh())}, [turn]))
