"""The energy along hostile executions whose messages are younger than `energy_staleness`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import energy_staleness
from amsim.theory import timing

Array = npt.NDArray[Any]


def benchmark() -> Any:
    """benchmarks/energy.py, which runs the executions."""
    path = Path(__file__).parents[2] / "benchmarks" / "energy.py"
    spec = importlib.util.spec_from_file_location("energy", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RUNS = benchmark()
memory, run = RUNS.memory, RUNS.run


@pytest.mark.parametrize("hostility", RUNS.HOSTILITIES)
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
